//! Every design × every network: timed, costed, and executed once per distinct list of plans.

use std::collections::BTreeMap;

use crate::cost::Technology;
use crate::functional::ExecutionError;
use crate::hardware::Accelerator;
use crate::mapping::LayerPlan;
use crate::timing::{Regime, time_network};
use crate::workload::Workload;

use super::execution::{Execution, Trained, measure, plans};
use super::mapper::{MappingPolicy, map};
use super::point::{Accuracy, Outcome, Point};
use super::pricing::{Pricing, PricingError};
use super::published::{PublishedAccuracy, published};

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
    /// A network cannot be priced on a design that takes its operand pairs.
    #[error(transparent)]
    Pricing(#[from] PricingError),
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
    /// One point per design × network × (cold batch 1, steady batch 1, steady batch 64); for networks that
    /// are not executed, one for each published accuracy that belongs to them.
    pub points: Vec<Point>,
    /// One execution per trained network and distinct list of plans.
    pub executions: Vec<Execution>,
}

/// How far an evaluation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many images will be executed: said once, after costs.
    Planned(usize),
    /// One more has been.
    Executed,
}

/// Evaluates every design on every network.
pub fn evaluate(
    designs: &[Design],
    subjects: &[Subject],
    progress: impl Fn(Progress) + Sync,
) -> Result<Evaluation, EvaluateError> {
    evaluate_by(designs, subjects, MappingPolicy::default(), progress)
}

/// [`evaluate`] with every network mapped by `policy`, which its points note if it is not the default.
pub fn evaluate_by(
    designs: &[Design],
    subjects: &[Subject],
    policy: MappingPolicy,
    progress: impl Fn(Progress) + Sync,
) -> Result<Evaluation, EvaluateError> {
    // Costs first: what cannot be priced is known before anything is executed.
    let rows: Vec<Row> = designs
        .iter()
        .flat_map(|design| (0..subjects.len()).map(move |index| (design, index)))
        .map(|(design, index)| Row::new(design, index, &subjects[index], policy))
        .collect::<Result<_, _>>()?;
    progress(Progress::Planned(planned(&rows)));
    let mut evaluation = Evaluation::default();
    let mut executed: BTreeMap<(usize, Vec<Option<LayerPlan>>), usize> = BTreeMap::new();
    for Row { design, index, subject, points, plans } in rows {
        let execution = match &subject.trained {
            Some(trained) if !plans.is_empty() => {
                let position = match executed.get(&(index, plans.clone())) {
                    Some(position) => *position,
                    None => {
                        let execution =
                            measure(&subject.workload, trained, &plans, &|| progress(Progress::Executed))
                                .map_err(|source| EvaluateError::Execution {
                                    network: subject.workload.name().to_owned(),
                                    source,
                                })?;
                        evaluation.executions.push(execution);
                        executed.insert((index, plans), evaluation.executions.len() - 1);
                        evaluation.executions.len() - 1
                    }
                };
                let execution = &mut evaluation.executions[position];
                execution.designs.push(design.accelerator.name().to_owned());
                Some(&*execution)
            }
            _ => None,
        };
        let accuracies = match execution {
            Some(execution) => vec![Some(Accuracy::Measured(execution.accuracy.clone()))],
            None => published_accuracies(subject),
        };
        for accuracy in accuracies {
            evaluation.points.extend(points.iter().cloned().map(|mut point| {
                point.notes.extend(execution.and_then(overflow_note));
                point.accuracy = accuracy.clone();
                point.notes.extend(point.published().map(published_note));
                point
            }));
        }
    }
    Ok(evaluation)
}

/// Images to execute: one evaluation set per network and distinct list of plans.
fn planned(rows: &[Row]) -> usize {
    let distinct: BTreeMap<_, usize> = rows
        .iter()
        .filter(|row| !row.plans.is_empty())
        .filter_map(|row| Some(((row.index, &row.plans), row.subject.trained.as_ref()?.images.len())))
        .collect();
    distinct.values().sum()
}

/// One per source; a single None if there is none, or if the network is trained here.
fn published_accuracies(subject: &Subject) -> Vec<Option<Accuracy>> {
    let rows = if subject.trained.is_some() { vec![] } else { published(&subject.workload) };
    if rows.is_empty() {
        return vec![None];
    }
    rows.into_iter().map(|row| Some(Accuracy::Published(row.clone()))).collect()
}

fn published_note(accuracy: &PublishedAccuracy) -> String {
    let baseline = accuracy.baseline_percent.map_or_else(String::new, |baseline| {
        format!("; unquantized network of the same source: {baseline} %")
    });
    let note = if accuracy.note.is_empty() { String::new() } else { format!(" ({})", accuracy.note) };
    format!("accuracy published: {}{note}{baseline}", accuracy.source())
}

fn overflow_note(execution: &Execution) -> Option<String> {
    let overflows: u64 = execution.layers.iter().map(|layer| layer.overflows).sum();
    (overflows > 0).then(|| format!("{overflows} additions overflowed their register and wrapped"))
}

/// One design × network, priced; points still without accuracy.
struct Row<'a> {
    design: &'a Design,
    index: usize,
    subject: &'a Subject,
    points: Vec<Point>,
    /// Empty when the design cannot run the network.
    plans: Vec<Option<LayerPlan>>,
}

impl<'a> Row<'a> {
    fn new(
        design: &'a Design,
        index: usize,
        subject: &'a Subject,
        policy: MappingPolicy,
    ) -> Result<Self, EvaluateError> {
        let pricing = Pricing { design, subject, policy };
        let row = |points, plans| Ok(Self { design, index, subject, points, plans });
        let mapped = match map(design, &subject.workload, 1, policy) {
            Ok(mapped) => mapped,
            Err(PricingError::Mapping { source, .. }) => {
                let outcome = Outcome::NotSupported(format!("not supported: {source}"));
                return row(vec![pricing.point(Regime::Cold, 1, outcome)?], vec![]);
            }
            Err(error) => return Err(error.into()),
        };
        let mut points = Vec::new();
        for (regime, batch) in REQUESTS {
            let outcome = match pricing.cost(regime, batch) {
                Ok(cost) => Outcome::Runs(cost),
                Err(PricingError::Mapping { source, .. }) => {
                    Outcome::NotSupported(format!("not supported: {source}"))
                }
                Err(error) => return Err(error.into()),
            };
            points.push(pricing.point(regime, batch, outcome)?);
        }
        let timing =
            time_network(subject.workload.costed_network(), &mapped, &design.accelerator, Regime::Cold);
        if policy != MappingPolicy::default() {
            for point in &mut points {
                point.notes.push(format!("mapped for {policy}"));
            }
        }
        if timing.mapping_utilization() < TOO_LARGE_BELOW {
            for point in &mut points {
                point.notes.push("array too large for this network".to_owned());
            }
        }
        let mut plans = plans(&mapped);
        plans.resize(subject.workload.network().layers().len(), None); // f32 layers at the end are not mapped
        row(points, plans)
    }
}
