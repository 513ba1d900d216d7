//! Layers that have nothing to do with each other: a list of matrix products or convolutions as a network.
//!
//! Knows shapes and formats of each; must not know precision policies.

use crate::numerics::{Activation, Grid, OperandPair, Signedness};
use crate::workload::layer::{Convolution, FeatureMap, Layer, Operands, Operation, Window, WindowKind};

use super::{Edge, EdgeId, Network, Quantizer, QuantizerId, Stored};

/// A convolution or matrix product that has nothing to do with other layers.
#[derive(Clone, Debug)]
pub(in super::super) struct IndependentLayer {
    pub(in super::super) name: String,
    pub(in super::super) kind: WindowKind,
    pub(in super::super) input: FeatureMap,
    pub(in super::super) window: Window,
    pub(in super::super) output: FeatureMap,
    pub(in super::super) groups: usize,
    pub(in super::super) pair: OperandPair,
}

impl IndependentLayer {
    /// Name of the edge that it reads, and of that edge's quantizer.
    pub(in super::super) fn operand_name(&self) -> String {
        operand_name(&self.name)
    }
}

/// Name of the edge that an independent layer reads, and of that edge's quantizer.
pub(in super::super) fn operand_name(layer: &str) -> String {
    format!("{layer}.input")
}

impl Network {
    /// Layers with checked extents and unique names, each with an edge of its own to read; its result is
    /// stored in the format of its first operand, as the operand of whatever comes next.
    pub(in super::super) fn independent(independent: Vec<IndependentLayer>) -> Self {
        let mut network = Self { edges: vec![], layers: vec![], quantizers: vec![] };
        for layer in independent {
            let operand = layer.operand_name();
            let IndependentLayer { name, kind, input: from, window, output: to, groups, pair } = layer;
            let (operands, stored, signedness) = match pair {
                OperandPair::Bf16 => (Operands::Bf16, Stored::Bf16, Signedness::Signed),
                OperandPair::Integer { activation, weight } => {
                    let quantizer = QuantizerId(network.quantizers.len());
                    let grid = Grid::legacy(activation);
                    network.quantizers.push(Quantizer { name: operand.clone(), grid });
                    let operands = Operands::Integer { quantizer, weight };
                    (operands, Stored::Grid(quantizer), activation.signedness())
                }
            };
            let input = EdgeId(network.edges.len());
            let output = EdgeId(network.edges.len() + 1);
            for (name, shape) in [(operand, from), (name.clone(), to)] {
                network.edges.push(Edge { name, shape, stored, signedness });
            }
            let operation = Operation::Convolution(Convolution {
                kind,
                window,
                groups,
                operands,
                shortcut: None,
                activation: Activation::Identity,
                requantization: None,
            });
            network.layers.push(Layer { name, input, output, operation });
        }
        network
    }
}
