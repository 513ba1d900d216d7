//! What a tiling moves across the DRAM channel, without following its steps.
//!
//! Runs are rounded to bursts where they are short: operands fetched fold by fold, shortcuts. The others
//! are long and counted as they are packed.

use crate::hardware::Dataflow;

use super::candidates::Candidates;
use super::gemm::Gemm;
use super::tiling::{InputSupply, Tiling, Transfer, WeightSupply};
use super::transport::Place;

/// Bytes that cross DRAM, never more than the steps move.
pub(super) struct Traffic {
    /// As often as it is fetched.
    pub(super) input: u128,
    pub(super) shortcut: u128,
    pub(super) output: u128,
    /// As often as they are fetched.
    pub(super) weights: u128,
    /// Partial sums, there and back.
    pub(super) spills: u128,
}

impl Traffic {
    pub(super) fn bytes(&self) -> u128 {
        self.input + self.shortcut + self.output + self.weights + self.spills
    }
}

impl Candidates<'_> {
    /// With the weights in DRAM.
    pub(super) fn traffic(&self, tiling: &Tiling) -> Traffic {
        let schedule = &tiling.schedule;
        let Gemm { m, n, k, groups } = self.gemm;
        let m_tiles = schedule.m_tiles();
        let fetches = match (tiling.weights, schedule.dataflow) {
            (WeightSupply::PerLayer, _) => 1,
            (WeightSupply::PerTile, _) | (WeightSupply::PerStep, Dataflow::Ws) => m_tiles,
            (WeightSupply::PerStep, _) => m_tiles * schedule.m_tile.div_ceil(schedule.pixels_per_fold()),
        };
        let channels = schedule.channels_per_fold().min(n);
        let transport = self.space.transport;
        // `extent` in pieces of `piece`, each a run of its own.
        let runs = |extent: u64, piece: u64, bits: u64| {
            let run = |elements: u64| Transfer::run(elements * bits, transport.burst_bytes).bytes;
            u128::from(extent / piece * run(piece) + run(extent % piece))
        };
        let input = match (transport.input, tiling.input) {
            (Place::OnChip, _) => 0,
            (Place::Dram, InputSupply::PerTile) => {
                u128::from(transport.input_transfer(transport.footprint.until(transport.pixels)).bytes)
            }
            (Place::Dram, InputSupply::PerFold) => {
                u128::from(m * groups * n.div_ceil(channels))
                    * runs(k, schedule.k_per_fold().min(k), transport.input_bits)
            }
        };
        let all = u128::from(m * n * groups);
        let shortcut = match transport.shortcut {
            Some((Place::Dram, bits)) if channels < transport.channels => {
                let of_tile = |n_tile: u64| runs(n_tile, channels, bits);
                u128::from(m * groups)
                    * (u128::from(n / schedule.n_tile) * of_tile(schedule.n_tile)
                        + of_tile(n % schedule.n_tile))
            }
            Some((Place::Dram, bits)) => all * u128::from(bits) / 8,
            _ => 0,
        };
        let output =
            if transport.output == Place::Dram { all * u128::from(transport.output_bits) / 8 } else { 0 };
        // Partial sums that have no room leave after every k-fold but the last, and come back.
        let resident = |vector: u64| tiling.room.accumulator_bits / (vector * self.accumulator_bits);
        let spilled = match schedule.dataflow {
            Dataflow::Ws => {
                let beyond = |pixels: u64| pixels.saturating_sub(resident(channels));
                let whole = m / schedule.m_tile;
                u128::from(whole * beyond(schedule.m_tile) + beyond(m % schedule.m_tile))
                    * u128::from(n / channels * channels)
            }
            Dataflow::Is => {
                let pixels = schedule.pixels_per_fold().min(schedule.m_tile);
                let beyond = |channels: u64| channels.saturating_sub(resident(pixels));
                let whole = n / schedule.n_tile;
                u128::from(whole * beyond(schedule.n_tile) + beyond(n % schedule.n_tile))
                    * u128::from(m / pixels * pixels)
            }
            Dataflow::Os => 0,
        };
        let rounds = u128::from(k.div_ceil(schedule.k_per_fold()) - 1) * u128::from(groups);
        Traffic {
            input,
            shortcut,
            output,
            weights: u128::from(self.gemm.weights() * self.weight_bits) * u128::from(fetches) / 8,
            spills: 2 * rounds * spilled * u128::from(self.accumulator_bits) / 8,
        }
    }
}
