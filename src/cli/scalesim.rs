//! `systolab scalesim`: SCALE-Sim's configuration and topology in, SCALE-Sim's reports out.

use std::path::PathBuf;

use indicatif::ProgressBar;

use crate::scalesim::{Configuration, Topology, TopologyKind, run as run_scalesim};
use crate::source::SourceFile;

use super::output_folder::{self, Replace};
use super::{Failure, note};

/// Run SCALE-Sim's files and write its three reports, as SCALE-Sim 3.0.0 does, bugs included
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A configuration of SCALE-Sim v2 or v3
    #[arg(long, value_name = "FILE.cfg")]
    config: PathBuf,
    /// A topology: one convolution per line
    #[arg(long, value_name = "FILE.csv")]
    topology: PathBuf,
    /// The topology has one matrix product per line: name, M, N, K
    #[arg(long)]
    gemm: bool,
    /// Folder for COMPUTE_REPORT.csv, BANDWIDTH_REPORT.csv and DETAILED_ACCESS_REPORT.csv
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the folder even if it was not written by systolab
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let replace = if arguments.force { Replace::Anything } else { Replace::OnlyOurs };
    output_folder::check(&arguments.out, replace)?;
    let kind = if arguments.gemm { TopologyKind::Gemm } else { TopologyKind::Convolution };
    let configuration = Configuration::parse(&SourceFile::read(&arguments.config)?)?;
    let topology = Topology::parse(&SourceFile::read(&arguments.topology)?, kind)?;
    for warning in configuration.warnings.iter().chain(&topology.warnings) {
        note(&format!("warning: {warning}"));
    }
    let bar = ProgressBar::new(topology.layers.len() as u64);
    let reports = run_scalesim(&topology.layers, &configuration, || bar.inc(1));
    bar.finish_and_clear();
    let reports = reports?;
    let files = [
        ("COMPUTE_REPORT.csv", reports.compute),
        ("BANDWIDTH_REPORT.csv", reports.bandwidth),
        ("DETAILED_ACCESS_REPORT.csv", reports.detailed_access),
    ]
    .map(|(name, text)| (name.to_owned(), text));
    output_folder::write(&arguments.out, &files, replace)?;
    note(&format!("{}: {} layers", arguments.out.display(), topology.layers.len()));
    Ok(())
}
