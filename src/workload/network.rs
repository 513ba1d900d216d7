//! A network's static facts: edges, layers, quantizers and where each tensor is rounded.
//!
//! Knows what is asked of a finished network; how one comes about is in the files of its folder. Must not know values.

mod bounds;
mod builder;
mod formats;
mod imported;
mod independent;

use crate::numerics::{Grid, IntegerFormat, OperandFormat, Signedness, StoredFormat};

use super::layer::{Convolution, FeatureMap, Layer, Operands, Operation};

pub(super) use bounds::{MAX_ELEMENTS, MAX_LAYERS};
pub(super) use builder::ConvolutionSpec;
pub use builder::NetworkBuilder;
pub(super) use independent::{IndependentLayer, operand_name};

/// Index of an edge. Edge 0 is the image; layer i writes edge i + 1. In a list of independent layers
/// layer i reads edge 2i and writes edge 2i + 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeId(pub(super) usize);

impl EdgeId {
    /// Position among the network's edges.
    pub fn index(self) -> usize {
        self.0
    }
}

/// Index of a quantizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuantizerId(pub(super) usize);

impl QuantizerId {
    /// Position among the network's quantizers.
    pub fn index(self) -> usize {
        self.0
    }
}

/// A named grid; its scale is a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantizer {
    /// Unique name; prefix of its scale in a trace.
    pub name: String,
    /// Kind and format.
    pub grid: Grid,
}

/// What an edge is rounded to at its point of storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stored {
    /// All readers take it on this grid; or it is the residual stream's, and readers quantize it again.
    Grid(QuantizerId),
    /// Readers differ or have no quantizer: the default residual format.
    Bf16,
    /// Nobody reads it: the network's output. Or a float operator of an import does.
    F32,
    /// Integers that its layer has requantized; their scale and zero point are its layer's parameters.
    Integer(IntegerFormat),
    /// Accumulators as they are.
    Int32,
}

/// A tensor between layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// `image`, or the name of the layer that writes it.
    pub name: String,
    /// Shape per image.
    pub shape: FeatureMap,
    /// Rounding at the point of storage.
    pub stored: Stored,
    /// Whether values can be negative.
    pub signedness: Signedness,
}

/// A validated network: acyclic, every shape positive and bounded, every name unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    edges: Vec<Edge>,
    layers: Vec<Layer>,
    quantizers: Vec<Quantizer>,
}

/// Why layers do not form a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("layer `{layer}`: {message}")]
pub struct NetworkError {
    /// The layer that cannot be added.
    pub layer: String,
    /// What is wrong and what would be accepted.
    pub message: String,
}

impl Network {
    /// Edges; the first is the image, the last the output.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Layers in execution order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Quantizers.
    pub fn quantizers(&self) -> &[Quantizer] {
        &self.quantizers
    }

    /// An edge.
    pub fn edge(&self, id: EdgeId) -> &Edge {
        &self.edges[id.0]
    }

    /// A quantizer.
    pub fn quantizer(&self, id: QuantizerId) -> &Quantizer {
        &self.quantizers[id.0]
    }

    /// The image.
    pub fn image(&self) -> &Edge {
        &self.edges[0]
    }

    /// The network's output.
    pub fn output(&self) -> &Edge {
        &self.edges[self.edges.len() - 1]
    }

    /// Format in which an edge is stored: bits in scratchpads and DRAM.
    pub fn stored_format(&self, id: EdgeId) -> StoredFormat {
        match self.edge(id).stored {
            Stored::Grid(quantizer) => {
                StoredFormat::Operand(OperandFormat::Integer(self.quantizer(quantizer).grid.format()))
            }
            Stored::Bf16 => StoredFormat::Operand(OperandFormat::Bf16),
            Stored::F32 => StoredFormat::F32,
            Stored::Integer(format) => StoredFormat::Operand(OperandFormat::Integer(format)),
            Stored::Int32 => StoredFormat::Int32,
        }
    }

    /// Whether a layer's integer operand must be quantized when it reads its input.
    pub fn quantizes_on_read(&self, layer: &Layer) -> Option<QuantizerId> {
        match &layer.operation {
            Operation::Convolution(Convolution { operands: Operands::Integer { quantizer, .. }, .. }) => {
                (self.edge(layer.input).stored != Stored::Grid(*quantizer)).then_some(*quantizer)
            }
            _ => None,
        }
    }

    /// What a design is asked to run: without the float layers at the end, which are left to the host.
    pub fn without_last_float_layers(&self) -> Self {
        let is_float = |layer: &Layer| matches!(layer.operation, Operation::Float(_));
        let kept = self.layers.iter().rposition(|layer| !is_float(layer)).map_or(0, |last| last + 1);
        Self {
            edges: self.edges[..=kept].to_vec(),
            layers: self.layers[..kept].to_vec(),
            quantizers: self.quantizers.clone(),
        }
    }

    /// Layers that run in f32 and not on the array.
    pub fn float_layers(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter().filter(|layer| matches!(layer.operation, Operation::Float(_)))
    }
}
