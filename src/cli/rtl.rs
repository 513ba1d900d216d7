//! `systolab rtl`: the array as Verilog, and its consistency with the stepped array and the closed form.

mod check;
mod emit;
mod synth;
mod wave;

use clap::Subcommand;

use crate::hardware::{Accelerator, Dataflow};
use crate::rtl::{Generated, Tool, Version};

use super::words::OneOf;
use super::{Answer, Failure, inputs, note};

/// Verilog of a design's array: write it, or check it against the stepped array and the closed form
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Emit(emit::Arguments),
    Check(check::Arguments),
    Synth(synth::Arguments),
    Wave(wave::Arguments),
}

pub(super) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    match &arguments.command {
        Command::Emit(arguments) => emit::run(arguments).map(|()| Answer::Yes),
        Command::Check(arguments) => check::run(arguments),
        Command::Synth(arguments) => synth::run(arguments).map(|()| Answer::Yes),
        Command::Wave(arguments) => wave::run(arguments).map(|()| Answer::Yes),
    }
}

/// One array of a design.
#[derive(Debug, clap::Args)]
struct OneArray {
    /// A design: shipped name or file
    #[arg(long, value_name = "DESIGN")]
    hw: String,
    /// Which of its dataflows (default: the first)
    #[arg(long, value_parser = OneOf(&Dataflow::NAMED))]
    dataflow: Option<Dataflow>,
}

impl OneArray {
    fn generate(&self) -> Result<(Accelerator, Generated), Failure> {
        let design = design(&self.hw)?;
        let dataflow = self.dataflow.unwrap_or(design.array().dataflows()[0]);
        let generated = generated(&self.hw, &design, dataflow)?;
        Ok((design, generated))
    }
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

/// The version of a tool; says on the side if it is not the one that was tried.
fn tested(tool: Tool) -> Result<Version, Failure> {
    let version = tool.version()?;
    if let Some(untested) = version.untested() {
        note(&untested);
    }
    Ok(version)
}
