//! The study in one table.

use super::words::{percent, ratio_span};
use crate::explore::CostAxis;
use crate::report::table::Table;
use crate::study::{AxisAnswer, BestCurve, CANDIDATE, DesignStudy, Interpolation, Replacement, contrasts};

/// One row per design and cost.
pub(super) fn summary(designs: &[DesignStudy]) -> Table {
    let rows =
        designs.iter().flat_map(|design| design.own.axes.iter().map(move |answer| row(design, answer)));
    Table {
        title: "The answers in one table".into(),
        headers: [
            "design",
            "cost",
            "mostly-4-bit over bf16",
            "w8a8 over bf16",
            "bf16 networks matched (at corners)",
            "dominated (at corners)",
            "mostly-4-bit the best curve",
            "bootstrap",
            "conditions",
            "straight in cost",
            "conditions, straight in cost",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows: rows.collect(),
        notes: vec![
            "over bf16: cost at equal size, typical prices. Matched: a quantized network is cheaper and at least as \
             accurate on average over the training seeds that both have; dominated: more accurate beyond the noise of \
             training seeds (95 % t, uncorrected). Both at typical prices and, in parentheses, at every corner of the prices."
                .into(),
            "Best curve: above every network of another precision whose cost is within the curve's cost range, at that \
             network's cost, at every corner of the prices (or at typical ones only); the curve is straight in the \
             logarithm of cost or, in the last two columns, in cost. Bootstrap: share of replicates of images and training \
             runs in which it is, typical prices, logarithm. Conditions: of those that differ (technology × DRAM part × \
             cold or steady × cost of idle MACs), those under which it is at every corner."
                .into(),
        ],
    }
}

fn row(design: &DesignStudy, answer: &AxisAnswer) -> Vec<String> {
    let count = |test: fn(&Replacement) -> bool| {
        let of = |replacements: &[Replacement]| replacements.iter().filter(|its| test(its)).count();
        let (typical, corners) = (of(&answer.replacements), of(&answer.replacements_at_corners));
        let all = answer.replacements.len();
        format!("{typical} ({corners}) of {all}")
    };
    let all = design.distinct_conditions(answer.axis);
    let best = |interpolation| {
        let best = all.iter().filter(|(_, its)| its.best_curve.is_best_at_corners(interpolation)).count();
        format!("{best} of {}", all.len())
    };
    vec![
        design.design.accelerator.name().to_owned(),
        answer.axis.name().to_owned(),
        over_baseline(design, CANDIDATE, answer.axis),
        over_baseline(design, "w8a8", answer.axis),
        count(Replacement::is_matched),
        count(Replacement::is_dominated),
        verdict(&answer.best_curve, Interpolation::Logarithmic).to_owned(),
        percent(answer.best_curve.probability),
        best(Interpolation::Logarithmic),
        verdict(&answer.best_curve, Interpolation::Linear).to_owned(),
        best(Interpolation::Linear),
    ]
}

fn verdict(curve: &BestCurve, interpolation: Interpolation) -> &'static str {
    match (curve.is_best(interpolation), curve.is_best_at_corners(interpolation)) {
        (true, true) => "yes",
        (true, false) => "at typical prices",
        (false, _) => "no",
    }
}

fn over_baseline(design: &DesignStudy, precision: &str, axis: CostAxis) -> String {
    let contrasts = contrasts(&design.networks, &design.own.prices);
    let ratios: Vec<f64> = contrasts
        .iter()
        .filter(|its| design.networks[its.network].precision == precision)
        .filter_map(|its| its.ratios.iter().find(|(of, _)| *of == axis)?.1)
        .map(|ratio| ratio.typical)
        .collect();
    if ratios.is_empty() { crate::report::number::NOTHING.to_owned() } else { ratio_span(ratios.into_iter()) }
}
