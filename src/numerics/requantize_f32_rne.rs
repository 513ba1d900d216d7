//! Requantization `f32-rne`: an integer accumulator times an f32 scale, rounded half to even.
//!
//! What ONNX Runtime (`QLinearConv`, `QGemm`; `mlas/lib/quantize.cpp`) and XNNPACK (`qs8` with f32
//! scales; `src/xnnpack/requantization.h`) do on x86. Any bias is part of the accumulator.

use super::format::IntegerFormat;
use super::requantize::Activation;

/// The output of `f32-rne`: its format, its zero point, and whether a ReLU is part of the limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct F32Rne {
    zero_point: i32,
    low: f32,
    high: f32,
}

impl F32Rne {
    /// None when `zero_point` is not a value of `output`.
    pub fn new(output: IntegerFormat, zero_point: i32, activation: Activation) -> Option<Self> {
        let low = match activation {
            Activation::Identity => output.min(),
            Activation::Relu => zero_point,
        };
        Self::limited(output, zero_point, low, output.max())
    }

    /// The same limited to the integers `low..=high`; None where they are not `output`'s.
    pub fn limited(output: IntegerFormat, zero_point: i32, low: i32, high: i32) -> Option<Self> {
        let limits = output.min() <= low && low <= high && high <= output.max();
        let limit = |value: i32| (value - zero_point) as f32; // at most 9 bits: exact
        let exists = limits && (output.min()..=output.max()).contains(&zero_point);
        exists.then(|| Self { zero_point, low: limit(low), high: limit(high) })
    }

    /// rint(clamp(f32(acc)·scale)) + zero point. The conversion to f32, the product and `rint` each round
    /// half to even; the limits are those of the format, less the zero point. None if the product is NaN:
    /// 0 times an infinite scale, or a scale that is NaN.
    #[inline(always)] // into loops compiled for AVX2
    pub fn requantize(self, accumulator: i32, scale: f32) -> Option<i32> {
        let scaled = accumulator as f32 * scale;
        let rounded = scaled.clamp(self.low, self.high).round_ties_even();
        (!scaled.is_nan()).then_some(rounded as i32 + self.zero_point)
    }

    /// The same for a finite scale, with which no product is NaN.
    #[inline(always)] // into loops compiled for AVX2
    pub fn requantize_finite(self, accumulator: i32, scale: f32) -> i32 {
        let rounded = (accumulator as f32 * scale).clamp(self.low, self.high).round_ties_even();
        rounded as i32 + self.zero_point
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::Signedness;

    fn output(signedness: Signedness, zero_point: i32, activation: Activation) -> F32Rne {
        F32Rne::new(IntegerFormat::new(signedness, 8).unwrap(), zero_point, activation).unwrap()
    }

    /// Accumulators and scales on which gemmlowp's double rounding or TensorFlow Lite's single rounding
    /// give other integers; expected values by exact arithmetic.
    #[test]
    fn ties_and_near_ties_round_as_stated() {
        let wide = F32Rne { zero_point: 0, low: -1000.0, high: 1000.0 };
        let power = |exponent| 2f32.powi(exponent);
        for (accumulator, scale, expected) in [
            (4, 0.125, 0),
            (-4, 0.125, 0),
            (12, 0.125, 2),
            (-12, 0.125, -2),
            (-1536, power(-10), -2),
            (51_799, 16_831_838.0 * power(-33), 101), // 0x1.00d55ep-9: 101.49930
            (-93_170, 17_955_236.0 * power(-32), -389), // 0x1.11f9a4p-8: −389.49990
            (12_119, 18_605_274.0 * power(-32), 52),  // 0x1.1be4dap-8: 52.49803
            (-90_289, 25_116_382.0 * power(-37), -16), // 0x1.7f3edep-13: −16.49993
        ] {
            assert_eq!(wide.requantize(accumulator, scale), Some(expected), "{accumulator} · {scale}");
        }
    }

    #[test]
    fn accumulators_beyond_24_bits_are_rounded_first() {
        let wide = F32Rne { zero_point: 0, low: -1e9, high: 1e9 };
        assert_eq!(wide.requantize(16_777_217, 1.0), Some(16_777_216));
        assert_eq!(wide.requantize(33_554_435, 1.0), Some(33_554_436));
    }

    #[test]
    fn zero_points_shift_the_limits_and_relu_starts_at_them() {
        let int8 = output(Signedness::Signed, 3, Activation::Identity);
        assert_eq!(
            [-1000, -9, 0, 9, 1000].map(|sum| int8.requantize(sum, 0.5).unwrap()),
            [-128, -1, 3, 7, 127]
        );
        let relu = output(Signedness::Signed, 3, Activation::Relu);
        assert_eq!([-1000, -9, 0, 9, 1000].map(|sum| relu.requantize(sum, 0.5).unwrap()), [3, 3, 3, 7, 127]);
        let uint8 = output(Signedness::Unsigned, 128, Activation::Identity);
        assert_eq!([-1000, 0, 1000].map(|sum| uint8.requantize(sum, 0.5).unwrap()), [0, 128, 255]);
        let format = IntegerFormat::new(Signedness::Unsigned, 8).unwrap();
        assert!(F32Rne::new(format, 256, Activation::Identity).is_none());
        assert_eq!(int8.requantize(0, f32::INFINITY), None);
        assert_eq!(int8.requantize(-1, f32::INFINITY), Some(-128));
    }
}
