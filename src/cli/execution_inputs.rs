//! What `execute` and `validate` run: a design, a network with its values, and images.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use crate::explore::{Design, Origin, Request};
use crate::tensor::TensorFile;
use crate::workload::{EvaluationSet, ParameterSource, Params, Samples, Workload};

use super::{Failure, inputs};

/// Seed of all synthetic values.
const SEED: u64 = 0;

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
    params: Params,
    origin: Origin,
    samples: Samples,
}

fn range(text: &str) -> Result<Range<usize>, String> {
    let range = text.split_once("..").and_then(|(start, end)| Some(start.parse().ok()?..end.parse().ok()?));
    range
        .filter(|range: &Range<usize>| !range.is_empty())
        .ok_or_else(|| "expected A..B with A below B, as in 0..100".to_owned())
}

impl Inputs {
    pub(super) fn read(arguments: &ExecutionArguments) -> Result<Self, Failure> {
        let design =
            inputs::one(inputs::designs(std::slice::from_ref(&arguments.hw))?, "--hw", &arguments.hw)?;
        let (workload, file) = inputs::workload_with_file(&arguments.workload)?;
        let (params, origin) = match (workload.parameters(), &file) {
            (ParameterSource::Trace(trace), Some(file)) => {
                let params = Params::read(trace, workload.network())
                    .map_err(|error| inputs::named_by(file, "parameters.trace", error))?;
                (params, Origin::Trace)
            }
            (ParameterSource::Trace(_), None) => {
                let (name, variable) = (workload.name(), inputs::WORKLOADS_VARIABLE);
                return Err(format!(
                    "{name}: its trace is not compiled in; run beside the repository's `workloads` folder or set {variable} to it"
                )
                .into());
            }
            (ParameterSource::Model, _) => {
                let model = workload.model().ok_or("a model without its values")?;
                (model.params().clone(), Origin::Trace)
            }
            (ParameterSource::None, _) => {
                let params = Params::synthetic(workload.network(), SEED).ok_or_else(|| {
                    format!(
                        "{}: a list of matrix products has shapes only; expected a network",
                        workload.name()
                    )
                })?;
                (params, Origin::Synthetic(SEED))
            }
        };
        let samples = samples(arguments, &workload, file.as_deref())?;
        Ok(Self { design, workload, params, origin, samples })
    }

    pub(super) fn request(&self) -> Request<'_> {
        let Self { design, workload, params, origin, samples } = self;
        Request { design, workload, params, origin: *origin, samples }
    }
}

fn samples(
    arguments: &ExecutionArguments,
    workload: &Workload,
    file: Option<&std::path::Path>,
) -> Result<Samples, Failure> {
    let network = workload.network();
    let evaluation = workload.evaluation();
    if let Some(path) = &arguments.input {
        let images = TensorFile::read(path)?;
        if let Some(model) = workload.model() {
            return Ok(Samples::of_model(&images, model)?);
        }
        let normalization = evaluation.map(|evaluation| &evaluation.normalization);
        return Ok(Samples::from_file(&images, network, normalization)?);
    }
    let (Some(evaluation), Some(file)) = (evaluation, file) else {
        return match arguments.samples {
            None => Ok(Samples::synthetic(network, SEED)),
            Some(_) => Err(format!(
                "--samples: {} names no evaluation set; give images with --input, or neither for one synthetic image",
                workload.name()
            )
            .into()),
        };
    };
    let classes = network.output().shape.elements();
    let set = EvaluationSet::read(&evaluation.path, network.image().shape, classes)
        .map_err(|error| inputs::named_by(file, "evaluation.set", error))?;
    let set = Arc::new(set);
    let range = arguments.samples.clone().unwrap_or(0..set.len());
    Samples::of_set(&set, &evaluation.normalization, range.clone()).ok_or_else(|| {
        format!("--samples {}..{}: the evaluation set has {} images", range.start, range.end, set.len())
            .into()
    })
}
