//! bf16 operands whose lanes are added exactly and rounded once: `lane_sum = "block"`.
//!
//! Sums run in f64, which rounds nothing wherever the exponents of a fold's operands lie close enough
//! together; each block then ends with the one rounding to f32. Where they do not, the definition computes
//! the fold.

use half::bf16;

use crate::mapping::{Join, ReductionOrder};
use crate::numerics::{Bf16Mac, LaneSum};

use super::Avx2;
use crate::functional::loops::Loops;

/// Output channels per panel: two vectors of f64.
const PANEL: usize = 8;
/// Significant bits of a bf16 below its leading one.
const FRACTION_BITS: i32 = 7;
/// A multiple of a unit is an f64 up to so many units.
const F64_UNITS: f64 = (1u64 << 53) as f64;
/// Roundings to f32 in one fold that at most double a sum of magnitudes.
const MAX_BLOCKS: usize = 1 << 23;

/// Weights of one group, as f64: per panel and k, 8 channels.
#[derive(Clone, Debug)]
pub(in super::super) struct Bf16BlockPanels {
    avx2: Avx2,
    mac: Bf16Mac,
    channels: usize,
    k: usize,
    k_per_fold: usize,
    lanes: usize,
    steps: Vec<[f64; PANEL]>,
    /// Per panel and fold.
    weights: Vec<Spread>,
}

/// How far apart the operands of a fold lie.
#[derive(Clone, Copy, Debug)]
struct Spread {
    /// Smallest magnitude that is not 0; infinite if there is none.
    smallest: f64,
    /// Activations: largest magnitude. Weights: sum of magnitudes of the channel where that is largest.
    largest: f64,
    /// 0; NaN if an operand is not finite.
    finite: f64,
}

impl Spread {
    const NONE: Self = Self { smallest: f64::INFINITY, largest: 0.0, finite: 0.0 };

    /// Of what both every operand of one and of the other belong to.
    fn and(self, other: Self) -> Self {
        Self {
            smallest: self.smallest.min(other.smallest),
            largest: self.largest.max(other.largest),
            finite: self.finite + other.finite,
        }
    }

    /// Whether every sum of products of a fold with these operands is an f64. All are multiples of the
    /// product of the operands' units, also after a rounding to f32, so it is enough that none is too large.
    fn sums_are_exact(self, weights: Self) -> bool {
        let bound = 2.0 * self.largest * weights.largest;
        let exact = bound <= F64_UNITS * unit(self.smallest) * unit(weights.smallest);
        exact && bound <= f64::from(f32::MAX) && self.finite + weights.finite == 0.0
    }
}

/// A power of two that divides every bf16 of at least this magnitude.
fn unit(magnitude: f64) -> f64 {
    let exponent = magnitude.to_bits() >> 52; // biased
    f64::from_bits((exponent - FRACTION_BITS as u64) << 52)
}

/// Spread of activations.
struct Activations<'a>(&'a [f64]);

impl Loops for Activations<'_> {
    type Output = Spread;

    #[inline(always)]
    fn run(self) -> Spread {
        const WIDTH: usize = 8;
        let (chunks, rest) = self.0.as_chunks::<WIDTH>();
        let mut lanes = [Spread::NONE; WIDTH];
        let mut note = |chunk: &[f64]| {
            for (seen, activation) in lanes.iter_mut().zip(chunk) {
                let magnitude = activation.abs();
                let nonzero = if magnitude == 0.0 { f64::INFINITY } else { magnitude };
                seen.smallest = if nonzero < seen.smallest { nonzero } else { seen.smallest };
                seen.largest = if magnitude > seen.largest { magnitude } else { seen.largest };
                seen.finite += magnitude * 0.0;
            }
        };
        chunks.iter().for_each(|chunk| note(chunk));
        note(rest);
        lanes.into_iter().fold(Spread::NONE, Spread::and)
    }
}

impl Bf16BlockPanels {
    /// Packs rows of K weights, one per output channel. None for another MAC, or folds that are chained or
    /// too long.
    pub(in super::super) fn new(
        avx2: Avx2,
        weights: &[bf16],
        k: usize,
        mac: Bf16Mac,
        order: ReductionOrder,
    ) -> Option<Self> {
        let ReductionOrder { k_per_fold, join, lanes } = order;
        let one_fold = k_per_fold >= k;
        if mac != (Bf16Mac { lane_sum: LaneSum::Block, ..Bf16Mac::default() })
            || (join == Join::Chained && !one_fold)
            || k_per_fold.min(k) > MAX_BLOCKS
        {
            return None;
        }
        let k_per_fold = k_per_fold.min(k);
        let (channels, folds) = (weights.len() / k, k.div_ceil(k_per_fold));
        let mut steps = vec![[0.0; PANEL]; channels.div_ceil(PANEL) * k];
        let mut spreads = vec![Spread::NONE; channels.div_ceil(PANEL) * folds];
        for (channel, row) in weights.chunks_exact(k).enumerate() {
            let panel = channel / PANEL;
            for (step, weight) in row.iter().enumerate() {
                steps[panel * k + step][channel % PANEL] = weight.to_f64();
            }
            for (spread, fold) in spreads[panel * folds..].iter_mut().zip(row.chunks(k_per_fold)) {
                let fold: Vec<f64> = fold.iter().map(|weight| weight.to_f64()).collect();
                let sum = fold.iter().map(|weight| weight.abs()).sum();
                *spread = spread.and(Spread { largest: sum, ..Activations(&fold).run() });
            }
        }
        Some(Self { avx2, mac, channels, k, k_per_fold, lanes, steps, weights: spreads })
    }

    /// `sums`[row][channel] = activations[row] · weights[channel]; NaN is not yet canonical. `spreads` is
    /// scratch memory.
    pub(in super::super) fn multiply(&self, rows: &[f64], spreads: &mut RowSpreads, sums: &mut [f32]) {
        spreads.0.clear();
        for row in rows.chunks_exact(self.k) {
            spreads.0.extend(row.chunks(self.k_per_fold).map(|fold| self.avx2.run(Activations(fold))));
        }
        #[cfg(target_arch = "x86_64")]
        {
            let Avx2(()) = self.avx2;
            // SAFETY: `self.avx2` exists only where AVX2 and FMA were detected.
            unsafe { kernel::multiply(self, rows, &spreads.0, sums) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        match self.avx2 {}
    }

    /// One fold of one row by the definition.
    fn fold(&self, activations: &[f64], weights: &[[f64; PANEL]]) -> [f32; PANEL] {
        let activations: Vec<bf16> = activations.iter().map(|&value| bf16::from_f64(value)).collect();
        std::array::from_fn(|channel| {
            let weights: Vec<bf16> = weights.iter().map(|step| bf16::from_f64(step[channel])).collect();
            let blocks = activations.chunks(self.lanes).zip(weights.chunks(self.lanes));
            blocks.fold(0.0, |sum, (activations, weights)| self.mac.step(sum, activations, weights))
        })
    }
}

/// Spreads of rows of activations, per row and fold.
#[derive(Debug, Default)]
pub(in super::super) struct RowSpreads(Vec<Spread>);

#[cfg(target_arch = "x86_64")]
mod kernel {
    use std::arch::x86_64::{
        __m256d, _mm_storeu_ps, _mm256_cvtpd_ps, _mm256_cvtps_pd, _mm256_fmadd_pd, _mm256_loadu_pd,
        _mm256_set1_pd, _mm256_setzero_pd,
    };
    use std::array::from_fn;

    use super::{Bf16BlockPanels, PANEL, Spread};

    const TILE_ROWS: usize = 6;

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn multiply(panels: &Bf16BlockPanels, rows: &[f64], spreads: &[Spread], sums: &mut [f32]) {
        let (channels, k) = (panels.channels, panels.k);
        let folds = k.div_ceil(panels.k_per_fold);
        let weights = panels.steps.chunks_exact(k).zip(panels.weights.chunks_exact(folds));
        for (index, (steps, weights)) in weights.enumerate() {
            let panel = Panel { panels, first_channel: index * PANEL, steps, weights };
            let tiles = rows.chunks(TILE_ROWS * k).zip(spreads.chunks(TILE_ROWS * folds));
            for ((rows, spreads), sums) in tiles.zip(sums.chunks_mut(TILE_ROWS * channels)) {
                match rows.len() / k {
                    1 => panel.tile::<1>(rows, spreads, sums),
                    2 => panel.tile::<2>(rows, spreads, sums),
                    3 => panel.tile::<3>(rows, spreads, sums),
                    4 => panel.tile::<4>(rows, spreads, sums),
                    5 => panel.tile::<5>(rows, spreads, sums),
                    _ => panel.tile::<TILE_ROWS>(rows, spreads, sums),
                }
            }
        }
    }

    struct Panel<'a> {
        panels: &'a Bf16BlockPanels,
        first_channel: usize,
        steps: &'a [[f64; PANEL]],
        weights: &'a [Spread],
    }

    impl Panel<'_> {
        #[target_feature(enable = "avx2,fma")]
        fn tile<const ROWS: usize>(&self, rows: &[f64], spreads: &[Spread], sums: &mut [f32]) {
            let k = self.panels.k;
            let rows: [&[f64]; ROWS] = from_fn(|row| &rows[row * k..][..k]);
            let mut accumulators = [[0f32; PANEL]; ROWS];
            for (fold, steps) in self.steps.chunks(self.panels.k_per_fold).enumerate() {
                let first = fold * self.panels.k_per_fold;
                let activations = rows.map(|row| &row[first..][..steps.len()]);
                let mut tile = exact::<ROWS>(activations, steps, self.panels.lanes);
                let spreads = spreads[fold..].iter().step_by(self.weights.len());
                for ((tile, activations), spread) in tile.iter_mut().zip(activations).zip(spreads) {
                    if !spread.sums_are_exact(self.weights[fold]) {
                        *tile = self.panels.fold(activations, steps);
                    }
                }
                let folds = tile.as_flattened().iter();
                for (accumulator, fold) in accumulators.as_flattened_mut().iter_mut().zip(folds) {
                    *accumulator += fold;
                }
            }
            for (sums, tile) in sums.chunks_exact_mut(self.panels.channels).zip(accumulators) {
                for (sum, value) in sums[self.first_channel..].iter_mut().zip(tile) {
                    *sum = value;
                }
            }
        }
    }

    /// One fold, in f64 with one rounding to f32 per block.
    #[target_feature(enable = "avx2,fma")]
    fn exact<const ROWS: usize>(
        rows: [&[f64]; ROWS],
        steps: &[[f64; PANEL]],
        lanes: usize,
    ) -> [[f32; PANEL]; ROWS] {
        let mut tile = [[_mm256_setzero_pd(); 2]; ROWS];
        for (block, steps) in steps.chunks(lanes).enumerate() {
            let first = block * lanes;
            for (step, weights) in steps.iter().enumerate() {
                let (low, high) = weights.split_at(PANEL / 2);
                // SAFETY: both halves are 4 elements of 64 bits; the load needs no alignment.
                let weights = unsafe { [_mm256_loadu_pd(low.as_ptr()), _mm256_loadu_pd(high.as_ptr())] };
                for (sums, row) in tile.iter_mut().zip(&rows) {
                    // SAFETY: a row was sliced to as many elements as there are steps.
                    let activation = _mm256_set1_pd(unsafe { *row.get_unchecked(first + step) });
                    for (sum, weights) in sums.iter_mut().zip(weights) {
                        *sum = _mm256_fmadd_pd(activation, weights, *sum);
                    }
                }
            }
            for sum in tile.as_flattened_mut() {
                *sum = _mm256_cvtps_pd(_mm256_cvtpd_ps(*sum));
            }
        }
        tile.map(|[low, high]| {
            let mut row = [0.0; PANEL];
            let (first, second) = row.split_at_mut(PANEL / 2);
            store(low, first);
            store(high, second);
            row
        })
    }

    #[target_feature(enable = "avx2,fma")]
    fn store(sums: __m256d, half: &mut [f32]) {
        assert_eq!(half.len(), PANEL / 2);
        // SAFETY: the half has 4 elements of 32 bits; the store needs no alignment.
        unsafe { _mm_storeu_ps(half.as_mut_ptr(), _mm256_cvtpd_ps(sums)) }
    }
}
