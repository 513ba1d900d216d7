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
            (WeightSupply::PerStep, _) => {
                let folds = |pixels: u64| pixels.div_ceil(schedule.pixels_per_fold());
                m / schedule.m_tile * folds(schedule.m_tile) + folds(m % schedule.m_tile)
            }
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
                let folds = m / schedule.m_tile * (schedule.m_tile / pixels) + m % schedule.m_tile / pixels;
                u128::from(whole * beyond(schedule.n_tile) + beyond(n % schedule.n_tile))
                    * u128::from(folds * pixels)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::hardware::{Accelerator, SHIPPED};
    use crate::mapping::{Candidate, Search, map_network_with};
    use crate::source::SourceFile;
    use crate::workload::Workload;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        /// DRAM is so slow that the least cycles are those of the traffic.
        #[test]
        fn steps_move_no_less(
            dataflow in prop_oneof![Just("ws"), Just("is"), Just("os")],
            size in [2usize..12, 2usize..12],
            (out, groups, kernel, lanes) in (1usize..14, 1usize..3, 1usize..3, 1usize..3),
            kib in [1u64..9, 1u64..3, 1u64..3],
            burst in prop_oneof![Just(32), Just(64)],
        ) {
            let network = format!(
                "schema_version = 1\ninput = {{ height = {}, width = {}, channels = 6 }}\n\
                 precision = {{ default = \"w8a8\" }}\n[[layer]]\nname = \"a\"\n\
                 conv2d = {{ out_channels = {}, kernel = [{kernel}, {kernel}], groups = {groups} }}\n",
                size[0], size[1], out * groups
            );
            let workload = Workload::parse(&SourceFile::embedded("n.toml", &network)).unwrap();
            let text = SHIPPED[0].1
                .replace("rows = 32", "rows = 4")
                .replace("cols = 32", &format!("cols = {}", 2 + lanes))
                .replace("[\"ws\"]", &format!("[\"{dataflow}\"]"))
                .replace("banks = 8", "banks = 1")
                .replace("banks = 16", "banks = 1")
                .replace("12_800_000_000", "1_000_000")
                .replace("burst_bytes = 32", &format!("burst_bytes = {burst}"))
                .replace("bytes = 131_072", &format!("bytes = {}", 1024 * kib[0]))
                .replace("bytes = 65_536", &format!("bytes = {}", 1024 * kib[1]))
                .replace("bytes = 32_768", &format!("bytes = {}", 1024 * kib[2]));
            let accelerator = Accelerator::parse(&SourceFile::embedded("d.toml", &text)).unwrap();
            let mut judge = |candidate: &Candidate<'_>| {
                let (tiling, transport) =
                    (candidate.mapping.array.as_ref().unwrap().tiling, &candidate.mapping.transport);
                let mut bytes = 0;
                for (from, pixels) in tiling.pixel_tiles() {
                    bytes += tiling.input_of(transport, from, from + pixels).0.bytes;
                    tiling.for_each_step(transport, (from, pixels), |step, _, times| {
                        let moved = [step.input, step.shortcut, step.weights, step.stored]
                            .into_iter()
                            .chain([step.spill_read, step.spill_write]);
                        bytes += times * moved.map(|transfer| transfer.bytes).sum::<u64>();
                    });
                }
                let most = accelerator.dram().least_cycles(bytes.into());
                assert!(candidate.least_cycles <= most, "{} > {most}: {tiling:?}", candidate.least_cycles);
                None
            };
            let _ = map_network_with(workload.network(), &accelerator, 1, &mut Search::Nested(&mut judge));
        }
    }
}
