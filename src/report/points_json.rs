//! All points as JSON, for programs.

use serde::{Serialize, Serializer};

use super::ReportError;
use super::columns::{CHECKSUMS, COLUMNS, Cell, LAST, finite, microjoules};
use crate::explore::{Outcome, Point, Range};

/// The version of the object's form; keys are added within a version, never renamed.
const SCHEMA_VERSION: u32 = 1;

/// The points with everything the CSV has, the energy of each component as a range, what the energy
/// leaves out and what the points say. Keys stand in a fixed order.
pub fn points_json(
    points: &[Point],
    tool_version: &str,
    technology: &str,
    energy_excluded: &[String],
    findings: &[String],
) -> Result<String, ReportError> {
    let points = point_records(points)?;
    let report = Report {
        schema_version: SCHEMA_VERSION,
        tool_version,
        energy_excluded,
        technology,
        findings,
        points,
    };
    Ok(serde_json::to_string_pretty(&report)? + "\n")
}

/// The points alone.
pub(super) fn point_records(points: &[Point]) -> Result<Vec<PointRecord<'_>>, ReportError> {
    points.iter().map(PointRecord::new).collect()
}

#[derive(Serialize)]
struct Report<'a> {
    schema_version: u32,
    tool_version: &'a str,
    energy_excluded: &'a [String],
    technology: &'a str,
    findings: &'a [String],
    points: Vec<PointRecord<'a>>,
}

#[derive(Serialize)]
pub(super) struct PointRecord<'a> {
    #[serde(flatten)]
    columns: Object<&'static str, Cell>,
    energy_by_component_uj: Object<&'a str, Energy>,
    #[serde(flatten)]
    checksums: Object<&'static str, Cell>,
    #[serde(flatten)]
    last: Object<&'static str, Cell>,
}

#[derive(Serialize)]
struct Energy {
    low: f64,
    typical: f64,
    high: f64,
}

/// A JSON object whose keys stay in the order given.
struct Object<K, V>(Vec<(K, V)>);

impl<K: Serialize, V: Serialize> Serialize for Object<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'a> PointRecord<'a> {
    fn new(point: &'a Point) -> Result<Self, ReportError> {
        let mut energies = Vec::new();
        if let Outcome::Runs(cost) = &point.outcome {
            for (component, range) in &cost.energy_by_component_pj {
                energies.push((component.as_str(), energy(*range, component, point)?));
            }
        }
        let cells = |columns: &[super::columns::Column]| {
            let cells = columns.iter().map(|column| Ok((column.name, column.cell(point)?)));
            cells.collect::<Result<Vec<_>, ReportError>>().map(Object)
        };
        Ok(Self {
            columns: cells(&COLUMNS)?,
            energy_by_component_uj: Object(energies),
            checksums: cells(&CHECKSUMS)?,
            last: cells(&LAST)?,
        })
    }
}

fn energy(range: Range, component: &str, point: &Point) -> Result<Energy, ReportError> {
    let value = |picojoules| finite(microjoules(picojoules), component, point);
    Ok(Energy { low: value(range.low)?, typical: value(range.typical)?, high: value(range.high)? })
}

#[cfg(test)]
mod tests {
    use super::super::samples::{point, unsupported};
    use super::*;

    fn json(points: &[Point]) -> String {
        points_json(points, "1.2.3", "45nm", &["clock tree".into()], &["A finding.".into()]).unwrap()
    }

    #[test]
    fn keys_stand_in_order() {
        let text = json(&[point("edge", 8, "w8a8", 2.0, 9099)]);
        let mut rest = text.as_str();
        let keys = ["schema_version", "tool_version", "energy_excluded", "technology", "findings", "points"];
        let columns = COLUMNS.iter().map(|c| c.name);
        let tail =
            ["energy_by_component_uj", "multiplier", "low", "typical", "high", "DRAM", "technology_sha256"];
        for key in keys.into_iter().chain(columns).chain(tail) {
            let at = rest
                .find(&format!("\"{key}\":"))
                .unwrap_or_else(|| panic!("{key} is missing or out of order"));
            rest = &rest[at + 1..];
        }
    }

    #[test]
    fn values_keep_their_types() {
        let points = [point("edge", 8, "w8a8", 2.0, 9099), unsupported(point("edge", 8, "w4a4", 1.0, 9000))];
        let value: serde_json::Value = serde_json::from_str(&json(&points)).unwrap();
        let first = &value["points"][0];
        assert_eq!(first["top1_percent"], 90.99);
        assert_eq!(first["n"], 10_000);
        assert_eq!(first["area_mm2"], serde_json::Value::Null);
        assert_eq!(first["energy_by_component_uj"]["DRAM"]["high"], 2.55);
        let second = &value["points"][1];
        assert_eq!(second["latency_s"], serde_json::Value::Null);
        assert_eq!(second["note"], "not supported: pair (uint4,int4)");
        assert_eq!(second["energy_by_component_uj"], serde_json::json!({}));
    }

    #[test]
    fn no_points_are_an_empty_list() {
        assert!(json(&[]).ends_with("\"points\": []\n}\n"));
    }

    #[test]
    fn refuses_a_number_that_is_none() {
        let mut broken = point("edge", 8, "w8a8", 2.0, 9099);
        let Outcome::Runs(cost) = &mut broken.outcome else { unreachable!() };
        cost.energy_by_component_pj[1].1.high = f64::INFINITY;
        let error = points_json(&[broken], "1", "t", &[], &[]).unwrap_err();
        assert_eq!(error.to_string(), "edge, resnet8-width8-w8a8: DRAM is not a finite number");
    }
}
