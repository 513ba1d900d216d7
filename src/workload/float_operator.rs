//! Operators of imported networks that run in f32, in a declared order, and not on the array.

use super::layer::Window;
use super::network::EdgeId;

/// An f32 operator; its constants are parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FloatOperator {
    /// QuantizeLinear.
    Quantize,
    /// DequantizeLinear of integers or accumulators.
    Dequantize,
    /// An accumulator or integer as f32, to nearest even.
    Cast,
    /// Each output from +0 in strict k order (kernel row, kernel column, channel), multiply then add,
    /// padding skipped; the bias last.
    Convolution {
        /// Geometry.
        window: Window,
        /// Groups of channels that do not see each other.
        groups: usize,
    },
    /// Sum.
    Add(FloatOperand),
    /// Product.
    Multiply(FloatOperand),
    /// max(x, +0), keeping NaN.
    Relu,
    /// The nearest of two limits where outside them.
    Clip,
    /// ((x − mean) · f32(scale / f32(√f32(variance + epsilon)))) + bias, per channel.
    BatchNormalization,
    /// The largest tap inside the image.
    MaxPool(Window),
    /// The sum from +0 of the taps inside the image, in (row, column) order, over their number.
    AveragePool {
        /// Geometry.
        window: Window,
        /// What the sum is divided by.
        divisor: PoolDivisor,
    },
    /// The sum from +0 in (row, column) order over the number of pixels.
    GlobalAveragePool,
    /// exp(x − max) over its sum from +0 in channel order; `exp` of libm.
    Softmax,
}

/// The second operand of a float operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatOperand {
    /// Another edge of the same shape.
    Edge(EdgeId),
    /// One parameter per channel.
    Constant,
}

/// What an average pool divides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolDivisor {
    /// The taps inside the image.
    InsideTaps,
    /// All taps.
    AllTaps,
}

impl FloatOperator {
    pub(super) fn second_input(&self) -> Option<EdgeId> {
        match self {
            Self::Add(FloatOperand::Edge(other)) | Self::Multiply(FloatOperand::Edge(other)) => Some(*other),
            _ => None,
        }
    }

    pub(super) fn window(&self) -> Option<Window> {
        match self {
            Self::Convolution { window, .. } | Self::MaxPool(window) | Self::AveragePool { window, .. } => {
                Some(*window)
            }
            _ => None,
        }
    }

    /// What ONNX calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Quantize => "QuantizeLinear",
            Self::Dequantize => "DequantizeLinear",
            Self::Cast => "Cast",
            Self::Convolution { .. } => "Conv",
            Self::Add(_) => "Add",
            Self::Multiply(_) => "Mul",
            Self::Relu => "Relu",
            Self::Clip => "Clip",
            Self::BatchNormalization => "BatchNormalization",
            Self::MaxPool(_) => "MaxPool",
            Self::AveragePool { .. } => "AveragePool",
            Self::GlobalAveragePool => "GlobalAveragePool",
            Self::Softmax => "Softmax",
        }
    }
}
