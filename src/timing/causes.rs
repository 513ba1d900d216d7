//! Where a layer's cycles go.
//!
//! The array's cycles are divided by its MAC slots (peak per cycle): the slots that do a MAC, those that
//! PEs in use lose because an extent is not a multiple of their lanes, those of PEs that a fold leaves
//! unused, and the cycles in which nothing streams. What a request takes beyond its arrays is divided by
//! timing it again with an instant vector unit.

use crate::mapping::{Fold, Schedule};

use super::counters::{Cycles, Macs};

/// Cycles of the array by cause; they add up to its cycles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArrayCauses {
    /// ceil(macs / peak): the least that the MACs can take.
    pub useful: Cycles,
    /// Lanes of PEs in use that hold no operand, because an extent is no multiple of them.
    pub lane_waste: Cycles,
    /// PEs that a fold leaves unused: its rows or columns are fewer than the array's, or other arrays of the
    /// chip have less to do.
    pub edge_waste: Cycles,
    /// Nothing streams while what is stationary shifts in (`is`: activations).
    pub weight_load: Cycles,
    /// Nothing streams while vectors and sums pass through the array and the accumulators.
    pub fill_drain: Cycles,
}

impl ArrayCauses {
    /// All of them: the array's cycles.
    pub fn total(self) -> Cycles {
        self.useful + self.lane_waste + self.edge_waste + self.weight_load + self.fill_drain
    }
}

/// Cycles of a layer in a request by cause; they add up to the layer's cycles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerCauses {
    /// Of the array.
    pub array: ArrayCauses,
    /// What an instant vector unit would save; negative where the layer before paid for the waiting.
    pub vector_bound: i64,
    /// What is left: waiting for memory, and for the stages that memory cuts a layer into; negative where
    /// the layer before paid for it.
    pub memory_stall: i64,
}

impl LayerCauses {
    /// Divides `cycles` of which an instant vector unit would leave `without_vector`.
    pub(super) fn of(array: ArrayCauses, cycles: Cycles, without_vector: Cycles) -> Self {
        let [cycles, without_vector, arrays] =
            [cycles, without_vector, array.total()].map(|cycles| cycles.0.cast_signed());
        Self { array, vector_bound: cycles - without_vector, memory_stall: without_vector - arrays }
    }
}

/// What the folds of a layer do, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Streaming {
    /// Cycles in which vectors enter.
    pub(super) vectors: u64,
    /// MAC slots of the PEs in use meanwhile.
    pub(super) occupied: u64,
    /// Cycles in which only what is stationary enters.
    pub(super) load: u64,
}

impl Streaming {
    /// Adds what so many folds like this one stream.
    pub(super) fn add(&mut self, schedule: &Schedule, fold: Fold, folds: u64) {
        let occupied: u64 = schedule.views(fold).map(|view| view.rows * view.columns * view.vectors).sum();
        self.vectors += folds * schedule.widest(fold).vectors;
        self.occupied += folds * occupied * schedule.lanes.count;
    }

    /// Divides the `cycles` of an array with `peak` slots per cycle. Whole cycles: the useful are rounded up,
    /// and so is their sum with those lost in lanes.
    pub(super) fn causes(self, macs: Macs, peak: u64, cycles: Cycles) -> ArrayCauses {
        let useful = macs.0.div_ceil(peak);
        let occupied = self.occupied.div_ceil(peak);
        ArrayCauses {
            useful: Cycles(useful),
            lane_waste: Cycles(occupied - useful),
            edge_waste: Cycles(self.vectors - occupied),
            weight_load: Cycles(self.load),
            fill_drain: Cycles(cycles.0 - self.vectors - self.load),
        }
    }
}
