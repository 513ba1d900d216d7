//! What a layer does, counted: the array's actions fold by fold, the scratchpads' words step by step.

use crate::hardware::{Accelerator, Dataflow, OutputDrain, Scratchpad};
use crate::mapping::{Fold, FoldRun, MappedLayer, Schedule, Split, Step, Transport, View};
use crate::numerics::{Bias, MacSpec, PartialSumFormat};

use super::counters::{Accesses, Adder, Additions, Bits, Bytes, Counters, Cycles, Macs, Words};

/// Widths of one layer's operands and sums, in bits, and its adders.
struct Widths {
    activation: u64,
    weight: u64,
    partial_sum: u64,
    accumulator: u64,
    /// In the PEs; behind the array.
    adders: [Adder; 2],
}

/// Counts the array's actions of one layer.
pub(super) struct ArrayActions<'a> {
    schedule: &'a Schedule,
    mapped: &'a MappedLayer,
    accelerator: &'a Accelerator,
    widths: Widths,
}

/// What every fold of a run does.
#[derive(Default)]
struct FoldActions {
    register_bits: u64,
    activation_reads: u64,
    weight_reads: u64,
    accumulator_words: u64,
}

/// What the actions of a fold depend on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct FoldKind {
    pixels: u64,
    channels: u64,
    depth: u64,
    /// It is the first of its outputs, whose accumulators have been preloaded.
    begins: bool,
    /// Output-stationary: its sums are complete and leave the PEs.
    drains: bool,
}

impl FoldKind {
    /// One such fold, wherever it is.
    pub(super) fn fold(self) -> Fold {
        let Self { pixels, channels, depth, .. } = self;
        Fold { group: 0, m: 0, n: 0, k: 0, pixels, channels, depth }
    }
}

fn words(bits: u64, scratchpad: &Scratchpad) -> u64 {
    bits.div_ceil(u64::from(scratchpad.width_bits()))
}

/// Bits written while what is stationary shifts in: every row's operands pass the rows above, through
/// shadow and link registers, and are swapped once; without the shadow register they shift in place.
fn chain_writes(rows: u64, double_buffer: bool) -> u64 {
    let shifts = rows * (rows + 1) / 2 + rows * (rows - 1) / 2;
    if double_buffer { shifts + rows } else { shifts }
}

impl<'a> ArrayActions<'a> {
    pub(super) fn new(mapped: &'a MappedLayer, accelerator: &'a Accelerator) -> Self {
        let (partial_sum, accumulator, adders) = match mapped.plan.mac {
            MacSpec::Integer(mac) => {
                let (partial_sum, accumulator) = (mac.partial_sum.bits(), mac.accumulator.bits());
                (partial_sum, accumulator, [Adder::Integer(partial_sum), Adder::Integer(accumulator)])
            }
            MacSpec::Bf16(mac) => {
                let partial_sum = match mac.partial_sum {
                    PartialSumFormat::F32 => 32,
                    PartialSumFormat::Bf16 => 16,
                };
                (partial_sum, 32, [Adder::F32, Adder::F32])
            }
        };
        let widths = Widths {
            activation: u64::from(mapped.pair.activation().bits()),
            weight: u64::from(mapped.pair.weight().bits()),
            partial_sum: u64::from(partial_sum),
            accumulator: u64::from(accumulator),
            adders,
        };
        let schedule = &mapped.tiling.schedule;
        Self { schedule, mapped, accelerator, widths }
    }

    /// The kinds of a run's folds, and how many there are.
    pub(super) fn kinds(&self, run: FoldRun) -> [(FoldKind, u64); 3] {
        let (Fold { pixels, channels, depth, .. }, last) = (run.first, run.last());
        let begins = self.preloads() && run.first.is_first_of_outputs();
        let drains = self.schedule.dataflow == Dataflow::Os && last.k + depth == self.schedule.gemm.k;
        let kind = |begins, drains| FoldKind { pixels, channels, depth, begins, drains };
        if run.count == 1 {
            return [(kind(begins, drains), 1), (kind(false, false), 0), (kind(false, false), 0)];
        }
        let (first, last) = (u64::from(begins), u64::from(drains));
        [
            (kind(true, false), first),
            (kind(false, false), run.count - first - last),
            (kind(false, true), last),
        ]
    }

    /// Adds the registers and scratchpad words of so many folds of a kind. Arrays that need the same operands share one
    /// read.
    pub(super) fn count(&self, kind: FoldKind, folds: u64, counters: &mut Counters) {
        let mut each = FoldActions::default();
        for view in self.schedule.views(kind.fold()) {
            match self.schedule.dataflow {
                Dataflow::Ws | Dataflow::Is => self.stationary(view, &mut each),
                Dataflow::Os => self.output_steps(view, &mut each),
            }
            if kind.drains {
                each.register_bits += self.output_drain_bits(view);
                each.accumulator_words += self.output_words(view);
            }
            // What is preloaded is written before the first fold, which reads it.
            if kind.begins {
                each.accumulator_words += match self.schedule.dataflow {
                    Dataflow::Ws | Dataflow::Is => self.vector_words(view),
                    Dataflow::Os => self.output_words(view),
                };
            }
        }
        self.operand_words(kind.fold(), &mut each);
        counters.register_bits += Bits(folds * each.register_bits);
        counters.activation.reads += Words(folds * each.activation_reads);
        counters.weight.reads += Words(folds * each.weight_reads);
        // Sums are written, read back unless they are the first, and read once more when drained.
        let accesses = Words(folds * each.accumulator_words);
        counters.accumulator.writes += accesses;
        counters.accumulator.reads += accesses;
    }

    fn preloads(&self) -> bool {
        matches!(self.mapped.plan.mac, MacSpec::Integer(mac) if mac.bias == Bias::Preload)
    }

    /// Accumulator words of an output-stationary fold.
    fn output_words(&self, view: View) -> u64 {
        view.pixels * words(view.channels * self.widths.accumulator, self.accelerator.accumulator())
    }

    fn stationary(&self, view: View, each: &mut FoldActions) {
        let Widths { activation, weight, partial_sum, .. } = self.widths;
        let lanes = self.schedule.lanes;
        let (moving, still) = match self.schedule.dataflow {
            Dataflow::Ws => (activation, weight),
            Dataflow::Is | Dataflow::Os => (weight, activation),
        };
        let slot = lanes.along_k() * moving + lanes.along_n() * partial_sum;
        let chain = chain_writes(view.rows, self.accelerator.array().double_buffer());
        each.register_bits +=
            view.rows * view.columns * view.vectors * slot + chain * view.columns * lanes.count * still;
        each.accumulator_words += self.vector_words(view);
    }

    /// Accumulator words that the vectors of a weight- or input-stationary fold add to.
    fn vector_words(&self, view: View) -> u64 {
        let outputs = if self.schedule.dataflow == Dataflow::Ws { view.channels } else { view.pixels };
        view.vectors * words(outputs * self.widths.accumulator, self.accelerator.accumulator())
    }

    fn output_steps(&self, view: View, each: &mut FoldActions) {
        let Widths { activation, weight, partial_sum, .. } = self.widths;
        let lanes = self.schedule.lanes;
        let slot = lanes.along_k() * activation + lanes.count * weight + lanes.along_n() * partial_sum;
        each.register_bits += view.rows * view.columns * view.vectors * slot;
    }

    /// A sum of row r passes the registers of all rows below, after the second register if there is one.
    fn output_drain_bits(&self, view: View) -> u64 {
        let below = view.rows * (self.schedule.rows - 1) - view.rows * (view.rows - 1) / 2;
        let out = match self.accelerator.array().output_drain() {
            OutputDrain::Overlapped => view.rows,
            OutputDrain::Blocking => 0,
        };
        (below + out) * view.columns * self.schedule.lanes.along_n() * self.widths.partial_sum
    }

    /// Operands read for a fold. Arrays that divide channels share activations; pixels, weights.
    fn operand_words(&self, fold: Fold, each: &mut FoldActions) {
        for view in self.schedule.views(fold) {
            each.activation_reads += self.activation_words(view);
            each.weight_reads += self.weight_words(view);
        }
        let widest = self.schedule.widest(fold);
        match self.schedule.split {
            Split::Channels => each.activation_reads = self.activation_words(widest),
            Split::Pixels => each.weight_reads = self.weight_words(widest),
        }
    }

    fn activation_words(&self, view: View) -> u64 {
        let bits = self.schedule.lanes.along_k() * self.widths.activation;
        let row = |operands: u64| words(operands * bits, self.accelerator.activation());
        match self.schedule.dataflow {
            Dataflow::Ws | Dataflow::Os => view.vectors * row(view.rows),
            Dataflow::Is => view.rows * row(view.columns),
        }
    }

    fn weight_words(&self, view: View) -> u64 {
        let bits = self.schedule.lanes.count * self.widths.weight;
        let row = |operands: u64| words(operands * bits, self.accelerator.weight());
        match self.schedule.dataflow {
            Dataflow::Ws => view.rows * row(view.columns),
            Dataflow::Is => view.vectors * row(view.rows),
            Dataflow::Os => view.vectors * row(view.columns),
        }
    }

    /// Completes a layer's counts; it kept the array busy for `cycles`.
    pub(super) fn finish(&self, mut counters: Counters, cycles: Cycles) -> Counters {
        let gemm = self.schedule.gemm;
        let macs = gemm.macs();
        counters.macs.insert(self.mapped.pair, Macs(macs));
        counters.idle_macs.insert(self.mapped.pair, Macs(self.schedule.peak() * cycles.0 - macs));
        // Every fold's sums update the accumulators; an output-stationary fold holds all of k.
        let updates = gemm.outputs() * gemm.k.div_ceil(self.schedule.k_per_fold());
        for (adder, additions) in self.widths.adders.into_iter().zip([macs, updates]) {
            *counters.additions.entry(adder).or_default() += Additions(additions);
        }
        counters
    }
}

/// What a step moves: bytes on the DRAM channel and words of the scratchpads.
#[derive(Clone, Copy)]
pub(super) struct StepCounts {
    dram_read: Bytes,
    dram_write: Bytes,
    activation: Accesses,
    weight_writes: Words,
    accumulator: Accesses,
}

impl StepCounts {
    pub(super) fn of(step: &Step, transport: &Transport, accelerator: &Accelerator) -> Self {
        let activation = |bits: u64| Words(words(bits, accelerator.activation()));
        let mut accesses = Accesses::default();
        // Filled from DRAM.
        accesses.writes += activation(step.input.bits) + activation(step.shortcut.bits);
        // Read by the vector unit, which writes the copy.
        accesses.reads += activation((step.quantized + step.walked) * transport.input_bits);
        accesses.writes += activation(step.quantized * transport.copy_bits.unwrap_or(0));
        if let Some((_, bits)) = transport.shortcut {
            accesses.reads += activation(step.outputs * bits);
        }
        // Written by the vector unit, read for DRAM.
        accesses.writes += activation(step.outputs * transport.output_bits);
        accesses.reads += activation(step.stored.bits);
        let accumulator = |bits: u64| Words(words(bits, accelerator.accumulator()));
        Self {
            dram_read: Bytes(
                step.input.bytes + step.shortcut.bytes + step.weights.bytes + step.spill_read.bytes,
            ),
            dram_write: Bytes(step.stored.bytes + step.spill_write.bytes),
            activation: accesses,
            weight_writes: Words(words(step.weights.bits, accelerator.weight())),
            accumulator: Accesses {
                reads: accumulator(step.spill_write.bits),
                writes: accumulator(step.spill_read.bits),
            },
        }
    }

    /// Adds those of so many such steps.
    pub(super) fn add_to(self, counters: &mut Counters, times: u64) {
        let accesses = |each: Accesses| Accesses {
            reads: Words(times * each.reads.0),
            writes: Words(times * each.writes.0),
        };
        counters.dram_read += Bytes(times * self.dram_read.0);
        counters.dram_write += Bytes(times * self.dram_write.0);
        counters.activation += accesses(self.activation);
        counters.weight.writes += Words(times * self.weight_writes.0);
        counters.accumulator += accesses(self.accumulator);
    }
}
