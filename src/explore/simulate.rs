//! One design, one network, layer by layer: cycles, stalls, utilization, traffic, energy.

use crate::cost::{EnergyBreakdown, EnergyRange};
use crate::mapping::{MappingError, map_network};
use crate::timing::{LayerTiming, Regime, time_network};
use crate::workload::{Operation, WindowKind, Workload};

use super::evaluate::{Design, energy};
use super::point::Range;

/// A request of `batch` images.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation {
    /// Design name.
    pub hardware: String,
    /// Network name.
    pub workload: String,
    /// Images in the request.
    pub batch: u64,
    /// Where the weights are when it starts.
    pub regime: Regime,
    /// Sums over the layers.
    pub totals: SimulatedTotals,
    /// What the energy leaves out, and why.
    pub energy_excluded: Vec<String>,
    /// Where the energy of a memory is not that of a tabulated macro.
    pub energy_notes: Vec<String>,
    /// Layers in execution order.
    pub layers: Vec<SimulatedLayer>,
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
    /// `conv2d`, `linear`, `global_average_pool`.
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
    /// Longest of array, vector unit and DRAM, plus one DRAM latency.
    pub cycles: u64,
    /// Cycles of the array alone.
    pub compute_cycles: u64,
    /// cycles − compute_cycles.
    pub stall_cycles: u64,
    /// macs / (peak · cycles), 0 to 1.
    pub utilization: f64,
    /// m·n·k over ceiled extents; 0 off the array.
    pub mapping_utilization: f64,
    /// Modelled energy in pJ by component, in the order of the report.
    pub energy_pj: Vec<(String, Range)>,
    /// Burst-rounded bytes read.
    pub dram_read_bytes: u64,
    /// Burst-rounded bytes written.
    pub dram_write_bytes: u64,
}

/// Why a simulation cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The design cannot run the network.
    #[error("{network} cannot run on {design}: {source}")]
    Mapping {
        /// Design name.
        design: String,
        /// Network name.
        network: String,
        /// The reason.
        source: MappingError,
    },
    /// An action cannot be priced.
    #[error(transparent)]
    Cost(#[from] crate::cost::CostError),
}

/// Simulates one request; needs no trained values.
pub fn simulate(
    design: &Design,
    workload: &Workload,
    batch: u64,
    regime: Regime,
) -> Result<Simulation, SimulateError> {
    let accelerator = &design.accelerator;
    let network = workload.network();
    let mapped = map_network(network, accelerator, batch).map_err(|source| SimulateError::Mapping {
        design: accelerator.name().to_owned(),
        network: workload.name().to_owned(),
        source,
    })?;
    let timing = time_network(network, &mapped, accelerator, batch, regime);
    let (layer_energies, total) = energy(&timing, design)?;
    let latency_s = timing.cycles.0 as f64 / accelerator.frequency_hz() as f64;
    let energy_pj = range(total.total());
    let layers = network
        .layers()
        .iter()
        .zip(&timing.layers)
        .zip(&layer_energies)
        .map(|((layer, timing), energy)| {
            let op = match &layer.operation {
                Operation::Convolution(convolution) => match convolution.kind {
                    WindowKind::Convolution => "conv2d",
                    WindowKind::Linear => "linear",
                },
                Operation::GlobalAveragePool => "global_average_pool",
            };
            let stored = network.stored_format(layer.input).to_string();
            simulated_layer(op, stored, timing, energy)
        })
        .collect();
    Ok(Simulation {
        hardware: accelerator.name().to_owned(),
        workload: workload.name().to_owned(),
        batch,
        regime,
        totals: SimulatedTotals {
            cycles: timing.cycles.0,
            compute_cycles: timing.compute_cycles().0,
            stall_cycles: timing.cycles.0 - timing.compute_cycles().0,
            latency_s,
            images_per_s: batch as f64 / latency_s,
            energy_pj,
            energy_per_image_pj: energy_pj.typical / batch as f64,
            average_power_w: energy_pj.typical * 1e-12 / latency_s,
            macs: timing.macs().0,
            utilization: timing.utilization(),
        },
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
    timing: &LayerTiming,
    energy: &EnergyBreakdown,
) -> SimulatedLayer {
    let gemm = timing.gemm;
    let extent = |extent: fn(crate::mapping::Gemm) -> u64| gemm.map_or(0, extent);
    SimulatedLayer {
        name: timing.name.clone(),
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
        stall_cycles: timing.stall_cycles().0,
        utilization: timing.utilization(),
        mapping_utilization: timing.mapping_utilization.unwrap_or(0.0),
        energy_pj: energy
            .components()
            .map(|(component, energy)| (component.to_string(), range(energy)))
            .collect(),
        dram_read_bytes: timing.counters.dram_read.0,
        dram_write_bytes: timing.counters.dram_write.0,
    }
}

fn range(energy: EnergyRange) -> Range {
    Range { low: energy.low(), typical: energy.typical(), high: energy.high() }
}
