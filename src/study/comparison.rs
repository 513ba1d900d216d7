//! Precisions of one size against one another: means over seeds, and image by image.

use super::mcnemar::{Discordance, holm};
use super::paired_t::PairedDifference;
use super::trained_network::same_seed_difference;
use super::{BASELINE, TrainedNetwork};

/// One precision minus another, at one size.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Index of the network.
    pub network: usize,
    /// Index of the one it is compared with.
    pub with: usize,
    /// Difference of top-1 in percentage points over same seeds.
    pub difference: PairedDifference,
    /// Its p, Holm-corrected over all comparisons of the study; None for one seed.
    pub p_holm: Option<f64>,
    /// Per seed, on the same images.
    pub per_seed: Vec<SeedTest>,
}

/// Two networks of one seed on the same images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeedTest {
    /// Training seed.
    pub seed: u64,
    /// Images that only one of them classifies correctly.
    pub discordance: Discordance,
    /// McNemar's exact p.
    pub p: f64,
    /// Holm-corrected over all tests of the study.
    pub p_holm: f64,
}

/// The gap between training and test accuracy of one network, beside that of bf16.
#[derive(Clone, Debug, PartialEq)]
pub struct Gap {
    /// Index of the network.
    pub network: usize,
    /// Mean gap in percentage points.
    pub mean: f64,
    /// Its gap minus that of the bf16 network of its size, over same seeds; None for bf16 itself.
    pub minus_baseline: Option<PairedDifference>,
}

/// All pairs of precisions at each size: later ones minus earlier ones, in the order of the networks.
pub fn comparisons(networks: &[TrainedNetwork]) -> Vec<Comparison> {
    let mut comparisons = Vec::new();
    for (network, one) in networks.iter().enumerate() {
        for (with, other) in networks.iter().enumerate().take(network) {
            let Some(difference) = one.difference(other).filter(|_| one.size == other.size) else { continue };
            let test = |(a, b): (&super::TrainingResult, &super::TrainingResult)| {
                let discordance = Discordance::of(&a.is_correct, &b.is_correct);
                let p = discordance.p();
                SeedTest { seed: a.seed, discordance, p, p_holm: p }
            };
            let per_seed = one.same_seeds(other).map(test).collect();
            comparisons.push(Comparison { network, with, difference, p_holm: difference.p, per_seed });
        }
    }
    let ps: Vec<f64> = comparisons.iter().filter_map(|comparison| comparison.p_holm).collect();
    let tested = comparisons.iter_mut().filter_map(|comparison| comparison.p_holm.as_mut());
    tested.zip(holm(&ps)).for_each(|(p, corrected)| *p = corrected);
    let tests: Vec<f64> =
        comparisons.iter().flat_map(|comparison| &comparison.per_seed).map(|test| test.p).collect();
    let all = comparisons.iter_mut().flat_map(|comparison| &mut comparison.per_seed);
    all.zip(holm(&tests)).for_each(|(test, corrected)| test.p_holm = corrected);
    comparisons
}

/// One entry per network whose runs state their training accuracy.
pub fn gaps(networks: &[TrainedNetwork]) -> Vec<Gap> {
    let gap = |(network, of): (usize, &TrainedNetwork)| {
        let gaps = of.generalization_gaps();
        let mean = super::paired_t::mean(&gaps.iter().map(|(_, gap)| *gap).collect::<Vec<_>>())?;
        let baseline = |its: &&TrainedNetwork| its.size == of.size && its.precision == BASELINE;
        let baseline = networks.iter().find(baseline).filter(|_| of.precision != BASELINE);
        let minus_baseline =
            baseline.and_then(|baseline| same_seed_difference(&gaps, &baseline.generalization_gaps()));
        Some(Gap { network, mean, minus_baseline })
    };
    networks.iter().enumerate().filter_map(gap).collect()
}
