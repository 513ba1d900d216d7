//! Requantization `aqt-float`: what happens to an accumulator until it is stored.
//!
//! All in f32, each operation rounded to nearest even, in the order written here. The trainer
//! rounds at the same places.

use half::bf16;

use super::format::IntegerFormat;
use super::quantize_aqt::Grid;

/// Whether a layer ends in a ReLU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Activation {
    /// Values pass unchanged.
    Identity,
    /// max(x, +0), keeping NaN.
    Relu,
}

/// f32(acc)·m + b (two roundings, no fused multiply-add), + shortcut, activation.
#[inline(always)] // into loops compiled for AVX2
pub fn post_process(
    accumulator: f32,
    multiplier: f32,
    bias: f32,
    shortcut: Option<f32>,
    activation: Activation,
) -> f32 {
    let mut value = accumulator * multiplier + bias;
    if let Some(shortcut) = shortcut {
        value += shortcut;
    }
    match activation {
        Activation::Identity => value,
        Activation::Relu if value > 0.0 || value.is_nan() => value,
        Activation::Relu => 0.0,
    }
}

/// What a value is rounded to where it is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Store {
    /// An integer grid and its scale.
    Grid(Grid, f32),
    /// bfloat16, to nearest even.
    Bf16,
    /// Kept.
    F32,
    /// Integers that a layer has already requantized.
    Integer(IntegerFormat),
    /// Accumulators.
    Int32,
}

/// Rounds to bfloat16, to nearest even; NaN becomes the canonical quiet NaN.
#[inline(always)] // into loops compiled for AVX2
pub fn round_bf16(value: f32) -> bf16 {
    let bits = value.to_bits();
    // What is added carries into the upper half from one half on, of ties only those to an odd one.
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    bf16::from_bits(if value.is_nan() { 0x7fc0 } else { rounded as u16 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_and_bias_round_separately() {
        // (1 + 2^-23)² = 1 + 2^-22 + 2^-46: a fused multiply-add would keep the last term.
        let x = 1.0 + f32::EPSILON;
        let bias = -(1.0 + 2.0 * f32::EPSILON);
        assert_eq!(post_process(x, x, bias, None, Activation::Identity), 0.0);
        assert_ne!(x.mul_add(x, bias), 0.0);
    }

    #[test]
    fn relu_gives_plus_zero_and_keeps_nan() {
        let relu = |value| post_process(value, 1.0, 0.0, None, Activation::Relu);
        assert_eq!(relu(-0.0).to_bits(), 0);
        assert_eq!(relu(-3.0).to_bits(), 0);
        assert_eq!(relu(2.0), 2.0);
        assert!(relu(f32::NAN).is_nan());
    }

    #[test]
    fn bf16_rounds_half_to_even() {
        assert_eq!(round_bf16(1.0 + 2f32.powi(-8)).to_bits(), 0x3f80);
        assert_eq!(round_bf16(1.0 + 3.0 * 2f32.powi(-8)).to_bits(), 0x3f82);
        assert_eq!(round_bf16(1.0 + 2f32.powi(-8) + 2f32.powi(-20)).to_bits(), 0x3f81);
        assert_eq!(round_bf16(3.396_177_6e38).to_bits(), 0x7f80);
        assert_eq!(round_bf16(-f32::NAN).to_bits(), 0x7fc0);
    }

    #[test]
    fn every_bf16_and_what_lies_beside_it_rounds_as_half_does() {
        for upper in 0..=u16::MAX {
            for lower in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
                let value = f32::from_bits(u32::from(upper) << 16 | lower);
                if !value.is_nan() {
                    assert_eq!(round_bf16(value).to_bits(), bf16::from_f32(value).to_bits(), "{value:e}");
                }
            }
        }
    }
}
