//! When folds start in the array, in closed form, if nothing but the array limits them.
//!
//! With s_i the cycle in which the first vector of fold i enters PE(0, 0); R rows, ρ_i and nc_i the rows
//! and columns used, A the accumulator's latency:
//!
//! Weight- and input-stationary, T_i vectors. A PE has three registers for what is stationary (shadow,
//! link, active), so that the next fold's operands shift in while this fold's vectors stream.
//! - s_0 = ρ_0;
//! - s_{i+1} = s_i + max(T_i, ρ_{i+1}), and at least A when both folds add to the same outputs;
//! - without the shadow register (`double_buffer = false`) the array drains before it loads:
//!   s_{i+1} = s_i + max(T_i + R + nc_i − 2 + ρ_{i+1}, A);
//! - fold i is finished in cycle s_i + T_i + nc_i + R − 2 + A.
//!
//! Output-stationary, J steps; A counts from the register below the bottom row.
//! - s_0 = 0; s_{i+1} = s_i + max(J_i, ρ_i): results of fold i leave while fold i+1 runs;
//! - blocking drain: s_{i+1} = s_i + J_i + ρ_i + nc_i − 2 + R;
//! - fold i is finished in cycle s_i + J_i + ρ_i + nc_i + R − 2 + A. A fold cut along k goes on where it
//!   stopped.
//!
//! PE adders take a single cycle; for bf16 that is an approximation. Several arrays run in lockstep at
//! the pace of the one that has most to do.

use std::marker::PhantomData;

use crate::hardware::{Array, Dataflow, OutputDrain};
use crate::mapping::{Fold, FoldRun, Join, Schedule, View};

use super::counters::Cycles;

/// A fold in the array's own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// First vector.
    pub(super) start: u64,
    /// Cycles before `start` in which what is stationary shifts in.
    pub(super) lead: u64,
    /// Those of them in which nothing streams.
    pub(super) load: u64,
    /// Last vector, plus one.
    pub(super) streamed: u64,
    /// Last sum readable; for a fold that goes on along k in the PEs, its last vector.
    pub(super) finish: u64,
}

/// A run of folds in the array's own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunEntry {
    pub(super) first: Entry,
    pub(super) last: Entry,
    /// [`Entry::load`] of all of them.
    pub(super) load: u64,
}

/// The terms of the closed form. `systolab rtl check` puts one wrong term at a time in their place, to see that the
/// Verilog notices.
pub trait Terms {
    /// Rows that a fold loads, or drains.
    fn rows(view: View, _: &Array) -> u64 {
        view.rows
    }

    /// Columns through which a fold leaves.
    fn columns(view: View, _: &Array) -> u64 {
        view.columns
    }

    /// Cycles for which a fold holds the array up at least, whatever it streams, beside the fold before or after it.
    fn least_gap(view: View, array: &Array) -> u64 {
        Self::rows(view, array)
    }

    /// From a sum in the bottom register to its accumulator being readable, where the next fold adds to it.
    fn wait(array: &Array) -> u64 {
        array.accumulator_latency_cycles()
    }

    /// Both corners, top left and bottom right, are counted with a row and with a column.
    fn corners() -> u64 {
        2
    }
}

/// The true terms.
#[derive(Clone, Copy, Debug)]
pub struct ClosedForm;

impl Terms for ClosedForm {}

/// The array's own time: folds enter one after the other.
pub(super) struct Pace<'a, T = ClosedForm> {
    schedule: &'a Schedule,
    array: &'a Array,
    previous: Option<Previous>,
    /// The extents of the last fold and its view.
    known: Option<([u64; 3], View)>,
    terms: PhantomData<T>,
}

/// The last fold that entered.
#[derive(Clone, Copy)]
pub(super) struct Previous {
    view: View,
    start: u64,
    /// Output-stationary: first step of the fold, of which the last piece may be a later cut.
    fold_start: u64,
}

impl Previous {
    /// The same, `cycles` later.
    pub(super) fn delayed(self, cycles: u64) -> Self {
        Self { start: self.start + cycles, fold_start: self.fold_start + cycles, ..self }
    }
}

impl<'a> Pace<'a> {
    /// Before the first fold of a layer.
    pub(super) fn new(schedule: &'a Schedule, array: &'a Array) -> Self {
        Self::with_terms(schedule, array)
    }
}

impl<'a, T: Terms> Pace<'a, T> {
    fn with_terms(schedule: &'a Schedule, array: &'a Array) -> Self {
        Self { schedule, array, previous: None, known: None, terms: PhantomData }
    }

    /// After a fold.
    pub(super) fn after(&self, previous: Previous) -> Self {
        Self { previous: Some(previous), ..*self }
    }

    /// The last fold that entered; None before the first.
    pub(super) fn previous(&self) -> Option<Previous> {
        self.previous
    }

    /// The next fold.
    pub(super) fn enter(&mut self, fold: Fold) -> Entry {
        let view = self.widest(fold);
        self.enter_as(fold, view)
    }

    /// What the array sees of a fold that has most to do; most folds are like the one before.
    fn widest(&mut self, fold: Fold) -> View {
        let extents = [fold.pixels, fold.channels, fold.depth];
        match self.known {
            Some((known, view)) if known == extents => view,
            _ => {
                let view = self.schedule.widest(fold);
                self.known = Some((extents, view));
                view
            }
        }
    }

    /// The next fold, of which the array that has most to do sees `view`.
    fn enter_as(&mut self, fold: Fold, view: View) -> Entry {
        let load = self.load(view);
        let (start, fold_start) = self.start(fold, view);
        self.previous = Some(Previous { view, start, fold_start });
        let streamed = start + view.vectors;
        let (rows, columns) = (T::rows(view, self.array), T::columns(view, self.array));
        let behind = self.array.rows() + self.array.accumulator_latency_cycles();
        let (lead, drain) = match self.schedule.dataflow {
            Dataflow::Ws | Dataflow::Is => (rows, columns + behind - T::corners()),
            Dataflow::Os if fold.k + fold.depth < self.schedule.gemm.k => (0, 0),
            Dataflow::Os => (0, rows + columns + behind - T::corners()),
        };
        Entry { start, lead, load, streamed, finish: streamed + drain }
    }

    /// The next folds, one after the other.
    pub(super) fn enter_run(&mut self, run: FoldRun) -> RunEntry {
        let view = self.widest(run.first);
        let first = self.enter_as(run.first, view);
        if run.count == 1 {
            return RunEntry { first, last: first, load: first.load };
        }
        // Equal folds of the same outputs keep the same distance.
        let distance = self.start(run.at(1), view).0 - first.start;
        self.skip((run.count - 2) * distance);
        let last = self.enter_as(run.last(), view);
        RunEntry { first, last, load: first.load + (run.count - 1) * last.load }
    }

    /// So many cycles later the last fold is followed as it was here: equal folds of the same outputs have passed.
    pub(super) fn skip(&mut self, cycles: u64) {
        if let Some(previous) = &mut self.previous {
            previous.start += cycles;
        }
    }

    /// All folds of the layer, in the order and of the extents of [`Schedule::folds`]; when the last of them is finished.
    fn enter_layer(&mut self) -> u64 {
        let Schedule { gemm, m_tile, n_tile, .. } = *self.schedule;
        let (pixels_per_fold, channels_per_fold) =
            (self.schedule.pixels_per_fold(), self.schedule.channels_per_fold());
        self.enter_pieces(gemm.m, m_tile, |pace, tile_pixels| {
            pace.enter_equal(gemm.groups, |pace| {
                pace.enter_pieces(gemm.n, n_tile, |pace, tile_channels| {
                    pace.enter_pieces(tile_pixels, pixels_per_fold, |pace, pixels| {
                        pace.enter_pieces(tile_channels, channels_per_fold, |pace, channels| {
                            pace.enter_block(pixels, channels)
                        })
                    })
                })
            })
        })
    }

    /// Pieces of an extent, all but the last `step` long; when all are finished.
    fn enter_pieces(&mut self, extent: u64, step: u64, enter: impl Fn(&mut Self, u64) -> u64) -> u64 {
        let (count, rest) = (extent / step, extent % step);
        let whole = self.enter_equal(count, |pace| enter(pace, step));
        if rest == 0 { whole } else { whole.max(enter(self, rest)) }
    }

    /// Equal sequences of folds, each of which ends outputs and begins others. From the second on, the same view precedes
    /// each, so that they keep the same distance. When all are finished.
    fn enter_equal(&mut self, count: u64, enter: impl Fn(&mut Self) -> u64) -> u64 {
        if count == 0 {
            return 0;
        }
        let first = enter(self);
        if count == 1 {
            return first;
        }
        let before = self.previous;
        let second = enter(self);
        let (Some(before), Some(previous)) = (before, self.previous) else { return first.max(second) };
        let delay = (count - 2) * (previous.start - before.start);
        self.previous = Some(previous.delayed(delay));
        first.max(second + delay)
    }

    /// The folds of the next block of outputs; when the last of them is finished.
    fn enter_block(&mut self, pixels: u64, channels: u64) -> u64 {
        let block = Fold { group: 0, m: 0, n: 0, k: 0, pixels, channels, depth: self.schedule.gemm.k };
        let runs = block.runs(self.schedule.k_per_fold());
        let finish = |run| {
            let RunEntry { first, last, .. } = self.enter_run(run);
            first.finish.max(last.finish)
        };
        runs.map(finish).max().unwrap_or(0)
    }

    /// Cycles before the next fold in which what is stationary shifts in and nothing streams.
    fn load(&self, view: View) -> u64 {
        match (self.schedule.dataflow, self.previous) {
            (Dataflow::Os, _) => 0,
            (Dataflow::Ws | Dataflow::Is, Some(Previous { view: previous, .. }))
                if self.array.double_buffer() =>
            {
                view.rows.saturating_sub(previous.vectors)
            }
            (Dataflow::Ws | Dataflow::Is, _) => view.rows,
        }
    }

    /// When the next fold starts; and output-stationary, when it started that goes on along k.
    fn start(&self, fold: Fold, view: View) -> (u64, u64) {
        match self.schedule.dataflow {
            Dataflow::Ws | Dataflow::Is => {
                let start = self.stationary_start(fold, view);
                (start, start)
            }
            Dataflow::Os => self.output_start(fold),
        }
    }

    fn stationary_start(&self, fold: Fold, view: View) -> u64 {
        let rows = T::rows(view, self.array);
        let Some(Previous { view: previous, start, .. }) = self.previous else { return rows };
        let same_outputs = match self.schedule.join {
            _ if fold.is_first_of_outputs() => 0,
            Join::PerFold => T::wait(self.array),
            // The sum leaves the bottom of the column, and its accumulator enters at the top.
            Join::Chained => self.array.rows() + T::wait(self.array),
        };
        let gap = if self.array.double_buffer() {
            previous.vectors.max(T::least_gap(view, self.array))
        } else {
            previous.vectors + self.drained(T::columns(previous, self.array)) + rows
        };
        start + gap.max(same_outputs)
    }

    fn output_start(&self, fold: Fold) -> (u64, u64) {
        let Some(Previous { view: previous, start, fold_start }) = self.previous else { return (0, 0) };
        let stepped = start + previous.vectors;
        if !fold.is_first_of_outputs() {
            return (stepped, fold_start);
        }
        let start = match self.array.output_drain() {
            OutputDrain::Overlapped => stepped.max(fold_start + T::least_gap(previous, self.array)),
            OutputDrain::Blocking => {
                let (rows, columns) = (T::rows(previous, self.array), T::columns(previous, self.array));
                stepped + rows + self.drained(columns)
            }
        };
        (start, start)
    }

    /// From the top left to the bottom of the last of these columns.
    fn drained(&self, columns: u64) -> u64 {
        columns + self.array.rows() - T::corners()
    }
}

/// Cycles that the array is busy with a layer, from the first operand to the last accumulator update.
pub fn array_cycles(schedule: &Schedule, array: &Array) -> Cycles {
    array_cycles_with::<ClosedForm>(schedule, array)
}

/// The same with other terms.
pub fn array_cycles_with<T: Terms>(schedule: &Schedule, array: &Array) -> Cycles {
    Cycles(Pace::<T>::with_terms(schedule, array).enter_layer())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hardware::{Accelerator, LaneAxis};
    use crate::mapping::{Gemm, Lanes, Split};
    use crate::source::SourceFile;

    /// A design of any size; only its array matters here.
    fn array(rows: u64, cols: u64, more: &str) -> Array {
        let (_, text) = crate::hardware::SHIPPED[0];
        let start = text.find("[array]").unwrap();
        let end = start + text[start..].find("\n[[").unwrap();
        let table =
            format!("[array]\nrows = {rows}\ncols = {cols}\ndataflows = [\"ws\", \"os\", \"is\"]\n{more}\n");
        let text = format!("{}{table}{}", &text[..start], &text[end..]);
        Accelerator::parse(&SourceFile::embedded("d.toml", &text)).unwrap().array().clone()
    }

    fn latency(cycles: u64) -> String {
        format!("accumulator_latency_cycles = {cycles}")
    }

    fn schedule(dataflow: Dataflow, array: &Array, lanes: u64, [m, n, k]: [u64; 3]) -> Schedule {
        Schedule {
            gemm: Gemm { m, n, k, groups: 1 },
            dataflow,
            rows: array.rows(),
            columns: array.cols(),
            lanes: Lanes { axis: LaneAxis::K, count: lanes },
            arrays: 1,
            split: Split::Channels,
            m_tile: m,
            n_tile: n,
            join: Join::PerFold,
        }
    }

    fn cycles(dataflow: Dataflow, array: &Array, lanes: u64, mnk: [u64; 3]) -> u64 {
        array_cycles(&schedule(dataflow, array, lanes, mnk), array).0
    }

    /// 4×4 array, M = 3, N = 5, K = 6: folds (k, n) = (4,4) (2,4) (4,1) (2,1), each streaming 3 vectors.
    /// s = 4; +max(3,2) = 7; +max(3,4) = 11; +max(3,2) = 14.
    /// The last vector enters in cycle 16, its bottom partial sum is valid 4 + 1 − 1 cycles later, and
    /// the accumulator 1 cycle after that: 14 + 3 + 1 + 4 − 2 + 1 = 21 (fold 0 alone: 4 + 3 + 4 + 3 = 14).
    #[test]
    fn a_hand_computed_four_by_four() {
        assert_eq!(cycles(Dataflow::Ws, &array(4, 4, ""), 1, [3, 5, 6]), 21);
    }

    #[test]
    fn one_fold_loads_streams_and_drains() {
        // ρ + T + nc + R − 2 + A.
        let array = array(4, 4, "");
        assert_eq!(cycles(Dataflow::Ws, &array, 1, [10, 4, 4]), 4 + 10 + 4 + 4 - 2 + 1);
        assert_eq!(cycles(Dataflow::Ws, &array, 1, [10, 2, 3]), 3 + 10 + 2 + 4 - 2 + 1);
        let single = self::array(1, 1, "");
        assert_eq!(cycles(Dataflow::Ws, &single, 1, [1, 1, 1]), 1 + 1 + 1 + 1 - 2 + 1);
    }

    #[test]
    fn input_stationary_is_weight_stationary_with_the_operands_swapped() {
        let array = array(4, 6, &latency(3));
        for [m, n, k] in [[1, 1, 1], [3, 5, 6], [13, 7, 9]] {
            assert_eq!(
                cycles(Dataflow::Is, &array, 1, [m, n, k]),
                cycles(Dataflow::Ws, &array, 1, [n, m, k])
            );
        }
    }

    #[test]
    fn lanes_shorten_k_or_widen_columns() {
        let array = array(4, 4, "");
        let ws = |lanes, mnk| cycles(Dataflow::Ws, &array, lanes, mnk);
        assert_eq!(ws(2, [10, 4, 8]), ws(1, [10, 4, 4]));
        assert_eq!(ws(4, [10, 4, 7]), ws(1, [10, 4, 2]));
        let wide = |dataflow, lanes, mnk| {
            let lanes = Lanes { axis: LaneAxis::N, count: lanes };
            array_cycles(&Schedule { lanes, ..schedule(dataflow, &array, 1, mnk) }, &array).0
        };
        for dataflow in [Dataflow::Ws, Dataflow::Os] {
            assert_eq!(wide(dataflow, 2, [10, 8, 9]), cycles(dataflow, &array, 1, [10, 4, 9]));
            assert_eq!(wide(dataflow, 4, [10, 5, 9]), cycles(dataflow, &array, 1, [10, 2, 9]));
        }
    }

    #[test]
    fn a_late_accumulator_delays_folds_of_the_same_outputs_only() {
        let array = array(4, 4, &latency(9));
        // Two folds over k, T = 3, A = 9: s_1 = s_0 + 9.
        assert_eq!(cycles(Dataflow::Ws, &array, 1, [3, 4, 8]), (4 + 9) + 3 + 4 + 4 - 2 + 9);
        // Two folds over n: s_1 = s_0 + max(3, 4).
        assert_eq!(cycles(Dataflow::Ws, &array, 1, [3, 8, 4]), (4 + 4) + 3 + 4 + 4 - 2 + 9);
    }

    /// Without double buffering F full folds cost F·(2R + C + T − 2) + A.
    #[test]
    fn without_double_buffering_every_fold_pays_fill_and_drain() {
        for (rows, cols, m, folds) in [(4, 4, 3, 1), (8, 4, 5, 3), (2, 16, 1, 7), (32, 32, 3136, 36)] {
            let found =
                cycles(Dataflow::Ws, &array(rows, cols, "double_buffer = false"), 1, [m, cols * folds, rows]);
            assert_eq!(found, folds * (2 * rows + cols + m - 2) + 1);
        }
    }

    #[test]
    fn output_stationary_folds_cost_their_steps_or_their_rows() {
        let overlapped = array(4, 4, "");
        let os = |mnk| cycles(Dataflow::Os, &overlapped, 1, mnk);
        // J + ρ + nc + R − 2 + A.
        assert_eq!(os([4, 4, 10]), 10 + 4 + 4 + 4 - 2 + 1);
        assert_eq!(os([8, 4, 10]), 10 + 10 + 4 + 4 + 4 - 2 + 1);
        assert_eq!(os([8, 4, 3]), 4 + 3 + 4 + 4 + 4 - 2 + 1);
        // 2R + C + J − 2 each.
        let blocking = array(4, 4, "os_drain = \"blocking\"");
        assert_eq!(cycles(Dataflow::Os, &blocking, 1, [8, 8, 10]), 4 * (8 + 4 + 10 - 2) + 1);
    }

    #[test]
    fn several_arrays_run_at_the_pace_of_the_widest() {
        let array = array(4, 4, "");
        let on = |arrays, split, mnk| {
            array_cycles(&Schedule { arrays, split, ..schedule(Dataflow::Ws, &array, 1, mnk) }, &array).0
        };
        let one = |mnk| cycles(Dataflow::Ws, &array, 1, mnk);
        assert_eq!(on(4, Split::Channels, [10, 16, 4]), one([10, 4, 4]));
        assert_eq!(on(4, Split::Channels, [10, 17, 4]), one([10, 5, 4]));
        assert_eq!(on(4, Split::Pixels, [10, 4, 4]), one([3, 4, 4]));
    }

    proptest! {
        #[test]
        fn what_equal_pieces_skip_is_what_fold_by_fold_takes(
            dataflow in prop_oneof![Just(Dataflow::Ws), Just(Dataflow::Is), Just(Dataflow::Os)],
            split in prop_oneof![Just(Split::Channels), Just(Split::Pixels)],
            join in prop_oneof![Just(Join::PerFold), Just(Join::Chained)],
            (rows, cols, arrays, lanes) in (1u64..6, 1u64..6, 1u64..4, 1u64..4),
            late in 1u64..12, double_buffer: bool, overlapped: bool,
            (m, n, k, groups) in (1u64..60, 1u64..60, 1u64..30, 1u64..6),
            (m_tile, n_tile) in (1u64..60, 1u64..60),
        ) {
            let drain = if overlapped { "overlapped" } else { "blocking" };
            let more = format!("{}\ndouble_buffer = {double_buffer}\nos_drain = \"{drain}\"", latency(late));
            let array = array(rows, cols, &more);
            let schedule = Schedule {
                gemm: Gemm { m, n, k, groups }, arrays, split, join, m_tile, n_tile,
                ..schedule(dataflow, &array, lanes, [m, n, k])
            };
            let mut pace = Pace::new(&schedule, &array);
            let last = schedule.folds().map(|fold| pace.enter(fold).finish).max();
            prop_assert_eq!(Some(array_cycles(&schedule, &array).0), last);
        }

        #[test]
        fn no_schedule_beats_its_macs(
            dataflow in prop_oneof![Just(Dataflow::Ws), Just(Dataflow::Is), Just(Dataflow::Os)],
            rows in 1u64..20, cols in 1u64..20, lanes in 1u64..5, late in 1u64..9,
            double_buffer: bool, m in 1u64..40, n in 1u64..40, k in 1u64..40, tile in 1u64..40,
        ) {
            let array = array(rows, cols, &format!("{}\ndouble_buffer = {double_buffer}", latency(late)));
            let schedule = Schedule {
                m_tile: tile, n_tile: tile, ..schedule(dataflow, &array, lanes, [m, n, k])
            };
            let cycles = array_cycles(&schedule, &array).0;
            prop_assert!(cycles >= schedule.gemm.macs().div_ceil(schedule.peak()));
            let streamed: u64 = schedule.folds().map(|fold| schedule.widest(fold).vectors).sum();
            prop_assert!(cycles >= streamed, "every fold streams every vector");
            if !double_buffer {
                let double = self::array(rows, cols, &latency(late));
                prop_assert!(array_cycles(&schedule, &double).0 <= cycles, "a shadow register never costs cycles");
            }
        }
    }
}
