//! All points as CSV, for scripts.

use super::ReportError;
use super::columns::{CHECKSUMS, COLUMNS, LAST, finite, microjoules};
use super::csv_text::csv_text;
use crate::explore::{Outcome, Point};

/// One row per point; columns in the documented order, then the evaluation set, one column per
/// component of the modelled energy (typical, µJ per image) and where the numbers come from.
///
/// A design that does not run a network leaves the cost cells empty and its reason in `note`.
pub fn points_csv(points: &[Point], tool_version: &str) -> Result<String, ReportError> {
    let components = components(points);
    let mut header: Vec<String> = COLUMNS.iter().map(|column| column.name.into()).collect();
    header.extend(components.iter().map(|component| format!("energy_{}_uj", key(component))));
    header.push("tool_version".into());
    header.extend(CHECKSUMS.iter().chain(&LAST).map(|column| column.name.into()));

    let mut rows = Vec::new();
    for point in points {
        let mut row = Vec::new();
        for column in &COLUMNS {
            row.push(column.cell(point)?.to_csv());
        }
        for component in &components {
            row.push(component_cell(point, component)?);
        }
        row.push(tool_version.into());
        for column in CHECKSUMS.iter().chain(&LAST) {
            row.push(column.cell(point)?.to_csv());
        }
        rows.push(row);
    }
    csv_text(&header, &rows)
}

/// Every component that some point has, in the order met.
fn components(points: &[Point]) -> Vec<&str> {
    let mut components = Vec::new();
    for point in points {
        let Outcome::Runs(cost) = &point.outcome else { continue };
        for (component, _) in &cost.energy_by_component_pj {
            if !components.contains(&component.as_str()) {
                components.push(component);
            }
        }
    }
    components
}

fn component_cell(point: &Point, component: &str) -> Result<String, ReportError> {
    let Outcome::Runs(cost) = &point.outcome else { return Ok(String::new()) };
    match cost.energy_by_component_pj.iter().find(|(name, _)| name == component) {
        Some((_, range)) => Ok(finite(microjoules(range.typical), component, point)?.to_string()),
        None => Ok(String::new()),
    }
}

/// A component's name inside a column name: lower case, `_` for what is not a letter or digit.
fn key(component: &str) -> String {
    component.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "_")
}

#[cfg(test)]
mod tests {
    use super::super::samples::{point, unsupported};
    use super::*;

    const HEADER: &str = "design,network,family,precision,accuracy_kind,accuracy_source,top1_percent,top1_low,\
        top1_high,n,batch,regime,latency_s,images_per_s,energy_per_image_uj,energy_low_uj,energy_high_uj,\
        average_power_w,tops_per_w,utilization,area_mm2,macs,cost_linear,cost_quadratic,cost_memory_bits,note,\
        evaluation_set,framework_top1_percent,framework_differing";

    #[test]
    fn writes_the_documented_columns() {
        let text = points_csv(&[point("edge", 8, "w8a8", 2.0, 9099)], "1.2.3").unwrap();
        let header = format!(
            "{HEADER},energy_multiplier_uj,energy_dram_uj,tool_version,design_sha256,network_sha256,trace_sha256,\
             technology_sha256,evaluation_set_sha256,technology,area_low_mm2,area_high_mm2,citation,energy_excluded"
        );
        let row = "edge,resnet8-width8-w8a8,resnet8,w8a8,measured,bit-exact execution,90.99,90.413,91.5356,10000,1,\
            cold,0.00004,25000,2,1.2,3.4,0.05,0.5,0.25,,1000000,8000000,64000000,80000,,fashion-mnist-test,91,7,0.5,\
            1.5,1.2.3,d1,e2,f3,a4,b5,7nm,,,,clock tree";
        assert_eq!(text, format!("{header}\n{row}\n"));
    }

    #[test]
    fn an_unsupported_row_keeps_its_reason() {
        let points = [point("edge", 8, "w8a8", 2.0, 9099), unsupported(point("edge", 8, "w4a4", 1.0, 9000))];
        let text = points_csv(&points, "1.2.3").unwrap();
        let row = text.lines().nth(2).unwrap();
        assert!(row.contains(",cold,,,,,,,,,,1000000,"), "{row}");
        assert!(
            row.contains(",\"not supported: pair (uint4,int4)\",fashion-mnist-test,90.01,7,,,1.2.3,"),
            "{row}"
        );
    }

    #[test]
    fn an_unmeasured_row_has_no_accuracy() {
        let mut unmeasured = point("edge", 8, "w8a8", 2.0, 9099);
        unmeasured.accuracy = None;
        let text = points_csv(&[unmeasured], "1.2.3").unwrap();
        assert!(text.contains(",w8a8,,,,,,,1,cold,"), "{text}");
    }

    #[test]
    fn no_points_are_a_header() {
        let text = points_csv(&[], "1.2.3").unwrap();
        assert!(text.starts_with(HEADER));
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn refuses_a_number_that_is_none() {
        let mut broken = point("edge", 8, "w8a8", 2.0, 9099);
        let Outcome::Runs(cost) = &mut broken.outcome else { unreachable!() };
        cost.tops_per_w = f64::NAN;
        let error = points_csv(&[broken], "1.2.3").unwrap_err();
        assert_eq!(error.to_string(), "edge, resnet8-width8-w8a8: tops_per_w is not a finite number");
    }
}
