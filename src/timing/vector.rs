//! The vector unit: what is done per element besides MACs, and how long it takes.

use std::collections::BTreeMap;

use crate::hardware::VectorUnit;
use crate::numerics::Activation;
use crate::workload::{Convolution, Layer, Network, Operands, Operation, Stored};

use super::counters::{Cycles, Operations, VectorOperation};

/// Element-wise operations of a layer for `batch` images.
pub(super) fn operations(
    layer: &Layer,
    network: &Network,
    batch: u64,
) -> BTreeMap<VectorOperation, Operations> {
    let mut operations = BTreeMap::new();
    let mut count = |operation, elements: usize| {
        *operations.entry(operation).or_default() += Operations(elements as u64 * batch);
    };
    let inputs = network.edge(layer.input).shape.elements();
    let outputs = network.edge(layer.output).shape.elements();
    match &layer.operation {
        Operation::Convolution(Convolution { operands, shortcut, activation, .. }) => {
            if network.quantizes_on_read(layer).is_some() {
                count(VectorOperation::Quantize, inputs);
            }
            if let Operands::Integer { .. } = operands {
                count(VectorOperation::Convert, outputs);
            }
            count(VectorOperation::Multiply, outputs);
            count(VectorOperation::Add, outputs);
            if shortcut.is_some() {
                count(VectorOperation::Add, outputs);
            }
            if *activation == Activation::Relu {
                count(VectorOperation::Compare, outputs);
            }
        }
        Operation::GlobalAveragePool => {
            count(VectorOperation::Add, inputs);
            count(VectorOperation::Multiply, outputs);
        }
    }
    match network.edge(layer.output).stored {
        Stored::Grid(_) => count(VectorOperation::Quantize, outputs),
        Stored::Bf16 => count(VectorOperation::Round, outputs),
        Stored::F32 => {}
    }
    operations
}

/// Cycles at the unit's rate.
pub(super) fn cycles(operations: &BTreeMap<VectorOperation, Operations>, vector: &VectorUnit) -> Cycles {
    let total: Operations = operations.values().copied().sum();
    Cycles(total.0.div_ceil(vector.lanes() * vector.ops_per_cycle()))
}
