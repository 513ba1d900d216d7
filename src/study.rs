//! Networks of one family at several sizes and precisions, trained several times: what may be concluded of
//! precisions, per design.
//!
//! Knows evaluated points, executions and the statistics of accuracies. Must not know how cycles and energies
//! come about, nor reports, terminals or plots.

mod accumulators;
mod best_curve;
mod bootstrap;
mod comparison;
mod condition;
mod contrast;
mod mcnemar;
mod mean_points;
mod paired_t;
mod price;
mod published_curve;
mod replacement;
mod tornado;
mod trained_network;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::cost::{CostError, Technology};
use crate::explore::{
    CYCLE_CAUSES, CostAxis, Design, Evaluation, Execution, MappingPolicy, Outcome, Point, PricingError,
    Regime, Subject, TimedRequest,
};
use crate::workload::Workload;

pub use crate::cost::Component;
pub use accumulators::AccumulatorCosts;
pub use best_curve::{BestCurve, Height, Interpolation, Margin, at_every_corner, typically};
pub use bootstrap::REPLICATES;
pub use comparison::{Comparison, Gap, SeedTest, comparisons, gaps};
pub use condition::Condition;
pub use contrast::{Contrast, EqualCost, Shares, contrasts, equal_costs, shares};
pub use mcnemar::{Discordance, holm};
pub use paired_t::PairedDifference;
pub use price::Price;
pub use published_curve::{PublishedCurve, PublishedPoint, published_curves};
pub use replacement::{Accuracy, ReplacedBy, Replacement};
pub use tornado::{Bar, Tornado};
pub use trained_network::{TrainedNetwork, TrainingResult};

/// The precision that others have to replace.
pub const BASELINE: &str = "bf16";
/// The precision whose curve the paper found best.
pub const CANDIDATE: &str = "mostly-4-bit";
/// The costs that a design has of its own.
pub const DESIGN_AXES: [CostAxis; 3] = [CostAxis::Energy, CostAxis::Latency, CostAxis::EnergyDelay];

/// Why a study cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// A network cannot be timed on a design that ran it.
    #[error(transparent)]
    Pricing(#[from] PricingError),
    /// A technology has no price for an action.
    #[error("{design}, {technology}: {source}")]
    Cost {
        /// Design name.
        design: String,
        /// Technology name.
        technology: String,
        /// The reason.
        source: CostError,
    },
}

/// One family's study.
#[derive(Clone, Debug)]
pub struct Study<'a> {
    /// Family of the networks.
    pub family: &'a str,
    /// What accuracies were measured on.
    pub evaluation_set: &'a str,
    /// Images in it.
    pub images: usize,
    /// Designs that run all of the family's networks of several runs, in the order given.
    pub designs: Vec<DesignStudy<'a>>,
    /// Designs that do not.
    pub designs_left_out: Vec<&'a str>,
    /// Networks with one run only: no conclusion rests on them.
    pub single_runs: Vec<TrainedNetwork>,
}

/// One design's part: its networks' indices are those of [`Self::networks`].
#[derive(Clone, Debug)]
pub struct DesignStudy<'a> {
    /// The design.
    pub design: &'a Design,
    /// Networks of several runs as this design executes them, by size, in the order given.
    pub networks: Vec<TrainedNetwork>,
    /// Utilization of each network's cold request, 0 to 1.
    pub utilization: Vec<f64>,
    /// Shares of the cycles of each network's cold request, in the order of `CYCLE_CAUSES`.
    pub cycle_shares: Vec<[f64; CYCLE_CAUSES.len()]>,
    /// The design's own technology and DRAM part, cold, idle MAC slots free.
    pub own: Answers<'a>,
    /// Under every condition that can be priced.
    pub conditions: Vec<Answers<'a>>,
    /// Conditions that cannot, and why: a technology need not have a price for every design's actions.
    pub unpriced: Vec<(String, String)>,
    /// Energies with accumulators of other widths.
    pub accumulators: AccumulatorCosts,
}

/// What holds on one design under one condition.
#[derive(Clone, Debug)]
pub struct Answers<'a> {
    /// The condition.
    pub condition: Condition<'a>,
    /// One price per network.
    pub prices: Vec<Price>,
    /// One answer per cost; empty if the networks' energies leave out different things.
    pub axes: Vec<AxisAnswer>,
}

/// Answers for one cost.
#[derive(Clone, Debug)]
pub struct AxisAnswer {
    /// The cost.
    pub axis: CostAxis,
    /// For every bf16 network, the best one that is cheaper at typical prices.
    pub replacements: Vec<Replacement>,
    /// For every bf16 network, the best one that is cheaper at every corner.
    pub replacements_at_corners: Vec<Replacement>,
    /// Whether mostly-4-bit is the best curve.
    pub best_curve: BestCurve,
}

impl Answers<'_> {
    /// The answer for a cost.
    pub fn axis(&self, axis: CostAxis) -> Option<&AxisAnswer> {
        self.axes.iter().find(|answer| answer.axis == axis)
    }
}

/// One study per family that has a network of several training runs; `policy` is that of the evaluation,
/// `technologies` are the families that energies are taken from.
pub fn studies<'a>(
    designs: &'a [Design],
    subjects: &'a [Subject],
    policy: MappingPolicy,
    evaluation: &'a Evaluation,
    technologies: &'a [Technology],
) -> Result<Vec<Study<'a>>, StudyError> {
    let mut families: Vec<&str> = Vec::new();
    for subject in subjects.iter().filter(|subject| subject.workload.training().is_some()) {
        if !families.contains(&subject.workload.family()) {
            families.push(subject.workload.family());
        }
    }
    let studies = families
        .into_iter()
        .map(|family| Family { name: family, subjects, policy, evaluation, technologies }.study(designs));
    studies.filter_map(Result::transpose).collect()
}

/// The subjects of one family.
struct Family<'a> {
    name: &'a str,
    subjects: &'a [Subject],
    policy: MappingPolicy,
    evaluation: &'a Evaluation,
    technologies: &'a [Technology],
}

impl<'a> Family<'a> {
    /// None if no network has several runs, or no design runs all that have.
    fn study(&self, designs: &'a [Design]) -> Result<Option<Study<'a>>, StudyError> {
        let most: Vec<TrainedNetwork> =
            designs.iter().map(|design| self.networks(design)).max_by_key(Vec::len).unwrap_or_default();
        let (several, single_runs): (Vec<_>, Vec<_>) = most.into_iter().partition(|its| its.runs.len() > 1);
        let (all, left_out): (Vec<_>, Vec<_>) = designs.iter().partition(|design| {
            let networks = self.networks(design);
            let runs_it = |its: &TrainedNetwork| {
                networks.iter().any(|network| network.runs.len() > 1 && network.name() == its.name())
            };
            several.iter().all(runs_it)
        });
        let Some(execution) = self.executions().next().filter(|_| !several.is_empty()) else {
            return Ok(None);
        };
        Ok(Some(Study {
            family: self.name,
            evaluation_set: &execution.accuracy.evaluation_set,
            images: execution.is_correct.len(),
            designs: all.iter().map(|design| self.design(design)).collect::<Result<_, _>>()?,
            designs_left_out: left_out.iter().map(|design| design.accelerator.name()).collect(),
            single_runs,
        }))
    }

    fn executions(&self) -> impl Iterator<Item = &'a Execution> {
        let names: Vec<&str> = self.workloads().map(Workload::name).collect();
        self.evaluation.executions.iter().filter(move |execution| names.contains(&execution.network.as_str()))
    }

    fn workloads(&self) -> impl Iterator<Item = &'a Workload> {
        let name = self.name;
        let workloads = self.subjects.iter().map(|subject| &subject.workload);
        workloads.filter(move |workload| workload.family() == name && workload.training().is_some())
    }

    /// What a design executed, by size and precision.
    fn networks(&self, design: &Design) -> Vec<TrainedNetwork> {
        let on = |execution: &&Execution| execution.designs.iter().any(|d| d == design.accelerator.name());
        let executed: BTreeMap<&str, &Execution> = self
            .evaluation
            .executions
            .iter()
            .filter(on)
            .map(|execution| (execution.network.as_str(), execution))
            .collect();
        let mut networks: Vec<TrainedNetwork> = Vec::new();
        for workload in self.workloads() {
            let (Some(execution), Some(training)) = (executed.get(workload.name()), workload.training())
            else {
                continue;
            };
            let size = crate::explore::network_size(workload.name(), workload.precision()).to_owned();
            let run = TrainingResult {
                network: workload.name().to_owned(),
                seed: training.seed,
                is_correct: execution.is_correct.clone(),
                train_top1_percent: training.train_top1_percent,
            };
            let same = |its: &&mut TrainedNetwork| its.size == size && its.precision == workload.precision();
            match networks.iter_mut().find(same) {
                Some(network) => network.runs.push(run),
                None => networks.push(TrainedNetwork {
                    size,
                    precision: workload.precision().to_owned(),
                    runs: vec![run],
                }),
            }
        }
        for network in &mut networks {
            network.runs.sort_by_key(|run| run.seed);
        }
        networks.sort_by_cached_key(|network| crate::source::natural_order(&network.size));
        networks
    }

    fn design(&self, design: &'a Design) -> Result<DesignStudy<'a>, StudyError> {
        let networks: Vec<TrainedNetwork> =
            self.networks(design).into_iter().filter(|network| network.runs.len() > 1).collect();
        let workloads: Vec<&Workload> =
            networks.iter().filter_map(|network| self.workload(&network.runs[0].network)).collect();
        let timed = |regime| -> Result<Vec<TimedRequest>, PricingError> {
            workloads
                .iter()
                .map(|workload| TimedRequest::new(design, workload, self.policy, regime))
                .collect()
        };
        let (cold, steady) = (timed(Regime::Cold)?, timed(Regime::Steady)?);
        let replicates = bootstrap::mean_top1(&networks);
        let answer = |condition: Condition<'a>| {
            let requests = if condition.regime == Regime::Cold { &cold } else { &steady };
            let prices = self.prices(design, &networks, requests, &condition)?;
            let axes = DESIGN_AXES.iter().filter_map(|axis| answer(&networks, &prices, *axis, &replicates));
            Ok::<_, StudyError>(Answers { axes: axes.collect(), condition, prices })
        };
        let own = Condition::of_design(&design.technology, design.accelerator.dram().part());
        let (mut conditions, mut unpriced) = (vec![], vec![]);
        let answered: Vec<_> = Condition::all(self.technologies)
            .into_par_iter()
            .map(|condition| (condition.to_string(), answer(condition)))
            .collect();
        for (condition, answers) in answered {
            match answers {
                Ok(answers) => conditions.push(answers),
                Err(reason) => unpriced.push((condition, reason.to_string())),
            }
        }
        Ok(DesignStudy {
            design,
            utilization: cold.iter().map(TimedRequest::utilization).collect(),
            cycle_shares: cold.iter().map(TimedRequest::cycle_shares).collect(),
            own: answer(own)?,
            conditions,
            unpriced,
            accumulators: AccumulatorCosts::of(design, &networks, &workloads, self.policy, self.evaluation)?,
            networks,
        })
    }

    fn workload(&self, name: &str) -> Option<&'a Workload> {
        self.workloads().find(|workload| workload.name() == name)
    }

    fn prices(
        &self,
        design: &Design,
        networks: &[TrainedNetwork],
        requests: &[TimedRequest],
        condition: &Condition,
    ) -> Result<Vec<Price>, StudyError> {
        let Condition { technology, dram_part, idle_fraction, .. } = condition;
        let price = |(network, request): (&TrainedNetwork, &TimedRequest)| {
            let energy = request.energy_rows(technology, dram_part, *idle_fraction).map_err(|source| {
                StudyError::Cost {
                    design: design.accelerator.name().to_owned(),
                    technology: technology.name().to_owned(),
                    source,
                }
            })?;
            // Agnostic costs are those of every point of the network.
            let point = self.point(&network.runs[0].network);
            let (linear, quadratic) = point.map_or((0, 0), |point| (point.cost_linear, point.cost_quadratic));
            Ok(Price::new(request.latency_s(), linear, quadratic, energy))
        };
        networks.iter().zip(requests).map(price).collect()
    }

    fn point(&self, network: &str) -> Option<&'a Point> {
        let runs = |point: &&Point| matches!(point.outcome, Outcome::Runs(_));
        self.evaluation.points.iter().filter(runs).find(|point| point.network == network)
    }
}

fn answer(
    networks: &[TrainedNetwork],
    prices: &[Price],
    axis: CostAxis,
    replicates: &[Vec<f64>],
) -> Option<AxisAnswer> {
    Some(AxisAnswer {
        axis,
        replacements: replacement::replacements(networks, prices, axis, typically),
        replacements_at_corners: replacement::replacements(networks, prices, axis, at_every_corner),
        best_curve: BestCurve::of(networks, prices, axis, replicates)?,
    })
}

impl DesignStudy<'_> {
    /// The conditions that differ in what any network costs, each with its answer for that cost.
    pub fn distinct_conditions(&self, axis: CostAxis) -> Vec<(&Answers<'_>, &AxisAnswer)> {
        let mut seen = BTreeSet::new();
        let mut is_new = |answers: &Answers| {
            // Energies have ranges beside the typical value: all of them count.
            let key = if axis.has_energy() {
                answers.condition.to_string()
            } else {
                answers.prices.iter().map(|price| format!("{};", price.of(axis))).collect()
            };
            seen.insert(key)
        };
        let answered = self.conditions.iter().filter_map(|answers| Some((answers, answers.axis(axis)?)));
        answered.filter(|(answers, _)| is_new(answers)).collect()
    }

    /// What moves the energy of the largest mostly-4-bit network over that of bf16 at the same size: prices,
    /// and each single departure from the design's own condition. None without such a pair.
    pub fn tornado(&self, axis: CostAxis) -> Option<(usize, usize, Tornado)> {
        let of_precision = |precision: &'static str| {
            (0..self.networks.len()).rev().filter(move |&index| self.networks[index].precision == precision)
        };
        let (network, of) = of_precision(CANDIDATE).find_map(|network| {
            let same_size = |of: &usize| self.networks[*of].size == self.networks[network].size;
            Some((network, of_precision(BASELINE).find(same_size)?))
        })?;
        let choices = self.conditions.iter().filter_map(|answers| {
            let what = answers.condition.single_departure(&self.own.condition)?;
            let ratio = answers.prices[network].ratio(&answers.prices[of], axis)?;
            Some((what, ratio.typical))
        });
        let prices = &self.own.prices;
        let tornado = Tornado::of(&prices[network], &prices[of], axis, choices.collect());
        Some((network, of, tornado))
    }
}
