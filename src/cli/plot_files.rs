//! Pareto plots by file name.

use crate::explore::{CostAxis, DesignPoint};
use crate::report;

use super::Failure;

/// `pareto-FAMILY.svg` against energy and `pareto-FAMILY-latency.svg`; further sets of comparable points
/// of one family are numbered.
pub(super) fn plot_files(points: &[DesignPoint]) -> Result<Vec<(String, String)>, Failure> {
    let mut files: Vec<(String, String)> = Vec::new();
    for (cost, ending) in [(CostAxis::Energy, ""), (CostAxis::Latency, "-latency")] {
        for plot in report::pareto_plots(points, cost)? {
            let stem = format!("pareto-{}{ending}", file_name(&plot.axes.family));
            let numbered = |number: usize| match number {
                1 => format!("{stem}.svg"),
                _ => format!("{stem}.{number}.svg"),
            };
            let name = (1..).map(numbered).find(|name| files.iter().all(|(taken, _)| taken != name));
            files.push((name.unwrap_or(stem), plot.svg));
        }
    }
    Ok(files)
}

/// A family's name as part of a file name.
pub(super) fn file_name(family: &str) -> String {
    family.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect()
}
