//! `systolab rtl`: the array as Verilog, and its consistency with the stepped array and the closed form.

use std::path::PathBuf;

use clap::Subcommand;

use crate::explore::{self, ArrayOperands};
use crate::hardware::{Accelerator, Dataflow};
use crate::rtl::{
    CheckError, Compiled, Consistency, Folders, Generated, Layer, Simulator, Words, count_caught,
};

use super::execution_inputs::Inputs;
use super::output_folder::{self, Replace};
use super::{Answer, Failure, inputs, note, print};

/// Verilog of a design's array: write it, or check it against the stepped array and the closed form
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Emit(Emit),
    Check(Check),
}

/// Write parameterized Verilog-2005 of the array, with a self-checking testbench
#[derive(Debug, clap::Args)]
struct Emit {
    /// A design: shipped name or file
    #[arg(long, value_name = "DESIGN")]
    hw: String,
    /// Which of its dataflows (default: the first)
    #[arg(long, value_parser = dataflow)]
    dataflow: Option<Dataflow>,
    /// Folder for the files
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the folder even if it was not written by systolab
    #[arg(long)]
    force: bool,
}

/// Run the Verilog under Verilator on random layers; every bit of every sum and the cycle in which it appears must be those of the stepped array, the totals those of the closed form
#[derive(Debug, clap::Args)]
struct Check {
    /// A design: shipped name or file
    #[arg(long, value_name = "DESIGN")]
    hw: String,
    /// Which of its dataflows (default: all)
    #[arg(long, value_parser = dataflow)]
    dataflow: Option<Dataflow>,
    /// Random layers per dataflow, over all operand pairs in turn
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    cases: u64,
    /// Also a network's layers: first image, real operands, tiles of the mapper; sums must be the engine's
    #[arg(long, value_name = "NETWORK")]
    workload: Vec<String>,
    /// What the random layers are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keep the Verilog, the builds and the last layer's files in this folder, which must not exist
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Random layers that look for each seeded fault.
const FAULT_LAYERS: u64 = 96;

/// A folder that is removed in the end.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing can be done about files that stay behind in the system's temporary folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    match &arguments.command {
        Command::Emit(arguments) => emit(arguments).map(|()| Answer::Yes),
        Command::Check(arguments) => consistency(arguments),
    }
}

fn emit(arguments: &Emit) -> Result<(), Failure> {
    let replace = if arguments.force { Replace::Anything } else { Replace::OnlyOurs };
    output_folder::check(&arguments.out, replace)?;
    let design = design(&arguments.hw)?;
    let dataflow = arguments.dataflow.unwrap_or(design.array().dataflows()[0]);
    let generated = generated(&design, dataflow)?;
    let files = generated.files();
    output_folder::write(&arguments.out, &files, replace)?;
    note(&format!("{}: {} files, dataflow {dataflow}", arguments.out.display(), files.len()));
    note(&format!("not generated: {}", generated.left_out().join(", ")));
    Ok(())
}

fn design(name: &str) -> Result<Accelerator, Failure> {
    Ok(inputs::design_named(name, note)?.accelerator)
}

fn generated(design: &Accelerator, dataflow: Dataflow) -> Result<Generated, Failure> {
    Ok(Generated::new(design, dataflow).map_err(|error| format!("{}: {error}", design.name()))?)
}

/// The layers of a network's first image, as the design's mapper cuts them.
fn layers_of(workload: &str, arguments: &Check, compiled: &[Compiled<'_>]) -> Result<Consistency, Failure> {
    let inputs = Inputs::of(&arguments.hw, workload)?;
    let layers = explore::array_layers(inputs.request())?;
    let mut found = Consistency::default();
    for (index, layer) in layers.into_iter().enumerate() {
        let schedule = layer.mapped.tiling.schedule;
        let words = match layer.operands {
            ArrayOperands::Integer(activations, weights) => Words::Integer { activations, weights },
            ArrayOperands::Bf16(activations, weights) => Words::Bf16 { activations, weights },
        };
        let compiled = compiled.iter().find(|compiled| compiled.dataflow() == schedule.dataflow);
        let play = Layer::new(layer.mapped.pair, schedule, words, layer.sums, arguments.seed + index as u64);
        let checked = match compiled.map(|compiled| compiled.check(&play)) {
            None => Err(format!("dataflow {} is not checked", schedule.dataflow)),
            Some(Err(CheckError::Play(error))) if error.is_limit() => Err(error.to_string()),
            Some(checked) => Ok(checked?),
        };
        match checked {
            Ok(checked) => {
                note(&format!(
                    "{workload}, {}: {} sums in {} cycles, {} differences",
                    layer.name,
                    checked.outputs,
                    checked.cycles,
                    checked.differences + checked.total_differences
                ));
                found += checked;
            }
            Err(reason) => note(&format!("{workload}, {}: left out: {reason}", layer.name)),
        }
    }
    if found.cases == 0 {
        return Err(format!("{workload}: no layer can be checked").into());
    }
    Ok(found)
}

/// A dataflow by its name in designs.
fn dataflow(name: &str) -> Result<Dataflow, String> {
    [Dataflow::Ws, Dataflow::Os, Dataflow::Is]
        .into_iter()
        .find(|dataflow| dataflow.to_string() == name)
        .ok_or_else(|| "expected `ws`, `os` or `is`".to_owned())
}

fn consistency(arguments: &Check) -> Result<Answer, Failure> {
    let design = design(&arguments.hw)?;
    let dataflows = arguments.dataflow.map_or(design.array().dataflows().to_vec(), |dataflow| vec![dataflow]);
    let arrays = dataflows.iter().map(|&dataflow| generated(&design, dataflow));
    let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
    let version = Simulator::Verilator.version()?;
    Simulator::Icarus.version()?;
    let scratch;
    let folder = if let Some(folder) = &arguments.keep {
        if folder.exists() {
            return Err(format!("--keep {}: exists; choose another folder", folder.display()).into());
        }
        folder
    } else {
        scratch = Scratch(std::env::temp_dir().join(format!("systolab-rtl-{}", std::process::id())));
        &scratch.0
    };
    let (builds, plays) = (folder.join("builds"), folder.join("layer"));
    let folders = Folders { builds: &builds, plays: &plays };
    let mut found = Consistency::default();
    let mut compiled = Vec::new();
    for array in &arrays {
        note(&format!("{version}: compiling {}…", array.dataflow()));
        compiled.push(Compiled::new(array, design.array(), Simulator::Verilator, folders)?);
    }
    for (array, compiled) in arrays.iter().zip(&compiled) {
        found += compiled.check_all(array.random_layers(arguments.cases, arguments.seed))?;
    }
    for workload in &arguments.workload {
        found += layers_of(workload, arguments, &compiled)?;
    }
    note("seeded faults under Icarus Verilog…");
    let caught = count_caught(Simulator::Icarus, folders, FAULT_LAYERS, arguments.seed)?;
    let dataflows: Vec<_> = dataflows.iter().map(ToString::to_string).collect();
    print(&format!(
        "consistency of the array of {}, {} ({version})\n\
         layers                  {}\n\
         sums compared           {}\n\
         bits compared           {}\n\
         requantized compared    {}\n\
         cycles compared         {}\n\
         differences             {}\n\
         totals that differ      {}\n\
         seeded faults caught    {} of {}\n\
         not in the Verilog      {}\n",
        design.name(),
        dataflows.join(", "),
        found.cases,
        found.outputs,
        found.bits,
        found.stored,
        found.cycles,
        found.differences,
        found.total_differences,
        caught.caught,
        caught.total(),
        arrays[0].left_out().join(", "),
    ))?;
    for name in &caught.missed {
        note(&format!("not caught: {name}"));
    }
    let equal = found.differences == 0 && found.total_differences == 0 && caught.missed.is_empty();
    Ok(if equal { Answer::Yes } else { Answer::No })
}
