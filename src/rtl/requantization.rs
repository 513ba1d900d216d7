//! What makes stored integers of accumulators, as the Verilog is told and as numerics computes it.

use crate::numerics::{
    Activation, FixedPoint, FixedPointMultiplier, FixedPointRounding, IntegerFormat, PowerOfTwoShift,
    ShiftRounding,
};

/// A layer's requantization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requantization {
    /// Times what.
    pub scaling: Scaling,
    /// The stored format.
    pub output: IntegerFormat,
    /// A value of it.
    pub zero_point: i32,
    /// Whether a ReLU is part of the limits.
    pub activation: Activation,
}

/// What an accumulator is multiplied with, and how the product is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scaling {
    /// Shifted right, up to 31 bits.
    Shift(u8, ShiftRounding),
    /// Times a fixed-point multiplier.
    FixedPoint(FixedPointMultiplier, ProductRounding),
}

/// How often the product with a fixed-point multiplier is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductRounding {
    /// `gemmlowp-double`.
    Twice,
    /// `tflite-single`, halves up.
    Once,
}

impl From<ProductRounding> for FixedPointRounding {
    fn from(rounding: ProductRounding) -> Self {
        match rounding {
            ProductRounding::Twice => Self::Double,
            ProductRounding::Once => Self::Single(ShiftRounding::HalfUp),
        }
    }
}

impl Requantization {
    /// None where numerics refuses the parts.
    pub(super) fn requantize(&self, accumulator: i32) -> Option<i32> {
        let Self { output, zero_point, activation, .. } = *self;
        match self.scaling {
            Scaling::Shift(shift, rounding) => {
                PowerOfTwoShift::new(shift, rounding, output, zero_point, activation)
                    .map(|shift| shift.requantize(accumulator))
            }
            Scaling::FixedPoint(multiplier, rounding) => {
                FixedPoint::new(rounding.into(), output, zero_point, activation)
                    .map(|fixed| fixed.requantize(accumulator, multiplier))
            }
        }
    }

    /// mode, shift, q31, zero point and limits: see `requantize.v`.
    pub(super) fn ports(&self) -> String {
        let (mode, shift, q31) = match self.scaling {
            Scaling::Shift(shift, rounding) => {
                let mode = match rounding {
                    ShiftRounding::HalfEven => 0,
                    ShiftRounding::HalfUp => 1,
                    ShiftRounding::HalfAway => 2,
                    ShiftRounding::Floor => 3,
                    ShiftRounding::TowardZero => 4,
                };
                (mode, i32::from(shift), 0)
            }
            Scaling::FixedPoint(multiplier, rounding) => {
                let mode = match rounding {
                    ProductRounding::Twice => 5,
                    ProductRounding::Once => 6,
                };
                (mode, i32::from(multiplier.shift()), multiplier.q31())
            }
        };
        let low = match self.activation {
            Activation::Identity => self.output.min(),
            Activation::Relu => self.zero_point,
        };
        format!("{mode} {shift} {q31} {} {low} {}\n", self.zero_point, self.output.max())
    }
}
