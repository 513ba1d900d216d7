//! What the points say about precisions, in a few sentences computed from them.

use std::collections::{BTreeMap, BTreeSet};

use super::accuracy::{newcombe, wilson};
use super::design_point::seed_of;
use super::pareto::pareto_front;
use super::{Cost, MeasuredAccuracy, Outcome, Point, Regime};

/// The precisions that others are compared with, where they were measured.
const BASELINES: [&str; 2] = ["bf16", "w8a8"];

/// With more fronts than this, points on them are counted instead of named.
const FRONTS_NAMED: usize = 4;

/// Sentences on precisions, over cold batch-1 points with a cost and a measured accuracy.
///
/// Precisions are compared only on the same design, family, evaluation set and network size (the
/// network's name without its seed and precision) of one training seed. An accuracy difference counts only where
/// its 95 % interval excludes zero. Nothing is said about precisions in general: a claim of that kind
/// compares means over several seeds, as a study does.
pub fn findings(points: &[Point]) -> Vec<String> {
    let cold: Vec<&Point> = points.iter().filter(|p| p.regime == Regime::Cold && p.batch == 1).collect();
    let measured: Vec<Measured> = cold.iter().filter_map(|p| Measured::new(p)).collect();
    if measured.is_empty() {
        return vec![nothing_measured(&cold)];
    }
    let comparisons = comparisons(&measured);
    let mut sentences = Vec::new();
    sentences.extend(cost_sentence(&comparisons));
    sentences.extend(accuracy_sentence(&comparisons));
    sentences.push(front_sentence(&measured));
    sentences.extend(missing_sentence(&cold, &measured));
    sentences
}

/// A point that can be compared.
struct Measured<'a> {
    point: &'a Point,
    cost: &'a Cost,
    accuracy: &'a MeasuredAccuracy,
    top1_percent: f64,
}

impl<'a> Measured<'a> {
    fn new(point: &'a Point) -> Option<Self> {
        let Outcome::Runs(cost) = &point.outcome else { return None };
        if cost.energy_per_image_pj.typical <= 0.0 || cost.latency_s <= 0.0 {
            return None;
        }
        let accuracy = point.measured()?;
        let top1_percent = wilson(accuracy)?.estimate;
        Some(Self { point, cost, accuracy, top1_percent })
    }

    fn energy(&self) -> f64 {
        self.cost.energy_per_image_pj.typical
    }

    /// What must agree for two precisions to be compared.
    fn group(&self) -> [&'a str; 5] {
        let p = self.point;
        [&p.design, &p.family, &self.accuracy.evaluation_set, p.network_size(), seed_of(&p.network)]
    }
}

/// One precision against a baseline, over all groups that have both.
struct Comparison<'a> {
    precision: &'a str,
    baseline: &'a str,
    pairs: Vec<(&'a Measured<'a>, &'a Measured<'a>)>,
}

impl Comparison<'_> {
    fn ratios(&self, quantity: impl Fn(&Measured) -> f64) -> String {
        let ratios = self.pairs.iter().map(|(a, b)| quantity(a) / quantity(b));
        let (low, high) = extremes(ratios);
        span(&format!("{low:.2}"), &format!("{high:.2}"), "–")
    }
}

fn comparisons<'a>(measured: &'a [Measured<'a>]) -> Vec<Comparison<'a>> {
    let mut groups: BTreeMap<[&str; 5], Vec<&Measured>> = BTreeMap::new();
    for m in measured {
        groups.entry(m.group()).or_default().push(m);
    }
    let precisions: BTreeSet<&str> = measured.iter().map(|m| m.point.precision.as_str()).collect();
    let others = precisions.iter().copied().filter(|p| !BASELINES.contains(p));
    let compared = std::iter::once("w8a8").chain(others);

    let mut comparisons = Vec::new();
    for precision in compared {
        for baseline in BASELINES.into_iter().filter(|&b| b != precision) {
            let mut pairs = Vec::new();
            for group in groups.values() {
                let find = |label: &str| group.iter().copied().find(|m| m.point.precision == label);
                pairs.extend(find(precision).zip(find(baseline)));
            }
            if !pairs.is_empty() {
                comparisons.push(Comparison { precision, baseline, pairs });
            }
        }
    }
    comparisons
}

fn cost_sentence(comparisons: &[Comparison]) -> Option<String> {
    if comparisons.is_empty() {
        return None;
    }
    let clauses = comparisons.iter().map(|c| {
        let energy = c.ratios(|m| m.energy());
        let latency = c.ratios(|m| m.cost.latency_s);
        format!("{} takes {energy}× the energy and {latency}× the latency of {}", c.precision, c.baseline)
    });
    let pairs = comparisons.iter().flat_map(|c| &c.pairs);
    let designs: BTreeSet<&str> = pairs.clone().map(|(a, _)| a.point.design.as_str()).collect();
    let sizes: BTreeSet<&str> = pairs.map(|(a, _)| a.point.network_size()).collect();
    Some(format!(
        "Modelled energy per image (typical values; the energy of one MAC is an input) and latency, cold, batch 1, \
         over {} and {}: {}.",
        count(designs.len(), "design"),
        count(sizes.len(), "network size"),
        clauses.collect::<Vec<_>>().join("; "),
    ))
}

fn accuracy_sentence(comparisons: &[Comparison]) -> Option<String> {
    if comparisons.is_empty() {
        return None;
    }
    let clauses: Vec<String> = comparisons.iter().map(accuracy_clause).collect();
    let pairs = comparisons.iter().flat_map(|c| &c.pairs);
    let sets: BTreeSet<&str> = pairs.clone().map(|(a, _)| a.accuracy.evaluation_set.as_str()).collect();
    let seeds = pairs.map(|(a, _)| seed_of(&a.point.network)).collect::<BTreeSet<_>>().len();
    let seeds = match seeds {
        1 => "one training seed per network".to_owned(),
        _ => format!("up to {seeds} training seeds per network, each compared for itself"),
    };
    let not_imagenet = if sets.iter().any(|set| set.to_lowercase().contains("imagenet")) {
        ""
    } else {
        " and not about ImageNet"
    };
    Some(format!(
        "Top-1 on {}, in percentage points: {} (noise: 95 % Newcombe intervals; {seeds}, so \
         these are statements about these trained networks{not_imagenet}).",
        list(sets),
        clauses.join("; "),
    ))
}

fn accuracy_clause(comparison: &Comparison) -> String {
    // Integer results do not depend on the design: the same two networks count once.
    let mut seen = BTreeSet::new();
    let (mut estimates, mut higher, mut lower, mut tied) = (Vec::new(), 0, 0, 0);
    for (a, b) in &comparison.pairs {
        let [_, family, set, size, seed] = a.group();
        let counts = [a.accuracy, b.accuracy].map(|x| (x.correct, x.images));
        if !seen.insert((family, set, size, seed, counts)) {
            continue;
        }
        let Some(difference) = newcombe(a.accuracy, b.accuracy) else { continue };
        estimates.push(difference.estimate);
        match (difference.excludes_zero(), difference.estimate > 0.0) {
            (false, _) => tied += 1,
            (true, true) => higher += 1,
            (true, false) => lower += 1,
        }
    }
    let total = estimates.len();
    let verdicts = [(tied, "within noise (a tie)"), (higher, "higher"), (lower, "lower")];
    let verdicts: Vec<String> = verdicts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|&(n, verdict)| if total == 1 { verdict.into() } else { format!("{n} of {total} {verdict}") })
        .collect();
    let (low, high) = extremes(estimates.into_iter());
    let difference = span(&signed(low), &signed(high), " to ");
    format!("{} − {} is {difference}, {}", comparison.precision, comparison.baseline, list(verdicts))
}

fn front_sentence(measured: &[Measured]) -> String {
    let mut axes: BTreeMap<[&str; 3], Vec<&Measured>> = BTreeMap::new();
    for m in measured {
        let [design, family, set, ..] = m.group();
        axes.entry([family, set, design]).or_default().push(m);
    }
    let fronts: Vec<([&str; 3], Vec<&Measured>)> = axes
        .iter()
        .map(|(&axis, items)| {
            let front = pareto_front(items, |m| (m.energy(), m.top1_percent));
            (axis, front.into_iter().map(|i| items[i]).collect())
        })
        .collect();

    let description =
        if fronts.len() <= FRONTS_NAMED { name_fronts(&fronts) } else { count_fronts(&fronts, measured) };
    format!(
        "On each design's own front of modelled energy per image against top-1, taking both at their estimates: {description}."
    )
}

/// Names the points of each front; designs with the same front share a clause.
fn name_fronts(fronts: &[([&str; 3], Vec<&Measured>)]) -> String {
    let mut clauses: Vec<([&str; 2], Vec<&str>, Vec<&str>)> = Vec::new();
    for ([family, set, design], front) in fronts {
        let names: Vec<&str> = front.iter().map(|m| m.point.network.as_str()).collect();
        match clauses.iter_mut().find(|(axis, _, known)| axis == &[*family, *set] && *known == names) {
            Some((_, designs, _)) => designs.push(design),
            None => clauses.push(([family, set], vec![design], names)),
        }
    }
    let several_axes = clauses.iter().any(|(axis, ..)| axis != &clauses[0].0);
    let clauses = clauses.into_iter().map(|([family, set], designs, names)| {
        let axis = if several_axes { format!(" ({family}, {set})") } else { String::new() };
        format!("{} on {}{axis}", list(names), list(designs))
    });
    clauses.collect::<Vec<_>>().join("; ")
}

/// Counts, by precision, the points that lie on a front.
fn count_fronts(fronts: &[([&str; 3], Vec<&Measured>)], measured: &[Measured]) -> String {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for m in measured {
        counts.entry(&m.point.precision).or_default().1 += 1;
    }
    for m in fronts.iter().flat_map(|(_, front)| front) {
        counts.entry(&m.point.precision).or_default().0 += 1;
    }
    let counts = counts.iter().map(|(precision, (on, all))| format!("{on} of {all} {precision} points"));
    format!("{} (over {} fronts, one per design and family)", list(counts), fronts.len())
}

fn nothing_measured(cold: &[&Point]) -> String {
    if cold.is_empty() {
        return "No finding: there is no cold batch-1 point.".into();
    }
    let unsupported = cold.iter().filter(|p| matches!(p.outcome, Outcome::NotSupported(_))).count();
    let unmeasured = cold.len() - unsupported;
    format!(
        "No finding: of {} cold batch-1 points, none has both a cost and a measured accuracy ({unmeasured} without \
         a measured accuracy, {unsupported} not supported by the design).",
        cold.len()
    )
}

fn missing_sentence(cold: &[&Point], measured: &[Measured]) -> Option<String> {
    let unsupported = cold.iter().filter(|p| matches!(p.outcome, Outcome::NotSupported(_))).count();
    let unmeasured = cold.len() - measured.len() - unsupported;
    let mut gaps = Vec::new();
    if unmeasured > 0 {
        gaps.push(format!("{} without a measured accuracy", count(unmeasured, "point")));
    }
    if unsupported > 0 {
        gaps.push(format!("{} not supported by the design", count(unsupported, "point")));
    }
    for baseline in BASELINES {
        let with: BTreeSet<_> =
            measured.iter().filter(|m| m.point.precision == baseline).map(Measured::group).collect();
        let all: BTreeSet<_> = measured.iter().map(Measured::group).collect();
        let without = all.difference(&with).count();
        if without > 0 {
            let pairs = count(without, "pair");
            gaps.push(format!("{pairs} of design and network size without a measured {baseline} network"));
        }
    }
    (!gaps.is_empty()).then(|| format!("Not compared: {}.", list(gaps)))
}

fn extremes(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
}

fn span(low: &str, high: &str, between: &str) -> String {
    if low == high { low.into() } else { format!("{low}{between}{high}") }
}

/// Percentage points with a sign: `+0.10`, `−1.20`, `0.00`.
fn signed(points: f64) -> String {
    let magnitude = format!("{:.2}", points.abs());
    match magnitude.as_str() {
        "0.00" => magnitude,
        _ if points < 0.0 => format!("−{magnitude}"),
        _ => format!("+{magnitude}"),
    }
}

fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// `a`, `a and b`, `a, b and c`.
fn list<S: Into<String>>(items: impl IntoIterator<Item = S>) -> String {
    let mut items: Vec<String> = items.into_iter().map(Into::into).collect();
    match items.pop() {
        None => String::new(),
        Some(last) if items.is_empty() => last,
        Some(last) => format!("{} and {last}", items.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::{Accuracy, Range};

    fn measured(point: &mut Point) -> &mut MeasuredAccuracy {
        match &mut point.accuracy {
            Some(Accuracy::Measured(accuracy)) => accuracy,
            _ => panic!("a measured accuracy expected"),
        }
    }

    fn point(design: &str, width: u32, precision: &str, energy_uj: f64, correct: u64) -> Point {
        let cost = Cost {
            latency_s: energy_uj * 1e-5,
            images_per_s: 1e5 / energy_uj,
            energy_per_image_pj: Range {
                low: energy_uj * 5e5,
                typical: energy_uj * 1e6,
                high: energy_uj * 2e6,
            },
            energy_by_component_pj: Vec::new(),
            energy_excluded: Vec::new(),
            energy_notes: Vec::new(),
            average_power_w: 0.1,
            tops_per_w: 1.0,
            utilization: 0.5,
        };
        let accuracy = MeasuredAccuracy {
            evaluation_set: "fashion-mnist-test".into(),
            correct,
            images: 10_000,
            framework: None,
            evaluation_set_sha256: String::new(),
        };
        Point {
            technology: "7nm".into(),
            area: None,
            design: design.into(),
            network: format!("resnet8-width{width}-{precision}"),
            family: "resnet8".into(),
            precision: precision.into(),
            accuracy: Some(Accuracy::Measured(accuracy)),
            batch: 1,
            regime: Regime::Cold,
            outcome: Outcome::Runs(cost),
            macs: 1,
            cost_linear: 1,
            cost_quadratic: 1,
            cost_memory_bits: 1,
            notes: Vec::new(),
            checksums: Default::default(),
        }
    }

    fn two_designs() -> Vec<Point> {
        let mut points = Vec::new();
        for (design, factor) in [("edge", 1.0), ("cloud", 2.0)] {
            points.push(point(design, 8, "bf16", 4.0 * factor, 9000));
            points.push(point(design, 8, "w8a8", 2.0 * factor, 8995));
            points.push(point(design, 8, "mostly-4-bit", 1.0 * factor, 8980));
            points.push(point(design, 16, "bf16", 16.0 * factor, 9200));
            points.push(point(design, 16, "w8a8", 8.0 * factor, 9195));
            points.push(point(design, 16, "mostly-4-bit", 3.2 * factor, 9180));
        }
        points
    }

    fn text(points: &[Point]) -> String {
        findings(points).join("\n")
    }

    #[test]
    fn says_what_the_points_say() {
        let sentences = findings(&two_designs());
        assert_eq!(
            sentences,
            [
                "Modelled energy per image (typical values; the energy of one MAC is an input) and latency, cold, \
                 batch 1, over 2 designs and 2 network sizes: w8a8 takes 0.50× the energy and 0.50× the latency of \
                 bf16; mostly-4-bit takes 0.20–0.25× the energy and 0.20–0.25× the latency of bf16; mostly-4-bit \
                 takes 0.40–0.50× the energy and 0.40–0.50× the latency of w8a8.",
                "Top-1 on fashion-mnist-test, in percentage points: w8a8 − bf16 is −0.05, 2 of 2 within noise (a \
                 tie); mostly-4-bit − bf16 is −0.20, 2 of 2 within noise (a tie); mostly-4-bit − w8a8 is −0.15, 2 \
                 of 2 within noise (a tie) (noise: 95 % Newcombe intervals; one training seed per network, so these \
                 are statements about these trained networks and not about ImageNet).",
                "On each design's own front of modelled energy per image against top-1, taking both at their estimates: \
                 resnet8-width8-mostly-4-bit, resnet8-width8-w8a8, resnet8-width16-mostly-4-bit, \
                 resnet8-width16-w8a8 and resnet8-width16-bf16 on cloud and edge.",
            ]
        );
        assert!(!text(&two_designs()).contains("dominate"));
    }

    #[test]
    fn swapped_energies_swap_the_ratios_and_the_front() {
        let mut points = two_designs();
        for i in [0, 3, 6, 9] {
            let (head, tail) = points.split_at_mut(i + 1);
            std::mem::swap(&mut head[i].outcome, &mut tail[1].outcome);
        }
        let text = text(&points);
        assert!(text.contains("mostly-4-bit takes 4.00–5.00× the energy"), "{text}");
        assert!(text.contains("resnet8-width8-bf16 and resnet8-width16-bf16 on cloud and edge"), "{text}");
    }

    #[test]
    fn a_lower_accuracy_exceeds_noise_and_leaves_the_front() {
        let mut points = two_designs();
        for i in [5, 11] {
            measured(&mut points[i]).correct = 8900;
        }
        let text = text(&points);
        assert!(
            text.contains("− bf16 is −3.00 to −0.20, 1 of 2 within noise (a tie) and 1 of 2 lower"),
            "{text}"
        );
        assert!(!text.contains("resnet8-width16-mostly-4-bit"), "{text}");
    }

    #[test]
    fn a_dropped_precision_is_not_compared_and_is_missed() {
        let mut points = two_designs();
        points.retain(|p| p.precision != "bf16");
        let text = text(&points);
        assert!(!text.contains("of bf16"), "{text}");
        assert!(text.contains("of w8a8"), "{text}");
        assert!(
            text.contains(
                "Not compared: 4 pairs of design and network size without a measured bf16 network."
            ),
            "{text}"
        );
    }

    #[test]
    fn unsupported_and_unmeasured_points_are_named() {
        let mut points = two_designs();
        points[0].outcome = Outcome::NotSupported("not supported: pair (bf16,bf16)".into());
        points[1].accuracy = None;
        let text = text(&points);
        assert!(
            text.contains(
                "Not compared: 1 point without a measured accuracy, 1 point not supported by the design, 1 pair"
            ),
            "{text}"
        );
    }

    #[test]
    fn nothing_measured_means_no_finding() {
        assert_eq!(findings(&[]), ["No finding: there is no cold batch-1 point."]);
        let mut points = two_designs();
        for p in &mut points {
            p.accuracy = None;
        }
        points[0].outcome = Outcome::NotSupported("no".into());
        let sentences = findings(&points);
        assert_eq!(sentences.len(), 1);
        assert!(
            sentences[0].contains("11 without a measured accuracy, 1 not supported by the design"),
            "{sentences:?}"
        );
    }

    #[test]
    fn other_regimes_and_batches_say_nothing() {
        let mut points = two_designs();
        let before = findings(&points);
        let mut steady = point("edge", 8, "bf16", 0.001, 10_000);
        steady.regime = Regime::Steady;
        let mut batch = steady.clone();
        (batch.regime, batch.batch) = (Regime::Cold, 64);
        points.extend([steady, batch]);
        assert_eq!(findings(&points), before);
    }

    #[test]
    fn families_and_evaluation_sets_are_not_mixed() {
        let mut points = two_designs();
        let mut other = point("edge", 8, "bf16", 0.5, 9900);
        other.family = "mlp".into();
        measured(&mut other).evaluation_set = "mnist-test".into();
        points.push(other);
        let text = text(&points);
        assert!(text.contains("resnet8-width8-bf16 on edge (mlp, mnist-test);"), "{text}");
        assert!(text.contains("resnet8-width8-mostly-4-bit, "), "{text}");
        assert!(text.contains("mostly-4-bit takes 0.20–0.25×"), "{text}");
    }

    #[test]
    fn many_fronts_are_counted() {
        let mut points = Vec::new();
        for design in ["a", "b", "c", "d", "e"] {
            points.push(point(design, 8, "bf16", 4.0, 9000));
            points.push(point(design, 8, "mostly-4-bit", 1.0, 9000));
        }
        let text = text(&points);
        assert!(text.contains("0 of 5 bf16 points and 5 of 5 mostly-4-bit points (over 5 fronts"), "{text}");
    }
}
