//! Executing a trained network over its evaluation set: accuracy, and what its accumulators saw.

use std::sync::Arc;

use crate::functional::{Classification, Engine, Executable, ExecutionError, LayerReport, LayerStatistics};
use crate::mapping::{LayerMapping, LayerPlan, MappedLayer};
use crate::numerics::MacSpec;
use crate::workload::{EvaluationSet, Normalization, Params, Workload};

use super::point::{FrameworkAgreement, MeasuredAccuracy};

/// What measures a network's accuracy.
#[derive(Clone, Debug)]
pub struct Trained {
    /// Trained values.
    pub params: Params,
    /// Labelled images.
    pub images: Arc<EvaluationSet>,
    /// How pixels become the network's input.
    pub normalization: Normalization,
    /// Classes the training framework predicted, one per image.
    pub framework_predictions: Option<Vec<u16>>,
}

/// One bit-exact execution over a whole evaluation set.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// Network name.
    pub network: String,
    /// Designs whose plans are these, hence whose bits are these.
    pub designs: Vec<String>,
    /// Accuracy.
    pub accuracy: MeasuredAccuracy,
    /// Per image, whether its class is its label.
    pub is_correct: Vec<bool>,
    /// Layers on the array, in execution order.
    pub layers: Vec<ExecutedLayer>,
}

/// What a layer's accumulators can and did hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutedLayer {
    /// Name in the network.
    pub name: String,
    /// What executed it.
    pub engine: Engine,
    /// Products per fold, where the order of accumulation was kept; None where it cannot matter and nothing is preloaded.
    pub k_per_fold: Option<usize>,
    /// Σ|w|·max|a| of the worst output channel; None for bf16.
    pub static_bound: Option<u64>,
    /// Accumulator bits these weights need, sign included; None for bf16.
    pub bits_needed: Option<u32>,
    /// Accumulator bits of the MAC unit; None for bf16.
    pub accumulator_bits: Option<u32>,
    /// Largest magnitude of a finished accumulator; None for bf16.
    pub largest_accumulator: Option<u64>,
    /// Additions whose exact result left its register.
    pub overflows: u64,
}

/// What values of a mapped network depend on.
pub fn plans(mapped: &[LayerMapping]) -> Vec<Option<LayerPlan>> {
    mapped.iter().map(|layer| layer.array.map(|array| array.plan)).collect()
}

/// The same of [`super::map_executed`]'s layers.
pub(super) fn executed_plans(mapped: &[Option<MappedLayer>]) -> Vec<Option<LayerPlan>> {
    mapped.iter().map(|layer| layer.map(|array| array.plan)).collect()
}

/// Executes a network over its evaluation set; `designs` is left for the caller to fill.
pub(super) fn measure(
    workload: &Workload,
    trained: &Trained,
    plans: &[Option<LayerPlan>],
    progress: &(impl Fn() + Sync),
) -> Result<Execution, ExecutionError> {
    let executable = Executable::new(workload.network(), &trained.params, plans)?;
    let Classification { predictions, correct, statistics } =
        executable.classify(&trained.images, &trained.normalization, |_| progress())?;
    let layers = executed_layers(&executable, plans, &statistics).into_iter().flatten().collect();
    let accuracy = MeasuredAccuracy {
        evaluation_set: trained.images.name().to_owned(),
        evaluation_set_sha256: trained.images.sha256().to_owned(),
        correct,
        images: trained.images.len() as u64,
        framework: trained
            .framework_predictions
            .as_ref()
            .map(|framework| agreement(framework, &predictions, trained)),
    };
    let is_correct = is_correct(&predictions, trained).collect();
    Ok(Execution { network: workload.name().to_owned(), designs: vec![], accuracy, is_correct, layers })
}

/// One entry per layer of the network; None off the array.
pub(super) fn executed_layers(
    executable: &Executable,
    plans: &[Option<LayerPlan>],
    statistics: &[LayerStatistics],
) -> Vec<Option<ExecutedLayer>> {
    let layer = |report: LayerReport, plan: &Option<LayerPlan>, statistics: &LayerStatistics| ExecutedLayer {
        k_per_fold: plan.as_ref().and_then(|plan| plan.reduction).map(|order| order.k_per_fold),
        static_bound: report.static_bound.map(|bound| bound.accumulator),
        bits_needed: report.bits_needed,
        accumulator_bits: plan.as_ref().and_then(|plan| match plan.mac {
            MacSpec::Integer(mac) => Some(mac.accumulator.bits().into()),
            MacSpec::Bf16(_) => None,
        }),
        largest_accumulator: report.static_bound.map(|_| statistics.largest_accumulator),
        overflows: statistics.overflows,
        engine: report.engine,
        name: report.name,
    };
    let reports = executable.reports().into_iter().zip(plans).zip(statistics);
    reports.map(|((report, plan), statistics)| Some(layer(report?, plan, statistics))).collect()
}

fn is_correct<'a>(classes: &'a [u16], trained: &'a Trained) -> impl Iterator<Item = bool> + 'a {
    classes.iter().enumerate().map(|(image, &class)| class == trained.images.label(image))
}

fn agreement(framework: &[u16], ours: &[u16], trained: &Trained) -> FrameworkAgreement {
    let correct = is_correct(framework, trained).filter(|correct| *correct);
    let differing = framework.iter().zip(ours).filter(|(framework, ours)| framework != ours);
    FrameworkAgreement { correct: correct.count() as u64, differing: differing.count() as u64 }
}
