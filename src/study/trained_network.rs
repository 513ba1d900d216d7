//! Networks of one size and precision, trained several times.

use crate::explore::{Interval95, MeasuredAccuracy, wilson};

use super::paired_t::{PairedDifference, deviation, mean};

/// One training run, executed.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingResult {
    /// The network's name.
    pub network: String,
    /// Its training seed.
    pub seed: u64,
    /// Per image of the evaluation set, whether it was classified correctly.
    pub is_correct: Vec<bool>,
    /// The training framework's top-1 in percent on images of the training set.
    pub train_top1_percent: Option<f64>,
}

impl TrainingResult {
    /// Top-1 in percent.
    pub fn top1_percent(&self) -> f64 {
        let correct = self.is_correct.iter().filter(|correct| **correct).count();
        100.0 * correct as f64 / self.is_correct.len() as f64
    }
}

/// One size at one precision: equal shapes, bits and cost, trained with different seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedNetwork {
    /// The networks' name without precision and seed.
    pub size: String,
    /// Precision policy label.
    pub precision: String,
    /// At least one run, by ascending seed.
    pub runs: Vec<TrainingResult>,
}

impl TrainedNetwork {
    /// Size and precision; of a single run its own name.
    pub fn name(&self) -> String {
        match self.runs.as_slice() {
            [run] => run.network.clone(),
            _ => format!("{}-{}", self.size, self.precision),
        }
    }

    /// Mean top-1 over the runs in percent.
    pub fn mean_top1(&self) -> f64 {
        mean(&self.top1()).unwrap_or(f64::NAN)
    }

    /// Standard deviation of top-1 between training seeds in percentage points; None for one run.
    pub fn seed_deviation(&self) -> Option<f64> {
        deviation(&self.top1())
    }

    /// Mean top-1 with the interval that the number of images alone allows; None without images.
    pub fn binomial_interval(&self) -> Option<Interval95> {
        let images = self.runs.first()?.is_correct.len() as u64;
        let correct = (self.mean_top1() / 100.0 * images as f64).round() as u64;
        wilson(&MeasuredAccuracy {
            evaluation_set: String::new(),
            evaluation_set_sha256: String::new(),
            correct,
            images,
            framework: None,
        })
    }

    /// Training top-1 minus top-1 on the evaluation set, in percentage points, one per run that states it.
    pub fn generalization_gaps(&self) -> Vec<(u64, f64)> {
        let gap = |run: &TrainingResult| Some((run.seed, run.train_top1_percent? - run.top1_percent()));
        self.runs.iter().filter_map(gap).collect()
    }

    /// This network's top-1 minus another's, over the seeds that both have; None without any.
    pub fn difference(&self, other: &Self) -> Option<PairedDifference> {
        let top1 = |network: &Self| -> Vec<(u64, f64)> {
            network.runs.iter().map(|run| (run.seed, run.top1_percent())).collect()
        };
        same_seed_difference(&top1(self), &top1(other))
    }

    /// Runs of this network and another that share a seed.
    pub fn same_seeds<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'a TrainingResult, &'a TrainingResult)> {
        self.runs.iter().filter_map(|run| Some((run, other.runs.iter().find(|its| its.seed == run.seed)?)))
    }

    fn top1(&self) -> Vec<f64> {
        self.runs.iter().map(TrainingResult::top1_percent).collect()
    }
}

/// The difference of values that belong to the same seeds.
pub(super) fn same_seed_difference(of: &[(u64, f64)], minus: &[(u64, f64)]) -> Option<PairedDifference> {
    let differences: Vec<f64> = of
        .iter()
        .filter_map(|(seed, value)| Some(value - minus.iter().find(|(its, _)| its == seed)?.1))
        .collect();
    PairedDifference::of(&differences)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u64, correct: usize, train: f64) -> TrainingResult {
        let is_correct = (0..1000).map(|image| image < correct).collect();
        TrainingResult { network: String::new(), seed, is_correct, train_top1_percent: Some(train) }
    }

    fn network(runs: Vec<TrainingResult>) -> TrainedNetwork {
        TrainedNetwork { size: "net".into(), precision: "w8a8".into(), runs }
    }

    #[test]
    fn seeds_are_paired_by_number_not_by_place() {
        let one = network(vec![run(0, 900, 95.0), run(1, 910, 96.0), run(2, 920, 97.0)]);
        let other = network(vec![run(1, 900, 95.0), run(2, 905, 95.0), run(7, 0, 0.0)]);
        let difference = one.difference(&other).unwrap();
        assert_eq!(difference.pairs, 2);
        assert!((difference.mean.estimate - 1.25).abs() < 1e-9);
        assert_eq!(one.same_seeds(&other).map(|(a, _)| a.seed).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(network(vec![run(3, 1, 1.0)]).difference(&one), None);
    }

    #[test]
    fn means_deviations_and_gaps() {
        let network = network(vec![run(0, 900, 95.0), run(1, 920, 96.0)]);
        assert!((network.mean_top1() - 91.0).abs() < 1e-9);
        assert!((network.seed_deviation().unwrap() - 2f64.sqrt()).abs() < 1e-9);
        let gaps = network.generalization_gaps();
        assert!((gaps[0].1 - 5.0).abs() < 1e-9 && (gaps[1].1 - 4.0).abs() < 1e-9);
    }
}
