//! One design, one network, layer by layer: cycles, stalls, utilization, traffic, energy.

use std::fmt;

use crate::cost::{EnergyBreakdown, EnergyRange, action_counts};
use crate::hardware::Accelerator;
use crate::mapping::LayerMapping;
use crate::timing::{Counters, LayerCauses, LayerTiming, Regime, time_network_by_cause};
use crate::workload::Workload;

use super::evaluate::Design;
use super::mapper::{MappingPolicy, map};
use super::point::Range;
use super::pricing::{PricingError, energy};
use super::scalesim::NotForScaleSim;
use super::stepping::{SteppingError, array_cycles};

/// What says how long the array takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimingModel {
    /// Closed forms.
    Pipelined,
    /// Every array register by register, PE by PE and cycle by cycle; memory and vector unit as in
    /// [`Self::Pipelined`].
    Stepped,
}

impl fmt::Display for TimingModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pipelined => "pipelined",
            Self::Stepped => "stepped",
        })
    }
}

/// Why a request cannot be simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The design cannot run the network, or an action has no price.
    #[error(transparent)]
    Pricing(#[from] PricingError),
    /// The array cannot be stepped.
    #[error(transparent)]
    Stepping(#[from] SteppingError),
    /// SCALE-Sim has no numbers for it.
    #[error(transparent)]
    ScaleSim(#[from] NotForScaleSim),
}

/// A request of `batch` images.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation {
    /// Design name.
    pub hardware: String,
    /// Network name.
    pub workload: String,
    /// What says how long the array takes.
    pub timing: TimingModel,
    /// How it was mapped.
    pub policy: MappingPolicy,
    /// Images in the request.
    pub batch: u64,
    /// Where the weights are when it starts.
    pub regime: Regime,
    /// What the DRAM is.
    pub dram_part: String,
    /// Sustained rate of the DRAM channel.
    pub dram_bytes_per_s: f64,
    /// Sums over the layers.
    pub totals: SimulatedTotals,
    /// What the energy leaves out, and why.
    pub energy_excluded: Vec<String>,
    /// Where the energy of a memory is not that of a tabulated macro.
    pub energy_notes: Vec<String>,
    /// Layers in execution order.
    pub layers: Vec<SimulatedLayer>,
}

/// Where cycles go. The first five are the array's and never negative; the last two are negative where the
/// layer before paid for the waiting.
pub const CYCLE_CAUSES: [&str; 7] =
    ["useful", "edge_waste", "lane_waste", "fill_drain", "weight_load", "memory_stall", "vector_bound"];

fn by_cause(causes: &LayerCauses) -> [i64; 7] {
    let array = &causes.array;
    let [useful, edge, lane, fill, load] =
        [array.useful, array.edge_waste, array.lane_waste, array.fill_drain, array.weight_load]
            .map(|cycles| cycles.0.cast_signed());
    [useful, edge, lane, fill, load, causes.memory_stall, causes.vector_bound]
}

/// Of a whole request.
pub(super) fn sum_by_cause(causes: &[LayerCauses]) -> [i64; CYCLE_CAUSES.len()] {
    causes.iter().fold([0; CYCLE_CAUSES.len()], |mut sum, causes| {
        sum.iter_mut().zip(by_cause(causes)).for_each(|(sum, cycles)| *sum += cycles);
        sum
    })
}

/// Sums over a request.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulatedTotals {
    /// First DRAM command to last output written.
    pub cycles: u64,
    /// Cycles of the array alone.
    pub compute_cycles: u64,
    /// cycles − compute_cycles.
    pub stall_cycles: u64,
    /// The cycles by cause, in the order of [`CYCLE_CAUSES`].
    pub cycles_by_cause: [i64; 7],
    /// Seconds for the whole batch.
    pub latency_s: f64,
    /// batch / latency.
    pub images_per_s: f64,
    /// Modelled energy of the request in pJ.
    pub energy_pj: Range,
    /// Typical modelled energy per image in pJ.
    pub energy_per_image_pj: f64,
    /// Typical modelled energy over latency.
    pub average_power_w: f64,
    /// MACs in the request.
    pub macs: u64,
    /// Σ(macs / peak) / cycles, 0 to 1.
    pub utilization: f64,
}

/// One layer of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulatedLayer {
    /// Name in the network.
    pub name: String,
    /// `conv2d`, `linear`, `gemm`, `max_pool`, `average_pool`, `global_average_pool`, `add`, `requantize`.
    pub op: &'static str,
    /// Output pixels × batch; 0 off the array, like n, k and groups.
    pub m: u64,
    /// Output channels per group.
    pub n: u64,
    /// Contraction length.
    pub k: u64,
    /// Groups.
    pub groups: u64,
    /// Operand format; the stored format of the input off the array.
    pub activation_format: String,
    /// Operand format; empty off the array.
    pub weight_format: String,
    /// MACs in the request.
    pub macs: u64,
    /// From the completion of all layers before to that of this one.
    pub cycles: u64,
    /// Cycles of the array alone.
    pub compute_cycles: u64,
    /// cycles − compute_cycles; negative where the layer before paid for the waiting.
    pub stall_cycles: i64,
    /// The cycles by cause, in the order of [`CYCLE_CAUSES`]; they add up to `cycles`.
    pub cycles_by_cause: [i64; 7],
    /// Cycles in which the arrays wait for banks; part of the stall.
    pub bank_wait_cycles: u64,
    /// Where the layer stands under the design's roof; None off the array.
    pub roofline: Option<Roofline>,
    /// macs / (peak · cycles), 0 to 1.
    pub utilization: f64,
    /// m·n·k over ceiled extents; 0 off the array.
    pub mapping_utilization: f64,
    /// Modelled energy in pJ by component, in the order of the report.
    pub energy_pj: Vec<(&'static str, Range)>,
    /// How often each action occurred.
    pub counters: Counters,
    /// Burst-rounded bytes read.
    pub dram_read_bytes: u64,
    /// Burst-rounded bytes written.
    pub dram_write_bytes: u64,
}

/// A layer under the roof of its design: the array's peak for its pair, and the channel's rate times its
/// operational intensity (Williams, Waterman and Patterson, CACM 52(4), 2009). 1 MAC = 2 op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roofline {
    /// op per byte that crosses DRAM; None if none does.
    pub intensity_op_per_byte: Option<f64>,
    /// The array's peak in op/s.
    pub peak_ops_per_s: f64,
    /// The lower of the two roofs in op/s.
    pub attainable_ops_per_s: f64,
    /// op over the layer's cycles. May exceed the roof: overlap is credited to the later layer.
    pub reached_ops_per_s: f64,
}

fn bytes_per_s(accelerator: &Accelerator) -> f64 {
    let rate = accelerator.dram().bytes_per_cycle();
    accelerator.frequency_hz() as f64 * (rate.numerator() as f64 / rate.denominator() as f64)
}

impl Roofline {
    fn of(timing: &LayerTiming, accelerator: &Accelerator) -> Option<Self> {
        let gemm = timing.gemm?;
        let (ops, hz) = (2.0 * gemm.macs() as f64, accelerator.frequency_hz() as f64);
        let bytes = timing.counters.dram_read.0 + timing.counters.dram_write.0;
        let intensity_op_per_byte = (bytes > 0).then(|| ops / bytes as f64);
        let peak_ops_per_s = 2.0 * timing.peak as f64 * hz;
        let channel =
            intensity_op_per_byte.map_or(f64::INFINITY, |intensity| intensity * bytes_per_s(accelerator));
        Some(Self {
            intensity_op_per_byte,
            peak_ops_per_s,
            attainable_ops_per_s: peak_ops_per_s.min(channel),
            reached_ops_per_s: ops * hz / timing.cycles.0 as f64,
        })
    }
}

impl Simulation {
    /// How often each action of a layer occurred, by the key that a technology file prices it under.
    pub fn actions(&self, layer: &SimulatedLayer) -> Vec<(String, u64)> {
        action_counts(&layer.counters, &self.dram_part)
    }
}

/// Simulates one request; needs no trained values.
pub fn simulate(
    design: &Design,
    workload: &Workload,
    batch: u64,
    regime: Regime,
) -> Result<Simulation, PricingError> {
    simulate_by(design, workload, batch, regime, MappingPolicy::default())
}

/// Simulates one request mapped by `policy`; needs no trained values.
pub fn simulate_by(
    design: &Design,
    workload: &Workload,
    batch: u64,
    regime: Regime,
    policy: MappingPolicy,
) -> Result<Simulation, PricingError> {
    let mapped = map(design, workload, batch, policy)?;
    simulate_mapped(design, workload, batch, regime, policy, &mapped)
}

/// Simulates one request with the array stepped register by register. `progress` is called after every
/// layer.
///
/// # Errors
/// Also when stepping would take too long, or when it contradicts the closed forms: then one of them is
/// wrong.
pub fn simulate_stepped(
    design: &Design,
    workload: &Workload,
    batch: u64,
    regime: Regime,
    progress: impl Fn() + Sync,
) -> Result<Simulation, SimulationError> {
    simulate_stepped_by(design, workload, batch, regime, MappingPolicy::default(), progress)
}

/// [`simulate_stepped`] of a request mapped by `policy`.
pub fn simulate_stepped_by(
    design: &Design,
    workload: &Workload,
    batch: u64,
    regime: Regime,
    policy: MappingPolicy,
    progress: impl Fn() + Sync,
) -> Result<Simulation, SimulationError> {
    let mapped = map(design, workload, batch, policy)?;
    let mut simulation = simulate_mapped(design, workload, batch, regime, policy, &mapped)?;
    let stepped = array_cycles(workload.costed_network(), &mapped, &design.accelerator, progress)?;
    for (layer, stepped) in simulation.layers.iter().zip(stepped) {
        let closed_form = layer.compute_cycles;
        if stepped != closed_form {
            let layer = layer.name.clone();
            return Err(SteppingError::Contradiction { layer, stepped, closed_form }.into());
        }
    }
    simulation.timing = TimingModel::Stepped;
    Ok(simulation)
}

fn simulate_mapped(
    design: &Design,
    workload: &Workload,
    batch: u64,
    regime: Regime,
    policy: MappingPolicy,
    mapped: &[LayerMapping],
) -> Result<Simulation, PricingError> {
    let accelerator = &design.accelerator;
    let network = workload.costed_network();
    let (timing, causes) = time_network_by_cause(network, mapped, accelerator, regime);
    let (layer_energies, total) =
        energy(&timing, design).map_err(|error| PricingError::cost(design, workload, error))?;
    let latency_s = timing.cycles.0 as f64 / accelerator.frequency_hz() as f64;
    let energy_pj = range(total.total());
    let totals = SimulatedTotals {
        cycles: timing.cycles.0,
        compute_cycles: timing.compute_cycles().0,
        stall_cycles: timing.cycles.0 - timing.compute_cycles().0,
        cycles_by_cause: sum_by_cause(&causes),
        latency_s,
        images_per_s: batch as f64 / latency_s,
        energy_pj,
        energy_per_image_pj: energy_pj.typical / batch as f64,
        average_power_w: energy_pj.typical * 1e-12 / latency_s,
        macs: timing.macs().0,
        utilization: timing.utilization(),
    };
    let layers = network
        .layers()
        .iter()
        .zip(timing.layers.into_iter().zip(&causes))
        .zip(&layer_energies)
        .map(|((layer, (timing, causes)), energy)| {
            let stored = network.stored_format(layer.input).to_string();
            let roofline = Roofline::of(&timing, accelerator);
            simulated_layer(layer.operation.name(), stored, timing, causes, energy, roofline)
        })
        .collect();
    Ok(Simulation {
        hardware: accelerator.name().to_owned(),
        workload: workload.name().to_owned(),
        timing: TimingModel::Pipelined,
        policy,
        batch,
        regime,
        dram_part: accelerator.dram().part().to_owned(),
        dram_bytes_per_s: bytes_per_s(accelerator),
        totals,
        energy_excluded: total
            .exclusions()
            .iter()
            .map(|exclusion| format!("{} ({})", exclusion.what, exclusion.reason))
            .collect(),
        energy_notes: total.notes().iter().cloned().collect(),
        layers,
    })
}

fn simulated_layer(
    op: &'static str,
    stored: String,
    timing: LayerTiming,
    causes: &LayerCauses,
    energy: &EnergyBreakdown,
    roofline: Option<Roofline>,
) -> SimulatedLayer {
    let gemm = timing.gemm;
    let extent = |extent: fn(crate::mapping::Gemm) -> u64| gemm.map_or(0, extent);
    SimulatedLayer {
        op,
        m: extent(|gemm| gemm.m),
        n: extent(|gemm| gemm.n),
        k: extent(|gemm| gemm.k),
        groups: extent(|gemm| gemm.groups),
        activation_format: timing.pair.map_or(stored, |pair| pair.activation().to_string()),
        weight_format: timing.pair.map_or_else(String::new, |pair| pair.weight().to_string()),
        macs: timing.macs().0,
        cycles: timing.cycles.0,
        compute_cycles: timing.compute_cycles.0,
        stall_cycles: timing.stall_cycles(),
        cycles_by_cause: by_cause(causes),
        bank_wait_cycles: timing.bank_waits.0,
        utilization: timing.utilization(),
        mapping_utilization: timing.mapping_utilization.unwrap_or(0.0),
        roofline,
        energy_pj: energy.components().map(|(component, energy)| (component.name(), range(energy))).collect(),
        dram_read_bytes: timing.counters.dram_read.0,
        dram_write_bytes: timing.counters.dram_write.0,
        name: timing.name,
        counters: timing.counters,
    }
}

fn range(energy: EnergyRange) -> Range {
    Range { low: energy.low(), typical: energy.typical(), high: energy.high() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{SHIPPED_TECHNOLOGIES, Technology};
    use crate::source::SourceFile;

    const DESIGN: &str = r#"
schema_version = 1
frequency_hz = 1_000_000_000
technology = "7nm"
[array]
rows = 4
cols = 4
dataflows = ["ws"]
[[mac]]
activation = "int8"
weight = "int8"
lanes = { along = "k", count = 1 }
partial_sum_bits = 24
accumulator_bits = 32
[scratchpad]
activation = { bytes = 8192, width_bits = 64 }
weight = { bytes = 8192, width_bits = 64 }
accumulator = { bytes = 8192, width_bits = 64 }
[dram]
part = "HBM2"
bytes_per_s = 32_000_000_000
efficiency = 1.0
latency_cycles = 10
burst_bytes = 32
[vector]
lanes = 4
ops_per_cycle = 1
"#;

    const NETWORK: &str = r#"
schema_version = 1
input = { height = 1, width = 3, channels = 6 }
[[layer]]
name = "a"
conv2d = { out_channels = 5, kernel = [1, 1] }
[precision]
default = "w8a8"
"#;

    fn design() -> Design {
        let technology = SourceFile::embedded("7nm.toml", SHIPPED_TECHNOLOGIES[0].1);
        Design {
            accelerator: Accelerator::parse(&SourceFile::embedded("d.toml", DESIGN)).unwrap(),
            technology: Technology::parse(&technology).unwrap(),
            technology_sha256: technology.sha256(),
        }
    }

    /// M×N×K = 3×5×6 on 4×4 PEs: folds of ρ×nc = 4×4, 2×4, 4×1, 2×1, each streaming 3 vectors.
    ///
    /// - array 21 cycles (see `timing::pace`), in two stages: four channels, whose 24 B of weights come
    ///   first, and the fifth. Channel: weights and multipliers (1 + 2 cycles), the fifth channel's weights
    ///   (1), image (1), each usable 10 later.
    /// - The first stage starts when its weights are there and have shifted in, 3 + 10 + 4 = 17, and ends 13
    ///   later; the second starts 7 after the first and ends in 34. The vector unit takes 36/4 = 9 cycles
    ///   from 30 and 9/4 → 3 more, until 42; the output 2 on the channel and 10 to arrive: 54.
    /// - registers: (48·32 + 20·4·8) + (24·32 + 6·4·8) + (12·32 + 20·8) + (6·32 + 6·8) = 3920 bits.
    /// - activation words: 12 streamed + 8 for DRAM read; 3 of the image + 8 of the output written.
    /// - weight words: 4 + 2 + 4 + 2 read, 240 bits = 4 written.
    /// - accumulator words: 3·(2 + 2 + 1 + 1) = 18 written, as many read.
    /// - DRAM bytes in bursts of 32: image 18 → 32, weights 24 → 32 and 6 → 32, multipliers and biases 40 → 64,
    ///   output 60 → 64.
    #[test]
    fn a_hand_computed_four_by_four() {
        let workload = Workload::parse(&SourceFile::embedded("n.toml", NETWORK)).unwrap();
        let simulation = simulate(&design(), &workload, 1, Regime::Cold).unwrap();
        let [layer] = &simulation.layers[..] else { panic!("one layer") };
        assert_eq!((layer.m, layer.n, layer.k, layer.macs), (3, 5, 6, 90));
        assert_eq!((layer.cycles, layer.compute_cycles, layer.stall_cycles), (54, 21, 33));
        // 90 MACs on 16 PEs: 6 cycles of 12 that vectors take. Waiting 4 for the first rows and 1 for four
        // rows after 3 vectors. With an instant vector unit the output leaves in 34, and arrives in 46.
        assert_eq!(layer.cycles_by_cause, [6, 6, 0, 21 - 12 - 5, 5, 46 - 21, 54 - 46]);
        assert_eq!((layer.dram_read_bytes, layer.dram_write_bytes), (160, 64));
        assert_eq!(layer.utilization, 90.0 / 16.0 / 54.0);
        // 180 op for 224 B at 32 B per cycle and 1 GHz.
        let roofline = layer.roofline.unwrap();
        assert_eq!(roofline.intensity_op_per_byte, Some(180.0 / 224.0));
        assert!((roofline.attainable_ops_per_s - 180.0 / 7.0 * 1e9).abs() < 1.0);
        assert!((roofline.reached_ops_per_s - 180.0 / 54.0 * 1e9).abs() < 1.0);
        assert_eq!(layer.mapping_utilization, (5.0 / 8.0) * (6.0 / 8.0));
        let register = 0.009 * 0.0935f64.sqrt();
        for (component, pj) in [
            ("multiplier", 90.0 * 0.07),
            ("MAC adder", 90.0 * (0.007 + 16.0 * 0.023 / 24.0) + 30.0 * 0.03),
            ("PE registers", 3920.0 * register),
            ("activation scratchpad", 31.0 * 7.5),
            ("weight scratchpad", 16.0 * 7.5),
            ("accumulator scratchpad", 36.0 * 7.5),
            ("vector unit", 15.0 * (0.38 + 1.31 + 0.38)),
            ("DRAM", 224.0 * 8.0 * 350.0 / 64.0),
        ] {
            let found = layer.energy_pj.iter().find(|(other, _)| *other == component);
            let found = found.unwrap_or_else(|| panic!("{component} in {:?}", layer.energy_pj)).1.typical;
            assert!((found - pj).abs() < 1e-3 * pj, "{component}: {found} pJ, by hand {pj}");
        }
        assert_eq!(simulation.totals.latency_s, 54e-9);
    }

    #[test]
    fn steady_requests_find_the_weights_on_chip() {
        let workload = Workload::parse(&SourceFile::embedded("n.toml", NETWORK)).unwrap();
        let steady = simulate(&design(), &workload, 1, Regime::Steady).unwrap();
        assert_eq!(steady.layers[0].dram_read_bytes, 32);
    }

    #[test]
    fn a_missing_pair_is_named() {
        let network = NETWORK.replace("w8a8", "w4a4");
        let workload = Workload::parse(&SourceFile::embedded("n.toml", &network)).unwrap();
        let error = simulate(&design(), &workload, 1, Regime::Cold).unwrap_err().to_string();
        assert_eq!(error, "n cannot run on d: pair (int4,int4) of layer `a` (the design takes (int8,int8))");
    }
}
