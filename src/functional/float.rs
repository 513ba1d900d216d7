//! The vector unit: what happens to accumulators until they are stored, and to stored values until
//! they are operands.

use std::ops::Range;

use half::bf16;

use crate::numerics::{
    Activation, CANONICAL_NAN, Grid, IntegerFormat, Rounding, Signedness, Store, post_process, round_bf16,
};
use crate::tensor::{Data, Tensor};
use crate::workload::{FeatureMap, Window};

use super::loops::Loops;

/// One image's elements of an edge, NHWC, as stored.
#[derive(Clone, Debug)]
pub(super) enum Stored {
    Grid {
        grid: Grid,
        scale: f32,
        values: Vec<i16>,
    },
    Bf16(Vec<bf16>),
    F32(Vec<f32>),
    /// Requantized by the layer that writes them.
    Integer(Vec<i16>),
    Int32(Vec<i32>),
}

impl Stored {
    pub(super) fn new(store: Store, elements: usize) -> Self {
        match store {
            Store::Grid(grid, scale) => Self::Grid { grid, scale, values: vec![0; elements] },
            Store::Bf16 => Self::Bf16(vec![bf16::ZERO; elements]),
            Store::F32 => Self::F32(vec![0.0; elements]),
            Store::Integer(_) => Self::Integer(vec![0; elements]),
            Store::Int32 => Self::Int32(vec![0; elements]),
        }
    }

    /// Rounds `values` to the stored format, to positions from `first` on. The position of the first
    /// NaN if there is one and the format is a grid.
    #[inline(always)]
    pub(super) fn store(&mut self, first: usize, values: impl Iterator<Item = f32> + Clone) -> Option<usize> {
        match self {
            &mut Self::Grid { grid, scale, values: ref mut stored } => {
                let quantized = &mut stored[first..];
                Quantize { grid, scale, values, quantized }.run().map(|nan| first + nan)
            }
            Self::Bf16(stored) => {
                for (stored, value) in stored[first..].iter_mut().zip(values) {
                    *stored = round_bf16(value);
                }
                None
            }
            Self::F32(stored) => {
                for (stored, value) in stored[first..].iter_mut().zip(values) {
                    *stored = if value.is_nan() { CANONICAL_NAN } else { value };
                }
                None
            }
            Self::Integer(_) | Self::Int32(_) => unreachable!("layers of imports write these themselves"),
        }
    }

    /// The same as a tensor [1, height, width, channels]; integers in 8-bit carriers.
    pub(super) fn tensor(&self, store: Store, shape: FeatureMap) -> Option<Tensor> {
        let data = match (self, store) {
            (Self::Grid { grid, values, .. }, _) => carrier(grid.format(), values),
            (Self::Bf16(values), _) => Data::Bf16(values.clone()),
            (Self::F32(values), _) => Data::F32(values.clone()),
            (Self::Integer(values), Store::Integer(format)) => carrier(format, values),
            (Self::Integer(_), _) => return None,
            (Self::Int32(values), _) => Data::I32(values.clone()),
        };
        Tensor::new(vec![1, shape.height, shape.width, shape.channels], data)
    }
}

/// The elements of a stored edge as the real numbers that they stand for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reals<'a> {
    Bf16(&'a [bf16]),
    /// q stands for f32(q) / scale.
    Grid {
        values: &'a [i16],
        scale: f32,
    },
}

impl Reals<'_> {
    pub(super) fn len(self) -> usize {
        match self {
            Self::Bf16(values) => values.len(),
            Self::Grid { values, .. } => values.len(),
        }
    }

    #[inline(always)]
    pub(super) fn at(self, index: usize) -> f32 {
        match self {
            Self::Bf16(values) => values[index].to_f32(),
            Self::Grid { values, scale } => f32::from(values[index]) / scale,
        }
    }
}

/// Values of a format of at most 8 bits in their carrier.
fn carrier(format: IntegerFormat, values: &[i16]) -> Data {
    match format.signedness() {
        Signedness::Signed => Data::I8(values.iter().map(|&value| value as i8).collect()),
        Signedness::Unsigned => Data::U8(values.iter().map(|&value| value as u8).collect()),
    }
}

/// Puts values onto a grid.
pub(super) struct Quantize<'a, I> {
    pub(super) grid: Grid,
    pub(super) scale: f32,
    pub(super) values: I,
    pub(super) quantized: &'a mut [i16],
}

impl<I: Iterator<Item = f32> + Clone> Loops for Quantize<'_, I> {
    /// The position of the first NaN, if any.
    type Output = Option<usize>;

    #[inline(always)]
    fn run(self) -> Option<usize> {
        // A loop per rounding, so that none decides it element by element.
        match self.grid.rounding() {
            Rounding::Floor => self.each(|scaled| Rounding::Floor.round(scaled)),
            Rounding::HalfUp => self.each(|scaled| Rounding::HalfUp.round(scaled)),
            Rounding::HalfEven => self.each(|scaled| Rounding::HalfEven.round(scaled)),
        }
    }
}

impl<I: Iterator<Item = f32> + Clone> Quantize<'_, I> {
    /// [`Grid::quantize`] without a branch per element.
    #[inline(always)]
    fn each(mut self, round: impl Fn(f32) -> f32) -> Option<usize> {
        let (low, high) = self.grid.limits();
        let mut nan = false;
        for (quantized, value) in self.quantized.iter_mut().zip(self.values.clone()) {
            let scaled = value * self.scale;
            nan |= scaled.is_nan();
            *quantized = round(scaled.clamp(low, high)) as i32 as i16; // at most 8 bits
        }
        if nan { self.values.position(|value| (value * self.scale).is_nan()) } else { None }
    }
}

/// The largest magnitude of a block of accumulators.
pub(super) struct LargestMagnitude<'a>(pub(super) &'a [i32]);

impl Loops for LargestMagnitude<'_> {
    type Output = u32;

    #[inline(always)]
    fn run(self) -> u32 {
        self.0.iter().fold(0, |largest, sum| largest.max(sum.unsigned_abs()))
    }
}

/// The fused rest of a convolution.
#[derive(Clone, Debug)]
pub(super) struct PostProcess {
    pub(super) multiplier: Vec<f32>,
    pub(super) bias: Vec<f32>,
    pub(super) activation: Activation,
}

/// Post-processes and stores a block of accumulators.
pub(super) struct Block<'a, T, F> {
    pub(super) post: &'a PostProcess,
    pub(super) pixels: Range<usize>,
    /// First channel.
    pub(super) first: usize,
    /// [pixel][channel].
    pub(super) sums: &'a [T],
    pub(super) to_f32: F,
    /// A whole edge.
    pub(super) shortcut: Option<Reals<'a>>,
    /// A whole edge.
    pub(super) output: &'a mut Stored,
}

impl<T: Copy, F: Fn(T) -> f32 + Copy> Loops for Block<'_, T, F> {
    /// The position of the first NaN on a grid, if any.
    type Output = Option<usize>;

    #[inline(always)]
    fn run(self) -> Option<usize> {
        let Self { post, pixels, first, sums, to_f32, shortcut, output } = self;
        let n = sums.len() / pixels.len();
        let channels = first..first + n;
        let (multiplier, bias) = (&post.multiplier[channels.clone()], &post.bias[channels]);
        let mut nan = None;
        for (pixel, sums) in pixels.zip(sums.chunks_exact(n)) {
            let position = pixel * post.multiplier.len() + first;
            let scaled = sums.iter().zip(multiplier.iter().zip(bias));
            let found = match shortcut {
                None => {
                    let values = scaled.map(|(&sum, (&multiplier, &bias))| {
                        post_process(to_f32(sum), multiplier, bias, None, post.activation)
                    });
                    output.store(position, values)
                }
                // A loop per format, so that none decides it element by element.
                Some(Reals::Bf16(shortcut)) => {
                    let values =
                        scaled.zip(&shortcut[position..]).map(|((&sum, (&multiplier, &bias)), shortcut)| {
                            let shortcut = Some(shortcut.to_f32());
                            post_process(to_f32(sum), multiplier, bias, shortcut, post.activation)
                        });
                    output.store(position, values)
                }
                Some(Reals::Grid { values: shortcut, scale }) => {
                    let values =
                        scaled.zip(&shortcut[position..]).map(|((&sum, (&multiplier, &bias)), &shortcut)| {
                            let shortcut = Some(f32::from(shortcut) / scale);
                            post_process(to_f32(sum), multiplier, bias, shortcut, post.activation)
                        });
                    output.store(position, values)
                }
            };
            nan = nan.or(found);
        }
        nan
    }
}

/// A max pool over one image.
#[derive(Clone, Copy, Debug)]
pub(super) struct MaxPool {
    pub(super) input: FeatureMap,
    pub(super) output: FeatureMap,
    pub(super) window: Window,
}

/// Pools and stores one image.
pub(super) struct PoolLoops<'a> {
    pub(super) pool: MaxPool,
    pub(super) input: Reals<'a>,
    pub(super) output: &'a mut Stored,
}

impl Loops for PoolLoops<'_> {
    /// The position of the first NaN on a grid, if any.
    type Output = Option<usize>;

    #[inline(always)]
    fn run(self) -> Option<usize> {
        let Self { pool, input, output } = self;
        // A loop per format, so that none decides it element by element.
        match input {
            Reals::Bf16(values) => pool.run(values, |value| value.to_f32(), output),
            Reals::Grid { values, scale } => pool.run(values, |value| f32::from(value) / scale, output),
        }
    }
}

impl MaxPool {
    /// Stores the largest tap inside the image of each window and channel, NHWC.
    #[inline(always)]
    fn run<T: Copy>(self, input: &[T], real: impl Fn(T) -> f32, output: &mut Stored) -> Option<usize> {
        let Self { input: FeatureMap { height, width, channels }, output: to, window } = self;
        let Window { kernel, stride, padding, .. } = window;
        // Positions of a window's taps along one direction, those in the padding left out.
        let taps = |out: usize, stride: usize, kernel: usize, before: usize, size: usize| {
            let first = out * stride;
            first.max(before) - before..(first + kernel - before).min(size)
        };
        let mut largest = vec![0.0; channels];
        let mut nan = None;
        for pixel in 0..to.height * to.width {
            let (y, x) = (pixel / to.width, pixel % to.width);
            largest.fill(f32::NEG_INFINITY);
            for row in taps(y, stride.height, kernel.height, padding.top, height) {
                for column in taps(x, stride.width, kernel.width, padding.left, width) {
                    let values = &input[(row * width + column) * channels..][..channels];
                    for (largest, &value) in largest.iter_mut().zip(values) {
                        *largest = maximum(*largest, real(value));
                    }
                }
            }
            nan = nan.or(output.store(pixel * channels, largest.iter().copied()));
        }
        nan
    }
}

/// IEEE 754-2019 maximum: NaN if either is one (here the canonical one), and +0 above −0.
#[inline(always)] // into loops compiled for AVX2
fn maximum(a: f32, b: f32) -> f32 {
    if a.is_nan() || b.is_nan() {
        CANONICAL_NAN
    } else if a.total_cmp(&b).is_lt() {
        b
    } else {
        a
    }
}

/// Mean over height and width of each channel: f32 sum from +0 in (h, w) order times f32(1/count).
pub(super) fn global_average_pool(input: Reals<'_>, channels: usize) -> impl Iterator<Item = f32> + Clone {
    let reciprocal = 1.0 / (input.len() / channels) as f32;
    (0..channels).map(move |channel| {
        let values = (channel..input.len()).step_by(channels);
        values.fold(0.0, |sum, index| sum + input.at(index)) * reciprocal
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functional::convolution::Kernels;
    use crate::functional::loops::Vectors;
    use crate::numerics::QuantizerKind;
    use crate::workload::{Padding, Size};

    #[test]
    fn grids_refuse_nan_and_name_the_first() {
        let format = IntegerFormat::new(Signedness::Signed, 8).unwrap();
        let grid = Grid::new(QuantizerKind::AqtV2, format).unwrap();
        let mut stored = Stored::new(Store::Grid(grid, 1.0), 4);
        assert_eq!(stored.store(1, [2.5, f32::NAN, f32::NAN].into_iter()), Some(2));
        let mut stored = Stored::new(Store::Bf16, 1);
        assert_eq!(stored.store(0, [f32::NAN].into_iter()), None);
    }

    #[test]
    fn loops_quantize_as_the_grid_does() {
        let values: Vec<f32> = (-5000..5000i16)
            .map(|i| f32::from(i) / 16.0)
            .chain([f32::INFINITY, f32::NEG_INFINITY, f32::MIN_POSITIVE, -0.0, 3e38, 0.49999997])
            .collect();
        for (kind, signedness, bits) in [
            (QuantizerKind::AqtLegacy, Signedness::Signed, 8),
            (QuantizerKind::AqtLegacy, Signedness::Unsigned, 8),
            (QuantizerKind::AqtLegacy, Signedness::Unsigned, 4),
            (QuantizerKind::AqtV2, Signedness::Signed, 4),
        ] {
            let grid = Grid::new(kind, IntegerFormat::new(signedness, bits).unwrap()).unwrap();
            for scale in [1.0, 0.3, 1e30] {
                let expected: Vec<i16> =
                    values.iter().map(|&value| grid.quantize(value, scale).unwrap() as i16).collect();
                let quantize = |vectors: Vectors| {
                    let mut quantized = vec![0; values.len()];
                    let (values, to) = (values.iter().copied(), &mut quantized);
                    let quantize = Quantize { grid, scale, values, quantized: to };
                    let nan = vectors.run(quantize);
                    assert_eq!(nan, None);
                    quantized
                };
                for kernels in [Kernels::Portable, Kernels::Avx2, Kernels::Fastest] {
                    assert_eq!(quantize(kernels.vectors()), expected, "{grid:?} {scale} {kernels:?}");
                }
            }
        }
    }

    #[test]
    fn a_grid_stands_for_its_integers_over_its_scale() {
        let values = [3, -6, 9, 12];
        let input = Reals::Grid { values: &values, scale: 3.0 };
        assert_eq!((0..input.len()).map(|index| input.at(index)).collect::<Vec<_>>(), [1.0, -2.0, 3.0, 4.0]);
        let means: Vec<f32> = global_average_pool(input, 2).collect();
        assert_eq!(means, [2.0, 1.0]);
        let post = PostProcess { multiplier: vec![0.5], bias: vec![1.0], activation: Activation::Identity };
        let mut output = Stored::new(Store::F32, 2);
        let (pixels, sums, to_f32) = (0..2, &[4, 8], |sum: i32| sum as f32);
        let shortcut = Some(Reals::Grid { values: &values[..2], scale: 3.0 });
        let block = Block { post: &post, pixels, first: 0, sums, to_f32, shortcut, output: &mut output };
        assert_eq!(block.run(), None);
        let Stored::F32(values) = output else { panic!("f32 expected") };
        assert_eq!(values, [4.0, 3.0]);
    }

    #[test]
    fn pools_sum_in_order_and_multiply_by_the_reciprocal() {
        let input: Vec<bf16> = [1.0, 10.0, 2.0, 20.0, 4.0, 40.0].map(bf16::from_f32).into();
        let means: Vec<f32> = global_average_pool(Reals::Bf16(&input), 2).collect();
        assert_eq!(means, [7.0 * (1.0f32 / 3.0), 70.0 * (1.0f32 / 3.0)]);
    }

    fn pooled(input: &[f32], size: [usize; 2], kernel: usize, stride: usize, padding: Padding) -> Vec<f32> {
        let square = |size| Size { height: size, width: size };
        let (kernel, stride, dilation) = (square(kernel), square(stride), square(1));
        let window = Window { kernel, stride, dilation, padding };
        let [height, width] = size;
        let input_shape = FeatureMap { height, width, channels: input.len() / (height * width) };
        let Size { height, width } = window.output(input_shape).unwrap();
        let pool =
            MaxPool { input: input_shape, output: FeatureMap { height, width, ..input_shape }, window };
        let input: Vec<bf16> = input.iter().map(|&value| bf16::from_f32(value)).collect();
        let mut output = Stored::new(Store::F32, pool.output.elements());
        assert_eq!(PoolLoops { pool, input: Reals::Bf16(&input), output: &mut output }.run(), None);
        let Stored::F32(values) = output else { panic!("f32 expected") };
        values
    }

    #[test]
    fn max_pools_take_taps_inside_the_image_only() {
        let image: Vec<f32> = (1..=9).map(|value| -(value as f32)).collect();
        assert_eq!(pooled(&image, [3, 3], 3, 2, Padding::all(1)), [-1.0, -2.0, -4.0, -5.0]);
        let below_right = Padding { top: 0, bottom: 1, left: 0, right: 1 };
        assert_eq!(pooled(&image[..4], [2, 2], 3, 2, below_right), [-1.0]);
        let two_channels = [1.0, 20.0, 3.0, 10.0];
        assert_eq!(pooled(&two_channels, [2, 1], 1, 1, Padding::default()), two_channels);
        let left = Padding { left: 1, ..Padding::default() };
        assert_eq!(pooled(&two_channels, [2, 1], 2, 1, left), [3.0, 20.0]);
    }

    #[test]
    fn max_pools_keep_nan_and_order_zeros() {
        let top1 = |input: [f32; 4]| pooled(&input, [2, 2], 2, 2, Padding::default())[0];
        assert!(top1([1.0, f32::NAN, f32::INFINITY, 0.0]).is_nan());
        assert_eq!(top1([f32::NEG_INFINITY; 4]), f32::NEG_INFINITY);
        for zeros in [[-0.0, 0.0, -0.0, -0.0], [0.0, -0.0, -0.0, -0.0], [-0.0, -0.0, -0.0, 0.0]] {
            assert!(top1(zeros).is_sign_positive());
        }
    }

    #[test]
    fn blocks_land_at_their_pixels_and_channels() {
        let post = PostProcess {
            multiplier: vec![1.0, 2.0, 3.0, 4.0],
            bias: vec![0.5; 4],
            activation: Activation::Relu,
        };
        let mut output = Stored::new(Store::F32, 8);
        let shortcut: Vec<bf16> = (0..8i8).map(|x| bf16::from_f32(f32::from(x))).collect();
        let to_f32 = |sum: i32| sum as f32;
        let (post, shortcut) = (&post, Some(Reals::Bf16(&shortcut)));
        let sums = &[1, -9, 3, 4];
        let block = Block { post, pixels: 0..2, first: 2, sums, to_f32, shortcut, output: &mut output };
        assert_eq!(block.run(), None);
        let Stored::F32(values) = output else { panic!("f32 expected") };
        assert_eq!(values, [0.0, 0.0, 5.5, 0.0, 0.0, 0.0, 15.5, 23.5]);
    }
}
