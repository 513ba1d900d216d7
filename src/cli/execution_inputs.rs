//! What `execute` and `validate` run: a design, a network with its values, and images.

use std::ops::Range;
use std::path::PathBuf;

use crate::explore::{Design, Request};
use crate::inputs::{self, Failure, ImageSource, Values};
use crate::tensor::TensorFile;
use crate::workload::{Samples, Workload};

use super::note;

// Not a doc comment: it would replace the help of the command that these options belong to.
#[derive(Debug, clap::Args)]
pub(super) struct ExecutionArguments {
    /// A design: shipped name or file
    #[arg(long, value_name = "DESIGN")]
    hw: String,
    /// A network: name in the workloads folder or file. Without a trace, seeded synthetic values run
    #[arg(long, value_name = "NETWORK")]
    workload: String,
    /// Images: .safetensors, .npz or .npy with `images` [n, height, width, channels], U8 pixels or F32
    /// ready for the network, and optional `labels` (default: the network's evaluation set)
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Only images A to B − 1 of the evaluation set
    #[arg(long, value_name = "A..B", value_parser = range, conflicts_with = "input")]
    samples: Option<Range<usize>>,
}

/// Everything that is executed.
pub(super) struct Inputs {
    design: Design,
    workload: Workload,
    values: Values,
    samples: Samples,
}

fn range(text: &str) -> Result<Range<usize>, String> {
    let range = text.split_once("..").and_then(|(start, end)| Some(start.parse().ok()?..end.parse().ok()?));
    range
        .filter(|range: &Range<usize>| !range.is_empty())
        .ok_or_else(|| "expected A..B with A below B, as in 0..100".to_owned())
}

impl Inputs {
    /// A design and a network with the images of its evaluation set.
    pub(super) fn of(hw: &str, workload: &str) -> Result<Self, Failure> {
        let (hw, workload) = (hw.to_owned(), workload.to_owned());
        Self::read(&ExecutionArguments { hw, workload, input: None, samples: None })
    }

    pub(super) fn read(arguments: &ExecutionArguments) -> Result<Self, Failure> {
        let design = inputs::design_named(&arguments.hw, note)?;
        let (workload, file) = inputs::workload_with_file(&arguments.workload)?;
        let values = inputs::values(&workload, file.as_deref())?;
        let given = arguments.input.as_deref().map(TensorFile::read).transpose()?;
        let source = match &given {
            Some(images) => ImageSource::Given(images),
            None => ImageSource::EvaluationSet(arguments.samples.clone()),
        };
        let samples = inputs::samples(&workload, file.as_deref(), source)?;
        Ok(Self { design, workload, values, samples })
    }

    pub(super) fn request(&self) -> Request<'_> {
        let Self { design, workload, values: Values { params, origin }, samples } = self;
        Request { design, workload, params, origin: *origin, samples }
    }
}
