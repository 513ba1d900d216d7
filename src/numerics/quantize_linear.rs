//! ONNX's QuantizeLinear and DequantizeLinear, in f32. Here scales divide.

use super::format::IntegerFormat;

/// A grid with a zero point, without its scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantizeLinear {
    format: IntegerFormat,
    zero_point: i32,
}

impl QuantizeLinear {
    /// None when `zero_point` is not a value of `format`.
    pub fn new(format: IntegerFormat, zero_point: i32) -> Option<Self> {
        (format.min()..=format.max()).contains(&zero_point).then_some(Self { format, zero_point })
    }

    /// The integers of the grid.
    pub fn format(self) -> IntegerFormat {
        self.format
    }

    /// The integer that stands for 0.
    pub fn zero_point(self) -> i32 {
        self.zero_point
    }

    /// clamp(rint(value / scale) + zero point), half to even. None if the quotient is NaN.
    pub fn quantize(self, value: f32, scale: f32) -> Option<i32> {
        let (low, high) = (self.format.min() - self.zero_point, self.format.max() - self.zero_point);
        let scaled = value / scale;
        let rounded = scaled.round_ties_even().clamp(low as f32, high as f32);
        (!scaled.is_nan()).then_some(rounded as i32 + self.zero_point)
    }

    /// The integers that values clipped to `low..=high` become: quantizing is monotone, so that clipping
    /// before it or after gives the same. None if a quotient is NaN.
    pub fn limits(self, scale: f32, low: f32, high: f32) -> Option<(i32, i32)> {
        Some((self.quantize(low, scale)?, self.quantize(high, scale)?))
    }

    /// f32(value − zero point) · scale.
    pub fn dequantize(self, value: i32, scale: f32) -> f32 {
        (value - self.zero_point) as f32 * scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::Signedness;

    #[test]
    fn quantizing_divides_rounds_half_to_even_and_saturates() {
        let format = IntegerFormat::new(Signedness::Unsigned, 8).unwrap();
        let grid = QuantizeLinear::new(format, 128).unwrap();
        let quantized =
            [-1e9, -0.75, 0.25, 0.75, 1.25, f32::INFINITY].map(|x| grid.quantize(x, 0.5).unwrap());
        assert_eq!(quantized, [0, 126, 128, 130, 130, 255]);
        assert_eq!(grid.quantize(f32::NAN, 0.5), None);
        assert_eq!(grid.dequantize(0, 0.5), -64.0);
        assert!(QuantizeLinear::new(format, 256).is_none());
    }
}
