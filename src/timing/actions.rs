//! What a layer does, counted: the array's actions fold by fold, the scratchpads' words step by step.

use crate::hardware::{Accelerator, Dataflow, OutputDrain, Scratchpad};
use crate::mapping::{Fold, MappedLayer, Schedule, Split, Step, Transport, View};
use crate::numerics::MacSpec;

use super::counters::{Accesses, Adder, Additions, Bits, Counters, Cycles, Macs, Words};

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
            MacSpec::Bf16(_) => (32, 32, [Adder::F32, Adder::F32]),
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

    /// Adds a fold's registers and scratchpad words. Arrays that need the same operands share one read.
    pub(super) fn count(&self, fold: Fold, counters: &mut Counters) {
        let widest = self.schedule.widest(fold);
        for view in self.schedule.views(fold) {
            match self.schedule.dataflow {
                Dataflow::Ws | Dataflow::Is => self.stationary(view, counters),
                Dataflow::Os => self.output_stationary(view, fold, counters),
            }
        }
        self.operand_words(fold, widest, counters);
    }

    fn stationary(&self, view: View, counters: &mut Counters) {
        let Widths { activation, weight, partial_sum, .. } = self.widths;
        let lanes = self.schedule.lanes;
        let (moving, still) = match self.schedule.dataflow {
            Dataflow::Ws => (activation, weight),
            Dataflow::Is | Dataflow::Os => (weight, activation),
        };
        let slot = lanes.along_k() * moving + lanes.along_n() * partial_sum;
        let chain = chain_writes(view.rows, self.accelerator.array().double_buffer());
        let bits =
            view.rows * view.columns * view.vectors * slot + chain * view.columns * lanes.count * still;
        counters.register_bits += Bits(bits);
        // Every vector's sums reach the accumulators; read back unless they are the first, and read once
        // more when drained, which is counted there.
        let outputs = match self.schedule.dataflow {
            Dataflow::Ws => view.channels,
            Dataflow::Is | Dataflow::Os => view.pixels,
        };
        let accesses =
            Words(view.vectors * words(outputs * self.widths.accumulator, self.accelerator.accumulator()));
        counters.accumulator.writes += accesses;
        counters.accumulator.reads += accesses;
    }

    fn output_stationary(&self, view: View, fold: Fold, counters: &mut Counters) {
        let Widths { activation, weight, partial_sum, accumulator, .. } = self.widths;
        let lanes = self.schedule.lanes;
        let slot = lanes.along_k() * activation + lanes.count * weight + lanes.along_n() * partial_sum;
        let mut bits = view.rows * view.columns * view.vectors * slot;
        if fold.k + fold.depth == self.schedule.gemm.k {
            // A sum of row r passes the registers of all rows below.
            let below: u64 = (0..view.rows).map(|row| self.schedule.rows - 1 - row).sum();
            let out = match self.accelerator.array().output_drain() {
                OutputDrain::Overlapped => view.rows,
                OutputDrain::Blocking => 0,
            };
            bits += (below + out) * view.columns * lanes.along_n() * partial_sum;
            let accesses =
                Words(view.pixels * words(view.channels * accumulator, self.accelerator.accumulator()));
            counters.accumulator.writes += accesses;
            counters.accumulator.reads += accesses;
        }
        counters.register_bits += Bits(bits);
    }

    /// Operands read for a fold. Arrays that divide channels share activations; pixels, weights.
    fn operand_words(&self, fold: Fold, widest: View, counters: &mut Counters) {
        let (mut activations, mut weights) = (0, 0);
        for view in self.schedule.views(fold) {
            activations += self.activation_words(view);
            weights += self.weight_words(view);
        }
        match self.schedule.split {
            Split::Channels => activations = self.activation_words(widest),
            Split::Pixels => weights = self.weight_words(widest),
        }
        counters.activation.reads += Words(activations);
        counters.weight.reads += Words(weights);
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

/// Words that enter and leave the scratchpads besides the operands streamed to the array.
pub(super) fn add_step_words(
    counters: &mut Counters,
    step: &Step,
    transport: &Transport,
    accelerator: &Accelerator,
) {
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
    counters.activation += accesses;
    counters.weight.writes += Words(words(step.weights.bits, accelerator.weight()));
    let accumulator = |bits: u64| Words(words(bits, accelerator.accumulator()));
    counters.accumulator +=
        Accesses { reads: accumulator(step.spill_write.bits), writes: accumulator(step.spill_read.bits) };
}
