//! A ratio and what moves it, the widest bar on top.

use plotters::coord::ranged1d::Ranged;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::text_width;
use super::{
    GRID, LABEL_SIZE, LINE_HEIGHT, MARGIN, TEXT, TEXT_SIZE, TITLE_SIZE, axis, failed, font, style, text,
};
use crate::report::ReportError;
use crate::report::number::significant;
use crate::study::Tornado;

const WIDTH: i32 = 900;
const BAR: i32 = 14;
const ROW: i32 = 22;
/// Room for a bar's own numbers at both ends.
const NUMBERS: i32 = 50;
const COLOR: RGBColor = RGBColor(0, 114, 178);

/// Draws one bar per thing moved, from its lowest ratio to its highest.
pub fn tornado_plot(title: &str, tornado: &Tornado) -> Result<String, ReportError> {
    font()?;
    let names = tornado.bars.iter().map(|bar| text_width(&bar.what, LABEL_SIZE));
    let left = MARGIN + names.collect::<Result<Vec<i32>, _>>()?.into_iter().max().unwrap_or(0) + 8 + NUMBERS;
    let right = WIDTH - MARGIN - NUMBERS;
    let top = MARGIN + TITLE_SIZE + 8 + LINE_HEIGHT + 6;
    let bottom = top + ROW * tornado.bars.len() as i32 + 4;
    let height = bottom + 2 * LINE_HEIGHT + MARGIN;
    let bounds = tornado.bars.iter().flat_map(|bar| [bar.low, bar.high]).chain([tornado.center]);
    let x = axis::linear(bounds.map(|ratio| 100.0 * ratio));
    let pixel = |percent: f64| x.map(&percent, (left, right));

    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH as u32, height as u32)).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        text(&root, title, (MARGIN, MARGIN), TITLE_SIZE)?;
        let center = significant(100.0 * tornado.center, 3);
        let caption = format!(
            "{center} % with typical prices under the design's own condition; one thing moved at a time."
        );
        text(&root, &caption, (MARGIN, MARGIN + TITLE_SIZE + 8), TEXT_SIZE)?;
        for tick in &x.ticks {
            let line = vec![(pixel(*tick), top), (pixel(*tick), bottom)];
            root.draw(&PathElement::new(line, GRID.stroke_width(1))).map_err(failed)?;
            let centered = style(LABEL_SIZE).pos(Pos::new(HPos::Center, VPos::Top));
            let label = format!("{tick:.*}", x.decimals);
            root.draw_text(&label, &centered, (pixel(*tick), bottom + 4)).map_err(failed)?;
        }
        let right_aligned = style(LABEL_SIZE).pos(Pos::new(HPos::Right, VPos::Top));
        for (index, bar) in tornado.bars.iter().enumerate() {
            let y = top + 4 + ROW * index as i32;
            root.draw_text(&bar.what, &right_aligned, (left - 6 - NUMBERS, y)).map_err(failed)?;
            let (from, to) = (pixel(100.0 * bar.low), pixel(100.0 * bar.high));
            let rectangle = Rectangle::new([(from, y), (to.max(from + 1), y + BAR)], COLOR.filled());
            root.draw(&rectangle).map_err(failed)?;
            root.draw_text(&significant(100.0 * bar.low, 3), &right_aligned, (from - 4, y))
                .map_err(failed)?;
            text(&root, &significant(100.0 * bar.high, 3), (to + 4, y), LABEL_SIZE)?;
        }
        let line = vec![(pixel(100.0 * tornado.center), top), (pixel(100.0 * tornado.center), bottom)];
        root.draw(&PathElement::new(line, TEXT.stroke_width(1))).map_err(failed)?;
        text(&root, "%", (left, bottom + 4 + LINE_HEIGHT), TEXT_SIZE)?;
        root.present().map_err(failed)?;
    }
    Ok(svg)
}
