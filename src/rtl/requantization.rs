//! What makes stored integers of accumulators, as the Verilog is told it.

use crate::numerics::{self, FixedPointRounding, ShiftRounding};

/// A layer's requantization; its channels are those of all groups, `[group][n]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Requantization {
    biases: Vec<i32>,
    factors: numerics::Requantization,
    /// mode, zero point and limits: see `requantize.v`.
    shared: (u8, i32, (i32, i32)),
}

impl Requantization {
    /// `biases` are added to accumulators before, channel by channel; the sum wraps at 32 bits.
    ///
    /// # Errors
    /// Says what the Verilog does not have.
    pub fn new(biases: Vec<i32>, factors: numerics::Requantization) -> Result<Self, &'static str> {
        let (shared, channels) = match &factors {
            numerics::Requantization::F32Rne(..) => return Err("its factors are f32"),
            numerics::Requantization::FixedPoint(grid, multipliers) => {
                let mode = match grid.rounding() {
                    FixedPointRounding::Double => 5,
                    FixedPointRounding::Single(ShiftRounding::HalfUp) => 6,
                    FixedPointRounding::Single(_) => return Err("it is `tflite-single`, not with halves up"),
                };
                ((mode, grid.zero_point(), grid.limits()), multipliers.len())
            }
            numerics::Requantization::PowerOfTwoShift(shifts) => {
                let shared = |shift: &numerics::PowerOfTwoShift| {
                    let mode = match shift.rounding() {
                        ShiftRounding::HalfEven => 0,
                        ShiftRounding::HalfUp => 1,
                        ShiftRounding::HalfAway => 2,
                        ShiftRounding::Floor => 3,
                        ShiftRounding::TowardZero => 4,
                    };
                    (mode, shift.zero_point(), shift.limits())
                };
                let first = shifts.first().map(shared).ok_or("it has no channel")?;
                if shifts.iter().any(|shift| shared(shift) != first) {
                    return Err("its channels round differently");
                }
                (first, shifts.len())
            }
        };
        if channels != biases.len() {
            return Err("it has not one bias per channel");
        }
        Ok(Self { biases, factors, shared })
    }

    /// None where there is no such channel.
    pub(super) fn requantize(&self, accumulator: i32, channel: usize) -> Option<i32> {
        let bias = self.biases.get(channel)?;
        Some(self.factors.requantize(accumulator.wrapping_add(*bias), channel))
    }

    /// Least and greatest integer stored.
    pub(super) fn limits(&self) -> (i32, i32) {
        self.shared.2
    }

    /// The least value, bias included, that a channel stores as `stored` or more; of ±2^28 where there is none between.
    pub(super) fn step_to(&self, stored: i32, channel: usize) -> i32 {
        let (mut low, mut high) = (-1 << 28, 1 << 28);
        while low < high {
            let middle = (low + high) >> 1;
            if self.factors.requantize(middle, channel) < stored { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Replaces the bias of a channel.
    pub(super) fn set_bias(&mut self, channel: usize, bias: i32) {
        self.biases[channel] = bias;
    }

    /// mode, zero point and limits, which all channels share.
    pub(super) fn shared(&self) -> String {
        let (mode, zero_point, (low, high)) = self.shared;
        format!("{mode} {zero_point} {low} {high}")
    }

    /// bias, q31 and shift of a channel; None where there is none.
    pub(super) fn of_channel(&self, channel: usize) -> Option<String> {
        let bias = self.biases.get(channel)?;
        let (q31, shift) = match &self.factors {
            numerics::Requantization::F32Rne(..) => return None,
            numerics::Requantization::FixedPoint(_, multipliers) => {
                let multiplier = multipliers.get(channel)?;
                (multiplier.q31(), i32::from(multiplier.shift()))
            }
            numerics::Requantization::PowerOfTwoShift(shifts) => (0, i32::from(shifts.get(channel)?.shift())),
        };
        Some(format!("{bias} {q31} {shift}"))
    }
}
