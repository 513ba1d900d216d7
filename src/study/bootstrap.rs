//! Mean accuracies as they might have come out: other test images, other training seeds.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

use super::TrainedNetwork;

/// Replicates; the standard error of a share near one half is then 1.6 %.
pub const REPLICATES: usize = 1000;
/// Every report of the same networks has the same bits.
const SEED: u64 = 0;

/// For each replicate, the mean top-1 in percent of each network.
///
/// Images are drawn with replacement, the same for all networks, since all ran the same ones; training runs
/// too, the same draws for all networks of equally many runs, so that runs of one seed stay together
/// (Efron 1979, Ann. Statist. 7:1, on two levels).
pub(super) fn mean_top1(networks: &[TrainedNetwork]) -> Vec<Vec<f64>> {
    let images = networks.iter().flat_map(|network| &network.runs).map(|run| run.is_correct.len()).min();
    let Some(images) = images.filter(|images| *images > 0) else { return vec![] };
    let most_runs = networks.iter().map(|network| network.runs.len()).max().unwrap_or(0);
    let mut random = Pcg64Mcg::seed_from_u64(SEED);
    (0..REPLICATES)
        .map(|_| {
            let mut times = vec![0u32; images];
            (0..images).for_each(|_| times[below(&mut random, images)] += 1);
            let draws: Vec<u64> = (0..most_runs).map(|_| random.next_u64()).collect();
            networks.iter().map(|network| replicate(network, &times, &draws)).collect()
        })
        .collect()
}

fn replicate(network: &TrainedNetwork, times: &[u32], draws: &[u64]) -> f64 {
    let images = times.len() as f64;
    let correct: Vec<f64> = network
        .runs
        .iter()
        .map(|run| {
            let weighted =
                run.is_correct.iter().zip(times).map(|(correct, times)| u32::from(*correct) * times);
            100.0 * f64::from(weighted.sum::<u32>()) / images
        })
        .collect();
    let drawn = draws.iter().take(correct.len()).map(|draw| correct[scaled(*draw, correct.len())]);
    drawn.sum::<f64>() / correct.len() as f64
}

fn below(random: &mut impl Rng, bound: usize) -> usize {
    scaled(random.next_u64(), bound)
}

/// A uniform 64-bit number as an index below `bound`; the bias is below bound / 2^64.
fn scaled(draw: u64, bound: usize) -> usize {
    ((u128::from(draw) * bound as u128) >> 64) as usize
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
        // Two runs drawn out of two: none, one or both of them the good one.
        let both = means.iter().filter(|means| means[0] == 100.0).count();
        assert!((150..350).contains(&both), "{both} of {REPLICATES}, expected about a quarter");
        assert!(means.iter().all(|means| [0.0, 50.0, 100.0].contains(&means[0])));
    }
}
