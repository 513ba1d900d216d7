//! The vector unit: what is done per element besides MACs, and how long it takes.

use std::collections::BTreeMap;

use crate::hardware::VectorUnit;
use crate::mapping::{Gemm, Step};
use crate::numerics::Activation;
use crate::workload::{
    Convolution, Layer, Network, Operands, Operation, PoolTerms, Stored, WeightZeroPoint, Window,
};

use super::counters::{Operations, VectorOperation};

/// Operations per element of a layer, besides quantizing on read.
#[derive(PartialEq)]
pub(super) struct Work {
    per_input: BTreeMap<VectorOperation, u64>,
    per_output: BTreeMap<VectorOperation, u64>,
    /// All kinds together, per element of the input walked and per output.
    all: (u64, u64),
}

impl Work {
    /// What the vector unit does for a layer.
    pub(super) fn of(layer: &Layer, network: &Network) -> Self {
        let mut work = Self { per_input: BTreeMap::new(), per_output: BTreeMap::new(), all: (0, 0) };
        let mut per_output = |operation, times: u64| {
            if times > 0 {
                *work.per_output.entry(operation).or_default() += times;
            }
        };
        let taps = |window: &Window| (window.kernel.height * window.kernel.width) as u64;
        match &layer.operation {
            Operation::Convolution(Convolution { operands, shortcut, activation, .. }) => {
                if !matches!(operands, Operands::Bf16) {
                    per_output(VectorOperation::Convert, 1);
                }
                if let Operands::Affine { weight_zero_point: WeightZeroPoint::NonZero, .. } = operands {
                    // Σx of a window, K additions, serves its N outputs; each then subtracts zw·Σx.
                    if let Some(gemm) = Gemm::of(layer, network, 1) {
                        per_output(VectorOperation::Add, gemm.k.div_ceil(gemm.n) + 1);
                    }
                    per_output(VectorOperation::Multiply, 1);
                }
                per_output(VectorOperation::Multiply, 1);
                per_output(VectorOperation::Add, 1);
                if let Some(shortcut) = shortcut {
                    per_output(VectorOperation::Add, 1);
                    if matches!(network.edge(*shortcut).stored, Stored::Grid(_)) {
                        per_output(VectorOperation::Convert, 1);
                        per_output(VectorOperation::Multiply, 1);
                    }
                }
                if *activation == Activation::Relu {
                    per_output(VectorOperation::Compare, 1);
                }
            }
            // The first tap is moved, each further one compared; taps in the padding too.
            Operation::MaxPool(window) | Operation::MaxPoolLookup(window) => {
                per_output(VectorOperation::Compare, taps(window) - 1);
            }
            // A quotient is one multiplication.
            Operation::AveragePool(window, terms) => {
                let taps = taps(window);
                if *terms == PoolTerms::Reals {
                    // Each time that a window meets it, a tap loses its zero point, is converted and scaled.
                    per_output(VectorOperation::Add, taps);
                    per_output(VectorOperation::Convert, taps);
                    per_output(VectorOperation::Multiply, taps);
                }
                per_output(VectorOperation::Add, taps - 1);
                per_output(VectorOperation::Multiply, 1);
            }
            Operation::GlobalAveragePool => {
                work.per_input.insert(VectorOperation::Add, 1);
                per_output(VectorOperation::Multiply, 1);
                if matches!(network.edge(layer.input).stored, Stored::Grid(_)) {
                    work.per_input.insert(VectorOperation::Convert, 1);
                    work.per_input.insert(VectorOperation::Multiply, 1);
                }
            }
            Operation::QuantizedAdd(_) => {
                per_output(VectorOperation::Convert, 2);
                per_output(VectorOperation::Multiply, 2);
                per_output(VectorOperation::Add, 2);
            }
            // One operation, that of storing.
            Operation::Lookup => {}
            // Not mapped: refused or skipped before anything is timed.
            Operation::Float(_) => {}
        }
        match (network.edge(layer.output).stored, &layer.operation) {
            // The largest of integers is one of them.
            (Stored::Integer(_), Operation::MaxPool(_)) | (Stored::Int32, _) => {}
            (Stored::Grid(_) | Stored::Integer(_), _) => per_output(VectorOperation::Quantize, 1),
            // The largest of bf16 values is one of them.
            (Stored::Bf16, Operation::MaxPool(_)) | (Stored::F32, _) => {}
            (Stored::Bf16, _) => per_output(VectorOperation::Round, 1),
        }
        work.all = (work.per_input.values().sum(), work.per_output.values().sum());
        work
    }

    /// Operations on a step's results (and on input walked).
    pub(super) fn operations(&self, step: &Step) -> u64 {
        self.all.0 * step.walked + self.all.1 * step.outputs
    }

    /// Adds the operations on elements of these numbers.
    pub(super) fn count(&self, elements: Elements, counts: &mut BTreeMap<VectorOperation, Operations>) {
        for (work, elements) in [(&self.per_input, elements.walked), (&self.per_output, elements.outputs)] {
            for (operation, each) in work {
                *counts.entry(*operation).or_default() += Operations(each * elements);
            }
        }
        if elements.quantized > 0 {
            *counts.entry(VectorOperation::Quantize).or_default() += Operations(elements.quantized);
        }
    }
}

/// Elements that the vector unit works on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Elements {
    walked: u64,
    outputs: u64,
    quantized: u64,
}

impl Elements {
    /// Adds those of a step that comes so many times.
    pub(super) fn add(&mut self, step: &Step, times: u64) {
        self.walked += times * step.walked;
        self.outputs += times * step.outputs;
        self.quantized += times * step.quantized;
    }

    /// Adds others.
    pub(super) fn add_all(&mut self, other: Self) {
        self.walked += other.walked;
        self.outputs += other.outputs;
        self.quantized += other.quantized;
    }
}

/// Cycles of `operations` at the unit's rate.
pub(super) fn cycles(operations: u64, vector: &VectorUnit) -> u64 {
    operations.div_ceil(vector.lanes() * vector.ops_per_cycle())
}
