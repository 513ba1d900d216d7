//! What the array asks of the memories in one cycle of a fold.

use super::configuration::Dataflow;
use super::fold::{Fold, Folding};

/// Reads of the ports of one edge, left to right; each reads the next or the previous element.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Strip {
    outer: u64,
    element: u64,
    count: u64,
    direction: Direction,
}

/// How outer index and element change from port to port.
#[derive(Clone, Copy, Debug, Default)]
enum Direction {
    /// Next outer index, same element.
    #[default]
    Along,
    /// Next outer index, previous element.
    OuterUp,
    /// Previous outer index, next element.
    ElementUp,
}

impl Strip {
    /// Pairs of outer index (pixel or filter) and element, in the order of the ports.
    #[inline]
    pub(super) fn reads(self) -> impl Iterator<Item = (u64, u64)> {
        (0..self.count).map(move |port| match self.direction {
            Direction::Along => (self.outer + port, self.element),
            Direction::OuterUp => (self.outer + port, self.element - port),
            Direction::ElementUp => (self.outer - port, self.element + port),
        })
    }
}

/// One cycle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    pub(super) ifmap: Strip,
    pub(super) filter: Strip,
    /// Words that leave the array.
    pub(super) ofmap_words: u64,
}

impl Folding {
    /// What is asked for in cycle `t` of a fold.
    #[inline]
    pub(super) fn demand(&self, fold: &Fold, t: u64) -> Demand {
        match self.dataflow {
            Dataflow::OutputStationary => Demand {
                ifmap: self.strict_order(fold.first_row, fold.rows_used, t),
                filter: self.strict_order(fold.first_col, fold.cols_used, t),
                ofmap_words: self.drained(fold, t),
            },
            Dataflow::WeightStationary => Demand {
                ifmap: self.streamed(fold, t),
                filter: self.loaded(fold, t),
                ofmap_words: self.summed(fold, t),
            },
            Dataflow::InputStationary => Demand {
                ifmap: self.loaded(fold, t),
                filter: self.streamed(fold, t),
                ofmap_words: self.summed(fold, t),
            },
        }
    }

    /// os: port p reads element t − p of outer index first + p.
    fn strict_order(&self, first: u64, used: u64, t: u64) -> Strip {
        let (low, high) = ((t + 1).saturating_sub(self.steps), used.min(t + 1));
        if low >= high {
            return Strip::default();
        }
        let (outer, element) = (first + low, t - low);
        Strip { outer, element, count: high - low, direction: Direction::OuterUp }
    }

    /// ws and is: port p reads the fold's element p of the outer index that entered p cycles ago.
    fn streamed(&self, fold: &Fold, t: u64) -> Strip {
        let Some(t) = t.checked_sub(self.rows) else { return Strip::default() };
        let (low, high) = ((t + 1).saturating_sub(self.steps), fold.rows_used.min(t + 1));
        if low >= high {
            return Strip::default();
        }
        let (outer, element) = (t - low, fold.first_row + low);
        Strip { outer, element, count: high - low, direction: Direction::ElementUp }
    }

    /// ws and is: all ports read one array row, last row first, without skew.
    fn loaded(&self, fold: &Fold, t: u64) -> Strip {
        match (self.rows - 1).checked_sub(t) {
            Some(row) if row < fold.rows_used => Strip {
                outer: fold.first_col,
                element: fold.first_row + row,
                count: fold.cols_used,
                direction: Direction::Along,
            },
            _ => Strip::default(),
        }
    }

    /// os: column c delivers row R − 1 − (t − (T − 1) − c), before that row has finished.
    fn drained(&self, fold: &Fold, t: u64) -> u64 {
        let Some(t) = (t + 1).checked_sub(self.steps) else { return 0 };
        // Columns with 0 ≤ t − c ≤ R − 1 and R − 1 − (t − c) < rows_used.
        let low = (t + 1).saturating_sub(self.rows);
        let high = fold.cols_used.min((t + fold.rows_used + 1).saturating_sub(self.rows));
        high.saturating_sub(low)
    }

    /// ws and is: column c delivers outer index t − (2R − 1) − c.
    fn summed(&self, fold: &Fold, t: u64) -> u64 {
        let Some(t) = (t + 1).checked_sub(2 * self.rows) else { return 0 };
        let (low, high) = ((t + 1).saturating_sub(self.steps), fold.cols_used.min(t + 1));
        high.saturating_sub(low)
    }
}
