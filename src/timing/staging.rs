//! The stages of one layer, and what it does.
//!
//! Knows a layer's mapping and how long each of its transfers, folds and vector operations takes. Must not know when
//! anything else of the request happens.

use std::collections::VecDeque;

use crate::hardware::{Accelerator, Dataflow};
use crate::mapping::{
    Buffer, Fold, FoldRun, LayerMapping, MappedLayer, Place, Step, Transfer, Transport, WeightSupply,
};
use crate::workload::{Layer, Network};

use super::actions::{ArrayActions, FoldKind, StepCounts};
use super::banks::{Banks, WindowLayout};
use super::causes::{ArrayCauses, Streaming};
use super::counters::{Bytes, Counters, Cycles, Macs};
use super::memory::{post_processing, transfer_cycles};
use super::network::LayerTiming;
use super::pace::{Entry, Pace, Previous, RunEntry};
use super::stages::{Rest, Stage, Stages};
use super::vector::{self, Elements, Work};

/// Steps of a tile that are remembered.
const STEPS_KEPT: usize = 4;

/// Where a layer's weights are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WeightPlace {
    OnChip,
    Dram,
}

/// What happens in a layer, its cycles not yet known; its stages are added to `stages`.
pub(super) fn stage_layer(
    layer: &Layer,
    network: &Network,
    mapping: &LayerMapping,
    accelerator: &Accelerator,
    weights: WeightPlace,
    stages: &mut Stages,
) -> LayerTiming {
    stages.begin_layer();
    let mut stager = Stager {
        accelerator,
        weights,
        work: Work::of(layer, network),
        transport: &mapping.transport,
        window: WindowLayout::of(layer, network),
        post_processing: post_processing(layer, network, accelerator.dram()),
        stages,
    };
    let array = mapping.array.as_ref();
    let Done { causes, bank_waits, counters } = match array {
        None => stager.off_array(mapping.tile),
        Some(mapped) => stager.on_array(mapped),
    };
    let index = stages.layers().count() - 1;
    LayerTiming {
        name: layer.name.clone(),
        gemm: array.map(|mapped| mapped.tiling.schedule.gemm),
        pair: array.map(|mapped| mapped.pair),
        dataflow: array.map(|mapped| mapped.tiling.schedule.dataflow),
        peak: array.map_or(0, |mapped| mapped.tiling.schedule.peak()),
        cycles: Cycles(0), // once all stages are known
        compute_cycles: causes.total(),
        array_causes: causes,
        bank_waits: Cycles(bank_waits),
        vector_cycles: Cycles(stages.sum(index, |stage| stage.quantize + stage.vector)),
        dram_cycles: transfer_cycles(counters.dram_read + counters.dram_write, accelerator.dram()),
        mapping_utilization: array.map(|mapped| mapped.tiling.schedule.mapping_utilization()),
        counters,
    }
}

/// What a layer does.
struct Done {
    causes: ArrayCauses,
    /// Cycles in which the arrays wait for banks.
    bank_waits: u64,
    counters: Counters,
}

/// Turns the steps of one layer into stages, counting what they do.
struct Stager<'a> {
    accelerator: &'a Accelerator,
    weights: WeightPlace,
    work: Work,
    transport: &'a Transport,
    window: Option<WindowLayout>,
    post_processing: Transfer,
    stages: &'a mut Stages,
}

impl Stager<'_> {
    fn off_array(&mut self, tile: u64) -> Done {
        let (mut counters, mut elements) = (Counters::default(), Elements::default());
        let mut first = None;
        for step in self.transport.steps(tile) {
            let (stage, counts) = self.step(&step);
            counts.add_to(&mut counters, 1);
            elements.add(&step, 1);
            match first {
                None => first = Some(stage),
                Some(_) => self.stages.push(stage, 1),
            }
        }
        let rest = self.stages.rest();
        self.stages.place(first.expect("a layer has at least one pixel"), &rest);
        self.work.count(elements, &mut counters.vector);
        Done { causes: ArrayCauses::default(), bank_waits: 0, counters }
    }

    fn on_array(&mut self, mapped: &MappedLayer) -> Done {
        let tiling = &mapped.tiling;
        let accelerator = self.accelerator;
        let banks = Banks::of(mapped, self.window, accelerator);
        let actions = ArrayActions::new(mapped, accelerator);
        // Tiles of equally many pixels are the same, but for the first where it fetches the layer's weights.
        let mut known: Vec<((u64, bool), TileStages)> = Vec::new();
        let mut counters = Counters::default();
        let (mut streaming, mut elements) = (Streaming::default(), Elements::default());
        let mut pace = Pace::new(&tiling.schedule, accelerator.array());
        let (mut previous_start, mut compute_cycles) = (0, 0);
        let (mut bank_waits, mut previous_waits) = (0, 0);
        let mut opened: Option<(Step, (Stage, StepCounts))> = None;
        for (from, pixels) in tiling.pixel_tiles() {
            let key = (pixels, from == 0 && tiling.weights == WeightSupply::PerLayer);
            let position = known.iter().position(|(other, _)| *other == key).unwrap_or_else(|| {
                known.push((key, self.tile_stages(mapped, &actions, banks.as_ref(), (from, pixels))));
                known.len() - 1
            });
            let tile = &known[position].1;
            let Entry { start, load, .. } = pace.enter(tile.first_fold);
            let delay = start - tile.start;
            streaming.vectors += tile.streaming.vectors;
            streaming.occupied += tile.streaming.occupied;
            streaming.load += tile.streaming.load - tile.first_load + load;
            if let Some(last) = tile.last {
                pace = pace.after(last.delayed(delay));
            }
            counters += &tile.counters;
            elements.add_all(tile.elements);
            let gap = start - previous_start + previous_waits;
            let mut first = Stage { gap, ..tile.first };
            let (input, quantized) = tiling.input_of(self.transport, from, from + pixels);
            let step = Step { input, quantized, ..Step::default() };
            // Most tiles fetch as much as the one before.
            let (_, (opening, counts)) = match opened {
                Some(opened) if opened.0 == step => opened,
                _ => (step, self.step(&step)),
            };
            opened = Some((step, (opening, counts)));
            counts.add_to(&mut counters, 1);
            elements.add(&step, 1);
            first.load_input += opening.load_input;
            first.quantize += opening.quantize;
            if from == 0 {
                first.load_weights += self.load_post_processing(&mut counters);
            }
            self.stages.place(first, &tile.rest);
            previous_start = tile.last_start + delay;
            previous_waits = tile.last_waits;
            bank_waits += tile.waits;
            compute_cycles = compute_cycles.max(tile.finish + delay);
        }
        self.work.count(elements, &mut counters.vector);
        let cycles = Cycles(compute_cycles);
        let schedule = &tiling.schedule;
        let causes = streaming.causes(Macs(schedule.gemm.macs()), schedule.peak(), cycles);
        Done { causes, bank_waits, counters: actions.finish(counters, cycles) }
    }

    /// The stages of one tile of pixels, as if no other came before.
    fn tile_stages(
        &mut self,
        mapped: &MappedLayer,
        actions: &ArrayActions<'_>,
        banks: Option<&Banks<'_>>,
        pixels: (u64, u64),
    ) -> TileStages {
        let schedule = &mapped.tiling.schedule;
        let array = self.accelerator.array();
        // Column by column, results reach the accumulators behind those of the stage before.
        let fill = match schedule.dataflow {
            Dataflow::Ws | Dataflow::Is => array.rows() + array.cols(),
            Dataflow::Os => 2 * array.rows() + array.cols(),
        } + array.accumulator_latency_cycles()
            - 2;
        let mut pace = Pace::new(schedule, array);
        let mut tile: Option<TileStages> = None;
        let mut folds = FoldCounts::default();
        // Most steps do what one just before did.
        let mut known: VecDeque<(Step, (Stage, StepCounts))> = VecDeque::with_capacity(STEPS_KEPT);
        mapped.tiling.for_each_step(self.transport, pixels, |step, step_runs, times| {
            let step = Step { weights: self.fetched(step.weights), ..*step };
            let same = known.iter().find(|(other, _)| *other == step).map(|(_, done)| *done);
            let (mut stage, counts) = same.unwrap_or_else(|| {
                known.truncate(STEPS_KEPT - 1);
                known.push_front((step, self.step(&step)));
                known[0].1
            });
            // The third of equal steps takes as long as the second, if banks do not tell them apart.
            let timed = if banks.is_some() { times } else { times.min(2) };
            for time in 0..timed {
                let runs = step_runs.iter().map(|run| FoldRun { first: run.at(time * run.count), ..*run });
                let waits = banks.map_or(0, |banks| runs.clone().map(|run| banks.waits(run)).sum());
                let StepEntry { first, last, finish, load } = enter_step(&mut pace, runs);
                let (before, waited) =
                    tile.as_ref().map_or((first.start, 0), |tile| (tile.last_start, tile.last_waits));
                // All of a step's waits come before its last fold starts.
                let (streamed, start) =
                    (last.streamed - first.start + waits, last.start - first.start + waits);
                // What is stationary has left the scratchpad when the last fold starts.
                (stage.weight_lead, stage.input_lead, stage.weights_used, stage.input_used) =
                    match schedule.dataflow {
                        Dataflow::Ws => (first.lead, 0, start, streamed),
                        Dataflow::Is => (0, first.lead, streamed, start),
                        Dataflow::Os => (0, 0, streamed, streamed),
                    };
                let distance = first.start - before;
                stage.gap = distance + waited;
                stage.array = finish - first.start + waits;
                stage.fill = fill;
                let more = if time + 1 == timed { times - timed } else { 0 };
                let tile = match &mut tile {
                    Some(tile) => {
                        self.stages.push(stage, 1 + more);
                        tile
                    }
                    None => tile.insert(TileStages::new(stage, step_runs[0].first, first)),
                };
                pace.skip(more * distance);
                tile.last_start = first.start + more * distance;
                tile.last_waits = waits;
                tile.waits += waits;
                tile.finish = tile.finish.max(finish + more * distance);
                tile.streaming.load += (1 + more) * load;
            }
            // What comes before and after results leave for DRAM may be the same.
            let stays = self.transport.output == Place::OnChip;
            if step.outputs > 0 && (stays || step.output_buffer == Buffer::Next) {
                self.stages.end_block();
            }
            let tile = tile.as_mut().expect("a step comes at least once");
            counts.add_to(&mut tile.counters, times);
            tile.elements.add(&step, times);
            for run in step_runs {
                let run = FoldRun { count: times * run.count, ..*run };
                actions.kinds(run).into_iter().for_each(|(kind, count)| folds.add(kind, count));
            }
        });
        let mut tile = tile.expect("a tile has at least one fold");
        for (kind, count) in folds.0 {
            tile.streaming.add(schedule, kind.fold(), count);
            actions.count(kind, count, &mut tile.counters);
        }
        tile.last = pace.previous();
        tile.rest = self.stages.rest();
        tile
    }

    fn fetched(&self, weights: Transfer) -> Transfer {
        match self.weights {
            WeightPlace::OnChip => Transfer::default(),
            WeightPlace::Dram => weights,
        }
    }

    /// Multipliers and biases come with the layer's first weights; returns how long they occupy the channel.
    fn load_post_processing(&self, counters: &mut Counters) -> u64 {
        let transfer = self.fetched(self.post_processing);
        counters.dram_read += Bytes(transfer.bytes);
        self.occupy(transfer)
    }

    fn occupy(&self, transfer: Transfer) -> u64 {
        transfer_cycles(Bytes(transfer.bytes), self.accelerator.dram()).0
    }

    /// A step's transfers and vector work.
    fn step(&self, step: &Step) -> (Stage, StepCounts) {
        let counts = StepCounts::of(step, self.transport, self.accelerator);
        let operations = self.work.operations(step);
        let mut input = step.input;
        input += step.shortcut;
        let stage = Stage {
            load_weights: self.occupy(step.weights),
            load_input: self.occupy(input),
            load_partial_sums: self.occupy(step.spill_read),
            quantize: vector::cycles(step.quantized, self.accelerator.vector()),
            vector: vector::cycles(operations, self.accelerator.vector()),
            store: self.occupy(step.stored),
            store_partial_sums: self.occupy(step.spill_write),
            weight_buffer: step.weight_buffer,
            input_buffer: step.input_buffer,
            accumulator_buffer: step.accumulator_buffer,
            output_buffer: step.output_buffer,
            ..Stage::default()
        };
        (stage, counts)
    }
}

/// How many folds of each kind there are; kinds are few.
#[derive(Default)]
struct FoldCounts(Vec<(FoldKind, u64)>);

impl FoldCounts {
    fn add(&mut self, kind: FoldKind, folds: u64) {
        match self.0.iter_mut().find(|(other, _)| *other == kind) {
            Some((_, count)) => *count += folds,
            None if folds == 0 => {}
            None => self.0.push((kind, folds)),
        }
    }
}

/// A step in the array's own time.
struct StepEntry {
    first: Entry,
    last: Entry,
    /// Last sum readable.
    finish: u64,
    /// Cycles in which nothing streams before its folds.
    load: u64,
}

fn enter_step(pace: &mut Pace<'_>, runs: impl Iterator<Item = FoldRun>) -> StepEntry {
    let mut step: Option<StepEntry> = None;
    for run in runs {
        let RunEntry { first, last, load } = pace.enter_run(run);
        let step = step.get_or_insert(StepEntry { first, last, finish: 0, load: 0 });
        step.last = last;
        step.finish = step.finish.max(last.finish);
        step.load += load;
    }
    step.expect("a step has at least one fold")
}

/// The stages of a tile of pixels in the array's own time, and what they do.
struct TileStages {
    first: Stage,
    rest: Rest,
    counters: Counters,
    elements: Elements,
    streaming: Streaming,
    first_fold: Fold,
    /// What the first fold waits as the first of all.
    first_load: u64,
    /// First fold; first fold of the last stage; last sum.
    start: u64,
    last_start: u64,
    finish: u64,
    last: Option<Previous>,
    /// Cycles that the arrays wait for banks, beside the array's own time; those of the last stage.
    waits: u64,
    last_waits: u64,
}

impl TileStages {
    fn new(first: Stage, first_fold: Fold, entry: Entry) -> Self {
        Self {
            first,
            rest: Rest::default(),
            counters: Counters::default(),
            elements: Elements::default(),
            streaming: Streaming::default(),
            first_fold,
            first_load: entry.load,
            start: entry.start,
            last_start: entry.start,
            finish: 0,
            last: None,
            waits: 0,
            last_waits: 0,
        }
    }
}
