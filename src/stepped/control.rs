//! When folds begin: all that control decides.

use crate::mapping::{Schedule, View};

/// The parts of the array that a schedule does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// Cycles from a sum leaving the bottom register to its accumulator being readable, at least 1.
    pub accumulator_latency: u64,
    /// Whether PEs have a shadow register for the next fold's weights.
    pub double_buffer: bool,
}

/// Where in its window a fold's first weight enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loading {
    /// With the previous fold's first vector.
    Earliest,
    /// Just before the fold's own first vector.
    Latest,
}

/// When a fold enters the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Cycle of the first weight at the top of column 0.
    pub load: u64,
    /// Cycle of the first activation at the left of row 0.
    pub vector: u64,
}

impl Control {
    /// The rule: each fold as early as the array allows.
    pub fn starts(&self, schedule: &Schedule, loading: Loading) -> Vec<Start> {
        let mut starts: Vec<Start> = Vec::new();
        let mut previous: Option<(View, u64)> = None;
        for fold in schedule.folds() {
            let view = schedule.widest(fold);
            let start = match previous {
                None => Start { load: 0, vector: view.rows },
                Some((before, vector)) => {
                    // In flight until the bottom-right PE is done.
                    let drained = vector + before.vectors + schedule.rows + before.columns - 2;
                    let mut next = if self.double_buffer {
                        (vector + before.vectors).max(vector + view.rows)
                    } else {
                        drained + view.rows
                    };
                    if !fold.is_first_of_outputs() {
                        next = next.max(vector + self.accumulator_latency);
                    }
                    let earliest = if self.double_buffer { vector } else { drained };
                    match loading {
                        Loading::Earliest => Start { load: earliest, vector: next },
                        Loading::Latest => Start { load: next - view.rows, vector: next },
                    }
                }
            };
            previous = Some((view, start.vector));
            starts.push(start);
        }
        starts
    }
}
