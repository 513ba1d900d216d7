//! Integer residual add in fixed point: TensorFlow Lite's `ADD` (`kernels/add.cc`, `kernels/internal/reference/add.h`),
//! which LiteRT's reference kernels compute.

use super::quantized_add::Scale;
use super::requantize_fixed_point::{FixedPointMultiplier, FixedPointRounding};

/// Bits that both operands are shifted left by, so that their rounding does not show.
const LEFT_SHIFT: u32 = 20;

/// With t = 2·max(as, bs): both operands, less their zero points and times 2^20, are multiplied by as/t and bs/t; their
/// sum by t/(2^20·cs); the output's zero point is added. Every product is rounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FixedPointAdd {
    rounding: FixedPointRounding,
    first: (i32, FixedPointMultiplier),
    second: (i32, FixedPointMultiplier),
    output: (i32, FixedPointMultiplier),
    low: i32,
    high: i32,
}

impl FixedPointAdd {
    /// The result is limited to `low..=high`. None where the sum's factor is 1 or more.
    pub fn new(
        rounding: FixedPointRounding,
        first: Scale,
        second: Scale,
        output: Scale,
        low: i32,
        high: i32,
    ) -> Option<Self> {
        let twice = 2.0 * f64::from(first.scale).max(second.scale.into());
        let operand =
            |of: Scale| Some((of.zero_point, FixedPointMultiplier::new(f64::from(of.scale) / twice)?));
        let factor = twice / (f64::from(1u32 << LEFT_SHIFT) * f64::from(output.scale));
        let factor = FixedPointMultiplier::new(factor).filter(|_| factor < 1.0)?;
        Some(Self {
            rounding,
            first: operand(first)?,
            second: operand(second)?,
            output: (output.zero_point, factor),
            low,
            high,
        })
    }

    /// The sum of two integers of at most 8 bits.
    pub fn add(self, first: i32, second: i32) -> i32 {
        let scaled = |value: i32, (zero_point, multiplier): (i32, FixedPointMultiplier)| {
            multiplier.multiply((value - zero_point) << LEFT_SHIFT, self.rounding) // below 2^29
        };
        let sum = scaled(first, self.first) + scaled(second, self.second);
        let (zero_point, multiplier) = self.output;
        let sum = multiplier.multiply(sum as i32, self.rounding) + i64::from(zero_point); // both halved: below 2^29
        sum.clamp(self.low.into(), self.high.into()) as i32 // within 8 bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_sums_are_rounded_away_from_zero() {
        let scale = |scale, zero_point| Scale { scale, zero_point };
        let new = |output| {
            FixedPointAdd::new(FixedPointRounding::Double, scale(0.5, 1), scale(0.25, -2), output, -128, 127)
        };
        let add = new(scale(0.5, 3)).unwrap();
        // (7 − 1)·0.5 + (3 + 2)·0.25 = 4.25: 8.5 steps, 9, and 3 more.
        assert_eq!(add.add(7, 3), 12);
        // One less: 7.5 steps, 8, where ONNX Runtime rounds 10.5 to 10.
        assert_eq!(add.add(6, 3), 11);
        // (−6 − 1)·0.5 + (1 + 2)·0.25 = −2.75: −5.5 steps, −6.
        assert_eq!(add.add(-6, 1), -3);
        assert_eq!(add.add(127, 127), 127);
        assert_eq!(new(scale(1e-7, 0)), None);
    }
}
