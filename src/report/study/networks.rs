//! Tables of a study's networks: accuracies, how they differ, and how they generalize.

use super::words::{bounds, p_value, signed};
use crate::explore::{DesignPoint, network_size};
use crate::report::number::{NOTHING, significant};
use crate::report::table::Table;
use crate::study::{CANDIDATE, Comparison, Gap, PairedDifference, TrainedNetwork};

fn headers(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Mean accuracies, with the noise of training and that of the images apart.
pub(super) fn accuracies(networks: &[TrainedNetwork], gaps: &[Gap], images: usize) -> Table {
    let row = |(index, network): (usize, &TrainedNetwork)| {
        let gap = gaps.iter().find(|gap| gap.network == index);
        let minus = gap.and_then(|gap| gap.minus_baseline);
        vec![
            network.size.clone(),
            network.precision.clone(),
            network.runs.len().to_string(),
            format!("{:.2}", network.mean_top1()),
            network.seed_deviation().map_or(NOTHING.into(), |deviation| format!("{deviation:.2}")),
            network
                .binomial_interval()
                .map_or(NOTHING.into(), |interval| bounds(interval.low, interval.high)),
            gap.map_or(NOTHING.into(), |gap| format!("{:.2}", gap.mean)),
            minus.map_or(NOTHING.into(), |minus| signed(minus.mean.estimate)),
            minus.map_or(NOTHING.into(), |minus| interval(&minus)),
        ]
    };
    Table {
        title: "Measured accuracy (top-1 in %)".into(),
        headers: headers(&[
            "network",
            "precision",
            "runs",
            "mean top-1",
            "sd over seeds",
            "95 % binomial",
            "train − test",
            "gap − bf16's",
            "95 % t interval",
        ]),
        rows: networks.iter().enumerate().map(row).collect(),
        notes: vec![
            format!(
                "Bit-exact execution of {images} images per run. The standard deviation over training seeds and the \
                 binomial interval of one accuracy (Wilson, from the number of images) are two different noises."
            ),
            "train − test: the training framework's top-1 on its first 10,000 training images minus top-1 here; a \
             smaller gap than bf16's is what the paper calls quantization's regularizing effect. \
             \"gap − bf16's\" is over the seeds that both have, the columns before it over all runs."
                .into(),
        ],
    }
}

/// Every pair of precisions at every size.
pub(super) fn differences(networks: &[TrainedNetwork], comparisons: &[Comparison]) -> Table {
    let row = |comparison: &Comparison| {
        let (of, minus) = (&networks[comparison.network], &networks[comparison.with]);
        let difference = &comparison.difference;
        let tests = comparison.per_seed.iter().map(|test| {
            let d = test.discordance;
            format!("{}/{}: {}", d.first_only, d.second_only, p_value(test.p_holm))
        });
        vec![
            of.size.clone(),
            format!("{} − {}", of.precision, minus.precision),
            difference.pairs.to_string(),
            signed(difference.mean.estimate),
            interval(difference),
            difference.p.map_or(NOTHING.into(), p_value),
            comparison.p_holm.map_or(NOTHING.into(), p_value),
            verdict(difference).into(),
            tests.collect::<Vec<_>>().join("; "),
        ]
    };
    Table {
        title: "Precisions compared at equal size (percentage points of top-1)".into(),
        headers: headers(&[
            "network",
            "precisions",
            "seeds",
            "mean difference",
            "95 % t interval",
            "p",
            "p (Holm)",
            "verdict of the interval",
            "McNemar per seed: only first/only second right: p (Holm)",
        ]),
        rows: comparisons.iter().map(row).collect(),
        notes: vec![format!(
            "Differences of runs with the same training seed. Intervals and the verdicts they give are not corrected for \
                 their number; by Holm's correction over the table's {} t tests {} differ at 5 %. McNemar's exact p are \
                 corrected by Holm over all of the table's tests on images.",
            comparisons.iter().filter(|its| its.p_holm.is_some()).count(),
            match comparisons.iter().filter(|its| its.p_holm.is_some_and(|p| p < 0.05)).count() {
                0 => "none".to_owned(),
                some => some.to_string(),
            }
        )],
    }
}

fn verdict(difference: &PairedDifference) -> &'static str {
    match (difference.excludes_zero(), difference.mean.estimate > 0.0) {
        (false, _) => "tie",
        (true, true) => "higher",
        (true, false) => "lower",
    }
}

/// The interval of a mean difference; nothing for a single pair.
pub(super) fn interval(difference: &PairedDifference) -> String {
    match difference.p {
        Some(_) => format!("{} to {}", signed(difference.mean.low), signed(difference.mean.high)),
        None => NOTHING.into(),
    }
}

/// The candidate of a network's size on its design.
pub(super) fn candidate_of<'a>(point: &DesignPoint, means: &'a [DesignPoint]) -> Option<&'a DesignPoint> {
    means.iter().find(|mean| {
        let size = network_size(&mean.network, CANDIDATE);
        let same_size = point.network.strip_prefix(size).is_some_and(|rest| rest.starts_with('-'));
        mean.precision == CANDIDATE && mean.design == point.design && same_size
    })
}

/// Networks of which there is one run, with what they cost over the candidate of their size.
pub(super) fn single_runs(single: &[DesignPoint], means: &[DesignPoint]) -> Table {
    let row = |point: &DesignPoint| {
        let of = candidate_of(point, means);
        let over = |cost: fn(&DesignPoint) -> f64| {
            of.map_or(NOTHING.into(), |of| significant(cost(point) / cost(of), 3))
        };
        vec![
            point.design.clone(),
            point.network.clone(),
            format!("{:.2}", point.top1.estimate),
            significant(point.energy_uj.typical, 4),
            significant(point.latency_s * 1e6, 4),
            over(|point| point.energy_uj.typical),
            over(|point| point.latency_s),
        ]
    };
    Table {
        title: "Networks of one run (no conclusion rests on their accuracy)".into(),
        headers: headers(&[
            "design",
            "network",
            "top-1 (%)",
            "energy (µJ)",
            "latency (µs)",
            "energy over mostly-4-bit",
            "latency over mostly-4-bit",
        ]),
        rows: single.iter().map(row).collect(),
        notes: vec![
            "Cold, typical prices, over mostly-4-bit of the same size. int8-residual: the residual stream in 8 bits instead \
             of bfloat16; w2a2 runs in 4-bit units."
                .into(),
        ],
    }
}
