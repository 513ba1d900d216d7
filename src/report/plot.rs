//! Accuracy against modelled energy as SVG. The only user of plotters.

mod axis;
mod label;
mod marker;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};

use self::axis::Axis;
use self::label::{Rect, place};
use self::marker::{legend_order, marker};
use super::ReportError;
use super::columns::microjoules;
use super::number::significant;
use crate::explore::{Interval95, Outcome, Point, Regime, pareto_front, wilson};

/// A plot of the networks that share an accuracy axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParetoPlot {
    /// The networks' family.
    pub family: String,
    /// What their accuracy was measured on.
    pub evaluation_set: String,
    /// The drawing.
    pub svg: String,
}

/// One plot per family and evaluation set: top-1 with its 95 % interval against modelled energy per
/// image, one panel per design, with the Pareto front of each.
///
/// Only cold batch-1 points with a measured accuracy and a positive energy are drawn: without any there
/// is no plot. `energy_excluded` names what the energy leaves out; it stands in the caption.
pub fn pareto_plots(points: &[Point], energy_excluded: &[String]) -> Result<Vec<ParetoPlot>, ReportError> {
    let mut plots: BTreeMap<(&str, &str), Vec<Dot>> = BTreeMap::new();
    for point in points {
        if let Some(dot) = Dot::new(point) {
            plots.entry((&point.family, dot.evaluation_set)).or_default().push(dot);
        }
    }
    plots
        .into_iter()
        .map(|((family, evaluation_set), dots)| {
            let svg = draw(family, evaluation_set, &dots, energy_excluded)?;
            Ok(ParetoPlot { family: family.into(), evaluation_set: evaluation_set.into(), svg })
        })
        .collect()
}

/// A point of the plot.
struct Dot<'a> {
    design: &'a str,
    precision: &'a str,
    size: &'a str,
    evaluation_set: &'a str,
    images: u64,
    energy_uj: f64,
    top1: Interval95,
}

impl<'a> Dot<'a> {
    fn new(point: &'a Point) -> Option<Self> {
        let accuracy = point.measured()?;
        let Outcome::Runs(cost) = &point.outcome else { return None };
        let energy_uj = microjoules(cost.energy_per_image_pj.typical);
        let drawn =
            point.regime == Regime::Cold && point.batch == 1 && energy_uj.is_finite() && energy_uj > 0.0;
        drawn.then_some(Self {
            design: &point.design,
            precision: &point.precision,
            size: point.network_size(),
            evaluation_set: &accuracy.evaluation_set,
            images: accuracy.images,
            energy_uj,
            top1: wilson(accuracy)?,
        })
    }
}

/// What all panels of a plot share.
struct Scene<'a> {
    x: Axis,
    y: Axis,
    legend: Vec<&'a str>,
    /// Leading part of the networks' names that all of them share: it is in the title, not in labels.
    common: &'a str,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const MARGIN: i32 = 16;
const PANEL: (i32, i32) = (450, 392);
const PANELS_PER_ROW: usize = 3;
const TITLE_SIZE: i32 = 18;
const TEXT_SIZE: i32 = 13;
const LABEL_SIZE: i32 = 12;
const LINE_HEIGHT: i32 = 19;
const TEXT: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(225, 225, 225);
const LEADER: RGBColor = RGBColor(120, 120, 120);
const FRONT: RGBColor = RGBColor(165, 165, 165);

fn draw(family: &str, set: &str, dots: &[Dot], energy_excluded: &[String]) -> Result<String, ReportError> {
    font()?;
    let mut designs: Vec<&str> = Vec::new();
    for dot in dots {
        if !designs.contains(&dot.design) {
            designs.push(dot.design);
        }
    }
    let columns = designs.len().min(PANELS_PER_ROW);
    let rows = designs.len().div_ceil(PANELS_PER_ROW);
    // One panel alone is wider, so that title and legend have room.
    let panel = if columns == 1 { (PANEL.0 * 3 / 2, PANEL.1) } else { PANEL };
    let width = panel.0 * columns as i32 + 2 * MARGIN;

    let caption = wrap(&caption(set, dots, energy_excluded), width - 2 * MARGIN)?;
    let legend = legend_order(dots.iter().map(|dot| dot.precision));
    let entries = legend_layout(&legend, width - 2 * MARGIN)?;
    let legend_lines = entries.last().map_or(1, |entry| entry.line + 1);
    let top = MARGIN + TITLE_SIZE + 8 + LINE_HEIGHT * caption.len() as i32 + 6;
    let bottom = top + panel.1 * rows as i32 + 8;
    let height = bottom + LINE_HEIGHT * legend_lines + MARGIN;

    let scene = Scene {
        x: axis::logarithmic(dots.iter().map(|dot| dot.energy_uj)),
        y: axis::linear(dots.iter().flat_map(|dot| [dot.top1.low, dot.top1.high])),
        common: common_prefix(dots),
        legend,
    };

    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (width as u32, height as u32)).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let title = format!("{family}: top-1 accuracy against modelled energy per image");
        text(&root, &title, (MARGIN, MARGIN), TITLE_SIZE)?;
        for (i, line) in caption.iter().enumerate() {
            let y = MARGIN + TITLE_SIZE + 8 + LINE_HEIGHT * i as i32;
            text(&root, line, (MARGIN, y), TEXT_SIZE)?;
        }
        for (i, design) in designs.iter().enumerate() {
            let left = MARGIN + panel.0 * (i % PANELS_PER_ROW) as i32;
            let panel_top = top + panel.1 * (i / PANELS_PER_ROW) as i32;
            let area = root.clone().shrink((left, panel_top), (panel.0 as u32, panel.1 as u32));
            let dots: Vec<&Dot> = dots.iter().filter(|dot| dot.design == *design).collect();
            draw_panel(&root, &area, design, &dots, &scene)?;
        }
        draw_legend(&root, &entries, &scene, bottom)?;
        root.present().map_err(failed)?;
    }
    Ok(svg)
}

fn draw_panel(
    root: &Area,
    area: &Area,
    design: &str,
    dots: &[&Dot],
    scene: &Scene,
) -> Result<(), ReportError> {
    let mut chart = ChartBuilder::on(area)
        .caption(design, style(TEXT_SIZE + 2))
        .margin_right(24)
        .margin_bottom(12)
        .x_label_area_size(44)
        .y_label_area_size(58)
        .build_cartesian_2d(scene.x.clone(), scene.y.clone())
        .map_err(failed)?;
    chart
        .configure_mesh()
        .x_desc("modelled energy per image (µJ, log scale)")
        .y_desc("top-1 (%)")
        .x_label_formatter(&|energy| trimmed(*energy))
        .y_label_formatter(&|top1| format!("{top1:.*}", scene.y.decimals))
        .label_style(style(LABEL_SIZE))
        .axis_desc_style(style(TEXT_SIZE))
        .axis_style(TEXT)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .draw()
        .map_err(failed)?;

    // From here on in pixels: markers, error bars and labels have sizes in pixels, not in µJ and %.
    let pixel = |energy: f64, top1: f64| chart.backend_coord(&(energy, top1));
    let (left_bottom, right_top) =
        (pixel(scene.x.range.start, scene.y.range.start), pixel(scene.x.range.end, scene.y.range.end));
    let frame = Rect::around(left_bottom, right_top, -2);
    let mut obstacles = Vec::new();

    let front = pareto_front(dots, |dot| (dot.energy_uj, dot.top1.estimate));
    let corners: Vec<(i32, i32)> =
        front.iter().map(|&i| pixel(dots[i].energy_uj, dots[i].top1.estimate)).collect();
    let steps = steps(&corners, left_bottom.1, right_top.0);
    obstacles.extend(steps.windows(2).map(|s| Rect::around(s[0], s[1], 1)));
    root.draw(&PathElement::new(steps, FRONT.stroke_width(2))).map_err(failed)?;

    let center = |dot: &Dot| pixel(dot.energy_uj, dot.top1.estimate);
    let bar = |dot: &Dot| (pixel(dot.energy_uj, dot.top1.low), pixel(dot.energy_uj, dot.top1.high));
    for dot in dots {
        let (low, high) = bar(dot);
        obstacles.push(Rect::around(low, high, 3));
        obstacles.push(Rect::around(center(dot), center(dot), marker::RADIUS + 1));
    }
    let mut labels = Vec::new();
    for dot in dots {
        let name = dot.size.strip_prefix(scene.common).unwrap_or(dot.size);
        let place = place(center(dot), (text_width(name, LABEL_SIZE)?, LABEL_SIZE), &obstacles, frame);
        obstacles.push(place);
        labels.push((name, place));
        if let Some(end) = place.leader(center(dot)) {
            let line = vec![center(dot), end];
            root.draw(&PathElement::new(line, LEADER.stroke_width(1))).map_err(failed)?;
        }
    }
    for dot in dots {
        let (low, high) = bar(dot);
        error_bar(root, low, high, marker(dot.precision, &scene.legend).color)?;
    }
    for dot in dots {
        marker(dot.precision, &scene.legend).draw(root, center(dot)).map_err(failed)?;
    }
    for (name, place) in labels {
        text(root, name, (place.left, place.top), LABEL_SIZE)?;
    }
    Ok(())
}

/// The front as steps in pixels: the best top-1 within each energy, from the panel's bottom to its right.
fn steps(front: &[(i32, i32)], bottom: i32, right: i32) -> Vec<(i32, i32)> {
    let mut path = Vec::new();
    let mut level = bottom;
    for &(x, y) in front {
        path.extend([(x, level), (x, y)]);
        level = y;
    }
    path.push((right, level));
    path
}

fn error_bar(root: &Area, low: (i32, i32), high: (i32, i32), color: RGBColor) -> Result<(), ReportError> {
    let cap = |(x, y): (i32, i32)| [(x - 4, y), (x + 4, y)];
    for line in [[low, high], cap(low), cap(high)] {
        root.draw(&PathElement::new(line.to_vec(), color.stroke_width(1))).map_err(failed)?;
    }
    Ok(())
}

/// An entry of the legend: a precision, or the front where there is none.
struct Entry<'a> {
    precision: Option<&'a str>,
    x: i32,
    line: i32,
}

impl Entry<'_> {
    fn text(&self) -> &str {
        self.precision.unwrap_or("Pareto front: best top-1 within an energy")
    }
}

/// Entries from left to right, in as many lines as they need.
fn legend_layout<'a>(legend: &[&'a str], width: i32) -> Result<Vec<Entry<'a>>, ReportError> {
    let (mut x, mut line) = (0, 0);
    let mut entries = Vec::new();
    for precision in legend.iter().copied().map(Some).chain([None]) {
        let mut entry = Entry { precision, x, line };
        let entry_width = 30 + text_width(entry.text(), TEXT_SIZE)? + 24;
        if x > 0 && x + entry_width > width {
            line += 1;
            (entry.x, entry.line) = (0, line);
        }
        x = entry.x + entry_width;
        entries.push(entry);
    }
    Ok(entries)
}

fn draw_legend(root: &Area, entries: &[Entry], scene: &Scene, top: i32) -> Result<(), ReportError> {
    for entry in entries {
        let (x, y) = (MARGIN + entry.x, top + LINE_HEIGHT * entry.line);
        let middle = y + 5;
        match entry.precision {
            Some(precision) => {
                let marker = marker(precision, &scene.legend);
                marker.draw(root, (x + 14, middle)).map_err(failed)?;
            }
            None => {
                let line = vec![(x + 2, middle), (x + 26, middle)];
                root.draw(&PathElement::new(line, FRONT.stroke_width(2))).map_err(failed)?;
            }
        }
        text(root, entry.text(), (x + 30, y), TEXT_SIZE)?;
    }
    Ok(())
}

fn caption(set: &str, dots: &[Dot], energy_excluded: &[String]) -> String {
    let (low, high) = dots.iter().fold((u64::MAX, 0), |(l, h), dot| (l.min(dot.images), h.max(dot.images)));
    let n = if low == high { low.to_string() } else { format!("{low} to {high}") };
    let excluded = if energy_excluded.is_empty() { "nothing".into() } else { energy_excluded.join(", ") };
    format!(
        "Measured on {set}, n = {n}; bars: 95 % Wilson interval. Cold, batch 1. \
         Excluded from the modelled energy: {excluded}."
    )
}

/// The leading words (up to a `-`) that all networks' names share, unless they share everything.
fn common_prefix<'a>(dots: &[Dot<'a>]) -> &'a str {
    let Some(first) = dots.first().map(|dot| dot.size) else { return "" };
    if dots.iter().all(|dot| dot.size == first) {
        return "";
    }
    let prefixes = first.match_indices('-').map(|(at, _)| &first[..=at]);
    prefixes.rev().find(|prefix| dots.iter().all(|dot| dot.size.starts_with(prefix))).unwrap_or("")
}

/// Breaks a text at spaces into lines no wider than `width` pixels.
fn wrap(text: &str, width: i32) -> Result<Vec<String>, ReportError> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        let longer = if lines[last].is_empty() { word.into() } else { format!("{} {word}", lines[last]) };
        if lines[last].is_empty() || text_width(&longer, TEXT_SIZE)? <= width {
            lines[last] = longer;
        } else {
            lines.push(word.into());
        }
    }
    Ok(lines)
}

/// A tick as short as it is exact: `0.5`, `20`.
fn trimmed(energy: f64) -> String {
    let digits = significant(energy, 1);
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.').into() } else { digits }
}

fn style(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&TEXT)
}

fn text(root: &Area, text: &str, at: (i32, i32), size: i32) -> Result<(), ReportError> {
    root.draw_text(text, &style(size).pos(Pos::new(HPos::Left, VPos::Top)), at).map_err(failed)
}

fn text_width(text: &str, size: i32) -> Result<i32, ReportError> {
    let (width, _) = ("sans-serif", size).into_font().box_size(text).map_err(failed)?;
    Ok(width as i32)
}

/// Registers the font that lays out text, once per process.
fn font() -> Result<(), ReportError> {
    static REGISTERED: LazyLock<bool> =
        LazyLock::new(|| register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular()).is_ok());
    if *REGISTERED { Ok(()) } else { Err(ReportError::Plot("the font cannot be read".into())) }
}

fn failed(error: impl std::fmt::Display) -> ReportError {
    ReportError::Plot(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{point, points, unsupported};
    use super::*;
    use crate::explore::Accuracy;

    fn svg(points: &[Point]) -> String {
        let plots = pareto_plots(points, &["clock tree".into(), "control".into()]).unwrap();
        assert_eq!(plots.len(), 1);
        plots.into_iter().next().unwrap().svg
    }

    #[test]
    fn names_what_must_be_known() {
        let svg = svg(&points());
        for text in [
            "fashion-mnist-test, n = 10000",
            "Excluded from the modelled energy: clock tree, control.",
            "modelled energy per image (µJ, log scale)",
            "top-1 (%)",
            "edge-16x16-ws",
            "tpu-like-128x128",
            "mostly-4-bit",
            "width16",
        ] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn same_points_give_the_same_bytes() {
        assert_eq!(svg(&points()), svg(&points()));
    }

    #[test]
    fn nothing_to_draw_is_no_plot() {
        let mut free = point("edge", 8, "bf16", 0.0, 9000);
        let Outcome::Runs(cost) = &mut free.outcome else { unreachable!() };
        cost.energy_per_image_pj.typical = 0.0;
        let mut unmeasured = point("edge", 8, "bf16", 1.0, 9000);
        unmeasured.accuracy = None;
        let points = [free, unmeasured, unsupported(point("edge", 8, "bf16", 1.0, 9000))];
        assert_eq!(pareto_plots(&points, &[]).unwrap(), []);
        assert_eq!(pareto_plots(&[], &[]).unwrap(), []);
    }

    #[test]
    fn one_point_and_identical_points_are_drawn() {
        let one = point("edge", 8, "bf16", 1.0, 10_000);
        svg(std::slice::from_ref(&one));
        svg(&[one.clone(), one]);
    }

    #[test]
    fn families_and_evaluation_sets_do_not_share_an_axis() {
        let mut points = points();
        points[0].family = "mlp".into();
        let Some(Accuracy::Measured(accuracy)) = &mut points[1].accuracy else { unreachable!() };
        accuracy.evaluation_set = "other".into();
        let plots = pareto_plots(&points, &[]).unwrap();
        let names: Vec<_> = plots.iter().map(|p| (p.family.as_str(), p.evaluation_set.as_str())).collect();
        assert_eq!(
            names,
            [("mlp", "fashion-mnist-test"), ("resnet8", "fashion-mnist-test"), ("resnet8", "other")]
        );
    }

    #[test]
    fn the_front_is_a_staircase() {
        assert_eq!(
            steps(&[(10, 50), (30, 20)], 90, 100),
            [(10, 90), (10, 50), (30, 50), (30, 20), (100, 20)]
        );
    }
}
