//! Requantization `pow2-shift`: an integer accumulator shifted right, with a choice of rounding.

use super::format::IntegerFormat;
use super::requantize::Activation;

/// How a right shift rounds what it drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShiftRounding {
    /// To nearest, halves to even: Gemmini's `ROUNDING_RIGHT_SHIFT`, RISC-V `vxrm` rne.
    HalfEven,
    /// To nearest, halves toward +∞: RISC-V `vxrm` rnu.
    HalfUp,
    /// To nearest, halves away from zero: gemmlowp's `RoundingDivideByPOT`.
    HalfAway,
    /// Toward −∞: an arithmetic shift.
    Floor,
    /// Toward zero.
    TowardZero,
}

impl ShiftRounding {
    /// What files and reports call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::HalfEven => "half-even",
            Self::HalfUp => "half-up",
            Self::HalfAway => "half-away",
            Self::Floor => "floor",
            Self::TowardZero => "toward-zero",
        }
    }
}

/// `value` / 2^`shift`, rounded; `shift` up to 62.
pub fn shift_right(value: i64, shift: u8, rounding: ShiftRounding) -> i64 {
    let floor = value >> shift;
    let rest = value - (floor << shift); // of 2^shift, from 0
    let half = (1i64 << shift) / 2;
    let up = match rounding {
        _ if rest == 0 => false,
        ShiftRounding::HalfEven => rest > half || (rest == half && floor & 1 == 1),
        ShiftRounding::HalfUp => rest >= half,
        ShiftRounding::HalfAway => rest > half || (rest == half && value >= 0),
        ShiftRounding::Floor => false,
        ShiftRounding::TowardZero => value < 0,
    };
    floor + i64::from(up)
}

/// The output of `pow2-shift`: its shift, rounding, format, zero point, and whether a ReLU is part of the
/// limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerOfTwoShift {
    shift: u8,
    rounding: ShiftRounding,
    zero_point: i32,
    low: i32,
    high: i32,
}

impl PowerOfTwoShift {
    /// None when the shift exceeds 31 or `zero_point` is not a value of `output`.
    pub fn new(
        shift: u8,
        rounding: ShiftRounding,
        output: IntegerFormat,
        zero_point: i32,
        activation: Activation,
    ) -> Option<Self> {
        let low = match activation {
            Activation::Identity => output.min(),
            Activation::Relu => zero_point,
        };
        Self::limited(shift, rounding, output, zero_point, low, output.max())
    }

    /// The same limited to the integers `low..=high`; None where they are not `output`'s.
    pub fn limited(
        shift: u8,
        rounding: ShiftRounding,
        output: IntegerFormat,
        zero_point: i32,
        low: i32,
        high: i32,
    ) -> Option<Self> {
        let limits = output.min() <= low && low <= high && high <= output.max();
        let exists = shift <= 31 && limits && (output.min()..=output.max()).contains(&zero_point);
        exists.then_some(Self { shift, rounding, zero_point, low, high })
    }

    /// Bits shifted out to the right, 0 to 31.
    pub fn shift(self) -> u8 {
        self.shift
    }

    /// What it does with the bits shifted out.
    pub fn rounding(self) -> ShiftRounding {
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

    /// accumulator / 2^shift, rounded, + zero point, then clamped.
    pub fn requantize(self, accumulator: i32) -> i32 {
        let shifted = shift_right(i64::from(accumulator), self.shift, self.rounding);
        let (low, high) = (i64::from(self.low), i64::from(self.high));
        (shifted + i64::from(self.zero_point)).clamp(low, high) as i32 // within 8 bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::Signedness;
    use proptest::prelude::*;

    const ROUNDINGS: [ShiftRounding; 5] = [
        ShiftRounding::HalfEven,
        ShiftRounding::HalfUp,
        ShiftRounding::HalfAway,
        ShiftRounding::Floor,
        ShiftRounding::TowardZero,
    ];

    #[test]
    fn worked_vectors_shifted_by_three() {
        for (value, expected) in [
            (4, [0, 1, 1, 0, 0]),
            (12, [2, 2, 2, 1, 1]),
            (20, [2, 3, 3, 2, 2]),
            (-4, [0, 0, -1, -1, 0]),
            (-12, [-2, -1, -2, -2, -1]),
            (-20, [-2, -2, -3, -3, -2]),
            (-5, [-1, -1, -1, -1, 0]),
            (11, [1, 1, 1, 1, 1]),
        ] {
            assert_eq!(ROUNDINGS.map(|rounding| shift_right(value, 3, rounding)), expected, "{value}");
        }
    }

    #[test]
    fn shifts_saturate_to_the_format() {
        let int8 = IntegerFormat::new(Signedness::Signed, 8).unwrap();
        let output =
            |activation| PowerOfTwoShift::new(1, ShiftRounding::HalfEven, int8, 3, activation).unwrap();
        let requantize =
            |activation| [i32::MIN, -9, 0, 9, i32::MAX].map(|sum| output(activation).requantize(sum));
        assert_eq!(requantize(Activation::Identity), [-128, -1, 3, 7, 127]);
        assert_eq!(requantize(Activation::Relu), [3, 3, 3, 7, 127]);
        assert!(PowerOfTwoShift::new(32, ShiftRounding::Floor, int8, 0, Activation::Identity).is_none());
    }

    proptest! {
        /// The formulas as the sources write them.
        #[test]
        fn shifts_equal_the_published_formulas(value in any::<i32>(), shift in 1u8..=31) {
            let x = i64::from(value);
            let bit = |position: u8| x >> position & 1;
            let below = x & ((1 << (shift - 1)) - 1);
            let rem = x & ((1 << shift) - 1);
            let threshold = (((1i64 << shift) - 1) >> 1) + i64::from(x < 0);
            let expected = [
                (x >> shift) + (bit(shift - 1) & (i64::from(below != 0) | bit(shift))),
                (x + (1 << (shift - 1))) >> shift,
                (x >> shift) + i64::from(rem > threshold),
                x >> shift,
                x / (1 << shift),
            ];
            prop_assert_eq!(ROUNDINGS.map(|rounding| shift_right(x, shift, rounding)), expected);
        }
    }
}
