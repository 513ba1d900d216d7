//! How a layer's tiles pass through the scratchpads: what a tiling says, and the steps in which folds run.
//!
//! Knows tiles, rooms and bursts; must not know cycles.

mod step;
mod steps;
mod supply;
mod transfer;
mod walk;

use crate::hardware::Dataflow;

use super::schedule::{Fold, Schedule, pieces};
use super::transport::Transport;

pub use step::{Buffer, Step};
pub use supply::{InputSupply, WeightSupply};
pub use transfer::Transfer;

/// Room for a step, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Room {
    /// Weights of a step.
    pub weight_bits: u64,
    /// Accumulators of a step.
    pub accumulator_bits: u64,
    /// Results, in elements, that wait to be stored.
    pub staged: u64,
}

/// How a GEMM passes through the scratchpads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tiling {
    /// The folds.
    pub schedule: Schedule,
    /// Where weights come from.
    pub weights: WeightSupply,
    /// Where the input comes from.
    pub input: InputSupply,
    /// What a step may hold.
    pub room: Room,
    /// Bits of a weight.
    pub weight_bits: u64,
    /// Bits of an operand of the input.
    pub activation_bits: u64,
    /// Bits of an accumulator.
    pub accumulator_bits: u64,
}

impl Tiling {
    /// Results that are staged at once, per pixel of a block: enough that a run fills a burst.
    pub(super) fn staged_channels(schedule: &Schedule, transport: &Transport) -> u64 {
        let burst = (transport.burst_bytes * 8).div_ceil(transport.output_bits);
        schedule.channels_per_fold().max(burst).min(transport.channels)
    }

    /// Whether this fold is the one that fetches its weights.
    fn fetches(&self, fold: Fold, tile_m: u64) -> bool {
        match self.weights {
            WeightSupply::PerLayer => fold.m == 0,
            WeightSupply::PerTile => fold.m == tile_m,
            WeightSupply::PerStep => true,
        }
    }

    /// First pixels and extents of the tiles along m.
    pub fn pixel_tiles(&self) -> impl Iterator<Item = (u64, u64)> + use<> {
        pieces(0, self.schedule.gemm.m, self.schedule.m_tile)
    }

    /// What the vector unit quantizes, and what comes from DRAM, before the first step of the pixels
    /// `from..to`.
    pub fn input_of(&self, transport: &Transport, from: u64, to: u64) -> (Transfer, u64) {
        match self.input {
            InputSupply::PerFold => (Transfer::default(), 0),
            InputSupply::PerTile => {
                let elements = transport.fresh(from, to);
                let quantized = if transport.copy_bits.is_some() { elements } else { 0 };
                (transport.input_transfer(elements), quantized)
            }
        }
    }

    /// The largest extent of k that runs without a wait for operands.
    pub(super) fn longest_cut(&self) -> u64 {
        let Schedule { gemm, lanes, dataflow, .. } = self.schedule;
        match (dataflow, self.weights) {
            (Dataflow::Os, WeightSupply::PerStep) => {
                let channels = self.schedule.channels_per_fold().min(gemm.n);
                let fits = self.room.weight_bits / (channels * self.weight_bits);
                (fits / lanes.along_k() * lanes.along_k()).clamp(lanes.along_k(), gemm.k.max(lanes.along_k()))
            }
            _ => self.schedule.k_per_fold().min(gemm.k),
        }
    }
}
