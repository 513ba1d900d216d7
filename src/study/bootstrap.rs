//! Mean accuracies as they might have come out: other test images, other training seeds.

use std::collections::{BTreeMap, BTreeSet};

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

use super::TrainedNetwork;

/// Replicates; the standard error of a share near one half is then 1.6 %.
pub const REPLICATES: usize = 1000;
/// Every report of the same networks has the same bits.
const SEED: u64 = 0;

/// For each replicate, the mean top-1 in percent of each network.
///
/// Images are drawn with replacement, the same for all networks, since all ran the same ones (Efron 1979, Ann. Statist.
/// 7:1). So are training runs, n − 1 of n: the mean then varies as much as the mean of n runs is estimated to, where n
/// draws would understate it by (n − 1)/n (Rao and Wu 1988, J. Am. Stat. Assoc. 83:401). Networks with the same seeds
/// share their draws, so that runs of one seed stay together; others draw independently.
pub(super) fn mean_top1(networks: &[TrainedNetwork]) -> Vec<Vec<f64>> {
    let images = networks.iter().flat_map(|network| &network.runs).map(|run| run.is_correct.len()).min();
    let Some(images) = images.filter(|images| *images > 0) else { return vec![] };
    let seed_sets: BTreeSet<Vec<u64>> = networks.iter().map(seeds).collect();
    let mut random = Pcg64Mcg::seed_from_u64(SEED);
    (0..REPLICATES)
        .map(|_| {
            let mut times = vec![0u32; images];
            (0..images).for_each(|_| times[below(&mut random, images)] += 1);
            let drawn: BTreeMap<&Vec<u64>, Vec<usize>> = seed_sets
                .iter()
                .map(|seeds| {
                    let draws = seeds.len().saturating_sub(1).max(1);
                    (seeds, (0..draws).map(|_| below(&mut random, seeds.len())).collect())
                })
                .collect();
            networks.iter().map(|network| replicate(network, &times, &drawn[&seeds(network)])).collect()
        })
        .collect()
}

fn seeds(network: &TrainedNetwork) -> Vec<u64> {
    network.runs.iter().map(|run| run.seed).collect()
}

fn replicate(network: &TrainedNetwork, times: &[u32], runs: &[usize]) -> f64 {
    let images = times.len() as f64;
    let top1 = |run: &usize| {
        let is_correct = &network.runs[*run].is_correct;
        let weighted = is_correct.iter().zip(times).map(|(correct, times)| u32::from(*correct) * times);
        100.0 * f64::from(weighted.sum::<u32>()) / images
    };
    runs.iter().map(top1).sum::<f64>() / runs.len() as f64
}

/// A uniform index below `bound`; the bias is below bound / 2^64.
fn below(random: &mut impl Rng, bound: usize) -> usize {
    ((u128::from(random.next_u64()) * bound as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::TrainingResult;

    fn network(runs: &[&[bool]]) -> TrainedNetwork {
        let runs = runs.iter().zip(0..).map(|(is_correct, seed)| TrainingResult {
            network: String::new(),
            seed,
            is_correct: is_correct.to_vec(),
            train_top1_percent: None,
        });
        TrainedNetwork { size: String::new(), precision: String::new(), runs: runs.collect() }
    }

    #[test]
    fn replicates_spread_as_a_binomial_around_the_mean() {
        let is_correct: Vec<bool> = (0..400).map(|image| image % 4 != 0).collect();
        let means: Vec<f64> =
            mean_top1(&[network(&[&is_correct])]).into_iter().map(|means| means[0]).collect();
        let mean = means.iter().sum::<f64>() / means.len() as f64;
        let deviation =
            (means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (means.len() - 1) as f64).sqrt();
        let expected = 100.0 * (0.75f64 * 0.25 / 400.0).sqrt();
        assert!((mean - 75.0).abs() < 4.0 * expected / (REPLICATES as f64).sqrt(), "{mean}");
        assert!((deviation / expected - 1.0).abs() < 0.1, "{deviation} is not about {expected}");
    }

    #[test]
    fn equal_networks_never_differ_and_runs_are_drawn() {
        let (good, bad) = ([true; 50], [false; 50]);
        let pair = [network(&[&good, &bad]), network(&[&good, &bad])];
        let means = mean_top1(&pair);
        assert!(means.iter().all(|means| means[0] == means[1]));
        // One run drawn out of two: the good one or the bad one.
        let good = means.iter().filter(|means| means[0] == 100.0).count();
        assert!((400..600).contains(&good), "{good} of {REPLICATES}, expected about half");
        assert!(means.iter().all(|means| [0.0, 100.0].contains(&means[0])));
    }

    /// Runs of 20, 40 and 60 %, images without noise of their own: the standard error of their mean is 20/√3.
    #[test]
    fn replicates_of_runs_spread_as_their_mean_does() {
        let run = |correct: usize| -> Vec<bool> { (0..20_000).map(|image| image % 10 < correct).collect() };
        let runs = [run(2), run(4), run(6)];
        let runs: Vec<&[bool]> = runs.iter().map(Vec::as_slice).collect();
        let means: Vec<f64> = mean_top1(&[network(&runs)]).into_iter().map(|means| means[0]).collect();
        let mean = means.iter().sum::<f64>() / means.len() as f64;
        let deviation =
            (means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (means.len() - 1) as f64).sqrt();
        let expected = 20.0 / 3f64.sqrt();
        assert!((deviation / expected - 1.0).abs() < 0.1, "{deviation} is not about {expected}");
    }
}
