//! Equal folds that follow each other along k.

use super::schedule::Fold;

/// Folds of one block of outputs that follow each other along k and have the same extents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoldRun {
    /// The first.
    pub first: Fold,
    /// How many, at least 1.
    pub count: u64,
}

impl FoldRun {
    /// The fold at `index`, less than `count`.
    pub fn at(self, index: u64) -> Fold {
        Fold { k: self.first.k + index * self.first.depth, ..self.first }
    }

    /// The last.
    pub fn last(self) -> Fold {
        self.at(self.count - 1)
    }
}

impl Fold {
    /// The folds of one block of outputs, given as one fold over all k, each of up to `depth` of k.
    pub fn runs(self, depth: u64) -> impl Iterator<Item = FoldRun> + use<> {
        let (count, rest) = (self.depth / depth, self.depth % depth);
        let whole = FoldRun { first: Self { depth, ..self }, count };
        let ragged = FoldRun { first: Self { k: count * depth, depth: rest, ..self }, count: 1 };
        [whole, ragged].into_iter().filter(|run| run.count > 0 && run.first.depth > 0)
    }
}
