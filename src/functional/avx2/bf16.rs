//! bf16 operands, widened to f32: a multiplication and an addition per product, in strict k order.

use super::{Avx2, PANEL};

/// Weights of one group for the bf16 kernel, as f32: per panel and k, 16 channels.
#[derive(Clone, Debug)]
pub(in super::super) struct Bf16Panels {
    avx2: Avx2,
    channels: usize,
    k: usize,
    steps: Vec<[f32; PANEL]>,
}

impl Bf16Panels {
    /// Packs rows of K weights, one per output channel.
    pub(in super::super) fn new(avx2: Avx2, weights: &[half::bf16], k: usize) -> Self {
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
    pub(in super::super) fn multiply(&self, rows: &[f32], k_per_fold: usize, sums: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        {
            let Avx2(()) = self.avx2;
            // SAFETY: `self.avx2` exists only where AVX2 was detected.
            unsafe { kernel::multiply(self, rows, k_per_fold, sums) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        match self.avx2 {}
    }
}

#[cfg(target_arch = "x86_64")]
mod kernel {
    use std::arch::x86_64::{
        _mm256_add_ps, _mm256_loadu_ps, _mm256_mul_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps,
    };
    use std::array::from_fn;

    use super::{Bf16Panels, PANEL};
    use crate::functional::avx2::store;

    const TILE_ROWS: usize = 6;

    #[target_feature(enable = "avx2")]
    pub(super) fn multiply(panels: &Bf16Panels, rows: &[f32], k_per_fold: usize, sums: &mut [f32]) {
        let channels = panels.channels;
        for (index, panel) in panels.steps.chunks_exact(panels.k).enumerate() {
            let tiles = rows.chunks(TILE_ROWS * panels.k).zip(sums.chunks_mut(TILE_ROWS * channels));
            for (rows, sums) in tiles {
                match rows.len() / panels.k {
                    1 => tile::<1>(rows, panel, k_per_fold, index, channels, sums),
                    2 => tile::<2>(rows, panel, k_per_fold, index, channels, sums),
                    3 => tile::<3>(rows, panel, k_per_fold, index, channels, sums),
                    4 => tile::<4>(rows, panel, k_per_fold, index, channels, sums),
                    5 => tile::<5>(rows, panel, k_per_fold, index, channels, sums),
                    _ => tile::<TILE_ROWS>(rows, panel, k_per_fold, index, channels, sums),
                }
            }
        }
    }

    #[target_feature(enable = "avx2")]
    fn tile<const ROWS: usize>(
        rows: &[f32],
        panel: &[[f32; PANEL]],
        k_per_fold: usize,
        index: usize,
        channels: usize,
        sums: &mut [f32],
    ) {
        let rows: [&[f32]; ROWS] = from_fn(|row| &rows[row * panel.len()..][..panel.len()]);
        let mut accumulators = [[_mm256_setzero_ps(); 2]; ROWS];
        for (fold, panel) in panel.chunks(k_per_fold).enumerate() {
            let first = fold * k_per_fold;
            let mut tile = [[_mm256_setzero_ps(); 2]; ROWS];
            for (step, weights) in panel.iter().enumerate() {
                let (low, high) = weights.split_at(PANEL / 2);
                // SAFETY: both halves are 8 elements of 32 bits; the load needs no alignment.
                let weights = unsafe { [_mm256_loadu_ps(low.as_ptr()), _mm256_loadu_ps(high.as_ptr())] };
                for (sums, row) in tile.iter_mut().zip(&rows) {
                    // SAFETY: a row was sliced to as many elements as there are steps.
                    let activation = _mm256_set1_ps(unsafe { *row.get_unchecked(first + step) });
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
}
