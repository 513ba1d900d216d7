//! What executing a network tells, about layers and about images.

use crate::numerics::StaticBound;

use super::super::convolution::Engine;

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
