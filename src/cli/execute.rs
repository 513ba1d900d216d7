//! `systolab execute`: bit-exact values of a network on a design.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};

use crate::explore::{self, Keep, Run};
use crate::report;
use crate::tensor::safetensors_bytes;

use super::execution_inputs::{ExecutionArguments, Inputs};
use super::output_folder::{self, Replace};
use super::{Failure, note, output_file, print};

/// Execute a network bit-exactly: every layer's output, accuracy where classes are known
///
/// Per layer: what executed it, the static bound of its accumulators, the bits that its weights need, the
/// largest accumulator seen and the overflows. Networks without a trace run seeded synthetic values: then
/// neither accuracy nor anything else that depends on values is printed.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    inputs: ExecutionArguments,
    /// Write `image` and every layer's output, as stored, to this .safetensors file; with --dump-fold a
    /// folder
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also write every layer's accumulators, as LAYER.accumulator
    #[arg(long, requires = "out")]
    accumulators: bool,
    /// Instead write, for the first image and one fold of a layer, what enters each array and must leave it,
    /// for RTL (docs/formats.md, section 3)
    #[arg(long, value_name = "LAYER:FOLD", value_parser = fold, requires = "out", conflicts_with = "accumulators")]
    dump_fold: Option<(String, u64)>,
    /// Replace the output file even if systolab did not write it
    #[arg(long)]
    force: bool,
    /// How the table is printed, or the fold written
    #[arg(long, value_enum, default_value_t)]
    format: ExecuteFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ExecuteFormat {
    /// Aligned columns.
    #[default]
    Table,
    /// GitHub's Markdown.
    Markdown,
    /// Comma-separated values.
    Csv,
    /// JSON.
    Json,
    /// Of a fold, for Verilog's $readmemh.
    Memh,
}

/// Layer names may have colons.
fn fold(text: &str) -> Result<(String, u64), String> {
    let parts = text.rsplit_once(':').and_then(|(layer, fold)| Some((layer.to_owned(), fold.parse().ok()?)));
    parts.ok_or_else(|| "expected LAYER:FOLD, as in fc:0".to_owned())
}

fn dump_fold(arguments: &Arguments, out: &Path, layer: &str, fold: u64) -> Result<(), Failure> {
    let replace = if arguments.force { Replace::Anything } else { Replace::OnlyOurs };
    output_folder::check(out, replace)?;
    let inputs = Inputs::read(&arguments.inputs)?;
    let golden = explore::golden_fold(inputs.request(), layer, fold)?;
    let files = report::golden_files(&golden, env!("CARGO_PKG_VERSION"))?;
    output_folder::write(out, &files, replace)?;
    note(&format!("{} files written to {}", files.len(), out.display()));
    Ok(())
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match (&arguments.dump_fold, &arguments.out, arguments.format) {
        (Some((layer, fold)), Some(out), ExecuteFormat::Memh) => {
            return dump_fold(arguments, out, layer, *fold);
        }
        (None, _, ExecuteFormat::Memh) => return Err("--format memh: only with --dump-fold".into()),
        (Some(_), ..) => return Err("--dump-fold: expected --format memh".into()),
        (None, ..) => {}
    }
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
        ExecuteFormat::Table | ExecuteFormat::Memh => table.to_text(),
        ExecuteFormat::Markdown => table.to_markdown(),
        ExecuteFormat::Csv => table.to_csv()?,
        ExecuteFormat::Json => report::run_json(&run, env!("CARGO_PKG_VERSION"))?,
    })
}

fn tensors(run: &Run) -> Result<Vec<u8>, Failure> {
    let about = report::run_about(run, env!("CARGO_PKG_VERSION"));
    Ok(safetensors_bytes(&run.tensors, (output_file::KEY, &about))?)
}
