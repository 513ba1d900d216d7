//! The definition of a dot product on a MAC unit: every other kernel equals it bit for bit.

use half::bf16;

use crate::numerics::{Bf16Mac, IntegerMac, RegisterWidth};

/// An integer dot product as the accumulator holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntegerSum {
    /// The accumulator.
    pub accumulator: i32,
    /// Additions whose exact result left its register.
    pub overflows: u64,
}

/// Adds, wraps, and counts an overflow.
fn add(register: RegisterWidth, value: i64, addend: i64, overflows: &mut u64) -> i64 {
    let exact = value + addend;
    *overflows += u64::from(!register.holds(exact));
    register.wrap(exact)
}

/// Integer dot product in the order of k: products add to a partial sum that wraps; each fold's sum
/// is added to the accumulator, which starts at 0 and wraps. The shorter operand decides K.
///
/// # Panics
/// When `k_per_fold` is 0.
pub fn integer_dot(activations: &[i16], weights: &[i16], mac: IntegerMac, k_per_fold: usize) -> IntegerSum {
    let mut overflows = 0;
    let mut accumulator = 0;
    for (activations, weights) in activations.chunks(k_per_fold).zip(weights.chunks(k_per_fold)) {
        let fold = activations.iter().zip(weights).fold(0, |sum, (&activation, &weight)| {
            add(mac.partial_sum, sum, i64::from(activation) * i64::from(weight), &mut overflows)
        });
        accumulator = add(mac.accumulator, accumulator, fold, &mut overflows);
    }
    // An accumulator has at most 32 bits, so the cast keeps the value.
    IntegerSum { accumulator: accumulator as i32, overflows }
}

/// Integer dot product where no register can overflow, so that the order cannot matter.
pub(super) fn integer_dot_unordered(activations: &[i16], weights: &[i16]) -> i32 {
    activations
        .iter()
        .zip(weights)
        .fold(0i32, |sum, (&a, &w)| sum.wrapping_add(i32::from(a).wrapping_mul(i32::from(w))))
}

/// bf16 dot product in strict k order: each fold sums from +0 and is added to an accumulator that
/// starts at +0. The shorter operand decides K.
///
/// # Panics
/// When `k_per_fold` is 0.
pub fn bf16_dot(activations: &[bf16], weights: &[bf16], mac: Bf16Mac, k_per_fold: usize) -> f32 {
    let folds = activations.chunks(k_per_fold).zip(weights.chunks(k_per_fold));
    let accumulator = folds.fold(0.0, |accumulator, (activations, weights)| {
        let fold = activations.iter().zip(weights).fold(0.0, |sum, (&a, &w)| mac.accumulate(sum, a, w));
        accumulator + mac.canonical(fold)
    });
    mac.canonical(accumulator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overflows_wrap_and_are_counted_where_they_happen() {
        let width = |bits| RegisterWidth::new(bits).unwrap();
        let mac = IntegerMac { partial_sum: width(16), accumulator: width(16) };
        let (activations, weights) = ([255i16; 3], [127i16; 3]);
        // 32,385; 64,770 wraps to −766; 31,619. The accumulator takes it without overflow.
        let sum = integer_dot(&activations, &weights, mac, 3);
        assert_eq!(sum, IntegerSum { accumulator: 31_619, overflows: 1 });
        // One product per fold: the accumulator overflows instead; wrapping gives the same value.
        assert_eq!(integer_dot(&activations, &weights, mac, 1), sum);
        // A narrow partial sum before a wide accumulator: folds decide the value.
        let mac = IntegerMac { partial_sum: width(16), accumulator: width(32) };
        assert_eq!(integer_dot(&activations, &weights, mac, 3).accumulator, 31_619);
        assert_eq!(
            integer_dot(&activations, &weights, mac, 1),
            IntegerSum { accumulator: 97_155, overflows: 0 }
        );
        // A fold that leaves the accumulator's format on its first write.
        let mac = IntegerMac { partial_sum: width(20), accumulator: width(16) };
        assert_eq!(
            integer_dot(&activations, &weights, mac, 3),
            IntegerSum { accumulator: 31_619, overflows: 1 }
        );
    }

    #[test]
    fn folds_decide_bf16_bits() {
        let values = |values: &[f32]| values.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>();
        let activations = values(&[4096.0, 1.0, 1.0, 4096.0]);
        let weights = values(&[4096.0, 1.0, 1.0, -4096.0]);
        let dot = |k_per_fold| bf16_dot(&activations, &weights, Bf16Mac, k_per_fold);
        // 2^24 + 1 rounds to 2^24: alone, both ones are lost; in folds of 2, the second survives in its
        // fold as 1 − 2^24.
        assert_eq!(dot(4), 0.0);
        assert_eq!(dot(2), 1.0);
    }
}
