//! Networks from `.onnx` files: quantized graphs become integer layers, everything else f32 operators.
//!
//! `reader` knows files and tensors, `graph` nodes and their order, `patterns` what stands between
//! DequantizeLinear and QuantizeLinear. `lowering` knows which file says what an operator becomes:
//! `quantize_lowering`, `integer_lowering`, `fused_lowering`, `view_lowering`, and `float_lowering` for those
//! that stay in f32; `layout` has the shapes of convolutions and matrix products. What is not understood is
//! refused by node name, operator and reason.

mod float_lowering;
mod fused_lowering;
mod graph;
mod integer_lowering;
mod layout;
mod lowering;
mod patterns;
mod pool_lowering;
mod quantize_lowering;
mod reader;
mod shapes;
mod view_lowering;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::numerics::RequantizationKind;
use crate::source::sha256_hex;
use crate::tensor::{Data, Tensor};

use super::layer::{FeatureMap, Operation};
use super::network::{EdgeId, Network};
use super::params::Params;

/// How operators between DequantizeLinear and QuantizeLinear are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Semantics {
    /// As one integer operator where there is one, as runtimes for integer hardware do.
    #[default]
    Fused,
    /// As written: in f32.
    Float,
}

/// How a model is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Of operators between DequantizeLinear and QuantizeLinear.
    pub semantics: Semantics,
    /// Of integer convolutions and matrix products.
    pub requantization: RequantizationKind,
}

/// What became of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lowering {
    /// The node's name; its first output where it has none.
    pub node: String,
    /// ONNX operator.
    pub operator: String,
    /// What it is in the network.
    pub becomes: String,
}

/// A tensor of the model by its ONNX name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelTensor {
    /// ONNX name.
    pub name: String,
    /// The edge that holds it, [height, width, channels].
    pub edge: EdgeId,
    /// ONNX shape: [1, channels, height, width], or flat.
    pub dims: Vec<usize>,
}

impl ModelTensor {
    /// Whether it is [rows, channels]: an edge of so many pixels, whose elements are in order already.
    pub fn is_rows(&self, channels: usize) -> bool {
        self.dims.len() == 2 && self.dims[1] == channels
    }

    /// The edge's elements in ONNX's order and shape: channels before rows and columns. None for a tensor
    /// that is not the edge's.
    pub fn in_model_order(&self, stored: &Tensor) -> Option<Tensor> {
        let &[1, height, width, channels] = stored.shape() else { return None };
        let data = if self.is_rows(channels) {
            stored.data().clone()
        } else {
            let map = FeatureMap { height, width, channels };
            match stored.data() {
                Data::I8(values) => Data::I8(channels_first(map, values)),
                Data::U8(values) => Data::U8(channels_first(map, values)),
                Data::U16(values) => Data::U16(channels_first(map, values)),
                Data::I32(values) => Data::I32(channels_first(map, values)),
                Data::Bf16(values) => Data::Bf16(channels_first(map, values)),
                Data::F32(values) => Data::F32(channels_first(map, values)),
            }
        };
        Tensor::new(self.dims.clone(), data)
    }
}

fn channels_first<T: Copy>(map: FeatureMap, values: &[T]) -> Vec<T> {
    let pixels = map.height * map.width;
    (0..map.elements()).map(|at| values[at % pixels * map.channels + at / pixels]).collect()
}

/// A model as a network with its values.
#[derive(Clone, Debug)]
pub struct ImportedModel {
    network: Network,
    params: Params,
    input: ModelTensor,
    input_type: InputType,
    tensors: Vec<ModelTensor>,
    lowerings: Vec<Lowering>,
    external_files: Vec<String>,
}

/// What a graph's input holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InputType {
    Float,
    Integers,
}

/// Why a model cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The model's file, or one beside it, cannot be used.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A node is not understood.
    #[error("{}: node `{node}` ({operator}): {message}", path.display())]
    Node {
        /// The model's file.
        path: PathBuf,
        /// Its name; its first output where it has none.
        node: String,
        /// ONNX operator.
        operator: String,
        /// What is wrong and what would be accepted.
        message: String,
    },
}

impl ImportedModel {
    /// Reads and lowers a model. External data is read from the model's folder only.
    pub fn read(path: &Path, options: ImportOptions) -> Result<Self, ImportError> {
        Self::parse(path, &reader::file(path)?, options)
    }

    /// A model's file, as [`parse`](Self::parse) takes it.
    pub fn file(path: &Path) -> Result<Vec<u8>, ImportError> {
        reader::file(path)
    }

    /// Lowers a model that is in memory; `path` is for messages and external data.
    pub fn parse(path: &Path, bytes: &[u8], options: ImportOptions) -> Result<Self, ImportError> {
        let graph = graph::Graph::parse(path, bytes)?;
        let lowered = lowering::lower(&graph, options)?;
        let params = Params::imported(lowered.params, lowered.image, sha256_hex(bytes));
        let external_files = graph.external_files.into_iter().collect();
        let lowering::Lowered { network, input, input_type, tensors, lowerings, .. } = lowered;
        Ok(Self { network, params, input, input_type, tensors, lowerings, external_files })
    }

    /// Static facts.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Values.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Bits of the operands of its integer layers: `w8a8`, or `mixed`.
    pub(super) fn precision(&self) -> String {
        let labels: BTreeSet<String> = self
            .network
            .layers()
            .iter()
            .filter_map(|layer| match &layer.operation {
                Operation::Convolution(convolution) => Some(convolution.operand_pair(&self.network)),
                _ => None,
            })
            .map(|pair| format!("w{}a{}", pair.weight().bits(), pair.activation().bits()))
            .collect();
        match labels.len() {
            0 => "f32".to_owned(),
            1 => labels.into_iter().collect(),
            _ => "mixed".to_owned(),
        }
    }

    /// The graph's input by its ONNX name: f32, or integers.
    pub fn input(&self) -> &ModelTensor {
        &self.input
    }

    /// Whether the input is integers and not f32.
    pub fn takes_integers(&self) -> bool {
        self.input_type == InputType::Integers
    }

    /// Every tensor of the model that the network has, in execution order; several may be one edge.
    pub fn tensors(&self) -> &[ModelTensor] {
        &self.tensors
    }

    /// Files beside the model that hold its data, relative to its folder.
    pub fn external_files(&self) -> &[String] {
        &self.external_files
    }

    /// What became of every node.
    pub fn lowerings(&self) -> &[Lowering] {
        &self.lowerings
    }

    /// An input in ONNX's order as the network takes it, NHWC. None when its elements are not so many.
    pub fn image(&self, values: &[f32]) -> Option<Vec<f32>> {
        let map = self.network.image().shape;
        if values.len() != map.elements() {
            return None;
        }
        if self.input.dims.len() == 2 {
            return Some(values.to_vec());
        }
        let pixels = map.height * map.width;
        Some((0..values.len()).map(|at| values[at % map.channels * pixels + at / map.channels]).collect())
    }
}
