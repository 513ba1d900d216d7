//! `systolab pareto`: fronts, plots and the best points under a budget, from a table of points.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::explore::{Budget, DesignPoint};
use crate::report;

use super::output_folder::{self, Replace};
use super::plot_files::plot_files;
use super::{Answer, Failure, Format, note, print};

/// Find the Pareto fronts of a table of points, and the best of them under a budget
///
/// Reads evaluate's points.csv, or any table with its columns `design`, `network`, `precision`,
/// `top1_percent`, `latency_s` and `energy_per_image_uj`. Points are compared only within a family,
/// source of accuracy, technology and request. Exits with 1 if no point is within the budget.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The table
    #[arg(value_name = "POINTS.csv")]
    points: PathBuf,
    /// Largest modelled energy per image (typical), in µJ
    #[arg(long, value_name = "X", value_parser = limit)]
    max_energy_uj: Option<f64>,
    /// Largest latency of a request, in µs
    #[arg(long, value_name = "X", value_parser = limit)]
    max_latency_us: Option<f64>,
    /// Smallest top-1 (estimate), in percent
    #[arg(long, value_name = "Y", value_parser = limit)]
    min_top1: Option<f64>,
    /// Where the weights of a request start
    #[arg(long, value_enum, default_value_t)]
    regime: RegimeName,
    /// Images per request
    #[arg(long, default_value_t = 1)]
    batch: u64,
    /// Folder for fronts.csv and a plot per cost; an old report there is replaced
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the output folder even if systolab did not write it
    #[arg(long)]
    force: bool,
    /// How the table is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum RegimeName {
    /// In DRAM.
    #[default]
    Cold,
    /// On chip, if they fit: identical requests back to back.
    Steady,
}

fn limit(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(limit) if limit.is_finite() && limit >= 0.0 => Ok(limit),
        _ => Err("expected a number, at least 0".into()),
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    let path = arguments.points.display();
    let text = std::fs::read_to_string(&arguments.points).map_err(|error| {
        format!("{path}: cannot read: {error}; expected a table like evaluate's points.csv")
    })?;
    let file = report::read_points(&text).map_err(|error| format!("{path}:{error}"))?;
    let replace = if arguments.force { Replace::Anything } else { Replace::OnlyOurs };
    if let Some(out) = &arguments.out {
        output_folder::check(out, replace)?;
    }
    let regime = match arguments.regime {
        RegimeName::Cold => "cold",
        RegimeName::Steady => "steady",
    };
    let requested = file.of_request(regime, arguments.batch).map_err(|error| format!("{path}: {error}"))?;
    for (count, what) in requested.left_out {
        let rows = if count == 1 { "row" } else { "rows" };
        note(&format!("{path}: {count} {rows} {what} left out"));
    }
    let requested = requested.points;
    let budget = Budget {
        max_energy_uj: arguments.max_energy_uj,
        max_latency_us: arguments.max_latency_us,
        min_top1: arguments.min_top1,
    };
    let within: Vec<DesignPoint> =
        requested.iter().filter(|point| budget.is_met_by(point)).cloned().collect();
    let fronts = report::Fronts::of(&within);
    let tables = fronts.tables();
    print(&match arguments.format {
        Format::Table => tables.iter().map(report::Table::to_text).collect::<Vec<_>>().join("\n"),
        Format::Markdown => tables.iter().map(report::Table::to_markdown).collect::<Vec<_>>().join("\n"),
        Format::Csv => fronts.to_csv()?,
        Format::Json => fronts.to_json(env!("CARGO_PKG_VERSION"))?,
    })?;
    if within.is_empty() {
        note(&format!("none of {} points is within the budget", requested.len()));
        return Ok(Answer::No);
    }
    if let Some(out) = &arguments.out {
        let mut files = plot_files(&within)?;
        files.push(("fronts.csv".to_owned(), fronts.to_csv()?));
        output_folder::write(out, &files, replace)?;
        note(&format!("fronts written to {}", out.display()));
    }
    Ok(Answer::Yes)
}
