//! `systolab rtl check`: does the Verilog agree with the stepped array and the closed form?

use std::path::PathBuf;

use crate::explore::{self, ArrayOperands, StoredAs};
use crate::hardware::Dataflow;
use crate::rtl::{
    CheckError, Compiled, Consistency, Folders, Layer, Requantization, Simulator, Tool, Words, count_caught,
};

use super::super::execution_inputs::Inputs;
use super::super::progress_bar::progress_bar;
use super::super::words::OneOf;
use super::super::work_folder::WorkFolder;
use super::super::{Answer, Failure, note, print};
use super::{design, generated, tested};

/// Run the Verilog under Verilator on random layers; every bit of every sum and the cycle in which it appears must be those of the stepped array, the totals those of the closed form
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A design: shipped name or file
    #[arg(long, value_name = "DESIGN")]
    hw: String,
    /// Which of its dataflows (default: all)
    #[arg(long, value_parser = OneOf(&Dataflow::NAMED))]
    dataflow: Option<Dataflow>,
    /// Random layers per dataflow, over all operand pairs in turn: with 9 per pair each has seen every kind of operands
    /// and every rounding
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    cases: u64,
    /// Also a network's layers: first image, real operands, tiles of the mapper; sums must be the engine's, but for
    /// layers whose weights have zero points. Bias and factors are the layer's own where they are fixed-point or shifts,
    /// and random otherwise
    #[arg(long, value_name = "NETWORK")]
    workload: Vec<String>,
    /// What the random layers are drawn from; those that look for the seeded faults are always the same
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keep the Verilog, the builds and the last layers' files in this folder: a new one, or one of an earlier run,
    /// whose builds of the same Verilog are used again: compiling takes most of the time
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    let design = design(&arguments.hw)?;
    let dataflows = arguments.dataflow.map_or(design.array().dataflows().to_vec(), |dataflow| vec![dataflow]);
    let arrays = dataflows.iter().map(|&dataflow| generated(&arguments.hw, &design, dataflow));
    let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
    let inputs = arguments.workload.iter().map(|workload| Inputs::of(&arguments.hw, workload));
    let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
    let version = tested(Tool::Verilator)?;
    tested(Tool::Icarus)?;
    let folder = WorkFolder::new(arguments.keep.as_deref(), "rtl")?;
    let (builds, plays) = (folder.path().join("builds"), folder.path().join("layers"));
    let folders = Folders { builds: &builds, plays: &plays };
    let mut found = Consistency::default();
    let mut compiled = Vec::new();
    for array in &arrays {
        note(&format!("{version}: compiling {}…", array.dataflow()));
        compiled.push(Compiled::new(array, design.array(), Simulator::Verilator, folders)?);
    }
    for (array, compiled) in arrays.iter().zip(&compiled) {
        note(&format!("{} random layers on {}…", arguments.cases, array.dataflow()));
        let bar = progress_bar(arguments.cases, "{pos} of {len} layers");
        bar.tick();
        let checked = compiled.check_all(array.random_layers(arguments.cases, arguments.seed), || bar.inc(1));
        bar.finish_and_clear();
        found += checked?;
    }
    for (workload, inputs) in arguments.workload.iter().zip(&inputs) {
        found += layers_of(workload, inputs, arguments.seed, &compiled)?;
    }
    note("seeded faults in a small array of the same modules, under Icarus Verilog…");
    let caught = count_caught(Simulator::Icarus, folders)?;
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
         seeded faults caught    {} of {}, in a small array of the same modules\n\
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

/// The layers of a network's first image, as the design's mapper cuts them.
fn layers_of(
    workload: &str,
    inputs: &Inputs,
    seed: u64,
    compiled: &[Compiled<'_>],
) -> Result<Consistency, Failure> {
    let layers = explore::array_layers(inputs.request())?;
    let mut found = Consistency::default();
    for (index, layer) in layers.into_iter().enumerate() {
        let schedule = layer.mapped.tiling.schedule;
        let words = match layer.operands {
            ArrayOperands::Integer(activations, weights) => Words::Integer { activations, weights },
            ArrayOperands::Bf16(activations, weights) => Words::Bf16 { activations, weights },
        };
        let compiled = compiled.iter().find(|compiled| compiled.dataflow() == schedule.dataflow);
        let mut play =
            Layer::new(layer.mapped.pair, schedule, words, layer.sums, seed.wrapping_add(index as u64));
        let behind = match own_requantization(&play.words, layer.stored_as) {
            Ok(own) => {
                play.requantization = Some(own);
                "its own bias and factors".to_owned()
            }
            Err(reason) => reason,
        };
        let checked = match compiled.map(|compiled| compiled.check(&play)) {
            None => Err(format!("dataflow {} is not checked", schedule.dataflow)),
            Some(Err(CheckError::Play(error))) if error.is_limit() => Err(error.to_string()),
            Some(checked) => Ok(checked?),
        };
        match checked {
            Ok(checked) => {
                note(&format!(
                    "{workload}, {}: {} sums in {} cycles, {} differences; {behind}",
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

/// What makes stored integers of a layer's sums, or what is played instead and why.
fn own_requantization(words: &Words, own: Option<StoredAs>) -> Result<Requantization, String> {
    if matches!(words, Words::Bf16 { .. }) {
        return Err("not requantized: bf16".to_owned());
    }
    let own = own
        .ok_or("its sums become reals, or its weights have zero points")
        .and_then(|own| Requantization::new(own.biases, own.requantization));
    own.map_err(|reason| format!("random bias and factors: {reason}"))
}
