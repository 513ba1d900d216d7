//! Networks with their accuracy averaged over training runs, as points to compare.

use crate::explore::{
    Axes, Cost, DesignPoint, Evaluation, Interval95, Outcome, Point, Range, Regime, Sample,
};

use super::paired_t::PairedDifference;
use super::{DesignStudy, Study, TrainedNetwork};

impl Study<'_> {
    /// Cold batch-1 points of all designs, one per network: a single run's luck is in none of them.
    pub fn mean_points(&self, evaluation: &Evaluation) -> Vec<DesignPoint> {
        self.designs.iter().flat_map(|design| self.of_design(design, &design.networks, evaluation)).collect()
    }

    /// Those of the networks of one run.
    pub fn single_run_points(&self, evaluation: &Evaluation) -> Vec<DesignPoint> {
        self.designs.iter().flat_map(|design| self.of_design(design, &self.single_runs, evaluation)).collect()
    }

    fn of_design(
        &self,
        design: &DesignStudy,
        networks: &[TrainedNetwork],
        evaluation: &Evaluation,
    ) -> Vec<DesignPoint> {
        let point = |network: &TrainedNetwork| {
            let is_its = |point: &&Point| {
                point.design == design.design.accelerator.name()
                    && point.network == network.runs[0].network
                    && (point.regime, point.batch) == (Regime::Cold, 1)
            };
            let point = evaluation.points.iter().find(is_its)?;
            let Outcome::Runs(cost) = &point.outcome else { return None };
            Some(self.point(network, point, cost))
        };
        networks.iter().filter_map(point).collect()
    }

    fn point(&self, network: &TrainedNetwork, point: &Point, cost: &Cost) -> DesignPoint {
        let top1: Vec<f64> = network.runs.iter().map(super::TrainingResult::top1_percent).collect();
        let mean = network.mean_top1();
        let alone = Interval95 { low: mean, estimate: mean, high: mean };
        let top1 = PairedDifference::of(&top1).map_or(alone, |mean| mean.mean);
        let Range { low, typical, high } = cost.energy_per_image_pj;
        DesignPoint {
            design: point.design.clone(),
            network: network.name(),
            precision: network.precision.clone(),
            axes: Axes {
                family: point.family.clone(),
                accuracy_kind: "measured".to_owned(),
                accuracy_source: format!("{}, mean over training runs", self.evaluation_set),
                technology: point.technology.clone(),
                energy_excluded: cost.energy_excluded.clone(),
                regime: point.regime.to_string(),
                batch: point.batch,
            },
            top1: Interval95 { low: top1.low.max(0.0), estimate: mean, high: top1.high.min(100.0) },
            sample: Sample::TrainingRuns(network.runs.len() as u64),
            energy_uj: Range { low: low / 1e6, typical: typical / 1e6, high: high / 1e6 },
            latency_s: cost.latency_s,
            cost_linear: Some(point.cost_linear as f64),
            cost_quadratic: Some(point.cost_quadratic as f64),
        }
    }
}
