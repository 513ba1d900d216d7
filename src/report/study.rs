//! A study as Markdown, CSV and plots.

mod answers;
mod budgets;
mod costs;
mod networks;
mod published;
mod sensitivity;
mod sentences;
mod summary;
mod words;

use super::csv_text::csv_text;
use super::table::Table;
use super::{ReportError, pareto_plots, tornado_plot};
use crate::explore::{CostAxis, DesignPoint, Evaluation, Sample};
use crate::study::{PublishedCurve, PublishedPoint, Study, comparisons, gaps, published_curves};

/// What a reader must know before believing any of it.
const CAVEATS: [&str; 9] = [
    "The networks are small ResNets on Fashion-MNIST. Nothing here confirms or refutes a claim about ImageNet.",
    "Three to five training seeds per network: t intervals are wide, a tie is not equality, and the verdicts are not \
     corrected for their number (the table of differences has Holm's p beside them).",
    "\"Best curve\" compares networks within the cost range of the mostly-4-bit curve, so a more accurate network beyond \
     its end is outside. Between its networks the curve is a line that nobody trained: straight in the logarithm of cost or \
     in cost, narrow margins change sign.",
    "Two means: differences between networks are over the training seeds that both have, accuracies, fronts, budgets and \
     curves over all runs. Where networks differ by little they can disagree in sign.",
    "Energies are modelled: per-action prices from publications times simulated counts. What is left out (clock tree, \
     control, interconnect, DRAM idle and refresh, leakage) is named in every table of energies and would be charged to \
     all precisions, most to the slowest.",
    "Ratios between the energies of MACs of different formats are inputs with ranges; int4 multipliers are derived.",
    "A DRAM part changes the energy per bit only; bandwidth and latency stay the design's.",
    "All precisions run on one array with the same lanes per design file; an array built for one precision would be \
     smaller, and no area is compared, since bf16 MACs have no citable one.",
    "Latencies come from a cycle-approximate model whose array part is proven register by register and whose memory \
     part is a model (docs/model.md), and from the default mapper, which can be a few percent off (docs/mapper.md): \
     narrow margins by latency can change sign with a better mapping.",
];

/// One study's files by name: `study.md`, tables as CSV, plots.
pub fn study_files(study: &Study, evaluation: &Evaluation) -> Result<Vec<(String, String)>, ReportError> {
    let Some(first) = study.designs.first() else { return Ok(vec![]) };
    let (differences, gaps) = (comparisons(&first.networks), gaps(&first.networks));
    let (means, single) = (study.mean_points(evaluation), study.single_run_points(evaluation));
    let curves = published_curves(evaluation);
    let sections: [(&str, Table); 17] = [
        ("summary", summary::summary(&study.designs)),
        ("networks", networks::accuracies(&first.networks, &gaps, study.images)),
        ("differences", networks::differences(&first.networks, &differences)),
        ("single-runs", networks::single_runs(&single, &means)),
        ("replacements", answers::replacements(&study.designs)),
        ("margins", answers::margins(&study.designs)),
        ("fronts", answers::fronts(&study.designs)),
        ("front-probabilities", answers::front_probabilities(&study.designs)),
        ("ratios", costs::precision_ratios(&study.designs)),
        ("equal-cost", costs::equal_cost_pairs(&study.designs)),
        ("energy-shares", costs::energy_shares(&study.designs)),
        ("cycle-shares", costs::cycle_shares(&study.designs)),
        ("budgets", budgets::budgets(&means)),
        ("survival", sensitivity::survival(&study.designs)),
        ("conditions", sensitivity::conditions(&study.designs)),
        ("accumulators", costs::accumulators(&study.designs)),
        ("published", published::published(&curves)),
    ];
    let mut files =
        vec![("study.md".to_owned(), markdown(study, sentences::answers(study, &single, &means), &sections))];
    for (name, table) in &sections {
        if !table.rows.is_empty() {
            files.push((format!("study-{name}.csv"), table.to_csv()?));
        }
    }
    files.push(("study-means.csv".to_owned(), means_csv(&means)?));
    files.extend(plots(study, &means)?);
    files.extend(published_plots(&curves)?);
    Ok(files)
}

fn markdown(study: &Study, answers: Vec<(String, Vec<String>)>, sections: &[(&str, Table)]) -> String {
    let designs: Vec<&str> = study.designs.iter().map(|design| design.design.accelerator.name()).collect();
    let left_out = match study.designs_left_out.as_slice() {
        [] => String::new(),
        names => format!(
            " Designs that do not run every precision are in no table but that of published accuracies: {}.",
            names.join(", ")
        ),
    };
    let mut text = format!(
        "# {}: precisions per design\n\nAccuracies measured on {} ({} images per run) by bit-exact execution; costs \
         simulated on {}, each at its own technology, cold, batch 1, unless a table says otherwise.{left_out}\n\n## \
         Answers\n\n",
        study.family,
        study.evaluation_set,
        study.images,
        designs.join(", ")
    );
    for (question, answers) in answers {
        text.push_str(&format!("### {question}\n\n"));
        text.extend(answers.iter().map(|answer| format!("- {answer}\n")));
        text.push('\n');
    }
    text.push_str("## What could make a reader distrust this\n\n");
    text.extend(CAVEATS.iter().map(|caveat| format!("- {caveat}\n")));
    text.push_str("\n## Tables\n\n");
    for (name, table) in sections {
        // Hundreds of rows: in its CSV file only.
        if *name != "conditions" && !table.rows.is_empty() {
            text.push_str(&format!("{}\n", table.to_markdown()));
        }
    }
    text
}

/// The columns that `systolab pareto` reads.
fn means_csv(points: &[DesignPoint]) -> Result<String, ReportError> {
    let header = [
        "design",
        "network",
        "family",
        "precision",
        "accuracy_kind",
        "evaluation_set",
        "top1_percent",
        "top1_low",
        "top1_high",
        "training_runs",
        "batch",
        "regime",
        "latency_s",
        "energy_per_image_uj",
        "energy_low_uj",
        "energy_high_uj",
        "cost_linear",
        "cost_quadratic",
        "technology",
        "energy_excluded",
    ];
    let rows = points.iter().map(|point| {
        let optional = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let runs = match point.sample {
            Sample::TrainingRuns(runs) => runs.to_string(),
            Sample::Images(_) | Sample::Unknown => String::new(),
        };
        vec![
            point.design.clone(),
            point.network.clone(),
            point.axes.family.clone(),
            point.precision.clone(),
            point.axes.accuracy_kind.clone(),
            point.axes.accuracy_source.clone(),
            point.top1.estimate.to_string(),
            point.top1.low.to_string(),
            point.top1.high.to_string(),
            runs,
            point.axes.batch.to_string(),
            point.axes.regime.clone(),
            point.latency_s.to_string(),
            point.energy_uj.typical.to_string(),
            point.energy_uj.low.to_string(),
            point.energy_uj.high.to_string(),
            optional(point.cost_linear),
            optional(point.cost_quadratic),
            point.axes.technology.clone(),
            point.axes.energy_excluded.join("; "),
        ]
    });
    csv_text(&header.map(str::to_owned), &rows.collect::<Vec<_>>())
}

/// One plot per source, against energy and latency.
fn published_plots(curves: &[PublishedCurve]) -> Result<Vec<(String, String)>, ReportError> {
    let of = |curve: &PublishedCurve, point: &PublishedPoint| {
        let mut drawn = DesignPoint::of(point.point)?;
        drawn.axes.accuracy_source.clone_from(&curve.source);
        Some(drawn)
    };
    let points: Vec<DesignPoint> = curves
        .iter()
        .flat_map(|curve| curve.points.iter().filter_map(move |point| of(curve, point)))
        .collect();
    let mut files = Vec::new();
    for (axis, name) in [(CostAxis::Energy, "energy"), (CostAxis::Latency, "latency")] {
        for (number, plot) in (1..).zip(pareto_plots(&points, axis)?) {
            files.push((format!("study-published-{name}.{number}.svg"), plot.svg));
        }
    }
    Ok(files)
}

fn plots(study: &Study, means: &[DesignPoint]) -> Result<Vec<(String, String)>, ReportError> {
    let mut files = Vec::new();
    for axis in CostAxis::ALL {
        let mut points = means.to_vec();
        if axis.is_hardware_agnostic() {
            // The same on every design: once is enough.
            points.retain(|point| point.design == means[0].design);
            points.iter_mut().for_each(|point| point.design = "any design".to_owned());
        }
        let name = match axis {
            CostAxis::Energy => "energy",
            CostAxis::Latency => "latency",
            CostAxis::EnergyDelay => "energy-delay",
            CostAxis::Linear => "linear",
            CostAxis::Quadratic => "quadratic",
        };
        for (number, plot) in (1..).zip(pareto_plots(&points, axis)?) {
            let number = if number == 1 { String::new() } else { format!(".{number}") };
            files.push((format!("study-{name}{number}.svg"), plot.svg));
        }
    }
    for design in &study.designs {
        let Some((network, of, tornado)) = design.tornado(CostAxis::Energy) else { continue };
        let (network, of) = (design.networks[network].name(), design.networks[of].name());
        let design = design.design.accelerator.name();
        let title = format!("{design}: energy of {network} over {of}");
        files.push((format!("study-tornado-{design}.svg"), tornado_plot(&title, &tornado)?));
    }
    Ok(files)
}
