//! Values of the layers of an imported network.

use crate::numerics::{F32Average, QuantizeLinear, QuantizedAdd, Requantization};

use super::float_operator::PoolDivisor;

/// Values of one layer.
#[derive(Clone, Debug, PartialEq)]
pub enum ImportedParams {
    /// An integer convolution or linear layer.
    Convolution(AffineConvolution),
    /// A quantized residual add.
    Add(QuantizedAdd),
    /// The smallest and largest integer that an average pool of stored integers puts out.
    AveragePool(i16, i16),
    /// An average pool of dequantized integers.
    F32AveragePool {
        /// What taps add to the sum, and the integer of a sum.
        average: F32Average,
        /// Of the sum.
        divisor: PoolDivisor,
    },
    /// A quantized global average pool.
    GlobalAveragePool {
        /// Of the input.
        zero_point: i32,
        /// Of the sum of a channel, less its zero points; one factor.
        requantization: Requantization,
    },
    /// The integer for every integer of the input's format, the smallest first.
    Lookup(Vec<i16>),
    /// QuantizeLinear.
    Quantize {
        /// Grid.
        grid: QuantizeLinear,
        /// Its scale, which divides.
        scale: f32,
    },
    /// DequantizeLinear, one value or one per channel.
    Dequantize {
        /// Scales, which multiply.
        scales: Vec<f32>,
        /// Subtracted before.
        zero_points: Vec<i32>,
    },
    /// An f32 convolution or linear layer.
    FloatConvolution {
        /// [cout, kh, kw, cin/groups].
        weights: Vec<f32>,
        /// Per output channel, added last; None where the operator has none.
        bias: Option<Vec<f32>>,
    },
    /// The second operand of an addition or a product, one value per channel.
    Constant(Vec<f32>),
    /// Limits.
    Clip {
        /// Smallest.
        low: f32,
        /// Largest.
        high: f32,
    },
    /// Batch normalization, per channel.
    BatchNormalization {
        /// Subtracted.
        mean: Vec<f32>,
        /// f32(scale / f32(√f32(variance + epsilon))).
        factor: Vec<f32>,
        /// Added.
        bias: Vec<f32>,
    },
}

/// acc = Σ(x − zx)(w − zw) + bias, requantized or stored as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct AffineConvolution {
    /// As stored, [cout, kh, kw, cin/groups].
    pub weights: Vec<i16>,
    /// Of the input; what padding holds.
    pub input_zero_point: i16,
    /// Of the weights, per output channel.
    pub weight_zero_points: Vec<i16>,
    /// Per output channel, without what zero points add.
    pub bias: Vec<i32>,
    /// How accumulators become the output; None: stored as int32.
    pub requantization: Option<Requantization>,
}

impl AffineConvolution {
    /// What is added to every raw sum Σx·w of a channel besides −zw·Σx: bias − zx·Σw + K·zx·zw, as a
    /// 32-bit register holds it. `k` is the number of weights per channel, at least 1.
    pub fn folded_bias(&self, k: usize) -> Vec<i32> {
        let zx = i64::from(self.input_zero_point);
        let channels = self.weights.chunks_exact(k).zip(&self.bias).zip(&self.weight_zero_points);
        channels
            .map(|((weights, &bias), &zw)| {
                let sum: i64 = weights.iter().map(|&weight| i64::from(weight)).sum();
                (i64::from(bias) - zx * sum + k as i64 * zx * i64::from(zw)) as i32
            })
            .collect()
    }
}
