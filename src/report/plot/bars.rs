//! A simulation's layers as stacked bars: cycles by cause, energy by component.

use plotters::coord::ranged1d::Ranged;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis;
use super::{
    Area, GRID, LABEL_SIZE, LINE_HEIGHT, MARGIN, TEXT, TEXT_SIZE, TITLE_SIZE, failed, font, style, text,
    text_width, wrap,
};
use crate::explore::{CYCLE_CAUSES, Simulation};
use crate::report::ReportError;
use crate::report::number::significant;

const WIDTH: i32 = 1100;
const BAR: i32 = 13;
const ROW: i32 = 18;

/// Okabe and Ito's colors for all kinds of color vision (2008) and two greys.
const COLORS: [RGBColor; 9] = [
    RGBColor(0, 158, 115),
    RGBColor(230, 159, 0),
    RGBColor(240, 228, 66),
    RGBColor(86, 180, 233),
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(204, 121, 167),
    RGBColor(90, 90, 90),
    RGBColor(170, 170, 170),
];

/// Bars of equal meaning, one per layer.
struct Bars<'a> {
    title: String,
    caption: String,
    x_title: &'a str,
    series: Vec<String>,
    /// Name and one value per series. Negative ones go left of zero.
    rows: Vec<(&'a str, Vec<f64>)>,
}

/// Cycles of every layer by cause.
pub fn cycle_bars(simulation: &Simulation) -> Result<String, ReportError> {
    let bars = Bars {
        title: format!("{} on {}: cycles by cause", simulation.workload, simulation.hardware),
        caption: format!(
            "{}, batch {}, {} cycles. A tick marks a layer's cycles, the sum of its parts; parts left of zero are \
             waiting that the layer before paid for.",
            simulation.regime, simulation.batch, simulation.totals.cycles
        ),
        x_title: "cycles",
        series: CYCLE_CAUSES.map(|cause| cause.replace('_', " ")).to_vec(),
        rows: simulation
            .layers
            .iter()
            .map(|layer| (layer.name.as_str(), layer.cycles_by_cause.map(|cycles| cycles as f64).to_vec()))
            .collect(),
    };
    draw(&bars)
}

/// Typical modelled energy of every layer by component.
pub fn energy_bars(simulation: &Simulation) -> Result<String, ReportError> {
    let mut series: Vec<&str> = Vec::new();
    for (component, _) in simulation.layers.iter().flat_map(|layer| &layer.energy_pj) {
        if !series.contains(component) {
            series.push(*component);
        }
    }
    let rows = simulation.layers.iter().map(|layer| {
        let of = |component: &&str| {
            let found = layer.energy_pj.iter().find(|(name, _)| name == component);
            found.map_or(0.0, |(_, range)| range.typical * 1e-6)
        };
        (layer.name.as_str(), series.iter().map(of).collect())
    });
    let bars = Bars {
        title: format!("{} on {}: modelled energy by component", simulation.workload, simulation.hardware),
        caption: format!(
            "{}, batch {}, {} µJ (typical). Excluded: {}.",
            simulation.regime,
            simulation.batch,
            significant(simulation.totals.energy_pj.typical * 1e-6, 4),
            simulation.energy_excluded.join("; ")
        ),
        x_title: "µJ",
        rows: rows.collect(),
        series: series.into_iter().map(str::to_owned).collect(),
    };
    draw(&bars)
}

fn draw(bars: &Bars) -> Result<String, ReportError> {
    font()?;
    let caption = wrap(&bars.caption, WIDTH - 2 * MARGIN)?;
    let legend = legend(&bars.series)?;
    let legend_lines = legend.last().map_or(1, |(_, line)| line + 1);
    let names = bars.rows.iter().map(|(name, _)| text_width(name, LABEL_SIZE));
    let left = MARGIN + names.collect::<Result<Vec<i32>, _>>()?.into_iter().max().unwrap_or(0) + 8;
    let right = WIDTH - MARGIN - 24;
    let legend_top = MARGIN + TITLE_SIZE + 8 + LINE_HEIGHT * caption.len() as i32;
    let top = legend_top + LINE_HEIGHT * legend_lines + 6;
    let bottom = top + ROW * bars.rows.len() as i32 + 4;
    let height = bottom + 2 * LINE_HEIGHT + MARGIN;

    let side = |sign: f64| {
        let of = move |values: &Vec<f64>| values.iter().filter(|value| **value * sign > 0.0).sum::<f64>();
        bars.rows.iter().map(move |(_, values)| of(values))
    };
    let x = axis::linear(side(1.0).chain(side(-1.0)).chain([0.0]));
    let pixel = |value: f64| x.map(&value, (left, right));

    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH as u32, height as u32)).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        text(&root, &bars.title, (MARGIN, MARGIN), TITLE_SIZE)?;
        for (index, line) in caption.iter().enumerate() {
            text(&root, line, (MARGIN, MARGIN + TITLE_SIZE + 8 + LINE_HEIGHT * index as i32), TEXT_SIZE)?;
        }
        for ((name, color), (x, line)) in bars.series.iter().zip(COLORS.iter().cycle()).zip(&legend) {
            let y = legend_top + LINE_HEIGHT * line;
            rectangle(&root, (MARGIN + x, y + 1), (MARGIN + x + 12, y + 12), *color)?;
            text(&root, name, (MARGIN + x + 18, y), TEXT_SIZE)?;
        }
        for tick in &x.ticks {
            let line = vec![(pixel(*tick), top), (pixel(*tick), bottom)];
            root.draw(&PathElement::new(line, GRID.stroke_width(1))).map_err(failed)?;
            let label = format!("{tick:.*}", x.decimals);
            let centered = style(LABEL_SIZE).pos(Pos::new(HPos::Center, VPos::Top));
            root.draw_text(&label, &centered, (pixel(*tick), bottom + 4)).map_err(failed)?;
        }
        for (index, (name, values)) in bars.rows.iter().enumerate() {
            row(&root, name, values, (left, top + ROW * index as i32), pixel)?;
        }
        let zero = vec![(pixel(0.0), top), (pixel(0.0), bottom)];
        root.draw(&PathElement::new(zero, TEXT.stroke_width(1))).map_err(failed)?;
        text(&root, bars.x_title, (pixel(0.0), bottom + 4 + LINE_HEIGHT), TEXT_SIZE)?;
        root.present().map_err(failed)?;
    }
    Ok(svg)
}

/// One bar, its name left of `left`, a tick at its sum.
fn row(
    root: &Area,
    name: &str,
    values: &[f64],
    (left, top): (i32, i32),
    pixel: impl Fn(f64) -> i32,
) -> Result<(), ReportError> {
    let right_aligned = style(LABEL_SIZE).pos(Pos::new(HPos::Right, VPos::Top));
    root.draw_text(name, &right_aligned, (left - 6, top)).map_err(failed)?;
    let (mut above, mut below) = (0.0, 0.0);
    for (value, color) in values.iter().zip(COLORS.iter().cycle()) {
        let end = if *value < 0.0 { &mut below } else { &mut above };
        let from = pixel(*end);
        *end += value;
        if pixel(*end) != from {
            rectangle(root, (from, top), (pixel(*end), top + BAR), *color)?;
        }
    }
    if below < 0.0 {
        let sum = pixel(above + below);
        let tick = vec![(sum, top - 2), (sum, top + BAR + 2)];
        root.draw(&PathElement::new(tick, TEXT.stroke_width(2))).map_err(failed)?;
    }
    Ok(())
}

/// Place and line of every entry.
fn legend(series: &[String]) -> Result<Vec<(i32, i32)>, ReportError> {
    let (mut x, mut line) = (0, 0);
    let mut places = Vec::new();
    for name in series {
        let width = 18 + text_width(name, TEXT_SIZE)? + 22;
        if x > 0 && x + width > WIDTH - 2 * MARGIN {
            (x, line) = (0, line + 1);
        }
        places.push((x, line));
        x += width;
    }
    Ok(places)
}

fn rectangle(root: &Area, from: (i32, i32), to: (i32, i32), color: RGBColor) -> Result<(), ReportError> {
    root.draw(&Rectangle::new([from, to], color.filled())).map_err(failed)
}
