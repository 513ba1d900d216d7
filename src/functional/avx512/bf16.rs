//! bf16 operands: products join in strict k order, in f32.
//!
//! The definition rounds twice per product: rnd(rnd(a·w) + sum). Where a·w is an f32 the inner rounding does
//! nothing, and one fused rnd(a·w + sum) gives the same bits, signs of zero included: IEEE 754 treats a fused
//! product that is exactly zero as the product's zero. a·w has at most 8 + 8 significant bits of an f32's 24,
//! so it is one unless its exponent is out of range; [`Exponents`] tell. Infinite operands have exact products
//! or NaN either way, and NaN is made canonical later. Where exponents do not exclude the range's ends, the
//! same tiles multiply, then add.

use half::bf16;

use crate::functional::loops::Loops;

use super::{Avx512, PANEL};

/// Weights of one group: per panel and k, 32 channels in 16 pairs, of which the lower half is channel i and
/// the upper channel i + 16.
#[derive(Clone, Debug)]
pub(in super::super) struct Bf16Panels {
    avx512: Avx512,
    channels: usize,
    k: usize,
    steps: Vec<[u32; PANEL / 2]>,
    exponents: Exponents,
}

impl Bf16Panels {
    /// Packs rows of K weights, one per output channel.
    pub(in super::super) fn new(avx512: Avx512, weights: &[bf16], k: usize) -> Self {
        let channels = weights.len() / k;
        let mut steps = vec![[0; PANEL / 2]; channels.div_ceil(PANEL) * k];
        for (channel, row) in weights.chunks_exact(k).enumerate() {
            let (panel, lane) = (channel / PANEL, channel % PANEL);
            let (pair, shift) = (lane % (PANEL / 2), lane / (PANEL / 2) * 16);
            for (step, weight) in row.iter().enumerate() {
                steps[panel * k + step][pair] |= u32::from(weight.to_bits()) << shift;
            }
        }
        Self { avx512, channels, k, steps, exponents: Exponents::of(weights).run() }
    }

    /// `sums`[row][channel] = activations[row] · weights[channel] with folds of `k_per_fold`; NaN is
    /// not yet canonical. `exponents` are those of all rows, or wider.
    pub(in super::super) fn multiply(
        &self,
        rows: &[f32],
        exponents: Exponents,
        k_per_fold: usize,
        sums: &mut [f32],
    ) {
        #[cfg(target_arch = "x86_64")]
        {
            let Avx512(()) = self.avx512;
            // SAFETY: `self.avx512` exists only where these parts of AVX-512 were detected.
            unsafe {
                if exponents.have_exact_products(self.exponents) {
                    kernel::multiply::<true>(self, rows, k_per_fold, sums);
                } else {
                    kernel::multiply::<false>(self, rows, k_per_fold, sums);
                }
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        match self.avx512 {}
    }
}

/// The range of biased exponents among values that are not zero; a subnormal's is 1, for what its last
/// bit is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Exponents {
    smallest: u16,
    largest: u16,
}

impl Exponents {
    /// Any finite or infinite value may be there.
    pub(in super::super) const ALL: Self = Self { smallest: 1, largest: 255 };

    /// The loop that finds those of some values.
    pub(in super::super) fn of(values: &[bf16]) -> FindExponents<'_> {
        FindExponents(values)
    }

    /// Whether every product of two such values is an f32, infinite or NaN.
    ///
    /// A value of biased exponent e is a multiple of 2^(e − 134) and below 2^(e − 126). A product is then a
    /// multiple of 2^(e + e' − 268), which must be at least f32's smallest subnormal 2^−149, and below
    /// 2^(e + e' − 252), which must be at most 2^128.
    fn have_exact_products(self, other: Self) -> bool {
        self.smallest + other.smallest >= 268 - 149 && self.largest + other.largest <= 252 + 128
    }
}

/// Finds [`Exponents`].
pub(in super::super) struct FindExponents<'a>(&'a [bf16]);

impl Loops for FindExponents<'_> {
    type Output = Exponents;

    #[inline(always)]
    fn run(self) -> Exponents {
        const INFINITE: u16 = 0x7f80;
        // Zero has no exponent: one less than its magnitude is the largest number.
        let (smallest, largest) = self.0.iter().fold((INFINITE - 1, 0), |(smallest, largest), value| {
            let magnitude = value.to_bits() & 0x7fff;
            (magnitude.wrapping_sub(1).min(smallest), magnitude.max(largest))
        });
        Exponents { smallest: ((smallest + 1) >> 7).max(1), largest: largest >> 7 }
    }
}

#[cfg(target_arch = "x86_64")]
mod kernel {
    use std::arch::x86_64::{
        _MM_HINT_T1, _mm_prefetch, _mm512_add_ps, _mm512_and_si512, _mm512_castsi512_ps, _mm512_fmadd_ps,
        _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps,
        _mm512_setzero_ps, _mm512_slli_epi32, _mm512_storeu_ps,
    };
    use std::array::from_fn;

    use super::{Bf16Panels, PANEL};
    use crate::functional::avx512::{TILE_ROWS, for_rows};

    type Row = [f32; PANEL];

    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub(super) fn multiply<const FUSED: bool>(
        panels: &Bf16Panels,
        rows: &[f32],
        k_per_fold: usize,
        sums: &mut [f32],
    ) {
        let (channels, k) = (panels.channels, panels.k);
        for (index, panel) in panels.steps.chunks_exact(k).enumerate() {
            let first = index * PANEL;
            let width = PANEL.min(channels - first);
            for (rows, sums) in rows.chunks(BLOCK_ROWS * k).zip(sums.chunks_mut(BLOCK_ROWS * channels)) {
                let mut accumulators = [[0.0; PANEL]; BLOCK_ROWS];
                // Fold by fold, so that a fold's weights stay in the first cache for all rows.
                for (fold, steps) in panel.chunks(k_per_fold).enumerate() {
                    let tiles = rows.chunks(TILE_ROWS * k).zip(accumulators.chunks_mut(TILE_ROWS));
                    for (rows, accumulators) in tiles {
                        let count = rows.len() / k;
                        let rows = Rows { elements: &rows[fold * k_per_fold..], stride: k };
                        for_rows!(count, tile::<FUSED>(rows, steps, accumulators));
                    }
                }
                for (row, accumulators) in sums.chunks_exact_mut(channels).zip(&accumulators) {
                    row[first..first + width].copy_from_slice(&accumulators[..width]);
                }
            }
        }
    }

    /// Rows whose sums are held at a time.
    const BLOCK_ROWS: usize = 4 * TILE_ROWS;

    /// Rows of activations from one k on.
    struct Rows<'a> {
        elements: &'a [f32],
        stride: usize,
    }

    /// Adds one fold of a tile to its accumulators.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn tile<const ROWS: usize, const FUSED: bool>(
        rows: Rows<'_>,
        steps: &[[u32; PANEL / 2]],
        accumulators: &mut [Row],
    ) {
        let rows: [&[f32]; ROWS] = from_fn(|row| &rows.elements[row * rows.stride..][..steps.len()]);
        let mut tile = [[_mm512_setzero_ps(); 2]; ROWS];
        let upper_half = _mm512_set1_epi32(-1 << 16);
        for (step, pairs) in steps.iter().enumerate() {
            // A hint, of any address: the next fold's weights follow this fold's.
            _mm_prefetch::<_MM_HINT_T1>(pairs.as_ptr().wrapping_add(steps.len() * PANEL / 2).cast());
            // SAFETY: 16 elements of 32 bits; the load needs no alignment.
            let pairs = unsafe { _mm512_loadu_si512(pairs.as_ptr().cast()) };
            // A bf16 is the upper half of an f32.
            let weights = [_mm512_slli_epi32::<16>(pairs), _mm512_and_si512(pairs, upper_half)];
            for (sums, row) in tile.iter_mut().zip(&rows) {
                // SAFETY: a row was sliced to as many elements as there are steps.
                let activation = _mm512_set1_ps(unsafe { *row.get_unchecked(step) });
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    let weights = _mm512_castsi512_ps(weights);
                    *sum = if FUSED {
                        _mm512_fmadd_ps(activation, weights, *sum)
                    } else {
                        _mm512_add_ps(*sum, _mm512_mul_ps(activation, weights))
                    };
                }
            }
        }
        for (accumulators, fold) in accumulators.iter_mut().zip(tile) {
            for (accumulators, fold) in accumulators.as_chunks_mut::<{ PANEL / 2 }>().0.iter_mut().zip(fold) {
                // SAFETY: 16 elements of 32 bits; neither needs alignment.
                unsafe {
                    let sum = _mm512_add_ps(_mm512_loadu_ps(accumulators.as_ptr()), fold);
                    _mm512_storeu_ps(accumulators.as_mut_ptr(), sum);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functional::portable::bf16_dot;
    use crate::mapping::ReductionOrder;
    use crate::numerics::Bf16Mac;

    fn value(exponent: u16, fraction: u16) -> bf16 {
        bf16::from_bits(exponent << 7 | fraction)
    }

    #[test]
    fn exponents_admit_products_that_are_f32_and_no_others() {
        let (mut admitted, mut refused) = (0, 0);
        for (left, right) in (0..255).flat_map(|left| (0..255).map(move |right| (left, right))) {
            let exact = |fractions: [u16; 2]| {
                let operands = [value(left, fractions[0]), value(right, fractions[1])];
                let [left, right] = operands.map(f64::from); // whose product is an f64
                let product = (left * right) as f32;
                product.is_finite() && f64::from(product) == left * right
            };
            let fractions = [[1, 1], [0x7f, 0x7f], [0x7f, 1]];
            let admits = Exponents::of(&[value(left, 1)])
                .run()
                .have_exact_products(Exponents::of(&[value(right, 0x7f)]).run());
            if admits {
                assert!(fractions.into_iter().all(exact), "{left} {right}");
                admitted += 1;
            } else {
                assert!(!fractions.into_iter().all(exact), "{left} {right}");
                refused += 1;
            }
        }
        assert!(admitted > 10_000 && refused > 10_000);
    }

    #[test]
    fn zeros_have_no_exponents_and_the_rest_count_by_magnitude() {
        let of = |bits: &[u16]| {
            let values: Vec<bf16> = bits.iter().map(|&bits| bf16::from_bits(bits)).collect();
            let Exponents { smallest, largest } = Exponents::of(&values).run();
            (smallest, largest)
        };
        assert_eq!(of(&[0, 0x8000]), (255, 0));
        assert_eq!(of(&[0, 0x8001, 0xbf80]), (1, 127));
        assert_eq!(of(&[0x3f80, 0x4000, 0xff80]), (127, 255));
        assert_eq!(of(&[0x0080, 0xffff]), (1, 255));
    }

    /// Where products are subnormal, exact or rounded, where they and sums overflow, and between.
    #[test]
    fn both_kinds_of_tiles_equal_the_definition_at_the_ends_of_the_range() {
        let Some(avx512) = Avx512::detect() else { return };
        let mut state = 7u64;
        let mut random = move |below: u16| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % u64::from(below)) as u16
        };
        let mut kinds = [0; 2];
        // Pairs of the lowest exponents; each range is four wide, 0 among the values.
        for lowest in [
            [59, 60],
            [58, 60],
            [56, 60],
            [0, 120],
            [187, 187],
            [188, 187],
            [192, 188],
            [251, 0],
            [252, 252],
            [126, 126],
        ] {
            for (rows, channels, k, k_per_fold) in [
                (1, 1, 1, 1),
                (13, 31, 7, 3),
                (14, 32, 64, 32),
                (15, 33, 65, 64),
                (29, 48, 130, 128),
                (57, 65, 20, 400),
            ] {
                let mut values = |count, lowest| -> Vec<bf16> {
                    let mut one = || {
                        let sign = random(2) << 15;
                        let magnitude = value(lowest + random(4), random(128)).to_bits();
                        bf16::from_bits(if random(16) == 0 { sign } else { sign | magnitude })
                    };
                    (0..count).map(|_| one()).collect()
                };
                let (activations, weights) = (values(rows * k, lowest[0]), values(channels * k, lowest[1]));
                let panels = Bf16Panels::new(avx512, &weights, k);
                let exponents = Exponents::of(&activations).run();
                kinds[usize::from(exponents.have_exact_products(panels.exponents))] += 1;
                let widened: Vec<f32> = activations.iter().map(|value| value.to_f32()).collect();
                let mut sums = vec![f32::NAN; rows * channels];
                panels.multiply(&widened, exponents, k_per_fold, &mut sums);
                for (index, sum) in sums.into_iter().enumerate() {
                    let (row, channel) = (index / channels, index % channels);
                    let mac = Bf16Mac::default();
                    let expected = bf16_dot(
                        &activations[row * k..][..k],
                        &weights[channel * k..][..k],
                        mac,
                        ReductionOrder::per_fold(k_per_fold),
                    );
                    let sum = mac.canonical(sum);
                    assert_eq!(
                        sum.to_bits(),
                        expected.to_bits(),
                        "{lowest:?} {rows}×{channels}×{k} at {index}"
                    );
                }
            }
        }
        assert!(kinds.into_iter().all(|count| count > 10), "{kinds:?}");
    }
}
