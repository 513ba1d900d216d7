//! What makes stored integers of accumulators, as the Verilog is told and as numerics computes it.

use crate::numerics::{
    Activation, FixedPoint, FixedPointMultiplier, FixedPointRounding, IntegerFormat, PowerOfTwoShift,
    ShiftRounding,
};

/// A layer's requantization; its channels are those of all groups, `[group][n]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requantization {
    /// Times what.
    pub scaling: Scaling,
    /// Added to accumulators before, channel by channel; the sum wraps at 32 bits.
    pub biases: Vec<i32>,
    /// The stored format.
    pub output: IntegerFormat,
    /// A value of it.
    pub zero_point: i32,
    /// Whether a ReLU is part of the limits.
    pub activation: Activation,
}

/// What an accumulator is multiplied with, channel by channel, and how the product is rounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scaling {
    /// Shifted right, up to 31 bits.
    Shift(Vec<u8>, ShiftRounding),
    /// Times a fixed-point multiplier.
    FixedPoint(Vec<FixedPointMultiplier>, ProductRounding),
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
    /// None where numerics refuses the parts or there is no such channel.
    pub(super) fn requantize(&self, accumulator: i32, channel: usize) -> Option<i32> {
        let Self { output, zero_point, activation, .. } = *self;
        let accumulator = accumulator.wrapping_add(*self.biases.get(channel)?);
        match &self.scaling {
            Scaling::Shift(shifts, rounding) => {
                PowerOfTwoShift::new(*shifts.get(channel)?, *rounding, output, zero_point, activation)
                    .map(|shift| shift.requantize(accumulator))
            }
            Scaling::FixedPoint(multipliers, rounding) => {
                let multiplier = *multipliers.get(channel)?;
                FixedPoint::new((*rounding).into(), output, zero_point, activation)
                    .map(|fixed| fixed.requantize(accumulator, multiplier))
            }
        }
    }

    /// mode, zero point and limits, which all channels share: see `requantize.v`.
    pub(super) fn shared(&self) -> String {
        let mode = match self.scaling {
            Scaling::Shift(_, ShiftRounding::HalfEven) => 0,
            Scaling::Shift(_, ShiftRounding::HalfUp) => 1,
            Scaling::Shift(_, ShiftRounding::HalfAway) => 2,
            Scaling::Shift(_, ShiftRounding::Floor) => 3,
            Scaling::Shift(_, ShiftRounding::TowardZero) => 4,
            Scaling::FixedPoint(_, ProductRounding::Twice) => 5,
            Scaling::FixedPoint(_, ProductRounding::Once) => 6,
        };
        let low = match self.activation {
            Activation::Identity => self.output.min(),
            Activation::Relu => self.zero_point,
        };
        format!("{mode} {} {low} {}", self.zero_point, self.output.max())
    }

    /// bias, q31 and shift of a channel; None where there is none.
    pub(super) fn of_channel(&self, channel: usize) -> Option<String> {
        let bias = self.biases.get(channel)?;
        let (q31, shift) = match &self.scaling {
            Scaling::Shift(shifts, _) => (0, i32::from(*shifts.get(channel)?)),
            Scaling::FixedPoint(multipliers, _) => {
                let multiplier = multipliers.get(channel)?;
                (multiplier.q31(), i32::from(multiplier.shift()))
            }
        };
        Some(format!("{bias} {q31} {shift}"))
    }
}
