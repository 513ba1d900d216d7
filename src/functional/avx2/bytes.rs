//! Integer operands as bytes: `maddubs` adds two products, of an unsigned and a signed byte each, per
//! 16-bit lane. Exact only for narrow operands, where several such sums fit 16 bits: 4-bit weights.

use crate::numerics::IntegerFormat;

use super::{Avx2, PANEL};

/// Operands of one channel that a 32-bit lane takes at a time.
const QUAD: usize = 4;
/// Sums that at least must fit 16 bits for this kernel to be faster than the one on words.
const MIN_SUMS: usize = 4;

/// Weights of one group: per panel and four k, 16 channels × 4 weights.
#[derive(Clone, Debug)]
pub(in super::super) struct BytePanels {
    avx2: Avx2,
    quads: usize,
    steps: Vec<[i8; QUAD * PANEL]>,
    /// Added to every activation, so that none is negative.
    offset: i16,
    channels: usize,
    /// Per panel and channel: −offset · Σw, from which its sums start.
    starts: Vec<[i32; PANEL]>,
    /// So many sums of two products fit 16 bits.
    sums: usize,
}

impl BytePanels {
    /// Packs rows of K weights, one per output channel. None when products of these weights and
    /// activations are too large for 16-bit sums.
    pub(in super::super) fn new(
        avx2: Avx2,
        weights: &[i16],
        k: usize,
        activation: IntegerFormat,
    ) -> Option<Self> {
        let largest = weights.iter().map(|weight| usize::from(weight.unsigned_abs())).max()?;
        let span = usize::try_from(activation.max() - activation.min()).ok()?;
        let sums = usize::from(i16::MAX.unsigned_abs()) / (2 * span * largest).max(1);
        if sums < MIN_SUMS {
            return None;
        }
        let (channels, quads) = (weights.len() / k, k.div_ceil(QUAD));
        let mut steps = vec![[0; QUAD * PANEL]; channels.div_ceil(PANEL) * quads];
        for (channel, row) in weights.chunks_exact(k).enumerate() {
            for (k, &weight) in row.iter().enumerate() {
                steps[channel / PANEL * quads + k / QUAD][channel % PANEL * QUAD + k % QUAD] =
                    i8::try_from(weight).ok()?;
            }
        }
        let mut starts = vec![[0; PANEL]; channels.div_ceil(PANEL)];
        for (start, row) in starts.as_flattened_mut().iter_mut().zip(weights.chunks_exact(k)) {
            *start = row.iter().map(|&weight| i32::from(weight)).sum::<i32>() * activation.min();
        }
        let offset = -activation.min() as i16; // at most 128
        Some(Self { avx2, quads, steps, offset, channels, starts, sums })
    }

    /// Elements of one row of activations: K rounded up to a multiple of four. Those from K on may have
    /// any value.
    pub(in super::super) fn row_length(&self) -> usize {
        QUAD * self.quads
    }

    /// An activation as this kernel takes it: 0 to 255, its format's range shifted.
    pub(in super::super) fn operand(&self, activation: i16) -> u8 {
        activation.wrapping_add(self.offset) as u8
    }

    /// `sums`[row][channel] = activations[row] · weights[channel].
    pub(in super::super) fn multiply(&self, rows: &[u8], sums: &mut [i32]) {
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
        _mm256_add_epi16, _mm256_add_epi32, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
        _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_storeu_si256,
    };
    use std::array::from_fn;

    use super::{BytePanels, PANEL, QUAD};
    use crate::functional::avx2::store;

    const TILE_ROWS: usize = 4;

    #[target_feature(enable = "avx2")]
    pub(super) fn multiply(panels: &BytePanels, rows: &[u8], sums: &mut [i32]) {
        let (length, channels) = (panels.row_length(), panels.channels);
        let weights = panels.steps.chunks_exact(panels.quads).zip(&panels.starts);
        for (index, (panel, start)) in weights.enumerate() {
            let tiles = rows.chunks(TILE_ROWS * length).zip(sums.chunks_mut(TILE_ROWS * channels));
            for (rows, sums) in tiles {
                let panel = Panel { index, steps: panel, start, narrow: panels.sums };
                match rows.len() / length {
                    1 => tile::<1>(rows, panel, channels, sums),
                    2 => tile::<2>(rows, panel, channels, sums),
                    3 => tile::<3>(rows, panel, channels, sums),
                    _ => tile::<TILE_ROWS>(rows, panel, channels, sums),
                }
            }
        }
    }

    #[derive(Clone, Copy)]
    struct Panel<'a> {
        index: usize,
        steps: &'a [[i8; QUAD * PANEL]],
        start: &'a [i32; PANEL],
        narrow: usize,
    }

    #[target_feature(enable = "avx2")]
    fn tile<const ROWS: usize>(rows: &[u8], panel: Panel<'_>, channels: usize, sums: &mut [i32]) {
        let ones = _mm256_set1_epi16(1);
        let (low, high) = panel.start.split_at(PANEL / 2);
        // SAFETY: both halves are 8 elements of 32 bits; the load needs no alignment.
        let start =
            unsafe { [_mm256_loadu_si256(low.as_ptr().cast()), _mm256_loadu_si256(high.as_ptr().cast())] };
        let quads = rows.as_chunks::<QUAD>().0;
        let rows: [&[[u8; QUAD]]; ROWS] =
            from_fn(|row| &quads[row * panel.steps.len()..][..panel.steps.len()]);
        let mut wide = [start; ROWS];
        for (block, steps) in panel.steps.chunks(panel.narrow).enumerate() {
            let first = block * panel.narrow;
            let mut narrow = [[_mm256_setzero_si256(); 2]; ROWS];
            for (step, weights) in steps.iter().enumerate() {
                let (low, high) = weights.split_at(QUAD * PANEL / 2);
                // SAFETY: both halves are 32 bytes; the load needs no alignment.
                let weights = unsafe {
                    [_mm256_loadu_si256(low.as_ptr().cast()), _mm256_loadu_si256(high.as_ptr().cast())]
                };
                for (sums, row) in narrow.iter_mut().zip(&rows) {
                    // SAFETY: a row was sliced to as many elements as there are steps.
                    let quad = unsafe { *row.get_unchecked(first + step) };
                    let quad = _mm256_set1_epi32(i32::from_le_bytes(quad));
                    for (sum, weights) in sums.iter_mut().zip(weights) {
                        *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(quad, weights));
                    }
                }
            }
            for (wide, narrow) in wide.as_flattened_mut().iter_mut().zip(narrow.as_flattened()) {
                *wide = _mm256_add_epi32(*wide, _mm256_madd_epi16(*narrow, ones));
            }
        }
        for (sums, tile) in sums.chunks_exact_mut(channels).zip(wide) {
            let mut row = [0; PANEL];
            let (low, high) = row.split_at_mut(PANEL / 2);
            // SAFETY: both halves are 8 elements of 32 bits; the store needs no alignment.
            unsafe {
                _mm256_storeu_si256(low.as_mut_ptr().cast(), tile[0]);
                _mm256_storeu_si256(high.as_mut_ptr().cast(), tile[1]);
            }
            store(panel.index, &row, sums);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::Signedness;

    fn format(signedness: Signedness, bits: u8) -> IntegerFormat {
        IntegerFormat::new(signedness, bits).unwrap()
    }

    /// Sums of the largest magnitudes, around every length at which 16-bit sums are widened.
    #[test]
    fn extreme_operands_never_leave_16_bits() {
        let Some(avx2) = Avx2::detect() else { return };
        for (signedness, bits) in [
            (Signedness::Unsigned, 4),
            (Signedness::Signed, 4),
            (Signedness::Unsigned, 8),
            (Signedness::Signed, 8),
            (Signedness::Unsigned, 5),
        ] {
            let activation = format(signedness, bits);
            for k in [1, 2, 3, 4, 5, 31, 32, 33, 35, 36, 37, 128, 129, 513, 543, 544, 545, 4608] {
                for (rows, channels) in [(1, 1), (2, 15), (3, 16), (4, 17), (5, 33)] {
                    for extremes in
                        [[activation.min(); 2], [activation.max(); 2], [activation.min(), activation.max()]]
                    {
                        for weights in [[-8i16, -8], [7, 7], [-8, 7], [7, -8]] {
                            let weights: Vec<i16> = (0..channels * k).map(|i| weights[i % k % 2]).collect();
                            let panels = BytePanels::new(avx2, &weights, k, activation).unwrap();
                            let length = panels.row_length();
                            let row = |i: usize| extremes[i / length % 2] as i16; // rows differ
                            let operands: Vec<u8> =
                                (0..rows * length).map(|i| panels.operand(row(i))).collect();
                            let mut sums = vec![0; rows * channels];
                            panels.multiply(&operands, &mut sums);
                            for (index, sum) in sums.into_iter().enumerate() {
                                let weights = &weights[index % channels * k..][..k];
                                let total: i32 = weights.iter().map(|&weight| i32::from(weight)).sum();
                                let expected = total * i32::from(row(index / channels * length));
                                assert_eq!(
                                    sum, expected,
                                    "{activation}, K = {k}, {rows}×{channels}, {index}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn wide_weights_are_left_to_the_kernel_on_words() {
        let Some(avx2) = Avx2::detect() else { return };
        let uint8 = format(Signedness::Unsigned, 8);
        let sums = |weight| BytePanels::new(avx2, &[1, weight], 1, uint8).map(|panels| panels.sums);
        assert_eq!([-8, 7, 16, 17, 127].map(sums), [Some(8), Some(9), Some(4), None, None]);
    }
}
