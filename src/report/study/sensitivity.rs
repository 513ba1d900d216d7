//! Which conclusions survive which conditions.

use super::words::percent;
use crate::report::table::Table;
use crate::study::{AxisAnswer, DesignStudy, Interpolation, Replacement};

/// A sentence that is true or false under a condition.
struct Conclusion {
    text: &'static str,
    /// With typical prices.
    typically: fn(&AxisAnswer) -> bool,
    /// At every corner of the prices.
    at_corners: fn(&AxisAnswer) -> bool,
}

const CONCLUSIONS: [Conclusion; 4] = [
    Conclusion {
        text: "every bf16 network has a cheaper quantized one of at least its mean accuracy over shared seeds",
        typically: |answer| answer.replacements.iter().all(Replacement::is_matched),
        at_corners: |answer| answer.replacements_at_corners.iter().all(Replacement::is_matched),
    },
    Conclusion {
        text: "every bf16 network is dominated (higher accuracy beyond noise)",
        typically: |answer| answer.replacements.iter().all(Replacement::is_dominated),
        at_corners: |answer| answer.replacements_at_corners.iter().all(Replacement::is_dominated),
    },
    Conclusion {
        text: "within its cost range, the mostly-4-bit curve passes above every network of another precision",
        typically: |answer| answer.best_curve.is_best(Interpolation::Logarithmic),
        at_corners: |answer| answer.best_curve.is_best_at_corners(Interpolation::Logarithmic),
    },
    Conclusion {
        text: "the same, with the curve straight in cost instead of its logarithm",
        typically: |answer| answer.best_curve.is_best(Interpolation::Linear),
        at_corners: |answer| answer.best_curve.is_best_at_corners(Interpolation::Linear),
    },
];

/// One row per design, cost and conclusion.
pub(super) fn survival(designs: &[DesignStudy]) -> Table {
    let mut rows = Vec::new();
    for design in designs {
        for own in &design.own.axes {
            for conclusion in &CONCLUSIONS {
                let answers = design.distinct_conditions(own.axis);
                let holds =
                    |test: fn(&AxisAnswer) -> bool| answers.iter().filter(|(_, answer)| test(answer)).count();
                let (typically, corners) = (holds(conclusion.typically), holds(conclusion.at_corners));
                let fails: Vec<String> = answers
                    .iter()
                    .filter(|(_, answer)| !(conclusion.at_corners)(answer))
                    .map(|(answers, answer)| match answer.axis.has_energy() {
                        true => answers.condition.to_string(),
                        false => answers.condition.regime.to_string(),
                    })
                    .collect();
                rows.push(vec![
                    design.design.accelerator.name().to_owned(),
                    own.axis.name().to_owned(),
                    conclusion.text.to_owned(),
                    yes(!answers.is_empty() && corners == answers.len()),
                    format!("{typically} of {}", answers.len()),
                    format!("{corners} of {}", answers.len()),
                    match fails.len() {
                        0 => "nowhere".to_owned(),
                        all if all == answers.len() => "everywhere".to_owned(),
                        1..=3 => fails.join("; "),
                        more => format!("{} and {} more", fails[0], more - 1),
                    },
                ]);
            }
        }
    }
    Table {
        title: "Which conclusions survive".into(),
        headers: ["design", "cost", "conclusion", "survives", "typical prices", "every corner", "fails under"]
            .map(str::to_owned)
            .to_vec(),
        rows,
        notes: [
            "Conditions: technology family × DRAM part × cold or steady × idle MAC slots at 0 or 0.3 of a MAC. A \
             conclusion survives only if it holds under every condition at every low/high corner of the family's \
             prices, all rows moved independently but alike for both networks. Conditions that give every network the same \
             cost count once: a latency knows only cold and steady."
                .to_owned(),
        ]
        .into_iter()
        .chain(designs.iter().flat_map(unpriced))
        .collect(),
    }
}

fn unpriced(design: &DesignStudy) -> impl Iterator<Item = String> {
    let name = design.design.accelerator.name();
    design.unpriced.iter().map(move |(condition, reason)| format!("{name} without {condition}: {reason}"))
}

/// Every condition with its answers.
pub(super) fn conditions(designs: &[DesignStudy]) -> Table {
    let mut headers: Vec<String> =
        ["design", "technology", "DRAM part", "regime", "idle MAC", "cost"].map(str::to_owned).to_vec();
    headers.extend(
        [
            "bf16 networks matched",
            "matched at corners",
            "dominated at corners",
            "of",
            "mostly-4-bit best",
            "best at corners",
            "best, linear",
            "linear, at corners",
            "bootstrap",
        ]
        .map(str::to_owned),
    );
    let rows = designs.iter().flat_map(|design| {
        design.conditions.iter().flat_map(move |answers| {
            answers.axes.iter().map(move |answer| {
                let count = |replacements: &[Replacement], test: fn(&Replacement) -> bool| {
                    replacements.iter().filter(|its| test(its)).count().to_string()
                };
                let condition = &answers.condition;
                vec![
                    design.design.accelerator.name().to_owned(),
                    condition.technology.name().to_owned(),
                    condition.dram_part.clone(),
                    condition.regime.to_string(),
                    condition.idle_fraction.to_string(),
                    answer.axis.name().to_owned(),
                    count(&answer.replacements, Replacement::is_matched),
                    count(&answer.replacements_at_corners, Replacement::is_matched),
                    count(&answer.replacements_at_corners, Replacement::is_dominated),
                    answer.replacements.len().to_string(),
                    yes(answer.best_curve.is_best(Interpolation::Logarithmic)),
                    yes(answer.best_curve.is_best_at_corners(Interpolation::Logarithmic)),
                    yes(answer.best_curve.is_best(Interpolation::Linear)),
                    yes(answer.best_curve.is_best_at_corners(Interpolation::Linear)),
                    percent(answer.best_curve.probability),
                ]
            })
        })
    });
    Table { title: "Every condition".into(), headers, rows: rows.collect(), notes: vec![] }
}

fn yes(condition: bool) -> String {
    if condition { "yes".into() } else { "no".into() }
}
