//! Accuracy against a cost, and layers as bars, as SVG. The only user of plotters.

mod axis;
mod bars;
mod label;
mod marker;
mod roofline;
mod tornado;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};

use self::axis::Axis;
pub use self::bars::{cycle_bars, energy_bars};
use self::label::{Rect, place};
use self::marker::{legend_order, marker};
pub use self::roofline::roofline;
pub use self::tornado::tornado_plot;
use super::ReportError;
use super::number::significant;
use crate::explore::{Axes, CostAxis, DesignPoint, Sample};

/// A plot of the points that may be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParetoPlot {
    /// What its points have in common.
    pub axes: Axes,
    /// The drawing.
    pub svg: String,
}

/// One plot per set of comparable points: top-1 with its interval against a cost, one panel per design,
/// with the Pareto front of each. More designs than [`MOST_PANELS`] share one panel and one front.
///
/// Points whose cost is not positive are left out: without any other there is no plot.
pub fn pareto_plots(points: &[DesignPoint], cost: CostAxis) -> Result<Vec<ParetoPlot>, ReportError> {
    let mut plots: BTreeMap<&Axes, Vec<&DesignPoint>> = BTreeMap::new();
    for point in points.iter().filter(|point| cost.of(point).is_finite() && cost.of(point) > 0.0) {
        plots.entry(&point.axes).or_default().push(point);
    }
    plots
        .into_iter()
        .map(|(axes, points)| Ok(ParetoPlot { axes: axes.clone(), svg: draw(axes, &points, cost)? }))
        .collect()
}

/// Designs with a panel of their own at most.
pub const MOST_PANELS: usize = 12;
/// Points of a panel whose networks are all named; beyond, only those on its front are.
const MOST_LABELS: usize = 40;

/// Points that are drawn together.
struct Panel<'a> {
    title: String,
    points: Vec<&'a DesignPoint>,
}

fn panels<'a>(points: &[&'a DesignPoint]) -> Vec<Panel<'a>> {
    let mut designs: Vec<&str> = Vec::new();
    let mut seen = BTreeSet::new();
    designs.extend(points.iter().map(|point| point.design.as_str()).filter(|design| seen.insert(*design)));
    if designs.len() > MOST_PANELS {
        return vec![Panel { title: format!("{} designs", designs.len()), points: points.to_vec() }];
    }
    let of = |design| points.iter().copied().filter(|point| point.design == design).collect();
    designs.iter().map(|design| Panel { title: (*design).to_owned(), points: of(*design) }).collect()
}

/// What all panels of a plot share.
struct Scene<'a> {
    x: Axis,
    y: Axis,
    legend: Vec<&'a str>,
    /// Leading part of the networks' names that all of them share: it is in the title, not in labels.
    common: &'a str,
    cost: CostAxis,
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

fn draw(axes: &Axes, points: &[&DesignPoint], cost: CostAxis) -> Result<String, ReportError> {
    font()?;
    let panels = panels(points);
    let columns = panels.len().min(PANELS_PER_ROW);
    let rows = panels.len().div_ceil(PANELS_PER_ROW);
    // One panel alone is wider, so that title and legend have room.
    let panel = if columns == 1 { (PANEL.0 * 3 / 2, PANEL.1) } else { PANEL };
    let width = panel.0 * columns as i32 + 2 * MARGIN;

    let caption = wrap(&caption(axes, points, cost), width - 2 * MARGIN)?;
    let legend = legend_order(points.iter().map(|point| point.precision.as_str()));
    let entries = legend_layout(&legend, width - 2 * MARGIN)?;
    let legend_lines = entries.last().map_or(1, |entry| entry.line + 1);
    let top = MARGIN + TITLE_SIZE + 8 + LINE_HEIGHT * caption.len() as i32 + 6;
    let bottom = top + panel.1 * rows as i32 + 8;
    let height = bottom + LINE_HEIGHT * legend_lines + MARGIN;

    let scene = Scene {
        x: axis::logarithmic(points.iter().map(|point| cost.of(point))),
        y: axis::linear(points.iter().flat_map(|point| [point.top1.low, point.top1.high])),
        common: common_prefix(points),
        legend,
        cost,
    };

    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (width as u32, height as u32)).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let title = format!("{}: top-1 accuracy against {}", axes.family, cost.name());
        text(&root, &title, (MARGIN, MARGIN), TITLE_SIZE)?;
        for (i, line) in caption.iter().enumerate() {
            let y = MARGIN + TITLE_SIZE + 8 + LINE_HEIGHT * i as i32;
            text(&root, line, (MARGIN, y), TEXT_SIZE)?;
        }
        for (i, panel_of) in panels.iter().enumerate() {
            let left = MARGIN + panel.0 * (i % PANELS_PER_ROW) as i32;
            let panel_top = top + panel.1 * (i / PANELS_PER_ROW) as i32;
            let area = root.clone().shrink((left, panel_top), (panel.0 as u32, panel.1 as u32));
            draw_panel(&root, &area, panel_of, &scene)?;
        }
        draw_legend(&root, &entries, &scene, bottom)?;
        root.present().map_err(failed)?;
    }
    Ok(svg)
}

fn draw_panel(root: &Area, area: &Area, panel: &Panel, scene: &Scene) -> Result<(), ReportError> {
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, style(TEXT_SIZE + 2))
        .margin_right(24)
        .margin_bottom(12)
        .x_label_area_size(44)
        .y_label_area_size(58)
        .build_cartesian_2d(scene.x.clone(), scene.y.clone())
        .map_err(failed)?;
    chart
        .configure_mesh()
        .x_desc(format!("{} ({}, log scale)", scene.cost.name(), scene.cost.unit()))
        .y_desc("top-1 (%)")
        .x_label_formatter(&|cost| trimmed(*cost))
        .y_label_formatter(&|top1| format!("{top1:.*}", scene.y.decimals))
        .label_style(style(LABEL_SIZE))
        .axis_desc_style(style(TEXT_SIZE))
        .axis_style(TEXT)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .draw()
        .map_err(failed)?;

    // From here on in pixels: markers, error bars and labels have sizes in pixels, not in units and %.
    let pixel = |cost: f64, top1: f64| chart.backend_coord(&(cost, top1));
    let (left_bottom, right_top) =
        (pixel(scene.x.range.start, scene.y.range.start), pixel(scene.x.range.end, scene.y.range.end));
    let frame = Rect::around(left_bottom, right_top, -2);
    let mut obstacles = Vec::new();

    let points = &panel.points;
    let center = |point: &DesignPoint| pixel(scene.cost.of(point), point.top1.estimate);
    let front = scene.cost.front(points);
    let corners: Vec<(i32, i32)> = front.iter().map(|&i| center(points[i])).collect();
    let steps = steps(&corners, left_bottom.1, right_top.0);
    obstacles.extend(steps.windows(2).map(|s| Rect::around(s[0], s[1], 1)));
    root.draw(&PathElement::new(steps, FRONT.stroke_width(2))).map_err(failed)?;

    let bar = |point: &DesignPoint| {
        let cost = scene.cost.of(point);
        (pixel(cost, point.top1.low), pixel(cost, point.top1.high))
    };
    let named: Vec<&DesignPoint> = if points.len() <= MOST_LABELS {
        points.clone()
    } else {
        front.iter().take(MOST_LABELS).map(|&i| points[i]).collect()
    };
    for point in &named {
        let (low, high) = bar(point);
        obstacles.push(Rect::around(low, high, 3));
        obstacles.push(Rect::around(center(point), center(point), marker::RADIUS + 1));
    }
    let mut labels = Vec::new();
    for point in named {
        let size = point.network_size();
        let name = size.strip_prefix(scene.common).unwrap_or(size);
        let place = place(center(point), (text_width(name, LABEL_SIZE)?, LABEL_SIZE), &obstacles, frame);
        obstacles.push(place);
        labels.push((name, place));
        if let Some(end) = place.leader(center(point)) {
            let line = vec![center(point), end];
            root.draw(&PathElement::new(line, LEADER.stroke_width(1))).map_err(failed)?;
        }
    }
    for point in points.iter().filter(|point| point.top1.low < point.top1.high) {
        let (low, high) = bar(point);
        error_bar(root, low, high, marker(&point.precision, &scene.legend).color)?;
    }
    for point in points {
        marker(&point.precision, &scene.legend).draw(root, center(point)).map_err(failed)?;
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
        self.precision.unwrap_or("Pareto front: best top-1 within a cost")
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

fn caption(axes: &Axes, points: &[&DesignPoint], cost: CostAxis) -> String {
    let accuracy = match axes.accuracy_kind.as_str() {
        "measured" => {
            let images = points.iter().filter_map(|point| match point.sample {
                Sample::Images(images) => Some(images),
                Sample::TrainingRuns(_) | Sample::Unknown => None,
            });
            let runs = points.iter().filter_map(|point| match point.sample {
                Sample::TrainingRuns(runs) => Some(runs),
                Sample::Images(_) | Sample::Unknown => None,
            });
            let bars = match (span(runs), span(images)) {
                (Some(runs), _) => {
                    format!(" ({runs} per network); bars: 95 % t interval over runs")
                }
                (None, Some(images)) => format!(", n = {images}; bars: 95 % Wilson interval"),
                (None, None) => String::new(),
            };
            format!("Measured on {}{bars}.", axes.accuracy_source)
        }
        "published" => format!("Accuracy as published by {}.", axes.accuracy_source),
        _ if axes.accuracy_source.is_empty() => "Accuracy as given.".into(),
        _ => format!("Accuracy as given by {}.", axes.accuracy_source),
    };
    let request = if axes.regime == "cold" { "Cold" } else { "Steady" };
    let excluded = match (cost, axes.energy_excluded.as_slice()) {
        (cost, _) if !cost.has_energy() => String::new(),
        (_, []) => " Excluded from the modelled energy: nothing stated.".into(),
        (_, excluded) => {
            format!(" Excluded from the modelled energy: {}.", excluded.join(", "))
        }
    };
    let request = match cost.is_hardware_agnostic() {
        true => String::new(),
        false => format!(" {request}, batch {}.", axes.batch),
    };
    format!("{accuracy}{request}{excluded}")
}

/// `3`, or `3 to 5`; None without a number.
fn span(numbers: impl Iterator<Item = u64> + Clone) -> Option<String> {
    let (low, high) = (numbers.clone().min()?, numbers.max()?);
    Some(if low == high { low.to_string() } else { format!("{low} to {high}") })
}

/// The leading words (up to a `-`) that all networks' names share, unless they share everything.
fn common_prefix<'a>(points: &[&'a DesignPoint]) -> &'a str {
    let Some(first) = points.first().map(|point| point.network_size()) else { return "" };
    if points.iter().all(|point| point.network_size() == first) {
        return "";
    }
    let prefixes = first.match_indices('-').map(|(at, _)| &first[..=at]);
    prefixes
        .rev()
        .find(|prefix| points.iter().all(|point| point.network_size().starts_with(prefix)))
        .unwrap_or("")
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
    use super::super::samples;
    use super::*;

    fn points() -> Vec<DesignPoint> {
        samples::points().iter().filter_map(DesignPoint::of).collect()
    }

    fn svg(points: &[DesignPoint]) -> String {
        let plots = pareto_plots(points, CostAxis::Energy).unwrap();
        assert_eq!(plots.len(), 1);
        plots.into_iter().next().unwrap().svg
    }

    #[test]
    fn names_what_must_be_known() {
        let svg = svg(&points());
        for text in [
            "fashion-mnist-test, n = 10000",
            "Excluded from the modelled energy: clock tree.",
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
        let mut free = points().remove(0);
        free.energy_uj.typical = 0.0;
        assert_eq!(pareto_plots(&[free], CostAxis::Energy).unwrap(), []);
        assert_eq!(pareto_plots(&[], CostAxis::Latency).unwrap(), []);
    }

    #[test]
    fn one_point_and_identical_points_are_drawn() {
        let one = points().remove(0);
        svg(std::slice::from_ref(&one));
        svg(&[one.clone(), one]);
    }

    #[test]
    fn what_cannot_be_compared_does_not_share_an_axis() {
        let mut points = points();
        points[0].axes.family = "mlp".into();
        points[1].axes.accuracy_source = "other".into();
        points[2].axes.energy_excluded.push("leakage".into());
        let plots = pareto_plots(&points, CostAxis::Energy).unwrap();
        let axes =
            |axes: &Axes| (axes.family.clone(), axes.accuracy_source.clone(), axes.energy_excluded.len());
        let expected = [
            ("mlp", "fashion-mnist-test", 1),
            ("resnet8", "fashion-mnist-test", 1),
            ("resnet8", "fashion-mnist-test", 2),
            ("resnet8", "other", 1),
        ];
        let found: Vec<_> = plots.iter().map(|plot| axes(&plot.axes)).collect();
        assert_eq!(found, expected.map(|(family, set, n)| (family.to_owned(), set.to_owned(), n)));
    }

    #[test]
    fn latency_is_an_axis_of_its_own() {
        let plots = pareto_plots(&points(), CostAxis::Latency).unwrap();
        assert!(plots[0].svg.contains("latency (µs, log scale)"));
        assert!(!plots[0].svg.contains("Excluded"));
    }

    #[test]
    fn many_designs_share_one_panel() {
        let mut many = Vec::new();
        for design in 0..=MOST_PANELS {
            let mut point = points().remove(design % 12);
            point.design = format!("design-{design}");
            many.push(point);
        }
        assert!(svg(&many).contains("13 designs"));
        assert!(svg(&many[1..]).contains("design-12"));
    }

    #[test]
    fn the_front_is_a_staircase() {
        assert_eq!(
            steps(&[(10, 50), (30, 20)], 90, 100),
            [(10, 90), (10, 50), (30, 50), (30, 20), (100, 20)]
        );
    }
}
