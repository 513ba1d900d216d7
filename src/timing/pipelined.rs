//! Array cycles in closed form, `pipelined`: weight-stationary folds, one after the other.
//!
//! A PE has three weight registers (shadow, link, active), so that the next fold's weights shift in
//! while this fold's vectors stream. With s_i the cycle in which fold i's first vector enters:
//!
//! - s_0 = ρ_0, the rows whose weights must be loaded first;
//! - s_{i+1} = s_i + max(T_i, ρ_{i+1}), and at least the accumulator's latency A when both folds add to
//!   the same outputs;
//! - without the shadow register (`double_buffer = false`) the array drains before it loads:
//!   s_{i+1} = s_i + max(T_i + R + nc_i − 2 + ρ_{i+1}, A);
//! - the layer ends in cycle max_i(s_i + T_i + nc_i) + R − 2 + A.
//!
//! PE adders take a single cycle; for bf16 that is an approximation.

use crate::hardware::Array;
use crate::mapping::{Fold, Schedule};

use super::counters::Cycles;

/// Cycles that the array is busy with a layer, from the first weight to the last accumulator update.
pub fn array_cycles(schedule: &Schedule, array: &Array) -> Cycles {
    let latency = array.accumulator_latency_cycles();
    let (mut start, mut end) = (0, 0);
    let mut previous: Option<Fold> = None;
    for fold in schedule.folds() {
        start = match previous {
            None => fold.rows,
            Some(previous) => {
                let same_outputs = if fold.is_first_of_outputs() { 0 } else { latency };
                let gap = if array.double_buffer() {
                    previous.vectors.max(fold.rows)
                } else {
                    previous.vectors + array.rows() + previous.columns - 2 + fold.rows
                };
                start + gap.max(same_outputs)
            }
        };
        end = end.max(start + fold.vectors + fold.columns);
        previous = Some(fold);
    }
    Cycles(end + array.rows() - 2 + latency)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::Accelerator;
    use crate::mapping::Gemm;
    use crate::source::SourceFile;

    /// A design of any size; only its array matters here.
    fn array(rows: u64, cols: u64, latency: u64, double_buffer: bool) -> Array {
        let (_, text) = crate::hardware::SHIPPED[0];
        let start = text.find("[array]").unwrap();
        let end = start + text[start..].find("\n[[").unwrap();
        let table = format!(
            "[array]\nrows = {rows}\ncols = {cols}\ndataflows = [\"ws\"]\naccumulator_latency_cycles = {latency}\n\
             double_buffer = {double_buffer}\n"
        );
        let text = format!("{}{table}{}", &text[..start], &text[end..]);
        Accelerator::parse(&SourceFile::embedded("d.toml", &text)).unwrap().array().clone()
    }

    fn cycles(array: &Array, lanes: u64, m: u64, n: u64, k: u64) -> u64 {
        let gemm = Gemm { m, n, k, groups: 1 };
        let schedule = Schedule { gemm, rows: array.rows(), columns: array.cols(), lanes, m_tile: m };
        array_cycles(&schedule, array).0
    }

    /// 4×4 array, M = 3, N = 5, K = 6: folds (k, n) = (4,4) (2,4) (4,1) (2,1), each streaming 3 vectors.
    /// s = 4; +max(3,2) = 7; +max(3,4) = 11; +max(3,2) = 14.
    /// The last vector enters in cycle 16, its bottom partial sum is valid 4 + 1 − 1 cycles later, and
    /// the accumulator 1 cycle after that: 14 + 3 + 1 + 4 − 2 + 1 = 21 (fold 0 alone: 4 + 3 + 4 + 3 = 14).
    #[test]
    fn a_hand_computed_four_by_four() {
        assert_eq!(cycles(&array(4, 4, 1, true), 1, 3, 5, 6), 21);
    }

    #[test]
    fn one_fold_loads_streams_and_drains() {
        // ρ + T + nc + R − 2 + A.
        assert_eq!(cycles(&array(4, 4, 1, true), 1, 10, 4, 4), 4 + 10 + 4 + 4 - 2 + 1);
        assert_eq!(cycles(&array(4, 4, 1, true), 1, 10, 2, 3), 3 + 10 + 2 + 4 - 2 + 1);
        assert_eq!(cycles(&array(1, 1, 1, true), 1, 1, 1, 1), 1 + 1 + 1 + 1 - 2 + 1);
    }

    #[test]
    fn lanes_shorten_k() {
        assert_eq!(cycles(&array(4, 4, 1, true), 2, 10, 4, 8), cycles(&array(4, 4, 1, true), 1, 10, 4, 4));
        assert_eq!(cycles(&array(4, 4, 1, true), 4, 10, 4, 7), cycles(&array(4, 4, 1, true), 1, 10, 4, 2));
    }

    #[test]
    fn a_late_accumulator_delays_folds_of_the_same_outputs_only() {
        // Two folds over k, T = 3, A = 9: s_1 = s_0 + 9.
        assert_eq!(cycles(&array(4, 4, 9, true), 1, 3, 4, 8), (4 + 9) + 3 + 4 + 4 - 2 + 9);
        // Two folds over n: s_1 = s_0 + max(3, 4).
        assert_eq!(cycles(&array(4, 4, 9, true), 1, 3, 8, 4), (4 + 4) + 3 + 4 + 4 - 2 + 9);
    }

    proptest::proptest! {
        #[test]
        fn no_schedule_beats_its_macs(
            rows in 1u64..20, cols in 1u64..20, lanes in 1u64..5, latency in 1u64..9, double_buffer: bool,
            m in 1u64..40, n in 1u64..40, k in 1u64..40, m_tile in 1u64..40,
        ) {
            let array = array(rows, cols, latency, double_buffer);
            let gemm = Gemm { m, n, k, groups: 1 };
            let schedule = Schedule { gemm, rows, columns: cols, lanes, m_tile };
            let cycles = array_cycles(&schedule, &array).0;
            let folds = n.div_ceil(cols) * k.div_ceil(rows * lanes);
            proptest::prop_assert!(cycles >= gemm.macs().div_ceil(rows * cols * lanes));
            proptest::prop_assert!(cycles >= folds * m, "every fold streams every vector");
            if double_buffer {
                let single = array_cycles(&schedule, &self::array(rows, cols, latency, false)).0;
                proptest::prop_assert!(cycles <= single, "a shadow register never costs cycles");
            }
        }
    }

    /// Without double buffering F full folds cost F·(2R + C + T − 2) + A.
    #[test]
    fn without_double_buffering_every_fold_pays_fill_and_drain() {
        for (rows, cols, m, folds) in [(4, 4, 3, 1), (8, 4, 5, 3), (2, 16, 1, 7), (32, 32, 3136, 36)] {
            let found = cycles(&array(rows, cols, 1, false), 1, m, cols * folds, rows);
            assert_eq!(found, folds * (2 * rows + cols + m - 2) + 1);
        }
    }
}
