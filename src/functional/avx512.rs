//! The portable kernels' bits on AVX-512: weights in panels of 32 output channels, register tiles of up to 14
//! rows. With `avx2`, the only unsafe code.
#![allow(unsafe_code)]

mod bf16;

use super::loops::Loops;

pub(super) use bf16::{Bf16Panels, Exponents};

/// Output channels per panel: two vectors of 32 bits.
const PANEL: usize = 32;
/// Rows of a register tile: 28 of the 32 registers hold its sums.
pub(super) const TILE_ROWS: usize = 14;

/// Proof that this processor has the foundation, byte and word, and vector length parts of AVX-512.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512(());

/// Cannot exist on this architecture.
#[cfg(not(target_arch = "x86_64"))]
#[derive(Clone, Copy, Debug)]
pub(super) enum Avx512 {}

impl Avx512 {
    /// None on processors without these parts.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn detect() -> Option<Self> {
        let parts = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl");
        parts.then_some(Self(()))
    }

    /// None on processors without these parts.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn detect() -> Option<Self> {
        None
    }

    /// Runs loops compiled for AVX-512. Each operation stays what it is: the compiler neither reorders nor
    /// fuses floating-point arithmetic.
    pub(super) fn run<L: Loops>(self, loops: L) -> L::Output {
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
            fn with_avx512<L: Loops>(loops: L) -> L::Output {
                loops.run()
            }
            // SAFETY: `self` exists only where these parts of AVX-512 were detected.
            unsafe { with_avx512(loops) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        match self {}
    }
}

/// Calls a function of a tile for as many rows as there are.
#[cfg(target_arch = "x86_64")]
macro_rules! for_rows {
    ($rows:expr, $tile:ident::<$($other:tt),*>($($argument:expr),*)) => {
        for_rows!(@ $rows, $tile, [$($other),*], ($($argument),*), 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
    };
    (@ $rows:expr, $tile:ident, $other:tt, $arguments:tt, $($count:literal)*) => {
        match $rows {
            $($count => for_rows!(! $tile, $count, $other, $arguments),)*
            rows => unreachable!("a tile of {rows} rows"),
        }
    };
    (! $tile:ident, $count:literal, [$($other:tt),*], ($($argument:expr),*)) => {
        $tile::<$count, $($other),*>($($argument),*)
    };
}

#[cfg(target_arch = "x86_64")]
use for_rows;
