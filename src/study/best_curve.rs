//! Is one precision's curve the best one?

use std::collections::BTreeSet;

use crate::explore::{CostAxis, Range, pareto_front};

use super::price::Price;
use super::{CANDIDATE, TrainedNetwork};

/// The mostly-4-bit curve against the networks of all other precisions.
#[derive(Clone, Debug, PartialEq)]
pub struct BestCurve {
    /// Networks on the front of typical cost against mean accuracy, by ascending cost.
    pub front: Vec<usize>,
    /// One entry per network of another precision whose cost lies within the curve's.
    pub margins: Vec<Margin>,
    /// Networks of other precisions that cost less than the curve's first network, or more than its last.
    pub outside: Vec<usize>,
    /// Share of bootstrap replicates in which every margin is positive.
    pub probability: f64,
    /// Per network, the share of bootstrap replicates in which it is on the front.
    pub front_probability: Vec<f64>,
}

/// How far above a network the curve passes at the network's cost, in percentage points of mean top-1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Margin {
    /// Index of the network.
    pub network: usize,
    /// With typical prices.
    pub typical: f64,
    /// With the curve's costs over the network's at the highest ratios that any corner allows.
    pub at_corners: f64,
    /// 2.5th percentile over bootstrap replicates, typical prices.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
}

impl BestCurve {
    /// Whether the curve passes above every network, at typical prices.
    pub fn is_best(&self) -> bool {
        self.margins.iter().all(|margin| margin.typical > 0.0)
    }

    /// Whether it does whatever prices the sources allow.
    pub fn is_best_at_corners(&self) -> bool {
        self.margins.iter().all(|margin| margin.at_corners > 0.0)
    }

    /// `replicates`: mean top-1 of each network, per bootstrap replicate. None if energies leave out
    /// different things, or the curve has fewer than two networks.
    ///
    /// Between two of its networks the curve is linear in the logarithm of cost.
    pub fn of(
        networks: &[TrainedNetwork],
        prices: &[Price],
        axis: CostAxis,
        replicates: &[Vec<f64>],
    ) -> Option<Self> {
        let means: Vec<f64> = networks.iter().map(TrainedNetwork::mean_top1).collect();
        let is_candidate = |network: &usize| networks[*network].precision == CANDIDATE;
        let curve: Vec<usize> = (0..networks.len()).filter(is_candidate).collect();
        let (mut lines, mut outside) = (vec![], vec![]);
        for network in (0..networks.len()).filter(|network| !is_candidate(network)) {
            let ratios: Vec<(usize, Range)> = curve
                .iter()
                .map(|by| Some((*by, prices[*by].ratio(&prices[network], axis)?)))
                .collect::<Option<_>>()?;
            let typical = bracket(ratios.iter().map(|(by, ratio)| (*by, ratio.typical)).collect());
            let corners = bracket(ratios.iter().map(|(by, ratio)| (*by, ratio.high)).collect());
            match (typical, corners) {
                (Some(typical), Some(corners)) => lines.push((network, typical, corners)),
                _ => outside.push(network),
            }
        }
        if curve.len() < 2 {
            return None;
        }
        let margins = lines
            .iter()
            .map(|(network, typical, corners)| {
                let margin = |means: &[f64], line: &Line| line.at_one(means) - means[*network];
                let mut replicated: Vec<f64> =
                    replicates.iter().map(|means| margin(means, typical)).collect();
                replicated.sort_by(f64::total_cmp);
                Margin {
                    network: *network,
                    typical: margin(&means, typical),
                    at_corners: margin(&means, corners).min(margin(&means, typical)),
                    low: percentile(&replicated, 0.025),
                    high: percentile(&replicated, 0.975),
                }
            })
            .collect();
        let best =
            |means: &&Vec<f64>| lines.iter().all(|(network, line, _)| line.at_one(means) > means[*network]);
        let costs: Vec<f64> = prices.iter().map(|price| price.of(axis)).collect();
        let front = |means: &[f64]| {
            let points: Vec<(f64, f64)> = costs.iter().copied().zip(means.iter().copied()).collect();
            pareto_front(&points, |point| *point)
        };
        let fronts: Vec<BTreeSet<usize>> =
            replicates.iter().map(|means| front(means).into_iter().collect()).collect();
        let share = |count: usize| count as f64 / replicates.len().max(1) as f64;
        Some(Self {
            front: front(&means),
            margins,
            outside,
            probability: share(replicates.iter().filter(best).count()),
            front_probability: (0..networks.len())
                .map(|network| share(fronts.iter().filter(|front| front.contains(&network)).count()))
                .collect(),
        })
    }
}

/// The piece of the curve at a network's cost: two of its networks, and how far from the first the cost is.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Line {
    left: usize,
    right: usize,
    /// 0 at the left network, 1 at the right one.
    at: f64,
}

impl Line {
    fn at_one(&self, means: &[f64]) -> f64 {
        means[self.left] * (1.0 - self.at) + means[self.right] * self.at
    }
}

/// The piece around a ratio of 1; None outside the curve.
fn bracket(mut ratios: Vec<(usize, f64)>) -> Option<Line> {
    ratios.sort_by(|a, b| a.1.total_cmp(&b.1));
    let pair = ratios.windows(2).find(|pair| pair[0].1 <= 1.0 && 1.0 <= pair[1].1)?;
    let [(left, low), (right, high)] = [pair[0], pair[1]];
    let span = (high / low).ln();
    let at = if span > 0.0 { (1.0 / low).ln() / span } else { 0.0 };
    Some(Line { left, right, at })
}

/// Of ascending values; NaN of none.
fn percentile(values: &[f64], share: f64) -> f64 {
    let index = (share * values.len() as f64) as usize;
    values.get(index.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// Cheaper with every price at its typical value.
pub fn typically(ratio: Range) -> bool {
    ratio.typical < 1.0
}

/// Cheaper whatever prices the sources allow.
pub fn at_every_corner(ratio: Range) -> bool {
    ratio.high < 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::EnergyRows;
    use crate::study::TrainingResult;

    fn network(precision: &str, correct: usize) -> TrainedNetwork {
        let is_correct = (0..1000).map(|image| image < correct).collect();
        let run = TrainingResult { network: String::new(), seed: 0, is_correct, train_top1_percent: None };
        TrainedNetwork { size: "net".into(), precision: precision.into(), runs: vec![run] }
    }

    fn price(latency_s: f64) -> Price {
        Price::new(latency_s, 1, 1, EnergyRows::default())
    }

    /// Costs 1 and 4 with 80 % and 90 %: at cost 2, the geometric middle, the curve is at 85 %.
    #[test]
    fn the_curve_is_linear_in_the_logarithm_of_cost() {
        let networks = [
            network(CANDIDATE, 800),
            network(CANDIDATE, 900),
            network("bf16", 840),
            network("w8a8", 870),
            network("w8a8", 950),
        ];
        let prices = [1.0, 4.0, 2.0, 2.0, 4.5].map(price);
        let replicates = vec![networks.iter().map(TrainedNetwork::mean_top1).collect()];
        let best = BestCurve::of(&networks, &prices, CostAxis::Latency, &replicates).unwrap();
        let margins: Vec<(usize, f64)> = best.margins.iter().map(|m| (m.network, m.typical)).collect();
        assert_eq!(margins.len(), 2);
        assert!((margins[0].1 - 1.0).abs() < 1e-9 && (margins[1].1 + 2.0).abs() < 1e-9, "{margins:?}");
        assert_eq!(best.outside, [4]);
        assert!(!best.is_best());
        assert_eq!(best.front, [0, 3, 1, 4]);
        assert_eq!(best.front_probability, [1.0, 1.0, 0.0, 1.0, 1.0]);
        assert_eq!(best.probability, 0.0);
    }
}
