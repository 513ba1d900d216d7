//! f32 operators of imported networks: plain loops in the order that `workload::FloatOperator` declares.

use crate::numerics::QuantizeLinear;
use crate::workload::{FeatureMap, FloatOperand, FloatOperator, ImportedParams, PoolDivisor};

use super::float::Stored;
use super::geometry::Geometry;
use super::windows::for_each_window;

/// An operator with its parameters and shapes.
#[derive(Clone, Debug)]
pub(super) struct FloatStep {
    pub(super) operator: FloatOperator,
    pub(super) params: Option<ImportedParams>,
    pub(super) input: FeatureMap,
    pub(super) output: FeatureMap,
}

impl FloatStep {
    /// None where the parameters are not the operator's.
    pub(super) fn new(
        operator: &FloatOperator,
        params: Option<&ImportedParams>,
        input: FeatureMap,
        output: FeatureMap,
    ) -> Option<Self> {
        let per_channel = |values: &[f32]| values.len() == output.channels;
        let fits = match (operator, params) {
            (FloatOperator::Quantize, Some(ImportedParams::Quantize { .. }))
            | (FloatOperator::Clip, Some(ImportedParams::Clip { .. }))
            | (
                FloatOperator::Cast
                | FloatOperator::Relu
                | FloatOperator::MaxPool(_)
                | FloatOperator::AveragePool { .. }
                | FloatOperator::GlobalAveragePool
                | FloatOperator::Softmax
                | FloatOperator::Add(FloatOperand::Edge(_))
                | FloatOperator::Multiply(FloatOperand::Edge(_)),
                None,
            ) => true,
            (FloatOperator::Dequantize, Some(ImportedParams::Dequantize { scales, zero_points })) => {
                per_channel(scales) && zero_points.len() == output.channels
            }
            (
                FloatOperator::Add(FloatOperand::Constant) | FloatOperator::Multiply(FloatOperand::Constant),
                Some(ImportedParams::Constant(values)),
            ) => per_channel(values),
            (
                FloatOperator::BatchNormalization,
                Some(ImportedParams::BatchNormalization { mean, factor, bias }),
            ) => per_channel(mean) && per_channel(factor) && per_channel(bias),
            (
                FloatOperator::Convolution { window, groups },
                Some(ImportedParams::FloatConvolution { weights, bias }),
            ) => {
                let geometry = Geometry::new(input, output.channels, *window, *groups)?;
                geometry.output() == output
                    && weights.len() == geometry.k() * output.channels
                    && bias.as_ref().is_none_or(|bias| per_channel(bias))
            }
            _ => false,
        };
        fits.then(|| Self { operator: operator.clone(), params: params.cloned(), input, output })
    }

    /// Executes one image. `Err` is the position of the first NaN that goes onto a grid.
    pub(super) fn run(
        &self,
        input: &Stored,
        second: Option<&Stored>,
        output: &mut Stored,
    ) -> Result<(), usize> {
        let channels = self.output.channels;
        if let Stored::Integer(quantized) = output {
            let Some(ImportedParams::Quantize { grid, scale }) = &self.params else {
                unreachable!("checked when the network was prepared")
            };
            return quantize(*grid, *scale, floats(input).iter().copied(), quantized);
        }
        let Stored::F32(values) = output else { unreachable!("checked when the network was prepared") };
        match (&self.operator, &self.params) {
            (FloatOperator::Dequantize, Some(ImportedParams::Dequantize { scales, zero_points })) => {
                for (index, value) in values.iter_mut().enumerate() {
                    let channel = index % channels;
                    let integer = integer(input, index).wrapping_sub(zero_points[channel]);
                    *value = integer as f32 * scales[channel];
                }
            }
            (FloatOperator::Cast, _) => {
                for (index, value) in values.iter_mut().enumerate() {
                    *value = integer(input, index) as f32;
                }
            }
            (
                FloatOperator::Convolution { window, groups },
                Some(ImportedParams::FloatConvolution { weights, bias }),
            ) => {
                if let Some(geometry) = Geometry::new(self.input, channels, *window, *groups) {
                    convolution(&geometry, floats(input), weights, bias.as_deref(), values);
                }
            }
            (FloatOperator::Add(_), params) => {
                binary(floats(input), second, params.as_ref(), values, |a, b| a + b);
            }
            (FloatOperator::Multiply(_), params) => {
                binary(floats(input), second, params.as_ref(), values, |a, b| a * b);
            }
            (FloatOperator::Relu, _) => {
                each(floats(input), values, |x| if x > 0.0 || x.is_nan() { x } else { 0.0 })
            }
            (FloatOperator::Clip, Some(ImportedParams::Clip { low, high })) => {
                each(floats(input), values, |x| {
                    if x < *low {
                        *low
                    } else if x > *high {
                        *high
                    } else {
                        x
                    }
                });
            }
            (
                FloatOperator::BatchNormalization,
                Some(ImportedParams::BatchNormalization { mean, factor, bias }),
            ) => {
                for (index, (value, &x)) in values.iter_mut().zip(floats(input)).enumerate() {
                    let channel = index % channels;
                    *value = (x - mean[channel]) * factor[channel] + bias[channel];
                }
            }
            (FloatOperator::MaxPool(window), _) => {
                let input = floats(input);
                for_each_window(self.input, self.output, *window, |pixel, taps| {
                    for (channel, value) in values[pixel * channels..][..channels].iter_mut().enumerate() {
                        let taps = taps.pixels().map(|tap| input[tap * channels + channel]);
                        *value = taps.fold(f32::NEG_INFINITY, |a, b| if b > a || b.is_nan() { b } else { a });
                    }
                });
            }
            (FloatOperator::AveragePool { window, divisor }, _) => {
                let input = floats(input);
                let all = window.kernel.height * window.kernel.width;
                for_each_window(self.input, self.output, *window, |pixel, taps| {
                    let count = match divisor {
                        PoolDivisor::InsideTaps => taps.count(),
                        PoolDivisor::AllTaps => all,
                    };
                    for (channel, value) in values[pixel * channels..][..channels].iter_mut().enumerate() {
                        let sum = taps.pixels().fold(0.0, |sum, tap| sum + input[tap * channels + channel]);
                        *value = sum / count as f32;
                    }
                });
            }
            (FloatOperator::GlobalAveragePool, _) => {
                let input = floats(input);
                for (channel, value) in values.iter_mut().enumerate() {
                    let sum = input[channel..].iter().step_by(channels).fold(0.0, |sum, x| sum + x);
                    *value = sum / (input.len() / channels) as f32;
                }
            }
            (FloatOperator::Softmax, _) => {
                let rows = floats(input).chunks_exact(channels);
                for (row, values) in rows.zip(values.chunks_exact_mut(channels)) {
                    let largest = row.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
                    each(row, values, |x| libm::expf(x - largest));
                    let sum = values.iter().fold(0.0, |sum, x| sum + x);
                    values.iter_mut().for_each(|value| *value /= sum);
                }
            }
            _ => unreachable!("checked when the network was prepared"),
        }
        Ok(())
    }
}

/// Puts values onto a grid with a zero point.
pub(super) fn quantize(
    grid: QuantizeLinear,
    scale: f32,
    values: impl Iterator<Item = f32>,
    quantized: &mut [i16],
) -> Result<(), usize> {
    for (index, (quantized, value)) in quantized.iter_mut().zip(values).enumerate() {
        *quantized = grid.quantize(value, scale).ok_or(index)? as i16;
    }
    Ok(())
}

fn each(from: &[f32], to: &mut [f32], function: impl Fn(f32) -> f32) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = function(from);
    }
}

fn binary(
    first: &[f32],
    second: Option<&Stored>,
    params: Option<&ImportedParams>,
    to: &mut [f32],
    function: impl Fn(f32, f32) -> f32,
) {
    let second = match (second, params) {
        (Some(second), _) => floats(second),
        (None, Some(ImportedParams::Constant(values))) => values,
        _ => unreachable!("checked when the network was prepared"),
    };
    for (index, (to, &from)) in to.iter_mut().zip(first).enumerate() {
        *to = function(from, second[index % second.len()]);
    }
}

fn convolution(geometry: &Geometry, input: &[f32], weights: &[f32], bias: Option<&[f32]>, to: &mut [f32]) {
    let (k, n, depth) = (geometry.k(), geometry.out_channels_per_group(), geometry.in_channels_per_group());
    let window = geometry.window();
    let (from, output) = (geometry.input(), geometry.output());
    let Some(one) = window.kernel.width.checked_mul(depth) else { return };
    for y in 0..output.height {
        for x in 0..output.width {
            for channel in 0..output.channels {
                let weights = &weights[channel * k..][..k];
                let first = channel / n * depth;
                let mut sum = 0.0;
                for tap_y in 0..window.kernel.height {
                    let row = (y * window.stride.height + tap_y * window.dilation.height)
                        .checked_sub(window.padding.top);
                    let Some(row) = row.filter(|&row| row < from.height) else { continue };
                    for tap_x in 0..window.kernel.width {
                        let column = (x * window.stride.width + tap_x * window.dilation.width)
                            .checked_sub(window.padding.left);
                        let Some(column) = column.filter(|&column| column < from.width) else { continue };
                        let at = (row * from.width + column) * from.channels + first;
                        let weights = &weights[tap_y * one + tap_x * depth..][..depth];
                        for (x, w) in input[at..at + depth].iter().zip(weights) {
                            sum += x * w;
                        }
                    }
                }
                let at = (y * output.width + x) * output.channels + channel;
                to[at] = bias.map_or(sum, |bias| sum + bias[channel]);
            }
        }
    }
}

fn floats(stored: &Stored) -> &[f32] {
    match stored {
        Stored::F32(values) => values,
        _ => unreachable!("checked when the network was prepared"),
    }
}

fn integer(stored: &Stored, index: usize) -> i32 {
    match stored {
        Stored::Integer(values) => i32::from(values[index]),
        Stored::Int32(values) => values[index],
        _ => unreachable!("checked when the network was prepared"),
    }
}
