//! Does an event queue that shares no code with the recurrence complete every layer in the same cycle?
//!
//! Written from docs/model.md, *Cycles, Memory*: a channel, the arrays and a vector unit are processes that serve
//! their queues in the documented order; the head of a queue waits for gates (data that arrive, buffers that are
//! handed back, layers that are through), and gates are opened by events.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Deref;

use systolab::explore::map_network;
use systolab::hardware::{Accelerator, SHIPPED};
use systolab::mapping::Buffer;
use systolab::source::SourceFile;
use systolab::timing::{Machine, Regime, Stage, Stages, completions, stages};
use systolab::workload::{self, Workload};

/// Something that has happened once as many events as `missing` have come.
#[derive(Clone, Copy, Default)]
struct Gate {
    missing: usize,
    /// The last event so far.
    time: u64,
}

type GateId = usize;

/// Work for one process. Nothing is queued where there is nothing to do, except for the array, through which
/// every stage goes.
#[derive(Default)]
struct Job {
    occupancy: u64,
    /// Starts so many cycles after a gate has opened.
    after: Vec<(GateId, u64)>,
    /// Starts at most so many cycles before a gate opens.
    ahead_of: Vec<(GateId, u64)>,
    /// Events so many cycles after the start.
    tells: Vec<(GateId, u64)>,
}

/// A resource that serves its jobs in order, one at a time.
#[derive(Default)]
struct Process {
    queue: VecDeque<Job>,
    free: u64,
}

#[derive(Default)]
struct Simulation {
    gates: Vec<Gate>,
    events: BinaryHeap<Reverse<(u64, GateId)>>,
}

impl Simulation {
    fn gate(&mut self) -> GateId {
        self.gates.push(Gate::default());
        self.gates.len() - 1
    }

    /// An event will open `gate`, `delay` after `job` starts.
    fn tells(&mut self, job: &mut Job, gate: GateId, delay: u64) {
        self.gates[gate].missing += 1;
        job.tells.push((gate, delay));
    }

    /// Starts what can start. An array may start before the accumulators that it will fill are free, hence
    /// before that was known; as all orders are fixed, nobody else could have gone first meanwhile.
    fn serve(&mut self, process: &mut Process) {
        while let Some(job) = process.queue.front() {
            let gates = job.after.iter().chain(&job.ahead_of);
            if gates.clone().any(|&(gate, _)| self.gates[gate].missing > 0) {
                return;
            }
            let job = process.queue.pop_front().unwrap();
            let mut start = process.free;
            for (gate, delay) in job.after {
                start = start.max(self.gates[gate].time + delay);
            }
            for (gate, ahead) in job.ahead_of {
                start = start.max(self.gates[gate].time.saturating_sub(ahead));
            }
            process.free = start + job.occupancy;
            for (gate, delay) in job.tells {
                self.events.push(Reverse((start + delay, gate)));
            }
        }
    }

    fn run(&mut self, mut processes: [Process; 3]) {
        loop {
            for process in &mut processes {
                self.serve(process);
            }
            let Some(Reverse((time, gate))) = self.events.pop() else { break };
            let gate = &mut self.gates[gate];
            gate.missing -= 1;
            gate.time = gate.time.max(time);
        }
        assert!(processes.iter().all(|process| process.queue.is_empty()), "deadlock");
    }
}

/// A stage in its layer.
#[derive(Clone, Copy, Debug)]
struct Placed {
    layer: usize,
    stage: Stage,
}

impl Deref for Placed {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

fn placed(stages: &Stages) -> Vec<Placed> {
    stages.iter().map(|(layer, &stage)| Placed { layer, stage }).collect()
}

/// Buffers of a scratchpad that are handed out in turns. A turn ends when all its stages are done with it.
struct Scratchpad {
    buffers: usize,
    /// The turn of each stage, and when each turn ends.
    turn: Vec<usize>,
    ends: Vec<GateId>,
}

impl Scratchpad {
    fn new(s: &mut Simulation, buffers: usize, stages: &[Placed], buffer: fn(&Stage) -> Buffer) -> Self {
        let (mut turn, mut ends) = (Vec::new(), Vec::new());
        for stage in stages {
            if ends.is_empty() || buffer(stage) == Buffer::Next {
                ends.push(s.gate());
            }
            turn.push(ends.len() - 1);
        }
        Self { buffers, turn, ends }
    }

    /// Opens when a stage is done.
    fn end(&self, stage: usize) -> GateId {
        self.ends[self.turn[stage]]
    }

    /// Opens when a stage may fill its buffer: the end of the turn that had it before, if any.
    fn free(&self, stage: usize) -> Option<(GateId, u64)> {
        let before = self.turn[stage].checked_sub(self.buffers)?;
        Some((self.ends[before], 0))
    }
}

/// Cycle in which each layer and all before it are complete.
fn simulate(stages: &[Placed], layers: usize, machine: Machine) -> Vec<u64> {
    let s = &mut Simulation::default();
    let weights = Scratchpad::new(s, machine.weight_buffers, stages, |stage| stage.weight_buffer);
    let inputs = Scratchpad::new(s, machine.activation_buffers, stages, |stage| stage.input_buffer);
    let sums = Scratchpad::new(s, machine.accumulator_buffers, stages, |stage| stage.accumulator_buffer);
    let outputs = Scratchpad::new(s, machine.activation_buffers, stages, |stage| stage.output_buffer);
    // Per layer: out of array and vector unit; results in DRAM.
    let through: Vec<GateId> = (0..layers).map(|_| s.gate()).collect();
    let written: Vec<GateId> = (0..layers).map(|_| s.gate()).collect();
    // Per stage: last sum readable; results made.
    let summed: Vec<GateId> = stages.iter().map(|_| s.gate()).collect();
    let made: Vec<GateId> = stages.iter().map(|_| s.gate()).collect();
    // Per stage: operands and partial sums are there; the last partial sums of its layer are in DRAM.
    let weights_here: Vec<GateId> = stages.iter().map(|_| s.gate()).collect();
    let input_here: Vec<GateId> = stages.iter().map(|_| s.gate()).collect();
    let copy_here: Vec<GateId> = stages.iter().map(|_| s.gate()).collect();
    let sums_here: Vec<GateId> = stages.iter().map(|_| s.gate()).collect();
    let spilled: Vec<GateId> = (0..=stages.len()).map(|_| s.gate()).collect();
    let earlier = |gates: &[GateId], layer: usize| -> Vec<(GateId, u64)> {
        gates[..layer].iter().map(|&gate| (gate, 0)).collect()
    };
    let begins = |j: usize| j == 0 || stages[j].layer != stages[j - 1].layer;

    let mut channel = Process::default();
    let fetch_weights = |s: &mut Simulation, channel: &mut Process, j: usize| {
        let occupancy = stages.get(j).map_or(0, |stage| stage.load_weights);
        if occupancy > 0 {
            let mut job = Job { occupancy, after: weights.free(j).into_iter().collect(), ..Job::default() };
            s.tells(&mut job, weights_here[j], occupancy + machine.latency);
            channel.queue.push_back(job);
        }
    };
    let fetch_input = |s: &mut Simulation, channel: &mut Process, j: usize, layer: usize| {
        let Some(stage) = stages.get(j).filter(|stage| stage.layer == layer && stage.load_input > 0) else {
            return;
        };
        let mut job = Job { occupancy: stage.load_input, after: earlier(&written, layer), ..Job::default() };
        job.after.extend(inputs.free(j));
        s.tells(&mut job, input_here[j], stage.load_input + machine.latency);
        channel.queue.push_back(job);
    };
    for j in 0..machine.weight_buffers {
        fetch_weights(s, &mut channel, j);
    }
    for (j, stage) in stages.iter().enumerate() {
        if begins(j) {
            for ahead in 0..machine.activation_buffers {
                fetch_input(s, &mut channel, j + ahead, stage.layer);
            }
        }
        if stage.load_partial_sums > 0 {
            let mut job = Job { occupancy: stage.load_partial_sums, ..Job::default() };
            let first = (0..=j).rev().find(|&i| begins(i)).unwrap();
            job.after.extend(spilled[first..j].iter().map(|&gate| (gate, 0)));
            job.after.extend(sums.free(j));
            s.tells(&mut job, sums_here[j], stage.load_partial_sums + machine.latency);
            channel.queue.push_back(job);
        }
        fetch_weights(s, &mut channel, j + machine.weight_buffers);
        fetch_input(s, &mut channel, j + machine.activation_buffers, stage.layer);
        if stage.store_partial_sums > 0 {
            let occupancy = stage.store_partial_sums;
            let mut job = Job { occupancy, after: vec![(summed[j], 0)], ..Job::default() };
            s.tells(&mut job, sums.end(j), occupancy);
            s.tells(&mut job, spilled[j], occupancy + machine.latency);
            channel.queue.push_back(job);
        }
        if stage.store > 0 {
            let mut job = Job { occupancy: stage.store, after: vec![(made[j], 0)], ..Job::default() };
            s.tells(&mut job, outputs.end(j), stage.store + machine.latency);
            s.tells(&mut job, written[stage.layer], stage.store + machine.latency);
            channel.queue.push_back(job);
        }
    }

    let mut vector = Process::default();
    let quantize = |s: &mut Simulation, vector: &mut Process, j: usize| {
        let Some(stage) = stages.get(j).filter(|stage| stage.quantize > 0) else { return };
        let mut job =
            Job { occupancy: stage.quantize, after: earlier(&through, stage.layer), ..Job::default() };
        job.after.push((input_here[j], 0));
        job.after.extend(inputs.free(j));
        s.tells(&mut job, copy_here[j], stage.quantize);
        s.tells(&mut job, through[stage.layer], stage.quantize);
        vector.queue.push_back(job);
    };
    let results = |s: &mut Simulation, vector: &mut Process, j: usize| {
        let stage = &stages[j];
        if stage.vector > 0 {
            let mut job = Job { occupancy: stage.vector, after: vec![(summed[j], 0)], ..Job::default() };
            job.after.extend(outputs.free(j));
            for gate in [sums.end(j), outputs.end(j), made[j], through[stage.layer]] {
                s.tells(&mut job, gate, stage.vector);
            }
            vector.queue.push_back(job);
        }
    };
    quantize(s, &mut vector, 0);
    for j in 0..stages.len() {
        if j + 1 < stages.len() && begins(j + 1) {
            results(s, &mut vector, j);
            quantize(s, &mut vector, j + 1);
        } else {
            quantize(s, &mut vector, j + 1);
            results(s, &mut vector, j);
        }
    }

    let mut array = Process::default();
    for (j, stage) in stages.iter().enumerate() {
        let next = stages.get(j + 1).filter(|next| next.layer == stage.layer);
        let mut job = Job { occupancy: next.map_or(0, |next| next.gap), ..Job::default() };
        let lead = stage.weight_lead.max(stage.input_lead);
        if begins(j) {
            job.after.extend(earlier(&through, stage.layer).into_iter().map(|(gate, _)| (gate, lead)));
        }
        job.after.push((weights_here[j], stage.weight_lead));
        let operand = if stage.quantize > 0 { copy_here[j] } else { input_here[j] };
        job.after.push((operand, stage.input_lead));
        job.after.push((sums_here[j], 0));
        job.ahead_of.extend(sums.free(j).map(|(gate, _)| (gate, stage.fill)));
        s.tells(&mut job, weights.end(j), stage.weights_used);
        s.tells(&mut job, inputs.end(j), stage.input_used);
        for gate in [summed[j], made[j], sums.end(j), through[stage.layer]] {
            s.tells(&mut job, gate, stage.array);
        }
        array.queue.push_back(job);
    }

    s.run([channel, vector, array]);
    let mut complete = 0;
    through
        .iter()
        .zip(&written)
        .map(|(&through, &written)| {
            complete = complete.max(s.gates[through].time).max(s.gates[written].time);
            complete
        })
        .collect()
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }

    fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// Often nothing, else up to `most`.
    fn occupancy(&mut self, most: u64) -> u64 {
        if self.within(0, 2) == 0 { 0 } else { self.within(0, most) }
    }

    fn buffer(&mut self) -> Buffer {
        if self.coin() { Buffer::Next } else { Buffer::Same }
    }
}

/// The stages of a tile, or of several with the same bottlenecks.
fn random_stages(random: &mut Random, count: u64, [channel, array, vector]: [u64; 3]) -> Vec<Stage> {
    // What is stationary has a lead.
    let (weights_lead, input_lead) = (random.coin(), random.coin());
    let fill = random.occupancy(40);
    let mut spilled = false;
    let stages = (0..count).map(|position| {
        let length = random.within(0, array);
        // What is spilled comes back in the next stage, which adds to the same sums.
        let spill = position + 1 < count && random.within(0, 4) == 0;
        let stage = Stage {
            load_weights: random.occupancy(channel),
            load_input: random.occupancy(channel),
            load_partial_sums: if spilled { random.within(1, channel) } else { 0 },
            quantize: random.occupancy(vector),
            gap: random.within(0, length),
            weight_lead: if weights_lead { random.within(0, 20) } else { 0 },
            input_lead: if input_lead { random.within(0, 20) } else { 0 },
            weights_used: random.within(0, length),
            input_used: random.within(0, length),
            array: length + fill,
            fill,
            vector: random.occupancy(vector),
            store: random.occupancy(channel),
            store_partial_sums: if spill { random.within(1, channel) } else { 0 },
            weight_buffer: random.buffer(),
            input_buffer: if position == 0 { Buffer::Next } else { random.buffer() },
            accumulator_buffer: if spilled { Buffer::Same } else { random.buffer() },
            output_buffer: random.buffer(),
        };
        spilled = spill;
        stage
    });
    stages.collect()
}

/// Layers of tiles of stages. Every unit is the bottleneck of some layers; some stages, blocks and tiles repeat, with
/// cycles so few that they often coincide.
fn random_case(random: &mut Random) -> (Stages, usize, Machine) {
    let machine = Machine {
        latency: random.within(0, 20),
        weight_buffers: random.within(1, 2) as usize,
        activation_buffers: random.within(1, 2) as usize,
        accumulator_buffers: random.within(1, 2) as usize,
    };
    let layers = random.within(1, 4) as usize;
    let mut stages = Stages::default();
    for _ in 0..layers {
        stages.begin_layer();
        let most = if random.coin() { 60 } else { 4 };
        let bottlenecks = [0; 3].map(|_| random.within(1, most));
        for _ in 0..random.within(1, 3) {
            let count = random.within(0, 5);
            let first = random_stages(random, 1, bottlenecks)[0];
            let block = random_stages(random, count, bottlenecks);
            let mut often = |most: u64| if random.coin() { random.within(2, most) } else { 1 };
            // What is spilled comes back before more is: in each of equal stages, or in none.
            let again = |stage: &Stage| (stage.load_partial_sums > 0) == (stage.store_partial_sums > 0);
            let block: Vec<(Stage, u64)> =
                block.into_iter().map(|stage| (stage, if again(&stage) { often(20) } else { 1 })).collect();
            for _ in 0..often(9) {
                block.iter().for_each(|&(stage, times)| stages.push(stage, times));
                stages.end_block();
            }
            let rest = stages.rest();
            let times = often(9);
            (0..times).for_each(|_| stages.place(first, &rest));
        }
    }
    (stages, layers, machine)
}

#[test]
fn random_stages_complete_in_the_same_cycles() {
    let random = &mut Random(1);
    for case in 0..10_000 {
        let (stages, layers, machine) = random_case(random);
        let expected = simulate(&placed(&stages), layers, machine);
        let found = completions(&stages, machine);
        assert_eq!(found, expected, "case {case}: {machine:?} {stages:#?}");
    }
}

/// A turn that ended before a block repeats may look as if it would never decide: two turns that end in one cycle, the
/// next one a block's duration later. What comes behind the block waits for a turn in it.
#[test]
fn turns_of_before_are_not_taken_for_those_of_a_block() {
    let machine = Machine { latency: 0, weight_buffers: 2, activation_buffers: 2, accumulator_buffers: 2 };
    let stage = |gap, weights_used, weight_buffer| Stage {
        gap,
        weights_used,
        weight_buffer,
        array: 1,
        ..Stage::default()
    };
    let mut stages = Stages::default();
    stages.begin_layer();
    stages.push(stage(10, 15, Buffer::Next), 1);
    stages.end_block();
    for _ in 0..20 {
        stages.push(stage(16, 19, Buffer::Next), 1);
        stages.push(stage(1, 0, Buffer::Same), 4);
        stages.end_block();
    }
    stages.push(Stage { load_weights: 1000, ..stage(1, 0, Buffer::Same) }, 1);
    let rest = stages.rest();
    stages.place(Stage { load_input: 10, ..stage(0, 25, Buffer::Next) }, &rest);
    let expected = simulate(&placed(&stages), 1, machine);
    // The 18th of the 20 turns, which begin in 36 + 20 · n, ends 19 cycles later.
    assert_eq!(expected, [36 + 17 * 20 + 19 + 1000 + 1]);
    assert_eq!(completions(&stages, machine), expected);
}

/// Partial sums come back in the stage behind the one that spilled them, all of them, into the accumulators that they
/// left: the stages of which recurrence and event queue are compared above. Returns how many do.
fn assert_that_spills_come_back_next(stages: &[Placed]) -> usize {
    let mut spilled = 0;
    let mut count = 0;
    for (at, stage) in stages.iter().enumerate() {
        assert_eq!(stage.load_partial_sums, spilled, "stage {at}: {stage:?}");
        if spilled > 0 {
            assert_eq!((stage.layer, stage.accumulator_buffer), (stages[at - 1].layer, Buffer::Same));
            count += 1;
        }
        spilled = stage.store_partial_sums;
    }
    assert_eq!(spilled, 0);
    count
}

#[test]
fn partial_sums_that_are_spilled_come_back_next() {
    let workload =
        workload::SHIPPED.iter().find(|(name, _)| *name == "resnet8-width32-mostly-4-bit").unwrap().1;
    let workload = Workload::parse(&SourceFile::embedded("n.toml", workload)).unwrap();
    let text = SHIPPED.iter().find(|(name, _)| *name == "edge-16x16").unwrap().1;
    let mut spilled = 0;
    for dataflow in ["ws", "is"] {
        let text = text.replacen("\"ws\"", &format!("\"{dataflow}\""), 1);
        let accelerator = Accelerator::parse(&SourceFile::embedded("d.toml", &text)).unwrap();
        let mut mapped = map_network(workload.network(), &accelerator, 1).unwrap();
        // The mapper spills rarely: it is given fewer accumulators than it counted on.
        for layer in mapped.iter_mut().filter_map(|mapping| mapping.array.as_mut()) {
            assert_eq!(layer.tiling.schedule.dataflow.to_string(), dataflow);
            layer.tiling.room.accumulator_bits /= 8;
        }
        let stages = stages(workload.network(), &mapped, &accelerator, Regime::Cold);
        spilled += assert_that_spills_come_back_next(&placed(&stages));
        let (machine, placed) = (Machine::of(&accelerator), placed(&stages));
        assert_eq!(completions(&stages, machine), simulate(&placed, mapped.len(), machine), "{dataflow}");
    }
    assert!(spilled > 100, "only {spilled} spills");
}

/// A shipped network on a shipped design, both regimes; the stages compared.
fn check(network: &str, design: &str) -> usize {
    let text = |shipped: &[(&str, &'static str)], name| shipped.iter().find(|(n, _)| *n == name).unwrap().1;
    let workload = SourceFile::embedded("n.toml", text(workload::SHIPPED, network));
    let workload = Workload::parse(&workload).unwrap();
    let design_text = SourceFile::embedded("d.toml", text(SHIPPED, design));
    let accelerator = Accelerator::parse(&design_text).unwrap();
    let Ok(mapped) = map_network(workload.network(), &accelerator, 1) else { return 0 };
    let mut compared = 0;
    for regime in [Regime::Cold, Regime::Steady] {
        let stages = stages(workload.network(), &mapped, &accelerator, regime);
        let (machine, placed) = (Machine::of(&accelerator), placed(&stages));
        assert_that_spills_come_back_next(&placed);
        let expected = simulate(&placed, mapped.len(), machine);
        assert_eq!(completions(&stages, machine), expected, "{network} on {design}, {regime}");
        compared += placed.len();
    }
    compared
}

#[test]
fn mapped_networks_complete_in_the_same_cycles() {
    let mut compared = 0;
    for (design, _) in SHIPPED {
        for network in ["resnet8-width4-w8a8", "resnet8-width32-mostly-4-bit", "resnet8-width16-bf16"] {
            compared += check(network, design);
        }
    }
    compared += check("resnet50-w8a8", "edge-32x32");
    assert!(compared > 10_000, "only {compared} stages");
}
