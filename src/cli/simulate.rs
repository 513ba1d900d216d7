//! `systolab simulate`: one design, one network, layer by layer.

use std::path::PathBuf;

use clap::ValueEnum;
use indicatif::ProgressBar;

use crate::explore::{self, Regime, Simulation};
use crate::report::{self, SimulationColumns, Table};
use crate::workload::FloatLayers;

use super::output_folder::{self, Replace};
use super::{Failure, Format, html_report, inputs, mapping, note, print};

/// What says how long the array takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Timing {
    /// Closed forms.
    #[default]
    Pipelined,
    /// The array register by register, PE by PE and cycle by cycle, held to the closed forms; slow.
    Stepped,
    /// SCALE-Sim 3.0.0's numbers, bugs included, beside those of the closed forms.
    #[value(name = "scalesim")]
    ScaleSim,
}

/// Simulate one network on one design: cycles, stalls, utilization, traffic and energy per layer
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A design: shipped name or file, or a configuration of SCALE-Sim (.cfg)
    #[arg(long, value_name = "DESIGN")]
    hw: String,
    /// A network: name in the workloads folder, file, list of matrix products or SCALE-Sim topology (.csv)
    #[arg(long, value_name = "NETWORK")]
    workload: String,
    /// Images per request
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=65536))]
    batch: u64,
    /// Weights start in DRAM (default: steady, identical requests back to back)
    #[arg(long)]
    cold: bool,
    /// What says how long the array takes
    #[arg(long, value_enum, default_value_t)]
    timing: Timing,
    #[command(flatten)]
    mapping: mapping::MappingFlags,
    /// Folder for simulation.json, layers.csv, help.csv, report.md, cycles.svg, energy.svg and roofline.svg;
    /// an old one there is replaced
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the output folder even if systolab did not write it
    #[arg(long, requires = "out")]
    force: bool,
    /// Take f32 operators of an imported model, which are not mapped to the array, as free arithmetic
    #[arg(long)]
    skip_float: bool,
    /// Write report.html there too: one page to explore offline
    #[arg(long, requires = "out")]
    html: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let replace = if arguments.force { Replace::Anything } else { Replace::OnlyOurs };
    if let Some(folder) = &arguments.out {
        output_folder::check(folder, replace)?;
    }
    let design = inputs::design_named(&arguments.hw, note)?;
    let workload = inputs::workload_named(&arguments.workload)?;
    let workload =
        if arguments.skip_float { workload.with_float_layers(FloatLayers::Skipped) } else { workload };
    let regime = if arguments.cold { Regime::Cold } else { Regime::Steady };
    let policy = arguments.mapping.policy();
    let simulation = match arguments.timing {
        Timing::Pipelined => explore::simulate_by(&design, &workload, arguments.batch, regime, policy)?,
        Timing::Stepped => {
            let bar = ProgressBar::new(workload.network().layers().len() as u64);
            let simulation =
                explore::simulate_stepped_by(&design, &workload, arguments.batch, regime, policy, || {
                    bar.inc(1)
                });
            bar.finish_and_clear();
            simulation?
        }
        Timing::ScaleSim => {
            if arguments.out.is_some() {
                return Err("--out beside --timing scalesim: not in this version; `systolab scalesim --out` writes SCALE-Sim's reports".into());
            }
            if policy != explore::MappingPolicy::default() {
                return Err("--objective or --mapper beside --timing scalesim: SCALE-Sim has no such choice; leave them out".into());
            }
            let comparison = explore::compare_with_scalesim(&design, &workload, arguments.batch, regime)?;
            let table = report::scalesim_table(&comparison);
            return print(&match arguments.format {
                Format::Table => table.to_text(),
                Format::Markdown => table.to_markdown(),
                Format::Csv => table.to_csv()?,
                Format::Json => report::scalesim_json(&comparison, env!("CARGO_PKG_VERSION"))?,
            });
        }
    };
    let table = report::simulation_table(&simulation, SimulationColumns::Main);
    if let Some(folder) = &arguments.out {
        let help = explore::what_would_help(&design, &workload, arguments.batch, regime, policy)?;
        let mut files = files(&simulation, &table, &report::help_table(&help))?;
        if arguments.html {
            files.push(("report.html".to_owned(), html_report::simulation(&design, &workload, &simulation)?));
        }
        output_folder::write(folder, &files, replace)?;
    }
    print(&match arguments.format {
        Format::Table => table.to_text(),
        Format::Markdown => table.to_markdown(),
        Format::Csv => layers_csv(&simulation)?,
        Format::Json => json(&simulation)?,
    })?;
    if let Some(folder) = &arguments.out {
        note(&format!("report written to {}", folder.display()));
    }
    Ok(())
}

fn files(simulation: &Simulation, table: &Table, help: &Table) -> Result<Vec<(String, String)>, Failure> {
    let mut files = vec![
        ("simulation.json".to_owned(), json(simulation)?),
        ("layers.csv".to_owned(), layers_csv(simulation)?),
        ("help.csv".to_owned(), help.to_csv()?),
        ("report.md".to_owned(), format!("{}\n{}", table.to_markdown(), help.to_markdown())),
        ("cycles.svg".to_owned(), report::cycle_bars(simulation)?),
        ("energy.svg".to_owned(), report::energy_bars(simulation)?),
    ];
    files.extend(report::roofline(simulation)?.map(|svg| ("roofline.svg".to_owned(), svg)));
    Ok(files)
}

fn layers_csv(simulation: &Simulation) -> Result<String, Failure> {
    Ok(report::simulation_table(simulation, SimulationColumns::All).to_csv()?)
}

fn json(simulation: &Simulation) -> Result<String, Failure> {
    Ok(report::simulation_json(simulation, env!("CARGO_PKG_VERSION"))?)
}
