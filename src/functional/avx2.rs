//! The portable kernels' bits on AVX2: weights in panels of 16 output channels (8 for blocks of lanes),
//! register tiles of 4 (integer) or 6 (bf16) rows. With `avx512`, the only unsafe code.
//!
//! Integers only where sums cannot overflow: then no order can matter. bf16: one f32 multiplication and
//! one addition per product in strict k order, never fused, so each lane does what the definition does;
//! blocks of lanes in f64 where that rounds nothing.
#![allow(unsafe_code)]

mod bf16;
mod bf16_blocks;
mod bytes;
mod words;

use super::loops::Loops;

pub(super) use bf16::Bf16Panels;
pub(super) use bf16_blocks::{Bf16BlockPanels, RowSpreads};
pub(super) use bytes::BytePanels;
pub(super) use words::WordPanels;

/// Output channels per panel.
pub(super) const PANEL: usize = 16;

/// Proof that this processor has AVX2 and FMA. FMA serves what is defined as fused, and sums that are exact
/// fused or not; nothing else.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(());

/// Cannot exist on this architecture.
#[cfg(not(target_arch = "x86_64"))]
#[derive(Clone, Copy, Debug)]
pub(super) enum Avx2 {}

impl Avx2 {
    /// None on processors without AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    /// None on processors without AVX2 and FMA.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn detect() -> Option<Self> {
        None
    }

    /// Runs loops compiled for AVX2. Each operation stays what it is: the compiler neither reorders nor
    /// fuses floating-point arithmetic.
    pub(super) fn run<L: Loops>(self, loops: L) -> L::Output {
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2,fma")]
            fn with_avx2<L: Loops>(loops: L) -> L::Output {
                loops.run()
            }
            // SAFETY: `self` exists only where AVX2 and FMA were detected.
            unsafe { with_avx2(loops) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        match self {}
    }
}

/// Copies the channels of one panel that exist into a row of sums.
#[cfg(target_arch = "x86_64")]
fn store<T: Copy>(panel: usize, tile: &[T; PANEL], row: &mut [T]) {
    for (sum, &value) in row[panel * PANEL..].iter_mut().zip(tile) {
        *sum = value;
    }
}
