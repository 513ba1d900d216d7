//! The definition of a dot product on a MAC unit: every other kernel equals it bit for bit.

use half::bf16;

use crate::mapping::{Join, ReductionOrder};
use crate::numerics::{Bf16Mac, IntegerMac, LaneSum};

/// An integer dot product as the accumulator holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntegerSum {
    /// The accumulator.
    pub accumulator: i32,
    /// Additions whose exact result left its register.
    pub overflows: u64,
}

/// Integer dot product in the order of k: as many products as there are lanes join the partial sum in one
/// step. Per fold, it starts at 0 and is added to the accumulator; chained, it is the accumulator's value.
/// The shorter operand decides K.
///
/// # Panics
/// When the order has empty folds or no lanes.
pub fn integer_dot(
    activations: &[i16],
    weights: &[i16],
    mac: IntegerMac,
    order: ReductionOrder,
) -> IntegerSum {
    integer_dot_onto(0, activations, weights, mac, order)
}

/// The same with an accumulator that `bias` is loaded into first; one that the register cannot hold counts
/// as an overflow.
///
/// # Panics
/// When the order has empty folds or no lanes.
pub fn integer_dot_onto(
    bias: i32,
    activations: &[i16],
    weights: &[i16],
    mac: IntegerMac,
    order: ReductionOrder,
) -> IntegerSum {
    let mut overflows = 0;
    let mut accumulator = mac.overflow.add(mac.accumulator, 0, bias.into(), &mut overflows);
    let folds = activations.chunks(order.k_per_fold).zip(weights.chunks(order.k_per_fold));
    for (activations, weights) in folds {
        let mut sum = if order.join == Join::Chained { accumulator } else { 0 };
        let step = step_length(mac.lane_sum, order);
        for (activations, weights) in activations.chunks(step).zip(weights.chunks(step)) {
            sum = mac.step(sum, activations, weights, &mut overflows);
        }
        accumulator = match order.join {
            Join::PerFold => mac.overflow.add(mac.accumulator, accumulator, sum, &mut overflows),
            Join::Chained => sum,
        };
    }
    // An accumulator has at most 32 bits, so the cast keeps the value.
    IntegerSum { accumulator: accumulator as i32, overflows }
}

/// Products that join a partial sum together; one after the other they may all come at once.
fn step_length(lane_sum: LaneSum, order: ReductionOrder) -> usize {
    match lane_sum {
        LaneSum::Serial => order.k_per_fold,
        LaneSum::First | LaneSum::Block => order.lanes,
    }
}

/// Integer dot product where no register can overflow, so that the order cannot matter.
pub(super) fn integer_dot_unordered(activations: &[i16], weights: &[i16]) -> i32 {
    activations
        .iter()
        .zip(weights)
        .fold(0i32, |sum, (&a, &w)| sum.wrapping_add(i32::from(a).wrapping_mul(i32::from(w))))
}

/// bf16 dot product in strict k order, as many products as there are lanes in one step. Per fold, sums
/// start at +0 and are added to an accumulator that starts at +0; chained, they start at its value. The
/// shorter operand decides K.
///
/// # Panics
/// When the order has empty folds or no lanes.
pub fn bf16_dot(activations: &[bf16], weights: &[bf16], mac: Bf16Mac, order: ReductionOrder) -> f32 {
    let folds = activations.chunks(order.k_per_fold).zip(weights.chunks(order.k_per_fold));
    let accumulator = folds.fold(0.0, |accumulator, (activations, weights)| {
        let start = if order.join == Join::Chained { accumulator } else { 0.0 };
        let step = step_length(mac.lane_sum, order);
        let steps = activations.chunks(step).zip(weights.chunks(step));
        let fold = steps.fold(start, |sum, (activations, weights)| mac.step(sum, activations, weights));
        match order.join {
            Join::PerFold => mac.join(accumulator, fold),
            Join::Chained => fold,
        }
    });
    mac.canonical(accumulator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::RegisterWidth;

    #[test]
    fn overflows_wrap_and_are_counted_where_they_happen() {
        let mac = |partial_sum, accumulator| {
            let width = |bits| RegisterWidth::new(bits).unwrap();
            IntegerMac::wrapping(width(partial_sum), width(accumulator))
        };
        let integer_dot = |a: &[i16], w: &[i16], mac, k| integer_dot(a, w, mac, ReductionOrder::per_fold(k));
        let (wide, narrow) = (mac(16, 32), mac(20, 16));
        let mac = mac(16, 16);
        let (activations, weights) = ([255i16; 3], [127i16; 3]);
        // 32,385; 64,770 wraps to −766; 31,619. The accumulator takes it without overflow.
        let sum = integer_dot(&activations, &weights, mac, 3);
        assert_eq!(sum, IntegerSum { accumulator: 31_619, overflows: 1 });
        // One product per fold: the accumulator overflows instead; wrapping gives the same value.
        assert_eq!(integer_dot(&activations, &weights, mac, 1), sum);
        // A narrow partial sum before a wide accumulator: folds decide the value.
        assert_eq!(integer_dot(&activations, &weights, wide, 3).accumulator, 31_619);
        assert_eq!(
            integer_dot(&activations, &weights, wide, 1),
            IntegerSum { accumulator: 97_155, overflows: 0 }
        );
        // A fold that leaves the accumulator's format on its first write.
        assert_eq!(
            integer_dot(&activations, &weights, narrow, 3),
            IntegerSum { accumulator: 31_619, overflows: 1 }
        );
    }

    #[test]
    fn folds_decide_bf16_bits() {
        let values = |values: &[f32]| values.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>();
        let activations = values(&[4096.0, 1.0, 1.0, 4096.0]);
        let weights = values(&[4096.0, 1.0, 1.0, -4096.0]);
        let dot = |k_per_fold| {
            bf16_dot(&activations, &weights, Bf16Mac::default(), ReductionOrder::per_fold(k_per_fold))
        };
        // 2^24 + 1 rounds to 2^24: alone, both ones are lost; in folds of 2, the second survives in its
        // fold as 1 − 2^24.
        assert_eq!(dot(4), 0.0);
        assert_eq!(dot(2), 1.0);
    }
}
