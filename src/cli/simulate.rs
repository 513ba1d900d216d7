//! `systolab simulate`: one design, one network, layer by layer.

use crate::explore::{self, Regime};
use crate::report;

use super::{Failure, Format, inputs, print};

/// Simulate one network on one design: cycles, stalls, utilization, traffic and energy per layer
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A design: shipped name or file
    #[arg(long, value_name = "DESIGN")]
    hw: String,
    /// A network: name in the workloads folder, file, or list of matrix products (.csv)
    #[arg(long, value_name = "NETWORK")]
    workload: String,
    /// Images per request
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=65536))]
    batch: u64,
    /// Weights start in DRAM (default: steady, identical requests back to back)
    #[arg(long)]
    cold: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let design = inputs::one(inputs::designs(std::slice::from_ref(&arguments.hw))?, "--hw", &arguments.hw)?;
    let workload = inputs::one(inputs::workloads(&arguments.workload)?, "--workload", &arguments.workload)?;
    let regime = if arguments.cold { Regime::Cold } else { Regime::Steady };
    let simulation = explore::simulate(&design, &workload, arguments.batch, regime)?;
    let table = report::simulation_table(&simulation);
    print(&match arguments.format {
        Format::Table => table.to_text(),
        Format::Markdown => table.to_markdown(),
        Format::Csv => table.to_csv()?,
        Format::Json => report::simulation_json(&simulation, env!("CARGO_PKG_VERSION"))?,
    })
}
