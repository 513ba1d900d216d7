//! The table of points, one row per point and published accuracy: its columns, what they hold, and its cells.

use std::fmt;

use serde_json::Value;

use crate::explore::{Metrics, Objective, PointResult, Status};

use super::index::KeyPaths;

/// What the cells of a column hold where they are not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Number,
    Truth,
}

impl Kind {
    /// That of a value in a sweep; lists and tables are text.
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Bool(_) => Self::Truth,
            Value::Number(_) if value.is_i64() => Self::Integer,
            Value::Number(_) => Self::Number,
            _ => Self::Text,
        }
    }

    /// That of a column with both.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (same, other) if same == other => same,
            (Self::Integer, Self::Number) | (Self::Number, Self::Integer) => Self::Number,
            _ => Self::Text,
        }
    }
}

/// A cell; its text is that in a CSV.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    Empty,
    Text(String),
    Integer(u64),
    Number(f64),
    /// What a sweep file sets.
    Value(Value),
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::Text(text) | Self::Value(Value::String(text)) => f.write_str(text),
            Self::Integer(integer) => integer.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Value(value) => value.fmt(f),
        }
    }
}

#[cfg(feature = "parquet")]
impl Cell {
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(integer) => i64::try_from(*integer).ok(),
            Self::Value(value) => value.as_i64(),
            _ => None,
        }
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Value(value) => value.as_f64(),
            _ => None,
        }
    }

    pub(super) fn truth(&self) -> Option<bool> {
        match self {
            Self::Value(value) => value.as_bool(),
            _ => None,
        }
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u64> for Cell {
    fn from(integer: u64) -> Self {
        Self::Integer(integer)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

/// Columns before the key paths: evaluate's names where they mean the same.
const COLUMNS: [(&str, Kind); 30] = [
    ("design", Kind::Text),
    ("network", Kind::Text),
    ("family", Kind::Text),
    ("precision", Kind::Text),
    ("accuracy_kind", Kind::Text),
    ("accuracy_source", Kind::Text),
    ("top1_percent", Kind::Number),
    ("batch", Kind::Integer),
    ("regime", Kind::Text),
    ("objective", Kind::Text),
    ("latency_s", Kind::Number),
    ("energy_per_image_uj", Kind::Number),
    ("energy_low_uj", Kind::Number),
    ("energy_high_uj", Kind::Number),
    ("edp_uj_s", Kind::Number),
    ("average_power_w", Kind::Number),
    ("utilization", Kind::Number),
    ("area_mm2", Kind::Number),
    ("area_label", Kind::Text),
    ("buffer_bytes", Kind::Integer),
    ("macs", Kind::Integer),
    ("note", Kind::Text),
    ("citation", Kind::Text),
    ("technology", Kind::Text),
    ("energy_excluded", Kind::Text),
    ("id", Kind::Text),
    ("status", Kind::Text),
    ("hardware", Kind::Text),
    ("workload", Kind::Text),
    ("tool_version", Kind::Text),
];

/// All columns, with those of the key paths.
pub(super) fn columns(key_paths: &KeyPaths) -> impl Iterator<Item = (&str, Kind)> {
    COLUMNS.into_iter().chain(key_paths.kinds())
}

/// A point's rows: one, or one per published accuracy.
pub(super) fn rows(result: &PointResult, key_paths: &KeyPaths) -> impl Iterator<Item = Vec<Cell>> {
    let sources = result.metrics.as_ref().map_or(1, |metrics| metrics.published.len().max(1));
    (0..sources).map(|source| row(result, source, key_paths))
}

fn row(result: &PointResult, source: usize, key_paths: &KeyPaths) -> Vec<Cell> {
    let number = |objective| Cell::from(result.value(objective, source));
    let metrics = result.metrics.as_ref();
    let published = metrics.and_then(|metrics| metrics.published.get(source));
    let of_metrics = |value: fn(&Metrics) -> Cell| metrics.map_or(Cell::Empty, value);
    let status = match result.status {
        Status::Ok => "ok",
        Status::Excluded => "excluded",
        Status::Error => "error",
    };
    let mut row = vec![
        Cell::Text(result.design()),
        Cell::Text(result.network()),
        (&result.family).into(),
        (&result.precision).into(),
        published.map(|_| "published").into(),
        published.map(|_| "published").into(),
        number(Objective::Top1Percent),
        result.batch.into(),
        (&result.regime).into(),
        Cell::Text(result.objective.to_string()),
        number(Objective::LatencyS),
        number(Objective::EnergyPerImageUj),
        of_metrics(|metrics| metrics.energy_low_uj.into()),
        of_metrics(|metrics| metrics.energy_high_uj.into()),
        number(Objective::EdpUjS),
        number(Objective::AveragePowerW),
        number(Objective::Utilization),
        number(Objective::AreaMm2),
        result.area_label.as_ref().into(),
        result.buffer_bytes.into(),
        of_metrics(|metrics| metrics.macs.into()),
        result.reason.as_ref().into(),
        published.map(|published| &published.citation).into(),
        (&result.technology).into(),
        of_metrics(|metrics| Cell::Text(metrics.energy_excluded.join("; "))),
        (&result.id).into(),
        status.into(),
        (&result.hardware).into(),
        (&result.workload).into(),
        env!("CARGO_PKG_VERSION").into(),
    ];
    row.extend(key_paths.kinds().map(|(path, _)| match result.set.get(path) {
        None => Cell::Empty,
        Some(value) => Cell::Value(value.clone()),
    }));
    row
}
