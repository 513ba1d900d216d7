//! Layers, fused as hardware executes them: dot product, batch norm, add, ReLU, one store.

use crate::numerics::{Activation, IntegerFormat, OperandFormat, OperandPair, RequantizationKind};

use super::float_operator::FloatOperator;
use super::network::{EdgeId, Network, QuantizerId};

/// Shape of one image's feature map, channels innermost (NHWC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FeatureMap {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels.
    pub channels: usize,
}

impl FeatureMap {
    /// Elements per image.
    pub fn elements(self) -> usize {
        self.height * self.width * self.channels
    }
}

/// A vertical and a horizontal extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// Vertical.
    pub height: usize,
    /// Horizontal.
    pub width: usize,
}

/// Zero operands around the input, per side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the left.
    pub left: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Padding {
    /// The same on every side.
    pub fn all(size: usize) -> Self {
        Self { top: size, bottom: size, left: size, right: size }
    }
}

/// The geometry of a sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Kernel size.
    pub kernel: Size,
    /// Step between outputs.
    pub stride: Size,
    /// Step between taps.
    pub dilation: Size,
    /// Padding per side.
    pub padding: Padding,
}

impl Window {
    /// Number of window positions over `input`, None when the window does not fit.
    pub fn output(&self, input: FeatureMap) -> Option<Size> {
        let extent =
            |input: usize, before: usize, after: usize, kernel: usize, stride: usize, dilation: usize| {
                let reach = dilation * (kernel - 1) + 1;
                (input + before + after).checked_sub(reach).map(|rest| rest / stride + 1)
            };
        let Padding { top, bottom, left, right } = self.padding;
        Some(Size {
            height: extent(
                input.height,
                top,
                bottom,
                self.kernel.height,
                self.stride.height,
                self.dilation.height,
            )?,
            width: extent(
                input.width,
                left,
                right,
                self.kernel.width,
                self.stride.width,
                self.dilation.width,
            )?,
        })
    }
}

/// What the network's author called a layer that runs on the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowKind {
    /// A 2-D convolution.
    Convolution,
    /// A fully connected layer: a window as large as its input.
    Linear,
    /// A product of a plain list: rows of the first operand are pixels, its columns channels.
    MatrixProduct,
}

/// How a layer's operands are represented in the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operands {
    /// Integers: the input on this quantizer's grid, weights of this format.
    Integer {
        /// Grid of the input.
        quantizer: QuantizerId,
        /// Format of the weights.
        weight: IntegerFormat,
    },
    /// Integers with zero points: the input as it is stored, padding holding its zero point.
    Affine {
        /// Format of the input.
        activation: IntegerFormat,
        /// Format of the weights.
        weight: IntegerFormat,
        /// Whether every output needs the sum of its window.
        weight_zero_point: WeightZeroPoint,
    },
    /// bfloat16 input and weights.
    Bf16,
}

/// Whether weights are asymmetric. The input's zero point costs nothing at run time: its products with
/// the weights are part of the bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WeightZeroPoint {
    /// All are 0.
    Zero,
    /// Some is not: zw · Σx is subtracted from every accumulator, on the vector unit.
    NonZero,
}

/// A convolution or linear layer with everything fused into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Convolution or linear.
    pub kind: WindowKind,
    /// Geometry.
    pub window: Window,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Operand representation.
    pub operands: Operands,
    /// A stored edge that is added before the activation.
    pub shortcut: Option<EdgeId>,
    /// The fused activation function.
    pub activation: Activation,
    /// How a sum of integers, with a bias of integers, becomes an integer of the grid that it is stored on. None:
    /// through f32, or as the parameters of an import say.
    pub requantization: Option<RequantizationKind>,
}

impl Convolution {
    /// Whether its bias is an integer that joins the accumulator.
    pub fn has_integer_bias(&self) -> bool {
        matches!(self.operands, Operands::Affine { .. }) || self.requantization.is_some()
    }

    /// The (activation, weight) pair that the array multiplies.
    pub fn operand_pair(&self, network: &Network) -> OperandPair {
        match self.operands {
            Operands::Integer { quantizer, weight } => {
                OperandPair::Integer { activation: network.quantizer(quantizer).grid.format(), weight }
            }
            Operands::Affine { activation, weight, .. } => OperandPair::Integer { activation, weight },
            Operands::Bf16 => OperandPair::Bf16,
        }
    }

    /// Format of the weights.
    pub fn weight_format(&self) -> OperandFormat {
        match self.operands {
            Operands::Integer { weight, .. } | Operands::Affine { weight, .. } => {
                OperandFormat::Integer(weight)
            }
            Operands::Bf16 => OperandFormat::Bf16,
        }
    }
}

/// What a layer does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Runs on the array; the rest of the fused layer on the vector unit.
    Convolution(Convolution),
    /// The largest value of each window and channel, on the vector unit. Only taps inside the image
    /// count, and every window has one.
    MaxPool(Window),
    /// The same of integers, then another integer for every one: Lookup.
    MaxPoolLookup(Window),
    /// Mean over height and width, on the vector unit.
    GlobalAveragePool,
    /// Mean of each window and channel, of integers, on the vector unit. Every window has a tap inside the image.
    AveragePool(Window, PoolTerms),
    /// The sum with another edge, both integers with their own scales and zero points, requantized.
    QuantizedAdd(EdgeId),
    /// Another integer for every integer of its input: requantization, or a function of one element
    /// between dequantizing and quantizing.
    Lookup,
    /// An operator in f32 that is not mapped to the array.
    Float(FloatOperator),
}

/// What an average pool of integers adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolTerms {
    /// Integers as they are stored, between one grid.
    Integers,
    /// Dequantized in f32, between any two grids.
    Reals,
}

impl Operation {
    /// The edge that it reads besides its input.
    pub fn second_input(&self) -> Option<EdgeId> {
        match self {
            Self::Convolution(convolution) => convolution.shortcut,
            Self::QuantizedAdd(other) => Some(*other),
            Self::Float(operator) => operator.second_input(),
            Self::MaxPool(_)
            | Self::MaxPoolLookup(_)
            | Self::AveragePool(..)
            | Self::GlobalAveragePool
            | Self::Lookup => None,
        }
    }

    /// The window that slides over its input.
    pub fn window(&self) -> Option<Window> {
        match self {
            Self::Convolution(Convolution { window, .. })
            | Self::MaxPool(window)
            | Self::MaxPoolLookup(window)
            | Self::AveragePool(window, _) => Some(*window),
            Self::Float(operator) => operator.window(),
            Self::GlobalAveragePool | Self::QuantizedAdd(_) | Self::Lookup => None,
        }
    }

    /// Whether results are complete only with the last pixel of an image.
    pub fn is_per_image(&self) -> bool {
        matches!(self, Self::GlobalAveragePool | Self::Float(FloatOperator::GlobalAveragePool))
    }
}

impl Operation {
    /// What files and reports call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Convolution(convolution) => match convolution.kind {
                WindowKind::Convolution => "conv2d",
                WindowKind::Linear => "linear",
                WindowKind::MatrixProduct => "gemm",
            },
            Self::MaxPool(_) | Self::MaxPoolLookup(_) => "max_pool",
            Self::AveragePool(..) => "average_pool",
            Self::GlobalAveragePool => "global_average_pool",
            Self::QuantizedAdd(_) => "add",
            Self::Lookup => "requantize",
            Self::Float(operator) => operator.name(),
        }
    }
}

/// One fused layer. Layer i writes the edge after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Unique name; prefix of its tensors in a trace.
    pub name: String,
    /// What it reads.
    pub input: EdgeId,
    /// What it writes.
    pub output: EdgeId,
    /// What it does.
    pub operation: Operation,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_positions_follow_stride_padding_and_dilation() {
        let map = |size| FeatureMap { height: size, width: size, channels: 1 };
        let window = |kernel, stride, dilation, padding| Window {
            kernel: Size { height: kernel, width: kernel },
            stride: Size { height: stride, width: stride },
            dilation: Size { height: dilation, width: dilation },
            padding,
        };
        struct Case(usize, Window, Option<usize>);
        for (index, Case(input, window, expected)) in [
            Case(28, window(3, 2, 1, Padding::all(1)), Some(14)),
            Case(7, window(3, 2, 1, Padding::all(1)), Some(4)),
            Case(56, window(3, 2, 1, Padding { top: 0, bottom: 1, left: 0, right: 1 }), Some(28)),
            Case(5, window(3, 1, 2, Padding::default()), Some(1)),
            Case(5, window(1, 7, 1, Padding::default()), Some(1)),
            Case(2, window(3, 1, 1, Padding::default()), None),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(window.output(map(input)).map(|size| size.height), expected, "case {index}");
        }
    }
}
