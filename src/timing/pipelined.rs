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
