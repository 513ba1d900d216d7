//! Accuracies that others published, one curve per source, with simulated costs.

use crate::explore::{Evaluation, Outcome, Point, PublishedAccuracy, Regime, Standing};

/// One source's networks on one design.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedCurve<'a> {
    /// Design name.
    pub design: &'a str,
    /// Whose accuracies; networks distilled from larger ones are a curve of their own.
    pub source: String,
    /// Cold batch-1 points, by depth.
    pub points: Vec<PublishedPoint<'a>>,
}

/// A network with an accuracy that its source published.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedPoint<'a> {
    /// The point.
    pub point: &'a Point,
    /// Its accuracy.
    pub accuracy: &'a PublishedAccuracy,
    /// Top-1 minus that of the same source's unquantized network, in percentage points.
    pub minus_baseline: f64,
}

/// All curves of an evaluation. Sources without a baseline of their own have none.
pub fn published_curves(evaluation: &Evaluation) -> Vec<PublishedCurve<'_>> {
    let mut curves: Vec<PublishedCurve> = Vec::new();
    let cold = evaluation.points.iter().filter(|point| point.regime == Regime::Cold && point.batch == 1);
    for point in cold.filter(|point| matches!(point.outcome, Outcome::Runs(_))) {
        let Some(accuracy) = point.published() else { continue };
        let Some(baseline) = accuracy.baseline_percent else { continue };
        let (design, source) = (point.design.as_str(), source(accuracy));
        let minus_baseline = accuracy.top1_percent - baseline;
        let published = PublishedPoint { point, accuracy, minus_baseline };
        match curves.iter_mut().find(|curve| curve.design == design && curve.source == source) {
            Some(curve) => curve.points.push(published),
            None => curves.push(PublishedCurve { design, source, points: vec![published] }),
        }
    }
    for curve in &mut curves {
        curve.points.sort_by_key(|published| published.accuracy.depth);
    }
    curves
}

/// One name per curve: a source's unquantized network is on the curve of its quantized ones.
fn source(accuracy: &PublishedAccuracy) -> String {
    let second_hand = (accuracy.standing == Standing::SecondHand).then_some("second-hand");
    let distilled = accuracy.method.contains("distillation").then_some("with distillation");
    let notes = [second_hand, distilled, accuracy.label()].into_iter().flatten();
    notes.fold(accuracy.citation.clone(), |source, note| format!("{source}, {note}"))
}
