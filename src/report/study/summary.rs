//! The study in one table.

use super::words::{percent, span};
use crate::explore::CostAxis;
use crate::report::table::Table;
use crate::study::{AxisAnswer, CANDIDATE, DesignStudy, Replacement, contrasts};

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
            "bf16 networks matched",
            "dominated",
            "mostly-4-bit the best curve",
            "bootstrap",
            "conditions under which it is",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows: rows.collect(),
        notes: vec![
            "over bf16: cost at equal size, typical prices. Matched: a quantized network is cheaper at every corner of the \
             prices and at least as accurate on average; dominated: more accurate beyond training noise. Best curve: above \
             every network of another precision at that network's cost; bootstrap: share of replicates in which it is. \
             Conditions: technology × DRAM part × cold or steady × cost of idle MACs, every corner."
                .into(),
        ],
    }
}

fn row(design: &DesignStudy, answer: &AxisAnswer) -> Vec<String> {
    let replacements = &answer.replacements_at_corners;
    let count = |test: fn(&Replacement) -> bool| {
        format!("{} of {}", replacements.iter().filter(|its| test(its)).count(), replacements.len())
    };
    let all: Vec<&AxisAnswer> = design.conditions.iter().filter_map(|its| its.axis(answer.axis)).collect();
    let best = all.iter().filter(|its| its.best_curve.is_best_at_corners()).count();
    vec![
        design.design.accelerator.name().to_owned(),
        answer.axis.name().to_owned(),
        over_baseline(design, CANDIDATE, answer.axis),
        over_baseline(design, "w8a8", answer.axis),
        count(Replacement::is_matched),
        count(Replacement::is_dominated),
        match (answer.best_curve.is_best(), answer.best_curve.is_best_at_corners()) {
            (true, true) => "yes",
            (true, false) => "at typical prices",
            (false, _) => "no",
        }
        .to_owned(),
        percent(answer.best_curve.probability),
        format!("{best} of {}", all.len()),
    ]
}

fn over_baseline(design: &DesignStudy, precision: &str, axis: CostAxis) -> String {
    let contrasts = contrasts(&design.networks, &design.own.prices);
    let ratios: Vec<f64> = contrasts
        .iter()
        .filter(|its| design.networks[its.network].precision == precision)
        .filter_map(|its| its.ratios.iter().find(|(of, _)| *of == axis)?.1)
        .map(|ratio| ratio.typical)
        .collect();
    if ratios.is_empty() { crate::report::number::NOTHING.to_owned() } else { span(ratios.iter().copied()) }
}
