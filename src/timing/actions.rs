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

    /// Adds the registers and scratchpad words of a run of folds. Arrays that need the same operands share
    /// one read.
    pub(super) fn count(&self, run: FoldRun, counters: &mut Counters) {
        let mut each = FoldActions::default();
        for view in self.schedule.views(run.first) {
            match self.schedule.dataflow {
                Dataflow::Ws | Dataflow::Is => self.stationary(view, &mut each),
                Dataflow::Os => self.output_steps(view, &mut each),
            }
        }
        self.operand_words(run.first, &mut each);
        counters.register_bits += Bits(run.count * each.register_bits);
        counters.activation.reads += Words(run.count * each.activation_reads);
        counters.weight.reads += Words(run.count * each.weight_reads);
        let mut accesses = run.count * each.accumulator_words;
        let last = run.last();
        if self.schedule.dataflow == Dataflow::Os && last.k + last.depth == self.schedule.gemm.k {
            for view in self.schedule.views(last) {
                counters.register_bits += Bits(self.output_drain_bits(view));
                accesses += self.output_words(view);
            }
        }
        // What is preloaded is written before the first fold, which reads it.
        if self.preloads() && run.first.k == 0 {
            accesses += match self.schedule.dataflow {
                Dataflow::Ws | Dataflow::Is => each.accumulator_words,
                Dataflow::Os => self.schedule.views(run.first).map(|view| self.output_words(view)).sum(),
            };
        }
        // Sums are written, read back unless they are the first, and read once more when drained.
        counters.accumulator.writes += Words(accesses);
        counters.accumulator.reads += Words(accesses);
    }

    fn preloads(&self) -> bool {
        matches!(self.mapped.plan.mac, MacSpec::Integer(mac) if mac.bias == Bias::Preload)
    }

    /// Accumulator words of an output-stationary fold.
    fn output_words(&self, view: View) -> u64 {
        view.pixels * words(view.channels * self.widths.accumulator, self.accelerator.accumulator())
    }

    fn stationary(&self, view: View, each: &mut FoldActions) {
        let Widths { activation, weight, partial_sum, accumulator, .. } = self.widths;
        let lanes = self.schedule.lanes;
        let (moving, still, outputs) = match self.schedule.dataflow {
            Dataflow::Ws => (activation, weight, view.channels),
            Dataflow::Is | Dataflow::Os => (weight, activation, view.pixels),
        };
        let slot = lanes.along_k() * moving + lanes.along_n() * partial_sum;
        let chain = chain_writes(view.rows, self.accelerator.array().double_buffer());
        each.register_bits +=
            view.rows * view.columns * view.vectors * slot + chain * view.columns * lanes.count * still;
        each.accumulator_words += view.vectors * words(outputs * accumulator, self.accelerator.accumulator());
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

    pub(super) fn add_to(self, counters: &mut Counters) {
        counters.dram_read += self.dram_read;
        counters.dram_write += self.dram_write;
        counters.activation += self.activation;
        counters.weight.writes += self.weight_writes;
        counters.accumulator += self.accumulator;
    }
}
