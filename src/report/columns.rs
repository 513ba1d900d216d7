//! The columns of a point, shared by CSV and JSON. Columns are added, never renamed.

use serde::{Serialize, Serializer};

use super::ReportError;
use crate::explore::{Cost, FrameworkAgreement, Interval95, MeasuredAccuracy, Outcome, Point, Range, wilson};

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// Nothing is known here: empty in CSV, null in JSON.
    Empty,
    /// Text.
    Text(String),
    /// A count.
    Count(u64),
    /// A number, finite once checked.
    Number(f64),
}

impl Cell {
    fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The cell in CSV; numbers are written with as many digits as they need to be read back exactly.
    pub(super) fn to_csv(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Number(number) => number.to_string(),
        }
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Empty => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Count(count) => serializer.serialize_u64(*count),
            Self::Number(number) => serializer.serialize_f64(*number),
        }
    }
}

/// A column: its name and how a point fills it.
pub(super) struct Column {
    pub(super) name: &'static str,
    value: fn(&Point) -> Cell,
}

impl Column {
    const fn new(name: &'static str, value: fn(&Point) -> Cell) -> Self {
        Self { name, value }
    }

    /// The point's value in this column.
    pub(super) fn cell(&self, point: &Point) -> Result<Cell, ReportError> {
        let cell = (self.value)(point);
        if let Cell::Number(number) = cell {
            finite(number, self.name, point)?;
        }
        Ok(cell)
    }
}

/// `number`, or the error that names where it is not finite.
pub(super) fn finite(number: f64, column: &str, point: &Point) -> Result<f64, ReportError> {
    if number.is_finite() {
        return Ok(number);
    }
    let (design, network) = (point.design.clone(), point.network.clone());
    Err(ReportError::NotFinite { design, network, column: column.into() })
}

/// The columns that every table of points starts with.
pub(super) const COLUMNS: [Column; 29] = [
    Column::new("design", |p| Cell::text(&p.design)),
    Column::new("network", |p| Cell::text(&p.network)),
    Column::new("family", |p| Cell::text(&p.family)),
    Column::new("precision", |p| Cell::text(&p.precision)),
    Column::new("accuracy_kind", |p| match p.published() {
        Some(_) => Cell::text("published"),
        None => if_measured(p, |_| Cell::text("measured")),
    }),
    Column::new("accuracy_source", |p| match p.published() {
        Some(accuracy) => Cell::text(accuracy.source()),
        None => if_measured(p, |_| Cell::text("bit-exact execution")),
    }),
    Column::new("top1_percent", |p| match p.published() {
        Some(accuracy) => Cell::Number(accuracy.top1_percent),
        None => if_measured(p, |top1| Cell::Number(top1.estimate)),
    }),
    Column::new("top1_low", |p| if_measured(p, |top1| percent(top1.low))),
    Column::new("top1_high", |p| if_measured(p, |top1| percent(top1.high))),
    Column::new("n", |p| match p.measured() {
        Some(accuracy) if wilson(accuracy).is_some() => Cell::Count(accuracy.images),
        _ => Cell::Empty,
    }),
    Column::new("batch", |p| Cell::Count(p.batch)),
    Column::new("regime", |p| Cell::text(p.regime.to_string())),
    Column::new("latency_s", |p| if_runs(p, |cost| cost.latency_s)),
    Column::new("images_per_s", |p| if_runs(p, |cost| cost.images_per_s)),
    Column::new("energy_per_image_uj", |p| if_runs(p, |cost| microjoules(cost.energy_per_image_pj.typical))),
    Column::new("energy_low_uj", |p| if_runs(p, |cost| microjoules(cost.energy_per_image_pj.low))),
    Column::new("energy_high_uj", |p| if_runs(p, |cost| microjoules(cost.energy_per_image_pj.high))),
    Column::new("average_power_w", |p| if_runs(p, |cost| cost.average_power_w)),
    Column::new("tops_per_w", |p| if_runs(p, |cost| cost.tops_per_w)),
    Column::new("utilization", |p| if_runs(p, |cost| cost.utilization)),
    Column::new("area_mm2", |p| area(p, |mm2| mm2.typical)),
    Column::new("macs", |p| Cell::Count(p.macs)),
    Column::new("cost_linear", |p| Cell::Count(p.cost_linear)),
    Column::new("cost_quadratic", |p| Cell::Count(p.cost_quadratic)),
    Column::new("cost_memory_bits", |p| Cell::Count(p.cost_memory_bits)),
    Column::new("note", |p| Cell::text(note(p))),
    Column::new("evaluation_set", |p| match p.measured() {
        Some(accuracy) => Cell::text(&accuracy.evaluation_set),
        None => Cell::Empty,
    }),
    Column::new("framework_top1_percent", |p| {
        framework(p, |framework, images| percent(100.0 * framework.correct as f64 / images as f64))
    }),
    Column::new("framework_differing", |p| framework(p, |framework, _| Cell::Count(framework.differing))),
];

/// The columns that were added behind the checksums.
pub(super) const LAST: [Column; 5] = [
    Column::new("technology", |p| Cell::text(&p.technology)),
    Column::new("area_low_mm2", |p| area(p, |mm2| mm2.low)),
    Column::new("area_high_mm2", |p| area(p, |mm2| mm2.high)),
    Column::new("citation", |p| p.published().map_or(Cell::Empty, |accuracy| Cell::text(&accuracy.citation))),
    Column::new("energy_excluded", |p| match &p.outcome {
        Outcome::Runs(cost) => Cell::text(cost.energy_excluded.join("; ")),
        Outcome::NotSupported(_) => Cell::Empty,
    }),
];

fn area(point: &Point, bound: fn(&Range) -> f64) -> Cell {
    point.area.as_ref().map_or(Cell::Empty, |area| Cell::Number(bound(&area.mm2)))
}

/// The checksums behind the costs.
pub(super) const CHECKSUMS: [Column; 5] = [
    Column::new("design_sha256", |p| Cell::text(&p.checksums.design)),
    Column::new("network_sha256", |p| Cell::text(&p.checksums.network)),
    Column::new("trace_sha256", |p| Cell::text(&p.checksums.trace)),
    Column::new("technology_sha256", |p| Cell::text(&p.checksums.technology)),
    Column::new("evaluation_set_sha256", |p| match p.measured() {
        Some(accuracy) => Cell::text(&accuracy.evaluation_set_sha256),
        None => Cell::Empty,
    }),
];

fn framework(point: &Point, cell: fn(FrameworkAgreement, u64) -> Cell) -> Cell {
    match point.measured() {
        Some(MeasuredAccuracy { framework: Some(framework), images, .. }) => cell(*framework, *images),
        _ => Cell::Empty,
    }
}

/// Picojoules in microjoules.
pub(super) fn microjoules(picojoules: f64) -> f64 {
    picojoules / 1e6
}

/// Why there is no cost, and the row's warnings.
fn note(point: &Point) -> String {
    let reason = match &point.outcome {
        Outcome::Runs(_) => None,
        Outcome::NotSupported(reason) => Some(reason),
    };
    let mut notes: Vec<String> = reason.into_iter().chain(&point.notes).cloned().collect();
    notes.extend(point.area.as_ref().map(|area| format!("area: {}", area.label)));
    notes.join("; ")
}

fn if_measured(point: &Point, value: fn(Interval95) -> Cell) -> Cell {
    point.measured().and_then(wilson).map_or(Cell::Empty, value)
}

fn if_runs(point: &Point, value: fn(&Cost) -> f64) -> Cell {
    match &point.outcome {
        Outcome::Runs(cost) => Cell::Number(value(cost)),
        Outcome::NotSupported(_) => Cell::Empty,
    }
}

/// The end of an interval: four decimals are far below its meaning.
fn percent(value: f64) -> Cell {
    Cell::Number((value * 1e4).round() / 1e4)
}
