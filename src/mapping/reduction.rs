//! The order in which a dot product is accumulated: all that values depend on.

pub use crate::numerics::Join;

/// Products enter in strict k order, row by row; `lanes` of them meet in a row, and every `k_per_fold` form
/// a fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReductionOrder {
    /// rows · lanes, at least 1; all of k where folds are chained, which then do not show.
    pub k_per_fold: usize,
    /// How folds join.
    pub join: Join,
    /// Lanes along k, at least 1; 1 where they add one after the other, which then do not show.
    pub lanes: usize,
}

impl ReductionOrder {
    /// Lanes one after the other, folds joined in the accumulator.
    pub fn per_fold(k_per_fold: usize) -> Self {
        Self { k_per_fold, join: Join::PerFold, lanes: 1 }
    }
}
