//! How long a tiling is expected to take, and how long it takes at the least.
//!
//! An estimate follows one tile of pixels step by step as if all steps were equal: a step costs what
//! takes longest of its folds, its share of the channel, its results in the vector unit, and the wait for
//! a buffer of weights; to that come the first step's operands and the last one's results. Cycles are
//! counted later and elsewhere.

use crate::hardware::{Dataflow, OutputDrain};

use super::candidates::Candidates;
use super::gemm::Gemm;
use super::schedule::{Schedule, Split, View};
use super::tiling::{InputSupply, Tiling, WeightSupply};
use super::transport::Place;

/// Vector operations per output: multiply, add, compare, store.
const OPERATIONS_PER_OUTPUT: f64 = 4.0;

/// What a cycle of the DRAM channel counts that the layer alone does not wait for: layers before and after
/// it want the channel too, and its bytes take energy. Around the edge designs a tenth saved 0.1 % more energy.
const CHANNEL_SHARE: f64 = 1.0 / 16.0;

/// Steps of a short layer, few enough to time some of its tilings: with twice as many, requests took 0.1 % fewer
/// cycles on the shipped designs, and mapping ResNet-50 up to a fifth longer.
const SHORT: f64 = 64.0;

/// The equal steps of a tile.
struct Steps {
    /// Steps of a tile, not whole where the last is smaller.
    count: f64,
    /// Folds of a step.
    folds: f64,
    /// Bytes of the weights that a step fetches.
    weight_bytes: f64,
    /// Steps of a block of outputs, at least 1.
    per_block: f64,
}

impl Candidates<'_> {
    /// Cycles that the layer alone takes at the least with this tiling, its weights in DRAM.
    pub(super) fn least_cycles(&self, tiling: &Tiling) -> u64 {
        let channel = self.space.accelerator.dram().least_cycles(self.traffic(tiling).bytes());
        let schedule = &tiling.schedule;
        let Gemm { m, n, k, groups } = self.gemm;
        let count = |extent: u64, piece: u64| u128::from(extent.div_ceil(piece.min(extent)));
        let along_k = u128::from(k.div_ceil(self.lanes.along_k()));
        let (k_folds, m_tiles, n_tiles) =
            (count(k, schedule.k_per_fold()), count(m, schedule.m_tile), count(n, schedule.n_tile));
        let shared = |extent: u64, split: Split| {
            u128::from(if schedule.split == split { extent.div_ceil(schedule.arrays) } else { extent })
        };
        // Every fold streams its vectors, and every row of what is stationary takes a cycle to shift in.
        let array = match schedule.dataflow {
            Dataflow::Ws => {
                let n_folds = count(n, schedule.channels_per_fold());
                n_folds * (k_folds * shared(m, Split::Pixels)).max(m_tiles * along_k)
            }
            Dataflow::Is => {
                let m_folds = count(m, schedule.pixels_per_fold());
                m_folds * (k_folds * shared(n, Split::Channels)).max(n_tiles * along_k)
            }
            Dataflow::Os => {
                let n_folds = count(n, schedule.channels_per_fold());
                n_folds * (count(m, schedule.pixels_per_fold()) * along_k).max(shared(m, Split::Pixels))
            }
        } * u128::from(groups);
        u64::try_from(array).unwrap_or(u64::MAX).max(channel)
    }

    /// What a tiling's use of the DRAM channel counts beside its cycles.
    pub(super) fn channel_share(&self, tiling: &Tiling) -> f64 {
        CHANNEL_SHARE * self.traffic(tiling).bytes() as f64 / self.bytes_per_cycle()
    }

    fn bytes_per_cycle(&self) -> f64 {
        let rate = self.space.accelerator.dram().bytes_per_cycle();
        rate.numerator() as f64 / rate.denominator() as f64
    }

    /// Whether a tiling has so few steps that their beginning and end, where estimates are rough, matter.
    pub(super) fn is_short(&self, tiling: &Tiling) -> bool {
        let steps = match tiling.schedule.dataflow {
            Dataflow::Ws => {
                tiling.schedule.m_tiles() as f64 * self.steps(tiling, tiling.room.weight_bits as f64).count
            }
            Dataflow::Is | Dataflow::Os => self.folds(&tiling.schedule),
        };
        steps <= SHORT
    }

    /// Cycles by rule of thumb, see the top of the file, and the share of the channel.
    pub(super) fn estimate(&self, tiling: &Tiling) -> f64 {
        self.cycles(tiling) + self.channel_share(tiling)
    }

    fn cycles(&self, tiling: &Tiling) -> f64 {
        let schedule = &tiling.schedule;
        let (accelerator, transport) = (self.space.accelerator, self.space.transport);
        let bytes_per_cycle = self.bytes_per_cycle();
        let latency = accelerator.dram().latency_cycles() as f64;
        let traffic = self.traffic(tiling);
        let outputs = self.gemm.outputs() as f64;
        let vector = outputs * (OPERATIONS_PER_OUTPUT + f64::from(u8::from(transport.shortcut.is_some())))
            / (accelerator.vector().lanes() * accelerator.vector().ops_per_cycle()) as f64;
        let tiles = self.gemm.m as f64 / schedule.m_tile as f64;
        let activations = (traffic.input + traffic.shortcut + traffic.output) as f64 / bytes_per_cycle;
        let stored = (traffic.shortcut + traffic.output) as f64 / bytes_per_cycle;
        let fold = self.fold_cycles(schedule);
        let drain = (schedule.rows + schedule.columns) as f64;
        let load = self.gemm.k.min(schedule.k_per_fold()).div_ceil(self.lanes.along_k()) as f64;
        let shortcut = traffic.shortcut as f64 / bytes_per_cycle;
        let after = |share: f64| drain + (vector + stored) * share + latency;
        let Dataflow::Ws = schedule.dataflow else {
            let channel = (traffic.weights + traffic.spills) as f64 / bytes_per_cycle + activations;
            let array = self.folds(schedule) * fold;
            return array.max(channel).max(vector) + (activations - stored) / tiles + after(1.0 / tiles);
        };
        let single = accelerator.weight().buffers() == 1;
        let pace = |steps: &Steps| {
            let all = tiles * steps.count;
            let (array, weights) = (steps.folds * fold, steps.weight_bytes / bytes_per_cycle);
            let other = (activations + traffic.spills as f64 / bytes_per_cycle) / all;
            // A buffer is free when the last fold that uses it has started.
            let turn = array - fold + weights + latency;
            let wait = match (weights > 0.0, single) {
                (false, _) => 0.0,
                (true, true) => turn,
                (true, false) => turn / 2.0,
            };
            let pace = array.max(weights + other).max(vector / all).max(wait);
            // Operands three steps ahead wait on the channel for results to be written.
            let results = (vector + stored) * steps.per_block / all;
            let operands = weights + shortcut / all;
            let behind = (array + drain + results + operands + latency + load - 3.0 * pace).max(0.0);
            if operands > 0.0 && stored > 0.0 { pace + behind / steps.per_block } else { pace }
        };
        let steps = self.steps(tiling, tiling.room.weight_bits as f64);
        let input = match tiling.input {
            InputSupply::PerTile => (activations - stored) / tiles.max(1.0),
            InputSupply::PerFold => (activations - stored) / (tiles * steps.count),
        };
        // All of a tile; its input was asked for two steps ahead, behind the results of the step before.
        let tile = |steps: &Steps| {
            let each = pace(steps);
            let late = if tiling.input == InputSupply::PerTile && input > 0.0 {
                let weights = steps.weight_bytes / bytes_per_cycle + latency;
                let results =
                    steps.folds * fold + drain + (vector + stored) * steps.per_block / (tiles * steps.count);
                (input + weights - 2.0 * each).max(results + input + weights - 3.0 * each).max(0.0)
            } else {
                0.0
            };
            (steps.count * each, late)
        };
        let (first, first_late) = tile(&steps);
        let (later, late) = match tiling.weights {
            WeightSupply::PerLayer => tile(&self.steps(tiling, f64::INFINITY)),
            WeightSupply::PerTile | WeightSupply::PerStep => (first, first_late),
        };
        let begin = 2.0 * steps.weight_bytes / bytes_per_cycle + input + latency + load;
        let more = (tiles - 1.0).max(0.0);
        begin + first * tiles.min(1.0) + more * (later + late) + after(1.0 / (tiles * steps.count).max(1.0))
    }

    /// Weight-stationary: how a tile is cut into steps whose weights take `room` bits at most; infinite where
    /// they are there.
    fn steps(&self, tiling: &Tiling, room: f64) -> Steps {
        let schedule = &tiling.schedule;
        let Gemm { n, k, groups, .. } = self.gemm;
        let channels = schedule.channels_per_fold().min(n);
        let blocks = (groups as f64) * n as f64 / channels as f64;
        let k_folds = k as f64 / schedule.k_per_fold().min(k) as f64;
        let fold_bits = (channels * schedule.k_per_fold().min(k) * self.weight_bits) as f64;
        let outputs = schedule.m_tile * channels * self.accumulator_bits;
        let spills = outputs > tiling.room.accumulator_bits && k_folds > 1.0;
        let block_bits = fold_bits * k_folds;
        let room = match tiling.weights {
            WeightSupply::PerLayer if room.is_finite() => room.min(block_bits),
            _ => room,
        };
        let folds = if tiling.input == InputSupply::PerFold || spills {
            1.0
        } else if room < block_bits {
            let fitting = (room / fold_bits).floor().max(1.0);
            k_folds / (k_folds / fitting).ceil()
        } else {
            let staged = self.staged(schedule, schedule.m_tile).div_ceil(schedule.m_tile * channels);
            let accumulators = (tiling.room.accumulator_bits / outputs.max(1)).max(1);
            let sums = match self.space.transport.output {
                Place::Dram => accumulators.min(staged),
                Place::OnChip => accumulators,
            };
            (room / block_bits).floor().min(sums as f64).min(blocks.max(1.0)) * k_folds
        };
        Steps {
            count: blocks * k_folds / folds,
            folds,
            weight_bytes: if room.is_finite() { fold_bits * folds / 8.0 } else { 0.0 },
            per_block: (k_folds / folds).max(1.0),
        }
    }

    /// Folds of the layer.
    fn folds(&self, schedule: &Schedule) -> f64 {
        let Gemm { m, n, k, groups } = self.gemm;
        let count = |extent: u64, tile: u64, piece: u64| {
            (extent as f64 / tile as f64) * (tile as f64 / piece.min(tile) as f64).ceil()
        };
        count(m, schedule.m_tile, schedule.pixels_per_fold())
            * count(n, schedule.n_tile, schedule.channels_per_fold())
            * (k as f64 / schedule.k_per_fold() as f64).ceil()
            * groups as f64
    }

    /// Cycles from a full fold to the next.
    fn fold_cycles(&self, schedule: &Schedule) -> f64 {
        let array = self.space.accelerator.array();
        let Some(fold) = schedule.folds().next() else { return 0.0 };
        let View { vectors, rows, columns, .. } = schedule.widest(fold);
        let cycles = match (schedule.dataflow, array.double_buffer(), array.output_drain()) {
            (Dataflow::Os, _, OutputDrain::Overlapped) | (Dataflow::Ws | Dataflow::Is, true, _) => {
                vectors.max(rows)
            }
            (Dataflow::Os, _, OutputDrain::Blocking) | (Dataflow::Ws | Dataflow::Is, false, _) => {
                vectors + rows + columns + schedule.rows
            }
        };
        cycles as f64
    }
}
