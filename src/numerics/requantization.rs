//! Which requantization turns integer accumulators into integer outputs, and its factors per output channel.

use super::format::IntegerFormat;
use super::requantize_f32_rne::F32Rne;
use super::requantize_fixed_point::{FixedPoint, FixedPointMultiplier, FixedPointRounding};
use super::requantize_shift::{PowerOfTwoShift, ShiftRounding};

/// Which requantization.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequantizationKind {
    /// `f32-rne`: times an f32 factor, to nearest even.
    #[default]
    F32Rne,
    /// `gemmlowp-double`: times a 31-bit fixed-point factor, rounded twice.
    GemmlowpDouble,
    /// `tflite-single`: the same, rounded once.
    TfliteSingle(ShiftRounding),
    /// `pow2-shift`: shifted right.
    PowerOfTwoShift(ShiftRounding),
}

/// The integers that a layer puts out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputGrid {
    /// Format.
    pub format: IntegerFormat,
    /// What stands for 0.
    pub zero_point: i32,
    /// Smallest and largest integer put out.
    pub limits: (i32, i32),
}

/// An output grid, and a factor per output channel.
#[derive(Clone, Debug, PartialEq)]
pub enum Requantization {
    /// `f32-rne`.
    F32Rne(F32Rne, Vec<f32>),
    /// `gemmlowp-double` and `tflite-single`.
    FixedPoint(FixedPoint, Vec<FixedPointMultiplier>),
    /// `pow2-shift`.
    PowerOfTwoShift(Vec<PowerOfTwoShift>),
}

impl RequantizationKind {
    /// The rounding that can be chosen.
    pub fn rounding(self) -> Option<ShiftRounding> {
        match self {
            Self::F32Rne | Self::GemmlowpDouble => None,
            Self::TfliteSingle(rounding) | Self::PowerOfTwoShift(rounding) => Some(rounding),
        }
    }

    /// How it rounds products with fixed-point factors, if it has those.
    pub fn fixed_point(self) -> Option<FixedPointRounding> {
        match self {
            Self::F32Rne | Self::PowerOfTwoShift(_) => None,
            Self::GemmlowpDouble => Some(FixedPointRounding::Double),
            Self::TfliteSingle(rounding) => Some(FixedPointRounding::Single(rounding)),
        }
    }

    /// How adds and pools round beside it. A shift has none of its own: `f32-rne`.
    pub fn of_adds_and_pools(self) -> Self {
        if self.fixed_point().is_some() { self } else { Self::F32Rne }
    }

    /// What files and reports call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32Rne => "f32-rne",
            Self::GemmlowpDouble => "gemmlowp-double",
            Self::TfliteSingle(_) => "tflite-single",
            Self::PowerOfTwoShift(_) => "pow2-shift",
        }
    }
}

impl Requantization {
    /// Factors from the scales of input x, weights (one per output channel) and output y, each in the precision
    /// of who defines it: `f32-rne` f32(f32(x·w)/y), as ONNX Runtime and XNNPACK do; fixed-point factors x·w/y in
    /// f64, as TensorFlow Lite does (`kernel_util.cc`); shifts exactly. `Err` says what is wrong with them.
    pub fn new(
        kind: RequantizationKind,
        x: f32,
        weights: &[f32],
        y: f32,
        output: OutputGrid,
    ) -> Result<Self, String> {
        let OutputGrid { format, zero_point, limits: (low, high) } = output;
        let no_limits = "its limits are not in its format";
        let real = |w: f32| f64::from(x) * f64::from(w) / f64::from(y);
        match kind {
            RequantizationKind::F32Rne => {
                let ratios: Vec<f32> = weights.iter().map(|w| x * w / y).collect();
                if !ratios.iter().all(|ratio| ratio.is_finite()) {
                    return Err("the ratio of its scales leaves f32's range".to_owned());
                }
                let grid = F32Rne::limited(format, zero_point, low, high).ok_or(no_limits)?;
                Ok(Self::F32Rne(grid, ratios))
            }
            RequantizationKind::GemmlowpDouble | RequantizationKind::TfliteSingle(_) => {
                let rounding = kind.fixed_point().unwrap_or(FixedPointRounding::Double);
                let multiplier = |&w: &f32| {
                    FixedPointMultiplier::new(real(w)).ok_or_else(|| {
                        format!(
                            "the ratio of its scales is {:e}; {} takes less than 2^30",
                            real(w),
                            kind.name()
                        )
                    })
                };
                let multipliers = weights.iter().map(multiplier).collect::<Result<_, _>>()?;
                let grid = FixedPoint::limited(rounding, format, zero_point, low, high).ok_or(no_limits)?;
                Ok(Self::FixedPoint(grid, multipliers))
            }
            RequantizationKind::PowerOfTwoShift(rounding) => {
                let shift = |&w: &f32| {
                    // Significands multiply and divide to a power of two exactly, or not at all.
                    let ratio = real(w);
                    let shift = (0..=31u8).find(|&shift| ratio == 2f64.powi(-i32::from(shift)));
                    let exact = f64::from(x) * f64::from(w) == ratio * f64::from(y);
                    let shift = shift.filter(|_| exact).ok_or_else(|| {
                        format!("the ratio of its scales is {ratio:e}; pow2-shift takes 2^0, 2^-1, … 2^-31")
                    })?;
                    PowerOfTwoShift::limited(shift, rounding, format, zero_point, low, high)
                        .ok_or_else(|| no_limits.to_owned())
                };
                Ok(Self::PowerOfTwoShift(weights.iter().map(shift).collect::<Result<_, _>>()?))
            }
        }
    }

    /// The same for the mean of `count` integers, at least 1, from their sum: one factor. `f32-rne` multiplies by
    /// f32(x/f32(y·count)), as ONNX Runtime does.
    pub fn of_mean(
        kind: RequantizationKind,
        count: u32,
        x: f32,
        y: f32,
        output: OutputGrid,
    ) -> Result<Self, String> {
        if kind.fixed_point().is_none() {
            return Self::new(RequantizationKind::F32Rne, x, &[1.0], y * count as f32, output);
        }
        let whole = Self::new(kind, x, &[1.0], y, output)?;
        Ok(match whole {
            Self::FixedPoint(grid, multipliers) => Self::FixedPoint(
                grid,
                multipliers.into_iter().map(|factor| factor.divided_by(count)).collect(),
            ),
            other => other,
        })
    }

    /// Output channels that it has factors for.
    pub fn channels(&self) -> usize {
        match self {
            Self::F32Rne(_, ratios) => ratios.len(),
            Self::FixedPoint(_, multipliers) => multipliers.len(),
            Self::PowerOfTwoShift(shifts) => shifts.len(),
        }
    }

    /// The integer that an accumulator of an output channel becomes, at most 8 bits.
    ///
    /// # Panics
    /// When there is no such channel.
    pub fn requantize(&self, accumulator: i32, channel: usize) -> i32 {
        match self {
            // Its factors are finite.
            Self::F32Rne(grid, ratios) => grid.requantize_finite(accumulator, ratios[channel]),
            Self::FixedPoint(grid, multipliers) => grid.requantize(accumulator, multipliers[channel]),
            Self::PowerOfTwoShift(shifts) => shifts[channel].requantize(accumulator),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::Signedness;

    fn requantization(kind: RequantizationKind, weight: f32) -> Result<Requantization, String> {
        let format = IntegerFormat::new(Signedness::Signed, 8).unwrap();
        let output = OutputGrid { format, zero_point: 3, limits: (-128, 100) };
        Requantization::new(kind, 0.5, &[weight], 1.0, output)
    }

    #[test]
    fn each_kind_rounds_its_own_way_and_keeps_the_limits() {
        let kinds = [
            (RequantizationKind::F32Rne, [3, 3, 5, 100]),
            (RequantizationKind::GemmlowpDouble, [2, 4, 5, 100]),
            (RequantizationKind::TfliteSingle(ShiftRounding::HalfUp), [3, 4, 5, 100]),
            (RequantizationKind::TfliteSingle(ShiftRounding::HalfAway), [2, 4, 5, 100]),
            (RequantizationKind::PowerOfTwoShift(ShiftRounding::HalfEven), [3, 3, 5, 100]),
            (RequantizationKind::PowerOfTwoShift(ShiftRounding::Floor), [2, 3, 4, 100]),
        ];
        for (kind, expected) in kinds {
            let requantization = requantization(kind, 0.25).unwrap();
            assert_eq!([-4, 4, 12, 900].map(|sum| requantization.requantize(sum, 0)), expected, "{kind:?}");
        }
    }

    #[test]
    fn ratios_that_a_kind_cannot_state_are_refused() {
        let shift = RequantizationKind::PowerOfTwoShift(ShiftRounding::HalfEven);
        for weight in [0.3, 0.250_000_03, 4.0, 2f32.powi(-40)] {
            assert!(requantization(shift, weight).is_err(), "{weight}");
        }
        assert!(requantization(RequantizationKind::GemmlowpDouble, f32::MAX).unwrap_err().contains("2^30"));
    }
}
