//! The order in which a dot product is accumulated: all that values depend on.

/// How the folds of one output join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Join {
    /// Each fold sums from zero and is then added to the accumulator.
    PerFold,
}

/// Products enter in strict k order (row by row, the lanes of a row serially); every `k_per_fold`
/// products form a fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReductionOrder {
    /// rows · lanes, at least 1.
    pub k_per_fold: usize,
    /// How folds join.
    pub join: Join,
}
