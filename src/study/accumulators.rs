//! What the width of accumulators costs, and which widths the trained weights allow.

use crate::explore::{Design, Evaluation, MappingPolicy, Regime, TimedRequest};
use crate::numerics::RegisterWidth;
use crate::workload::Workload;

use super::{StudyError, TrainedNetwork};

/// The widths compared, in bits.
const WIDTHS: [u8; 4] = [16, 20, 24, 32];

/// Energies of a design's networks with integer accumulators of several widths.
#[derive(Clone, Debug, PartialEq)]
pub struct AccumulatorCosts {
    /// Bits of an accumulator.
    pub widths: [u8; 4],
    /// One row per network with an integer layer.
    pub rows: Vec<AccumulatorRow>,
}

/// One network.
#[derive(Clone, Debug, PartialEq)]
pub struct AccumulatorRow {
    /// Index of the network.
    pub network: usize,
    /// Typical energy per cold image in µJ, one per width.
    pub energy_uj: [f64; 4],
    /// Bits that exclude an overflow whatever the images, sign included: the widest layer of any run.
    pub bits_needed: u32,
}

impl AccumulatorCosts {
    pub(super) fn of(
        design: &Design,
        networks: &[TrainedNetwork],
        workloads: &[&Workload],
        policy: MappingPolicy,
        evaluation: &Evaluation,
    ) -> Result<Self, StudyError> {
        let designs: Vec<Design> = WIDTHS
            .into_iter()
            .filter_map(RegisterWidth::new)
            .map(|width| Design {
                accelerator: design.accelerator.with_accumulators(width),
                ..design.clone()
            })
            .collect();
        let mut rows = Vec::new();
        for (network, workload) in workloads.iter().enumerate() {
            let Some(bits_needed) = bits_needed(&networks[network], evaluation) else { continue };
            let mut energy_uj = [0.0; 4];
            for (energy_uj, design) in energy_uj.iter_mut().zip(&designs) {
                let request = TimedRequest::new(design, workload, policy, Regime::Cold)?;
                let part = design.accelerator.dram().part();
                let energy = request.energy_rows(&design.technology, part, 0.0).map_err(|source| {
                    StudyError::Cost {
                        design: design.accelerator.name().to_owned(),
                        technology: design.technology.name().to_owned(),
                        source,
                    }
                })?;
                *energy_uj = energy.rows.values().map(|row| row.typical()).sum::<f64>() / 1e6;
            }
            rows.push(AccumulatorRow { network, energy_uj, bits_needed });
        }
        Ok(Self { widths: WIDTHS, rows })
    }
}

/// None without an integer layer.
fn bits_needed(network: &TrainedNetwork, evaluation: &Evaluation) -> Option<u32> {
    let runs: Vec<&str> = network.runs.iter().map(|run| run.network.as_str()).collect();
    let executions = evaluation.executions.iter().filter(|its| runs.contains(&its.network.as_str()));
    executions.flat_map(|execution| &execution.layers).filter_map(|layer| layer.bits_needed).max()
}
