//! A convolution ready to run: its kernel chosen and its weights packed once.

use std::ops::Range;

use half::bf16;

use crate::mapping::ReductionOrder;
use crate::numerics::{Bf16Mac, IntegerFormat, IntegerMac, StaticBound};

use super::avx2::{Avx2, Bf16BlockPanels, Bf16Panels, BytePanels, RowSpreads, WordPanels};
use super::avx512::{self, Avx512, Exponents};
use super::geometry::Geometry;
use super::loops::Vectors;
use super::portable;

/// Elements of gathered rows held at a time: half a MiB of i16, so that they stay in a core's cache.
const ROWS_ELEMENTS: usize = 1 << 18;
/// Rows gathered at a time, at most.
const MAX_ROWS: usize = 60;
/// Rows gathered at a time are a multiple of both AVX2 register tiles, so that only the last is incomplete.
const AVX2_TILES: usize = 12;
/// With fewer output channels per group a SIMD panel would be mostly padding.
const MIN_PANEL_CHANNELS: usize = 4;

/// Which kernels may be used. Bits never depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernels {
    /// The fastest that this processor has.
    Fastest,
    /// Those for AVX2, as on a processor without AVX-512.
    Avx2,
    /// The definition only.
    Portable,
}

/// What executes a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The definition, product by product, counting overflows.
    Ordered,
    /// Plain loops: the definition for bf16; integers that cannot overflow.
    Portable,
    /// SIMD tiles: AVX2 or AVX-512, whichever this processor has.
    Simd,
}

impl Engine {
    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ordered => "ordered",
            Self::Portable => "portable",
            Self::Simd => "SIMD",
        }
    }
}

impl Kernels {
    pub(super) fn avx2(self) -> Option<Avx2> {
        match self {
            Self::Fastest | Self::Avx2 => Avx2::detect(),
            Self::Portable => None,
        }
    }

    fn avx512(self) -> Option<Avx512> {
        match self {
            Self::Fastest => Avx512::detect(),
            Self::Avx2 | Self::Portable => None,
        }
    }

    /// What loops over elements are compiled for.
    pub(super) fn vectors(self) -> Vectors {
        match (self.avx512(), self.avx2()) {
            (Some(avx512), _) => Vectors::Avx512(avx512),
            (None, Some(avx2)) => Vectors::Avx2(avx2),
            (None, None) => Vectors::Baseline,
        }
    }

    fn if_panels(self, geometry: &Geometry) -> Self {
        if geometry.out_channels_per_group() >= MIN_PANEL_CHANNELS { self } else { Self::Portable }
    }
}

/// Groups and pixels that are computed at a time, in multiples of `tile` rows where there are as many.
fn blocks(geometry: &Geometry, tile: usize) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
    let (groups, pixels) = (geometry.groups(), geometry.pixels());
    let most = (ROWS_ELEMENTS / geometry.k()).clamp(1, MAX_ROWS / tile * tile);
    let even = pixels.div_ceil(pixels.div_ceil(most)); // blocks of nearly the same size
    let rows = if even < tile { even } else { even.next_multiple_of(tile) };
    (0..groups).flat_map(move |group| {
        (0..pixels).step_by(rows).map(move |first| (group, first..(first + rows).min(pixels)))
    })
}

#[derive(Clone, Debug)]
enum IntegerKernel {
    Ordered { mac: IntegerMac, order: ReductionOrder, weights: Vec<i16> },
    Portable { weights: Vec<i16> },
    Words { groups: Vec<WordPanels> },
    Bytes { groups: Vec<BytePanels> },
}

/// An integer convolution ready to run.
#[derive(Clone, Debug)]
pub struct IntegerConvolution {
    geometry: Geometry,
    bound: StaticBound,
    kernel: IntegerKernel,
    /// What accumulators start with, if not 0.
    bias: Option<Vec<i32>>,
    padding: i16,
}

/// Scratch memory of one thread.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    word_rows: Vec<i16>,
    byte_input: Vec<u8>,
    byte_rows: Vec<u8>,
    integer_sums: Vec<i32>,
    bf16_rows: Vec<bf16>,
    f32_rows: Vec<f32>,
    f64_rows: Vec<f64>,
    spreads: RowSpreads,
    f32_sums: Vec<f32>,
}

impl IntegerConvolution {
    /// Prepares weights [cout, kh, kw, cin/groups]. None when their number is not the geometry's, a
    /// fold is empty, or there is no order and these weights can overflow the accumulator.
    pub fn new(
        geometry: Geometry,
        weights: &[i8],
        activation: IntegerFormat,
        mac: IntegerMac,
        order: Option<ReductionOrder>,
        kernels: Kernels,
    ) -> Option<Self> {
        let weights: Vec<i16> = weights.iter().map(|&weight| i16::from(weight)).collect();
        Self::of_words(geometry, &weights, activation, mac, order, None, kernels)
    }

    /// The same for weights of any format of at most 8 bits, signed or unsigned, and accumulators that start with
    /// `bias`, one per output channel.
    pub fn of_words(
        geometry: Geometry,
        weights: &[i16],
        activation: IntegerFormat,
        mac: IntegerMac,
        order: Option<ReductionOrder>,
        bias: Option<&[i32]>,
        kernels: Kernels,
    ) -> Option<Self> {
        let k = geometry.k();
        if bias.is_some_and(|bias| bias.len() != geometry.output().channels) {
            return None;
        }
        let k_per_fold = order.map_or(k, |order| order.k_per_fold);
        let lanes = order.map_or(1, |order| order.lanes);
        if weights.len() != k * geometry.output().channels || k_per_fold == 0 || lanes == 0 {
            return None;
        }
        let channels = weights.chunks_exact(k).enumerate();
        let bound = channels.fold(StaticBound::default(), |bound, (index, channel)| {
            let channel = channel.iter().map(|&weight| i32::from(weight));
            let channel = StaticBound::of_channel(channel, activation.max_magnitude(), k_per_fold);
            bound.max(channel.preloaded(bias.map_or(0, |bias| bias[index])))
        });
        let kernel = if let Some(order) = order.filter(|_| !bound.fits(mac)) {
            IntegerKernel::Ordered { mac, order, weights: weights.to_vec() }
        } else if bound.accumulator > mac.accumulator.max().unsigned_abs() {
            return None;
        } else if let Some(avx2) = kernels.if_panels(&geometry).avx2() {
            let group = k * geometry.out_channels_per_group();
            let groups = weights.chunks_exact(group);
            match groups.clone().map(|group| BytePanels::new(avx2, group, k, activation)).collect() {
                Some(groups) => IntegerKernel::Bytes { groups },
                None => {
                    let groups = groups.map(|group| WordPanels::new(avx2, group, k)).collect();
                    IntegerKernel::Words { groups }
                }
            }
        } else {
            IntegerKernel::Portable { weights: weights.to_vec() }
        };
        Some(Self { geometry, bound, kernel, bias: bias.map(<[i32]>::to_vec), padding: 0 })
    }

    /// The same with `padding` as the operand of taps outside the image.
    pub fn padded_with(self, padding: i16) -> Self {
        Self { padding, ..self }
    }

    /// What executes it.
    pub fn engine(&self) -> Engine {
        match self.kernel {
            IntegerKernel::Ordered { .. } => Engine::Ordered,
            IntegerKernel::Portable { .. } => Engine::Portable,
            IntegerKernel::Words { .. } | IntegerKernel::Bytes { .. } => Engine::Simd,
        }
    }

    /// Largest sums that these weights allow.
    pub fn static_bound(&self) -> StaticBound {
        self.bound
    }

    /// Activations of one image as the array takes them, `[group][pixel][k]`.
    pub(super) fn activations(&self, input: &[i16]) -> Vec<i16> {
        self.geometry.all_rows(input, self.padding)
    }

    /// Accumulators of one image, NHWC, and the number of overflows.
    ///
    /// # Panics
    /// When `input` does not have the geometry's size.
    pub fn accumulators(&self, input: &[i16]) -> (Vec<i32>, u64) {
        let mut output = vec![0; self.geometry.output().elements()];
        let channels = self.geometry.output().channels;
        let mut copy = |pixels, first, sums: &[i32]| scatter(&mut output, channels, pixels, first, sums);
        let overflows = self.run(input, &mut Scratch::default(), &mut copy);
        (output, overflows)
    }

    /// Calls `emit(pixels, first channel, sums[pixel][channel])` for every block of outputs; returns
    /// the number of overflows.
    pub(super) fn run(
        &self,
        input: &[i16],
        scratch: &mut Scratch,
        mut emit: impl FnMut(Range<usize>, usize, &[i32]),
    ) -> u64 {
        let Scratch { word_rows, byte_input, byte_rows, integer_sums: sums, .. } = scratch;
        let (geometry, k, n) = (&self.geometry, self.geometry.k(), self.geometry.out_channels_per_group());
        if let IntegerKernel::Bytes { groups } = &self.kernel {
            byte_input.clear();
            byte_input.extend(input.iter().map(|&activation| groups[0].operand(activation)));
        }
        let mut overflows = 0;
        for (group, pixels) in blocks(geometry, AVX2_TILES) {
            sums.resize(pixels.len() * n, 0);
            match &self.kernel {
                IntegerKernel::Ordered { mac, order, weights } => {
                    let rows = geometry.rows(input, group, &pixels, k, self.padding, word_rows);
                    sums.fill(0);
                    self.add_bias(group, sums);
                    each_dot(rows, &weights[group * n * k..][..n * k], k, sums, |bias, row, channel| {
                        let sum = portable::integer_dot_onto(bias, row, channel, *mac, *order);
                        overflows += sum.overflows;
                        sum.accumulator
                    });
                }
                IntegerKernel::Portable { weights } => {
                    let rows = geometry.rows(input, group, &pixels, k, self.padding, word_rows);
                    let weights = &weights[group * n * k..][..n * k];
                    each_dot(rows, weights, k, sums, |_, row, channel| {
                        portable::integer_dot_unordered(row, channel)
                    });
                }
                IntegerKernel::Words { groups } => {
                    let panels = &groups[group];
                    let rows =
                        geometry.rows(input, group, &pixels, panels.row_length(), self.padding, word_rows);
                    panels.multiply(rows, sums);
                }
                IntegerKernel::Bytes { groups } => {
                    let panels = &groups[group];
                    let zero = panels.operand(self.padding);
                    let rows =
                        geometry.rows(byte_input, group, &pixels, panels.row_length(), zero, byte_rows);
                    panels.multiply(rows, sums);
                }
            }
            if self.engine() != Engine::Ordered {
                self.add_bias(group, sums);
            }
            emit(pixels, group * n, sums);
        }
        overflows
    }

    /// What the accumulators of this layer start with, `[cout]`; None where it is 0.
    pub(super) fn bias(&self) -> Option<&[i32]> {
        self.bias.as_deref()
    }

    /// Adds what the accumulators of a group start with to sums[pixel][channel].
    fn add_bias(&self, group: usize, sums: &mut [i32]) {
        let Some(bias) = &self.bias else { return };
        let n = self.geometry.out_channels_per_group();
        for (sum, bias) in sums.iter_mut().zip(bias[group * n..][..n].iter().cycle()) {
            *sum = sum.wrapping_add(*bias);
        }
    }
}

/// A bf16 is the upper half of an f32.
fn single(value: bf16) -> f32 {
    f32::from_bits(u32::from(value.to_bits()) << 16)
}

/// Every row of activations times every channel's weights, and what is in `sums`.
fn each_dot<A, S: Copy>(
    rows: &[A],
    weights: &[A],
    k: usize,
    sums: &mut [S],
    mut dot: impl FnMut(S, &[A], &[A]) -> S,
) {
    let pairs =
        rows.chunks_exact(k).flat_map(|row| weights.chunks_exact(k).map(move |channel| (row, channel)));
    for (sum, (row, channel)) in sums.iter_mut().zip(pairs) {
        *sum = dot(*sum, row, channel);
    }
}

/// Writes a block of outputs to where it belongs in NHWC.
fn scatter<T: Copy>(output: &mut [T], channels: usize, pixels: Range<usize>, first: usize, sums: &[T]) {
    let n = sums.len() / pixels.len();
    for (pixel, sums) in pixels.zip(sums.chunks_exact(n)) {
        output[pixel * channels + first..][..n].copy_from_slice(sums);
    }
}

#[derive(Clone, Debug)]
enum Bf16Kernel {
    Portable { weights: Vec<bf16> },
    Serial { groups: Vec<Bf16Panels> },
    SerialAvx512 { groups: Vec<avx512::Bf16Panels> },
    Blocks { groups: Vec<Bf16BlockPanels> },
}

/// A bf16 convolution ready to run.
#[derive(Clone, Debug)]
pub struct Bf16Convolution {
    geometry: Geometry,
    mac: Bf16Mac,
    order: ReductionOrder,
    kernel: Bf16Kernel,
    vectors: Vectors,
}

impl Bf16Convolution {
    /// Prepares weights [cout, kh, kw, cin/groups]. None when their number is not the geometry's or a
    /// fold is empty. Only [native](Bf16Mac::is_native) MACs, and those that differ from them in adding lanes as
    /// blocks, have a fast kernel.
    pub fn new(
        geometry: Geometry,
        weights: &[bf16],
        mac: Bf16Mac,
        order: ReductionOrder,
        kernels: Kernels,
    ) -> Option<Self> {
        let k = geometry.k();
        if weights.len() != k * geometry.output().channels || order.k_per_fold == 0 || order.lanes == 0 {
            return None;
        }
        let groups = weights.chunks_exact(k * geometry.out_channels_per_group());
        let kernels = kernels.if_panels(&geometry);
        let fast = kernels.avx2().and_then(|avx2| {
            if mac.is_native() {
                return Some(match kernels.avx512() {
                    Some(avx512) => {
                        let groups = groups.map(|group| avx512::Bf16Panels::new(avx512, group, k)).collect();
                        Bf16Kernel::SerialAvx512 { groups }
                    }
                    None => {
                        let groups = groups.map(|group| Bf16Panels::new(avx2, group, k)).collect();
                        Bf16Kernel::Serial { groups }
                    }
                });
            }
            let groups = groups.map(|group| Bf16BlockPanels::new(avx2, group, k, mac, order));
            Some(Bf16Kernel::Blocks { groups: groups.collect::<Option<_>>()? })
        });
        let kernel = fast.unwrap_or_else(|| Bf16Kernel::Portable { weights: weights.to_vec() });
        Some(Self { geometry, mac, order, kernel, vectors: kernels.vectors() })
    }

    /// What executes it.
    pub fn engine(&self) -> Engine {
        match self.kernel {
            Bf16Kernel::Portable { .. } => Engine::Portable,
            Bf16Kernel::Serial { .. } | Bf16Kernel::SerialAvx512 { .. } | Bf16Kernel::Blocks { .. } => {
                Engine::Simd
            }
        }
    }

    /// Activations of one image as the array takes them, `[group][pixel][k]`.
    pub(super) fn activations(&self, input: &[bf16]) -> Vec<bf16> {
        self.geometry.all_rows(input, bf16::ZERO)
    }

    /// Accumulators of one image, NHWC.
    ///
    /// # Panics
    /// When `input` does not have the geometry's size.
    pub fn accumulators(&self, input: &[bf16]) -> Vec<f32> {
        let mut output = vec![0.0; self.geometry.output().elements()];
        let channels = self.geometry.output().channels;
        let mut copy = |pixels, first, sums: &[f32]| scatter(&mut output, channels, pixels, first, sums);
        self.run(input, &mut Scratch::default(), &mut copy);
        output.iter_mut().for_each(|sum| *sum = self.mac.canonical(*sum));
        output
    }

    /// Calls `emit(pixels, first channel, sums[pixel][channel])` for every block of outputs; NaN is not yet
    /// canonical.
    pub(super) fn run(
        &self,
        input: &[bf16],
        scratch: &mut Scratch,
        mut emit: impl FnMut(Range<usize>, usize, &[f32]),
    ) {
        let Scratch { bf16_rows, f32_rows, f64_rows, spreads, f32_sums: sums, .. } = scratch;
        let (k, n) = (self.geometry.k(), self.geometry.out_channels_per_group());
        let (tile, exponents) = match &self.kernel {
            Bf16Kernel::SerialAvx512 { .. } => (avx512::TILE_ROWS, self.vectors.run(Exponents::of(input))),
            _ => (AVX2_TILES, Exponents::ALL),
        };
        for (group, pixels) in blocks(&self.geometry, tile) {
            sums.resize(pixels.len() * n, 0.0);
            match &self.kernel {
                Bf16Kernel::Portable { weights } => {
                    let rows = self.geometry.rows(input, group, &pixels, k, bf16::ZERO, bf16_rows);
                    let weights = &weights[group * n * k..][..n * k];
                    each_dot(rows, weights, k, sums, |_, row, channel| {
                        portable::bf16_dot(row, channel, self.mac, self.order)
                    });
                }
                Bf16Kernel::Serial { groups } => {
                    let rows = self.geometry.rows_as(input, group, &pixels, single, f32_rows);
                    groups[group].multiply(rows, self.order.k_per_fold, sums);
                }
                Bf16Kernel::SerialAvx512 { groups } => {
                    let rows = self.geometry.rows_as(input, group, &pixels, single, f32_rows);
                    groups[group].multiply(rows, exponents, self.order.k_per_fold, sums);
                }
                Bf16Kernel::Blocks { groups } => {
                    let double = |value| f64::from(single(value));
                    let rows = self.geometry.rows_as(input, group, &pixels, double, f64_rows);
                    groups[group].multiply(rows, spreads, sums);
                }
            }
            emit(pixels, group * n, sums);
        }
    }
}
