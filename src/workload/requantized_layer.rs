//! Values of a layer of a network in TOML whose sums become integers in one step: a layer like an import's, with
//! all zero points 0.

use crate::numerics::{
    F32Rne, FixedPoint, FixedPointMultiplier, FixedPointRounding, OutputGrid, PowerOfTwoShift,
    Requantization, RequantizationKind,
};

use super::imported_params::{AffineConvolution, ImportedParams};
use super::params::Weights;

/// What sums are multiplied by, per output channel, as a trace holds it.
pub(super) enum Factors {
    /// `f32-rne`.
    F32(Vec<f32>),
    /// `gemmlowp-double` and `tflite-single`.
    FixedPoint(Vec<FixedPointMultiplier>),
    /// `pow2-shift`: to the right, 0 to 31.
    Shifts(Vec<u8>),
}

/// None where weights are no integers, factors are another requantization's, or the grid's limits are not in its
/// format.
pub(super) fn requantized_layer(
    weights: Weights,
    bias: Vec<i32>,
    kind: RequantizationKind,
    factors: Factors,
    grid: OutputGrid,
) -> Option<ImportedParams> {
    let OutputGrid { format, zero_point, limits: (low, high) } = grid;
    let fixed_point = |rounding, multipliers| {
        let grid = FixedPoint::limited(rounding, format, zero_point, low, high)?;
        Some(Requantization::FixedPoint(grid, multipliers))
    };
    let requantization = match (kind, factors) {
        (RequantizationKind::F32Rne, Factors::F32(ratios)) => {
            Requantization::F32Rne(F32Rne::limited(format, zero_point, low, high)?, ratios)
        }
        (RequantizationKind::GemmlowpDouble, Factors::FixedPoint(multipliers)) => {
            fixed_point(FixedPointRounding::Double, multipliers)?
        }
        (RequantizationKind::TfliteSingle(rounding), Factors::FixedPoint(multipliers)) => {
            fixed_point(FixedPointRounding::Single(rounding), multipliers)?
        }
        (RequantizationKind::PowerOfTwoShift(rounding), Factors::Shifts(shifts)) => {
            let shift = |shift| PowerOfTwoShift::limited(shift, rounding, format, zero_point, low, high);
            Requantization::PowerOfTwoShift(shifts.into_iter().map(shift).collect::<Option<_>>()?)
        }
        _ => return None,
    };
    let Weights::Integer(weights) = weights else { return None };
    Some(ImportedParams::Convolution(AffineConvolution {
        weights: weights.into_iter().map(i16::from).collect(),
        input_zero_point: 0,
        weight_zero_points: vec![0; bias.len()],
        bias,
        requantization: Some(requantization),
    }))
}
