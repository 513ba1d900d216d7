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
//! Every start is the maximum over what it waits for, which makes this a max-plus recurrence: where stages repeat, it
//! becomes periodic, and the rest follows without being calculated.

use crate::hardware::Accelerator;
use crate::mapping::Buffer;

use super::stages::{Stage, StageIndex, Stages};

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

/// Stages ahead of the one in the array whose operands may be asked for: one per buffer.
const AHEAD: usize = 2;

/// When the last uses of a scratchpad's buffers end: of the turn before the last, of the last and of this one.
type Turns = [u64; AHEAD + 1];

/// The cycles that decide when later stages start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Times {
    /// When the channel and the vector unit are free.
    channel: u64,
    vector_unit: u64,
    /// When the last stage started.
    start: u64,
    /// When the last partial sums that did not fit are in DRAM.
    spilled: u64,
    /// When all stages so far have passed array and vector unit; and are written.
    passed: u64,
    written: u64,
    /// The same of all layers before.
    passed_before: u64,
    written_before: u64,
    /// When weights and input are usable: of the stage in the array and of those ahead.
    weights_at: [u64; AHEAD + 1],
    input_at: [u64; AHEAD + 1],
    weights: Turns,
    input: Turns,
    accumulators: Turns,
    output: Turns,
}

/// Which of [`Times::all`] are later than before, and by how much.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Delay {
    cycles: u64,
    moves: [bool; Times::COUNT],
}

impl Times {
    const COUNT: usize = 8 + 6 * (AHEAD + 1);

    fn all(&mut self) -> [&mut u64; Self::COUNT] {
        let Self {
            channel, vector_unit, start, spilled, passed, written, passed_before, written_before, ..
        } = self;
        let [a, b, c] = &mut self.weights_at;
        let [d, e, f] = &mut self.input_at;
        let [g, h, i] = &mut self.weights;
        let [j, k, l] = &mut self.input;
        let [m, n, o] = &mut self.accumulators;
        let [p, q, r] = &mut self.output;
        [
            channel,
            vector_unit,
            start,
            spilled,
            passed,
            written,
            passed_before,
            written_before,
            a,
            b,
            c,
            d,
            e,
            f,
            g,
            h,
            i,
            j,
            k,
            l,
            m,
            n,
            o,
            p,
            q,
            r,
        ]
    }

    /// How everything that decides has moved since `before`, [`PERIOD`] repetitions ago: by the same number of
    /// cycles. What has not moved must lie behind so far that it decides nothing; no lead is longer than `lead`.
    fn delay_since(mut self, mut before: Self, lead: u64) -> Option<Delay> {
        let cycles = self.start - before.start;
        if cycles == 0 {
            return None;
        }
        let mut decides = before.start.saturating_sub(lead);
        for (now, before) in [(self.channel, before.channel), (self.vector_unit, before.vector_unit)] {
            if now != before {
                decides = decides.min(before);
            }
        }
        let mut moves = [false; Self::COUNT];
        for (index, (now, before)) in self.all().into_iter().zip(before.all()).enumerate() {
            // The channel and the vector unit, where they have no work, are asked for nothing.
            let idle = index < 2;
            moves[index] = *now == *before + cycles;
            if !moves[index] && (*now != *before || *now >= decides && !idle) {
                return None;
            }
        }
        Some(Delay { cycles, moves })
    }

    fn delay(&mut self, delay: Delay, times: u64) {
        for (time, moves) in self.all().into_iter().zip(delay.moves) {
            if moves {
                *time += times * delay.cycles;
            }
        }
    }
}

/// When a stage `ahead` of this one, which begins `next` buffers more, may fill its buffer, of `count`.
fn free(turns: &Turns, count: usize, next: usize) -> u64 {
    turns[AHEAD + next - count]
}

/// The oldest goes.
fn next<T>([_, older, newer]: [T; AHEAD + 1], newest: T) -> [T; AHEAD + 1] {
    [older, newer, newest]
}

fn begin(turns: &mut Turns, buffer: Buffer) {
    if buffer == Buffer::Next {
        *turns = next(*turns, 0);
    }
}

/// The buffer of this stage is needed until `cycle`.
fn used(turns: &mut Turns, cycle: u64) {
    turns[AHEAD] = turns[AHEAD].max(cycle);
}

/// A stage that is waiting for the array.
#[derive(Clone, Copy)]
struct Waiting<'a> {
    stage: &'a Stage,
    begins_layer: bool,
}

impl PartialEq for Waiting<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.stage, other.stage) && self.begins_layer == other.begins_layer
    }
}

struct Recurrence<'a> {
    stages: &'a [Stage],
    machine: Machine,
    /// The longest lead of all stages.
    lead: u64,
    times: Times,
    /// The stage in the array and those ahead.
    window: [Option<Waiting<'a>>; AHEAD + 1],
    begins_layer: bool,
    /// When each layer was complete.
    complete: Vec<u64>,
}

impl<'a> Recurrence<'a> {
    fn ahead(&self, ahead: usize) -> Option<&'a Stage> {
        self.window[ahead].map(|waiting| waiting.stage)
    }

    /// Buffers that the stages from the next to that `ahead` begin.
    fn begun(&self, ahead: usize, buffer: fn(&Stage) -> Buffer) -> usize {
        (1..=ahead)
            .filter_map(|ahead| self.ahead(ahead))
            .filter(|stage| buffer(stage) == Buffer::Next)
            .count()
    }

    /// Occupies the channel; returns when the data are usable.
    fn transfer(&mut self, ready: u64, occupancy: u64) -> u64 {
        self.times.channel = self.times.channel.max(ready) + occupancy;
        self.times.channel + self.machine.latency
    }

    fn request_weights(&mut self, ahead: usize) {
        let Some(&Stage { load_weights, .. }) = self.ahead(ahead) else { return };
        if load_weights > 0 {
            let next = self.begun(ahead, |stage| stage.weight_buffer);
            let ready = free(&self.times.weights, self.machine.weight_buffers, next);
            self.times.weights_at[ahead] = self.transfer(ready, load_weights);
        }
    }

    /// Whether the stage so far ahead belongs to this one's layer: a later layer's input waits for this one's results.
    fn is_of_this_layer(&self, ahead: usize) -> bool {
        self.window[1..=ahead].iter().flatten().all(|waiting| !waiting.begins_layer)
    }

    fn input_free(&self, ahead: usize) -> u64 {
        let next = self.begun(ahead, |stage| stage.input_buffer);
        free(&self.times.input, self.machine.activation_buffers, next)
    }

    fn request_input(&mut self, ahead: usize) {
        let Some(&Stage { load_input, .. }) = self.ahead(ahead) else { return };
        if load_input > 0 && self.is_of_this_layer(ahead) {
            let ready = self.input_free(ahead).max(self.times.written_before);
            self.times.input_at[ahead] = self.transfer(ready, load_input);
        }
    }

    fn quantize(&mut self, ahead: usize) {
        let Some(&Stage { quantize, .. }) = self.ahead(ahead) else { return };
        if quantize > 0 && self.is_of_this_layer(ahead) {
            let ready = self.times.input_at[ahead].max(self.input_free(ahead)).max(self.times.passed_before);
            self.times.vector_unit = self.times.vector_unit.max(ready) + quantize;
            self.times.input_at[ahead] = self.times.vector_unit;
        }
    }

    /// The next stage waits for the array; the first that waits enters it.
    fn push(&mut self, stage: StageIndex) {
        let begins_layer = std::mem::take(&mut self.begins_layer);
        self.follow(Some(Waiting { stage: &self.stages[stage], begins_layer }));
    }

    fn follow(&mut self, waiting: Option<Waiting<'a>>) {
        self.window = next(self.window, waiting);
        let Some(Waiting { stage, begins_layer }) = self.window[0] else { return };
        let times = &mut self.times;
        times.weights_at = next(times.weights_at, 0);
        times.input_at = next(times.input_at, 0);
        begin(&mut times.weights, stage.weight_buffer);
        begin(&mut times.input, stage.input_buffer);
        begin(&mut times.accumulators, stage.accumulator_buffer);
        begin(&mut times.output, stage.output_buffer);
        if begins_layer {
            self.enter_layer();
        }
        self.enter_array(stage, begins_layer);
    }

    fn enter_layer(&mut self) {
        let Machine { weight_buffers, activation_buffers, .. } = self.machine;
        if self.complete.is_empty() {
            (0..weight_buffers).for_each(|ahead| self.request_weights(ahead));
        }
        self.complete.push(0);
        (self.times.passed_before, self.times.written_before) = (self.times.passed, self.times.written);
        (0..activation_buffers).for_each(|ahead| self.request_input(ahead));
        self.quantize(0);
    }

    fn enter_array(&mut self, stage: &Stage, begins_layer: bool) {
        let Machine { weight_buffers, activation_buffers, accumulator_buffers, .. } = self.machine;
        let times = &mut self.times;
        let after_the_stage_before = if begins_layer {
            times.passed_before + stage.weight_lead.max(stage.input_lead)
        } else {
            times.start + stage.gap
        };
        let mut start = after_the_stage_before
            .max(times.weights_at[0] + stage.weight_lead)
            .max(times.input_at[0] + stage.input_lead)
            .max(free(&times.accumulators, accumulator_buffers, 0).saturating_sub(stage.fill));
        if stage.load_partial_sums > 0 {
            start = start.max(self.transfer(self.times.spilled, stage.load_partial_sums));
        }
        self.times.start = start;
        used(&mut self.times.weights, start + stage.weights_used);
        used(&mut self.times.input, start + stage.input_used);
        self.request_weights(weight_buffers);
        self.request_input(activation_buffers);
        self.quantize(1);
        let array_end = start + stage.array;
        if stage.store_partial_sums > 0 {
            self.times.spilled = self.transfer(array_end, stage.store_partial_sums);
        }
        let mut results = array_end;
        if stage.vector > 0 {
            let ready = array_end.max(free(&self.times.output, activation_buffers, 0));
            self.times.vector_unit = self.times.vector_unit.max(ready) + stage.vector;
            results = self.times.vector_unit;
        }
        used(&mut self.times.accumulators, results);
        self.times.passed = self.times.passed.max(results);
        if stage.store > 0 {
            let stored = self.transfer(results, stage.store);
            used(&mut self.times.output, stored);
            self.times.written = self.times.written.max(stored);
        }
        self.complete_layer();
    }

    /// As far as it has come.
    fn complete_layer(&mut self) {
        if let Some(complete) = self.complete.last_mut() {
            *complete = self.times.passed.max(self.times.written);
        }
    }

    /// Does `once` so many times. As soon as nothing but the time changes, the rest follows: whatever happens is a
    /// maximum of times, or a time and a constant.
    fn repeat(&mut self, times: u64, once: impl Fn(&mut Self)) {
        let mut left = times;
        while left > 2 * PERIOD {
            let before = (self.times, self.window);
            (0..PERIOD).for_each(|_| once(self));
            left -= PERIOD;
            if self.window == before.1
                && let Some(delay) = self.times.delay_since(before.0, self.lead)
            {
                self.times.delay(delay, left / PERIOD);
                self.complete_layer();
                left %= PERIOD;
            }
        }
        (0..left).for_each(|_| once(self));
    }
}

/// Times of what repeats that are compared with as many before: in fewer, the turns of a buffer may still be of before.
const PERIOD: u64 = AHEAD as u64 + 1;

/// The cycle in which each layer is complete, first DRAM command at 0.
pub fn completions(stages: &Stages, machine: Machine) -> Vec<u64> {
    let mut run = Recurrence {
        stages: stages.distinct(),
        machine,
        lead: stages
            .distinct()
            .iter()
            .map(|stage| stage.weight_lead.max(stage.input_lead))
            .max()
            .unwrap_or(0),
        times: Times::default(),
        window: [None; AHEAD + 1],
        begins_layer: false,
        complete: Vec::new(),
    };
    for tiles in stages.layers() {
        run.begins_layer = true;
        for tile in tiles {
            run.repeat(tile.times(), |run| {
                run.push(tile.first());
                for (runs, times) in tile.blocks() {
                    run.repeat(times, |run| {
                        runs.iter().for_each(|equal| run.repeat(equal.times, |run| run.push(equal.stage)));
                    });
                }
            });
        }
    }
    (0..AHEAD).for_each(|_| run.follow(None));
    run.complete
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Machine =
        Machine { latency: 5, weight_buffers: 2, activation_buffers: 2, accumulator_buffers: 2 };

    /// Loads of 10, 20 in the array, 4 in the vector unit, stores of 3.
    fn stage() -> Stage {
        Stage {
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

    /// Layers of stages.
    fn completions<const STAGES: usize>(layers: &[[Stage; STAGES]], machine: Machine) -> Vec<u64> {
        let mut stages = Stages::default();
        for layer in layers {
            let (first, rest) = layer.split_first().unwrap();
            stages.begin_layer();
            rest.iter().for_each(|stage| stages.push(*stage, 1));
            let rest = stages.rest();
            stages.place(*first, &rest);
        }
        super::completions(&stages, machine)
    }

    #[test]
    fn a_single_stage_loads_works_and_stores() {
        assert_eq!(completions(&[[stage()]], MACHINE), [10 + 5 + 20 + 4 + 3 + 5]);
    }

    #[test]
    fn the_array_hides_loads_that_are_shorter() {
        assert_eq!(completions(&[[stage(); 5]], MACHINE), [10 + 5 + 5 * 20 + 4 + 3 + 5]);
    }

    /// One buffer: stage j + 1 loads when stage j has left the array; its results go out meanwhile.
    #[test]
    fn a_single_buffer_loads_after_the_array() {
        let machine = Machine { weight_buffers: 1, ..MACHINE };
        assert_eq!(completions(&[[stage(); 3]], machine), [3 * (10 + 5 + 20) + 4 + 3 + 5]);
    }

    /// The channel is occupied 13 cycles per stage and works without a pause from the first load on:
    /// two loads ahead, then a store and a load per stage.
    #[test]
    fn a_slow_channel_sets_the_pace() {
        let slow = Stage { load_weights: 40, store: 30, ..stage() };
        let found = completions(&[[slow; 6]], MACHINE)[0];
        assert!((6 * 70..6 * 70 + 20 + 4 + 2 * 5).contains(&found), "{found}");
    }

    /// The next layer's weights come while this one computes; its input waits for these results.
    #[test]
    fn weights_are_fetched_ahead_across_layers_and_inputs_are_not() {
        let first = stage();
        let weights_only = completions(&[[first], [stage()]], MACHINE);
        assert_eq!(weights_only, [47, 15 + 20 + 4 + 20 + 4 + 3 + 5]);
        let with_input = completions(&[[first], [Stage { load_input: 2, ..stage() }]], MACHINE);
        assert_eq!(with_input, [47, 47 + 2 + 5 + 20 + 4 + 3 + 5]);
    }

    #[test]
    fn spilled_partial_sums_come_back_before_the_array_goes_on() {
        let out = Stage { store_partial_sums: 7, vector: 0, store: 0, ..stage() };
        let back = Stage { load_partial_sums: 7, ..stage() };
        let found = completions(&[[out, back]], MACHINE);
        assert_eq!(found, [15 + 20 + 7 + 5 + 7 + 5 + 20 + 4 + 3 + 5]);
    }
}
