//! Means of integers taken in f32: ONNX Runtime's `QLinearAveragePool` (com.microsoft; `qlinear_pool.cc`), and what it
//! computes of DequantizeLinear, AveragePool, QuantizeLinear where it leaves them apart.

use super::quantized_add::Scale;
use super::requantization::OutputGrid;

/// Largest difference of two integers of 8 bits.
const SPAN: f32 = 255.0;

/// Where the output's zero point is added; with an odd one, ties become other integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZeroPointAdded {
    /// QLinearAveragePool: rint(mean / scale + zero point).
    BeforeRounding,
    /// QuantizeLinear: rint(mean / scale) + zero point.
    AfterRounding,
}

/// y = clamp(rint(Σ f32(x − zx)·xs / count / ys + zy)), every operation rounded in f32, the sum from +0 in the order of
/// its terms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct F32Average {
    input: Scale,
    scale: f32,
    grid: OutputGrid,
    added: ZeroPointAdded,
}

impl F32Average {
    /// Means of at most `terms` integers. None where a sum could leave f32's range, or a mean in steps of the output's
    /// grid that of int32, in which ONNX Runtime rounds.
    pub fn new(
        input: Scale,
        terms: usize,
        scale: f32,
        grid: OutputGrid,
        added: ZeroPointAdded,
    ) -> Option<Self> {
        let largest = SPAN * input.scale;
        let fits = (largest * terms as f32).is_finite() && largest / scale + SPAN < i32::MAX as f32;
        fits.then_some(Self { input, scale, grid, added })
    }

    /// What an integer of the input adds to the sum.
    #[inline(always)] // into loops over channels
    pub fn term(self, value: i16) -> f32 {
        (i32::from(value) - self.input.zero_point) as f32 * self.input.scale
    }

    /// The integer of a sum of `count` terms.
    #[inline(always)]
    pub fn mean(self, sum: f32, count: usize) -> i16 {
        let steps = sum / count as f32 / self.scale;
        let zero_point = self.grid.zero_point as f32;
        let rounded = match self.added {
            ZeroPointAdded::BeforeRounding => (steps + zero_point).round_ties_even(),
            ZeroPointAdded::AfterRounding => steps.round_ties_even() + zero_point,
        };
        let (low, high) = self.grid.limits;
        rounded.clamp(low as f32, high as f32) as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::{IntegerFormat, Signedness};

    fn average(scales: [f32; 2], added: ZeroPointAdded) -> Option<F32Average> {
        let format = IntegerFormat::new(Signedness::Signed, 8).unwrap();
        let grid = OutputGrid { format, zero_point: 3, limits: (-128, 100) };
        F32Average::new(Scale { scale: scales[0], zero_point: -1 }, 1 << 32, scales[1], grid, added)
    }

    #[test]
    fn ties_go_where_the_zero_point_is_added() {
        let mean = |added, values: [i16; 2]| {
            let average = average([0.5, 1.0], added).unwrap();
            average.mean(values.iter().fold(0.0, |sum, &value| sum + average.term(value)), 2)
        };
        // (1 + 1) · 0.5 / 2 = 0.5: 3.5 becomes 4, or 0.5 becomes 0.
        assert_eq!(mean(ZeroPointAdded::BeforeRounding, [0, 0]), 4);
        assert_eq!(mean(ZeroPointAdded::AfterRounding, [0, 0]), 3);
        // 0.75: no tie.
        assert_eq!(mean(ZeroPointAdded::BeforeRounding, [0, 1]), 4);
        assert_eq!(mean(ZeroPointAdded::AfterRounding, [0, 1]), 4);
        // 128 · 0.5 + 3 = 67; within the limits only with a coarser input.
        assert_eq!(mean(ZeroPointAdded::BeforeRounding, [127, 127]), 67);
        let coarse = average([4.0, 1.0], ZeroPointAdded::BeforeRounding).unwrap();
        assert_eq!(coarse.mean(coarse.term(127), 1), 100);
    }

    #[test]
    fn scales_whose_means_leave_the_range_are_refused() {
        let refused = |scales| average(scales, ZeroPointAdded::BeforeRounding).is_none();
        assert!(refused([1e36, 1e36])); // the sum
        assert!(refused([1.0, 1e-7])); // 255 / 1e-7 > 2^31
        assert!(!refused([1.0, 1e-6]));
    }
}
