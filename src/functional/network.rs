//! A network ready to execute, image by image.

mod operands;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use half::bf16;
use rayon::prelude::*;

use crate::mapping::LayerPlan;
use crate::numerics::{
    Bias, Grid, IntegerMac, MacSpec, OperandFormat, QuantizeLinear, RegisterWidth, Requantization,
    StaticBound, Store,
};
use crate::tensor::Tensor;
use crate::workload::{
    AffineConvolution, Convolution, EdgeId, EvaluationSet, FeatureMap, FloatOperator, ImportedParams, Layer,
    Network, Normalization, Operands, Operation, Params, PoolTerms, QuantizerId, Stored as StoredAs, Weights,
    Window,
};

use super::convolution::{Bf16Convolution, Engine, IntegerConvolution, Kernels, Scratch};
use super::error::ExecutionError;
use super::float::{
    Block, LargestMagnitude, MaxPool, PoolLoops, PostProcess, Quantize, Reals, Stored, global_average_pool,
};
use super::float_operators::{FloatStep, quantize};
use super::geometry::Geometry;
use super::imported::{AffineStep, ImportedStep, Lookup, integers_mut};
use super::integer_pools::{IntegerPool, PoolKind};
use super::loops::Vectors;

pub use operands::Activations;

/// How one convolution or linear layer is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerReport {
    /// The layer.
    pub name: String,
    /// What executes it.
    pub engine: Engine,
    /// Largest magnitudes that its weights allow; None for bf16.
    pub static_bound: Option<StaticBound>,
    /// Accumulator bits that its weights need, sign included; None for bf16.
    pub bits_needed: Option<u32>,
}

/// What was seen while a layer executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerStatistics {
    /// Integer additions whose exact result left its register.
    pub overflows: u64,
    /// Largest magnitude of a finished integer accumulator; 0 for bf16 and pools.
    pub largest_accumulator: u64,
}

impl LayerStatistics {
    /// Both together.
    pub fn merge(self, other: Self) -> Self {
        Self {
            overflows: self.overflows + other.overflows,
            largest_accumulator: self.largest_accumulator.max(other.largest_accumulator),
        }
    }
}

/// The result of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs {
    /// The network's output in f32, row-major; any NaN is the canonical one.
    pub logits: Vec<f32>,
    /// Per layer of the network.
    pub statistics: Vec<LayerStatistics>,
}

impl Outputs {
    /// Top-1: the lowest index among the largest logits; NaN is never the largest.
    /// None when all are NaN.
    pub fn top1(&self) -> Option<usize> {
        let logits = self.logits.iter().enumerate().filter(|(_, logit)| !logit.is_nan());
        let largest = logits.reduce(|best, next| if next.1 > best.1 { next } else { best });
        largest.map(|(index, _)| index)
    }
}

/// The result of an evaluation set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classification {
    /// Top-1 class per image.
    pub predictions: Vec<u16>,
    /// Images whose prediction is their label.
    pub correct: u64,
    /// Per layer of the network, over all images.
    pub statistics: Vec<LayerStatistics>,
}

/// How an integer convolution gets its operands.
#[derive(Clone, Copy, Debug)]
enum Read {
    /// Its input is stored on its grid.
    Stored,
    /// Its input is stored in bf16, or on another grid, and quantized when read.
    Quantized(Grid, f32),
}

#[derive(Clone, Debug)]
enum Step {
    Integer {
        convolution: IntegerConvolution,
        read: Read,
        post: PostProcess,
    },
    /// The same without floating point: sums become integers of the output's grid in one step.
    Requantized {
        step: Box<AffineStep>,
        read: Read,
    },
    Bf16 {
        convolution: Bf16Convolution,
        post: PostProcess,
    },
    MaxPool(MaxPool),
    GlobalAveragePool {
        channels: usize,
    },
    Imported(ImportedStep),
}

#[derive(Clone, Debug)]
struct Prepared {
    name: String,
    input: usize,
    output: usize,
    shortcut: Option<usize>,
    step: Step,
}

#[derive(Clone, Debug)]
struct PreparedEdge {
    name: String,
    shape: FeatureMap,
    store: Store,
}

/// A network with its parameters and plans, checked and packed once.
#[derive(Clone, Debug)]
pub struct Executable {
    edges: Vec<PreparedEdge>,
    layers: Vec<Prepared>,
    /// How an image that is stored in integers is quantized.
    image: Option<(QuantizeLinear, f32)>,
    vectors: Vectors,
}

/// Memory in which one thread executes images; reused from image to image.
#[derive(Debug)]
pub struct Workspace {
    edges: Vec<Stored>,
    operands: Vec<i16>,
    scratch: Scratch,
}

impl Executable {
    /// Prepares `network` with parameters that were read for it and one plan per layer, None for
    /// layers without a dot product. Uses the fastest kernels of this processor.
    pub fn new(
        network: &Network,
        params: &Params,
        plans: &[Option<LayerPlan>],
    ) -> Result<Self, ExecutionError> {
        Self::with_kernels(network, params, plans, Kernels::Fastest)
    }

    /// The same with a choice of kernels.
    pub fn with_kernels(
        network: &Network,
        params: &Params,
        plans: &[Option<LayerPlan>],
        kernels: Kernels,
    ) -> Result<Self, ExecutionError> {
        let expected = network.layers().len();
        if plans.len() != expected {
            return Err(ExecutionError::PlanCount { expected, found: plans.len() });
        }
        let edges = network.edges().iter().map(|edge| {
            let store = match edge.stored {
                StoredAs::Grid(id) => Store::Grid(network.quantizer(id).grid, params.scale(id)),
                StoredAs::Bf16 => Store::Bf16,
                StoredAs::F32 => Store::F32,
                StoredAs::Integer(format) => Store::Integer(format),
                StoredAs::Int32 => Store::Int32,
            };
            PreparedEdge { name: edge.name.clone(), shape: edge.shape, store }
        });
        let layers = network.layers().iter().zip(plans).enumerate().map(|(index, (layer, plan))| {
            let preparation = Preparation { network, params, kernels, layer };
            let (step, shortcut) = match &layer.operation {
                _ if preparation.is_imported() => {
                    let second = layer.operation.second_input().map(EdgeId::index);
                    (Step::Imported(preparation.imported(index, *plan)?), second)
                }
                Operation::Convolution(convolution) if convolution.requantization.is_some() => {
                    (preparation.requantized(index, convolution, *plan)?, None)
                }
                Operation::Convolution(convolution) => {
                    let step = preparation.convolution(index, convolution, *plan)?;
                    (step, convolution.shortcut.map(|edge| preparation.real(edge)).transpose()?)
                }
                Operation::MaxPool(window) => {
                    preparation.real(layer.input)?;
                    let (input, output) = (network.edge(layer.input).shape, network.edge(layer.output).shape);
                    (Step::MaxPool(MaxPool { input, output, window: *window }), None)
                }
                Operation::GlobalAveragePool => {
                    preparation.real(layer.input)?;
                    let channels = network.edge(layer.input).shape.channels;
                    (Step::GlobalAveragePool { channels }, None)
                }
                Operation::MaxPoolLookup(_)
                | Operation::AveragePool(..)
                | Operation::QuantizedAdd(_)
                | Operation::Lookup
                | Operation::Float(_) => {
                    return Err(preparation.foreign_params());
                }
            };
            Ok(Prepared {
                name: layer.name.clone(),
                input: layer.input.index(),
                output: layer.output.index(),
                shortcut,
                step,
            })
        });
        let layers = layers.collect::<Result<_, _>>()?;
        Ok(Self { edges: edges.collect(), layers, image: params.image(), vectors: kernels.vectors() })
    }

    /// How each layer of the network is executed, in order; None for pools.
    pub fn reports(&self) -> Vec<Option<LayerReport>> {
        let report = |layer: &Prepared| {
            let (engine, static_bound) = match &layer.step {
                Step::Integer { convolution, .. } => (convolution.engine(), Some(convolution.static_bound())),
                Step::Bf16 { convolution, .. } => (convolution.engine(), None),
                Step::Requantized { step, .. } | Step::Imported(ImportedStep::Convolution(step)) => {
                    (step.convolution.engine(), Some(step.convolution.static_bound()))
                }
                Step::MaxPool(_) | Step::GlobalAveragePool { .. } | Step::Imported(_) => return None,
            };
            let bits_needed = static_bound.map(|bound| RegisterWidth::bits_for_magnitude(bound.accumulator));
            Some(LayerReport { name: layer.name.clone(), engine, static_bound, bits_needed })
        };
        self.layers.iter().map(report).collect()
    }

    /// Memory for [`run_in`](Self::run_in) of this executable.
    pub fn workspace(&self) -> Workspace {
        let edges = self.edges.iter().map(|edge| Stored::new(edge.store, edge.shape.elements()));
        Workspace { edges: edges.collect(), operands: vec![], scratch: Scratch::default() }
    }

    /// Executes one normalized image, NHWC.
    pub fn run(&self, image: &[f32]) -> Result<Outputs, ExecutionError> {
        self.run_in(&mut self.workspace(), image)
    }

    /// Executes one normalized image and also returns every edge as stored, [1, height, width,
    /// channels], in the order of the network's edges.
    pub fn run_with_edges(&self, image: &[f32]) -> Result<(Outputs, Vec<Tensor>), ExecutionError> {
        let mut workspace = self.workspace();
        let outputs = self.run_in(&mut workspace, image)?;
        let edges = self.edges(&workspace);
        Ok((outputs, edges))
    }

    /// Every edge of the image that was executed last, as [`run_with_edges`](Self::run_with_edges) returns
    /// them.
    ///
    /// # Panics
    /// When the workspace is another executable's.
    pub fn edges(&self, workspace: &Workspace) -> Vec<Tensor> {
        let stored = workspace.edges.iter().zip(&self.edges);
        stored.filter_map(|(stored, edge)| stored.tensor(edge.store, edge.shape)).collect()
    }

    /// Executes one normalized image, NHWC, in memory made by [`workspace`](Self::workspace).
    ///
    /// # Panics
    /// When the workspace is another executable's.
    pub fn run_in(&self, workspace: &mut Workspace, image: &[f32]) -> Result<Outputs, ExecutionError> {
        check_length("image", self.edges[0].shape.elements(), image.len())?;
        let stored = &mut workspace.edges[0];
        let nan = match self.image {
            Some((grid, scale)) => quantize(grid, scale, image.iter().copied(), integers_mut(stored)).err(),
            None => stored.store(0, image.iter().copied()),
        };
        if let Some(index) = nan {
            return Err(self.not_a_number("image", 0, index));
        }
        let statistics =
            self.layers.iter().map(|layer| self.layer(layer, workspace)).collect::<Result<_, _>>()?;
        let logits = match workspace.edges.last() {
            Some(Stored::F32(logits)) => logits.clone(),
            Some(Stored::Integer(logits)) => logits.iter().map(|&logit| f32::from(logit)).collect(),
            Some(Stored::Int32(logits)) => logits.iter().map(|&logit| logit as f32).collect(),
            _ => vec![], // the output edge has no reader, so it is stored in none of the other formats
        };
        Ok(Outputs { logits, statistics })
    }

    fn layer(&self, layer: &Prepared, workspace: &mut Workspace) -> Result<LayerStatistics, ExecutionError> {
        let Workspace { edges, operands, scratch } = workspace;
        let (before, rest) = edges.split_at_mut(layer.output); // a layer's output follows its inputs
        let output = &mut rest[0];
        if let Step::Imported(step) = &layer.step {
            let second = layer.shortcut.map(|edge| &before[edge]);
            let seen = step
                .run(&before[layer.input], second, output, scratch, self.vectors)
                .map_err(|index| self.not_a_number(&layer.name, layer.output, index))?;
            return Ok(LayerStatistics { overflows: seen.overflows, largest_accumulator: seen.largest });
        }
        let shortcut = layer.shortcut.map(|edge| reals(&before[edge]));
        let mut statistics = LayerStatistics::default();
        let mut nan: Option<usize> = None;
        let mut note = |found: Option<usize>| nan = nan.into_iter().chain(found).min();
        match &layer.step {
            Step::Integer { convolution, read, post } => {
                let input = self.operands(layer, &before[layer.input], read, operands)?;
                let largest = &mut statistics.largest_accumulator;
                statistics.overflows = convolution.run(input, scratch, |pixels, first, sums| {
                    *largest = u64::from(self.vectors.run(LargestMagnitude(sums))).max(*largest);
                    let to_f32 = |sum| sum as f32;
                    let output = &mut *output;
                    note(self.vectors.run(Block { post, pixels, first, sums, to_f32, shortcut, output }));
                });
            }
            Step::Requantized { step, read } => {
                let input = self.operands(layer, &before[layer.input], read, operands)?;
                let seen = step.run(input, output, scratch, self.vectors);
                return Ok(LayerStatistics { overflows: seen.overflows, largest_accumulator: seen.largest });
            }
            Step::Bf16 { convolution, post } => {
                convolution.run(bf16_values(&before[layer.input]), scratch, |pixels, first, sums| {
                    let to_f32 = |sum| sum;
                    let output = &mut *output;
                    note(self.vectors.run(Block { post, pixels, first, sums, to_f32, shortcut, output }));
                });
            }
            Step::MaxPool(pool) => {
                let input = reals(&before[layer.input]);
                note(self.vectors.run(PoolLoops { pool: *pool, input, output }));
            }
            Step::GlobalAveragePool { channels } => {
                let means = global_average_pool(reals(&before[layer.input]), *channels);
                note(output.store(0, means));
            }
            Step::Imported(_) => unreachable!("executed above"),
        }
        match nan {
            Some(index) => Err(self.not_a_number(&layer.name, layer.output, index)),
            None => Ok(statistics),
        }
    }

    /// A layer's operands on its grid; in `quantized` where they must be quantized first.
    fn operands<'a>(
        &self,
        layer: &Prepared,
        stored: &'a Stored,
        read: &Read,
        quantized: &'a mut Vec<i16>,
    ) -> Result<&'a [i16], ExecutionError> {
        let Read::Quantized(grid, scale) = read else { return Ok(grid_values(stored)) };
        quantized.clear();
        quantized.resize(reals(stored).len(), 0);
        match self.quantize_reals(reals(stored), *grid, *scale, quantized) {
            Some(index) => Err(self.not_a_number(&layer.name, layer.input, index)),
            None => Ok(quantized),
        }
    }

    /// Puts stored values onto another grid; the position of the first NaN, if any.
    fn quantize_reals(&self, values: Reals, grid: Grid, scale: f32, quantized: &mut [i16]) -> Option<usize> {
        match values {
            Reals::Bf16(values) => {
                let values = values.iter().map(|value| value.to_f32());
                self.vectors.run(Quantize { grid, scale, values, quantized })
            }
            Reals::Grid { values, scale: stored } => {
                let values = values.iter().map(|&value| f32::from(value) / stored);
                self.vectors.run(Quantize { grid, scale, values, quantized })
            }
        }
    }

    fn not_a_number(&self, layer: &str, edge: usize, index: usize) -> ExecutionError {
        ExecutionError::NotANumber { layer: layer.to_owned(), edge: self.edges[edge].name.clone(), index }
    }

    /// Executes `count` images, NHWC and normalized, on all threads of the current rayon pool. Returns what
    /// `take` makes of each, in order; the result does not depend on the number of threads.
    pub fn run_many<T: Send>(
        &self,
        count: usize,
        image: impl Fn(usize) -> Vec<f32> + Sync,
        take: impl Fn(&Workspace, Outputs) -> Result<T, ExecutionError> + Sync,
    ) -> Result<Vec<T>, ExecutionError> {
        // As many workspaces as images run at once: a fresh one costs its page faults.
        let idle = Mutex::new(Vec::new());
        let idle = || idle.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |index| {
            let workspace = idle().pop();
            let mut workspace = workspace.unwrap_or_else(|| self.workspace());
            let outputs = self.run_in(&mut workspace, &image(index));
            let taken = outputs.and_then(|outputs| take(&workspace, outputs));
            idle().push(workspace);
            taken
        };
        let taken: Vec<_> = (0..count).into_par_iter().with_max_len(1).map(one).collect();
        let image_error = |(index, taken): (usize, Result<T, ExecutionError>)| {
            taken.map_err(|source| ExecutionError::Image { index, source: Box::new(source) })
        };
        taken.into_iter().enumerate().map(image_error).collect()
    }

    /// Classifies every image of a set on all threads of the current rayon pool; the result does not
    /// depend on their number. `progress` is told how many images are done, after each.
    pub fn classify(
        &self,
        set: &EvaluationSet,
        normalization: &Normalization,
        progress: impl Fn(usize) + Sync,
    ) -> Result<Classification, ExecutionError> {
        let image = self.edges[0].shape;
        check_length("mean", image.channels, normalization.mean.len())?;
        check_length("standard deviation", image.channels, normalization.std.len())?;
        let classes = self.edges.last().map_or(0, |edge| edge.shape.elements());
        if classes > 1 << 16 {
            return Err(ExecutionError::Classes(classes));
        }
        let done = AtomicUsize::new(0);
        let image = |index| normalization.apply(set.image(index));
        let outputs = self.run_many(set.len(), image, |_, outputs| {
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            let class = outputs.top1().ok_or(ExecutionError::NoClass)?;
            Ok((class as u16, outputs.statistics)) // below 65,536
        })?;
        let mut classification = Classification {
            predictions: Vec::with_capacity(set.len()),
            correct: 0,
            statistics: vec![LayerStatistics::default(); self.layers.len()],
        };
        for (index, (prediction, statistics)) in outputs.into_iter().enumerate() {
            classification.correct += u64::from(prediction == set.label(index));
            classification.predictions.push(prediction);
            for (total, layer) in classification.statistics.iter_mut().zip(statistics) {
                *total = total.merge(layer);
            }
        }
        Ok(classification)
    }
}

fn check_length(what: &'static str, expected: usize, found: usize) -> Result<(), ExecutionError> {
    if expected == found { Ok(()) } else { Err(ExecutionError::InputShape { what, expected, found }) }
}

/// Elements of an edge that [`Preparation::bf16`] checked.
fn bf16_values(stored: &Stored) -> &[bf16] {
    match stored {
        Stored::Bf16(values) => values,
        _ => unreachable!("checked when the network was prepared"),
    }
}

/// Elements of an edge that [`Preparation::real`] checked.
fn reals(stored: &Stored) -> Reals<'_> {
    match stored {
        Stored::Bf16(values) => Reals::Bf16(values),
        Stored::Grid { values, scale, .. } => Reals::Grid { values, scale: *scale },
        _ => unreachable!("checked when the network was prepared"),
    }
}

/// Elements of an edge that [`Preparation::read`] checked.
fn grid_values(stored: &Stored) -> &[i16] {
    match stored {
        Stored::Grid { values, .. } => values,
        _ => unreachable!("checked when the network was prepared"),
    }
}

/// Checks and packs one layer.
struct Preparation<'a> {
    network: &'a Network,
    params: &'a Params,
    kernels: Kernels,
    layer: &'a Layer,
}

impl Preparation<'_> {
    fn plan_error(&self, message: &'static str) -> ExecutionError {
        ExecutionError::Plan { layer: self.layer.name.clone(), message }
    }

    fn unreadable(&self, edge: EdgeId) -> ExecutionError {
        let edge = self.network.edge(edge).name.clone();
        ExecutionError::Unreadable { layer: self.layer.name.clone(), edge }
    }

    fn foreign_params(&self) -> ExecutionError {
        ExecutionError::Params { layer: self.layer.name.clone() }
    }

    /// The index of an edge that is stored in bf16.
    fn bf16(&self, edge: EdgeId) -> Result<usize, ExecutionError> {
        match self.network.edge(edge).stored {
            StoredAs::Bf16 => Ok(edge.index()),
            _ => Err(self.unreadable(edge)),
        }
    }

    /// The index of an edge whose values stand for real numbers: in bf16 or on a grid.
    fn real(&self, edge: EdgeId) -> Result<usize, ExecutionError> {
        match self.network.edge(edge).stored {
            StoredAs::Bf16 | StoredAs::Grid(_) => Ok(edge.index()),
            _ => Err(self.unreadable(edge)),
        }
    }

    fn read(&self, quantizer: QuantizerId) -> Result<Read, ExecutionError> {
        match self.network.edge(self.layer.input).stored {
            StoredAs::Grid(stored) if stored == quantizer => Ok(Read::Stored),
            StoredAs::Bf16 | StoredAs::Grid(_) => {
                Ok(Read::Quantized(self.network.quantizer(quantizer).grid, self.params.scale(quantizer)))
            }
            _ => Err(self.unreadable(self.layer.input)),
        }
    }

    fn convolution(
        &self,
        index: usize,
        convolution: &Convolution,
        plan: Option<LayerPlan>,
    ) -> Result<Step, ExecutionError> {
        let plan = plan.ok_or_else(|| self.plan_error("has no plan"))?;
        if plan.reduction.is_some_and(|order| order.k_per_fold == 0) {
            return Err(self.plan_error("its plan has empty folds"));
        }
        let params = self.params.layer(index).ok_or_else(|| self.foreign_params())?;
        let (input, output) =
            (self.network.edge(self.layer.input).shape, self.network.edge(self.layer.output).shape);
        let geometry = Geometry::of_layer(input, output, convolution).ok_or_else(|| self.foreign_params())?;
        let elements = geometry.k() * output.channels;
        let post = PostProcess {
            multiplier: params.multiplier.clone(),
            bias: params.bias.clone(),
            activation: convolution.activation,
        };
        if [post.multiplier.len(), post.bias.len()] != [output.channels; 2] {
            return Err(self.foreign_params());
        }
        match (convolution.operands, &params.weights, plan.mac) {
            (Operands::Integer { quantizer, .. }, Weights::Integer(weights), MacSpec::Integer(mac)) => {
                if weights.len() != elements {
                    return Err(self.foreign_params());
                }
                let format = self.network.quantizer(quantizer).grid.format();
                let convolution =
                    IntegerConvolution::new(geometry, weights, format, mac, plan.reduction, self.kernels)
                        .ok_or_else(|| self.plan_error("can overflow, but its plan states no order"))?;
                Ok(Step::Integer { convolution, read: self.read(quantizer)?, post })
            }
            (Operands::Bf16, Weights::Bf16(weights), MacSpec::Bf16(mac)) => {
                self.bf16(self.layer.input)?;
                let order =
                    plan.reduction.ok_or_else(|| self.plan_error("is bf16, but its plan states no order"))?;
                let convolution = Bf16Convolution::new(geometry, weights, mac, order, self.kernels)
                    .ok_or_else(|| self.foreign_params())?;
                Ok(Step::Bf16 { convolution, post })
            }
            (Operands::Integer { .. }, Weights::Integer(_), MacSpec::Bf16(_))
            | (Operands::Bf16, Weights::Bf16(_), MacSpec::Integer(_)) => {
                Err(self.plan_error("its plan's MAC takes other operands"))
            }
            (Operands::Integer { .. }, Weights::Bf16(_), _)
            | (Operands::Bf16, Weights::Integer(_), _)
            | (Operands::Affine { .. }, ..) => Err(self.foreign_params()),
        }
    }

    /// A layer whose sums become the integers that it stores.
    fn requantized(
        &self,
        index: usize,
        convolution: &Convolution,
        plan: Option<LayerPlan>,
    ) -> Result<Step, ExecutionError> {
        let Some(ImportedParams::Convolution(params)) = self.params.imported_layer(index) else {
            return Err(self.foreign_params());
        };
        let stored = self.network.edge(self.layer.output).stored;
        let (Operands::Integer { quantizer, .. }, StoredAs::Grid(_), Some(_)) =
            (convolution.operands, stored, &params.requantization)
        else {
            return Err(self.foreign_params());
        };
        let step = Box::new(self.affine(convolution, params, plan)?);
        Ok(Step::Requantized { step, read: self.read(quantizer)? })
    }

    /// Whether the layer's operands are the stored values of an imported network.
    fn is_imported(&self) -> bool {
        let stored = self.network.edge(self.layer.input).stored;
        match &self.layer.operation {
            Operation::Convolution(convolution) => matches!(convolution.operands, Operands::Affine { .. }),
            Operation::MaxPool(_) | Operation::GlobalAveragePool => matches!(stored, StoredAs::Integer(_)),
            Operation::MaxPoolLookup(_)
            | Operation::AveragePool(..)
            | Operation::QuantizedAdd(_)
            | Operation::Lookup
            | Operation::Float(_) => true,
        }
    }

    fn imported(&self, index: usize, plan: Option<LayerPlan>) -> Result<ImportedStep, ExecutionError> {
        let params = self.params.imported_layer(index);
        let foreign = || self.foreign_params();
        let from = self.network.edge(self.layer.input);
        let to = self.network.edge(self.layer.output);
        let integers = |stored| match stored {
            StoredAs::Integer(format) => Ok(format),
            _ => Err(self.unreadable(self.layer.input)),
        };
        let pool = |window: &Window, kind| {
            let (input, output, window) = (from.shape, to.shape, *window);
            ImportedStep::Pool(IntegerPool { input, output, window, kind })
        };
        Ok(match (&self.layer.operation, params) {
            (Operation::Convolution(convolution), Some(ImportedParams::Convolution(params))) => {
                let (activation, stored) = (integers(from.stored)?, to.stored);
                let own = convolution.operand_pair(self.network).activation();
                let result = match params.requantization {
                    Some(_) => matches!(stored, StoredAs::Integer(_)),
                    None => stored == StoredAs::Int32,
                };
                if own != OperandFormat::Integer(activation) || !result {
                    return Err(foreign());
                }
                ImportedStep::Convolution(Box::new(self.affine(convolution, params, plan)?))
            }
            (Operation::MaxPool(window), None) => {
                if integers(from.stored)? != integers(to.stored)? {
                    return Err(self.unreadable(self.layer.input));
                }
                pool(window, PoolKind::Max)
            }
            (Operation::MaxPoolLookup(window), Some(ImportedParams::Lookup(table))) => {
                let format = integers(from.stored)?;
                integers(to.stored)?;
                pool(window, PoolKind::MaxLookup(Lookup::new(format, table).ok_or_else(foreign)?))
            }
            (
                Operation::GlobalAveragePool,
                Some(ImportedParams::GlobalAveragePool { zero_point, requantization }),
            ) => {
                integers(from.stored)?;
                integers(to.stored)?;
                let channels = to.shape.channels;
                ImportedStep::GlobalAveragePool {
                    zero_point: *zero_point,
                    requantization: requantization.clone(),
                    channels,
                }
            }
            (
                Operation::AveragePool(window, PoolTerms::Integers),
                Some(ImportedParams::AveragePool(low, high)),
            ) => {
                if integers(from.stored)? != integers(to.stored)? {
                    return Err(self.unreadable(self.layer.input));
                }
                pool(window, PoolKind::Average(*low, *high))
            }
            (
                Operation::AveragePool(window, PoolTerms::Reals),
                Some(ImportedParams::F32AveragePool { average, divisor }),
            ) => {
                integers(from.stored)?;
                integers(to.stored)?;
                pool(window, PoolKind::F32Average(*average, *divisor))
            }
            (Operation::QuantizedAdd(other), Some(ImportedParams::Add(add))) => {
                for stored in [from.stored, self.network.edge(*other).stored, to.stored] {
                    integers(stored)?;
                }
                ImportedStep::Add(*add)
            }
            (Operation::Lookup, Some(ImportedParams::Lookup(table))) => {
                let format = integers(from.stored)?;
                if from.shape != to.shape {
                    return Err(foreign());
                }
                integers(to.stored)?;
                ImportedStep::Lookup(Lookup::new(format, table).ok_or_else(foreign)?)
            }
            (Operation::Float(operator), params) => {
                let reads_integers = matches!(operator, FloatOperator::Dequantize | FloatOperator::Cast);
                let writes_integers = matches!(operator, FloatOperator::Quantize);
                let is_float = |stored| stored == StoredAs::F32;
                let second = self.layer.operation.second_input();
                if is_float(from.stored) == reads_integers
                    || is_float(to.stored) == writes_integers
                    || second.is_some_and(|edge| !is_float(self.network.edge(edge).stored))
                {
                    return Err(self.unreadable(self.layer.input));
                }
                let step = FloatStep::new(operator, params, from.shape, to.shape).ok_or_else(foreign)?;
                ImportedStep::Float(Box::new(step))
            }
            _ => return Err(foreign()),
        })
    }

    fn affine(
        &self,
        convolution: &Convolution,
        params: &AffineConvolution,
        plan: Option<LayerPlan>,
    ) -> Result<AffineStep, ExecutionError> {
        let plan = plan.ok_or_else(|| self.plan_error("has no plan"))?;
        let MacSpec::Integer(mac) = plan.mac else {
            return Err(self.plan_error("its plan's MAC takes other operands"));
        };
        let OperandFormat::Integer(activation) = convolution.operand_pair(self.network).activation() else {
            return Err(self.foreign_params());
        };
        let (input, output) =
            (self.network.edge(self.layer.input).shape, self.network.edge(self.layer.output).shape);
        let geometry = Geometry::of_layer(input, output, convolution).ok_or_else(|| self.foreign_params())?;
        let (k, channels) = (geometry.k(), output.channels);
        let ratios = params.requantization.as_ref().map_or(channels, Requantization::channels);
        let lengths = [params.weight_zero_points.len(), params.bias.len(), ratios];
        if params.weights.len() != k * channels || lengths != [channels; 3] {
            return Err(self.foreign_params());
        }
        let prepare = |geometry, weights: &[i16], mac, reduction, bias| {
            IntegerConvolution::of_words(geometry, weights, activation, mac, reduction, bias, self.kernels)
                .map(|convolution| convolution.padded_with(params.input_zero_point))
        };
        let bias = params.folded_bias(k);
        let (first, last) = match mac.bias {
            Bias::AfterLastFold => (None, bias),
            Bias::Preload => (Some(bias), vec![0; channels]),
        };
        let window_sums = if params.weight_zero_points.iter().all(|&zero_point| zero_point == 0) {
            None
        } else {
            let groups = convolution.groups;
            let geometry = Geometry::new(input, groups, convolution.window, groups);
            let widest = RegisterWidth::new(32).map(|width| IntegerMac::wrapping(width, width));
            let sums = geometry
                .zip(widest)
                .and_then(|(geometry, widest)| prepare(geometry, &vec![1; k * groups], widest, None, None));
            Some(sums.ok_or_else(|| self.foreign_params())?)
        };
        Ok(AffineStep {
            convolution: prepare(geometry, &params.weights, mac, plan.reduction, first.as_deref())
                .ok_or_else(|| self.plan_error("can overflow, but its plan states no order"))?,
            window_sums,
            weight_zero_points: params.weight_zero_points.iter().copied().map(i32::from).collect(),
            bias: last,
            requantization: params.requantization.clone(),
            groups: convolution.groups,
        })
    }
}
