//! Which properties hold for every input?

#![allow(clippy::unwrap_used)] // helpers of tests, outside #[test] functions

use std::path::Path;

use half::bf16;
use nalgebra::DMatrix;
use proptest::prelude::*;
use rayon::prelude::*;
use rustc_apfloat::ieee::{BFloat, Quad, Single};
use rustc_apfloat::{Float, FloatConvert, Round, Status, StatusAnd};
use safetensors::{Dtype, tensor::TensorView};
use systolab::functional::{
    Bf16Convolution, Engine, Executable, ExecutionError, Geometry, IntegerConvolution, Kernels, Outputs,
    direct_bf16, direct_integer,
};
use systolab::mapping::{Join, LayerPlan, ReductionOrder};
use systolab::numerics::{
    Activation, Bf16Mac, CANONICAL_NAN, F32Rne, FloatRounding, IntegerFormat, IntegerMac, LaneSum, MacSpec,
    OperandPair, Overflow, PartialSumFormat, RegisterWidth, Signedness, Subnormals,
};
use systolab::source::SourceFile;
use systolab::tensor::{Data, TensorFile};
use systolab::workload::{
    EvaluationSet, FeatureMap, Network, Normalization, Operation, Padding, Params, Size, Window, Workload,
    synthetic_image,
};

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn bits16(&mut self) -> u16 {
        (self.next() >> 48) as u16
    }

    fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[(self.next() % values.len() as u64) as usize]
    }
}

/// What a tensor is filled with.
#[derive(Clone, Copy, Debug)]
enum Fill {
    Random,
    Extremes,
    Smallest,
    Largest,
}

fn fill() -> impl Strategy<Value = Fill> {
    prop_oneof![Just(Fill::Random), Just(Fill::Extremes), Just(Fill::Smallest), Just(Fill::Largest)]
}

fn integers(random: &mut Random, fill: Fill, count: usize, min: i16, max: i16) -> Vec<i16> {
    let range = u64::from((max - min).unsigned_abs()) + 1;
    (0..count)
        .map(|_| match fill {
            Fill::Random => min + (random.next() % range) as i16,
            Fill::Extremes => random.pick(&[min, max, 0, 1]),
            Fill::Smallest => min,
            Fill::Largest => max,
        })
        .collect()
}

fn bf16s(random: &mut Random, fill: Fill, count: usize) -> Vec<bf16> {
    // ±0, ±subnormals, ±smallest normal, ±1, 1 + 2^-7, ±largest, ±inf; NaN is met in random patterns.
    let finite = [
        0x0000, 0x8000, 0x0001, 0x8001, 0x007f, 0x807f, 0x0080, 0x8080, 0x3f80, 0xbf80, 0x3f81, 0x4b80,
        0xcb80, 0x7f7f, 0xff7f, 0x1f80, 0x9f81,
    ];
    let special = [0x7f80, 0xff80, 0x7fc0, 0xffff, 0x3f80, 0x0000, 0x8000, 0x7f7f];
    (0..count)
        .map(|_| {
            bf16::from_bits(match fill {
                Fill::Random => 0x3c00 + random.bits16() % 0x0800 + (random.bits16() & 0x8000),
                Fill::Extremes => random.pick(&finite),
                Fill::Smallest => random.pick(&special),
                Fill::Largest => random.bits16(),
            })
        })
        .collect()
}

fn geometry() -> impl Strategy<Value = Geometry> {
    let size = |range: std::ops::RangeInclusive<usize>| {
        (range.clone(), range).prop_map(|(height, width)| Size { height, width })
    };
    let padding = (0..3usize, 0..3usize, 0..3usize, 0..3usize)
        .prop_map(|(top, bottom, left, right)| Padding { top, bottom, left, right });
    let window = (size(1..=3), size(1..=5), size(1..=2), padding)
        .prop_map(|(kernel, stride, dilation, padding)| Window { kernel, stride, dilation, padding });
    (size(1..=7), 1..=5usize, 1..=36usize, 1..=3usize, window).prop_filter_map(
        "the window does not fit",
        |(input, depth, channels, groups, window)| {
            let input = FeatureMap { height: input.height, width: input.width, channels: depth * groups };
            Geometry::new(input, channels * groups, window, groups)
        },
    )
}

fn width(bits: u8) -> RegisterWidth {
    RegisterWidth::new(bits).unwrap()
}

const INT32: fn() -> IntegerMac = || IntegerMac::wrapping(width(32), width(32));

fn order(k_per_fold: usize) -> ReductionOrder {
    ReductionOrder::per_fold(k_per_fold)
}

fn activation(signedness: Signedness) -> IntegerFormat {
    IntegerFormat::new(signedness, 8).unwrap()
}

fn dense(k: usize, n: usize, pixels: usize) -> Geometry {
    let one = Size { height: 1, width: 1 };
    let window = Window { kernel: one, stride: one, dilation: one, padding: Padding::default() };
    Geometry::new(FeatureMap { height: pixels, width: 1, channels: k }, n, window, 1).unwrap()
}

fn to_i8(values: Vec<i16>) -> Vec<i8> {
    values.into_iter().map(|value| i8::try_from(value).unwrap()).collect()
}

fn check_integer(geometry: Geometry, [format, weight]: [IntegerFormat; 2], fills: [Fill; 2], seed: u64) {
    let mut random = Random(seed);
    let mut fill = |fill, count, format: IntegerFormat| {
        integers(&mut random, fill, count, format.min() as i16, format.max() as i16)
    };
    let input = fill(fills[0], geometry.input().elements(), format);
    let weights = to_i8(fill(fills[1], geometry.k() * geometry.output().channels, weight));
    let expected = direct_integer(&geometry, &input, &weights);
    for kernels in [Kernels::Portable, Kernels::Avx2, Kernels::Fastest] {
        for order in [None, Some(order(3))] {
            let convolution =
                IntegerConvolution::new(geometry, &weights, format, INT32(), order, kernels).unwrap();
            let (sums, overflows) = convolution.accumulators(&input);
            let sums: Vec<i64> = sums.into_iter().map(i64::from).collect();
            assert_eq!((sums, overflows), (expected.clone(), 0), "{geometry:?} {kernels:?}");
        }
    }
}

fn check_bf16(geometry: Geometry, fills: [Fill; 2], k_per_fold: usize, seed: u64) {
    let mut random = Random(seed);
    let input = bf16s(&mut random, fills[0], geometry.input().elements());
    let weights = bf16s(&mut random, fills[1], geometry.k() * geometry.output().channels);
    let bits = |sums: Vec<f32>| sums.into_iter().map(f32::to_bits).collect::<Vec<_>>();
    let expected = bits(direct_bf16(&geometry, &input, &weights, k_per_fold));
    for kernels in [Kernels::Portable, Kernels::Avx2, Kernels::Fastest] {
        let convolution =
            Bf16Convolution::new(geometry, &weights, Bf16Mac::default(), order(k_per_fold), kernels).unwrap();
        assert_eq!(bits(convolution.accumulators(&input)), expected, "{geometry:?} {kernels:?}");
    }
}

/// The definition, which a test below compares with exact sums, against the kernel of blocks.
fn check_bf16_blocks(geometry: Geometry, fills: [Fill; 2], order: ReductionOrder, seed: u64) {
    let mut random = Random(seed);
    let input = bf16s(&mut random, fills[0], geometry.input().elements());
    let weights = bf16s(&mut random, fills[1], geometry.k() * geometry.output().channels);
    let mac = Bf16Mac { lane_sum: LaneSum::Block, ..Bf16Mac::default() };
    let sums = |kernels| {
        let convolution = Bf16Convolution::new(geometry, &weights, mac, order, kernels).unwrap();
        let sums = convolution.accumulators(&input).into_iter().map(f32::to_bits).collect::<Vec<_>>();
        (convolution.engine(), sums)
    };
    let (engine, fastest) = sums(Kernels::Fastest);
    assert_eq!(fastest, sums(Kernels::Portable).1, "{geometry:?} {order:?}");
    if cfg!(target_arch = "x86_64") && is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        let fast = geometry.out_channels_per_group() >= 4;
        assert_eq!(engine, if fast { Engine::Simd } else { Engine::Portable });
    }
}

/// Formats of activations and of weights, those of int8 and int4 designs above all.
fn formats() -> impl Strategy<Value = [IntegerFormat; 2]> {
    let signedness = prop_oneof![Just(Signedness::Signed), Just(Signedness::Unsigned)];
    let bits = || prop_oneof![Just(8), Just(4), 2..=8u8];
    (signedness, bits(), bits()).prop_map(|(signedness, activation, weight)| {
        [(signedness, activation), (Signedness::Signed, weight)]
            .map(|(signedness, bits)| IntegerFormat::new(signedness, bits).unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn integer_kernels_equal_direct_convolution(
        geometry in geometry(), formats in formats(), a in fill(), w in fill(), seed: u64,
    ) {
        check_integer(geometry, formats, [a, w], seed);
    }

    #[test]
    fn integer_kernels_equal_direct_products_of_odd_sizes(
        k in 1..600usize, n in 1..40usize, m in 1..60usize, formats in formats(), a in fill(), w in fill(),
        seed: u64,
    ) {
        check_integer(dense(k, n, m), formats, [a, w], seed);
    }

    #[test]
    fn bf16_kernels_equal_direct_convolution(
        geometry in geometry(), a in fill(), w in fill(), k_per_fold in 1..20usize, seed: u64,
    ) {
        check_bf16(geometry, [a, w], k_per_fold, seed);
    }

    #[test]
    fn bf16_kernels_equal_direct_products_of_odd_sizes(
        k in 1..300usize, n in 1..40usize, m in 1..60usize, k_per_fold in 1..400usize, seed: u64,
    ) {
        check_bf16(dense(k, n, m), [Fill::Random, Fill::Random], k_per_fold, seed);
    }

    #[test]
    fn bf16_blocks_equal_the_definition_on_convolutions(
        geometry in geometry(), a in fill(), w in fill(), k_per_fold in 1..20usize, lanes in 1..6usize, seed: u64,
    ) {
        check_bf16_blocks(geometry, [a, w], ReductionOrder { lanes, ..order(k_per_fold) }, seed);
    }

    #[test]
    fn bf16_blocks_equal_the_definition_on_products_of_odd_sizes(
        k in 1..200usize, n in 1..20usize, m in 1..20usize, k_per_fold in 1..300usize, lanes in 1..6usize,
        seed: u64,
    ) {
        let order = ReductionOrder { lanes, ..order(k_per_fold) };
        check_bf16_blocks(dense(k, n, m), [Fill::Random, Fill::Random], order, seed);
    }

    #[test]
    fn registers_wrap_saturate_and_count_as_arithmetic_says(
        k in 1..200usize, n in 1..6usize, rows in 1..24usize, lanes in 1..5usize, saturates: bool, chained: bool,
        lane_sum in prop::sample::select(vec![LaneSum::Serial, LaneSum::First, LaneSum::Block]),
        partial_sum in 16..=32u8, accumulator in 16..=32u8, a in fill(), w in fill(), seed: u64,
        preloads: bool, bias_bits in 1..=31u32,
    ) {
        let mut random = Random(seed);
        let bias: Vec<i32> = (0..n).map(|_| random.next() as i32 >> (31 - bias_bits)).collect();
        let input = integers(&mut random, a, k, 0, 255);
        let weights = to_i8(integers(&mut random, w, k * n, -128, 127));
        let mut overflows = 0u64;
        let mut add = |bits: u8, left: i64, right: i64| {
            let half = 1i64 << (bits - 1);
            let exact = left + right;
            let wrapped = (exact + half).rem_euclid(2 * half) - half;
            overflows += u64::from(wrapped != exact);
            if saturates { exact.max(-half).min(half - 1) } else { wrapped }
        };
        let accumulator = if chained { partial_sum } else { accumulator };
        let k_per_fold = rows * lanes;
        let mut expected = vec![];
        for (channel, bias) in weights.chunks(k).zip(&bias) {
            let product = |index: usize| i64::from(input[index]) * i64::from(channel[index]);
            let mut total = if preloads { add(accumulator, 0, i64::from(*bias)) } else { 0 };
            for first in (0..k).step_by(k_per_fold) {
                let last = k.min(first + k_per_fold);
                let mut fold = if chained { total } else { 0 };
                for row in (first..last).step_by(lanes) {
                    let row = row..last.min(row + lanes);
                    match lane_sum {
                        LaneSum::Serial => row.for_each(|index| fold = add(partial_sum, fold, product(index))),
                        LaneSum::First => {
                            let mut lane = product(row.start);
                            (row.start + 1..row.end).for_each(|index| lane = add(partial_sum, lane, product(index)));
                            fold = add(partial_sum, fold, lane);
                        }
                        LaneSum::Block => fold = add(partial_sum, fold, row.map(product).sum()),
                    }
                }
                total = if chained { fold } else { add(accumulator, total, fold) };
            }
            expected.push(total as i32);
        }
        let overflow = if saturates { Overflow::Saturate } else { Overflow::Wrap };
        let mac = IntegerMac { overflow, lane_sum, ..IntegerMac::wrapping(width(partial_sum), width(accumulator)) };
        let join = if chained { Join::Chained } else { Join::PerFold };
        let order = ReductionOrder { k_per_fold: if chained { k } else { k_per_fold }, join, lanes };
        for kernels in [Kernels::Portable, Kernels::Avx2, Kernels::Fastest] {
            let words: Vec<i16> = weights.iter().map(|&weight| i16::from(weight)).collect();
            let format = activation(Signedness::Unsigned);
            let bias = preloads.then_some(&bias[..]);
            let convolution =
                IntegerConvolution::of_words(dense(k, n, 1), &words, format, mac, Some(order), bias, kernels)
                    .unwrap();
            prop_assert_eq!(convolution.accumulators(&input), (expected.clone(), overflows));
        }
    }

    #[test]
    fn integer_products_equal_nalgebra(m in 1..30usize, k in 1..80usize, n in 1..40usize, seed: u64) {
        let mut random = Random(seed);
        let input = integers(&mut random, Fill::Random, m * k, -128, 127);
        let weights = to_i8(integers(&mut random, Fill::Random, n * k, -128, 127));
        let left = DMatrix::from_row_iterator(m, k, input.iter().map(|&value| i32::from(value)));
        let right = DMatrix::from_column_slice(k, n, &weights).map(i32::from);
        let expected: Vec<i32> = (left * right).transpose().as_slice().to_vec();
        let format = activation(Signedness::Signed);
        let convolution =
            IntegerConvolution::new(dense(k, n, m), &weights, format, INT32(), None, Kernels::Fastest).unwrap();
        prop_assert_eq!(convolution.accumulators(&input).0, expected);
    }
}

#[test]
fn a_16_bit_register_overflows_in_the_ordered_engine() {
    let mac = IntegerMac::wrapping(width(16), width(32));
    let new = |order| {
        let format = activation(Signedness::Unsigned);
        IntegerConvolution::new(dense(5, 4, 1), &[127; 20], format, mac, order, Kernels::Fastest).unwrap()
    };
    let convolution = new(Some(order(4)));
    assert_eq!(convolution.engine(), Engine::Ordered);
    // 255 · 127 = 32,385; after 2: −766, 3: 31,619, 4: −1,532; the second fold adds 32,385.
    assert_eq!(convolution.accumulators(&[255; 5]), (vec![30_853; 4], 8));
    assert_ne!(new(Some(order(1))).engine(), Engine::Ordered);
}

/// 255 · 127 = 32,385 twice, in folds of one, beside a bias of −30,000, in registers of 16 bits that saturate. Bias
/// last: 32,385; 64,770 saturates to 32,767; −30,000 more is 2,767. Bias first: −30,000; 2,385; 34,770 saturates
/// to 32,767. A bias of −40,000 itself saturates, to −32,768: −383; 32,002.
#[test]
fn a_preloaded_bias_decides_where_sums_saturate() {
    let mac = IntegerMac { overflow: Overflow::Saturate, ..IntegerMac::wrapping(width(32), width(16)) };
    let run = |bias: Option<&[i32]>, order| {
        let (geometry, format) = (dense(2, 2, 1), activation(Signedness::Unsigned));
        let convolution =
            IntegerConvolution::of_words(geometry, &[127; 4], format, mac, order, bias, Kernels::Fastest);
        convolution.map(|convolution| convolution.accumulators(&[255; 2]))
    };
    assert_eq!(run(None, Some(order(1))), Some((vec![32_767; 2], 2)));
    assert_eq!(run(Some(&[-30_000, -40_000]), Some(order(1))), Some((vec![32_767, 32_002], 2)));
    // In one fold no sum leaves its register but the second bias.
    assert_eq!(run(Some(&[-30_000, -40_000]), Some(order(2))), Some((vec![32_767, 32_002], 2)));
    assert_eq!(run(Some(&[-32_768, -32_768]), Some(order(2))), Some((vec![32_002; 2], 0)));
    // Without an order, and with one bias per channel only, where none can overflow.
    assert_eq!(run(Some(&[0, 1]), None), None);
    assert_eq!(run(Some(&[0]), Some(order(1))), None);
}

/// A bias takes part in the bound: 32,385 fits 16 bits beside 382, not beside 383.
#[test]
fn a_preloaded_bias_is_part_of_the_static_bound() {
    let mac = IntegerMac::wrapping(width(16), width(16));
    for (bias, engine, overflows) in [(382, Engine::Portable, 0), (383, Engine::Ordered, 1)] {
        let convolution = IntegerConvolution::of_words(
            dense(1, 1, 1),
            &[127],
            activation(Signedness::Unsigned),
            mac,
            Some(order(1)),
            Some(&[bias]),
            Kernels::Fastest,
        )
        .unwrap();
        assert_eq!(convolution.engine(), engine);
        assert_eq!(convolution.static_bound().accumulator, 32_385 + bias as u64);
        assert_eq!(convolution.accumulators(&[255]).1, overflows);
    }
}

#[test]
fn fold_boundaries_change_bf16_bits() {
    let values = |values: [f32; 4]| values.map(bf16::from_f32);
    let (input, weights) = (values([4096.0, 1.0, 1.0, 4096.0]), values([4096.0, 1.0, 1.0, -4096.0]));
    for kernels in [Kernels::Portable, Kernels::Avx2, Kernels::Fastest] {
        for (k_per_fold, expected) in [(4, 0.0), (2, 1.0)] {
            let weights = weights.repeat(4);
            let convolution = Bf16Convolution::new(
                dense(4, 4, 1),
                &weights,
                Bf16Mac::default(),
                order(k_per_fold),
                kernels,
            )
            .unwrap();
            assert_eq!(convolution.accumulators(&input), [expected; 4]);
        }
    }
}

/// A partial sum and the operands whose product it meets. Half are adversarial: cancellation, ties, results
/// around the least normal number, and near overflow.
fn bf16_case(random: &mut Random, case: u32) -> (u32, u16, u16) {
    let (activation, weight) = (random.bits16(), random.bits16());
    let sum = random.next() as u32;
    if case.is_multiple_of(2) {
        // Of near magnitudes in half of these, any bits at all in the others.
        let near = |operand: u16| operand & 0x83ff | 0x3c00;
        return match case % 4 {
            0 => (sum & 0x87ff_ffff | 0x3800_0000, near(activation), near(weight)),
            _ => (sum, activation, weight),
        };
    }
    let product = bf16::from_bits(activation & 0x87ff | 0x3c00).to_f32()
        * bf16::from_bits(weight & 0x87ff | 0x3c00).to_f32();
    let (normal_a, normal_w) = (activation & 0x87ff | 0x3c00, weight & 0x87ff | 0x3c00);
    match case / 2 % 4 {
        // The product's negative, but for some of its last bits.
        0 => ((-product).to_bits() ^ (sum & random.pick(&[0, 1, 0x80, 0xffff])), normal_a, normal_w),
        // A product of half a unit in the last place of the sum (f32 or bf16), or next to it.
        1 => {
            let exponent = 150 + sum % 40;
            let last = random.pick(&[24, 8]);
            let half_ulp = ((exponent - last) << 7) as u16 | random.pick(&[0, 0, 1, 0x7f]);
            let sum = sum & 0x807f_ffff | exponent << 23;
            let sum = if last == 8 { sum & 0xffff_0000 } else { sum };
            (sum, half_ulp | activation & 0x8000, random.pick(&[0x3f80, 0xbf80]))
        }
        // Subnormal and least normal operands, sums and products.
        2 => (
            sum & random.pick(&[0x807f_ffff, 0x80ff_ffff, 0x8000_0001]),
            activation & random.pick(&[0x80ff, 0xa0ff]),
            weight & random.pick(&[0x80ff, 0x9fff, 0xffff]),
        ),
        // Around the largest number.
        _ => (sum | 0x7f00_0000 & !0x0080_0000, activation | 0x5f00, weight & 0x80ff | 0x5f00),
    }
}

/// rustc_apfloat is a translation of LLVM's software floating point. It has no rounding to odd: toward zero
/// with the last bit set if anything was lost is the definition.
fn apfloat(status: StatusAnd<Single>, rounding: FloatRounding) -> Single {
    let lost = status.status.contains(Status::INEXACT) && rounding == FloatRounding::Odd;
    if lost { Single::from_bits(status.value.to_bits() | 1) } else { status.value }
}

fn apfloat_round(rounding: FloatRounding) -> Round {
    match rounding {
        FloatRounding::NearestEven => Round::NearestTiesToEven,
        FloatRounding::TowardZero | FloatRounding::Odd => Round::TowardZero,
    }
}

/// One MAC in software floating point.
fn apfloat_mac(mac: Bf16Mac, sum: u32, activation: u16, weight: u16) -> u32 {
    let round = apfloat_round(mac.rounding);
    let tiny = |value: f64| mac.subnormals == Subnormals::Flush && value.abs() < f64::from(f32::MIN_POSITIVE);
    let zero = |negative: bool| Single::from_bits(u128::from(negative) << 31);
    let operand = |bits: u16| {
        let value = bf16::from_bits(bits);
        let bits = if tiny(value.to_f64()) { bits & 0x8000 } else { bits };
        Single::from_bits(u128::from(bits) << 16)
    };
    let (activation, weight) = (operand(activation), operand(weight));
    let sum = Single::from_bits(sum.into());
    let product = apfloat(activation.mul_r(weight, round), mac.rounding);
    // Double holds the product exactly.
    let wide = |value: Single| f64::from(f32::from_bits(value.to_bits() as u32));
    let exact = wide(activation) * wide(weight);
    let product = if tiny(exact) { zero(exact.is_sign_negative()) } else { product };
    let single = sum.add_r(product, round);
    if !single.value.is_nan() && tiny(wide(single.value)) {
        return zero(single.value.is_negative()).to_bits() as u32; // tiny sums are exact in f32
    }
    let result = match mac.partial_sum {
        PartialSumFormat::F32 => apfloat(single, mac.rounding).to_bits() as u32,
        PartialSumFormat::Bf16 => {
            // 113 bits toward zero with a sticky last bit decide as the exact sum.
            let quad = |value: Single| {
                let mut exact = false;
                let converted: StatusAnd<Quad> = value.convert(&mut exact);
                converted.value
            };
            let wide = quad(sum).add_r(quad(product), Round::TowardZero);
            let sticky = u128::from(wide.status.contains(Status::INEXACT) && wide.value.is_finite());
            let sticky = Quad::from_bits(wide.value.to_bits() | sticky);
            let mut lost = false;
            let narrow: StatusAnd<BFloat> = sticky.convert_r(round, &mut lost);
            let odd = mac.rounding == FloatRounding::Odd && narrow.status.contains(Status::INEXACT);
            ((narrow.value.to_bits() | u128::from(odd)) << 16) as u32
        }
    };
    if f32::from_bits(result).is_nan() { CANONICAL_NAN.to_bits() } else { result }
}

const ROUNDINGS: [FloatRounding; 3] =
    [FloatRounding::NearestEven, FloatRounding::TowardZero, FloatRounding::Odd];

/// 1,000,000 sums per rounding, of both formats, subnormals kept and flushed. Every wrong rounding, format
/// and treatment of subnormals must show on them.
#[test]
fn bf16_sums_equal_software_floating_point_in_every_mode() {
    const CASES: u32 = 1_000_000;
    ROUNDINGS.into_par_iter().enumerate().for_each(|(seed, rounding)| {
        let mut random = Random(seed as u64);
        let mut wrong = [0u32; 4];
        for case in 0..CASES {
            let (sum, activation, weight) = bf16_case(&mut random, case);
            let partial_sum = random.pick(&[PartialSumFormat::F32, PartialSumFormat::Bf16]);
            let sum = if partial_sum == PartialSumFormat::Bf16 { sum & 0xffff_0000 } else { sum };
            let subnormals = random.pick(&[Subnormals::Keep, Subnormals::Flush]);
            let flushed = subnormals == Subnormals::Flush && f32::from_bits(sum).is_subnormal();
            let sum = if flushed { sum & 0x8000_0000 } else { sum }; // results are never subnormal
            let mac = Bf16Mac { partial_sum, rounding, subnormals, ..Bf16Mac::default() };
            let found = |mac: Bf16Mac| {
                let (activation, weight) = (bf16::from_bits(activation), bf16::from_bits(weight));
                mac.canonical(mac.accumulate(f32::from_bits(sum), activation, weight)).to_bits()
            };
            let expected = apfloat_mac(mac, sum, activation, weight);
            assert_eq!(found(mac), expected, "{mac:?}: {sum:#010x} + {activation:#06x} · {weight:#06x}");
            let others = ROUNDINGS.into_iter().filter(|other| *other != rounding);
            for (wrong, rounding) in wrong.iter_mut().zip(others) {
                *wrong += u32::from(found(Bf16Mac { rounding, ..mac }) != expected);
            }
            let other = match partial_sum {
                PartialSumFormat::F32 => PartialSumFormat::Bf16,
                PartialSumFormat::Bf16 => PartialSumFormat::F32,
            };
            wrong[2] += u32::from(found(Bf16Mac { partial_sum: other, ..mac }) != expected);
            let other = match subnormals {
                Subnormals::Keep => Subnormals::Flush,
                Subnormals::Flush => Subnormals::Keep,
            };
            wrong[3] += u32::from(found(Bf16Mac { subnormals: other, ..mac }) != expected);
        }
        println!("{rounding:?}: {CASES} sums; wrong roundings, format, subnormals show {wrong:?}");
        assert!(wrong.iter().all(|&wrong| wrong > 0), "{rounding:?}: {wrong:?}");
    });
}

/// Blocks of lanes whose exact sum is an integer of at most 100 bits, which rustc_apfloat rounds once.
#[test]
fn blocks_of_lanes_are_rounded_once() {
    ROUNDINGS.into_par_iter().enumerate().for_each(|(seed, rounding)| {
        let mut random = Random(10 + seed as u64);
        let mut serial_differs = 0;
        for case in 0..100_000u32 {
            let lanes = 1 + random.next() as usize % 8;
            let operand = |random: &mut Random| {
                let significand = (random.next() % 256) as i128 - 128;
                let shift = random.next() % if case % 2 == 0 { 4 } else { 36 };
                (significand << shift, bf16::from_f32(significand as f32 * 2f32.powi(shift as i32)))
            };
            let activations: Vec<_> = (0..lanes).map(|_| operand(&mut random)).collect();
            let weights: Vec<_> = (0..lanes).map(|_| operand(&mut random)).collect();
            let products = activations.iter().zip(&weights).map(|(a, w)| a.0 * w.0);
            let exact: i128 = products.sum();
            // In a quarter of the cases the sum cancels nearly everything.
            let sum = if case % 4 < 2 { random.next() as i32 as f32 } else { 0.0 - exact as f32 };
            let total = exact + sum as i128;
            let rounded = Single::from_i128_r(total, apfloat_round(rounding));
            let expected = apfloat(rounded, rounding).to_bits() as u32;
            let values =
                |operands: &[(i128, bf16)]| operands.iter().map(|operand| operand.1).collect::<Vec<_>>();
            let step = |lane_sum| {
                let mac = Bf16Mac { rounding, lane_sum, ..Bf16Mac::default() };
                mac.step(sum, &values(&activations), &values(&weights)).to_bits()
            };
            assert_eq!(step(LaneSum::Block), expected, "{rounding:?}: {activations:?} {weights:?} {sum}");
            serial_differs += u32::from(step(LaneSum::Serial) != expected);
        }
        assert!(serial_differs > 1000, "{rounding:?}: {serial_differs}");
    });
}

/// Scales near 2^-10 with accumulators of 17 bits give ties and near ties in plenty.
#[test]
fn f32_rne_equals_software_floating_point() {
    let mut random = Random(2);
    let format = |signedness| IntegerFormat::new(signedness, 8).unwrap();
    for case in 0..100_000u32 {
        let (format, zero_point) = match case % 3 {
            0 => (format(Signedness::Signed), 0),
            1 => (format(Signedness::Signed), random.pick(&[-128, -7, 5, 127])),
            _ => (format(Signedness::Unsigned), random.pick(&[0, 3, 128, 255])),
        };
        let accumulator = match case % 4 {
            0 => random.next() as i32,
            _ => (random.next() as i32) >> 15,
        };
        let scale = match case % 5 {
            0 => random.next() as u32 & 0x7fff_ffff, // any, NaN and infinity too
            1 => 0x3a80_0000,
            _ => 0x3a00_0000 | (random.next() as u32 & 0x00ff_ffff),
        };
        let product =
            (Single::from_i128(i128::from(accumulator)).value * Single::from_bits(scale.into())).value;
        let integer = |value: i32| Single::from_i128(i128::from(value - zero_point)).value;
        let (low, high) = (integer(format.min()), integer(format.max()));
        let clamped = if product < low {
            low
        } else if product > high {
            high
        } else {
            product
        };
        let rounded = clamped.round_to_integral(Round::NearestTiesToEven).value;
        let expected = (!product.is_nan()).then(|| rounded.to_i128(64).value as i32 + zero_point);
        let found = F32Rne::new(format, zero_point, Activation::Identity).unwrap();
        let found = found.requantize(accumulator, f32::from_bits(scale));
        assert_eq!(found, expected, "{accumulator} · {scale:#010x}, zero point {zero_point}");
    }
}

/// AQT legacy w4a4: 3×3, stride 2, SAME = (0, 1), 1×4×4×2 to 1×2×2×2. The integers are what AQT
/// (PyPI aqtp 0.9.0) quantizes the example's tensors to; weights in HWIO order.
#[test]
fn aqt_example_gives_its_accumulators() {
    let input =
        [11, 0, 2, 5, 0, 2, 2, 0, 7, 5, 0, 1, 5, 1, 1, 0, 5, 2, 3, 0, 11, 3, 0, 13, 2, 0, 0, 0, 7, 0, 0, 7];
    let hwio: [i8; 36] = [
        -6, 2, -7, -2, -4, 5, 6, -1, 3, -1, 2, -2, -6, -6, 1, 7, 1, -2, 6, 1, 0, 1, 0, -1, -5, 2, 0, 4, -1,
        -6, 0, 5, -1, -3, -4, -3,
    ];
    let weights: Vec<i8> = (0..2).flat_map(|channel| hwio.into_iter().skip(channel).step_by(2)).collect();
    let expected = [-122, -21, -105, 80, -29, -1, -9, -32];
    let window = Window {
        kernel: Size { height: 3, width: 3 },
        stride: Size { height: 2, width: 2 },
        dilation: Size { height: 1, width: 1 },
        padding: Padding { top: 0, bottom: 1, left: 0, right: 1 },
    };
    let geometry = Geometry::new(FeatureMap { height: 4, width: 4, channels: 2 }, 2, window, 1).unwrap();
    let format = IntegerFormat::new(Signedness::Unsigned, 4).unwrap();
    let convolution =
        IntegerConvolution::new(geometry, &weights, format, INT32(), None, Kernels::Fastest).unwrap();
    assert_eq!(convolution.accumulators(&input), (expected.to_vec(), 0));
    assert_eq!(direct_integer(&geometry, &input, &weights), expected.map(i64::from));
}

fn small_network(precision: &str) -> (Network, Params) {
    let text = format!(
        "schema_version = 1\nname = \"small\"\nfamily = \"small\"\n[generator.resnet]\ndepth = 8\n\
         variant = \"cifar\"\nwidth = 4\nstem_stride = 2\ninput = {{ height = 8, width = 8, channels = 1 }}\n\
         classes = 5\npadding = \"torch\"\n[precision]\ndefault = \"{precision}\"\n\
         quantizer = \"aqt-legacy\"\nresidual_format = \"bf16\"\n"
    );
    let network = Workload::parse(&SourceFile::embedded("small.toml", &text)).unwrap().network().clone();
    let mut random = Random(7);
    let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = vec![];
    let floats = |values: Vec<f32>| values.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>();
    for layer in network.layers() {
        let Operation::Convolution(convolution) = &layer.operation else { continue };
        let cout = network.edge(layer.output).shape.channels;
        let Size { height, width } = convolution.window.kernel;
        let cin = network.edge(layer.input).shape.channels / convolution.groups;
        let (shape, count) = (vec![cout, height, width, cin], cout * height * width * cin);
        let (dtype, bytes, multiplier) = match convolution.operand_pair(&network) {
            OperandPair::Integer { weight, .. } => {
                let max = weight.max() as i16;
                let values = integers(&mut random, Fill::Random, count, -max, max);
                (Dtype::I8, values.into_iter().map(|value| value as u8).collect(), 0.127 / f32::from(max))
            }
            OperandPair::Bf16 => {
                let values = bf16s(&mut random, Fill::Random, count);
                (Dtype::BF16, values.into_iter().flat_map(|value| value.to_le_bytes()).collect(), 1.0)
            }
        };
        tensors.push((format!("{}.weight", layer.name), dtype, shape, bytes));
        let multipliers = floats(vec![multiplier; cout]);
        tensors.push((format!("{}.multiplier", layer.name), Dtype::F32, vec![cout], multipliers));
        let bias = (0..cout).map(|channel| channel as f32 * 0.125 - 0.25).collect();
        tensors.push((format!("{}.bias", layer.name), Dtype::F32, vec![cout], floats(bias)));
    }
    for quantizer in network.quantizers() {
        tensors.push((format!("{}.scale", quantizer.name), Dtype::F32, vec![1], floats(vec![40.0])));
    }
    let params = Params::from_file(&file(&tensors), &network).unwrap();
    (network, params)
}

fn file(tensors: &[(String, Dtype, Vec<usize>, Vec<u8>)]) -> TensorFile {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    TensorFile::parse(Path::new("memory"), safetensors::serialize(views, None).unwrap()).unwrap()
}

fn plans(network: &Network, mac: IntegerMac, k_per_fold: usize) -> Vec<Option<LayerPlan>> {
    let plan = |operation: &Operation| match operation {
        Operation::Convolution(convolution) => Some(LayerPlan {
            mac: match convolution.operand_pair(network) {
                OperandPair::Integer { .. } => MacSpec::Integer(mac),
                OperandPair::Bf16 => MacSpec::Bf16(Bf16Mac::default()),
            },
            reduction: Some(order(k_per_fold)),
        }),
        _ => None,
    };
    network.layers().iter().map(|layer| plan(&layer.operation)).collect()
}

#[test]
fn classification_does_not_depend_on_threads_or_kernels() {
    let mut random = Random(3);
    let pixels: Vec<u8> = (0..23 * 64).map(|_| random.next() as u8).collect();
    let labels: Vec<u8> = (0..23).map(|index| index % 5).collect();
    let set = file(&[
        ("images".to_owned(), Dtype::U8, vec![23, 8, 8, 1], pixels),
        ("labels".to_owned(), Dtype::U8, vec![23], labels),
    ]);
    let normalization = Normalization { mean: vec![100.0], std: vec![60.0] };
    let narrow = IntegerMac::wrapping(width(16), width(16));
    for (precision, mac) in [("w8a8", INT32()), ("w4a4", INT32()), ("w8a8", narrow), ("bf16", INT32())] {
        let (network, params) = small_network(precision);
        let set = EvaluationSet::from_file(&set, network.image().shape, 5).unwrap();
        let plans = plans(&network, mac, 16);
        let classify = |kernels, threads| {
            let executable = Executable::with_kernels(&network, &params, &plans, kernels).unwrap();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| executable.classify(&set, &normalization, |_| ())).unwrap()
        };
        let expected = classify(Kernels::Portable, 1);
        assert!(expected.predictions.iter().any(|&class| class != expected.predictions[0]), "{precision}");
        assert_eq!(expected.statistics.iter().any(|layer| layer.overflows > 0), mac == narrow);
        for threads in [1, 2, 5] {
            assert_eq!(classify(Kernels::Fastest, threads), expected, "{precision}, {threads} threads");
        }
    }
}

#[test]
fn an_image_whose_logits_are_all_nan_has_no_class() {
    let logits = |logits: &[f32]| Outputs { logits: logits.to_vec(), statistics: vec![] }.top1();
    assert_eq!(logits(&[f32::NAN, f32::NEG_INFINITY, 2.0, 2.0]), Some(2));
    assert_eq!(logits(&[f32::NAN, f32::NEG_INFINITY]), Some(1));
    assert_eq!(logits(&[f32::NAN; 3]), None);
    // An infinite image gives infinities of both signs in the stem, and their sums.
    let (network, params) = small_network("bf16");
    let executable = Executable::new(&network, &params, &plans(&network, INT32(), 16)).unwrap();
    let set = file(&[
        ("images".to_owned(), Dtype::U8, vec![2, 8, 8, 1], vec![1; 128]),
        ("labels".to_owned(), Dtype::U8, vec![2], vec![0; 2]),
    ]);
    let set = EvaluationSet::from_file(&set, network.image().shape, 5).unwrap();
    let normalization = Normalization { mean: vec![0.0], std: vec![f32::MIN_POSITIVE / 64.0] };
    let error = executable.classify(&set, &normalization, |_| ()).unwrap_err().to_string();
    assert_eq!(error, "image 0: all logits are NaN; an image without a largest logit has no class");
}

#[test]
fn every_edge_is_returned_as_stored() {
    let (network, params) = small_network("w8a8");
    let executable = Executable::new(&network, &params, &plans(&network, INT32(), 16)).unwrap();
    let (outputs, edges) = executable.run_with_edges(&[0.5; 64]).unwrap();
    assert_eq!(edges.len(), network.edges().len());
    for (edge, tensor) in network.edges().iter().zip(&edges) {
        let FeatureMap { height, width, channels } = edge.shape;
        assert_eq!(tensor.shape(), [1, height, width, channels]);
    }
    assert_eq!(edges[0].data(), &Data::I8(vec![20; 64]));
    assert_eq!(edges.last().unwrap().data(), &Data::F32(outputs.logits.clone()));
    assert_eq!(executable.run(&[0.5; 64]).unwrap(), outputs);
    let reports = executable.reports();
    assert_eq!(reports.iter().filter(|report| report.is_none()).count(), 1); // the pool
    assert!(
        reports.iter().flatten().all(|report| report.static_bound.is_some() && report.bits_needed < Some(32))
    );
}

/// Max pool, projections beside signed inputs, 50 layers deep: synthetic values neither die nor saturate,
/// and kernels agree on all of them.
#[test]
fn an_imagenet_network_executes_with_synthetic_values() {
    for precision in ["w8a8", "w4a4", "bf16"] {
        let text = format!(
            "schema_version = 1\n[generator.resnet]\ndepth = 50\nvariant = \"v1.5\"\nwidth_multiplier = 0.25\n\
             input = {{ height = 40, width = 40, channels = 3 }}\nclasses = 10\npadding = \"same\"\n\
             [precision]\ndefault = \"{precision}\"\n"
        );
        let network = Workload::parse(&SourceFile::embedded("n.toml", &text)).unwrap().network().clone();
        let params = Params::synthetic(&network, 7).unwrap();
        let plans = plans(&network, INT32(), 16);
        let image = synthetic_image(&network, 7);
        let run = |kernels| {
            let executable = Executable::with_kernels(&network, &params, &plans, kernels).unwrap();
            executable.run_with_edges(&image).unwrap()
        };
        let (outputs, edges) = run(Kernels::Portable);
        assert_eq!(run(Kernels::Fastest), (outputs.clone(), edges.clone()), "{precision}");
        assert!(outputs.logits.iter().all(|logit| logit.is_finite()), "{precision}");
        for (edge, tensor) in network.edges().iter().zip(&edges) {
            let magnitudes: Vec<f32> = match tensor.data() {
                Data::I8(values) => values.iter().map(|&value| f32::from(value.unsigned_abs())).collect(),
                Data::U8(values) => values.iter().map(|&value| f32::from(value)).collect(),
                Data::Bf16(values) => values.iter().map(|value| value.to_f32().abs()).collect(),
                _ => continue,
            };
            let share = |of: fn(f32, f32) -> bool| {
                let largest = magnitudes.iter().copied().fold(0.0, f32::max);
                magnitudes.iter().filter(|&&value| of(value, largest)).count() as f64
                    / magnitudes.len() as f64
            };
            assert!(share(|value, _| value > 0.0) > 0.02, "{precision}: `{}` is dead", edge.name);
            assert!(share(|value, largest| value == largest) < 0.2, "{precision}: `{}` saturates", edge.name);
        }
    }
}

#[test]
fn what_cannot_be_executed_is_an_error() {
    let (network, params) = small_network("w8a8");
    let mut plans = plans(&network, INT32(), 16);
    let executable = Executable::new(&network, &params, &plans).unwrap();
    let mut image = [0.5; 64];
    image[9] = f32::NAN;
    let error = executable.run(&image).unwrap_err();
    let expected =
        ExecutionError::NotANumber { layer: "image".to_owned(), edge: "image".to_owned(), index: 9 };
    assert_eq!(error, expected);
    let error = executable.run(&image[1..]).unwrap_err().to_string();
    assert_eq!(error, "image: 63 elements; the network takes 64");
    let error = Executable::new(&network, &params, &plans[1..]).unwrap_err();
    assert!(matches!(error, ExecutionError::PlanCount { expected, found } if expected == found + 1));
    let stem = plans[0].unwrap();
    for (plan, message) in [
        (None, "has no plan"),
        (Some(LayerPlan { reduction: Some(order(0)), ..stem }), "its plan has empty folds"),
        (
            Some(LayerPlan { mac: MacSpec::Bf16(Bf16Mac::default()), ..stem }),
            "its plan's MAC takes other operands",
        ),
    ] {
        plans[0] = plan;
        let error = Executable::new(&network, &params, &plans).unwrap_err().to_string();
        assert_eq!(error, format!("layer `{}`: {message}", network.layers()[0].name));
    }
}
