//! Residual networks: what the two families share.

mod cifar;
mod imagenet;

pub(super) use cifar::CifarResnet;
pub(super) use imagenet::{ImagenetResnet, ResidualBlocks, Variant};

use crate::numerics::{Activation, Signedness};

use super::layer::{FeatureMap, Padding, Size, Window, WindowKind};
use super::network::{ConvolutionSpec, EdgeId, Network, NetworkBuilder, NetworkError};

/// How a k×k window is padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PaddingRule {
    /// k/2 on every side, as PyTorch's models do.
    Torch,
    /// TensorFlow's SAME: as little as gives ceil(input/stride) outputs, the odd one below and right.
    Same,
}

impl PaddingRule {
    /// A square window over `input`.
    fn window(self, input: FeatureMap, kernel: usize, stride: usize) -> Window {
        let square = |size| Size { height: size, width: size };
        Window {
            kernel: square(kernel),
            stride: square(stride),
            dilation: square(1),
            padding: self.padding(input, kernel, stride),
        }
    }

    fn padding(self, input: FeatureMap, kernel: usize, stride: usize) -> Padding {
        match self {
            Self::Torch => Padding::all(kernel / 2),
            Self::Same => {
                let total =
                    |input: usize| ((input.div_ceil(stride) - 1) * stride + kernel).saturating_sub(input);
                let (rows, columns) = (total(input.height), total(input.width));
                Padding {
                    top: rows / 2,
                    bottom: rows - rows / 2,
                    left: columns / 2,
                    right: columns - columns / 2,
                }
            }
        }
    }
}

/// One convolution of a block.
struct Branch {
    channels: usize,
    window: Window,
    activation: Activation,
    shortcut: Option<EdgeId>,
    /// Shared by the layers that name it; None: the layer's own.
    quantizer: Option<String>,
    /// Overrides the signedness that follows from the input.
    signed_input: Option<Signedness>,
}

impl Branch {
    fn new(channels: usize, window: Window) -> Self {
        Self {
            channels,
            window,
            activation: Activation::Identity,
            shortcut: None,
            quantizer: None,
            signed_input: None,
        }
    }

    fn relu(self) -> Self {
        Self { activation: Activation::Relu, ..self }
    }

    fn add(self, builder: &mut NetworkBuilder, name: &str, input: EdgeId) -> Result<EdgeId, NetworkError> {
        let spec = ConvolutionSpec {
            kind: WindowKind::Convolution,
            window: Some(self.window),
            out_channels: self.channels,
            groups: 1,
            shortcut: self.shortcut,
            activation: self.activation,
            quantizer: self.quantizer,
            signed_input: self.signed_input,
        };
        builder.convolution(name, input, spec)
    }
}

/// Global average pool and classifier, which end both families.
fn finish(mut builder: NetworkBuilder, trunk: EdgeId, classes: usize) -> Result<Network, NetworkError> {
    let pooled = builder.global_average_pool("pool", trunk)?;
    let fc = ConvolutionSpec {
        kind: WindowKind::Linear,
        window: None,
        out_channels: classes,
        groups: 1,
        shortcut: None,
        activation: Activation::Identity,
        quantizer: None,
        signed_input: None,
    };
    builder.convolution("fc", pooled, fc)?;
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_pads_the_odd_tap_below_and_right() {
        let even = FeatureMap { height: 56, width: 56, channels: 1 };
        let padding = PaddingRule::Same.padding(even, 3, 2);
        assert_eq!(padding, Padding { top: 0, bottom: 1, left: 0, right: 1 });
        assert_eq!(PaddingRule::Same.padding(even, 3, 1), Padding::all(1));
        assert_eq!(PaddingRule::Same.padding(even, 1, 2), Padding::default());
    }
}
