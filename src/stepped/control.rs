//! When folds begin: all that control decides.

use crate::mapping::{Dataflow, Join, OutputDrain, Schedule, View};

/// The parts of the array that a schedule does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// Cycles from a sum leaving the bottom register to its accumulator being readable, at least 1.
    pub accumulator_latency: u64,
    /// Whether PEs have a shadow register for what is stationary in the next fold.
    pub double_buffer: bool,
    /// Whether PEs of an output-stationary array have a second register for results.
    pub drain: OutputDrain,
}

/// Where in its window the loading of a fold's first stationary operand begins.
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
    /// Cycle of the first stationary operand at the top of column 0; none in an output-stationary array.
    pub load: u64,
    /// Cycle of the first activation at the left of row 0; input-stationary: of the first weight.
    pub vector: u64,
}

impl Control {
    /// The rule: each fold as early as the array allows; several arrays begin it together.
    pub fn starts(&self, schedule: &Schedule, loading: Loading) -> Vec<Start> {
        match schedule.dataflow {
            Dataflow::Ws | Dataflow::Is => self.stationary_starts(schedule, loading),
            Dataflow::Os => self.output_starts(schedule),
        }
    }

    fn stationary_starts(&self, schedule: &Schedule, loading: Loading) -> Vec<Start> {
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
                        let column = if schedule.join == Join::Chained { schedule.rows } else { 0 };
                        next = next.max(vector + column + self.accumulator_latency);
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

    fn output_starts(&self, schedule: &Schedule) -> Vec<Start> {
        let mut next = 0;
        let start_of = |fold| {
            let (start, view) = (next, schedule.widest(fold));
            next = match self.drain {
                // The ports are free after the last step; the pulse finds row 0 before its next sum.
                OutputDrain::Overlapped => (start + view.vectors).max(start + view.rows),
                OutputDrain::Blocking => {
                    self.pulse(start, view.vectors, view.rows, view.columns) + schedule.rows
                }
            };
            Start { load: start, vector: start }
        };
        schedule.folds().map(start_of).collect()
    }

    /// The cycle in which column 0 of an output-stationary array begins to drain a fold: overlapped,
    /// when the last row's sum is there (later columns follow one by one); blocking, when all sums are.
    pub(crate) fn pulse(&self, start: u64, steps: u64, rows: u64, columns: u64) -> u64 {
        match self.drain {
            OutputDrain::Overlapped => start + steps + rows - 1,
            OutputDrain::Blocking => start + steps + rows + columns - 2,
        }
    }
}
