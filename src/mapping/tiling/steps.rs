//! The steps of a layer on the array: folds gathered while they have room.
//!
//! Pixel tiles are outermost; the input of one is fetched once, with its first step. Weights lie in DRAM in the order
//! in which folds use them. Must not know cycles.

use crate::hardware::Dataflow;
use crate::mapping::fold_run::FoldRun;
use crate::mapping::schedule::Fold;
use crate::mapping::transport::{Place, Transport};

use super::Tiling;
use super::step::{Buffer, Step};
use super::supply::{InputSupply, WeightSupply};
use super::transfer::Transfer;

/// A step that folds are being added to.
#[derive(Default)]
struct OpenStep {
    step: Step,
    runs: Vec<FoldRun>,
    weight_bits: u64,
    outputs: u64,
}

impl OpenStep {
    fn clear(&mut self) {
        self.step = Step::default();
        self.runs.clear();
        (self.weight_bits, self.outputs) = (0, 0);
    }
}

/// Results of the same pixels whose channels follow each other, not yet stored.
#[derive(Clone, Copy, Default)]
struct Staged {
    m: u64,
    pixels: u64,
    channels: u64,
}

impl Tiling {
    /// Vectors of a fold whose accumulators have room; the partial sums of the others are spilled.
    fn resident_vectors(&self, fold: Fold) -> u64 {
        match self.schedule.dataflow {
            Dataflow::Ws => self.room.accumulator_bits / (fold.channels * self.accumulator_bits),
            Dataflow::Is => self.room.accumulator_bits / (fold.pixels * self.accumulator_bits),
            Dataflow::Os => u64::MAX,
        }
    }

    /// Outputs of a fold whose partial sums do not fit between its k.
    fn spilled_outputs(&self, fold: Fold) -> u64 {
        if fold.depth == self.schedule.gemm.k
            || fold.outputs() * self.accumulator_bits <= self.room.accumulator_bits
        {
            return 0;
        }
        match self.schedule.dataflow {
            Dataflow::Ws => fold.pixels.saturating_sub(self.resident_vectors(fold)) * fold.channels,
            Dataflow::Is => fold.channels.saturating_sub(self.resident_vectors(fold)) * fold.pixels,
            Dataflow::Os => 0,
        }
    }

    /// Calls `visit` with every step of the pixels `from..from + pixels`, its folds, and how many such steps follow
    /// each other, their one run of folds going on along k; in execution order. The input that comes per tile is not
    /// among what moves ([`Self::input_of`]). But for `from`, the steps of equally many pixels are the same, those
    /// from 0 excepted.
    ///
    /// A step is a part of one block of outputs (a fold's, over all k), or several whole blocks. An
    /// output-stationary fold whose operands do not fit the weight scratchpad is cut along k; its sums
    /// wait in the PEs.
    pub fn for_each_step(
        &self,
        transport: &Transport,
        (from, pixels): (u64, u64),
        mut visit: impl FnMut(&Step, &[FoldRun], u64),
    ) {
        let (mut open, mut staged) = (OpenStep::default(), Staged::default());
        open.step.input_buffer = Buffer::Next;
        if self.weights == WeightSupply::PerLayer && from == 0 {
            open.step.weight_buffer = Buffer::Next;
        }
        for tile in self.schedule.tiles_of(from, pixels) {
            if self.weights == WeightSupply::PerTile {
                open.step.weight_buffer = Buffer::Next;
            }
            for mut run in self.schedule.tile_blocks(tile).flat_map(|block| block.runs(self.longest_cut())) {
                let fetches = self.fetches(run.first, tile.m);
                while run.count > 0 {
                    let fitting = self.fitting(&open, run.first, fetches, transport).min(run.count);
                    if fitting == 0 {
                        visit(&open.step, &open.runs, 1);
                        open.clear();
                        continue;
                    }
                    // Full steps that begin and end amid the run are the same.
                    let equal = (run.count - 1) / fitting;
                    if equal > 1 && open.runs.is_empty() && !run.first.is_first_of_outputs() {
                        self.add(&mut open, transport, FoldRun { count: fitting, ..run }, fetches);
                        visit(&open.step, &open.runs, equal);
                        open.clear();
                        let done = equal * fitting;
                        run = FoldRun { first: run.at(done), count: run.count - done };
                        continue;
                    }
                    let taken = FoldRun { count: fitting, ..run };
                    self.add(&mut open, transport, taken, fetches);
                    let last = taken.last();
                    if last.k + last.depth == self.schedule.gemm.k {
                        self.stage(&mut open.step, &mut staged, transport, last);
                    }
                    run = FoldRun { first: run.at(fitting), count: run.count - fitting };
                }
            }
            let last =
                tile.group + 1 == self.schedule.gemm.groups && tile.n + tile.channels == self.schedule.gemm.n;
            if last {
                self.store(&mut open.step, &mut staged, transport);
            }
            visit(&open.step, &open.runs, 1);
            open.clear();
        }
    }

    /// How many folds like this one the step has room for; at least 1 if it is empty.
    fn fitting(&self, open: &OpenStep, fold: Fold, fetches: bool, transport: &Transport) -> u64 {
        let empty = open.runs.is_empty();
        if self.input == InputSupply::PerFold || self.spilled_outputs(fold) > 0 {
            return u64::from(empty);
        }
        let room = match self.weights {
            WeightSupply::PerLayer => self.room.weight_bits.min(self.granule()),
            WeightSupply::PerTile => u64::MAX,
            WeightSupply::PerStep => self.room.weight_bits,
        };
        let free = room - open.weight_bits.min(room);
        let folds = if fetches { free / (fold.weights() * self.weight_bits) } else { u64::MAX };
        if empty {
            return folds.max(1);
        }
        if !fold.is_first_of_outputs() {
            return folds;
        }
        let block = if fetches { fold.channels * self.schedule.gemm.k * self.weight_bits } else { 0 };
        let outputs = open.outputs + fold.outputs();
        let full = !open.runs[0].first.is_first_of_outputs()
            || block > free
            || outputs * self.accumulator_bits > self.room.accumulator_bits
            || transport.output == Place::Dram && outputs > self.room.staged;
        if full { 0 } else { folds }
    }

    fn add(&self, open: &mut OpenStep, transport: &Transport, run: FoldRun, fetches: bool) {
        let (step, first, last) = (&mut open.step, run.first, run.last());
        if fetches {
            open.weight_bits += run.count * first.weights() * self.weight_bits;
            step.weights = Transfer::run(open.weight_bits, transport.burst_bytes);
        }
        if self.weights == WeightSupply::PerStep {
            step.weight_buffer = Buffer::Next;
        }
        if first.is_first_of_outputs() {
            open.outputs += first.outputs();
            step.accumulator_buffer = Buffer::Next;
        }
        if self.input == InputSupply::PerFold {
            step.input_buffer = Buffer::Next;
            step.quantized = if transport.copy_bits.is_some() { first.pixels * first.depth } else { 0 };
            if transport.input == Place::Dram {
                let bits = first.depth * transport.input_bits;
                step.input = Transfer::runs(first.pixels, bits, transport.burst_bytes);
            }
        }
        let spilled = self.spilled_outputs(first) * self.accumulator_bits;
        if spilled > 0 && !first.is_first_of_outputs() {
            step.spill_read = Transfer::run(spilled, transport.burst_bytes);
        }
        if last.k + last.depth == self.schedule.gemm.k {
            step.outputs += last.outputs();
        } else if spilled > 0 {
            step.spill_write = Transfer::run(spilled, transport.burst_bytes);
        }
        open.runs.push(run);
    }

    /// A complete fold's results wait until they fill a burst; its shortcut comes with the step.
    fn stage(&self, step: &mut Step, staged: &mut Staged, transport: &Transport, fold: Fold) {
        if let Some((Place::Dram, bits)) = transport.shortcut {
            step.shortcut += transport.pixel_transfer(fold.pixels, fold.channels, bits);
        }
        if (staged.m, staged.pixels) != (fold.m, fold.pixels) {
            self.store(step, staged, transport);
            *staged = Staged { m: fold.m, pixels: fold.pixels, channels: 0 };
        }
        staged.channels += fold.channels;
        if staged.channels * fold.pixels >= self.room.staged || staged.channels == transport.channels {
            self.store(step, staged, transport);
        }
    }

    fn store(&self, step: &mut Step, staged: &mut Staged, transport: &Transport) {
        if transport.output == Place::Dram && staged.channels > 0 {
            step.stored += transport.pixel_transfer(staged.pixels, staged.channels, transport.output_bits);
            step.output_buffer = Buffer::Next;
        }
        staged.channels = 0;
    }

    /// Weights of a block of outputs: weights that stay are fetched in such pieces, so that the array
    /// starts before all are there.
    fn granule(&self) -> u64 {
        self.schedule.channels_per_fold() * self.schedule.gemm.k * self.weight_bits
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::hardware::{Accelerator, SHIPPED};
    use crate::mapping::{LayerMapping, Room, Schedule, Search, map_network_with};
    use crate::source::SourceFile;
    use crate::workload::Workload;

    /// One layer on a small design with scratchpads of these sizes.
    fn map(
        dataflow: &str,
        layer: &str,
        size: [usize; 2],
        sizes: [u64; 3],
        batch: u64,
    ) -> Option<LayerMapping> {
        let network = format!(
            "schema_version = 1\ninput = {{ height = {}, width = {}, channels = 6 }}\n\
             precision = {{ default = \"w4a8\" }}\n[[layer]]\nname = \"a\"\n{layer}\n",
            size[0], size[1]
        );
        let workload = Workload::parse(&SourceFile::embedded("n.toml", &network)).unwrap();
        let (_, edge) = SHIPPED[0];
        let text = edge
            .replace("rows = 32", "rows = 4")
            .replace("cols = 32", "cols = 3")
            .replace("[\"ws\"]", &format!("[\"{dataflow}\"]"))
            .replace("banks = 8", "banks = 1")
            .replace("banks = 16", "banks = 1")
            .replace("bytes = 131_072", &format!("bytes = {}", 1024 * sizes[0]))
            .replace("bytes = 65_536", &format!("bytes = {}", 1024 * sizes[1]))
            .replace("bytes = 32_768", &format!("bytes = {}", 1024 * sizes[2]));
        let accelerator = Accelerator::parse(&SourceFile::embedded("d.toml", &text)).unwrap();
        map_network_with(workload.network(), &accelerator, batch, &mut Search::Estimated)
            .ok()
            .map(|mut layers| layers.remove(0))
    }

    fn layer() -> impl Strategy<Value = String> {
        let convolution = (1usize..40, 1usize..4, 1usize..4, 1usize..3, 0usize..2).prop_map(
            |(channels, height, width, stride, padding)| {
                format!(
                    "conv2d = {{ out_channels = {}, kernel = [{height}, {width}], stride = [{stride}, 1], \
                     padding = {{ top = {padding}, bottom = 0, left = 0, right = {padding} }}, groups = {} }}",
                    channels * 2,
                    1 + channels % 2
                )
            },
        );
        prop_oneof![4 => convolution, 1 => (1usize..200).prop_map(|n| format!("linear = {{ out_features = {n} }}"))]
    }

    proptest! {
        #[test]
        fn steps_do_all_the_work_and_fetch_what_they_need(
            dataflow in prop_oneof![Just("ws"), Just("is"), Just("os")],
            layer in layer(),
            size in [4usize..20, 4usize..20],
            sizes in [1u64..9, 1u64..5, 1u64..3],
            batch in 1u64..3,
        ) {
            let Some(mapping) = map(dataflow, &layer, size, sizes, batch) else { return Ok(()) };
            let (tiling, transport) = (mapping.array.unwrap().tiling, mapping.transport);
            let (mut macs, mut outputs, mut input, mut weights, mut stored, mut copied) = (0, 0, 0, 0, 0, 0);
            let mut seen: Vec<Fold> = Vec::new();
            let mut fetched: BTreeMap<(u64, u64, u64), u64> = BTreeMap::new();
            let mut visit_one = |step: &Step, folds: Vec<Fold>| {
                seen.extend(&folds);
                assert!(!folds.is_empty());
                macs += folds.iter().map(|fold| fold.macs()).sum::<u64>();
                outputs += step.outputs;
                assert!(step.input == Transfer::default() || tiling.input == InputSupply::PerFold);
                weights += step.weights.bits;
                stored += step.stored.bits;
                for fold in &folds {
                    if tiling.fetches(*fold, fold.m / tiling.schedule.m_tile * tiling.schedule.m_tile) {
                        *fetched.entry((fold.group, fold.n, fold.k)).or_default() += fold.weights();
                    }
                }
                if tiling.weights == WeightSupply::PerStep && tiling.schedule.dataflow != Dataflow::Os {
                    assert!(step.weights.bits <= tiling.room.weight_bits);
                }
                let open: u64 = folds.iter().filter(|f| f.is_first_of_outputs()).map(|f| f.outputs()).sum();
                let spills = step.spill_read.bits + step.spill_write.bits;
                if spills == 0 && folds.len() > 1 {
                    assert!(open * tiling.accumulator_bits <= tiling.room.accumulator_bits);
                }
            };
            let mut visit = |step: &Step, runs: &[FoldRun], times: u64| {
                assert!(times == 1 || runs.len() == 1);
                for time in 0..times {
                    let folds = |run: &FoldRun| {
                        let (run, first) = (*run, time * run.count);
                        (first..first + run.count).map(move |index| run.at(index))
                    };
                    visit_one(step, runs.iter().flat_map(folds).collect());
                }
            };
            for (from, pixels) in tiling.pixel_tiles() {
                let (fetched, quantized) = tiling.input_of(&transport, from, from + pixels);
                input += fetched.bits;
                copied += quantized;
                tiling.for_each_step(&transport, (from, pixels), &mut visit);
            }
            let gemm = tiling.schedule.gemm;
            if dataflow != "os" {
                prop_assert_eq!(seen, tiling.schedule.folds().collect::<Vec<_>>(), "in the schedule's order");
            }
            prop_assert_eq!(macs, gemm.macs());
            prop_assert_eq!(outputs, gemm.outputs());
            prop_assert_eq!(stored, gemm.outputs() * transport.output_bits);
            prop_assert_eq!(weights, fetched.values().sum::<u64>() * tiling.weight_bits);
            prop_assert!(weights >= gemm.weights() * tiling.weight_bits);
            if tiling.input == InputSupply::PerTile {
                let all = transport.footprint.until(transport.pixels) * transport.input_bits;
                prop_assert_eq!(input, all, "every element once");
            }
            if tiling.weights == WeightSupply::PerLayer {
                prop_assert_eq!(weights, gemm.weights() * tiling.weight_bits, "every weight once");
            }
            let held = transport.footprint.window(2 * tiling.schedule.m_tile);
            if tiling.input == InputSupply::PerFold {
                let depth = tiling.schedule.k_per_fold().min(gemm.k);
                let operands = tiling.schedule.m_tile * depth * transport.input_bits;
                let results = tiling.room.staged * transport.output_bits;
                prop_assert!(2 * (operands + results) <= sizes[0] * 8192, "two tiles of a fold fit");
            }
            if tiling.input == InputSupply::PerTile {
                prop_assert!(held * transport.input_bits <= sizes[0] * 8192, "two tiles fit");
                prop_assert_eq!(copied, 0, "the image is stored on its grid");
            }
        }
    }

    /// 512 vectors of which 256 have room: the others leave and return between the two k-folds.
    #[test]
    fn partial_sums_without_room_are_spilled() {
        let mapping =
            map("ws", "conv2d = { out_channels = 3, kernel = [1, 1] }", [16, 32], [64, 4, 8], 1).unwrap();
        let tiling = mapping.array.unwrap().tiling;
        let schedule = Schedule { m_tile: 512, ..tiling.schedule };
        let room = Room { accumulator_bits: 256 * 3 * 32, ..tiling.room };
        let tiling = Tiling { schedule, room, ..tiling };
        let mut spills = Vec::new();
        tiling.for_each_step(&mapping.transport, (0, 512), |step, _, _| {
            spills.push((step.spill_read.bits, step.spill_write.bits, step.outputs));
        });
        let excess = 256 * 3 * 32;
        assert_eq!(spills, [(0, excess, 0), (excess, 0, 512 * 3)]);
    }
}
