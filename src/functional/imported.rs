//! Layers of imported networks on integers: convolutions with zero points, residual adds, global pools, lookups.

use std::ops::Range;

use crate::numerics::{F32Add, F32Rne, IntegerFormat, QuantizedAdd, Requantization};

use super::convolution::{IntegerConvolution, Scratch};
use super::float::{LargestMagnitude, Stored};
use super::float_operators::FloatStep;
use super::integer_pools::IntegerPool;
use super::loops::{Loops, Vectors};

/// A layer ready to run.
#[derive(Clone, Debug)]
pub(super) enum ImportedStep {
    Convolution(Box<AffineStep>),
    Add(QuantizedAdd),
    Pool(IntegerPool),
    GlobalAveragePool { zero_point: i32, requantization: Requantization, channels: usize },
    Lookup(Lookup),
    Float(Box<FloatStep>),
}

/// An integer for every integer of a format.
#[derive(Clone, Debug)]
pub(super) struct Lookup {
    smallest: i16,
    table: Vec<i16>,
}

impl Lookup {
    /// None where the table has not an integer for every one.
    pub(super) fn new(format: IntegerFormat, table: &[i16]) -> Option<Self> {
        let integers = (format.max() - format.min() + 1) as usize;
        (table.len() == integers).then(|| Self { smallest: format.min() as i16, table: table.to_vec() })
    }

    pub(super) fn of(&self, value: i16) -> i16 {
        self.table[usize::from((value - self.smallest) as u16)]
    }
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
            Self::Pool(pool) => pool.run(integers(input), integers_mut(output)),
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
            Self::Lookup(lookup) => {
                for (to, &from) in integers_mut(output).iter_mut().zip(integers(input)) {
                    *to = lookup.of(from);
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
