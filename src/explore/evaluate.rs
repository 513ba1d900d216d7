//! Every design × every network: timed, costed, and executed once per distinct list of plans.

use std::collections::BTreeMap;

use crate::cost::{self, CostError, EnergyBreakdown, EnergyRange, Macro, Memories, Technology};
use crate::functional::ExecutionError;
use crate::hardware::{Accelerator, Scratchpad};
use crate::mapping::{Gemm, LayerPlan, MappedLayer, MappingError, map_network};
use crate::timing::{NetworkTiming, Regime, time_network};
use crate::workload::{Network, Operation, Workload};

use super::execution::{Execution, Trained, execute, plans};
use super::point::{Checksums, Cost, Outcome, Point, Range};

/// Below this share of usable MAC slots a row is marked.
const TOO_LARGE_BELOW: f64 = 0.10;

/// Batch and regime of the rows of one design × network.
const REQUESTS: [(Regime, u64); 3] = [(Regime::Cold, 1), (Regime::Steady, 1), (Regime::Steady, 64)];

/// A design with the technology that prices its actions.
#[derive(Clone, Debug)]
pub struct Design {
    /// The accelerator.
    pub accelerator: Accelerator,
    /// Its technology.
    pub technology: Technology,
    /// SHA-256 of the technology file, hexadecimal.
    pub technology_sha256: String,
}

/// A network with what is needed to execute it, if it is there.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The network.
    pub workload: Workload,
    /// Trained values, images and normalization; None gives costs only.
    pub trained: Option<Trained>,
    /// Warnings that belong to every row of the network.
    pub notes: Vec<String>,
}

/// Why an evaluation cannot be completed.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// A layer cannot be mapped for another reason than its operand pair.
    #[error("{network} on {design}: {source}")]
    Mapping {
        /// Design name.
        design: String,
        /// Network name.
        network: String,
        /// The reason.
        source: MappingError,
    },
    /// An action cannot be priced.
    #[error("{network} on {design}: {source}")]
    Cost {
        /// Design name.
        design: String,
        /// Network name.
        network: String,
        /// The reason.
        source: CostError,
    },
    /// A network cannot be executed.
    #[error("{network}: {source}")]
    Execution {
        /// Network name.
        network: String,
        /// The reason.
        source: ExecutionError,
    },
}

/// Everything an evaluation found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// One point per design × network × (cold batch 1, steady batch 1, steady batch 64).
    pub points: Vec<Point>,
    /// One execution per trained network and distinct list of plans.
    pub executions: Vec<Execution>,
}

/// Evaluates every design on every network. `progress` is called after every executed image.
pub fn evaluate(
    designs: &[Design],
    subjects: &[Subject],
    progress: impl Fn(usize) + Sync,
) -> Result<Evaluation, EvaluateError> {
    let mut evaluation = Evaluation::default();
    let mut executed: BTreeMap<(usize, Vec<Option<LayerPlan>>), usize> = BTreeMap::new();
    for design in designs {
        for (index, subject) in subjects.iter().enumerate() {
            let row = Row { design, subject };
            let mapped = match map_network(subject.workload.network(), &design.accelerator, 1) {
                Ok(mapped) => mapped,
                Err(error @ MappingError::UnsupportedPair { .. }) => {
                    let outcome = Outcome::NotSupported(format!("not supported: {error}"));
                    evaluation.points.push(row.point(Regime::Cold, 1, outcome)?);
                    continue;
                }
                Err(error) => return Err(row.mapping(error)),
            };
            let mut execution = None;
            if let Some(trained) = &subject.trained {
                let plans = plans(&mapped);
                let position = match executed.get(&(index, plans.clone())) {
                    Some(position) => *position,
                    None => {
                        let executions = &mut evaluation.executions;
                        executions.push(execute(&subject.workload, trained, &plans, &progress).map_err(
                            |source| EvaluateError::Execution {
                                network: subject.workload.name().to_owned(),
                                source,
                            },
                        )?);
                        executed.insert((index, plans), executions.len() - 1);
                        executions.len() - 1
                    }
                };
                let found = &mut evaluation.executions[position];
                found.designs.push(design.accelerator.name().to_owned());
                execution = Some(found.clone());
            }
            for (regime, batch) in REQUESTS {
                let mut point = row.point(regime, batch, Outcome::Runs(row.cost(regime, batch)?))?;
                point.notes.extend(row.size_note(&mapped));
                point.notes.extend(execution.iter().filter_map(overflow_note));
                point.accuracy = execution.as_ref().map(|execution| execution.accuracy.clone());
                evaluation.points.push(point);
            }
        }
    }
    Ok(evaluation)
}

fn overflow_note(execution: &Execution) -> Option<String> {
    let overflows: u64 = execution.layers.iter().map(|layer| layer.overflows).sum();
    (overflows > 0).then(|| format!("{overflows} additions overflowed their register and wrapped"))
}

/// Modelled energy of a request in pJ, layer by layer and in total.
pub fn energy(
    timing: &NetworkTiming,
    design: &Design,
) -> Result<(Vec<EnergyBreakdown>, EnergyBreakdown), CostError> {
    let memories = memories(&design.accelerator);
    let layers = timing
        .layers
        .iter()
        .map(|layer| cost::energy(&layer.counters, &memories, &design.technology, 0.0))
        .collect::<Result<Vec<_>, _>>()?;
    let mut total = EnergyBreakdown::default();
    for layer in &layers {
        total += layer;
    }
    Ok((layers, total))
}

/// One design × network.
struct Row<'a> {
    design: &'a Design,
    subject: &'a Subject,
}

impl Row<'_> {
    fn mapping(&self, source: MappingError) -> EvaluateError {
        let design = self.design.accelerator.name().to_owned();
        EvaluateError::Mapping { design, network: self.subject.workload.name().to_owned(), source }
    }

    fn cost_error(&self, source: CostError) -> EvaluateError {
        let design = self.design.accelerator.name().to_owned();
        EvaluateError::Cost { design, network: self.subject.workload.name().to_owned(), source }
    }

    fn point(&self, regime: Regime, batch: u64, outcome: Outcome) -> Result<Point, EvaluateError> {
        let workload = &self.subject.workload;
        let layers = agnostic_layers(workload.network());
        let total =
            |cost: fn(std::vec::IntoIter<cost::agnostic::AgnosticLayer>) -> Result<u64, CostError>| {
                cost(layers.clone().into_iter()).map_err(|error| self.cost_error(error))
            };
        Ok(Point {
            design: self.design.accelerator.name().to_owned(),
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

    fn cost(&self, regime: Regime, batch: u64) -> Result<Cost, EvaluateError> {
        let network = self.subject.workload.network();
        let accelerator = &self.design.accelerator;
        let mapped = map_network(network, accelerator, batch).map_err(|error| self.mapping(error))?;
        let timing = time_network(network, &mapped, accelerator, batch, regime);
        let (_, energy) = energy(&timing, self.design).map_err(|error| self.cost_error(error))?;
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
            energy_excluded: energy.exclusions().iter().map(|exclusion| exclusion.what.clone()).collect(),
            average_power_w: total_j / latency_s,
            tops_per_w: 2.0 * timing.macs().0 as f64 / total_j / 1e12,
            utilization: timing.utilization(),
        })
    }

    fn size_note(&self, mapped: &[Option<MappedLayer>]) -> Option<String> {
        let timing =
            time_network(self.subject.workload.network(), mapped, &self.design.accelerator, 1, Regime::Cold);
        (timing.mapping_utilization() < TOO_LARGE_BELOW)
            .then(|| "array too large for this network".to_owned())
    }
}

fn memories(accelerator: &Accelerator) -> Memories {
    let sram = |scratchpad: &Scratchpad| Macro {
        bytes_per_bank: scratchpad.bytes_per_bank(),
        width_bits: scratchpad.width_bits(),
    };
    Memories {
        activation: sram(accelerator.activation()),
        weight: sram(accelerator.weight()),
        accumulator: sram(accelerator.accumulator()),
        dram_part: accelerator.dram().part().to_owned(),
    }
}

fn agnostic_layers(network: &Network) -> Vec<cost::agnostic::AgnosticLayer> {
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
