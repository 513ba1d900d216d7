//! What the array sees of a layer of the image that was executed last, and what it makes of it.

use std::borrow::Cow;

use half::bf16;

use crate::tensor::{Data, Tensor};
use crate::workload::FeatureMap;

use super::super::convolution::{Bf16Convolution, IntegerConvolution};
use super::super::float::Stored;
use super::super::imported::{ImportedStep, integers};
use super::{Executable, Prepared, Read, Step, Workspace, bf16_values, grid_values, reals};

/// Activations of one layer and image as the array takes them, `[group][pixel][k]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Activations {
    /// As stored: zero points are not subtracted; padding holds them.
    Integer(Vec<i16>),
    /// bfloat16.
    Bf16(Vec<bf16>),
}

/// A layer on the array with its input on its operands' grid.
enum OnArray<'a> {
    Integer(&'a IntegerConvolution, Cow<'a, [i16]>),
    Bf16(&'a Bf16Convolution, &'a [bf16]),
}

impl Executable {
    /// The activations of the `index`-th layer for the image that was executed last; None for layers off
    /// the array.
    ///
    /// # Panics
    /// When the workspace is another executable's or the network has no such layer.
    pub fn activations(&self, workspace: &Workspace, index: usize) -> Option<Activations> {
        let layer = &self.layers[index];
        Some(match self.on_array(layer, &workspace.edges[layer.input])? {
            OnArray::Integer(convolution, input) => Activations::Integer(convolution.activations(&input)),
            OnArray::Bf16(convolution, input) => Activations::Bf16(convolution.activations(input)),
        })
    }

    /// What the accumulators of the `index`-th layer hold before its first fold, `[cout]`; None where that is 0.
    ///
    /// # Panics
    /// When the network has no such layer.
    pub fn preloaded(&self, index: usize) -> Option<&[i32]> {
        match &self.layers[index].step {
            Step::Requantized { step, .. } | Step::Imported(ImportedStep::Convolution(step)) => {
                step.convolution.bias()
            }
            _ => None,
        }
    }

    /// The accumulators, after the last fold, of the image that was executed last: I32 or F32, [1, height,
    /// width, channels]; one per layer of the network, None for pools. Of imported layers with bias and what
    /// zero points add. Computed once more from the stored inputs.
    ///
    /// # Panics
    /// When the workspace is another executable's.
    pub fn accumulators(&self, workspace: &Workspace) -> Vec<Option<Tensor>> {
        let of_layer = |layer: &Prepared| {
            let input = &workspace.edges[layer.input];
            let data = match (&layer.step, self.on_array(layer, input)?) {
                (Step::Imported(ImportedStep::Convolution(step)), _) => {
                    Data::I32(step.accumulators(integers(input)))
                }
                (Step::Requantized { step, .. }, OnArray::Integer(_, input)) => {
                    Data::I32(step.accumulators(&input))
                }
                (_, OnArray::Integer(convolution, input)) => Data::I32(convolution.accumulators(&input).0),
                (_, OnArray::Bf16(convolution, input)) => Data::F32(convolution.accumulators(input)),
            };
            let FeatureMap { height, width, channels } = self.edges[layer.output].shape;
            Tensor::new(vec![1, height, width, channels], data)
        };
        self.layers.iter().map(of_layer).collect()
    }

    fn on_array<'a>(&self, layer: &'a Prepared, input: &'a Stored) -> Option<OnArray<'a>> {
        let operands = |read: &Read| match read {
            Read::Stored => Cow::Borrowed(grid_values(input)),
            Read::Quantized(grid, scale) => {
                let mut quantized = vec![0; reals(input).len()];
                self.quantize_reals(reals(input), *grid, *scale, &mut quantized);
                Cow::Owned(quantized)
            }
        };
        Some(match &layer.step {
            Step::Integer { convolution, read, .. } => OnArray::Integer(convolution, operands(read)),
            Step::Requantized { step, read } => OnArray::Integer(&step.convolution, operands(read)),
            Step::Bf16 { convolution, .. } => OnArray::Bf16(convolution, bf16_values(input)),
            Step::Imported(ImportedStep::Convolution(step)) => {
                OnArray::Integer(&step.convolution, Cow::Borrowed(integers(input)))
            }
            Step::MaxPool(_) | Step::GlobalAveragePool { .. } | Step::Imported(_) => return None,
        })
    }
}
