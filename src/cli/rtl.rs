//! `systolab rtl`: the array as Verilog, and its consistency with the stepped array and the closed form.

use std::path::PathBuf;

use clap::Subcommand;

use crate::rtl::{FAULTS, Generated, Simulator, check, count_caught};

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
    /// Random layers, over all operand pairs in turn
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    cases: u64,
    /// What the layers are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keep the Verilog, the builds and the last layer's files in this folder, which must not exist
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Random layers that look for each seeded fault.
const FAULT_LAYERS: u64 = 20;

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
    let generated = generated(&arguments.hw)?.0;
    let files = generated.files();
    output_folder::write(&arguments.out, &files, replace)?;
    note(&format!("{}: {} files", arguments.out.display(), files.len()));
    note(&format!("not generated: {}", generated.left_out().join(", ")));
    Ok(())
}

fn generated(name: &str) -> Result<(Generated, crate::hardware::Accelerator), Failure> {
    let design = inputs::design_named(name, note)?;
    let generated = Generated::new(&design.accelerator)
        .map_err(|error| format!("{}: {error}", design.accelerator.name()))?;
    Ok((generated, design.accelerator))
}

fn consistency(arguments: &Check) -> Result<Answer, Failure> {
    let (generated, design) = generated(&arguments.hw)?;
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
    note(&format!("{version}; compiling…"));
    let found = check(
        &generated,
        design.array(),
        Simulator::Verilator,
        &folder.join("verilator"),
        arguments.cases,
        arguments.seed,
    )?;
    note("seeded faults under Icarus Verilog…");
    let (caught, missed) =
        count_caught(Simulator::Icarus, &folder.join("faults"), FAULT_LAYERS, arguments.seed)?;
    print(&format!(
        "consistency of the array of {} ({version})\n\
         layers                  {}\n\
         sums compared           {}\n\
         bits compared           {}\n\
         cycles compared         {}\n\
         sums that differ        {}\n\
         totals that differ      {}\n\
         seeded faults caught    {caught} of {}\n\
         not in the Verilog      {}\n",
        design.name(),
        found.cases,
        found.outputs,
        found.bits,
        found.cycles,
        found.differences,
        found.total_differences,
        FAULTS.len(),
        generated.left_out().join(", "),
    ))?;
    for name in &missed {
        note(&format!("not caught: {name}"));
    }
    let equal = found.differences == 0 && found.total_differences == 0 && missed.is_empty();
    Ok(if equal { Answer::Yes } else { Answer::No })
}
