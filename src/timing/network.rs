//! A whole network: cycles and action counts per layer, and their totals.

use std::fmt;

use crate::hardware::{Accelerator, Dataflow};
use crate::mapping::{Gemm, LayerMapping};
use crate::numerics::OperandPair;
use crate::workload::Network;

use super::banks::WindowLayout;
use super::causes::{ArrayCauses, LayerCauses};
use super::counters::{Counters, Cycles, Macs};
use super::memory::weights_are_resident;
use super::pipeline::{Machine, completions};
use super::stages::Stages;
use super::staging::{WeightPlace, stage_layer};
use super::vector::Work;

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
    let (layers, stages) = layers_in_stages(network, mapped, accelerator, regime);
    timed(layers, &stages, Machine::of(accelerator))
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
    for stage in stages.distinct_mut() {
        (stage.quantize, stage.vector) = (0, 0);
    }
    let without_vector = completions(&stages, machine);
    let before = [0].iter().chain(&without_vector);
    let causes = timing.layers.iter().zip(&without_vector).zip(before);
    let causes = causes.map(|((layer, complete), before)| {
        LayerCauses::of(layer.array_causes, layer.cycles, Cycles(complete - before))
    });
    let causes = causes.collect();
    (timing, causes)
}

fn timed(mut layers: Vec<LayerTiming>, stages: &Stages, machine: Machine) -> NetworkTiming {
    let complete = completions(stages, machine);
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
) -> Stages {
    layers_in_stages(network, mapped, accelerator, regime).1
}

/// What happens in each layer, its cycles not yet known.
fn layers_in_stages(
    network: &Network,
    mapped: &[LayerMapping],
    accelerator: &Accelerator,
    regime: Regime,
) -> (Vec<LayerTiming>, Stages) {
    let resident = weights_are_resident(network, accelerator, regime);
    let weights = if resident { WeightPlace::OnChip } else { WeightPlace::Dram };
    let mut stages = Stages::default();
    let mut done: Vec<Staged> = Vec::with_capacity(mapped.len());
    for (layer, mapping) in network.layers().iter().zip(mapped) {
        let (work, window) = (Work::of(layer, network), WindowLayout::of(layer, network));
        // A layer that does the same as an earlier one, with the same mapping, has its stages and counts.
        let same = |(other, staged): &(usize, &Staged)| {
            mapped[*other] == *mapping && staged.work == work && staged.window == window
        };
        let timing = match done.iter().enumerate().rev().find(same) {
            Some((other, known)) => {
                stages.repeat_layer(other);
                LayerTiming { name: layer.name.clone(), ..known.timing.clone() }
            }
            None => stage_layer(layer, network, mapping, accelerator, weights, &mut stages),
        };
        done.push(Staged { timing, work, window });
    }
    (done.into_iter().map(|staged| staged.timing).collect(), stages)
}

/// A layer in stages.
struct Staged {
    timing: LayerTiming,
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
    let (layer, mut stages) = (&network.layers()[layer], Stages::default());
    let mut timing = stage_layer(layer, network, mapping, accelerator, WeightPlace::Dram, &mut stages);
    timing.cycles = Cycles(completions(&stages, Machine::of(accelerator))[0]);
    timing
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
    use crate::mapping::{InputSupply, Search, map_network_with};
    use crate::source::SourceFile;
    use crate::timing::{Stage, array_cycles};
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
    /// per channel where pixels lie along the columns. Each is written once more before the first fold, and read by it.
    /// Without an integer bias there is nothing to preload.
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
                let mapped =
                    map_network_with(workload.network(), &accelerator, 1, &mut Search::Estimated).unwrap();
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
            let Ok(mapped) = map_network_with(workload.network(), &accelerator, batch, &mut Search::Estimated) else { return Ok(()) };
            let (layers, mut stages) = layers_in_stages(workload.network(), &mapped, &accelerator, Regime::Cold);
            for stage in stages.distinct_mut() {
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
            for ((complete, layer), mapping) in completions(&stages, machine).into_iter().zip(&layers).zip(&mapped) {
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
            let Ok(mapped) = map_network_with(workload.network(), &accelerator, batch, &mut Search::Estimated) else { return Ok(()) };
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
