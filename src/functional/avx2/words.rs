//! Integer operands as 16-bit words: `madd` adds two exact products per 32-bit lane.

use super::{Avx2, PANEL};

/// Weights of one group: per panel and pair of k, 16 channels × 2 weights.
#[derive(Clone, Debug)]
pub(in super::super) struct WordPanels {
    avx2: Avx2,
    channels: usize,
    pairs: usize,
    steps: Vec<[i16; 2 * PANEL]>,
}

impl WordPanels {
    /// Packs rows of K weights, one per output channel.
    pub(in super::super) fn new(avx2: Avx2, weights: &[i16], k: usize) -> Self {
        let (channels, pairs) = (weights.len() / k, k.div_ceil(2));
        let mut steps = vec![[0; 2 * PANEL]; channels.div_ceil(PANEL) * pairs];
        for (channel, row) in weights.chunks_exact(k).enumerate() {
            for (k, &weight) in row.iter().enumerate() {
                steps[channel / PANEL * pairs + k / 2][channel % PANEL * 2 + k % 2] = weight;
            }
        }
        Self { avx2, channels, pairs, steps }
    }

    /// Elements of one row of activations: K rounded up to even. One from K on may have any value.
    pub(in super::super) fn row_length(&self) -> usize {
        2 * self.pairs
    }

    /// `sums`[row][channel] = activations[row] · weights[channel].
    pub(in super::super) fn multiply(&self, rows: &[i16], sums: &mut [i32]) {
        #[cfg(target_arch = "x86_64")]
        {
            let Avx2(()) = self.avx2;
            // SAFETY: `self.avx2` exists only where AVX2 was detected.
            unsafe { kernel::multiply(self, rows, sums) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        match self.avx2 {}
    }
}

#[cfg(target_arch = "x86_64")]
mod kernel {
    use std::arch::x86_64::{
        _mm256_add_epi32, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_set1_epi32, _mm256_setzero_si256,
        _mm256_storeu_si256,
    };
    use std::array::from_fn;

    use super::{PANEL, WordPanels};
    use crate::functional::avx2::store;

    const TILE_ROWS: usize = 4;

    #[target_feature(enable = "avx2")]
    pub(super) fn multiply(panels: &WordPanels, rows: &[i16], sums: &mut [i32]) {
        let (length, channels) = (panels.row_length(), panels.channels);
        for (index, panel) in panels.steps.chunks_exact(panels.pairs).enumerate() {
            let tiles = rows.chunks(TILE_ROWS * length).zip(sums.chunks_mut(TILE_ROWS * channels));
            for (rows, sums) in tiles {
                match rows.len() / length {
                    1 => tile::<1>(rows, panel, index, channels, sums),
                    2 => tile::<2>(rows, panel, index, channels, sums),
                    3 => tile::<3>(rows, panel, index, channels, sums),
                    _ => tile::<TILE_ROWS>(rows, panel, index, channels, sums),
                }
            }
        }
    }

    #[target_feature(enable = "avx2")]
    fn tile<const ROWS: usize>(
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
                // SAFETY: a row was sliced to as many pairs as there are steps; a pair is 32 bits, and the
                // read needs no alignment.
                let pair = unsafe { row.get_unchecked(step).as_ptr().cast::<i32>().read_unaligned() };
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
}
