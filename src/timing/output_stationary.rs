//! Array cycles in closed form for an output-stationary array: J steps per fold of ρ_i × nc_i outputs.
//!
//! - s_0 = 0; s_{i+1} = s_i + max(J, ρ_i): the results of fold i leave while fold i+1 runs;
//! - blocking drain: s_{i+1} = s_i + J + ρ_i + nc_i − 2 + R;
//! - the layer ends in cycle max_i(s_i + J + ρ_i + nc_i) + R − 2 + A.
//!
//! No design selects this dataflow yet; the array stepped register by register takes these cycles.

use crate::mapping::{OutputDrain, Schedule};

use super::counters::Cycles;

/// Cycles that the array is busy with a layer, from the first operand to the last accumulator write,
/// `accumulator_latency` cycles behind the register below the bottom row.
pub fn output_stationary_cycles(schedule: &Schedule, drain: OutputDrain, accumulator_latency: u64) -> Cycles {
    let steps = schedule.output_steps();
    let (mut start, mut end) = (0, 0);
    for fold in schedule.output_folds() {
        end = end.max(start + steps + fold.rows + fold.columns);
        start += match drain {
            OutputDrain::Overlapped => steps.max(fold.rows),
            OutputDrain::Blocking => steps + fold.rows + fold.columns - 2 + schedule.rows,
        };
    }
    Cycles(end + schedule.rows - 2 + accumulator_latency)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::Gemm;

    fn cycles(m: u64, n: u64, k: u64, drain: OutputDrain) -> u64 {
        let gemm = Gemm { m, n, k, groups: 1 };
        let schedule = Schedule { gemm, rows: 4, columns: 4, lanes: 1, m_tile: m };
        output_stationary_cycles(&schedule, drain, 1).0
    }

    #[test]
    fn full_folds_cost_their_steps_or_their_rows() {
        // J + ρ + nc + R − 2 + A.
        assert_eq!(cycles(4, 4, 10, OutputDrain::Overlapped), 10 + 4 + 4 + 4 - 2 + 1);
        assert_eq!(cycles(8, 4, 10, OutputDrain::Overlapped), 10 + 10 + 4 + 4 + 4 - 2 + 1);
        assert_eq!(cycles(8, 4, 3, OutputDrain::Overlapped), 4 + 3 + 4 + 4 + 4 - 2 + 1);
        // 2R + C + J − 2 each.
        assert_eq!(cycles(8, 8, 10, OutputDrain::Blocking), 4 * (8 + 4 + 10 - 2) + 1);
    }
}
