//! AQT's quantizers: legacy (arXiv 2105.03536) and v2.
//!
//! Sources: google-research/google-research `aqt/jax_legacy/jax/{primitives,quantization}.py` and
//! `aqt/jax/v2`, both in PyPI aqtp 0.9.0. Scales multiply: q is taken from x·S. Scales are data of
//! a trace; the functions that compute them serve calibration and tests, never a checker.

use super::format::{IntegerFormat, Signedness};
use super::rounding::Rounding;

/// 2^-23, added in f32 to every legacy bound before the division.
const LEGACY_EPSILON: f32 = f32::EPSILON;

/// Which quantizer a grid belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuantizerKind {
    /// Signed: half up. Unsigned: truncating, 2^bits levels per bound.
    AqtLegacy,
    /// Half to even, signed only.
    AqtV2,
}

/// A grid without its scale: kind, levels, and the format that carries them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grid {
    kind: QuantizerKind,
    /// What values are quantized to.
    levels: IntegerFormat,
    /// What they are stored and multiplied as: not narrower.
    format: IntegerFormat,
}

impl Grid {
    /// None for an unsigned AQT v2 grid, which AQT does not have.
    pub fn new(kind: QuantizerKind, format: IntegerFormat) -> Option<Self> {
        let exists = kind == QuantizerKind::AqtLegacy || format.signedness() == Signedness::Signed;
        exists.then_some(Self { kind, levels: format, format })
    }

    /// AQT legacy, which has a grid for every format.
    pub fn legacy(format: IntegerFormat) -> Self {
        Self { kind: QuantizerKind::AqtLegacy, levels: format, format }
    }

    /// The same levels in a format of at least so many bits.
    #[must_use]
    pub fn carried_in(self, bits: u8) -> Self {
        Self { format: self.format.widened_to(bits), ..self }
    }

    /// The format of the grid's integers. Signed grids never produce −2^(bits−1).
    pub fn format(self) -> IntegerFormat {
        self.format
    }

    /// Which quantizer.
    pub fn kind(self) -> QuantizerKind {
        self.kind
    }

    /// The quantizer's own rounding.
    pub fn rounding(self) -> Rounding {
        match (self.kind, self.levels.signedness()) {
            (QuantizerKind::AqtLegacy, Signedness::Signed) => Rounding::HalfUp,
            (QuantizerKind::AqtLegacy, Signedness::Unsigned) => Rounding::Floor,
            (QuantizerKind::AqtV2, _) => Rounding::HalfEven,
        }
    }

    /// Scale for values bounded by `bound`, in f32.
    ///
    /// Legacy: (2^(bits−1) − 1 or 2^bits) / (bound + 2^-23). v2: (2^(bits−1) − 0.5) / bound, an
    /// all-zero tensor counting as bound 1.
    pub fn scale(self, bound: f32) -> f32 {
        let bits = i32::from(self.levels.bits());
        match (self.kind, self.levels.signedness()) {
            (QuantizerKind::AqtLegacy, Signedness::Signed) => {
                (2f32.powi(bits - 1) - 1.0) / (bound + LEGACY_EPSILON)
            }
            (QuantizerKind::AqtLegacy, Signedness::Unsigned) => 2f32.powi(bits) / (bound + LEGACY_EPSILON),
            (QuantizerKind::AqtV2, _) => {
                let bound = if bound == 0.0 { 1.0 } else { bound };
                1.0 / (bound / (2f32.powi(bits - 1) - 0.5))
            }
        }
    }

    /// Smallest and largest integer that quantizing gives.
    pub fn limits(self) -> (f32, f32) {
        let high = self.levels.max() as f32;
        match self.levels.signedness() {
            Signedness::Signed => (-high, high),
            Signedness::Unsigned => (0.0, high),
        }
    }

    /// The integer of `value`·`scale`: clipped and rounded in f32. None if the product is NaN.
    ///
    /// Signed values are clipped before rounding, unsigned legacy values after; the integers are
    /// the same, because the limits are integers.
    pub fn quantize(self, value: f32, scale: f32) -> Option<i32> {
        let scaled = value * scale;
        if scaled.is_nan() {
            return None;
        }
        let (low, high) = self.limits();
        Some(self.rounding().round(scaled.clamp(low, high)) as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(kind: QuantizerKind, bits: u8) -> Grid {
        Grid::new(kind, IntegerFormat::new(Signedness::Signed, bits).unwrap()).unwrap()
    }

    fn unsigned(bits: u8) -> Grid {
        Grid::new(QuantizerKind::AqtLegacy, IntegerFormat::new(Signedness::Unsigned, bits).unwrap()).unwrap()
    }

    #[test]
    fn a_carrier_changes_the_format_and_no_value() {
        let two = unsigned(2);
        let carried = two.carried_in(4);
        assert_eq!((carried.format(), two.format().bits()), (unsigned(4).format(), 2));
        assert_eq!(carried.limits(), (0.0, 3.0));
        assert_eq!(carried.scale(1.5), two.scale(1.5));
        assert_eq!(carried.quantize(7.9, 1.0), Some(3));
        assert_eq!(unsigned(8).carried_in(4), unsigned(8));
    }

    fn hex(text: &str) -> f32 {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.strip_prefix("0x1.").unwrap().split_once('p').unwrap();
        let fraction = u32::from_str_radix(mantissa, 16).unwrap() as f64 / 16f64.powi(mantissa.len() as i32);
        let value = (1.0 + fraction) * 2f64.powi(exponent.parse().unwrap());
        (if negative { -value } else { value }) as f32
    }

    fn column(values: &[f32], grid: Grid, scale: f32) -> Vec<i32> {
        values.iter().map(|&x| grid.quantize(x, scale).unwrap()).collect()
    }

    fn bound(values: &[f32]) -> f32 {
        values.iter().fold(0.0, |bound, x| bound.max(x.abs()))
    }

    fn dot(a: &[i32], w: &[i32]) -> i32 {
        a.iter().zip(w).map(|(a, w)| a * w).sum()
    }

    /// Example A: legacy dense 1×8 · 8×2, activations unsigned with bound 6 (run with aqtp 0.9.0).
    #[test]
    fn example_a_legacy_dense() {
        let activations = [0.0, 0.1, 0.7, 1.3, 2.9, 5.9, 6.5, 3.1875];
        let columns = [
            [0.30, -0.25, 0.05, -0.31, 0.12, 0.2, -0.07, 0.31],
            [-1.0, 0.5, 0.125, 0.99, -0.07, 0.33, -0.66, 0.2],
        ];
        struct Case {
            bits: u8,
            activation_scale: &'static str,
            activations: [i32; 8],
            weight_scales: [&'static str; 2],
            weights: [[i32; 8]; 2],
            accumulators: [i32; 2],
            outputs: [&'static str; 2],
        }
        for case in [
            Case {
                bits: 4,
                activation_scale: "0x1.555556p1",
                activations: [0, 0, 1, 3, 7, 15, 15, 8],
                weight_scales: ["0x1.694a4ap4", "0x1.bffffcp2"],
                weights: [[7, -6, 1, -7, 3, 5, -2, 7], [-7, 3, 1, 7, 0, 2, -5, 1]],
                accumulators: [102, -15],
                outputs: ["0x1.b1a556p0", "-0x1.9b6dbap-1"],
            },
            Case {
                bits: 8,
                activation_scale: "0x1.555556p5",
                activations: [0, 4, 29, 55, 123, 251, 255, 136],
                weight_scales: ["0x1.99ad60p8", "0x1.fbfffcp6"],
                weights: [[123, -102, 20, -127, 49, 82, -29, 127], [-127, 63, 16, 126, -9, 42, -84, 25]],
                accumulators: [29673, -939],
                outputs: ["0x1.b294c4p0", "-0x1.62e5cep-3"],
            },
        ] {
            let activation_scale = unsigned(case.bits).scale(6.0);
            assert_eq!(activation_scale, hex(case.activation_scale));
            let quantized = column(&activations, unsigned(case.bits), activation_scale);
            assert_eq!(quantized, case.activations);
            for (index, weights) in columns.iter().enumerate() {
                let grid = signed(QuantizerKind::AqtLegacy, case.bits);
                let scale = grid.scale(bound(weights));
                assert_eq!(scale, hex(case.weight_scales[index]));
                let integers = column(weights, grid, scale);
                assert_eq!(integers, case.weights[index]);
                let accumulator = dot(&quantized, &integers);
                assert_eq!(accumulator, case.accumulators[index]);
                assert_eq!(accumulator as f32 / (activation_scale * scale), hex(case.outputs[index]));
            }
        }
    }

    /// Example B: the grids of the legacy w4a4 convolution. Its accumulators are checked where
    /// convolutions live.
    #[test]
    fn example_b_legacy_convolution_grids() {
        let activation_scale = unsigned(4).scale(1.5);
        assert_eq!(activation_scale, hex("0x1.555554p3"));
        let x = [1.125, 0.0, 0.25, 0.5, 0.75, 1.25, 0.375];
        assert_eq!(column(&x, unsigned(4), activation_scale), [11, 0, 2, 5, 7, 13, 3]);
        let grid = signed(QuantizerKind::AqtLegacy, 4);
        assert_eq!(grid.scale(1.03125), hex("0x1.b26c98p2"));
        assert_eq!(grid.scale(1.125), hex("0x1.8e38e0p2"));
        let first = [-0.828125, -1.03125, -0.609375, 0.890625];
        assert_eq!(column(&first, grid, grid.scale(1.03125)), [-6, -7, -4, 6]);
    }

    /// Example C: v2, int8 and int4; scales of the reference are dequantizing and not portable (XLA
    /// multiplies by a rounded reciprocal), so the integers are taken from its reciprocals.
    #[test]
    fn example_c_v2_dot() {
        let left = [[0.1, -0.7, 1.3, 2.54], [0.5, -0.25, 0.125, -1.0]];
        let right = [[0.3, -0.25, 0.05, -0.31], [-1.0, 0.5, 0.125, 0.99]]; // columns
        struct Case {
            bits: u8,
            left_scales: [&'static str; 2],
            right_scales: [&'static str; 2],
            left: [[i32; 4]; 2],
            right: [[i32; 4]; 2],
            accumulators: [[i32; 2]; 2],
            outputs: [[&'static str; 2]; 2],
        }
        for case in [
            Case {
                bits: 8,
                left_scales: ["0x1.46651ep-6", "0x1.010102p-7"],
                right_scales: ["0x1.3eaf54p-9", "0x1.010102p-7"],
                left: [[5, -35, 65, 127], [64, -32, 16, -127]],
                right: [[123, -103, 21, -127], [-127, 64, 16, 126]],
                accumulators: [[-10544, 14167], [27633, -25922]],
                outputs: [["-0x1.057cb8p-1", "0x1.1b55f0p1"], ["0x1.0dcc64p-1", "-0x1.9836d8p0"]],
            },
            Case {
                bits: 4,
                left_scales: ["0x1.5acb70p-2", "0x1.111112p-3"],
                right_scales: ["0x1.529a4ap-5", "0x1.111112p-3"],
                left: [[0, -2, 4, 7], [4, -2, 1, -7]],
                right: [[7, -6, 1, -7], [-7, 4, 1, 7]],
                accumulators: [[-33, 45], [90, -84]],
                outputs: [["-0x1.d9072ap-2", "0x1.041896p1"], ["0x1.fbe772p-2", "-0x1.7e4b1ap0"]],
            },
        ] {
            let grid = signed(QuantizerKind::AqtV2, case.bits);
            for (i, row) in left.iter().enumerate() {
                let left_scale = hex(case.left_scales[i]);
                let quantized = column(row, grid, 1.0 / left_scale);
                assert_eq!(quantized, case.left[i]);
                assert_eq!(column(row, grid, grid.scale(bound(row))), case.left[i]);
                for (j, weights) in right.iter().enumerate() {
                    let right_scale = hex(case.right_scales[j]);
                    let integers = column(weights, grid, 1.0 / right_scale);
                    assert_eq!(integers, case.right[j]);
                    let accumulator = dot(&quantized, &integers);
                    assert_eq!(accumulator, case.accumulators[i][j]);
                    assert_eq!(accumulator as f32 * left_scale * right_scale, hex(case.outputs[i][j]));
                }
            }
        }
    }

    #[test]
    fn unsigned_legacy_truncates() {
        let scale = unsigned(4).scale(6.0);
        let halves: Vec<f32> = (0..15).map(|i| i as f32 * 0.5).collect();
        let expected = [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 15, 15, 15];
        assert_eq!(column(&halves, unsigned(4), scale), expected);
    }

    #[test]
    fn halves_round_up_in_legacy_and_infinities_clip() {
        let grid = signed(QuantizerKind::AqtLegacy, 4);
        assert_eq!(column(&[-2.5, 2.5, -100.0, f32::INFINITY], grid, 1.0), [-2, 3, -7, 7]);
        assert_eq!(unsigned(8).quantize(f32::NEG_INFINITY, 1.0), Some(0));
        assert_eq!(grid.quantize(f32::NAN, 1.0), None);
        assert_eq!(grid.quantize(f32::INFINITY, 0.0), None);
    }

    #[test]
    fn v2_has_no_unsigned_grid() {
        assert!(Grid::new(QuantizerKind::AqtV2, unsigned(8).format()).is_none());
    }
}
