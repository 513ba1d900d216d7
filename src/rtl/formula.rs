//! The closed form with one thing wrong at a time: totals that must differ from the Verilog's.

use crate::mapping::{Dataflow, OutputDrain, Schedule, View};
use crate::stepped::Control;

/// What is wrong with a formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Nothing: the closed form of the documentation in its own words.
    Nothing,
    /// Edge folds load, or drain, as many rows as the array has.
    EdgeLoadsAllRows,
    /// Loading does not hold up a fold that streams fewer vectors than the next has rows.
    LoadingIsFree,
    /// The accumulator is readable at once where folds of the same outputs follow.
    NoAccumulatorWait,
    /// Edge folds leave through all columns.
    EdgeUsesAllColumns,
    /// One cycle too few from corner to corner.
    CornerOneShort,
}

/// Names and faults, each for the dataflows that have it.
pub(super) const WRONG: [(&str, Wrong); 5] = [
    ("formula: edge folds load all rows", Wrong::EdgeLoadsAllRows),
    ("formula: loading is free", Wrong::LoadingIsFree),
    ("formula: no wait for the accumulator", Wrong::NoAccumulatorWait),
    ("formula: edge folds leave through all columns", Wrong::EdgeUsesAllColumns),
    ("formula: one cycle short", Wrong::CornerOneShort),
];

/// Cycles of a layer.
pub(super) fn cycles(schedule: &Schedule, control: &Control, wrong: Wrong) -> u64 {
    let rows_of = |view: View| if wrong == Wrong::EdgeLoadsAllRows { schedule.rows } else { view.rows };
    let columns_of =
        |view: View| if wrong == Wrong::EdgeUsesAllColumns { schedule.columns } else { view.columns };
    let latency = control.accumulator_latency;
    let (mut start, mut end) = (0, 0);
    let mut previous: Option<View> = None;
    for fold in schedule.folds() {
        let view = schedule.widest(fold);
        let rows = if wrong == Wrong::LoadingIsFree { 0 } else { rows_of(view) };
        let step = match (schedule.dataflow, previous) {
            (Dataflow::Os, None) => 0,
            (Dataflow::Os, Some(before)) => match control.drain {
                OutputDrain::Overlapped if wrong == Wrong::LoadingIsFree => before.vectors,
                OutputDrain::Overlapped => before.vectors.max(rows_of(before)),
                OutputDrain::Blocking => {
                    before.vectors + rows_of(before) + columns_of(before) + schedule.rows - 2
                }
            },
            (_, None) => rows_of(view),
            (_, Some(before)) => {
                let ready = if control.double_buffer {
                    before.vectors.max(rows)
                } else {
                    before.vectors + schedule.rows + columns_of(before) - 2 + rows
                };
                let waits = !fold.is_first_of_outputs() && wrong != Wrong::NoAccumulatorWait;
                if waits { ready.max(latency) } else { ready }
            }
        };
        start += step;
        let through = match schedule.dataflow {
            Dataflow::Os => view.vectors + rows_of(view),
            Dataflow::Ws | Dataflow::Is => view.vectors,
        };
        let short = u64::from(wrong == Wrong::CornerOneShort);
        end = end.max(start + through + columns_of(view) + schedule.rows + latency - 2 - short);
        previous = Some(view);
    }
    end
}
