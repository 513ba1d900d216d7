//! `systolab rtl`: the array as Verilog, and its consistency with the stepped array and the closed form.

use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::explore::{self, ArrayOperands, StoredAs};
use crate::hardware::{Accelerator, Dataflow};
use crate::report::Table;
use crate::rtl::{
    CheckError, Compiled, Consistency, Folders, Generated, Layer, Part, Requantization, Simulator, Tool,
    Version, Words, count_caught,
};

use super::execution_inputs::Inputs;
use super::output_folder::{self, Replace};
use super::words::OneOf;
use super::work_folder::WorkFolder;
use super::{Answer, Failure, Format, inputs, note, print};

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
    Synth(Synth),
    Wave(Wave),
}

/// Registers of the stepped array over some cycles of a random layer: a waveform, a picture
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("output").required(true).multiple(true).args(["wave", "picture"]))]
struct Wave {
    /// A design: shipped name or file
    #[arg(long, value_name = "DESIGN")]
    hw: String,
    /// Which of its dataflows (default: the first)
    #[arg(long, value_parser = OneOf(&Dataflow::NAMED))]
    dataflow: Option<Dataflow>,
    /// Extents of the layer, m,n,k
    #[arg(long, value_name = "M,N,K", value_parser = gemm)]
    gemm: [u64; 3],
    /// Cycles A to B − 1
    #[arg(long, value_name = "A..B", value_parser = cycles)]
    cycles: Range<u64>,
    /// Write a VCD file
    #[arg(long, value_name = "FILE")]
    wave: Option<PathBuf>,
    /// Write an SVG file that shows which PEs hold a moving operand, cycle by cycle
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
}

/// Cells and area of the MACs, of a PE and of the array, one operand pair at a time, by Yosys
///
/// Area only: nothing is timed, and a bf16 MAC has no pipeline register. Accumulators and scratchpads are memories and
/// are left out.
#[derive(Debug, clap::Args)]
struct Synth {
    /// A design: shipped name or file
    #[arg(long, value_name = "DESIGN")]
    hw: String,
    /// Which of its dataflows (default: the first)
    #[arg(long, value_parser = OneOf(&Dataflow::NAMED))]
    dataflow: Option<Dataflow>,
    /// A library of cells with areas
    #[arg(long, value_name = "FILE")]
    liberty: PathBuf,
    /// Widths of integer partial sums instead of the design's, 16 to 32
    #[arg(long, value_name = "BITS", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(16..=32))]
    sum_bits: Vec<u8>,
    /// Also the whole array, which takes minutes for large ones
    #[arg(long)]
    array: bool,
    /// Keep Verilog, scripts and Yosys's statistics in this folder: a new one, or one of an earlier run
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// How the table is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Write parameterized Verilog-2005 of the array, with a self-checking testbench
#[derive(Debug, clap::Args)]
struct Emit {
    /// A design: shipped name or file
    #[arg(long, value_name = "DESIGN")]
    hw: String,
    /// Which of its dataflows (default: the first)
    #[arg(long, value_parser = OneOf(&Dataflow::NAMED))]
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
    #[arg(long, value_parser = OneOf(&Dataflow::NAMED))]
    dataflow: Option<Dataflow>,
    /// Random layers per dataflow, over all operand pairs in turn
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
    /// whose builds of the same Verilog are used again
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    match &arguments.command {
        Command::Emit(arguments) => emit(arguments).map(|()| Answer::Yes),
        Command::Check(arguments) => consistency(arguments),
        Command::Synth(arguments) => synthesis(arguments).map(|()| Answer::Yes),
        Command::Wave(arguments) => wave(arguments).map(|()| Answer::Yes),
    }
}

fn emit(arguments: &Emit) -> Result<(), Failure> {
    let replace = if arguments.force { Replace::Anything } else { Replace::OnlyOurs };
    output_folder::check(&arguments.out, replace)?;
    let design = design(&arguments.hw)?;
    let dataflow = arguments.dataflow.unwrap_or(design.array().dataflows()[0]);
    let generated = generated(&arguments.hw, &design, dataflow)?;
    let files = generated.files();
    output_folder::write(&arguments.out, &files, replace)?;
    note(&format!("{}: {} files, dataflow {dataflow}", arguments.out.display(), files.len()));
    note(&format!("not generated: {}", generated.left_out().join(", ")));
    note("compile: iverilog -g2005 -s systolab_testbench *.v");
    note("     or: verilator --binary --timing -Wno-fatal --top-module systolab_testbench *.v");
    note(
        "layers for the testbench, which takes +stimulus=, +sums= and +stored=: systolab rtl check --keep DIR",
    );
    Ok(())
}

fn design(name: &str) -> Result<Accelerator, Failure> {
    Ok(inputs::design_named(name, note)?.accelerator)
}

/// `hw` is the design's name, for what is refused by the place in its file.
fn generated(hw: &str, design: &Accelerator, dataflow: Dataflow) -> Result<Generated, Failure> {
    match Generated::new(design, dataflow) {
        Ok(generated) => Ok(generated),
        Err(refused) => Err(inputs::design_file(hw)?.error_at(&refused.path(), refused.reason()).into()),
    }
}

/// Said before anything is synthesized.
const NO_JSON: &str = "--format json: not in this version; expected table, markdown or csv";

/// Values of all PEs that are recorded at most.
const MAX_STATES: u64 = 1 << 22;

fn gemm(text: &str) -> Result<[u64; 3], String> {
    let extents: Vec<u64> = text.split(',').filter_map(|extent| extent.parse().ok()).collect();
    extents
        .try_into()
        .ok()
        .filter(|extents: &[u64; 3]| extents.iter().all(|extent| (1..=4096).contains(extent)))
        .ok_or_else(|| "expected M,N,K, each 1 to 4096".to_owned())
}

fn cycles(text: &str) -> Result<Range<u64>, String> {
    let range = text.split_once("..").and_then(|(start, end)| Some(start.parse().ok()?..end.parse().ok()?));
    range
        .filter(|range: &Range<u64>| !range.is_empty())
        .ok_or_else(|| "expected A..B with A below B, as in 0..40".to_owned())
}

fn wave(arguments: &Wave) -> Result<(), Failure> {
    let design = design(&arguments.hw)?;
    let generated =
        generated(&arguments.hw, &design, arguments.dataflow.unwrap_or(design.array().dataflows()[0]))?;
    let [m, n, k] = arguments.gemm;
    let cycles = arguments.cycles.clone();
    let most = MAX_STATES / (design.array().rows() * design.array().cols());
    if cycles.end - cycles.start > most {
        return Err(
            format!("--cycles: {} cycles; at most {most} of this array", cycles.end - cycles.start).into()
        );
    }
    let wave = generated.wave(&generated.layer(m, n, k, 1), cycles);
    let wave = wave.map_err(|error| format!("--gemm {m},{n},{k}: {error}"))?;
    if wave.recorded() == 0 {
        return Err(format!("--cycles: the layer ends before cycle {}", arguments.cycles.start).into());
    }
    if let Some(path) = &arguments.wave {
        let mut bytes = Vec::new();
        wave.write_vcd(&mut bytes)?;
        write(path, &bytes)?;
    }
    if let Some(path) = &arguments.picture {
        write(path, wave.to_svg().as_bytes())?;
    }
    note(&format!("{} cycles", wave.recorded()));
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    Ok(std::fs::write(path, bytes).map_err(|error| format!("{}: cannot write: {error}", path.display()))?)
}

fn synthesis(arguments: &Synth) -> Result<(), Failure> {
    if arguments.format == Format::Json {
        return Err(NO_JSON.into());
    }
    let design = design(&arguments.hw)?;
    let generated =
        generated(&arguments.hw, &design, arguments.dataflow.unwrap_or(design.array().dataflows()[0]))?;
    let version = tested(Tool::Yosys)?;
    let folder = WorkFolder::new(arguments.keep.as_deref(), "synth")?;
    let parts = [("MACs", Part::Macs), ("PE", Part::Pe), ("array", Part::Array)];
    let parts = &parts[..if arguments.array { 3 } else { 2 }];
    let mut headers = vec!["pair".to_owned(), "partial sum (bit)".to_owned()];
    headers.extend(parts.iter().flat_map(|(name, _)| [format!("{name}: cells"), format!("{name}: area")]));
    let mut rows = Vec::new();
    for pair in generated.pairs() {
        let one = generated.with_pair(pair);
        let widths = arguments.sum_bits.iter().filter_map(|&bits| one.clone().with_sum_bits(bits));
        let mut arrays: Vec<_> = widths.collect();
        arrays.dedup();
        if arrays.is_empty() {
            arrays.push(one);
        }
        for array in arrays {
            let mut row = vec![pair.to_string(), array.sum_bits().to_string()];
            for (name, part) in parts {
                note(&format!("{pair}, {} bit: {name}…", array.sum_bits()));
                let folder = folder.path().join(format!("{pair}-{}-{name}", array.sum_bits()));
                let found = array.synthesize(*part, &arguments.liberty, &folder)?;
                row.extend([found.cells.to_string(), format!("{:.0}", found.area)]);
            }
            rows.push(row);
        }
    }
    let table = Table {
        title: format!("{}, dataflow {}: {version}", design.name(), generated.dataflow()),
        headers,
        rows,
        notes: vec![
            format!("area in the unit of {}", arguments.liberty.display()),
            "area-driven, no timing constraint; accumulators, scratchpads and control are left out"
                .to_owned(),
        ],
    };
    print(&match arguments.format {
        Format::Table => table.to_text(),
        Format::Markdown => table.to_markdown(),
        Format::Csv => table.to_csv()?,
        Format::Json => return Err(NO_JSON.into()),
    })
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

/// The version of a tool; says on the side if it is not the one that was tried.
fn tested(tool: Tool) -> Result<Version, Failure> {
    let version = tool.version()?;
    if let Some(untested) = version.untested() {
        note(&untested);
    }
    Ok(version)
}

fn consistency(arguments: &Check) -> Result<Answer, Failure> {
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
        found += compiled.check_all(array.random_layers(arguments.cases, arguments.seed))?;
    }
    for (workload, inputs) in arguments.workload.iter().zip(&inputs) {
        found += layers_of(workload, inputs, arguments.seed, &compiled)?;
    }
    note("seeded faults under Icarus Verilog…");
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
