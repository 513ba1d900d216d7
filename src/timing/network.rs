//! A whole network: cycles and action counts per layer, and their totals.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;

use crate::hardware::{Accelerator, Dataflow};
use crate::mapping::{Fold, Gemm, LayerMapping, MappedLayer, Step, Transfer, Transport, WeightSupply};
use crate::numerics::OperandPair;
use crate::workload::{Layer, Network};

use super::actions::{ArrayActions, StepCounts};
use super::banks::{Banks, WindowLayout};
use super::causes::{ArrayCauses, LayerCauses, Streaming};
use super::counters::{Bytes, Counters, Cycles, Macs};
use super::memory::{post_processing, transfer_cycles, weights_are_resident};
use super::pace::{Entry, Pace, Previous, RunEntry};
use super::pipeline::{Machine, Stage, completions};
use super::vector::{self, Elements, Work};

/// Where a request's weights are when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Regime {
    /// Weights start in DRAM.
    Cold,
    /// Identical requests back to back: weights stay on chip if all of the network's fit.
    Steady,
}

impl fmt::Display for Regime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cold => "cold",
            Self::Steady => "steady",
        })
    }
}

/// Cycles and action counts of one layer in one request.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerTiming {
    /// The layer's name.
    pub name: String,
    /// Its GEMM, if it runs on the array.
    pub gemm: Option<Gemm>,
    /// Its operand pair, if it runs on the array.
    pub pair: Option<OperandPair>,
    /// What stays in the PEs, if it runs on the array.
    pub dataflow: Option<Dataflow>,
    /// MACs per cycle of all arrays for that pair.
    pub peak: u64,
    /// From the completion of all layers before to that of this one; overlap is credited to the later.
    pub cycles: Cycles,
    /// The same with infinite bandwidth, zero latency and an infinitely fast vector unit.
    pub compute_cycles: Cycles,
    /// The compute cycles by cause.
    pub array_causes: ArrayCauses,
    /// Cycles in which the arrays wait for banks, between the compute cycles.
    pub bank_waits: Cycles,
    /// Cycles the vector unit needs.
    pub vector_cycles: Cycles,
    /// Cycles the DRAM channel is occupied.
    pub dram_cycles: Cycles,
    /// m·n·k over ceiled extents; None off the array.
    pub mapping_utilization: Option<f64>,
    /// Action counts.
    pub counters: Counters,
}

impl LayerTiming {
    /// Cycles beyond those of the array; negative where waiting was paid by the layer before.
    pub fn stall_cycles(&self) -> i64 {
        self.cycles.0.cast_signed() - self.compute_cycles.0.cast_signed()
    }

    /// MACs in the request.
    pub fn macs(&self) -> Macs {
        Macs(self.gemm.map_or(0, Gemm::macs))
    }

    /// macs / (peak · cycles), 0 to 1.
    pub fn utilization(&self) -> f64 {
        let ideal = self.macs().0 as f64 / self.peak.max(1) as f64;
        if self.cycles.0 == 0 { 0.0 } else { ideal / self.cycles.0 as f64 }
    }
}

/// A network's request.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkTiming {
    /// Layers in execution order; their cycles add up to the request's.
    pub layers: Vec<LayerTiming>,
    /// First DRAM command to last output written.
    pub cycles: Cycles,
    /// Sum of action counts.
    pub counters: Counters,
}

impl NetworkTiming {
    /// Cycles the array alone would need.
    pub fn compute_cycles(&self) -> Cycles {
        self.layers.iter().map(|layer| layer.compute_cycles).sum()
    }

    /// MACs in the request.
    pub fn macs(&self) -> Macs {
        self.layers.iter().map(LayerTiming::macs).sum()
    }

    /// Σ(macs / peak) / cycles, 0 to 1.
    pub fn utilization(&self) -> f64 {
        self.ideal_cycles() / self.cycles.0 as f64
    }

    /// Share of the array's MAC slots that the mapping can fill, weighted by layer, 0 to 1.
    pub fn mapping_utilization(&self) -> f64 {
        let occupied: f64 = self
            .layers
            .iter()
            .filter_map(|layer| Some(layer.macs().0 as f64 / layer.peak as f64 / layer.mapping_utilization?))
            .sum();
        self.ideal_cycles() / occupied
    }

    fn ideal_cycles(&self) -> f64 {
        self.layers
            .iter()
            .filter(|layer| layer.peak > 0)
            .map(|layer| layer.macs().0 as f64 / layer.peak as f64)
            .sum()
    }
}

/// Times one request of `batch` images on a mapped network.
pub fn time_network(
    network: &Network,
    mapped: &[LayerMapping],
    accelerator: &Accelerator,
    regime: Regime,
) -> NetworkTiming {
    STAGES.with_borrow_mut(|stages| {
        stages.clear();
        let layers = layers_into_stages(network, mapped, accelerator, regime, stages);
        timed(layers, stages, Machine::of(accelerator))
    })
}

thread_local! {
    /// Room for stages, which a request has megabytes of, from one request to the next.
    static STAGES: RefCell<Vec<Stage>> = const { RefCell::new(Vec::new()) };
}

/// Times one request, and says for every layer where its cycles go.
pub fn time_network_by_cause(
    network: &Network,
    mapped: &[LayerMapping],
    accelerator: &Accelerator,
    regime: Regime,
) -> (NetworkTiming, Vec<LayerCauses>) {
    let (layers, mut stages) = layers_in_stages(network, mapped, accelerator, regime);
    let machine = Machine::of(accelerator);
    let timing = timed(layers, &stages, machine);
    for stage in &mut stages {
        (stage.quantize, stage.vector) = (0, 0);
    }
    let without_vector = completions(&stages, timing.layers.len(), machine);
    let before = [0].iter().chain(&without_vector);
    let causes = timing.layers.iter().zip(&without_vector).zip(before);
    let causes = causes.map(|((layer, complete), before)| {
        LayerCauses::of(layer.array_causes, layer.cycles, Cycles(complete - before))
    });
    let causes = causes.collect();
    (timing, causes)
}

fn timed(mut layers: Vec<LayerTiming>, stages: &[Stage], machine: Machine) -> NetworkTiming {
    let complete = completions(stages, layers.len(), machine);
    let mut before = 0;
    let mut counters = Counters::default();
    for (layer, &complete) in layers.iter_mut().zip(&complete) {
        layer.cycles = Cycles(complete - before);
        before = complete;
        counters += &layer.counters;
    }
    let timing = NetworkTiming { cycles: Cycles(before), layers, counters };
    assert_bounds(&timing);
    timing
}

/// The stages of one request, which [`completions`] times.
pub fn stages(
    network: &Network,
    mapped: &[LayerMapping],
    accelerator: &Accelerator,
    regime: Regime,
) -> Vec<Stage> {
    layers_in_stages(network, mapped, accelerator, regime).1
}

fn layers_in_stages(
    network: &Network,
    mapped: &[LayerMapping],
    accelerator: &Accelerator,
    regime: Regime,
) -> (Vec<LayerTiming>, Vec<Stage>) {
    let mut stages = Vec::new();
    let layers = layers_into_stages(network, mapped, accelerator, regime, &mut stages);
    (layers, stages)
}

/// What happens in each layer, its cycles not yet known; its stages go into `stages`, which are empty.
fn layers_into_stages(
    network: &Network,
    mapped: &[LayerMapping],
    accelerator: &Accelerator,
    regime: Regime,
    stages: &mut Vec<Stage>,
) -> Vec<LayerTiming> {
    let resident = weights_are_resident(network, accelerator, regime);
    let weights = if resident { WeightPlace::OnChip } else { WeightPlace::Dram };
    let mut done: Vec<Staged> = Vec::with_capacity(mapped.len());
    for (index, (layer, mapping)) in network.layers().iter().zip(mapped).enumerate() {
        let work = Work::of(layer, network);
        let begin = stages.len();
        let window = WindowLayout::of(layer, network);
        // A layer that does the same as an earlier one, with the same mapping, has its stages and counts.
        let same = |(other, staged): &(usize, &Staged)| {
            mapped[*other] == *mapping && staged.work == work && staged.window == window
        };
        let known = done.iter().enumerate().rev().find(same).map(|(_, staged)| staged);
        let timing = match known {
            Some(known) => {
                stages.extend_from_within(known.stages.clone());
                for stage in &mut stages[begin..] {
                    stage.layer = index;
                }
                LayerTiming { name: layer.name.clone(), ..known.timing.clone() }
            }
            None => {
                Stager::of(index, layer, network, mapping, accelerator, weights, stages).layer(layer, mapping)
            }
        };
        done.push(Staged { timing, stages: begin..stages.len(), work, window });
    }
    done.into_iter().map(|staged| staged.timing).collect()
}

/// A layer in stages.
struct Staged {
    timing: LayerTiming,
    stages: Range<usize>,
    work: Work,
    /// What banks depend on beside the mapping.
    window: Option<WindowLayout>,
}

/// Times one layer alone: its weights and what is not on chip start in DRAM, nothing came before.
pub fn time_layer(
    network: &Network,
    layer: usize,
    mapping: &LayerMapping,
    accelerator: &Accelerator,
) -> LayerTiming {
    let (layer, mut stages) = (&network.layers()[layer], Vec::new());
    let mut timing = Stager::of(0, layer, network, mapping, accelerator, WeightPlace::Dram, &mut stages)
        .layer(layer, mapping);
    timing.cycles = Cycles(completions(&stages, 1, Machine::of(accelerator))[0]);
    timing
}

/// Steps of a tile that are remembered.
const STEPS_KEPT: usize = 4;

#[derive(Clone, Copy, PartialEq, Eq)]
enum WeightPlace {
    OnChip,
    Dram,
}

/// Turns the steps of one layer into stages, counting what they do.
struct Stager<'a> {
    index: usize,
    accelerator: &'a Accelerator,
    weights: WeightPlace,
    work: Work,
    transport: &'a Transport,
    window: Option<WindowLayout>,
    post_processing: Transfer,
    counters: Counters,
    stages: &'a mut Vec<Stage>,
}

impl<'a> Stager<'a> {
    fn of(
        index: usize,
        layer: &Layer,
        network: &Network,
        mapping: &'a LayerMapping,
        accelerator: &'a Accelerator,
        weights: WeightPlace,
        stages: &'a mut Vec<Stage>,
    ) -> Self {
        Self {
            index,
            accelerator,
            weights,
            work: Work::of(layer, network),
            transport: &mapping.transport,
            window: WindowLayout::of(layer, network),
            post_processing: post_processing(layer, network, accelerator.dram()),
            counters: Counters::default(),
            stages,
        }
    }

    fn layer(&mut self, layer: &Layer, mapping: &LayerMapping) -> LayerTiming {
        let accelerator = self.accelerator;
        let array = mapping.array.as_ref();
        let begin = self.stages.len();
        let (causes, bank_waits) = match array {
            None => {
                let (mut counters, mut elements) = (Counters::default(), Elements::default());
                for step in mapping.transport.steps(mapping.tile) {
                    let stage = self.stage(&step, &mut counters, &mut elements);
                    self.stages.push(stage);
                }
                self.work.count(elements, &mut counters.vector);
                self.counters += &counters;
                (ArrayCauses::default(), 0)
            }
            Some(mapped) => {
                let (causes, bank_waits, counters) = self.array_layer(mapped);
                self.counters += &counters;
                (causes, bank_waits)
            }
        };
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
            vector_cycles: Cycles(
                self.stages[begin..].iter().map(|stage| stage.quantize + stage.vector).sum(),
            ),
            dram_cycles: transfer_cycles(
                self.counters.dram_read + self.counters.dram_write,
                accelerator.dram(),
            ),
            mapping_utilization: array.map(|mapped| mapped.tiling.schedule.mapping_utilization()),
            counters: std::mem::take(&mut self.counters),
        }
    }

    /// Where the array's cycles go, cycles that it waits for banks, and what it does.
    fn array_layer(&mut self, mapped: &MappedLayer) -> (ArrayCauses, u64, Counters) {
        let tiling = &mapped.tiling;
        let banks = Banks::of(mapped, self.window, self.accelerator);
        let actions = ArrayActions::new(mapped, self.accelerator);
        // Tiles of equally many pixels are the same, but for the first where it fetches the layer's weights.
        let mut known: Vec<((u64, bool), TileStages)> = Vec::new();
        let mut counters = Counters::default();
        let (mut streaming, mut elements) = (Streaming::default(), Elements::default());
        let mut pace = Pace::new(&tiling.schedule, self.accelerator.array());
        let (mut previous_start, mut compute_cycles) = (0, 0);
        let (mut bank_waits, mut previous_waits) = (0, 0);
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
            let begin = self.stages.len();
            self.stages.extend_from_slice(&tile.stages);
            self.stages[begin].gap = start - previous_start + previous_waits;
            let (input, quantized) = tiling.input_of(self.transport, from, from + pixels);
            self.open(begin, input, quantized, &mut elements);
            if from == 0 {
                self.add_post_processing(begin);
            }
            previous_start = tile.last_start + delay;
            previous_waits = tile.last_waits;
            bank_waits += tile.waits;
            compute_cycles = compute_cycles.max(tile.finish + delay);
        }
        self.work.count(elements, &mut counters.vector);
        let cycles = Cycles(compute_cycles);
        let schedule = &tiling.schedule;
        let causes = streaming.causes(Macs(schedule.gemm.macs()), schedule.peak(), cycles);
        (causes, bank_waits, actions.finish(counters, cycles))
    }

    /// The stages of one tile of pixels, as if no other came before.
    fn tile_stages(
        &self,
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
        // Most steps do what one just before did.
        let mut known: VecDeque<(Step, (Stage, StepCounts))> = VecDeque::with_capacity(STEPS_KEPT);
        mapped.tiling.for_each_step(self.transport, pixels, |step, runs| {
            let RunEntry { first, mut last, load } = pace.enter_run(runs[0]);
            let tile = tile.get_or_insert_with(|| TileStages::new(runs[0].first, first));
            tile.streaming.add_run(schedule, runs[0], load);
            let step = Step { weights: self.fetched(step.weights), ..*step };
            let same = known.iter().find(|(other, _)| *other == step).map(|(_, done)| *done);
            let (mut stage, counts) = same.unwrap_or_else(|| {
                known.truncate(STEPS_KEPT - 1);
                known.push_front((step, self.step(&step)));
                known[0].1
            });
            counts.add_to(&mut tile.counters);
            tile.elements.add(&step);
            let mut finish = last.finish;
            for &run in &runs[1..] {
                let entry = pace.enter_run(run);
                tile.streaming.add_run(schedule, run, entry.load);
                last = entry.last;
                finish = finish.max(last.finish);
            }
            runs.iter().for_each(|run| actions.count(*run, &mut tile.counters));
            let waits = banks.map_or(0, |banks| runs.iter().map(|run| banks.waits(*run)).sum());
            // All of a step's waits come before its last fold starts.
            let (streamed, start) = (last.streamed - first.start + waits, last.start - first.start + waits);
            // What is stationary has left the scratchpad when the last fold starts.
            (stage.weight_lead, stage.input_lead, stage.weights_used, stage.input_used) =
                match schedule.dataflow {
                    Dataflow::Ws => (first.lead, 0, start, streamed),
                    Dataflow::Is => (0, first.lead, streamed, start),
                    Dataflow::Os => (0, 0, streamed, streamed),
                };
            stage.gap = first.start - tile.last_start + tile.last_waits;
            stage.array = finish - first.start + waits;
            stage.fill = fill;
            tile.stages.push(stage);
            tile.last_start = first.start;
            tile.last_waits = waits;
            tile.waits += waits;
            tile.finish = tile.finish.max(finish);
            tile.last = pace.previous();
        });
        tile.expect("a tile has at least one fold")
    }

    fn fetched(&self, weights: Transfer) -> Transfer {
        match self.weights {
            WeightPlace::OnChip => Transfer::default(),
            WeightPlace::Dram => weights,
        }
    }

    /// What comes before the stage at `index`: its tile's input.
    fn open(&mut self, index: usize, input: Transfer, quantized: u64, elements: &mut Elements) {
        let step = Step { input, quantized, ..Step::default() };
        let mut counters = std::mem::take(&mut self.counters);
        let opening = self.stage(&step, &mut counters, elements);
        self.counters = counters;
        self.stages[index].load_input += opening.load_input;
        self.stages[index].quantize += opening.quantize;
    }

    /// Multipliers and biases come with the layer's first weights.
    fn add_post_processing(&mut self, index: usize) {
        let transfer = self.fetched(self.post_processing);
        self.counters.dram_read += Bytes(transfer.bytes);
        self.stages[index].load_weights += self.occupy(transfer);
    }

    fn occupy(&self, transfer: Transfer) -> u64 {
        transfer_cycles(Bytes(transfer.bytes), self.accelerator.dram()).0
    }

    /// A step's transfers and vector work; what is counted is added to `counters` and `elements`.
    fn stage(&self, step: &Step, counters: &mut Counters, elements: &mut Elements) -> Stage {
        let (stage, counts) = self.step(step);
        counts.add_to(counters);
        elements.add(step);
        stage
    }

    fn step(&self, step: &Step) -> (Stage, StepCounts) {
        let counts = StepCounts::of(step, self.transport, self.accelerator);
        let operations = self.work.operations(step);
        let mut input = step.input;
        input += step.shortcut;
        let stage = Stage {
            layer: self.index,
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

/// The stages of a tile of pixels in the array's own time, and what they do.
struct TileStages {
    stages: Vec<Stage>,
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
    fn new(first_fold: Fold, entry: Entry) -> Self {
        Self {
            stages: Vec::new(),
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

/// Lower bounds that hold for any machine with this array; a violation is a bug of the model.
fn assert_bounds(timing: &NetworkTiming) {
    for layer in &timing.layers {
        let compute = layer.macs().0.div_ceil(layer.peak.max(1));
        assert!(layer.compute_cycles.0 >= compute, "layer {}: fewer cycles than its MACs need", layer.name);
    }
    let channel: Cycles = timing.layers.iter().map(|layer| layer.dram_cycles).sum();
    let vector: Cycles = timing.layers.iter().map(|layer| layer.vector_cycles).sum();
    for (bound, what) in
        [(timing.compute_cycles(), "its array"), (channel, "its DRAM traffic"), (vector, "its vector unit")]
    {
        assert!(timing.cycles >= bound, "faster than {what}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hardware::SHIPPED;
    use crate::mapping::{InputSupply, map_network};
    use crate::source::SourceFile;
    use crate::timing::array_cycles;
    use crate::workload::Workload;

    const NETWORK: &str = r#"
schema_version = 1
[generator.resnet]
variant = "cifar"
depth = 8
width = 12
input = { height = 20, width = 28, channels = 3 }
classes = 10
padding = "torch"
[precision]
default = "w4a4"
first = "w8a8"
last = "w8a8"
"#;

    /// 50 × 9 sums of k = 122 on 16×16 PEs, two to a word of accumulators: five words per pixel, or 8 + 8 + 8 + 1
    /// per channel where pixels lie along the columns. Each is written once more before the first fold, and read by it. A network of layers in TOML
    /// has no bias of integers, hence nothing to preload.
    #[test]
    fn preloading_writes_and_reads_every_accumulator_once_more() {
        let (_, edge) = SHIPPED.iter().find(|(name, _)| *name == "edge-16x16").unwrap();
        let model = std::path::Path::new("tests/oracles/cases/qgemm-s8-0/model.onnx");
        let model = Workload::read(model).unwrap();
        let native = Workload::parse(&SourceFile::embedded("n.toml", NETWORK)).unwrap();
        let preload = "accumulator_bits = 32\nbias = \"preload\"";
        for (dataflow, words) in [("ws", 50 * 5), ("os", 50 * 5), ("is", 9 * 25)] {
            let edge = edge.replace("[\"ws\"]", &format!("[\"{dataflow}\"]"));
            let timed = |workload: &Workload, text: &str| {
                let accelerator = Accelerator::parse(&SourceFile::embedded("d.toml", text)).unwrap();
                let mapped = map_network(workload.network(), &accelerator, 1).unwrap();
                let timing = time_network(workload.network(), &mapped, &accelerator, Regime::Cold);
                (timing.counters.accumulator, timing.layers[0].cycles, mapped)
            };
            let changed = edge.replace("accumulator_bits = 32", preload);
            let ((last, cycles, _), (first, also, _)) = (timed(&model, &edge), timed(&model, &changed));
            assert_eq!(cycles, also);
            assert_eq!(first.writes.0 - last.writes.0, words, "{dataflow}");
            assert_eq!(first.reads.0 - last.reads.0, words, "{dataflow}");
            assert_eq!(timed(&native, &edge), timed(&native, &changed));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// With an instant memory and an instant vector unit, only the array is left.
        #[test]
        fn without_waiting_a_request_takes_the_cycles_of_its_arrays(
            dataflows in prop_oneof![Just("\"ws\""), Just("\"os\""), Just("\"is\""), Just("\"ws\", \"os\", \"is\"")],
            rows in 1u64..40, cols in 1u64..40, count in 1u64..4, double_buffer: bool, buffered: bool,
            latency in 1u64..9, kib in 2u64..64, batch in 1u64..4,
        ) {
            let (_, edge) = SHIPPED[0];
            let array = format!(
                "[array]\nrows = {rows}\ncols = {cols}\ncount = {count}\ndataflows = [{dataflows}]\n\
                 double_buffer = {double_buffer}\naccumulator_latency_cycles = {latency}\n"
            );
            let (start, end) = (edge.find("[array]").unwrap(), edge.find("# Lanes").unwrap());
            let text = format!("{}{array}{}", &edge[..start], &edge[end..])
                .replace("double_buffered = true", &format!("double_buffered = {buffered}"))
                .replace("bytes = 131_072", &format!("bytes = {}", kib * 1024));
            let accelerator = Accelerator::parse(&SourceFile::embedded("d.toml", &text)).unwrap();
            let workload = Workload::parse(&SourceFile::embedded("n.toml", NETWORK)).unwrap();
            let Ok(mapped) = map_network(workload.network(), &accelerator, batch) else { return Ok(()) };
            let (layers, mut stages) = layers_in_stages(workload.network(), &mapped, &accelerator, Regime::Cold);
            for stage in &mut stages {
                let Stage { load_weights, load_input, load_partial_sums, quantize, vector, store, .. } = stage;
                for occupancy in [load_weights, load_input, load_partial_sums, quantize, vector, store] {
                    *occupancy = 0;
                }
                stage.store_partial_sums = 0;
            }
            let buffers = if buffered { 2 } else { 1 };
            let machine = Machine {
                latency: 0,
                weight_buffers: buffers,
                activation_buffers: buffers,
                accumulator_buffers: buffers,
            };
            let (timing, causes) = time_network_by_cause(workload.network(), &mapped, &accelerator, Regime::Cold);
            let sum = |of: fn(&LayerCauses) -> i64| causes.iter().map(of).sum::<i64>();
            prop_assert!(sum(|causes| causes.memory_stall) >= 0 && sum(|causes| causes.vector_bound) >= 0);
            for ((layer, causes), mapping) in timing.layers.iter().zip(&causes).zip(&mapped) {
                let LayerCauses { array, memory_stall, vector_bound } = *causes;
                prop_assert_eq!(array.total(), layer.compute_cycles);
                prop_assert_eq!(array.total().0 as i64 + memory_stall + vector_bound, layer.cycles.0 as i64);
                let Some(mapped) = mapping.array else { continue };
                // Fold by fold instead of run by run and tile by tile.
                let schedule = mapped.tiling.schedule;
                let (mut vectors, mut used, mut load, mut before) = (0, 0, 0, 0);
                for fold in schedule.folds() {
                    let widest = schedule.widest(fold);
                    vectors += widest.vectors;
                    used += schedule.views(fold).map(|v| v.rows * v.columns * v.vectors).sum::<u64>();
                    load += if double_buffer { widest.rows.saturating_sub(before) } else { widest.rows };
                    before = widest.vectors;
                }
                let load = if schedule.dataflow == Dataflow::Os { 0 } else { load };
                prop_assert_eq!(array.useful.0, schedule.gemm.macs().div_ceil(schedule.peak()));
                prop_assert_eq!((array.useful + array.lane_waste + array.edge_waste).0, vectors);
                prop_assert_eq!(array.edge_waste.0, vectors - (used * schedule.lanes.count).div_ceil(schedule.peak()));
                prop_assert_eq!(array.weight_load.0, load);
            }
            let mut end = 0;
            for ((complete, layer), mapping) in completions(&stages, layers.len(), machine).into_iter().zip(&layers).zip(&mapped) {
                let array = mapping.array.map_or(0, |mapped| {
                    array_cycles(&mapped.tiling.schedule, accelerator.array()).0
                });
                prop_assert_eq!(layer.compute_cycles.0, array);
                prop_assert_eq!(complete - end, array, "{}", &layer.name);
                end = complete;
            }
        }

        /// Whatever the sizes: a network is timed, within the bounds that hold for any machine, or refused.
        #[test]
        fn any_design_times_a_network_or_says_why_not(
            dataflow in prop_oneof![Just("ws"), Just("os"), Just("is")],
            [rows, cols] in [1u64..300, 1u64..300], count in 1u64..5, lanes in 1u64..5,
            kib in [1u64..40, 1u64..40, 1u64..40], buffered: bool, steady: bool,
            kernel in [1usize..5, 1usize..5], stride in [1usize..4, 1usize..4], groups in 1usize..4,
            channels in [1usize..70, 1usize..70], bits in prop_oneof![Just("w4a4"), Just("w8a8"), Just("bf16")],
            batch in 1u64..4,
        ) {
            let (_, edge) = SHIPPED[0];
            let array = format!("[array]\nrows = {rows}\ncols = {cols}\ncount = {count}\ndataflows = [\"{dataflow}\"]\n");
            let (start, end) = (edge.find("[array]").unwrap(), edge.find("# Lanes").unwrap());
            let text = format!("{}{array}{}", &edge[..start], &edge[end..])
                .replace("count = 2 }", &format!("count = {lanes} }}"))
                .replace("double_buffered = true", &format!("double_buffered = {buffered}"))
                .replace("banks = 8", "banks = 1")
                .replace("banks = 16", "banks = 1")
                .replace("bytes = 131_072", &format!("bytes = {}", kib[0] * 1024))
                .replace("bytes = 65_536", &format!("bytes = {}", kib[1] * 1024))
                .replace("bytes = 32_768", &format!("bytes = {}", kib[2] * 1024));
            let accelerator = Accelerator::parse(&SourceFile::embedded("d.toml", &text)).unwrap();
            let network = format!(
                "schema_version = 1\ninput = {{ height = 13, width = 11, channels = {} }}\n\
                 precision = {{ default = \"{bits}\" }}\n\
                 [[layer]]\nname = \"a\"\nactivation = \"relu\"\n\
                 conv2d = {{ out_channels = {}, kernel = {kernel:?}, stride = {stride:?}, groups = {groups} }}\n\
                 [[layer]]\nname = \"b\"\ninput = \"a\"\nshortcut = \"a\"\n\
                 conv2d = {{ out_channels = {}, kernel = [1, 1] }}\n\
                 [[layer]]\nname = \"c\"\nglobal_average_pool = {{}}\n\
                 [[layer]]\nname = \"d\"\nlinear = {{ out_features = 33 }}\n",
                channels[0] * groups, channels[1] * groups, channels[1] * groups
            );
            let workload = Workload::parse(&SourceFile::embedded("n.toml", &network)).unwrap();
            let Ok(mapped) = map_network(workload.network(), &accelerator, batch) else { return Ok(()) };
            let regime = if steady { Regime::Steady } else { Regime::Cold };
            let timing = time_network(workload.network(), &mapped, &accelerator, regime);
            let (mut least, mut whole) = (0, 0);
            for (layer, mapping) in timing.layers.iter().zip(&mapped) {
                whole += mapping.transport.dram_bits().div_ceil(8) + mapping.array.map_or(0, |mapped| {
                    (mapped.tiling.schedule.gemm.weights() * mapped.tiling.weight_bits).div_ceil(8)
                });
                // Fold by fold only the pixels that windows touch are fetched, not whole rows.
                if mapping.array.is_none_or(|mapped| mapped.tiling.input == InputSupply::PerTile) {
                    least += mapping.transport.dram_bits().div_ceil(8);
                }
                if let (Some(mapped), Regime::Cold) = (mapping.array, regime) {
                    least += (mapped.tiling.schedule.gemm.weights() * mapped.tiling.weight_bits).div_ceil(8);
                }
                prop_assert!(layer.counters.macs.values().all(|macs| macs.0 == layer.macs().0));
            }
            let moved = timing.counters.dram_read.0 + timing.counters.dram_write.0;
            prop_assert!(moved >= least, "{moved} bytes moved, {least} at least");
            prop_assert!(moved <= 1000 * whole, "{moved} bytes moved of {whole}");
        }
    }
}
