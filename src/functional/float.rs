//! The vector unit: what happens to accumulators until they are stored, and to stored values until
//! they are operands.

use std::ops::Range;

use half::bf16;

use crate::numerics::{
    Activation, CANONICAL_NAN, Grid, IntegerFormat, Signedness, Store, post_process, round_bf16,
};
use crate::tensor::{Data, Tensor};
use crate::workload::{FeatureMap, Window};

/// One image's elements of an edge, NHWC, as stored.
#[derive(Clone, Debug)]
pub(super) enum Stored {
    Grid { grid: Grid, scale: f32, values: Vec<i16> },
    Bf16(Vec<bf16>),
    F32(Vec<f32>),
}

impl Stored {
    pub(super) fn new(store: Store, elements: usize) -> Self {
        match store {
            Store::Grid(grid, scale) => Self::Grid { grid, scale, values: vec![0; elements] },
            Store::Bf16 => Self::Bf16(vec![bf16::ZERO; elements]),
            Store::F32 => Self::F32(vec![0.0; elements]),
        }
    }

    /// Rounds `values` to the stored format, to positions from `first` on. The position of the first
    /// NaN if there is one and the format is a grid.
    pub(super) fn store(&mut self, first: usize, values: impl Iterator<Item = f32>) -> Option<usize> {
        match self {
            Self::Grid { grid, scale, values: stored } => {
                quantize(*grid, *scale, values, &mut stored[first..]).map(|nan| first + nan)
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
        }
    }

    /// The same as a tensor [1, height, width, channels]; integers in 8-bit carriers.
    pub(super) fn tensor(&self, shape: FeatureMap) -> Option<Tensor> {
        let data = match self {
            Self::Grid { grid, values, .. } => carrier(grid.format(), values),
            Self::Bf16(values) => Data::Bf16(values.clone()),
            Self::F32(values) => Data::F32(values.clone()),
        };
        Tensor::new(vec![1, shape.height, shape.width, shape.channels], data)
    }
}

/// Values of a format of at most 8 bits in their carrier.
fn carrier(format: IntegerFormat, values: &[i16]) -> Data {
    match format.signedness() {
        Signedness::Signed => Data::I8(values.iter().map(|&value| value as i8).collect()),
        Signedness::Unsigned => Data::U8(values.iter().map(|&value| value as u8).collect()),
    }
}

/// Puts values onto a grid; the position of the first NaN if there is one.
pub(super) fn quantize(
    grid: Grid,
    scale: f32,
    values: impl Iterator<Item = f32>,
    quantized: &mut [i16],
) -> Option<usize> {
    let mut nan = None;
    for (index, (quantized, value)) in quantized.iter_mut().zip(values).enumerate() {
        match grid.quantize(value, scale) {
            Some(integer) => *quantized = integer as i16, // at most 8 bits
            None => nan = nan.or(Some(index)),
        }
    }
    nan
}

/// The fused rest of a convolution.
#[derive(Clone, Debug)]
pub(super) struct PostProcess {
    pub(super) multiplier: Vec<f32>,
    pub(super) bias: Vec<f32>,
    pub(super) activation: Activation,
}

impl PostProcess {
    /// Post-processes and stores a block of accumulators [pixel][channel], channels from `first` on.
    /// The position of the first NaN on a grid, if any.
    pub(super) fn block<T: Copy>(
        &self,
        pixels: Range<usize>,
        first: usize,
        sums: &[T],
        to_f32: impl Fn(T) -> f32 + Copy,
        shortcut: Option<&[bf16]>,
        output: &mut Stored,
    ) -> Option<usize> {
        let n = sums.len() / pixels.len();
        let channels = first..first + n;
        let (multiplier, bias) = (&self.multiplier[channels.clone()], &self.bias[channels]);
        let mut nan = None;
        for (pixel, sums) in pixels.zip(sums.chunks_exact(n)) {
            let position = pixel * self.multiplier.len() + first;
            let scaled = sums.iter().zip(multiplier.iter().zip(bias));
            let found = match shortcut {
                None => {
                    let values = scaled.map(|(&sum, (&multiplier, &bias))| {
                        post_process(to_f32(sum), multiplier, bias, None, self.activation)
                    });
                    output.store(position, values)
                }
                Some(shortcut) => {
                    let values =
                        scaled.zip(&shortcut[position..]).map(|((&sum, (&multiplier, &bias)), shortcut)| {
                            let shortcut = Some(shortcut.to_f32());
                            post_process(to_f32(sum), multiplier, bias, shortcut, self.activation)
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

impl MaxPool {
    /// The largest tap inside the image of each window and channel, NHWC.
    pub(super) fn run(self, input: &[bf16]) -> impl Iterator<Item = f32> {
        let Self { input: FeatureMap { height, width, channels }, output, window } = self;
        let Window { kernel, stride, padding, .. } = window;
        // Positions of a window's taps along one direction, those in the padding left out.
        let taps = |out: usize, stride: usize, kernel: usize, before: usize, size: usize| {
            let first = out * stride;
            first.max(before) - before..(first + kernel - before).min(size)
        };
        (0..output.elements()).map(move |element| {
            let (pixel, channel) = (element / channels, element % channels);
            let (y, x) = (pixel / output.width, pixel % output.width);
            let rows = taps(y, stride.height, kernel.height, padding.top, height);
            let columns = taps(x, stride.width, kernel.width, padding.left, width);
            rows.flat_map(|row| {
                columns.clone().map(move |column| (row * width + column) * channels + channel)
            })
            .map(|tap| input[tap].to_f32())
            .fold(f32::NEG_INFINITY, maximum)
        })
    }
}

/// IEEE 754-2019 maximum: NaN if either is one (here the canonical one), and +0 above −0.
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
pub(super) fn global_average_pool(input: &[bf16], channels: usize) -> impl Iterator<Item = f32> {
    let reciprocal = 1.0 / (input.len() / channels) as f32;
    (0..channels).map(move |channel| {
        let values = input[channel..].iter().step_by(channels);
        values.fold(0.0, |sum, value| sum + value.to_f32()) * reciprocal
    })
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn pools_sum_in_order_and_multiply_by_the_reciprocal() {
        let input: Vec<bf16> = [1.0, 10.0, 2.0, 20.0, 4.0, 40.0].map(bf16::from_f32).into();
        let means: Vec<f32> = global_average_pool(&input, 2).collect();
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
        pool.run(&input).collect()
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
        assert_eq!(post.block(0..2, 2, &[1, -9, 3, 4], to_f32, Some(&shortcut), &mut output), None);
        let Stored::F32(values) = output else { panic!("f32 expected") };
        assert_eq!(values, [0.0, 0.0, 5.5, 0.0, 0.0, 0.0, 15.5, 23.5]);
    }
}
