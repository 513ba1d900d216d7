//! One design, one network, some images: bit-exact values, and what the accumulators saw.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::functional::{Executable, ExecutionError, LayerStatistics};
use crate::mapping::MappingError;
use crate::tensor::Tensor;
use crate::workload::{FeatureMap, Layer, Operation, Params, Samples, Workload};

use super::evaluate::Design;
use super::execution::{ExecutedLayer, executed_layers, executed_plans};
use super::mapper::map_executed;
use super::zero_operands::{ZeroOperandMacs, ZeroOperands};

/// More bytes of kept tensors are refused before anything is executed.
const MAX_KEPT_BYTES: u64 = 2 << 30;

/// Where a network's parameters are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A trace.
    Trace,
    /// This seed: values mean nothing, and nothing that depends on them is reported.
    Synthetic(u64),
}

/// What is kept of every image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The class only.
    Classes,
    /// Every edge as stored: `image` and one tensor per layer.
    Outputs,
    /// Also every layer's accumulators, `LAYER.accumulator`.
    OutputsAndAccumulators,
}

/// A network to execute and what on.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The design.
    pub design: &'a Design,
    /// The network.
    pub workload: &'a Workload,
    /// Its values.
    pub params: &'a Params,
    /// Where they are from.
    pub origin: Origin,
    /// The images.
    pub samples: &'a Samples,
}

impl Request<'_> {
    pub(super) fn cannot_be_mapped(&self, source: MappingError) -> ExecuteError {
        ExecuteError::Mapping {
            network: self.workload.name().to_owned(),
            design: self.design.accelerator.name().to_owned(),
            source: Box::new(source),
        }
    }
}

/// What executing images gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Design name.
    pub hardware: String,
    /// SHA-256 of its file, hexadecimal.
    pub hardware_sha256: String,
    /// Network name.
    pub workload: String,
    /// SHA-256 of its file, hexadecimal.
    pub workload_sha256: String,
    /// SHA-256 of the trace, hexadecimal; empty for synthetic values.
    pub trace_sha256: String,
    /// Where the parameters are from.
    pub origin: Origin,
    /// Where the images are from.
    pub images: String,
    /// SHA-256 of their file, hexadecimal; empty for a synthetic one.
    pub images_sha256: String,
    /// Position of the first image in its set.
    pub first: usize,
    /// Top-1 class per image; None where every logit is NaN.
    pub predictions: Vec<Option<usize>>,
    /// Correctly classified images, if their classes are known and the network is trained.
    pub correct: Option<u64>,
    /// Layers in execution order.
    pub layers: Vec<RunLayer>,
    /// What was kept, by name, images along the outermost axis.
    pub tensors: BTreeMap<String, Tensor>,
}

/// One layer of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunLayer {
    /// Name in the network.
    pub name: String,
    /// `conv2d`, `linear`, `max_pool`, `average_pool`, `global_average_pool`, `add`, `requantize`, or an f32 operator.
    pub op: &'static str,
    /// Output shape per image.
    pub shape: FeatureMap,
    /// Format that the output is stored in.
    pub stored: String,
    /// What ran on the array and what its accumulators saw; None off the array.
    pub array: Option<ExecutedLayer>,
    /// MACs with a zero operand over all images; None off the array and for synthetic values.
    pub zero_operand_macs: Option<ZeroOperandMacs>,
}

/// Why a network cannot be executed on a design.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The design cannot run it.
    #[error("{network} cannot run on {design}: {source}")]
    Mapping {
        /// Network name.
        network: String,
        /// Design name.
        design: String,
        /// Why.
        source: Box<MappingError>,
    },
    /// Its execution fails.
    #[error("{network}: {source}")]
    Execution {
        /// Network name.
        network: String,
        /// Why.
        source: ExecutionError,
    },
    /// More output than is kept in memory.
    #[error(
        "{bytes} bytes of tensors of {images} images; at most {MAX_KEPT_BYTES} are kept at a time, so take fewer images"
    )]
    TooMuch {
        /// What all tensors would take.
        bytes: u64,
        /// Images.
        images: usize,
    },
}

/// Executes all images. `progress` is called after each.
pub fn execute(
    request: Request<'_>,
    keep: Keep,
    progress: impl Fn(usize) + Sync,
) -> Result<Run, ExecuteError> {
    let Request { design, workload, params, origin, samples } = request;
    let network = workload.network();
    let failed = |source| ExecuteError::Execution { network: workload.name().to_owned(), source };
    let mapped =
        map_executed(workload, &design.accelerator).map_err(|source| request.cannot_be_mapped(source))?;
    let plans = executed_plans(&mapped);
    check_kept(workload, keep, samples.len())?;
    let executable = Executable::new(network, params, &plans).map_err(failed)?;
    let done = AtomicUsize::new(0);
    let kept = Kept { workload };
    let zero_operands = (origin == Origin::Trace).then(|| ZeroOperands::new(network, params));
    let executed = executable
        .run_many(
            samples.len(),
            |index| samples.image(index),
            |workspace, outputs| {
                let tensors = match keep {
                    Keep::Classes => vec![],
                    Keep::Outputs => kept.of(executable.edges(workspace), vec![]),
                    Keep::OutputsAndAccumulators => {
                        kept.of(executable.edges(workspace), executable.accumulators(workspace))
                    }
                };
                progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                let zero = zero_operands.as_ref().map(|zero| zero.count(&executable, workspace));
                Ok((outputs.top1(), outputs.statistics, zero, tensors))
            },
        )
        .map_err(failed)?;
    let mut statistics = vec![LayerStatistics::default(); network.layers().len()];
    let mut predictions = Vec::with_capacity(samples.len());
    let mut tensors_of_images: Vec<Vec<Tensor>> = vec![];
    let mut zero_macs: Vec<Option<ZeroOperandMacs>> = vec![None; network.layers().len()];
    for (class, of_image, zero, tensors) in executed {
        predictions.push(class);
        for (total, layer) in statistics.iter_mut().zip(of_image) {
            *total = total.merge(layer);
        }
        for (total, layer) in zero_macs.iter_mut().zip(zero.into_iter().flatten()) {
            *total = layer.map(|layer| total.unwrap_or_default().plus(layer));
        }
        tensors_of_images.resize_with(tensors.len(), Vec::new);
        for (all, tensor) in tensors_of_images.iter_mut().zip(tensors) {
            all.push(tensor);
        }
    }
    let layers = executed_layers(&executable, &plans, &statistics);
    let correct = |labels: &[u16]| {
        let pairs = labels.iter().zip(&predictions);
        pairs.filter(|&(&label, &class)| class == Some(usize::from(label))).count() as u64
    };
    Ok(Run {
        hardware: design.accelerator.name().to_owned(),
        hardware_sha256: design.accelerator.sha256().to_owned(),
        workload: workload.name().to_owned(),
        workload_sha256: workload.sha256().to_owned(),
        trace_sha256: params.sha256().to_owned(),
        origin,
        images: samples.source().to_owned(),
        images_sha256: samples.sha256().to_owned(),
        first: samples.first(),
        correct: samples.labels().filter(|_| origin == Origin::Trace).map(correct),
        predictions,
        layers: network
            .layers()
            .iter()
            .zip(layers)
            .zip(zero_macs)
            .map(|((layer, array), zero_operand_macs)| RunLayer {
                zero_operand_macs,
                ..run_layer(workload, layer, array)
            })
            .collect(),
        tensors: kept
            .names()
            .into_iter()
            .zip(tensors_of_images)
            .filter_map(|(name, all)| Some((name, kept.joined(all)?)))
            .collect(),
    })
}

fn check_kept(workload: &Workload, keep: Keep, images: usize) -> Result<(), ExecuteError> {
    let network = workload.network();
    let elements = |shape: FeatureMap| shape.elements() as u64;
    let accumulators = network.layers().iter().map(|layer| 4 * elements(network.edge(layer.output).shape));
    let outputs = (network.edges().iter()).map(|edge| 4 * elements(edge.shape)); // at most
    let bytes: u64 = match keep {
        Keep::Classes => 0,
        Keep::Outputs => outputs.sum(),
        Keep::OutputsAndAccumulators => outputs.chain(accumulators).sum(),
    };
    let bytes = bytes.saturating_mul(images as u64);
    if bytes > MAX_KEPT_BYTES { Err(ExecuteError::TooMuch { bytes, images }) } else { Ok(()) }
}

/// Which tensors of an executed image are kept, and in which order and shape: NHWC by layer name, or as an
/// imported model has them, by its names.
struct Kept<'a> {
    workload: &'a Workload,
}

impl Kept<'_> {
    /// The tensors of one image: all edges, then accumulators.
    fn of(&self, edges: Vec<Tensor>, accumulators: Vec<Option<Tensor>>) -> Vec<Tensor> {
        let Some(model) = self.workload.model() else {
            return edges.into_iter().chain(accumulators.into_iter().flatten()).collect();
        };
        let tensors =
            model.tensors().iter().filter_map(|tensor| tensor.in_model_order(&edges[tensor.edge.index()]));
        let layers = self.workload.network().layers().iter().zip(&accumulators);
        let accumulators = layers.filter_map(|(layer, accumulators)| {
            let tensor = model.tensors().iter().find(|tensor| tensor.name == layer.name)?;
            tensor.in_model_order(accumulators.as_ref()?)
        });
        tensors.chain(accumulators).collect()
    }

    /// Their names.
    fn names(&self) -> Vec<String> {
        let network = self.workload.network();
        let on_array =
            network.layers().iter().filter(|layer| matches!(layer.operation, Operation::Convolution(_)));
        let accumulators = on_array.map(|layer| format!("{}.accumulator", layer.name));
        match self.workload.model() {
            Some(model) => {
                model.tensors().iter().map(|tensor| tensor.name.clone()).chain(accumulators).collect()
            }
            None => network.edges().iter().map(|edge| edge.name.clone()).chain(accumulators).collect(),
        }
    }

    /// One tensor of all images. NHWC: a single pixel is [n, channels].
    fn joined(&self, images: Vec<Tensor>) -> Option<Tensor> {
        let tensor = Tensor::concatenated(images)?;
        match *tensor.shape() {
            [n, 1, 1, channels] if self.workload.model().is_none() => tensor.reshaped(vec![n, channels]),
            _ => Some(tensor),
        }
    }
}

fn run_layer(workload: &Workload, layer: &Layer, array: Option<ExecutedLayer>) -> RunLayer {
    let network = workload.network();
    RunLayer {
        name: layer.name.clone(),
        op: layer.operation.name(),
        shape: network.edge(layer.output).shape,
        stored: network.stored_format(layer.output).to_string(),
        array,
        zero_operand_macs: None,
    }
}
