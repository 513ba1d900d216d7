//! Which fold, array, column and cycle made an output.

use crate::mapping::{Dataflow, Gemm, OutputDrain, Schedule, Split};
use crate::stepped::{Control, Loading};

/// Where and when the array finishes one accumulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The layer.
    pub gemm: Gemm,
    /// Group.
    pub group: u64,
    /// Row of the GEMM: output pixel.
    pub m: u64,
    /// Column of the GEMM: output channel of the group.
    pub n: u64,
    /// What stays in the PEs.
    pub dataflow: Dataflow,
    /// Position, among all folds of the layer, of the one with the last of k.
    pub fold: u64,
    /// Folds that the output sums.
    pub k_folds: u64,
    /// Which of the chip's arrays.
    pub array: u64,
    /// Row of the PE that holds the output; None where sums pass through all rows.
    pub row: Option<u64>,
    /// Column that its sums leave from.
    pub column: u64,
    /// Cycle of the layer, operands always there, in which the accumulator is readable.
    pub cycle: u64,
}

/// Where the output (m, n) of a group is made. None when the schedule has no such output.
pub fn locate(schedule: &Schedule, control: &Control, group: u64, m: u64, n: u64) -> Option<Place> {
    let has = |from: u64, extent: u64, at: u64| (from..from + extent).contains(&at);
    let mine = schedule.folds().enumerate().filter(|(_, fold)| {
        fold.group == group && has(fold.m, fold.pixels, m) && has(fold.n, fold.channels, n)
    });
    let mine: Vec<_> = mine.collect();
    let &(index, fold) = mine.last()?;
    let start = control.starts(schedule, Loading::Latest).get(index)?.vector;
    let (mut first_m, mut first_n) = (fold.m, fold.n);
    let (array, view) = schedule.views(fold).enumerate().find(|(_, view)| {
        if has(first_m, view.pixels, m) && has(first_n, view.channels, n) {
            return true;
        }
        match schedule.split {
            Split::Channels => first_n += view.channels,
            Split::Pixels => first_m += view.pixels,
        }
        false
    })?;
    let (pixel, channel) = (m - first_m, n - first_n);
    let (row, column, vector) = match schedule.dataflow {
        Dataflow::Ws => (None, channel / schedule.lanes.along_n(), pixel),
        Dataflow::Is => (None, pixel, channel),
        Dataflow::Os => (Some(pixel), channel / schedule.lanes.along_n(), view.vectors),
    };
    let behind = schedule.rows + control.accumulator_latency;
    let cycle = match (row, control.drain) {
        // PE(r, c) uses vector t in cycle start + t + r + c; the bottom register is valid a cycle later.
        (None, _) => start + vector + column + behind,
        // The drain reaches row r of column c after all rows of the fold have stepped, column by column;
        (Some(row), OutputDrain::Overlapped) => start + vector + view.rows - 1 + column + behind - row,
        // or all columns together.
        (Some(row), OutputDrain::Blocking) => start + vector + view.rows + view.columns - 2 + behind - row,
    };
    Some(Place {
        gemm: schedule.gemm,
        group,
        m,
        n,
        dataflow: schedule.dataflow,
        fold: index as u64,
        k_folds: mine.len() as u64,
        array: array as u64,
        row,
        column,
        cycle,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::{LaneAxis, Lanes};
    use crate::stepped::layer_cycles;
    use proptest::prelude::*;

    proptest! {
        /// Every output has a place of its own, and the last is ready when the stepped array is done.
        #[test]
        fn the_last_output_is_ready_when_the_stepped_array_is_done(
            [m, n, k, groups] in [1u64..9, 1u64..9, 1u64..12, 1u64..3],
            dataflow in prop::sample::select(vec![Dataflow::Ws, Dataflow::Is, Dataflow::Os]),
            split in prop::sample::select(vec![Split::Channels, Split::Pixels]),
            [rows, columns, lanes, arrays, latency] in [1u64..5, 1u64..5, 1u64..4, 1u64..3, 1u64..4],
            along_n in any::<bool>(),
            double_buffer in any::<bool>(),
            blocking in any::<bool>(),
        ) {
            let axis = if along_n && dataflow != Dataflow::Is { LaneAxis::N } else { LaneAxis::K };
            let schedule = Schedule {
                gemm: Gemm { m, n, k, groups },
                dataflow,
                rows,
                columns,
                lanes: Lanes { axis, count: lanes },
                arrays,
                split,
                m_tile: m,
                n_tile: n,
                join: crate::mapping::Join::PerFold,
            };
            let drain = if blocking { OutputDrain::Blocking } else { OutputDrain::Overlapped };
            let control = Control { accumulator_latency: latency, double_buffer, drain };
            let mut last = 0;
            let mut ports = std::collections::BTreeSet::new();
            for (group, (m, n)) in (0..groups).flat_map(|g| (0..m).flat_map(move |m| (0..n).map(move |n| (g, (m, n))))) {
                let place = locate(&schedule, &control, group, m, n).unwrap();
                prop_assert!(place.column < columns && place.row.is_none_or(|row| row < rows));
                let lane = n % schedule.lanes.along_n();
                prop_assert!(
                    ports.insert((place.array, place.column, place.cycle, lane)) || axis == LaneAxis::N,
                    "two sums leave one column in one cycle"
                );
                last = last.max(place.cycle);
            }
            prop_assert_eq!(last, layer_cycles(&schedule, &control).unwrap());
            prop_assert!(locate(&schedule, &control, groups, 0, 0).is_none());
        }
    }
}
