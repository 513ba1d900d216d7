//! Requantization `gemmlowp-double` and `tflite-single`: an integer accumulator times a 31-bit fixed-point
//! multiplier, rounded twice or once.
//!
//! What TensorFlow Lite's reference kernels compute: convolutions the first (gemmlowp `fixedpoint/fixedpoint.h`;
//! TensorFlow Lite Micro `kernels/internal/common.cc`), fully connected layers since LiteRT 2.3 the second. Any bias is
//! part of the accumulator. The multiplier is data: a checker takes the integers as they are.

use super::format::IntegerFormat;
use super::requantize::Activation;
use super::requantize_shift::{ShiftRounding, shift_right};

/// A real factor as q31 · 2^(shift − 31).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FixedPointMultiplier {
    q31: i32,
    shift: i8,
}

impl FixedPointMultiplier {
    /// The 31-bit multiplier of a real one, half away from zero; below 2^−32 it is 0. None unless the factor
    /// is finite, not negative and below 2^30.
    pub fn new(factor: f64) -> Option<Self> {
        if !(0.0..2f64.powi(30)).contains(&factor) {
            return None;
        }
        if factor < 2f64.powi(-32) {
            return Some(Self { q31: 0, shift: 0 });
        }
        // factor = q · 2^shift with q in [½, 1): exact, as only the exponent changes.
        let mut shift = factor.log2().floor() as i32 + 1;
        let mut q31 = (factor * 2f64.powi(31 - shift)).round();
        // log2 is not exact beside powers of two.
        if q31 < 2f64.powi(30) {
            shift -= 1;
            q31 = (factor * 2f64.powi(31 - shift)).round();
        }
        if q31 >= 2f64.powi(31) {
            shift += 1;
            q31 = 2f64.powi(30);
        }
        Self::from_parts(q31 as i32, shift as i8)
    }

    /// Accepts q31 from 0 and shifts of −31 to 30.
    pub fn from_parts(q31: i32, shift: i8) -> Option<Self> {
        (q31 >= 0 && (-31..=30).contains(&shift)).then_some(Self { q31, shift })
    }

    /// The integer q31, from 0.
    pub fn q31(self) -> i32 {
        self.q31
    }

    /// The exponent of two, −31 to 30.
    pub fn shift(self) -> i8 {
        self.shift
    }

    /// The factor over `count`, at least 1: what TensorFlow Lite's `MEAN` multiplies a sum by (`kernels/reduce.cc`),
    /// whose multiplier keeps 30 or 31 bits only where `count` is a power of two.
    pub fn divided_by(self, count: u32) -> Self {
        let shift = count.max(1).ilog2().min((31 + i32::from(self.shift)) as u32); // shifts are −31 at least
        let q31 = (i64::from(self.q31) << shift) / i64::from(count.max(1));
        Self { q31: q31 as i32, shift: self.shift - shift as i8 } // not above q31: count is 2^shift or more
    }

    /// value · factor.
    pub(super) fn multiply(self, value: i32, rounding: FixedPointRounding) -> i64 {
        match rounding {
            FixedPointRounding::Double => self.multiply_twice_rounded(value),
            FixedPointRounding::Single(rounding) => self.multiply_once_rounded(value, rounding),
        }
    }

    /// gemmlowp: the high half of the doubled product, halves toward +∞ (what its nudge and division amount
    /// to, also below zero), then a rounding shift, halves away from zero. A left shift wraps at 32 bits.
    fn multiply_twice_rounded(self, accumulator: i32) -> i64 {
        let (left, right) = (self.shift.max(0), (-self.shift).max(0));
        let product = i64::from(accumulator.wrapping_shl(left as u32)) * i64::from(self.q31);
        let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
        let high = (product + nudge) / (1 << 31); // toward zero
        shift_right(high, right as u8, ShiftRounding::HalfAway)
    }

    /// One rounding of the 64-bit product.
    fn multiply_once_rounded(self, accumulator: i32, rounding: ShiftRounding) -> i64 {
        let product = i64::from(accumulator) * i64::from(self.q31);
        shift_right(product, (31 - self.shift) as u8, rounding)
    }
}

/// How often a fixed-point requantization rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FixedPointRounding {
    /// `gemmlowp-double`.
    Double,
    /// `tflite-single`; `TFLITE_SINGLE_ROUNDING` says halves up, LiteRT 2.3's reference fully connected layer
    /// rounds them away from zero.
    Single(ShiftRounding),
}

/// The output of a fixed-point requantization: its rounding, format, zero point, and whether a ReLU is part
/// of the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedPoint {
    rounding: FixedPointRounding,
    zero_point: i32,
    low: i32,
    high: i32,
}

impl FixedPoint {
    /// None when `zero_point` is not a value of `output`.
    pub fn new(
        rounding: FixedPointRounding,
        output: IntegerFormat,
        zero_point: i32,
        activation: Activation,
    ) -> Option<Self> {
        let low = match activation {
            Activation::Identity => output.min(),
            Activation::Relu => zero_point,
        };
        Self::limited(rounding, output, zero_point, low, output.max())
    }

    /// The same limited to the integers `low..=high`; None where they are not `output`'s.
    pub fn limited(
        rounding: FixedPointRounding,
        output: IntegerFormat,
        zero_point: i32,
        low: i32,
        high: i32,
    ) -> Option<Self> {
        let limits = output.min() <= low && low <= high && high <= output.max();
        let exists = limits && (output.min()..=output.max()).contains(&zero_point);
        exists.then_some(Self { rounding, zero_point, low, high })
    }

    /// How often it rounds.
    pub fn rounding(self) -> FixedPointRounding {
        self.rounding
    }

    /// What stands for 0.
    pub fn zero_point(self) -> i32 {
        self.zero_point
    }

    /// Smallest and largest integer put out.
    pub fn limits(self) -> (i32, i32) {
        (self.low, self.high)
    }

    /// accumulator · multiplier, rounded, + zero point, then clamped.
    pub fn requantize(self, accumulator: i32, multiplier: FixedPointMultiplier) -> i32 {
        let rounded = multiplier.multiply(accumulator, self.rounding);
        let (low, high) = (i64::from(self.low), i64::from(self.high));
        (rounded + i64::from(self.zero_point)).clamp(low, high) as i32 // within 8 bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::Signedness;
    use proptest::prelude::*;

    /// Accumulator, factor, q31, shift, and the results of both roundings; every row separates variants.
    const WORKED: [(i32, f64, i32, i8, i64, i64); 8] = [
        (4, 0.125, 1_073_741_824, -2, 1, 1),
        (-4, 0.125, 1_073_741_824, -2, -1, 0),
        (-12, 0.125, 1_073_741_824, -2, -2, -1),
        (-1536, 1.0 / 1024.0, 1_073_741_824, -9, -2, -1),
        (51_799, 16_831_838.0 / 8_589_934_592.0, 1_077_237_632, -8, 102, 101), // 0x1.00d55ep-9
        (-93_170, 17_955_236.0 / 4_294_967_296.0, 1_149_135_104, -7, -390, -389), // 0x1.11f9a4p-8
        (12_119, 18_605_274.0 / 4_294_967_296.0, 1_190_737_536, -7, 53, 52),   // 0x1.1be4dap-8
        (-90_289, 25_116_382.0 / 137_438_953_472.0, 1_607_448_448, -12, -17, -16), // 0x1.7f3edep-13
    ];

    #[test]
    fn worked_vectors() {
        for (accumulator, factor, q31, shift, double, single) in WORKED {
            let multiplier = FixedPointMultiplier::new(factor).unwrap();
            assert_eq!((multiplier.q31(), multiplier.shift()), (q31, shift), "{factor}");
            assert_eq!(multiplier.multiply_twice_rounded(accumulator), double, "{accumulator} · {factor}");
            assert_eq!(
                multiplier.multiply_once_rounded(accumulator, ShiftRounding::HalfUp),
                single,
                "{accumulator} · {factor}"
            );
        }
    }

    #[test]
    fn multipliers_stay_in_31_bits() {
        let parts = |factor| FixedPointMultiplier::new(factor).map(|m| (m.q31(), m.shift()));
        assert_eq!(parts(1.0), Some((1 << 30, 1)));
        assert_eq!(parts(0.5), Some((1 << 30, 0)));
        // The largest below 1 rounds up to 2^31, which is halved.
        assert_eq!(parts(1.0 - f64::EPSILON / 2.0), Some((1 << 30, 1)));
        assert_eq!(parts(0.0), Some((0, 0)));
        assert_eq!(parts(1e-300), Some((0, 0)));
        assert_eq!(parts(2f64.powi(29)), Some((1 << 30, 30)));
        for refused in [-0.1, f64::NAN, f64::INFINITY, 2f64.powi(30)] {
            assert_eq!(parts(refused), None, "{refused}");
        }
        assert!(FixedPointMultiplier::from_parts(-1, 0).is_none());
        assert!(FixedPointMultiplier::from_parts(1, 31).is_none());
        // A left shift of the accumulator is the same factor.
        let four = FixedPointMultiplier::new(4.0).unwrap();
        assert_eq!(
            (four.multiply_twice_rounded(-7), four.multiply_once_rounded(-7, ShiftRounding::Floor)),
            (-28, -28)
        );
    }

    #[test]
    fn zero_points_are_added_before_the_limits_and_relu_starts_at_them() {
        let half = FixedPointMultiplier::new(0.5).unwrap();
        let int8 = IntegerFormat::new(Signedness::Signed, 8).unwrap();
        let output = |activation| FixedPoint::new(FixedPointRounding::Double, int8, 3, activation).unwrap();
        let requantize =
            |activation| [-1000, -9, 0, 9, 1000].map(|sum| output(activation).requantize(sum, half));
        assert_eq!(requantize(Activation::Identity), [-128, -1, 3, 8, 127]);
        assert_eq!(requantize(Activation::Relu), [3, 3, 3, 8, 127]);
        assert!(
            FixedPoint::new(
                FixedPointRounding::Single(ShiftRounding::HalfUp),
                int8,
                128,
                Activation::Identity
            )
            .is_none()
        );
    }

    proptest! {
        /// The multiplier is the nearest, and one rounding is the nearest integer to the exact product.
        #[test]
        fn one_rounding_is_of_the_exact_product(
            accumulator in any::<i32>(), mantissa in 1u32..1 << 24, exponent in -50i32..0,
        ) {
            let factor = f64::from(mantissa) * 2f64.powi(exponent);
            let Some(multiplier) = FixedPointMultiplier::new(factor) else { return Ok(()) };
            prop_assume!(multiplier.q31() > 0);
            prop_assert!(multiplier.q31() >= 1 << 30);
            // 24 bits fit 31, so the multiplier is exact.
            prop_assert_eq!(
                f64::from(multiplier.q31()) * 2f64.powi(i32::from(multiplier.shift()) - 31), factor
            );
            let exact = i128::from(accumulator) * i128::from(multiplier.q31());
            let unit = 1i128 << (31 - multiplier.shift());
            let single = i128::from(multiplier.multiply_once_rounded(accumulator, ShiftRounding::HalfUp));
            prop_assert!((2 * (single * unit - exact) <= unit) && (2 * (exact - single * unit) < unit));
            // Two roundings are at most one apart from it.
            let double = i128::from(multiplier.multiply_twice_rounded(accumulator));
            prop_assert!(multiplier.shift() > 0 || (double - single).abs() <= 1);
        }
    }
}
