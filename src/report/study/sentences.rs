//! A study's answers in sentences, computed from it.

use super::answers::short;
use super::words::{list, percent, signed, span};
use crate::explore::{CostAxis, Range};
use crate::study::{
    AxisAnswer, BASELINE, CANDIDATE, DesignStudy, Margin, Replacement, Study, contrasts, gaps, shares,
};

/// A study's questions, each with its answers.
pub(super) fn answers(study: &Study) -> Vec<(String, Vec<String>)> {
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
            study.designs.iter().filter_map(what_changes).collect(),
        ),
        ("Do quantized networks generalize better?".to_owned(), generalization(study).into_iter().collect()),
    ]
}

fn replaced(design: &DesignStudy, answer: &AxisAnswer) -> String {
    let all = &answer.replacements_at_corners;
    let names = |test: &dyn Fn(&Replacement) -> bool| {
        list(all.iter().filter(|its| test(its)).map(|its| short(design, its.of)))
    };
    let count = all.iter().filter(|its| its.is_matched()).count();
    let mut answer = format!(
        "{count} of {} have one that is cheaper at every corner of the prices and at least as accurate on average",
        all.len()
    );
    for (what, test) in [
        ("more accurate beyond training noise", &Replacement::is_dominated as &dyn Fn(&Replacement) -> bool),
        ("a lower mean, within noise", &|its| its.by.is_some() && !its.is_matched()),
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
    let names = |margins: &[&Margin]| {
        list(
            margins
                .iter()
                .map(|margin| format!("{} ({})", short(design, margin.network), signed(margin.typical))),
        )
    };
    let below: Vec<&Margin> = curve.margins.iter().filter(|margin| margin.typical <= 0.0).collect();
    let unsure: Vec<&Margin> =
        curve.margins.iter().filter(|margin| margin.typical > 0.0 && margin.low <= 0.0).collect();
    let verdict = match (below.as_slice(), curve.is_best_at_corners()) {
        ([], true) => "yes, at every corner of the prices".to_owned(),
        ([], false) => "yes at typical prices, not at every corner".to_owned(),
        (below, _) => format!("no, it passes below {}", names(below)),
    };
    let unsure = match unsure.as_slice() {
        [] => String::new(),
        unsure => format!("; within noise above {}", names(unsure)),
    };
    format!(
        "{verdict}{unsure} (margins in percentage points; all positive in {} of bootstrap replicates; beyond the curve's \
         ends: {})",
        percent(curve.probability),
        list(curve.outside.iter().map(|network| short(design, *network))),
    )
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
        (!ratios.is_empty()).then(|| span(ratios.iter().map(|ratio| ratio.typical)))
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
        let percents = |precision| {
            let shares: Vec<f64> = of(precision).collect();
            span(shares.iter().map(|share| 100.0 * share))
        };
        format!(
            "{name} {} % of {BASELINE}'s and {} % of {CANDIDATE}'s",
            percents(BASELINE),
            percents(CANDIDATE)
        )
    };
    Some(format!(
        "{}: {CANDIDATE} over {BASELINE} at equal size takes {} of the quadratic cost and {} of the linear cost; its \
         MACs take {} of the energy (an input), all that is modelled {}, and {} of the latency. Of the cold energy, {}; {}.",
        design.design.accelerator.name(),
        ratios(CostAxis::Quadratic)?,
        ratios(CostAxis::Linear)?,
        span(of.iter().map(|contrast| contrast.mac_energy)),
        ratios(CostAxis::Energy)?,
        ratios(CostAxis::Latency)?,
        share("DRAM"),
        share("vector unit"),
    ))
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
