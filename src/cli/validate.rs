//! `systolab validate`: our bits against somebody else's.

use std::path::PathBuf;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};

use crate::report;
use crate::tensor::TensorFile;
use crate::validate::{self, Layout, Tolerance};

use super::execution_inputs::{ExecutionArguments, Inputs};
use super::{Answer, Failure, Format, print};

/// Compare with somebody else's outputs or accumulators: equal, or where they first differ
///
/// The expected file (.safetensors, .npz or .npy) has tensors named as `execute --out` names them: layers,
/// LAYER.accumulator, `image`; all or some of them. Bits must be equal unless a tolerance is given. For the
/// first difference of the first differing layer it prints the place in the array that made it, and overflows.
/// Exit code 0: equal; 1: differs; 2: could not compare.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    inputs: ExecutionArguments,
    /// What the layers' values should be
    #[arg(long, value_name = "FILE")]
    expected: PathBuf,
    /// Order of the axes of the expected feature maps
    #[arg(long, value_enum, default_value_t)]
    layout: ExpectedLayout,
    /// Accept values up to so many representable values apart
    #[arg(long, value_name = "N")]
    max_ulp: Option<u64>,
    /// Accept values up to this absolute difference apart
    #[arg(long, value_name = "X", value_parser = difference)]
    max_diff: Option<f64>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum ExpectedLayout {
    /// Channels last.
    #[default]
    Nhwc,
    /// Channels before height and width: ONNX, PyTorch.
    Nchw,
}

fn difference(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok().filter(|number: &f64| *number >= 0.0);
    number.ok_or_else(|| "expected a number from 0".to_owned())
}

pub(super) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    let expected = TensorFile::read(&arguments.expected)?;
    let inputs = Inputs::read(&arguments.inputs)?;
    let layout = match arguments.layout {
        ExpectedLayout::Nhwc => Layout::Nhwc,
        ExpectedLayout::Nchw => Layout::Nchw,
    };
    let tolerance = Tolerance { max_ulp: arguments.max_ulp, max_diff: arguments.max_diff };
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {pos} images executed, {per_sec}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    let validation = validate::validate(inputs.request(), &expected, layout, tolerance, |_| bar.inc(1))?;
    bar.finish_and_clear();
    let table = report::validation_table(&validation);
    print(&match arguments.format {
        Format::Table => table.to_text(),
        Format::Markdown => table.to_markdown(),
        Format::Csv => table.to_csv()?,
        Format::Json => report::validation_json(&validation, env!("CARGO_PKG_VERSION"))?,
    })?;
    Ok(if validation.first.is_none() { Answer::Yes } else { Answer::No })
}
