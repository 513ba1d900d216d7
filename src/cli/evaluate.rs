//! `systolab evaluate`: every design × every network → tables, CSV, JSON, Markdown, Pareto plots.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::explore::{self, DesignPoint, Engine, Evaluation, Execution, Outcome, Point, Progress, Regime};
use crate::report::{self, Rows, Table};
use crate::study;

use super::output_folder::{self, Replace};
use super::plot_files::{file_name, plot_files};
use super::progress_bar::progress_bar;
use super::verification::verify;
use super::{Answer, Failure, Format, html_report, inputs, mapping, note, print};

/// Evaluate every design on every network: accuracy, latency, energy, Pareto plots
///
/// Networks of several training runs are studied: `study.md` says what holds of precisions, and how surely.
///
/// Without arguments: all shipped designs × the networks in `workloads/` (or $SYSTOLAB_WORKLOADS),
/// into reports/latest/. Values are executed bit-exactly over each network's whole evaluation set.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A design: shipped name, file or folder (repeatable; default: all shipped designs)
    #[arg(long, value_name = "DESIGN")]
    hw: Vec<String>,
    /// A network: name in the workloads folder, file, folder, or list of matrix products (.csv)
    /// (repeatable; default: that folder)
    #[arg(long, value_name = "NETWORK")]
    workload: Vec<String>,
    /// Folder for points.csv, points.json, report.md and the plots; an old report there is replaced
    #[arg(long, value_name = "DIR", default_value = "reports/latest")]
    out: PathBuf,
    /// Replace the output folder even if systolab did not write it
    #[arg(long)]
    force: bool,
    /// Execute and compare with the report in the output folder instead of writing one (exit code 1 if they differ)
    #[arg(long, conflicts_with = "force")]
    verify: bool,
    /// Print all requests (cold and steady, batch 1 and 64), not only cold batch 1
    #[arg(long)]
    all: bool,
    /// Write report.html too: one page to explore offline, layer by layer
    #[arg(long)]
    html: bool,
    #[command(flatten)]
    mapping: mapping::MappingFlags,
    /// How the table is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    let replace = if arguments.force { Replace::Anything } else { Replace::OnlyOurs };
    let policy = arguments.mapping.policy();
    let designs = inputs::designs(&arguments.hw, note)?;
    let subjects = inputs::subjects(&arguments.workload)?;
    if !arguments.verify {
        output_folder::check(&arguments.out, replace)?;
    }
    if arguments.html {
        html_report::check(&designs, &subjects)?;
    }
    let evaluation = {
        let bar = progress_bar(0, "{pos} of {len} images executed");
        let evaluation = explore::evaluate_by(&designs, &subjects, policy, |progress| match progress {
            Progress::Planned(images) => bar.set_length(images as u64),
            Progress::Executed => bar.inc(1),
        });
        bar.finish_and_clear();
        evaluation?
    };
    let mut report =
        Report::new(&evaluation, if arguments.all { Rows::All } else { Rows::ColdBatch1 }, &designs)?;
    if arguments.html {
        let excluded = exclusions(&evaluation.points);
        let page =
            html_report::evaluation(&designs, &subjects, policy, &evaluation, &report.findings, &excluded)?;
        report.files.push(("report.html".to_owned(), page));
    }
    let technologies = inputs::technologies(&designs)?;
    let studies = study::studies(&designs, &subjects, policy, &evaluation, &technologies)?;
    for study in &studies {
        // One study has the plain names.
        let family = if studies.len() > 1 { format!("{}-", file_name(study.family)) } else { String::new() };
        let files = report::study_files(study, &evaluation)?.into_iter();
        report.files.extend(files.map(|(name, text)| (format!("{family}{name}"), text)));
    }
    if arguments.verify {
        return verify(&arguments.out, &report.files);
    }
    output_folder::write(&arguments.out, &report.files, replace)?;
    print(&match arguments.format {
        Format::Table => format!("{}\n{}\n", report.table.to_text(), report.findings.join("\n")),
        Format::Markdown => report.markdown(),
        Format::Csv => report.csv,
        Format::Json => report.json,
    })?;
    evaluation.executions.iter().filter_map(slow_layers).for_each(|slow| note(&slow));
    note(&format!("report written to {}", arguments.out.display()));
    Ok(Answer::Yes)
}

/// What took long: layers without a fast kernel.
fn slow_layers(execution: &Execution) -> Option<String> {
    let slow: Vec<String> = execution
        .layers
        .iter()
        .filter(|layer| layer.engine != Engine::Simd)
        .map(|layer| format!("{} ({})", layer.name, layer.engine.name()))
        .collect();
    let (network, designs) = (&execution.network, execution.designs.join(", "));
    let layers = slow.join(", ");
    (!slow.is_empty())
        .then(|| format!("no fast kernel for {network} on {designs}: {layers}; bits are the same"))
}

struct Report {
    table: Table,
    findings: Vec<String>,
    csv: String,
    json: String,
    files: Vec<(String, String)>,
}

impl Report {
    fn new(evaluation: &Evaluation, rows: Rows, designs: &[explore::Design]) -> Result<Self, Failure> {
        let points = &evaluation.points;
        let version = env!("CARGO_PKG_VERSION");
        let excluded = exclusions(points);
        let technology_of: BTreeMap<&str, &str> =
            designs.iter().map(|design| (design.accelerator.name(), design.technology.name())).collect();
        let technologies: Vec<&str> =
            technology_of.values().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let technology = technologies.join(", ");
        let mut findings = explore::findings(points);
        if technologies.len() > 1 {
            findings.push(several_technologies(&technology_of));
        }
        let mut report = Self {
            table: report::points_table(points, &excluded, rows),
            csv: report::points_csv(points, version)?,
            json: report::points_json(points, version, &technology, &excluded, &findings)?,
            findings,
            files: vec![],
        };
        report.files = vec![
            ("points.csv".to_owned(), report.csv.clone()),
            ("points.json".to_owned(), report.json.clone()),
            ("report.md".to_owned(), report.markdown()),
            ("accumulators.csv".to_owned(), report::executions_table(&evaluation.executions).to_csv()?),
        ];
        report.files.extend(plots(points)?);
        Ok(report)
    }

    fn markdown(&self) -> String {
        format!("{}\n{}\n", self.table.to_markdown(), self.findings.join("\n"))
    }
}

/// Plots of measured accuracies, cold, batch 1, by file name.
fn plots(points: &[Point]) -> Result<Vec<(String, String)>, Failure> {
    let drawn: Vec<DesignPoint> = points
        .iter()
        .filter(|point| point.measured().is_some() && point.regime == Regime::Cold && point.batch == 1)
        .filter_map(DesignPoint::of)
        .collect();
    plot_files(&drawn)
}

/// A warning for whoever reads the energies of these designs side by side.
fn several_technologies(technology_of: &BTreeMap<&str, &str>) -> String {
    let designs: Vec<String> =
        technology_of.iter().map(|(design, technology)| format!("{design} in {technology}")).collect();
    format!(
        "Energies of different technologies are not comparable and share no plot: {}.",
        designs.join(", ")
    )
}

fn point_exclusions(point: &Point) -> Option<&Vec<String>> {
    match &point.outcome {
        Outcome::Runs(cost) => Some(&cost.energy_excluded),
        Outcome::NotSupported(_) => None,
    }
}

fn exclusions(points: &[Point]) -> Vec<String> {
    let all: BTreeSet<&String> = points.iter().filter_map(point_exclusions).flatten().collect();
    all.into_iter().cloned().collect()
}
