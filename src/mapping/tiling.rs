//! How a layer's tiles pass through the scratchpads: the steps in which its folds run.
//!
//! A step is what the array does between two waits for memory. Pixel tiles are outermost; the input of
//! one is fetched once, with its first step. Weights lie in DRAM in the order in which folds use them.

use crate::hardware::Dataflow;

use super::schedule::{Fold, Schedule, pieces};
use super::transport::{Place, Transport};

/// How a layer on the array gets its weights when they are in DRAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WeightSupply {
    /// All fit: fetched once.
    PerLayer,
    /// Those of an output tile fit: fetched once per output tile.
    PerTile,
    /// Fetched for every use.
    PerStep,
}

/// How a layer gets its input when that is in DRAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InputSupply {
    /// A tile's window of the input fits: every element is fetched once.
    PerTile,
    /// Not even one pixel's window fits: operands are fetched fold by fold.
    PerFold,
}

/// Room for a step, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Room {
    /// Weights of a step.
    pub weight_bits: u64,
    /// Accumulators of a step.
    pub accumulator_bits: u64,
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

/// Equal contiguous runs in DRAM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// How many.
    pub count: u64,
    /// Bits of each.
    pub bits: u64,
}

impl Runs {
    /// One run; none of zero bits.
    pub fn one(bits: u64) -> Self {
        Self { count: u64::from(bits > 0), bits }
    }

    /// Bits of all.
    pub fn total_bits(self) -> u64 {
        self.count * self.bits
    }
}

/// Whether a step begins to use a buffer (a half of a double-buffered scratchpad) or goes on with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Buffer {
    /// The one that the step before used, if any.
    #[default]
    Same,
    /// The next one.
    Next,
}

/// What moves for one step, and what it completes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Input fetched from DRAM.
    pub input: Runs,
    /// Shortcut fetched from DRAM.
    pub shortcut: Runs,
    /// Weights fetched from DRAM, if they are not on chip.
    pub weights: Runs,
    /// Input elements that the vector unit quantizes before the array starts.
    pub quantized: u64,
    /// Input elements that the vector unit works on itself, off the array.
    pub walked: u64,
    /// Output elements that are complete: work of the vector unit.
    pub outputs: u64,
    /// Results stored to DRAM.
    pub stored: Runs,
    /// Partial sums read back from DRAM.
    pub spill_read: Runs,
    /// Partial sums written to DRAM.
    pub spill_write: Runs,
    /// Weight scratchpad.
    pub weight_buffer: Buffer,
    /// Activation scratchpad, input side.
    pub input_buffer: Buffer,
    /// Accumulator scratchpad.
    pub accumulator_buffer: Buffer,
    /// Activation scratchpad, output side.
    pub output_buffer: Buffer,
}

/// A step that folds are being added to.
#[derive(Default)]
struct OpenStep {
    step: Step,
    folds: Vec<Fold>,
    weight_bits: u64,
    outputs: u64,
}

impl OpenStep {
    fn clear(&mut self) {
        self.step = Step::default();
        self.folds.clear();
        (self.weight_bits, self.outputs) = (0, 0);
    }
}

impl Transport {
    /// The input of the pixels `from..to` that earlier pixels did not touch: elements.
    fn fresh(&self, from: u64, to: u64) -> u64 {
        self.footprint.until(to) - self.footprint.until(from)
    }

    fn input_runs(&self, elements: u64) -> Runs {
        match (self.input, self.footprint.run()) {
            (Place::OnChip, _) => Runs::default(),
            (Place::Dram, Some(run)) => Runs { count: elements / run, bits: run * self.input_bits },
            (Place::Dram, None) => Runs::one(elements * self.input_bits),
        }
    }

    /// What comes in with the first step of the pixels `from..to`.
    fn open(&self, step: &mut Step, from: u64, to: u64) {
        if let Some((Place::Dram, bits)) = self.shortcut {
            step.shortcut = Runs::one(self.outputs(from, to) * bits);
        }
        step.input_buffer = Buffer::Next;
        step.output_buffer = Buffer::Next;
    }

    /// What goes out with the last step of the pixels `from..to`.
    fn close(&self, step: &mut Step, from: u64, to: u64) {
        if self.output == Place::Dram {
            step.stored = Runs::one(self.outputs(from, to) * self.output_bits);
        }
    }

    /// The steps of a layer that does not run on the array, in tiles of `tile` pixels.
    pub fn steps(&self, tile: u64) -> impl Iterator<Item = Step> {
        pieces(0, self.pixels, tile).map(move |(from, pixels)| {
            let to = from + pixels;
            let elements = self.fresh(from, to);
            let mut step = Step { input: self.input_runs(elements), walked: elements, ..Step::default() };
            self.open(&mut step, from, to);
            step.outputs = self.outputs(from, to);
            self.close(&mut step, from, to);
            step
        })
    }
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
        if fold.depth == self.schedule.gemm.k {
            return 0;
        }
        match self.schedule.dataflow {
            Dataflow::Ws => fold.pixels.saturating_sub(self.resident_vectors(fold)) * fold.channels,
            Dataflow::Is => fold.channels.saturating_sub(self.resident_vectors(fold)) * fold.pixels,
            Dataflow::Os => 0,
        }
    }

    /// Whether this fold is the one that fetches its weights.
    fn fetches(&self, fold: Fold, tile_m: u64) -> bool {
        match self.weights {
            WeightSupply::PerLayer => fold.m == 0,
            WeightSupply::PerTile => fold.m == tile_m,
            WeightSupply::PerStep => true,
        }
    }

    /// Calls `visit` with every step and its folds, in execution order. A step is a part of one block of
    /// outputs (a fold's, over all k), or several whole blocks. An output-stationary fold whose operands
    /// do not fit the weight scratchpad is cut along k; its sums wait in the PEs.
    pub fn for_each_step(&self, transport: &Transport, mut visit: impl FnMut(&Step, &[Fold])) {
        let gemm = self.schedule.gemm;
        let mut open = OpenStep::default();
        for tile in self.schedule.tiles() {
            let (from, to) = (tile.m, tile.m + tile.pixels);
            if tile.group == 0 && tile.n == 0 {
                self.open_pixels(&mut open.step, transport, from, to);
            }
            if self.weights == WeightSupply::PerTile {
                open.step.weight_buffer = Buffer::Next;
            }
            for fold in self.schedule.tile_folds(tile).flat_map(|fold| self.cut(fold)) {
                let fetches = self.fetches(fold, tile.m);
                if !open.folds.is_empty() && self.is_full(&open, fold, fetches) {
                    visit(&open.step, &open.folds);
                    open.clear();
                }
                self.add(&mut open, transport, fold, fetches);
            }
            if tile.group + 1 == gemm.groups && tile.n + tile.channels == gemm.n {
                transport.close(&mut open.step, from, to);
            }
            visit(&open.step, &open.folds);
            open.clear();
        }
    }

    /// What comes with the first step of the pixels `from..to`.
    fn open_pixels(&self, step: &mut Step, transport: &Transport, from: u64, to: u64) {
        transport.open(step, from, to);
        if self.input == InputSupply::PerTile {
            let elements = transport.fresh(from, to);
            step.input = transport.input_runs(elements);
            step.quantized = if transport.copy_bits.is_some() { elements } else { 0 };
        }
        if self.weights == WeightSupply::PerLayer && from == 0 {
            step.weight_buffer = Buffer::Next;
        }
    }

    /// Whether `fold` must wait for another step.
    fn is_full(&self, open: &OpenStep, fold: Fold, fetches: bool) -> bool {
        let first = open.folds[0];
        if self.input == InputSupply::PerFold || self.spilled_outputs(fold) > 0 {
            return true;
        }
        let room = match self.weights {
            WeightSupply::PerLayer => self.room.weight_bits.min(self.granule()),
            WeightSupply::PerTile => u64::MAX,
            WeightSupply::PerStep => self.room.weight_bits,
        };
        let with = |weights: u64| open.weight_bits + if fetches { weights * self.weight_bits } else { 0 };
        if fold.is_first_of_outputs() {
            let block = fold.channels * self.schedule.gemm.k;
            let held = (open.outputs + fold.outputs()) * self.accumulator_bits;
            !first.is_first_of_outputs() || with(block) > room || held > self.room.accumulator_bits
        } else {
            with(fold.weights()) > room
        }
    }

    fn add(&self, open: &mut OpenStep, transport: &Transport, fold: Fold, fetches: bool) {
        let step = &mut open.step;
        if fetches {
            open.weight_bits += fold.weights() * self.weight_bits;
            step.weights = Runs::one(open.weight_bits);
        }
        if self.weights == WeightSupply::PerStep {
            step.weight_buffer = Buffer::Next;
        }
        if fold.is_first_of_outputs() {
            open.outputs += fold.outputs();
            step.accumulator_buffer = Buffer::Next;
        }
        if self.input == InputSupply::PerFold {
            step.input_buffer = Buffer::Next;
            step.quantized = if transport.copy_bits.is_some() { fold.pixels * fold.depth } else { 0 };
            if transport.input == Place::Dram {
                step.input = Runs { count: fold.pixels, bits: fold.depth * transport.input_bits };
            }
        }
        let complete = fold.k + fold.depth == self.schedule.gemm.k;
        let spilled = Runs::one(self.spilled_outputs(fold) * self.accumulator_bits);
        if !fold.is_first_of_outputs() {
            step.spill_read = spilled;
        }
        if complete {
            step.outputs += fold.outputs();
        } else {
            step.spill_write = spilled;
        }
        open.folds.push(fold);
    }

    /// Weights of a block of outputs: weights that stay are fetched in such pieces, so that the array
    /// starts before all are there.
    fn granule(&self) -> u64 {
        self.schedule.channels_per_fold() * self.schedule.gemm.k * self.weight_bits
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

    fn cut(&self, fold: Fold) -> impl Iterator<Item = Fold> + use<> {
        pieces(fold.k, fold.k + fold.depth, self.longest_cut()).map(move |(k, depth)| Fold {
            k,
            depth,
            ..fold
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::hardware::{Accelerator, SHIPPED};
    use crate::mapping::{LayerMapping, map_network};
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
        map_network(workload.network(), &accelerator, batch).ok().map(|mut layers| layers.remove(0))
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
            let (mut macs, mut outputs, mut input, mut weights, mut stored) = (0, 0, 0, 0, 0);
            let mut fetched: BTreeMap<(u64, u64, u64), u64> = BTreeMap::new();
            tiling.for_each_step(&transport, |step, folds| {
                assert!(!folds.is_empty());
                macs += folds.iter().map(|fold| fold.macs()).sum::<u64>();
                outputs += step.outputs;
                input += step.input.total_bits();
                weights += step.weights.total_bits();
                stored += step.stored.total_bits();
                for fold in folds {
                    if tiling.fetches(*fold, fold.m / tiling.schedule.m_tile * tiling.schedule.m_tile) {
                        *fetched.entry((fold.group, fold.n, fold.k)).or_default() += fold.weights();
                    }
                }
                if tiling.weights == WeightSupply::PerStep && tiling.schedule.dataflow != Dataflow::Os {
                    assert!(step.weights.total_bits() <= tiling.room.weight_bits);
                }
                let open: u64 = folds.iter().filter(|f| f.is_first_of_outputs()).map(|f| f.outputs()).sum();
                let spills = step.spill_read.total_bits() + step.spill_write.total_bits();
                if spills == 0 && folds.len() > 1 {
                    assert!(open * tiling.accumulator_bits <= tiling.room.accumulator_bits);
                }
            });
            let gemm = tiling.schedule.gemm;
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
            let held = transport.footprint.window(tiling.schedule.m_tile);
            if tiling.input == InputSupply::PerTile {
                let bits = held * transport.input_bits + tiling.schedule.m_tile * gemm.n * gemm.groups * transport.output_bits;
                prop_assert!(2 * bits <= sizes[0] * 8192, "two tiles fit");
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
        tiling.for_each_step(&mapping.transport, |step, _| {
            spills.push((step.spill_read.total_bits(), step.spill_write.total_bits(), step.outputs));
        });
        let excess = 256 * 3 * 32;
        assert_eq!(spills, [(0, excess, 0), (excess, 0, 512 * 3)]);
    }
}
