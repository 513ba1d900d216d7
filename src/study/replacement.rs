//! Is there a quantized network with lower cost and higher accuracy?

use crate::explore::{CostAxis, Range};

use super::paired_t::PairedDifference;
use super::price::Price;
use super::{BASELINE, TrainedNetwork};

/// How a cheaper quantized network's accuracy compares, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Accuracy {
    /// Higher, by more than training noise: the cheaper network dominates.
    Higher,
    /// A higher or equal mean over the seeds that both have, within training noise.
    HigherMean,
    /// A lower mean, within training noise.
    LowerMean,
}

/// The best cheaper network for a bf16 one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Replacement {
    /// Index of the bf16 network.
    pub of: usize,
    /// The quantized network, if one is cheaper and not significantly less accurate.
    pub by: Option<ReplacedBy>,
}

/// A cheaper network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReplacedBy {
    /// Its index.
    pub network: usize,
    /// How its accuracy compares.
    pub accuracy: Accuracy,
    /// Its top-1 minus the bf16 network's.
    pub difference: PairedDifference,
    /// Its cost over the bf16 network's, over all corners.
    pub ratio: Range,
}

impl Replacement {
    /// Whether a network with at least the same mean accuracy over shared seeds is cheaper.
    pub fn is_matched(&self) -> bool {
        self.by.is_some_and(|by| by.accuracy <= Accuracy::HigherMean)
    }

    /// Whether a network with higher accuracy, beyond noise, is cheaper.
    pub fn is_dominated(&self) -> bool {
        self.by.is_some_and(|by| by.accuracy == Accuracy::Higher)
    }
}

/// One entry per bf16 network. A network counts as cheaper if `is_cheaper` says so of the ratio; of those
/// whose accuracy compares best, the cheapest is named.
pub(super) fn replacements(
    networks: &[TrainedNetwork],
    prices: &[Price],
    axis: CostAxis,
    is_cheaper: fn(Range) -> bool,
) -> Vec<Replacement> {
    let of_precision = |baseline: bool| {
        (0..networks.len()).filter(move |&index| (networks[index].precision == BASELINE) == baseline)
    };
    of_precision(true)
        .map(|of| {
            let candidates = of_precision(false).filter_map(|network| {
                let difference = networks[network].difference(&networks[of])?;
                let ratio = prices[network].ratio(&prices[of], axis).filter(|ratio| is_cheaper(*ratio))?;
                Some(ReplacedBy { network, accuracy: compared(&difference)?, difference, ratio })
            });
            let by = candidates
                .min_by(|a, b| a.accuracy.cmp(&b.accuracy).then(a.ratio.typical.total_cmp(&b.ratio.typical)));
            Replacement { of, by }
        })
        .collect()
}

/// None if it is lower by more than noise.
fn compared(difference: &PairedDifference) -> Option<Accuracy> {
    match (difference.excludes_zero(), difference.mean.estimate >= 0.0) {
        (true, true) => Some(Accuracy::Higher),
        (false, true) => Some(Accuracy::HigherMean),
        (false, false) => Some(Accuracy::LowerMean),
        (true, false) => None,
    }
}
