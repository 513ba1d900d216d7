//! The portable kernels' bits on AVX2: weights in panels of 16 output channels, register tiles of 4
//! (integer) or 6 (bf16) rows. The only unsafe code.
//!
//! Integers: operands as i16, `madd` adds two exact products per 32-bit lane; only for sums that
//! cannot overflow. bf16: one f32 multiplication and one addition per product in strict k order, never
//! fused, so each lane does what the definition does.
#![allow(unsafe_code)]

/// Output channels per panel.
pub(super) const PANEL: usize = 16;

/// Proof that this processor has AVX2.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(());

/// Cannot exist on this architecture.
#[cfg(not(target_arch = "x86_64"))]
#[derive(Clone, Copy, Debug)]
pub(super) enum Avx2 {}

impl Avx2 {
    /// None on processors without AVX2.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    /// None on processors without AVX2.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn detect() -> Option<Self> {
        None
    }
}

/// Weights of one group for the integer kernel: per panel and pair of k, 16 channels × 2 weights.
#[derive(Clone, Debug)]
pub(super) struct IntegerPanels {
    avx2: Avx2,
    channels: usize,
    pairs: usize,
    steps: Vec<[i16; 2 * PANEL]>,
}

impl IntegerPanels {
    /// Packs rows of K weights, one per output channel.
    pub(super) fn new(avx2: Avx2, weights: &[i8], k: usize) -> Self {
        let (channels, pairs) = (weights.len() / k, k.div_ceil(2));
        let mut steps = vec![[0; 2 * PANEL]; channels.div_ceil(PANEL) * pairs];
        for (channel, row) in weights.chunks_exact(k).enumerate() {
            for (k, &weight) in row.iter().enumerate() {
                steps[channel / PANEL * pairs + k / 2][channel % PANEL * 2 + k % 2] = i16::from(weight);
            }
        }
        Self { avx2, channels, pairs, steps }
    }

    /// Elements of one row of activations: K rounded up to even, the last one zero.
    pub(super) fn row_length(&self) -> usize {
        2 * self.pairs
    }

    /// `sums`[row][channel] = activations[row] · weights[channel].
    pub(super) fn multiply(&self, rows: &[i16], sums: &mut [i32]) {
        #[cfg(target_arch = "x86_64")]
        {
            let Avx2(()) = self.avx2;
            // SAFETY: `self.avx2` exists only where AVX2 was detected.
            unsafe { kernels::integer(self, rows, sums) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        match self.avx2 {}
    }
}

/// Weights of one group for the bf16 kernel, as f32: per panel and k, 16 channels.
#[derive(Clone, Debug)]
pub(super) struct Bf16Panels {
    avx2: Avx2,
    channels: usize,
    k: usize,
    steps: Vec<[f32; PANEL]>,
}

impl Bf16Panels {
    /// Packs rows of K weights, one per output channel.
    pub(super) fn new(avx2: Avx2, weights: &[half::bf16], k: usize) -> Self {
        let channels = weights.len() / k;
        let mut steps = vec![[0.0; PANEL]; channels.div_ceil(PANEL) * k];
        for (channel, row) in weights.chunks_exact(k).enumerate() {
            for (step, weight) in row.iter().enumerate() {
                steps[channel / PANEL * k + step][channel % PANEL] = weight.to_f32();
            }
        }
        Self { avx2, channels, k, steps }
    }

    /// `sums`[row][channel] = activations[row] · weights[channel] with folds of `k_per_fold`; NaN is
    /// not yet canonical.
    pub(super) fn multiply(&self, rows: &[f32], k_per_fold: usize, sums: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        {
            let Avx2(()) = self.avx2;
            // SAFETY: `self.avx2` exists only where AVX2 was detected.
            unsafe { kernels::bf16(self, rows, k_per_fold, sums) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        match self.avx2 {}
    }
}

#[cfg(target_arch = "x86_64")]
mod kernels {
    use std::arch::x86_64::{
        _mm256_add_epi32, _mm256_add_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16,
        _mm256_mul_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256,
        _mm256_storeu_ps, _mm256_storeu_si256,
    };
    use std::array::from_fn;

    use super::{Bf16Panels, IntegerPanels, PANEL};

    const INTEGER_ROWS: usize = 4;
    const BF16_ROWS: usize = 6;

    #[target_feature(enable = "avx2")]
    pub(super) fn integer(panels: &IntegerPanels, rows: &[i16], sums: &mut [i32]) {
        let (length, channels) = (panels.row_length(), panels.channels);
        for (index, panel) in panels.steps.chunks_exact(panels.pairs).enumerate() {
            let tiles = rows.chunks(INTEGER_ROWS * length).zip(sums.chunks_mut(INTEGER_ROWS * channels));
            for (rows, sums) in tiles {
                match rows.len() / length {
                    1 => integer_tile::<1>(rows, panel, index, channels, sums),
                    2 => integer_tile::<2>(rows, panel, index, channels, sums),
                    3 => integer_tile::<3>(rows, panel, index, channels, sums),
                    _ => integer_tile::<INTEGER_ROWS>(rows, panel, index, channels, sums),
                }
            }
        }
    }

    #[target_feature(enable = "avx2")]
    fn integer_tile<const ROWS: usize>(
        rows: &[i16],
        panel: &[[i16; 2 * PANEL]],
        index: usize,
        channels: usize,
        sums: &mut [i32],
    ) {
        let pairs = rows.as_chunks::<2>().0;
        let rows: [&[[i16; 2]]; ROWS] = from_fn(|row| &pairs[row * panel.len()..][..panel.len()]);
        let mut tile = [[_mm256_setzero_si256(); 2]; ROWS];
        for (step, weights) in panel.iter().enumerate() {
            let (low, high) = weights.split_at(PANEL);
            // SAFETY: both halves are PANEL = 16 elements of 16 bits; the load needs no alignment.
            let weights = unsafe {
                [_mm256_loadu_si256(low.as_ptr().cast()), _mm256_loadu_si256(high.as_ptr().cast())]
            };
            for (sums, row) in tile.iter_mut().zip(&rows) {
                // SAFETY: a pair is 32 bits; the read needs no alignment.
                let pair = unsafe { row[step].as_ptr().cast::<i32>().read_unaligned() };
                let pair = _mm256_set1_epi32(pair);
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pair, weights));
                }
            }
        }
        for (sums, tile) in sums.chunks_exact_mut(channels).zip(tile) {
            let mut row = [0; PANEL];
            let (low, high) = row.split_at_mut(PANEL / 2);
            // SAFETY: both halves are 8 elements of 32 bits; the store needs no alignment.
            unsafe {
                _mm256_storeu_si256(low.as_mut_ptr().cast(), tile[0]);
                _mm256_storeu_si256(high.as_mut_ptr().cast(), tile[1]);
            }
            store(index, &row, sums);
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn bf16(panels: &Bf16Panels, rows: &[f32], k_per_fold: usize, sums: &mut [f32]) {
        let channels = panels.channels;
        for (index, panel) in panels.steps.chunks_exact(panels.k).enumerate() {
            let tiles = rows.chunks(BF16_ROWS * panels.k).zip(sums.chunks_mut(BF16_ROWS * channels));
            for (rows, sums) in tiles {
                match rows.len() / panels.k {
                    1 => bf16_tile::<1>(rows, panel, k_per_fold, index, channels, sums),
                    2 => bf16_tile::<2>(rows, panel, k_per_fold, index, channels, sums),
                    3 => bf16_tile::<3>(rows, panel, k_per_fold, index, channels, sums),
                    4 => bf16_tile::<4>(rows, panel, k_per_fold, index, channels, sums),
                    5 => bf16_tile::<5>(rows, panel, k_per_fold, index, channels, sums),
                    _ => bf16_tile::<BF16_ROWS>(rows, panel, k_per_fold, index, channels, sums),
                }
            }
        }
    }

    #[target_feature(enable = "avx2")]
    fn bf16_tile<const ROWS: usize>(
        rows: &[f32],
        panel: &[[f32; PANEL]],
        k_per_fold: usize,
        index: usize,
        channels: usize,
        sums: &mut [f32],
    ) {
        let k = panel.len();
        let mut accumulators = [[_mm256_setzero_ps(); 2]; ROWS];
        for (fold, panel) in panel.chunks(k_per_fold).enumerate() {
            let first = fold * k_per_fold;
            let rows: [&[f32]; ROWS] = from_fn(|row| &rows[row * k + first..][..panel.len()]);
            let mut tile = [[_mm256_setzero_ps(); 2]; ROWS];
            for (step, weights) in panel.iter().enumerate() {
                let (low, high) = weights.split_at(PANEL / 2);
                // SAFETY: both halves are 8 elements of 32 bits; the load needs no alignment.
                let weights = unsafe { [_mm256_loadu_ps(low.as_ptr()), _mm256_loadu_ps(high.as_ptr())] };
                for (sums, row) in tile.iter_mut().zip(&rows) {
                    let activation = _mm256_set1_ps(row[step]);
                    for (sum, weights) in sums.iter_mut().zip(weights) {
                        *sum = _mm256_add_ps(*sum, _mm256_mul_ps(activation, weights));
                    }
                }
            }
            for (accumulator, fold) in accumulators.as_flattened_mut().iter_mut().zip(tile.as_flattened()) {
                *accumulator = _mm256_add_ps(*accumulator, *fold);
            }
        }
        for (sums, tile) in sums.chunks_exact_mut(channels).zip(accumulators) {
            let mut row = [0.0; PANEL];
            let (low, high) = row.split_at_mut(PANEL / 2);
            // SAFETY: both halves are 8 elements of 32 bits; the store needs no alignment.
            unsafe {
                _mm256_storeu_ps(low.as_mut_ptr(), tile[0]);
                _mm256_storeu_ps(high.as_mut_ptr(), tile[1]);
            }
            store(index, &row, sums);
        }
    }

    /// Copies the channels of one panel that exist into a row of sums.
    fn store<T: Copy>(panel: usize, tile: &[T; PANEL], row: &mut [T]) {
        for (sum, &value) in row[panel * PANEL..].iter_mut().zip(tile) {
            *sum = value;
        }
    }
}
