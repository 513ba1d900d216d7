//! `systolab execute`: bit-exact values of a network on a design.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use crate::explore::{self, Keep, Run};
use crate::report;
use crate::tensor::safetensors_bytes;

use super::execution_inputs::{ExecutionArguments, Inputs};
use super::{Failure, Format, note, output_file, print};

/// Execute a network bit-exactly: every layer's output, accuracy where classes are known
///
/// Per layer: what executed it, the static bound of its accumulators, the bits that its weights need, the
/// largest accumulator seen and the overflows. Networks without a trace run seeded synthetic values: then
/// neither accuracy nor anything else that depends on values is printed.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    inputs: ExecutionArguments,
    /// Write `image` and every layer's output, as stored, to this .safetensors file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also write every layer's accumulators, as LAYER.accumulator
    #[arg(long, requires = "out")]
    accumulators: bool,
    /// Replace the output file even if systolab did not write it
    #[arg(long)]
    force: bool,
    /// How the table is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let Some(out) = &arguments.out {
        output_file::check(out, arguments.force)?;
    }
    let inputs = Inputs::read(&arguments.inputs)?;
    let keep = match (&arguments.out, arguments.accumulators) {
        (None, _) => Keep::Classes,
        (Some(_), false) => Keep::Outputs,
        (Some(_), true) => Keep::OutputsAndAccumulators,
    };
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {pos} images executed, {per_sec}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    let run = explore::execute(inputs.request(), keep, |_| bar.inc(1))?;
    bar.finish_and_clear();
    if let Some(out) = &arguments.out {
        output_file::write(out, &tensors(&run)?)?;
        note(&format!("{} tensors written to {}", run.tensors.len(), out.display()));
    }
    let table = report::run_table(&run);
    print(&match arguments.format {
        Format::Table => table.to_text(),
        Format::Markdown => table.to_markdown(),
        Format::Csv => table.to_csv()?,
        Format::Json => report::run_json(&run, env!("CARGO_PKG_VERSION"))?,
    })
}

fn tensors(run: &Run) -> Result<Vec<u8>, Failure> {
    let about = report::run_about(run, env!("CARGO_PKG_VERSION"));
    Ok(safetensors_bytes(&run.tensors, (output_file::KEY, &about))?)
}
