//! Pools of integers whose windows slide: the largest tap, or the mean of all.

use crate::numerics::F32Average;
use crate::workload::{FeatureMap, PoolDivisor, Window};

use super::imported::Lookup;
use super::windows::{Taps, for_each_window};

/// A pool ready to run.
#[derive(Clone, Debug)]
pub(super) struct IntegerPool {
    pub(super) input: FeatureMap,
    pub(super) output: FeatureMap,
    pub(super) window: Window,
    pub(super) kind: PoolKind,
}

/// What becomes of the taps inside the image of each window and channel.
#[derive(Clone, Debug)]
pub(super) enum PoolKind {
    /// The largest.
    Max,
    /// Another integer for the largest.
    MaxLookup(Lookup),
    /// Their mean, halves away from zero, within limits: TensorFlow Lite's AVERAGE_POOL_2D
    /// (`reference/integer_ops/pooling.h`), which knows no zero point.
    Average(i16, i16),
    /// Their sum, dequantized and in (row, column) order, over their number or that of all taps.
    F32Average(F32Average, PoolDivisor),
}

impl IntegerPool {
    /// Pools one image, NHWC.
    pub(super) fn run(&self, values: &[i16], pooled: &mut [i16]) {
        match &self.kind {
            PoolKind::Max => self.fold(i16::MIN, values, pooled, i16::max, |_, largest| largest),
            PoolKind::MaxLookup(lookup) => {
                self.fold(i16::MIN, values, pooled, i16::max, |_, largest| lookup.of(largest));
            }
            PoolKind::Average(low, high) => self.fold(
                0,
                values,
                pooled,
                |sum: i64, value| sum + i64::from(value),
                |taps, sum| {
                    let count = taps.count().max(1) as i64;
                    let half = sum.signum() * (count / 2);
                    ((sum + half) / count).clamp((*low).into(), (*high).into()) as i16 // within 8 bits
                },
            ),
            PoolKind::F32Average(average, divisor) => {
                let all = self.window.kernel.height * self.window.kernel.width;
                self.fold(
                    0.0,
                    values,
                    pooled,
                    |sum, value| sum + average.term(value),
                    |taps, sum| {
                        let count = match divisor {
                            PoolDivisor::InsideTaps => taps.count(),
                            PoolDivisor::AllTaps => all,
                        };
                        average.mean(sum, count)
                    },
                );
            }
        }
    }

    /// Folds the taps of each window and channel, in order.
    fn fold<A: Copy>(
        &self,
        first: A,
        values: &[i16],
        pooled: &mut [i16],
        join: impl Fn(A, i16) -> A,
        finish: impl Fn(&Taps, A) -> i16,
    ) {
        let channels = self.output.channels;
        let mut folded = vec![first; channels];
        for_each_window(self.input, self.output, self.window, |pixel, taps| {
            folded.fill(first);
            for tap in taps.pixels() {
                for (folded, &value) in folded.iter_mut().zip(&values[tap * channels..]) {
                    *folded = join(*folded, value);
                }
            }
            for (to, folded) in pooled[pixel * channels..].iter_mut().zip(&folded) {
                *to = finish(&taps, *folded);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::{IntegerFormat, OutputGrid, Scale, Signedness, ZeroPointAdded};
    use crate::workload::{Padding, Size};

    /// Windows of 2×2 over 2×3 with a column of padding on the right.
    fn pool(values: [i16; 6], kind: PoolKind) -> [i16; 2] {
        let size = |height, width| Size { height, width };
        let map = |height, width| FeatureMap { height, width, channels: 1 };
        let window = Window {
            kernel: size(2, 2),
            stride: size(1, 2),
            dilation: size(1, 1),
            padding: Padding { right: 1, ..Padding::default() },
        };
        let mut pooled = [0; 2];
        IntegerPool { input: map(2, 3), output: map(1, 2), window, kind }.run(&values, &mut pooled);
        pooled
    }

    #[test]
    fn integer_means_round_halves_away_from_zero() {
        // 10 / 4 and 7 / 2; then their negatives.
        let all = PoolKind::Average(-128, 127);
        assert_eq!(pool([1, 2, 3, 3, 4, 4], all.clone()), [3, 4]);
        assert_eq!(pool([-1, -2, -3, -3, -4, -4], all), [-3, -4]);
        assert_eq!(pool([1, 2, 3, 3, 4, 4], PoolKind::Average(-5, 3)), [3, 3]);
    }

    #[test]
    fn f32_means_divide_by_the_taps_asked_for() {
        let format = IntegerFormat::new(Signedness::Signed, 8).unwrap();
        let grid = OutputGrid { format, zero_point: 0, limits: (-128, 127) };
        let scale = Scale { scale: 0.5, zero_point: 1 };
        let average = F32Average::new(scale, 4, 0.25, grid, ZeroPointAdded::BeforeRounding).unwrap();
        let mean = |divisor| pool([1, 2, 3, 3, 4, 4], PoolKind::F32Average(average, divisor));
        // (0 + 1 + 2 + 3)·0.5 / 4 / 0.25 = 3; (2 + 3)·0.5 / 2 / 0.25 = 5, or over all four 2.5: to even.
        assert_eq!(mean(PoolDivisor::InsideTaps), [3, 5]);
        assert_eq!(mean(PoolDivisor::AllTaps), [3, 2]);
    }
}
