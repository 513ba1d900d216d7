//! When everything happens: one DRAM channel, the arrays and one vector unit, tile after tile.
//!
//! A stage is what the array does between two waits for memory: load, (quantize), array, vector unit and
//! store. Stages overlap over double buffers; each resource serves them in a fixed order:
//!
//! - DRAM channel: the weights and the input of stage j + b before the results of stage j, where b is the
//!   number of buffers (2 or 1). The input of a layer's first stages follows the results of the layer
//!   before. Data are usable a latency after their transfer; latencies overlap.
//! - vector unit: the quantized copy of stage j + 1 before the results of stage j, but after them where
//!   j + 1 begins a layer.
//! - array: stage by stage; a layer begins when all that came before it has passed array and vector unit.
//!
//! Every start is the maximum over what it waits for, which makes this a max-plus recurrence.

use crate::hardware::Accelerator;
use crate::mapping::Buffer;

/// One stage: occupancies and distances in cycles, 0 where there is nothing to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// Index of the layer.
    pub layer: usize,
    /// Channel: weights.
    pub load_weights: u64,
    /// Channel: input and shortcut.
    pub load_input: u64,
    /// Channel: partial sums that come back.
    pub load_partial_sums: u64,
    /// Vector unit: the input's copy on the operand's grid.
    pub quantize: u64,
    /// Array: from the start of the stage before, in the same layer.
    pub gap: u64,
    /// Array: weights are on chip so long before the start.
    pub weight_lead: u64,
    /// Array: the input is on chip so long before the start.
    pub input_lead: u64,
    /// Array: from the start until the weights' buffer is free.
    pub weights_used: u64,
    /// Array: from the start until the input's buffer is free.
    pub input_used: u64,
    /// Array: from the start until the last sum is readable.
    pub array: u64,
    /// Array: from the start until sums begin to reach the accumulators, at most.
    pub fill: u64,
    /// Vector unit: results.
    pub vector: u64,
    /// Channel: results.
    pub store: u64,
    /// Channel: partial sums that do not fit.
    pub store_partial_sums: u64,
    /// Weight scratchpad.
    pub weight_buffer: Buffer,
    /// Activation scratchpad, input side.
    pub input_buffer: Buffer,
    /// Accumulator scratchpad.
    pub accumulator_buffer: Buffer,
    /// Activation scratchpad, output side.
    pub output_buffer: Buffer,
}

/// What stages share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// DRAM latency in cycles.
    pub latency: u64,
    /// Buffers of the weight scratchpad, 1 or 2.
    pub weight_buffers: usize,
    /// Buffers of the activation scratchpad, 1 or 2.
    pub activation_buffers: usize,
    /// Buffers of the accumulator scratchpad, 1 or 2.
    pub accumulator_buffers: usize,
}

impl Machine {
    /// What an accelerator's stages share.
    pub fn of(accelerator: &Accelerator) -> Self {
        Self {
            latency: accelerator.dram().latency_cycles(),
            weight_buffers: accelerator.weight().buffers(),
            activation_buffers: accelerator.activation().buffers(),
            accumulator_buffers: accelerator.accumulator().buffers(),
        }
    }
}

/// The buffers of a scratchpad, used in turn: `turns[j]` is the how-manieth use stage j belongs to.
struct Buffers {
    count: usize,
    turns: Vec<u32>,
    /// When each use ends.
    free: Vec<u64>,
}

impl Buffers {
    /// Before the first of `stages` stages is known.
    fn new(count: usize, stages: usize) -> Self {
        Self { count, turns: Vec::with_capacity(stages), free: vec![0] }
    }

    /// The next stage's buffer.
    fn push(&mut self, buffer: Buffer) {
        if buffer == Buffer::Next {
            self.free.push(0);
        }
        self.turns.push(u32::try_from(self.free.len() - 1).expect("stages fit the memory"));
    }

    /// The cycle from which a stage may fill its buffer.
    fn free_at(&self, stage: usize) -> u64 {
        (self.turns[stage] as usize).checked_sub(self.count).map_or(0, |turn| self.free[turn])
    }

    /// A stage needs its buffer until `cycle`.
    fn used(&mut self, stage: usize, cycle: u64) {
        let free = &mut self.free[self.turns[stage] as usize];
        *free = (*free).max(cycle);
    }
}

struct Recurrence<'a> {
    stages: &'a [Stage],
    latency: u64,
    channel: u64,
    vector_unit: u64,
    weights: Buffers,
    input: Buffers,
    accumulators: Buffers,
    output: Buffers,
    /// When each stage's weights and input are usable.
    weights_at: Vec<u64>,
    input_at: Vec<u64>,
    /// Everything before the current layer has passed array and vector unit; and is written.
    passed: u64,
    written: u64,
}

/// What a stage asks for concerns at most so many stages after it: one per buffer.
const AHEAD: usize = 2;

impl Recurrence<'_> {
    fn take_buffers(&mut self, stage: &Stage) {
        self.weights.push(stage.weight_buffer);
        self.input.push(stage.input_buffer);
        self.accumulators.push(stage.accumulator_buffer);
        self.output.push(stage.output_buffer);
    }

    /// Occupies the channel; returns when the data are usable.
    fn transfer(&mut self, ready: u64, occupancy: u64) -> u64 {
        self.channel = self.channel.max(ready) + occupancy;
        self.channel + self.latency
    }

    fn request_weights(&mut self, index: usize) {
        let Some(stage) = self.stages.get(index) else { return };
        if stage.load_weights > 0 {
            self.weights_at[index] = self.transfer(self.weights.free_at(index), stage.load_weights);
        }
    }

    /// Only within `layer`: a later layer's input waits for this one's results.
    fn request_input(&mut self, index: usize, layer: usize) {
        let Some(stage) = self.stages.get(index).filter(|stage| stage.layer == layer) else { return };
        if stage.load_input > 0 {
            let ready = self.input.free_at(index).max(self.written);
            self.input_at[index] = self.transfer(ready, stage.load_input);
        }
    }

    fn quantize(&mut self, index: usize) {
        let occupancy = self.stages[index].quantize;
        if occupancy > 0 {
            let ready = self.input_at[index].max(self.input.free_at(index)).max(self.passed);
            self.vector_unit = self.vector_unit.max(ready) + occupancy;
            self.input_at[index] = self.vector_unit;
        }
    }
}

/// The cycle in which each layer of `layers` is complete, first DRAM command at 0.
pub fn completions(stages: &[Stage], layers: usize, machine: Machine) -> Vec<u64> {
    let Machine { latency, weight_buffers, activation_buffers, accumulator_buffers } = machine;
    let buffers = |count| Buffers::new(count, stages.len());
    let mut run = Recurrence {
        stages,
        latency,
        channel: 0,
        vector_unit: 0,
        weights: buffers(weight_buffers),
        input: buffers(activation_buffers),
        accumulators: buffers(accumulator_buffers),
        output: buffers(activation_buffers),
        weights_at: vec![0; stages.len()],
        input_at: vec![0; stages.len()],
        passed: 0,
        written: 0,
    };
    stages.iter().take(AHEAD).for_each(|stage| run.take_buffers(stage));
    let mut complete = vec![0; layers];
    let (mut previous_start, mut spilled_at) = (0, 0);
    let (mut passed, mut written) = (0, 0);
    (0..weight_buffers).for_each(|index| run.request_weights(index));
    for (index, stage) in stages.iter().enumerate() {
        // Only now: all stages at once do not stay in any cache.
        stages.get(index + AHEAD).into_iter().for_each(|ahead| run.take_buffers(ahead));
        let begins_layer = index == 0 || stages[index - 1].layer != stage.layer;
        if begins_layer {
            (run.passed, run.written) = (passed, written);
            (index..index + activation_buffers).for_each(|index| run.request_input(index, stage.layer));
            run.quantize(index);
        }
        let after_the_stage_before = if begins_layer {
            passed + stage.weight_lead.max(stage.input_lead)
        } else {
            previous_start + stage.gap
        };
        let mut start = after_the_stage_before
            .max(run.weights_at[index] + stage.weight_lead)
            .max(run.input_at[index] + stage.input_lead)
            .max(run.accumulators.free_at(index).saturating_sub(stage.fill));
        if stage.load_partial_sums > 0 {
            start = start.max(run.transfer(spilled_at, stage.load_partial_sums));
        }
        previous_start = start;
        run.weights.used(index, start + stage.weights_used);
        run.input.used(index, start + stage.input_used);
        run.request_weights(index + weight_buffers);
        run.request_input(index + activation_buffers, stage.layer);
        if stages.get(index + 1).is_some_and(|next| next.layer == stage.layer) {
            run.quantize(index + 1);
        }
        let array_end = start + stage.array;
        if stage.store_partial_sums > 0 {
            spilled_at = run.transfer(array_end, stage.store_partial_sums);
        }
        let mut results = array_end;
        if stage.vector > 0 {
            let ready = array_end.max(run.output.free_at(index));
            run.vector_unit = run.vector_unit.max(ready) + stage.vector;
            results = run.vector_unit;
        }
        run.accumulators.used(index, results);
        passed = passed.max(results);
        if stage.store > 0 {
            let stored = run.transfer(results, stage.store);
            run.output.used(index, stored);
            written = written.max(stored);
        }
        complete[stage.layer] = passed.max(written);
    }
    complete
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Machine =
        Machine { latency: 5, weight_buffers: 2, activation_buffers: 2, accumulator_buffers: 2 };

    /// Loads of 10, 20 in the array, 4 in the vector unit, stores of 3.
    fn stage(layer: usize) -> Stage {
        Stage {
            layer,
            load_weights: 10,
            gap: 20,
            weights_used: 20,
            input_used: 20,
            array: 20,
            vector: 4,
            store: 3,
            weight_buffer: Buffer::Next,
            input_buffer: Buffer::Next,
            accumulator_buffer: Buffer::Next,
            output_buffer: Buffer::Next,
            ..Stage::default()
        }
    }

    #[test]
    fn a_single_stage_loads_works_and_stores() {
        assert_eq!(completions(&[stage(0)], 1, MACHINE), [10 + 5 + 20 + 4 + 3 + 5]);
    }

    #[test]
    fn the_array_hides_loads_that_are_shorter() {
        let stages = [stage(0); 5];
        assert_eq!(completions(&stages, 1, MACHINE), [10 + 5 + 5 * 20 + 4 + 3 + 5]);
    }

    /// One buffer: stage j + 1 loads when stage j has left the array; its results go out meanwhile.
    #[test]
    fn a_single_buffer_loads_after_the_array() {
        let machine = Machine { weight_buffers: 1, ..MACHINE };
        assert_eq!(completions(&[stage(0); 3], 1, machine), [3 * (10 + 5 + 20) + 4 + 3 + 5]);
    }

    /// The channel is occupied 13 cycles per stage and works without a pause from the first load on:
    /// two loads ahead, then a store and a load per stage.
    #[test]
    fn a_slow_channel_sets_the_pace() {
        let slow = Stage { load_weights: 40, store: 30, ..stage(0) };
        let found = completions(&[slow; 6], 1, MACHINE)[0];
        assert!((6 * 70..6 * 70 + 20 + 4 + 2 * 5).contains(&found), "{found}");
    }

    /// The next layer's weights come while this one computes; its input waits for these results.
    #[test]
    fn weights_are_fetched_ahead_across_layers_and_inputs_are_not() {
        let first = stage(0);
        let weights_only = completions(&[first, stage(1)], 2, MACHINE);
        assert_eq!(weights_only, [47, 15 + 20 + 4 + 20 + 4 + 3 + 5]);
        let with_input = completions(&[first, Stage { load_input: 2, ..stage(1) }], 2, MACHINE);
        assert_eq!(with_input, [47, 47 + 2 + 5 + 20 + 4 + 3 + 5]);
    }

    #[test]
    fn spilled_partial_sums_come_back_before_the_array_goes_on() {
        let out = Stage { store_partial_sums: 7, vector: 0, store: 0, ..stage(0) };
        let back = Stage { load_partial_sums: 7, ..stage(0) };
        let found = completions(&[out, back], 1, MACHINE);
        assert_eq!(found, [15 + 20 + 7 + 5 + 7 + 5 + 20 + 4 + 3 + 5]);
    }
}
