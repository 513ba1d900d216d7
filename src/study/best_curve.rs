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
    /// One entry per network of another precision whose typical cost lies within the curve's.
    pub margins: Vec<Margin>,
    /// Networks of other precisions that typically cost less than the curve's first network.
    pub cheaper: Vec<usize>,
    /// Networks of other precisions that typically cost more than the curve's last network.
    pub costlier: Vec<usize>,
    /// Share of bootstrap replicates in which every margin is positive, in the logarithm of cost.
    pub probability: f64,
    /// Per network, the share of bootstrap replicates in which it is on the front.
    pub front_probability: Vec<f64>,
}

/// What the curve is taken to be between two of its networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// A straight line against the logarithm of cost.
    Logarithmic,
    /// A straight line against cost: what a mix of requests to the two networks would reach.
    Linear,
}

/// How far above a network the curve passes at the network's cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Margin {
    /// Index of the network.
    pub network: usize,
    /// With the curve straight in the logarithm of cost.
    pub logarithmic: Height,
    /// With the curve straight in cost.
    pub linear: Height,
    /// 2.5th percentile over bootstrap replicates, logarithmic, typical prices.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
}

/// Percentage points of mean top-1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Height {
    /// With typical prices.
    pub typical: f64,
    /// The lowest with the curve's costs over the network's at typical or at the highest ratios that any corner allows;
    /// None if that corner leaves the network outside the curve.
    pub at_corners: Option<f64>,
}

impl Margin {
    /// The margin under one interpolation.
    pub fn height(&self, interpolation: Interpolation) -> Height {
        match interpolation {
            Interpolation::Logarithmic => self.logarithmic,
            Interpolation::Linear => self.linear,
        }
    }
}

impl BestCurve {
    /// Whether the curve passes above every network within its cost range, at typical prices.
    pub fn is_best(&self, interpolation: Interpolation) -> bool {
        self.margins.iter().all(|margin| margin.height(interpolation).typical > 0.0)
    }

    /// Whether it does whatever prices the sources allow; a network that a corner leaves without a margin is not shown to
    /// be below the curve there.
    pub fn is_best_at_corners(&self, interpolation: Interpolation) -> bool {
        let at_corners = |margin: &Margin| margin.height(interpolation).at_corners;
        self.margins.iter().all(|margin| at_corners(margin).is_some_and(|points| points > 0.0))
    }

    /// `replicates`: mean top-1 of each network, per bootstrap replicate. None if energies leave out
    /// different things, or the curve has fewer than two networks.
    pub fn of(
        networks: &[TrainedNetwork],
        prices: &[Price],
        axis: CostAxis,
        replicates: &[Vec<f64>],
    ) -> Option<Self> {
        let means: Vec<f64> = networks.iter().map(TrainedNetwork::mean_top1).collect();
        let is_candidate = |network: &usize| networks[*network].precision == CANDIDATE;
        let curve: Vec<usize> = (0..networks.len()).filter(is_candidate).collect();
        if curve.len() < 2 {
            return None;
        }
        let (mut lines, mut cheaper, mut costlier) = (vec![], vec![], vec![]);
        for network in (0..networks.len()).filter(|network| !is_candidate(network)) {
            let ratios: Vec<(usize, Range)> = curve
                .iter()
                .map(|by| Some((*by, prices[*by].ratio(&prices[network], axis)?)))
                .collect::<Option<_>>()?;
            let typical = Piece::around_one(ratios.iter().map(|(by, ratio)| (*by, ratio.typical)).collect());
            let corner = Piece::around_one(ratios.iter().map(|(by, ratio)| (*by, ratio.high)).collect());
            match typical {
                Some(typical) => lines.push((network, typical, corner)),
                None if ratios[0].1.typical > 1.0 => cheaper.push(network),
                None => costlier.push(network),
            }
        }
        let above = |means: &[f64], network: usize, piece: &Piece, interpolation| {
            piece.top1(means, interpolation) - means[network]
        };
        let margins = lines
            .iter()
            .map(|(network, typical, corner)| {
                let height = |interpolation| {
                    let at = |piece: &Piece| above(&means, *network, piece, interpolation);
                    let typical = at(typical);
                    Height { typical, at_corners: corner.as_ref().map(|corner| at(corner).min(typical)) }
                };
                let mut replicated: Vec<f64> = replicates
                    .iter()
                    .map(|means| above(means, *network, typical, Interpolation::Logarithmic))
                    .collect();
                replicated.sort_by(f64::total_cmp);
                Margin {
                    network: *network,
                    logarithmic: height(Interpolation::Logarithmic),
                    linear: height(Interpolation::Linear),
                    low: percentile(&replicated, 0.025),
                    high: percentile(&replicated, 0.975),
                }
            })
            .collect();
        let best = |means: &&Vec<f64>| {
            let is_above =
                |network, typical| above(means, network, typical, Interpolation::Logarithmic) > 0.0;
            lines.iter().all(|(network, typical, _)| is_above(*network, typical))
        };
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
            cheaper,
            costlier,
            probability: share(replicates.iter().filter(best).count()),
            front_probability: (0..networks.len())
                .map(|network| share(fronts.iter().filter(|front| front.contains(&network)).count()))
                .collect(),
        })
    }
}

/// The piece of the curve at a network's cost: two of the curve's networks, and their costs over that network's.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Piece {
    left: (usize, f64),
    right: (usize, f64),
}

impl Piece {
    /// The piece around a ratio of 1; None outside the curve.
    fn around_one(mut ratios: Vec<(usize, f64)>) -> Option<Self> {
        ratios.sort_by(|a, b| a.1.total_cmp(&b.1));
        let pair = ratios.windows(2).find(|pair| pair[0].1 <= 1.0 && 1.0 <= pair[1].1)?;
        Some(Self { left: pair[0], right: pair[1] })
    }

    /// The curve's height at a ratio of 1.
    fn top1(&self, means: &[f64], interpolation: Interpolation) -> f64 {
        let [(left, low), (right, high)] = [self.left, self.right];
        let (step, span) = match interpolation {
            Interpolation::Logarithmic => ((1.0 / low).ln(), (high / low).ln()),
            Interpolation::Linear => (1.0 - low, high - low),
        };
        let at = if span > 0.0 { step / span } else { 0.0 };
        means[left] * (1.0 - at) + means[right] * at
    }
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
    use crate::cost::{Component, EnergyRange, EnergyRows};
    use crate::study::TrainingResult;

    fn network(precision: &str, correct: usize) -> TrainedNetwork {
        let is_correct = (0..1000).map(|image| image < correct).collect();
        let run = TrainingResult { network: String::new(), seed: 0, is_correct, train_top1_percent: None };
        TrainedNetwork { size: "net".into(), precision: precision.into(), runs: vec![run] }
    }

    fn price(latency_s: f64) -> Price {
        Price::new(latency_s, 1, 1, EnergyRows::default())
    }

    /// Costs 1 and 4 with 80 % and 90 %: at cost 2, the geometric middle, the curve is at 85 % in the logarithm of cost
    /// and at 83.33 % in cost.
    #[test]
    fn both_interpolations_between_two_networks() {
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
        let margins: Vec<(f64, f64)> =
            best.margins.iter().map(|m| (m.logarithmic.typical, m.linear.typical)).collect();
        for (margin, (logarithmic, linear)) in margins.iter().zip([(1.0, -2.0 / 3.0), (-2.0, -11.0 / 3.0)]) {
            assert!((margin.0 - logarithmic).abs() < 1e-9 && (margin.1 - linear).abs() < 1e-9, "{margins:?}");
        }
        assert_eq!(
            (margins.len(), best.cheaper.as_slice(), best.costlier.as_slice()),
            (2, &[][..], &[4][..])
        );
        assert!(!best.is_best(Interpolation::Logarithmic));
        assert_eq!(best.front, [0, 3, 1, 4]);
        assert_eq!(best.front_probability, [1.0, 1.0, 0.0, 1.0, 1.0]);
        assert_eq!(best.probability, 0.0);
    }

    /// At the worst corner the network costs less than the whole curve: it keeps its margin at typical prices, and the
    /// curve is not called best at every corner.
    #[test]
    fn a_corner_may_leave_a_network_outside() {
        let priced = |dram: f64, mac: [f64; 3]| {
            let row = |[low, typical, high]: [f64; 3]| EnergyRange::of(low, typical, high);
            let rows = [
                ((Component::Dram, "dram".to_owned()), row([dram; 3])),
                ((Component::Multiplier, "mac".to_owned()), row(mac)),
            ];
            Price::new(1.0, 1, 1, EnergyRows { rows: rows.into(), ..EnergyRows::default() })
        };
        let networks = [network(CANDIDATE, 800), network(CANDIDATE, 900), network("bf16", 810)];
        let prices = [priced(0.0, [0.5, 1.0, 3.0]), priced(0.0, [2.0, 4.0, 12.0]), priced(2.0, [0.0; 3])];
        let replicates = vec![networks.iter().map(TrainedNetwork::mean_top1).collect()];
        let best = BestCurve::of(&networks, &prices, CostAxis::Energy, &replicates).unwrap();
        assert_eq!(best.margins.len(), 1);
        assert!((best.margins[0].logarithmic.typical - 4.0).abs() < 1e-9, "{:?}", best.margins);
        assert_eq!(best.margins[0].logarithmic.at_corners, None);
        assert!(best.is_best(Interpolation::Logarithmic));
        assert!(!best.is_best_at_corners(Interpolation::Logarithmic));
    }
}
