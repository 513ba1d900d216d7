//! A network ready to execute, image by image.

mod images;
mod operands;
mod outputs;
mod preparation;

use half::bf16;

use crate::mapping::LayerPlan;
use crate::numerics::{Grid, QuantizeLinear, RegisterWidth, Store};
use crate::tensor::Tensor;
use crate::workload::{FeatureMap, Network, Params, Stored as StoredAs};

use super::convolution::{Bf16Convolution, IntegerConvolution, Kernels, Scratch};
use super::error::ExecutionError;
use super::float::{
    Block, LargestMagnitude, MaxPool, PoolLoops, PostProcess, Quantize, Reals, Stored, global_average_pool,
};
use super::float_operators::quantize;
use super::imported::{AffineStep, ImportedStep, integers_mut};
use super::loops::Vectors;

pub use operands::Activations;
pub use outputs::{Classification, LayerReport, LayerStatistics, Outputs};
use preparation::Preparation;

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
            let (step, shortcut) = preparation.step(index, *plan)?;
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
