//! A network's tensors against a file of expected ones, layer by layer.

use std::collections::BTreeSet;

use crate::explore::{ExecuteError, Keep, Request, Run, execute, map_executed};
use crate::numerics::{MacSpec, Overflow};
use crate::stepped::Control;
use crate::tensor::{Tensor, TensorFile};
use crate::workload::{Layer, Operation};

use super::compare::{Comparison, Layout, Tolerance, Value, compare, pair, value};
use super::place::{Place, locate};

/// All layers of a network compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Validation {
    /// What was executed; its tensors are gone.
    pub run: Run,
    /// Expected tensors in the order of the layers; accumulators before outputs.
    pub tensors: Vec<LayerValidation>,
    /// Layers of which the file has no tensor.
    pub not_given: Vec<String>,
    /// The first differing element of the first differing layer; None when all are equal.
    pub first: Option<FirstDifference>,
}

/// One expected tensor compared.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerValidation {
    /// Name in the file: a layer, `image`, or `LAYER.accumulator`.
    pub name: String,
    /// What was found.
    pub comparison: Comparison,
}

/// Where values first differ.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstDifference {
    /// Name in the file.
    pub name: String,
    /// Index in our tensor.
    pub index: Vec<usize>,
    /// Our value.
    pub ours: Value,
    /// The expected one, as it stands in the file.
    pub expected: Value,
    /// Our accumulator, before anything else; None off the array.
    pub accumulator: Option<Value>,
    /// Where the array made it; None off the array.
    pub place: Option<Place>,
    /// Layers whose sums left a register: its own, and those before it that were not found equal. Then the widths of registers,
    /// what they do on overflow and the order of sums may be why values differ.
    pub overflows: Vec<LayerOverflows>,
}

/// A layer's sums that did not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerOverflows {
    /// The layer.
    pub layer: String,
    /// Additions over all images whose exact result left its register.
    pub additions: u64,
    /// Whether the register then held its nearest value instead of the low bits.
    pub saturated: bool,
    /// Width of partial sums.
    pub partial_sum_bits: u8,
    /// Width of accumulators.
    pub accumulator_bits: u8,
}

/// Why values cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// They cannot be executed.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// The expected file does not belong to the network.
    #[error("{file}: {message}")]
    Expected {
        /// The file.
        file: String,
        /// What is wrong and what would be accepted.
        message: String,
    },
}

/// Executes the images of a request and compares what `expected` has of them. `progress` is called after
/// each image.
pub fn validate(
    request: Request<'_>,
    expected: &TensorFile,
    layout: Layout,
    tolerance: Tolerance,
    progress: impl Fn(usize) + Sync,
) -> Result<Validation, ValidateError> {
    let fail =
        |message: String| ValidateError::Expected { file: expected.path().display().to_string(), message };
    let network = request.workload.network();
    let layers = network.layers();
    let (image, accumulator) = (&network.image().name, |layer: &Layer| format!("{}.accumulator", layer.name));
    let on_array = |layer: &Layer| matches!(layer.operation, Operation::Convolution(_));
    let of_layer = |layer: &Layer| {
        let accumulator = on_array(layer).then(|| accumulator(layer));
        accumulator.into_iter().chain([layer.name.clone()])
    };
    let model = request.workload.model();
    let names: Vec<String> = match model {
        // Every tensor of the model that the network has, after its accumulators if it is a layer's.
        Some(model) => (model.tensors().iter())
            .flat_map(|tensor| {
                let layer = layers.iter().find(|layer| layer.name == tensor.name);
                layer.map_or_else(|| vec![tensor.name.clone()], |layer| of_layer(layer).collect())
            })
            .collect(),
        None => std::iter::once(image.clone()).chain(layers.iter().flat_map(of_layer)).collect(),
    };
    // What was imported is kept in its model's own order.
    let layout = if model.is_some() { Layout::Nhwc } else { layout };
    let known: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    if let Some(foreign) = expected.names().find(|name| !known.contains(name)) {
        let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
        return Err(fail(format!(
            "tensor `{foreign}`: {} has no such layer; expected `{image}`, a layer or LAYER.accumulator, with LAYER one of: {}",
            request.workload.name(),
            names.join(", ")
        )));
    }
    if expected.tensors().is_empty() {
        return Err(fail("has no tensor; expected at least one layer's".to_owned()));
    }
    let mut run = execute(request, Keep::OutputsAndAccumulators, progress)?;
    let ours = std::mem::take(&mut run.tensors);
    let mut tensors = Vec::new();
    for name in &names {
        if let (Some(own), Some(other)) = (ours.get(name), expected.tensor(name)) {
            let comparison = compare(own, other, layout, tolerance)
                .map_err(|error| fail(format!("tensor `{name}`: {error}")))?;
            tensors.push(LayerValidation { name: name.clone(), comparison });
        }
    }
    let differs = tensors.iter().find_map(|tensor| Some((&tensor.name, tensor.comparison.first?)));
    let first = differs.and_then(|(name, index)| {
        let (own, other) = (ours.get(name)?, expected.tensor(name)?);
        let (value_of_ours, value_expected) = pair(own, other, layout, index)?;
        let layer = layers.iter().position(|layer| *name == layer.name || *name == accumulator(layer));
        // Another name of a layer's output has no place, but it has a reason.
        let alias = || {
            let tensor = model?.tensors().iter().find(|tensor| tensor.name == *name)?;
            layers.iter().position(|layer| layer.output == tensor.edge)
        };
        let sums = layer.and_then(|layer| ours.get(&accumulator(&layers[layer])));
        Some(FirstDifference {
            name: name.clone(),
            index: unraveled(own, index),
            ours: value_of_ours,
            expected: value_expected,
            accumulator: sums.map(|sums| value(sums, index)),
            place: layer.and_then(|layer| place(request, layer, index)),
            overflows: layer.or_else(alias).map_or_else(Vec::new, |layer| {
                let equal = |name: &str| {
                    let of_name = tensors.iter().find(|tensor| tensor.name == name);
                    of_name.is_some_and(|tensor| tensor.comparison.unequal == 0)
                };
                overflows(request, &run, layer, equal)
            }),
        })
    });
    let given = |layer: &&Layer| of_layer(layer).all(|name| expected.tensor(&name).is_none());
    let not_given = layers.iter().filter(given).map(|layer| layer.name.clone()).collect();
    Ok(Validation { run, tensors, not_given, first })
}

/// Overflows of a layer, and of those before it whose outputs are not known to be `equal`.
fn overflows(
    request: Request<'_>,
    run: &Run,
    last: usize,
    equal: impl Fn(&str) -> bool,
) -> Vec<LayerOverflows> {
    let Ok(mapped) = map_executed(request.workload, &request.design.accelerator) else { return vec![] };
    let layers = run.layers.iter().zip(&mapped).enumerate().take(last + 1);
    let overflowed = layers.filter_map(|(index, (layer, mapping))| {
        let (executed, Some(array)) = (layer.array.as_ref()?, mapping) else {
            return None;
        };
        let MacSpec::Integer(mac) = array.plan.mac else { return None };
        let suspect = executed.overflows > 0 && (index == last || !equal(&layer.name));
        suspect.then(|| LayerOverflows {
            layer: layer.name.clone(),
            additions: executed.overflows,
            saturated: mac.overflow == Overflow::Saturate,
            partial_sum_bits: mac.partial_sum.bits(),
            accumulator_bits: mac.accumulator.bits(),
        })
    });
    overflowed.collect()
}

/// Position along each axis, row-major.
fn unraveled(tensor: &Tensor, mut index: usize) -> Vec<usize> {
    let mut position: Vec<usize> = tensor
        .shape()
        .iter()
        .rev()
        .map(|&extent| {
            let at = index % extent;
            index /= extent;
            at
        })
        .collect();
    position.reverse();
    position
}

/// Where the array makes element `index` of a layer's output, images along the outermost axis.
fn place(request: Request<'_>, layer: usize, index: usize) -> Option<Place> {
    let (network, accelerator) = (request.workload.network(), &request.design.accelerator);
    let mapped = map_executed(request.workload, accelerator).ok()?;
    let Some(array) = &mapped[layer] else { return None };
    let schedule = &array.tiling.schedule;
    let channels = network.edge(network.layers()[layer].output).shape.channels;
    let of_image = index % (network.edge(network.layers()[layer].output).shape.elements());
    let tensor = request
        .workload
        .model()
        .and_then(|model| model.tensors().iter().find(|tensor| tensor.name == network.layers()[layer].name));
    let (m, channel) = match tensor {
        Some(tensor) if !tensor.is_rows(channels) => {
            let pixels = network.edge(network.layers()[layer].output).shape.elements() / channels;
            (of_image % pixels, of_image / pixels)
        }
        _ => (of_image / channels, of_image % channels),
    };
    let per_group = schedule.gemm.n as usize;
    let control = Control {
        accumulator_latency: accelerator.array().accumulator_latency_cycles(),
        double_buffer: accelerator.array().double_buffer(),
        drain: accelerator.array().output_drain(),
    };
    locate(schedule, &control, (channel / per_group) as u64, m as u64, (channel % per_group) as u64)
}
