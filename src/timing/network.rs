//! A whole network: cycles and action counts per layer, and their totals.

use std::fmt;

use crate::hardware::Accelerator;
use crate::mapping::{Gemm, MappedLayer};
use crate::numerics::{MacSpec, OperandPair};
use crate::workload::{Layer, Network, Operation};

use super::counters::{Accesses, Adder, Additions, Bits, Counters, Cycles, Macs, Words};
use super::{memory, pipelined, vector};

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
    /// MACs per cycle of the array for that pair.
    pub peak: u64,
    /// The longest of array, vector unit and DRAM, plus one DRAM latency.
    pub cycles: Cycles,
    /// The same with infinite bandwidth, zero latency and an infinitely fast vector unit.
    pub compute_cycles: Cycles,
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
    /// Cycles beyond those of the array.
    pub fn stall_cycles(&self) -> Cycles {
        Cycles(self.cycles.0 - self.compute_cycles.0)
    }

    /// MACs in the request.
    pub fn macs(&self) -> Macs {
        Macs(self.gemm.map_or(0, Gemm::macs))
    }

    /// macs / (peak · cycles), 0 to 1.
    pub fn utilization(&self) -> f64 {
        if self.peak == 0 { 0.0 } else { self.macs().0 as f64 / self.peak as f64 / self.cycles.0 as f64 }
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
    mapped: &[Option<MappedLayer>],
    accelerator: &Accelerator,
    batch: u64,
    regime: Regime,
) -> NetworkTiming {
    let layers: Vec<LayerTiming> = network
        .layers()
        .iter()
        .zip(mapped)
        .map(|(layer, mapped)| time_layer(layer, mapped.as_ref(), network, accelerator, batch, regime))
        .collect();
    let mut counters = Counters::default();
    for layer in &layers {
        counters += &layer.counters;
    }
    NetworkTiming { cycles: layers.iter().map(|layer| layer.cycles).sum(), layers, counters }
}

fn time_layer(
    layer: &Layer,
    mapped: Option<&MappedLayer>,
    network: &Network,
    accelerator: &Accelerator,
    batch: u64,
    regime: Regime,
) -> LayerTiming {
    let traffic = memory::traffic(layer, mapped, network, accelerator, batch, regime);
    let operations = vector::operations(layer, network, batch);
    let compute_cycles =
        mapped.map_or(Cycles(0), |mapped| pipelined::array_cycles(&mapped.schedule, accelerator.array()));
    let vector_cycles = vector::cycles(&operations, accelerator.vector());
    let dram_cycles = memory::transfer_cycles(traffic.read + traffic.write, accelerator.dram());
    let cycles =
        compute_cycles.max(vector_cycles).max(dram_cycles) + Cycles(accelerator.dram().latency_cycles());
    let mut counters =
        mapped.map_or_else(Counters::default, |mapped| array_counters(mapped, accelerator, compute_cycles));
    counters.vector = operations;
    counters.dram_read = traffic.read;
    counters.dram_write = traffic.write;
    counters.activation += activation_words(layer, network, accelerator, batch, &traffic);
    counters.weight.writes +=
        Words(traffic.weight_bits.div_ceil(u64::from(accelerator.weight().width_bits())));
    let timing = LayerTiming {
        name: layer.name.clone(),
        gemm: mapped.map(|mapped| mapped.schedule.gemm),
        pair: mapped.map(|mapped| mapped.pair),
        peak: mapped.map_or(0, |mapped| mapped.schedule.peak()),
        cycles,
        compute_cycles,
        vector_cycles,
        dram_cycles,
        mapping_utilization: mapped.map(|mapped| mapped.schedule.mapping_utilization()),
        counters,
    };
    assert_bounds(&timing, mapped);
    timing
}

/// Lower bounds that hold for any machine with this array; a violation is a bug of the model.
fn assert_bounds(timing: &LayerTiming, mapped: Option<&MappedLayer>) {
    if let Some(mapped) = mapped {
        let streamed: u64 = mapped.schedule.folds().map(|fold| fold.vectors).sum();
        let compute = timing.macs().0.div_ceil(timing.peak);
        assert!(
            timing.compute_cycles.0 >= compute && timing.compute_cycles.0 >= streamed,
            "layer {}: fewer cycles than its MACs need",
            timing.name
        );
    }
    assert!(timing.cycles >= timing.dram_cycles, "layer {}: faster than its DRAM traffic", timing.name);
}

fn array_counters(mapped: &MappedLayer, accelerator: &Accelerator, array_cycles: Cycles) -> Counters {
    let MappedLayer { schedule, pair, plan } = mapped;
    let (partial_sum_bits, accumulator_bits, adders) = match plan.mac {
        MacSpec::Integer(mac) => {
            let (partial_sum, accumulator) = (mac.partial_sum.bits(), mac.accumulator.bits());
            (partial_sum, accumulator, [Adder::Integer(partial_sum), Adder::Integer(accumulator)])
        }
        MacSpec::Bf16(_) => (32, 32, [Adder::F32, Adder::F32]),
    };
    let (partial_sum_bits, accumulator_bits) = (u64::from(partial_sum_bits), u64::from(accumulator_bits));
    let (activation_bits, weight_bits) =
        (u64::from(pair.activation().bits()), u64::from(pair.weight().bits()));
    let lanes = schedule.lanes;
    let mut counters = Counters::default();
    let mut updates = 0;
    for fold in schedule.folds() {
        let (rows, columns, vectors) = (fold.rows, fold.columns, fold.vectors);
        updates += vectors * columns;
        // Per MAC slot: the activation and the partial sum. Per fold: the weight chain.
        let slots = rows * columns * vectors * (lanes * activation_bits + partial_sum_bits);
        let chain = rows * (rows + 1) / 2 + rows * (rows - 1) / 2 + rows;
        counters.register_bits += Bits(slots + chain * columns * lanes * weight_bits);
        let width = u64::from(accelerator.activation().width_bits());
        counters.activation.reads += Words(vectors * (rows * lanes * activation_bits).div_ceil(width));
        let width = u64::from(accelerator.weight().width_bits());
        counters.weight.reads += Words(rows * (columns * lanes * weight_bits).div_ceil(width));
        let words = vectors
            * (columns * accumulator_bits).div_ceil(u64::from(accelerator.accumulator().width_bits()));
        counters.accumulator.writes += Words(words);
        // Read back unless it is the first; drained once, counted there.
        counters.accumulator.reads += Words(words);
    }
    let macs = schedule.gemm.macs();
    counters.macs.insert(*pair, Macs(macs));
    counters.idle_macs.insert(*pair, Macs(schedule.peak() * array_cycles.0 - macs));
    for (adder, additions) in adders.into_iter().zip([macs, updates]) {
        *counters.additions.entry(adder).or_default() += Additions(additions);
    }
    counters
}

/// Words that enter and leave the activation scratchpad besides the vectors streamed to the array.
fn activation_words(
    layer: &Layer,
    network: &Network,
    accelerator: &Accelerator,
    batch: u64,
    traffic: &memory::Traffic,
) -> Accesses {
    let words = |bits: u64| Words(bits.div_ceil(u64::from(accelerator.activation().width_bits())));
    let (input, shortcut, output) =
        (words(traffic.input_bits), words(traffic.shortcut_bits), words(traffic.output_bits));
    // Filled from DRAM, written by the vector unit; read by the vector unit, read for DRAM.
    let mut accesses = Accesses { writes: input + shortcut + output, reads: shortcut + output };
    match (&layer.operation, network.quantizes_on_read(layer)) {
        (Operation::GlobalAveragePool, _) => accesses.reads += input,
        (Operation::Convolution(_), Some(quantizer)) => {
            let elements = network.edge(layer.input).shape.elements() as u64 * batch;
            accesses.reads += input;
            accesses.writes += words(elements * u64::from(network.quantizer(quantizer).grid.format().bits()));
        }
        (Operation::Convolution(_), None) => {}
    }
    accesses
}
