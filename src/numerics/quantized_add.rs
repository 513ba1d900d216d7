//! Integer residual add: ONNX Runtime's `QLinearAdd` (com.microsoft; MLAS `qladd.cpp`) on x86, zero points folded;
//! or TensorFlow Lite's.

use super::fixed_point_add::FixedPointAdd;
use super::requantization::RequantizationKind;

/// An add as one of two programs rounds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum QuantizedAdd {
    /// `f32-rne`: ONNX Runtime's.
    F32(F32Add),
    /// `gemmlowp-double`, `tflite-single`: TensorFlow Lite's.
    FixedPoint(FixedPointAdd),
}

impl QuantizedAdd {
    /// How `kind` adds. The result is limited to `low..=high`. `Err` says what is wrong with the scales.
    pub fn new(
        kind: RequantizationKind,
        first: Scale,
        second: Scale,
        output: Scale,
        (low, high): (i32, i32),
    ) -> Result<Self, &'static str> {
        match kind.fixed_point() {
            None => F32Add::new(first, second, output, low, high)
                .map(Self::F32)
                .ok_or("a ratio of its scales leaves f32's range"),
            Some(rounding) => FixedPointAdd::new(rounding, first, second, output, low, high)
                .map(Self::FixedPoint)
                .ok_or("an input's scale is 2^19 times its output's or more, which TensorFlow Lite's add does not take"),
        }
    }
}

/// y = clamp(rint(fma(a, ra, fma(b, rb, k)))): both sums fused with their products, as MLAS does it where the
/// processor has FMA. Without, one element in some hundred thousand is another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct F32Add {
    first: f32,
    second: f32,
    constant: f32,
    low: f32,
    high: f32,
}

/// A tensor's scale and zero point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Of one step of the grid.
    pub scale: f32,
    /// The integer that stands for 0.
    pub zero_point: i32,
}

impl F32Add {
    /// ra = f32(as/cs), rb = f32(bs/cs), k = f32(cz − fma(ra, az, f32(rb·bz))). The result
    /// is limited to `low..=high`. None where a ratio or the constant is not finite.
    pub fn new(first: Scale, second: Scale, output: Scale, low: i32, high: i32) -> Option<Self> {
        let (ra, rb) = (first.scale / output.scale, second.scale / output.scale);
        let zero = ra.mul_add(first.zero_point as f32, rb * second.zero_point as f32);
        let constant = output.zero_point as f32 - zero;
        let finite = ra.is_finite() && rb.is_finite() && constant.is_finite();
        finite.then_some(Self { first: ra, second: rb, constant, low: low as f32, high: high as f32 })
    }

    /// The sum.
    #[inline(always)] // into loops compiled for AVX2 and FMA
    pub fn add(self, first: i32, second: i32) -> i32 {
        let sum = (first as f32).mul_add(self.first, (second as f32).mul_add(self.second, self.constant));
        sum.round_ties_even().clamp(self.low, self.high) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_round_half_to_even_on_the_output_grid() {
        let scale = |scale, zero_point| Scale { scale, zero_point };
        let add = F32Add::new(scale(0.5, 1), scale(0.25, -2), scale(0.5, 3), -128, 127).unwrap();
        // (7 − 1)·0.5 + (3 + 2)·0.25 = 4.25 → 8.5 + 3 = 11.5 → 12.
        assert_eq!(add.add(7, 3), 12);
        // One less: 11.0 + … = 10.5 → 10.
        assert_eq!(add.add(6, 3), 10);
        assert_eq!(add.add(127, 127), 127);
        assert!(F32Add::new(scale(1.0, 0), scale(1.0, 0), scale(0.0, 0), 0, 1).is_none());
    }
}
