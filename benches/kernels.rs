//! How many GMAC/s does one core execute per layer? `cargo bench --bench kernels [FILTER]`
//!
//! Layers of ResNet-50 at 224×224 (He et al. 2016; stride in the 3×3) and of the ResNet-8 that this
//! repository trains, one image, one thread. The time is that of `accumulators`: gathering the windows,
//! the kernel, and writing 32-bit sums. An item is one MAC, so `Gitem/s` reads GMAC/s; `fastest` is the
//! column to quote on a machine that also does other things.

#![allow(clippy::unwrap_used)]

use std::fmt;

use divan::Bencher;
use divan::counter::ItemsCount;
use half::bf16;
use systolab::functional::{Bf16Convolution, Geometry, IntegerConvolution, Kernels};
use systolab::mapping::ReductionOrder;
use systolab::numerics::{Bf16Mac, IntegerFormat, IntegerMac, LaneSum, RegisterWidth, Signedness};
use systolab::workload::{FeatureMap, Padding, Size, Window};

fn main() {
    divan::main();
}

/// A square convolution with the padding that keeps, at stride 1, the size of its input.
struct Shape {
    name: &'static str,
    input: usize,
    depth: usize,
    channels: usize,
    kernel: usize,
    stride: usize,
}

const fn shape(
    name: &'static str,
    input: usize,
    [depth, channels]: [usize; 2],
    kernel: usize,
    stride: usize,
) -> Shape {
    Shape { name, input, depth, channels, kernel, stride }
}

const LAYERS: [Shape; 12] = [
    shape("resnet50 7×7/2 stem 224² 3→64", 224, [3, 64], 7, 2),
    shape("resnet50 3×3 56² 64→64", 56, [64, 64], 3, 1),
    shape("resnet50 3×3 28² 128→128", 28, [128, 128], 3, 1),
    shape("resnet50 3×3 14² 256→256", 14, [256, 256], 3, 1),
    shape("resnet50 3×3 7² 512→512", 7, [512, 512], 3, 1),
    shape("resnet50 1×1 56² 64→256", 56, [64, 256], 1, 1),
    shape("resnet50 1×1 56² 256→64", 56, [256, 64], 1, 1),
    shape("resnet50 1×1 14² 1024→256", 14, [1024, 256], 1, 1),
    shape("resnet50 1×1/2 56² 256→512", 56, [256, 512], 1, 2),
    shape("resnet50 linear 2048→1000", 1, [2048, 1000], 1, 1),
    shape("resnet8 3×3 14² 32→32", 14, [32, 32], 3, 1),
    shape("resnet8 3×3 4² 128→128", 4, [128, 128], 3, 1),
];

/// What the portable definition can execute often enough.
const SMALL: [Shape; 1] = [shape("resnet8 3×3 14² 32→32", 14, [32, 32], 3, 1)];

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Shape {
    fn geometry(&self) -> Geometry {
        let square = |size| Size { height: size, width: size };
        let window = Window {
            kernel: square(self.kernel),
            stride: square(self.stride),
            dilation: square(1),
            padding: Padding::all(self.kernel / 2),
        };
        let input = FeatureMap { height: self.input, width: self.input, channels: self.depth };
        Geometry::new(input, self.channels, window, 1).unwrap()
    }
}

/// Operands that look random but are the same in every run.
fn spread(count: usize, format: IntegerFormat) -> impl Iterator<Item = i16> {
    let levels = u64::try_from(format.max() - format.min() + 1).unwrap();
    let mixed = (0..count as u64).map(|index| index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33);
    mixed.map(move |mixed| (mixed % levels) as i16 + format.min() as i16)
}

fn macs(geometry: &Geometry) -> ItemsCount {
    ItemsCount::new(geometry.pixels() * geometry.output().channels * geometry.k())
}

fn integer(bencher: Bencher<'_, '_>, shape: &Shape, bits: [u8; 2], kernels: Kernels) {
    let geometry = shape.geometry();
    let format = |signedness, bits| IntegerFormat::new(signedness, bits).unwrap();
    let (activation, weight) = (format(Signedness::Unsigned, bits[0]), format(Signedness::Signed, bits[1]));
    let weights: Vec<i8> =
        spread(geometry.k() * geometry.output().channels, weight).map(|weight| weight as i8).collect();
    let input: Vec<i16> = spread(geometry.input().elements(), activation).collect();
    let width = RegisterWidth::new(32).unwrap();
    let mac = IntegerMac::wrapping(width, width);
    let convolution = IntegerConvolution::new(geometry, &weights, activation, mac, None, kernels).unwrap();
    bencher.counter(macs(&geometry)).bench_local(|| convolution.accumulators(&input));
}

fn floating(bencher: Bencher<'_, '_>, shape: &Shape, mac: Bf16Mac, lanes: usize, kernels: Kernels) {
    let geometry = shape.geometry();
    let format = IntegerFormat::new(Signedness::Signed, 8).unwrap();
    let values = |count| spread(count, format).map(|value| bf16::from_f32(f32::from(value) / 64.0)).collect();
    let weights: Vec<bf16> = values(geometry.k() * geometry.output().channels);
    let input: Vec<bf16> = values(geometry.input().elements());
    let order = ReductionOrder { lanes, ..ReductionOrder::per_fold(128) };
    let convolution = Bf16Convolution::new(geometry, &weights, mac, order, kernels).unwrap();
    bencher.counter(macs(&geometry)).bench_local(|| convolution.accumulators(&input));
}

#[divan::bench(args = &LAYERS)]
fn int8(bencher: Bencher<'_, '_>, shape: &Shape) {
    integer(bencher, shape, [8, 8], Kernels::Fastest);
}

#[divan::bench(args = &LAYERS)]
fn int4(bencher: Bencher<'_, '_>, shape: &Shape) {
    integer(bencher, shape, [4, 4], Kernels::Fastest);
}

#[divan::bench(args = &LAYERS)]
fn w4a8(bencher: Bencher<'_, '_>, shape: &Shape) {
    integer(bencher, shape, [8, 4], Kernels::Fastest);
}

#[divan::bench(args = &LAYERS)]
fn bf16_folds_of_128(bencher: Bencher<'_, '_>, shape: &Shape) {
    floating(bencher, shape, Bf16Mac::default(), 1, Kernels::Fastest);
}

#[divan::bench(args = &LAYERS)]
fn bf16_folds_of_128_in_blocks_of_4(bencher: Bencher<'_, '_>, shape: &Shape) {
    let mac = Bf16Mac { lane_sum: LaneSum::Block, ..Bf16Mac::default() };
    floating(bencher, shape, mac, 4, Kernels::Fastest);
}

#[divan::bench(args = &SMALL)]
fn portable_int8(bencher: Bencher<'_, '_>, shape: &Shape) {
    integer(bencher, shape, [8, 8], Kernels::Portable);
}

#[divan::bench(args = &SMALL)]
fn portable_bf16(bencher: Bencher<'_, '_>, shape: &Shape) {
    floating(bencher, shape, Bf16Mac::default(), 1, Kernels::Portable);
}
