//! Layers of imported networks on integers: convolutions with zero points, residual adds, pools, lookups.

use std::ops::Range;

use crate::numerics::{F32Add, F32Rne, QuantizedAdd, Requantization};
use crate::workload::{FeatureMap, Window};

use super::convolution::{IntegerConvolution, Scratch};
use super::float::{LargestMagnitude, Stored};
use super::float_operators::FloatStep;
use super::loops::{Loops, Vectors};

/// A layer ready to run.
#[derive(Clone, Debug)]
pub(super) enum ImportedStep {
    Convolution(Box<AffineStep>),
    Add(QuantizedAdd),
    MaxPool { input: FeatureMap, output: FeatureMap, window: Window },
    AveragePool { input: FeatureMap, output: FeatureMap, window: Window, limits: (i16, i16) },
    GlobalAveragePool { zero_point: i32, requantization: Requantization, channels: usize },
    Lookup { smallest: i16, table: Vec<i16> },
    Float(Box<FloatStep>),
}

/// A convolution on integers alone, with zero points.
#[derive(Clone, Debug)]
pub(super) struct AffineStep {
    pub(super) convolution: IntegerConvolution,
    /// Σx of every window and group, where weights have zero points.
    pub(super) window_sums: Option<IntegerConvolution>,
    pub(super) weight_zero_points: Vec<i32>,
    /// Added after the last fold, with what the input's zero point adds.
    pub(super) bias: Vec<i32>,
    pub(super) requantization: Option<Requantization>,
    pub(super) groups: usize,
}

/// What was seen while a convolution ran.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) overflows: u64,
    pub(super) largest: u64,
}

impl ImportedStep {
    /// Executes one image. `Err` is the position of the first NaN that goes onto a grid.
    pub(super) fn run(
        &self,
        input: &Stored,
        second: Option<&Stored>,
        output: &mut Stored,
        scratch: &mut Scratch,
        vectors: Vectors,
    ) -> Result<Seen, usize> {
        match self {
            Self::Convolution(step) => return Ok(step.run(integers(input), output, scratch, vectors)),
            Self::Float(step) => step.run(input, second, output)?,
            Self::Add(add) => {
                let second = second.map_or(&[][..], integers);
                let (first, sums) = (integers(input), integers_mut(output));
                match *add {
                    QuantizedAdd::F32(add) => vectors.run(AddLoops { add, first, second, sums }),
                    QuantizedAdd::FixedPoint(add) => {
                        for (sum, (&first, &second)) in sums.iter_mut().zip(first.iter().zip(second)) {
                            *sum = add.add(first.into(), second.into()) as i16;
                        }
                    }
                }
            }
            Self::MaxPool { input: from, output: to, window } => {
                integer_max_pool(integers(input), *from, *to, *window, integers_mut(output));
            }
            Self::AveragePool { input: from, output: to, window, limits } => {
                integer_average_pool(integers(input), (*from, *to), *window, *limits, integers_mut(output));
            }
            Self::GlobalAveragePool { zero_point, requantization, channels } => {
                let values = integers(input);
                let pixels = values.len() / channels;
                for (channel, mean) in integers_mut(output).iter_mut().enumerate() {
                    let column = values[channel..].iter().step_by(*channels);
                    let sum: i32 = column.map(|&value| i32::from(value)).sum();
                    let sum = sum.wrapping_sub(zero_point.wrapping_mul(pixels as i32));
                    *mean = requantization.requantize(sum, 0) as i16;
                }
            }
            Self::Lookup { smallest, table } => {
                for (to, &from) in integers_mut(output).iter_mut().zip(integers(input)) {
                    *to = table[usize::from((from - smallest) as u16)];
                }
            }
        }
        Ok(Seen::default())
    }
}

impl AffineStep {
    /// Executes one image.
    pub(super) fn run(
        &self,
        input: &[i16],
        output: &mut Stored,
        scratch: &mut Scratch,
        vectors: Vectors,
    ) -> Seen {
        let channels = self.bias.len();
        let window_sums = self.window_sums.as_ref().map(|sums| sums.accumulators(input).0);
        let mut seen = Seen::default();
        let mut corrected = Vec::new();
        seen.overflows = self.convolution.run(input, scratch, |pixels, first, sums| {
            seen.largest = u64::from(vectors.run(LargestMagnitude(sums))).max(seen.largest);
            let sums = match &window_sums {
                None => sums,
                Some(window_sums) => {
                    self.subtract_window_sums(window_sums, &pixels, first, sums, &mut corrected);
                    &corrected
                }
            };
            let n = sums.len() / pixels.len();
            let bias = &self.bias[first..first + n];
            for (pixel, sums) in pixels.zip(sums.chunks_exact(n)) {
                let at = pixel * channels + first..pixel * channels + first + n;
                match (&self.requantization, &mut *output) {
                    (
                        Some(Requantization::F32Rne(grid, ratios)),
                        Stored::Integer(values) | Stored::Grid { values, .. },
                    ) => {
                        let (grid, ratios) = (*grid, &ratios[first..first + n]);
                        let values = &mut values[at];
                        vectors.run(Requantize { grid, ratios, bias, sums, values });
                    }
                    (Some(requantization), Stored::Integer(values) | Stored::Grid { values, .. }) => {
                        let sums = sums.iter().zip(bias).zip(first..);
                        for (value, ((sum, bias), channel)) in values[at].iter_mut().zip(sums) {
                            *value = requantization.requantize(sum.wrapping_add(*bias), channel) as i16;
                        }
                    }
                    (_, Stored::Int32(values)) => {
                        for ((value, sum), bias) in values[at].iter_mut().zip(sums).zip(bias) {
                            *value = sum.wrapping_add(*bias);
                        }
                    }
                    _ => unreachable!("checked when the network was prepared"),
                }
            }
        });
        seen
    }

    /// What is requantized: Σ(x − zx)(w − zw) + bias, NHWC.
    pub(super) fn accumulators(&self, input: &[i16]) -> Vec<i32> {
        let channels = self.bias.len();
        let mut sums = self.convolution.accumulators(input).0;
        if let Some(window_sums) = self.window_sums.as_ref().map(|sums| sums.accumulators(input).0) {
            let per_group = channels / self.groups;
            for (index, sum) in sums.iter_mut().enumerate() {
                let (pixel, channel) = (index / channels, index % channels);
                let window = window_sums[pixel * self.groups + channel / per_group];
                *sum = sum.wrapping_sub(self.weight_zero_points[channel].wrapping_mul(window));
            }
        }
        for (sum, bias) in sums.iter_mut().zip(self.bias.iter().cycle()) {
            *sum = sum.wrapping_add(*bias);
        }
        sums
    }

    /// sums − zw·Σx.
    fn subtract_window_sums(
        &self,
        window_sums: &[i32],
        pixels: &Range<usize>,
        first: usize,
        sums: &[i32],
        corrected: &mut Vec<i32>,
    ) {
        let n = sums.len() / pixels.len();
        let group = first / (self.bias.len() / self.groups);
        let zero_points = &self.weight_zero_points[first..first + n];
        corrected.clear();
        for (pixel, sums) in pixels.clone().zip(sums.chunks_exact(n)) {
            let window = window_sums[pixel * self.groups + group];
            let rest =
                sums.iter().zip(zero_points).map(|(sum, zw)| sum.wrapping_sub(zw.wrapping_mul(window)));
            corrected.extend(rest);
        }
    }
}

struct Requantize<'a> {
    grid: F32Rne,
    ratios: &'a [f32],
    bias: &'a [i32],
    sums: &'a [i32],
    values: &'a mut [i16],
}

impl Loops for Requantize<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { grid, ratios, bias, sums, values } = self;
        let terms = sums.iter().zip(bias).zip(ratios);
        for (value, ((sum, bias), ratio)) in values.iter_mut().zip(terms) {
            *value = grid.requantize_finite(sum.wrapping_add(*bias), *ratio) as i16;
        }
    }
}

struct AddLoops<'a> {
    add: F32Add,
    first: &'a [i16],
    second: &'a [i16],
    sums: &'a mut [i16],
}

impl Loops for AddLoops<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { add, first, second, sums } = self;
        for (sum, (&first, &second)) in sums.iter_mut().zip(first.iter().zip(second)) {
            *sum = add.add(i32::from(first), i32::from(second)) as i16;
        }
    }
}

/// The largest tap inside the image of each window and channel, NHWC.
fn integer_max_pool(values: &[i16], from: FeatureMap, to: FeatureMap, window: Window, pooled: &mut [i16]) {
    for_each_window(from, to, window, |pixel, taps| {
        let largest = &mut pooled[pixel * to.channels..][..to.channels];
        largest.fill(i16::MIN);
        for tap in taps {
            for (largest, &value) in largest.iter_mut().zip(&values[tap * from.channels..]) {
                *largest = value.max(*largest);
            }
        }
    });
}

/// The mean of the taps inside the image of each window and channel, NHWC, halves away from zero: TensorFlow Lite's
/// AVERAGE_POOL_2D (`reference/integer_ops/pooling.h`), which knows no zero point.
fn integer_average_pool(
    values: &[i16],
    (from, to): (FeatureMap, FeatureMap),
    window: Window,
    (low, high): (i16, i16),
    pooled: &mut [i16],
) {
    let mut sums = vec![0i64; to.channels];
    for_each_window(from, to, window, |pixel, taps| {
        sums.fill(0);
        for tap in taps {
            for (sum, &value) in sums.iter_mut().zip(&values[tap * from.channels..]) {
                *sum += i64::from(value);
            }
        }
        let count = taps.len().max(1) as i64;
        for (mean, sum) in pooled[pixel * to.channels..].iter_mut().zip(&sums) {
            let half = sum.signum() * (count / 2);
            *mean = ((sum + half) / count).clamp(low.into(), high.into()) as i16; // within 8 bits
        }
    });
}

/// Calls `each(output pixel, input pixels of its taps inside the image in (row, column) order)`.
pub(super) fn for_each_window(
    from: FeatureMap,
    to: FeatureMap,
    window: Window,
    mut each: impl FnMut(usize, &[usize]),
) {
    let Window { kernel, stride, dilation, padding } = window;
    let mut taps = Vec::with_capacity(kernel.height * kernel.width);
    for y in 0..to.height {
        for x in 0..to.width {
            taps.clear();
            for tap_y in 0..kernel.height {
                let row = (y * stride.height + tap_y * dilation.height).checked_sub(padding.top);
                let Some(row) = row.filter(|&row| row < from.height) else { continue };
                for tap_x in 0..kernel.width {
                    let column = (x * stride.width + tap_x * dilation.width).checked_sub(padding.left);
                    let Some(column) = column.filter(|&column| column < from.width) else { continue };
                    taps.push(row * from.width + column);
                }
            }
            each(y * to.width + x, &taps);
        }
    }
}

/// Elements of an edge that is stored in integers.
pub(super) fn integers(stored: &Stored) -> &[i16] {
    match stored {
        Stored::Integer(values) => values,
        _ => unreachable!("checked when the network was prepared"),
    }
}

pub(super) fn integers_mut(stored: &mut Stored) -> &mut [i16] {
    match stored {
        Stored::Integer(values) => values,
        _ => unreachable!("checked when the network was prepared"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Padding, Size};

    /// Windows of 2×2 over 2×3 with a column of padding on the right: sums of the taps inside only.
    #[test]
    fn average_pools_round_halves_away_from_zero() {
        let size = |height, width| Size { height, width };
        let map = |height, width| FeatureMap { height, width, channels: 1 };
        let window = Window {
            kernel: size(2, 2),
            stride: size(1, 2),
            dilation: size(1, 1),
            padding: Padding { right: 1, ..Padding::default() },
        };
        let pool = |values: [i16; 6], limits| {
            let mut pooled = [0; 2];
            integer_average_pool(&values, (map(2, 3), map(1, 2)), window, limits, &mut pooled);
            pooled
        };
        // 10 / 4 and 7 / 2; then their negatives.
        assert_eq!(pool([1, 2, 3, 3, 4, 4], (-128, 127)), [3, 4]);
        assert_eq!(pool([-1, -2, -3, -3, -4, -4], (-128, 127)), [-3, -4]);
        assert_eq!(pool([1, 2, 3, 3, 4, 4], (-5, 3)), [3, 3]);
    }
}
