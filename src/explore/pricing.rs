//! What requests of one network cost on one design.

use crate::cost::{
    self, AreaBreakdown, CostError, EnergyBreakdown, EnergyRange, Floorplan, Macro, Memories,
    partial_sum_bits,
};
use crate::hardware::{Accelerator, Scratchpad};
use crate::mapping::{Gemm, MappingError};
use crate::timing::{NetworkTiming, Regime, time_network};
use crate::workload::{Network, Operation, Workload};

use super::evaluate::{Design, Subject};
use super::mapper::{MappingPolicy, map};
use super::point::{Checksums, Cost, Outcome, PartialArea, Point, Range};

/// Modelled energy of a request in pJ, layer by layer and in total.
pub fn energy(
    timing: &NetworkTiming,
    design: &Design,
) -> Result<(Vec<EnergyBreakdown>, EnergyBreakdown), CostError> {
    let memories = memories(&design.accelerator);
    let counters = timing.layers.iter().map(|layer| &layer.counters);
    let layers = cost::energies(counters, &memories, &design.technology, 0.0)?;
    let mut total = EnergyBreakdown::default();
    for layer in &layers {
        total += layer;
    }
    Ok((layers, total))
}

/// Why a network has no cost on a design.
#[derive(Debug, thiserror::Error)]
pub enum PricingError {
    /// The design cannot run the network.
    #[error("{network} cannot run on {design}: {source}")]
    Mapping {
        /// Design name.
        design: String,
        /// Network name.
        network: String,
        /// The reason.
        source: Box<MappingError>,
    },
    /// An action has no price.
    #[error("{network} on {design}: {source}")]
    Cost {
        /// Design name.
        design: String,
        /// Network name.
        network: String,
        /// The reason.
        source: Box<CostError>,
    },
}

impl PricingError {
    pub(super) fn mapping(design: &Design, workload: &Workload, source: MappingError) -> Self {
        let (design, network) = (design.accelerator.name().to_owned(), workload.name().to_owned());
        Self::Mapping { design, network, source: Box::new(source) }
    }

    pub(super) fn cost(design: &Design, workload: &Workload, source: CostError) -> Self {
        let (design, network) = (design.accelerator.name().to_owned(), workload.name().to_owned());
        Self::Cost { design, network, source: Box::new(source) }
    }
}

/// What a design's requests for a network cost.
pub(super) struct Pricing<'a> {
    pub(super) design: &'a Design,
    pub(super) subject: &'a Subject,
    pub(super) policy: MappingPolicy,
}

impl Pricing<'_> {
    pub(super) fn point(&self, regime: Regime, batch: u64, outcome: Outcome) -> Result<Point, PricingError> {
        let workload = &self.subject.workload;
        let layers = agnostic_layers(workload.network());
        let total =
            |cost: fn(std::vec::IntoIter<cost::agnostic::AgnosticLayer>) -> Result<u64, CostError>| {
                cost(layers.clone().into_iter())
                    .map_err(|error| PricingError::cost(self.design, &self.subject.workload, error))
            };
        Ok(Point {
            design: self.design.accelerator.name().to_owned(),
            technology: self.design.technology.name().to_owned(),
            area: area(self.design).map(|area| PartialArea {
                mm2: Range {
                    low: area.total().low(),
                    typical: area.total().typical(),
                    high: area.total().high(),
                },
                label: area.label,
            }),
            network: workload.name().to_owned(),
            family: workload.family().to_owned(),
            precision: workload.precision().to_owned(),
            accuracy: None,
            batch,
            regime,
            outcome,
            macs: layers.iter().map(|layer| layer.macs).sum(),
            cost_linear: total(cost::agnostic::linear)?,
            cost_quadratic: total(cost::agnostic::quadratic)?,
            cost_memory_bits: total(cost::agnostic::memory)?,
            notes: self.subject.notes.clone(),
            checksums: Checksums {
                design: self.design.accelerator.sha256().to_owned(),
                network: workload.sha256().to_owned(),
                trace: self
                    .subject
                    .trained
                    .as_ref()
                    .map_or_else(String::new, |trained| trained.params.sha256().to_owned()),
                technology: self.design.technology_sha256.clone(),
            },
        })
    }

    pub(super) fn cost(&self, regime: Regime, batch: u64) -> Result<Cost, PricingError> {
        let network = self.subject.workload.costed_network();
        let accelerator = &self.design.accelerator;
        let mapped = map(self.design, &self.subject.workload, batch, self.policy)?;
        let timing = time_network(network, &mapped, accelerator, regime);
        let (_, energy) = energy(&timing, self.design)
            .map_err(|error| PricingError::cost(self.design, &self.subject.workload, error))?;
        let latency_s = timing.cycles.0 as f64 / accelerator.frequency_hz() as f64;
        let images = batch as f64;
        let per_image = |range: EnergyRange| Range {
            low: range.low() / images,
            typical: range.typical() / images,
            high: range.high() / images,
        };
        let total_j = energy.total().typical() * 1e-12;
        Ok(Cost {
            latency_s,
            images_per_s: images / latency_s,
            energy_per_image_pj: per_image(energy.total()),
            energy_by_component_pj: energy
                .components()
                .map(|(component, range)| (component.to_string(), per_image(range)))
                .collect(),
            energy_notes: energy.notes().iter().cloned().collect(),
            energy_excluded: energy.exclusions().iter().map(|exclusion| exclusion.what.clone()).collect(),
            average_power_w: total_j / latency_s,
            tops_per_w: 2.0 * timing.macs().0 as f64 / total_j / 1e12,
            utilization: timing.utilization(),
        })
    }
}

/// Area of a design's parts that have a source; None if no part has.
pub(super) fn area(design: &Design) -> Option<AreaBreakdown> {
    let (accelerator, array) = (&design.accelerator, design.accelerator.array());
    let floorplan = Floorplan {
        pes: array.count() * array.rows() * array.cols(),
        lanes: accelerator
            .macs()
            .iter()
            .map(|mac| (mac.pair(), partial_sum_bits(mac.spec()), mac.lanes()))
            .collect(),
        scratchpads: scratchpads(accelerator)
            .map(|(name, scratchpad)| (name, sram(scratchpad), scratchpad.banks()))
            .into(),
    };
    cost::area(&floorplan, &design.technology)
}

/// The scratchpads by the name under which their energy is reported.
pub(super) fn scratchpads(accelerator: &Accelerator) -> [(&'static str, &Scratchpad); 3] {
    [
        ("activation scratchpad", accelerator.activation()),
        ("weight scratchpad", accelerator.weight()),
        ("accumulator scratchpad", accelerator.accumulator()),
    ]
}

fn sram(scratchpad: &Scratchpad) -> Macro {
    Macro { bytes_per_bank: scratchpad.bytes_per_bank(), width_bits: scratchpad.width_bits() }
}

pub(super) fn memories(accelerator: &Accelerator) -> Memories {
    Memories {
        activation: sram(accelerator.activation()),
        weight: sram(accelerator.weight()),
        accumulator: sram(accelerator.accumulator()),
        dram_part: accelerator.dram().part().to_owned(),
    }
}

pub(super) fn agnostic_layers(network: &Network) -> Vec<cost::agnostic::AgnosticLayer> {
    network
        .layers()
        .iter()
        .filter_map(|layer| {
            let Operation::Convolution(convolution) = &layer.operation else { return None };
            let (gemm, pair) = (Gemm::of(layer, network, 1)?, convolution.operand_pair(network));
            Some(cost::agnostic::AgnosticLayer {
                macs: gemm.macs(),
                weights: gemm.weights(),
                activation_bits: pair.activation().bits(),
                weight_bits: pair.weight().bits(),
            })
        })
        .collect()
}
