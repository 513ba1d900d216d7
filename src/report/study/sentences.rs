//! A study's answers in sentences, computed from it.

use std::collections::BTreeSet;

use super::answers::short;
use super::networks::candidate_of;
use super::words::{list, percent, percent_span, ratio_span, signed};
use crate::explore::{CYCLE_CAUSES, CostAxis, DesignPoint, Range};
use crate::report::number::significant;
use crate::study::{
    AxisAnswer, BASELINE, BestCurve, CANDIDATE, Condition, DesignStudy, Interpolation, Margin, Replacement,
    Study, contrasts, gaps, shares,
};

/// A study's questions, each with its answers.
///
/// `single`: points of the networks of one run; `means`: those of the others.
pub(super) fn answers(
    study: &Study,
    single: &[DesignPoint],
    means: &[DesignPoint],
) -> Vec<(String, Vec<String>)> {
    let per_design = |answer: fn(&DesignStudy, &AxisAnswer) -> String| -> Vec<String> {
        let of = |design: &DesignStudy, own: &AxisAnswer| {
            format!("{}, by {}: {}.", design.design.accelerator.name(), own.axis.name(), answer(design, own))
        };
        let designs = study.designs.iter();
        designs.flat_map(|design| design.own.axes.iter().map(move |own| of(design, own))).collect()
    };
    vec![
        (
            format!(
                "(a) Is there, for each {BASELINE} network, a quantized one with lower cost and higher accuracy?"
            ),
            per_design(replaced),
        ),
        (format!("(b) Is {CANDIDATE} the best curve?"), per_design(best_curve)),
        (
            "(c) What changes when cost is energy or latency instead of bits?".to_owned(),
            study
                .designs
                .iter()
                .filter_map(|design| Some(what_changes(design)? + &residual_stream(design, single, means)))
                .collect(),
        ),
        ("Do quantized networks generalize better?".to_owned(), generalization(study).into_iter().collect()),
    ]
}

fn replaced(design: &DesignStudy, answer: &AxisAnswer) -> String {
    let all = &answer.replacements_at_corners;
    let names = |test: &dyn Fn(&Replacement) -> bool| {
        list(all.iter().filter(|its| test(its)).map(|its| short(design, its.of)))
    };
    let matched = |replacements: &[Replacement]| replacements.iter().filter(|its| its.is_matched()).count();
    let (typically, at_corners) = (matched(&answer.replacements), matched(all));
    let mut answer = format!(
        "{at_corners} of {} have one that is cheaper at every corner of the prices{} and at least as accurate on average over the \
         training seeds that both have",
        all.len(),
        if typically == at_corners { String::new() } else { format!(" ({typically} at typical prices)") }
    );
    for (what, test) in [
        (
            "more accurate beyond the noise of training seeds (95 % t)",
            &Replacement::is_dominated as &dyn Fn(&Replacement) -> bool,
        ),
        ("a higher or equal mean, within that noise", &|its| its.is_matched() && !its.is_dominated()),
        ("a lower mean, within that noise", &|its| its.by.is_some() && !its.is_matched()),
        ("no cheaper one as accurate", &|its| its.by.is_none()),
    ] {
        if all.iter().any(test) {
            answer.push_str(&format!("; {what}: {}", names(test)));
        }
    }
    answer
}

fn best_curve(design: &DesignStudy, answer: &AxisAnswer) -> String {
    let curve = &answer.best_curve;
    let names = |margins: &[&Margin], interpolation: Interpolation| {
        list(margins.iter().map(|margin| {
            format!("{} ({})", short(design, margin.network), signed(margin.height(interpolation).typical))
        }))
    };
    let verdict = |interpolation: Interpolation| {
        let below: Vec<&Margin> =
            curve.margins.iter().filter(|margin| margin.height(interpolation).typical <= 0.0).collect();
        match (below.as_slice(), curve.is_best_at_corners(interpolation)) {
            ([], true) => "yes, at every corner of the prices".to_owned(),
            ([], false) => "yes at typical prices, not at every corner".to_owned(),
            (below, _) => format!("no, it passes below {}", names(below, interpolation)),
        }
    };
    let unsure: Vec<&Margin> =
        curve.margins.iter().filter(|margin| margin.logarithmic.typical > 0.0 && margin.low <= 0.0).collect();
    let unsure = match unsure.as_slice() {
        [] => String::new(),
        unsure => format!("; within bootstrap noise above {}", names(unsure, Interpolation::Logarithmic)),
    };
    format!(
        "{}{unsure}; all margins positive in {} of bootstrap replicates. Straight in cost: {}. {}. {}",
        verdict(Interpolation::Logarithmic),
        percent(curve.probability),
        verdict(Interpolation::Linear),
        failing(design, answer),
        outside(design, curve),
    )
}

/// Under which conditions the curve is not the best one.
fn failing(design: &DesignStudy, answer: &AxisAnswer) -> String {
    let all = design.distinct_conditions(answer.axis);
    let is_best = |its: &AxisAnswer| its.best_curve.is_best_at_corners(Interpolation::Logarithmic);
    let fails: Vec<&Condition> =
        all.iter().filter(|(_, its)| !is_best(its)).map(|(answers, _)| &answers.condition).collect();
    let shared = |of: fn(&Condition) -> String| {
        let kinds: BTreeSet<String> = fails.iter().map(|condition| of(condition)).collect();
        let everywhere: BTreeSet<String> = all.iter().map(|(answers, _)| of(&answers.condition)).collect();
        (kinds.len() < everywhere.len()).then(|| kinds.into_iter().collect::<Vec<_>>().join(" or "))
    };
    let what = [
        shared(|its| its.technology.name().to_owned()),
        shared(|its| its.dram_part.clone()),
        shared(|its| its.regime.to_string()),
        shared(|its| format!("idle MACs at {}", its.idle_fraction)),
    ];
    let what: Vec<String> = what.into_iter().flatten().collect();
    match (fails.len(), what.as_slice()) {
        (0, _) => format!("In the logarithm it is the best under all {} conditions", all.len()),
        (some, _) if some == all.len() => {
            format!("In the logarithm it is the best under none of {} conditions", all.len())
        }
        (some, []) => format!("In the logarithm it fails under {some} of {} conditions", all.len()),
        (some, what) => {
            format!(
                "In the logarithm it fails under {some} of {} conditions, all of them {}",
                all.len(),
                what.join(", ")
            )
        }
    }
}

/// What the verdict does not cover.
fn outside(design: &DesignStudy, curve: &BestCurve) -> String {
    let top1 = |network: usize| design.networks[network].mean_top1();
    let of_curve =
        (0..design.networks.len()).filter(|&network| design.networks[network].precision == CANDIDATE);
    let best = of_curve.map(top1).fold(f64::MIN, f64::max);
    let costlier = curve
        .costlier
        .iter()
        .map(|&network| format!("{} ({})", short(design, network), signed(top1(network) - best)));
    let cheaper = curve.cheaper.iter().map(|&network| short(design, network));
    let sides = [
        (
            "Costlier than the whole curve, with their top-1 against its most accurate",
            costlier.collect::<Vec<_>>(),
        ),
        ("Cheaper than the whole curve", cheaper.collect()),
    ];
    let sides = sides.into_iter().filter(|(_, names)| !names.is_empty());
    let sides: Vec<String> = sides.map(|(side, names)| format!("{side}: {}", list(names))).collect();
    match sides.as_slice() {
        [] => "Nothing is beyond the curve's ends".to_owned(),
        sides => sides.join(". "),
    }
}

/// (c): what becomes of the paper's cost and of the MACs' energy.
fn what_changes(design: &DesignStudy) -> Option<String> {
    let contrasts = contrasts(&design.networks, &design.own.prices);
    let of: Vec<_> =
        contrasts.iter().filter(|its| design.networks[its.network].precision == CANDIDATE).collect();
    let ratios = |axis: CostAxis| -> Option<String> {
        let ratios: Vec<Range> = of
            .iter()
            .filter_map(|contrast| contrast.ratios.iter().find(|(its, _)| *its == axis)?.1)
            .collect();
        (!ratios.is_empty()).then(|| ratio_span(ratios.iter().map(|ratio| ratio.typical)))
    };
    let shares = shares(&design.own.prices);
    let share = |name: &str| {
        let of = |precision: &'static str| {
            shares
                .iter()
                .filter(move |its| design.networks[its.network].precision == precision)
                .flat_map(|its| &its.shares)
                .filter(|(component, _)| component.to_string() == name)
                .map(|(_, share)| *share)
        };
        format!(
            "{name} {} of {BASELINE}'s and {} of {CANDIDATE}'s",
            percent_span(of(BASELINE)),
            percent_span(of(CANDIDATE))
        )
    };
    let cycles = |cause: &str| {
        let place = CYCLE_CAUSES.iter().position(|its| *its == cause);
        let of = |precision: &'static str| {
            let networks = design.networks.iter().zip(&design.cycle_shares);
            let of = networks.filter(|(network, _)| network.precision == precision);
            percent_span(of.filter_map(|(_, shares)| Some(shares[place?])))
        };
        format!("{} {} and {}", cause.replace('_', " "), of(BASELINE), of(CANDIDATE))
    };
    Some(format!(
        "{}: {CANDIDATE} over {BASELINE} at equal size takes {} of the quadratic cost and {} of the linear cost; its \
         MACs take {} of the energy (an input), all that is modelled {}, and {} of the latency. Of the cold energy, {}; {}. \
         Of the cold cycles of {BASELINE} and {CANDIDATE}: {}.",
        design.design.accelerator.name(),
        ratios(CostAxis::Quadratic)?,
        ratios(CostAxis::Linear)?,
        ratio_span(of.iter().map(|contrast| contrast.mac_energy)),
        ratios(CostAxis::Energy)?,
        ratios(CostAxis::Latency)?,
        share("DRAM"),
        share("vector unit"),
        list(["useful", "edge_waste", "lane_waste", "memory_stall", "vector_bound"].map(cycles)),
    ))
}

/// (c): what a residual stream in 8 bits instead of bfloat16 changes.
fn residual_stream(design: &DesignStudy, single: &[DesignPoint], means: &[DesignPoint]) -> String {
    let integer = format!("{CANDIDATE}-int8-residual");
    let is_its =
        |point: &&DesignPoint| point.design == design.design.accelerator.name() && point.precision == integer;
    let pairs = single.iter().filter(is_its).filter_map(|point| Some((point, candidate_of(point, means)?)));
    pairs
        .map(|(point, of)| {
            format!(
                " With the residual stream in 8 bits instead of bfloat16, {} takes {} of its energy and {} of its latency.",
                of.network,
                significant(point.energy_uj.typical / of.energy_uj.typical, 3),
                significant(point.latency_s / of.latency_s, 3)
            )
        })
        .collect()
}

/// Whether quantized networks generalize better.
fn generalization(study: &Study) -> Option<String> {
    let networks = &study.designs.first()?.networks;
    let differences: Vec<_> =
        gaps(networks).into_iter().filter_map(|gap| Some((gap.network, gap.minus_baseline?))).collect();
    if differences.is_empty() {
        return None;
    }
    let smaller = differences.iter().filter(|(_, gap)| gap.excludes_zero() && gap.mean.high < 0.0);
    let larger = differences.iter().filter(|(_, gap)| gap.excludes_zero() && gap.mean.low > 0.0);
    let name = |network: &usize| {
        let network = &networks[*network];
        format!("{} {}", network.size.rsplit('-').next().unwrap_or_default(), network.precision)
    };
    Some(format!(
        "Of {} quantized networks, the gap between training and test accuracy is smaller than {BASELINE}'s \
         beyond training noise for {} and larger for {}; for the rest it is a tie.",
        differences.len(),
        list(smaller.map(|(network, _)| name(network))),
        list(larger.map(|(network, _)| name(network))),
    ))
}
