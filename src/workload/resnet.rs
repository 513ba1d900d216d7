//! The CIFAR-style ResNet of depth 6n+2 (He et al. 2016, section 4.2), with projection shortcuts.

use crate::numerics::Activation;

use super::layer::{FeatureMap, Padding, Size, Window, WindowKind};
use super::network::{ConvolutionSpec, EdgeId, Network, NetworkBuilder, NetworkError};
use super::precision::PrecisionPolicy;

/// What distinguishes one 6n+2 ResNet from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CifarResnet {
    /// 6n+2, n ≥ 1.
    pub(super) depth: usize,
    /// Channels of stem and first stage; stages have w, 2w, 4w.
    pub(super) width: usize,
    /// 1, or 2 to halve the image at once.
    pub(super) stem_stride: usize,
    /// Image shape.
    pub(super) input: FeatureMap,
    /// Outputs of the last layer.
    pub(super) classes: usize,
    /// How windows are padded.
    pub(super) padding: PaddingRule,
}

/// How a k×k window is padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PaddingRule {
    /// k/2 on every side, as PyTorch's models do.
    Torch,
    /// TensorFlow's SAME: as little as gives ceil(input/stride) outputs, the odd one below and right.
    Same,
}

impl PaddingRule {
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

impl CifarResnet {
    /// Layers in execution order; a block's projection runs before its first convolution.
    pub(super) fn network(self, policy: PrecisionPolicy) -> Result<Network, NetworkError> {
        let mut builder = NetworkBuilder::new(self.input, policy)?;
        let image = builder.image();
        let stem = Branch {
            kernel: 3,
            stride: self.stem_stride,
            activation: Activation::Relu,
            ..Branch::new(self.width)
        };
        let (mut edge, mut shape) = self.add(&mut builder, "stem", image, self.input, stem)?;
        for stage in 1..=3 {
            for block in 1..=(self.depth - 2) / 6 {
                let name = format!("stage{stage}.block{block}");
                let channels = self.width << (stage - 1);
                let stride = if stage > 1 && block == 1 { 2 } else { 1 };
                let shared = Some(format!("{name}.conv1.input"));
                let shortcut = if stride == 1 && shape.channels == channels {
                    edge
                } else {
                    let projection =
                        Branch { kernel: 1, stride, quantizer: shared.clone(), ..Branch::new(channels) };
                    self.add(&mut builder, &format!("{name}.projection"), edge, shape, projection)?.0
                };
                let conv1 = Branch {
                    kernel: 3,
                    stride,
                    activation: Activation::Relu,
                    quantizer: shared,
                    ..Branch::new(channels)
                };
                let (hidden, hidden_shape) =
                    self.add(&mut builder, &format!("{name}.conv1"), edge, shape, conv1)?;
                let conv2 = Branch {
                    kernel: 3,
                    activation: Activation::Relu,
                    shortcut: Some(shortcut),
                    ..Branch::new(channels)
                };
                (edge, shape) =
                    self.add(&mut builder, &format!("{name}.conv2"), hidden, hidden_shape, conv2)?;
            }
        }
        let pooled = builder.global_average_pool("pool", edge)?;
        let fc = ConvolutionSpec {
            kind: WindowKind::Linear,
            window: None,
            out_channels: self.classes,
            groups: 1,
            shortcut: None,
            activation: Activation::Identity,
            quantizer: None,
            signed_input: None,
        };
        builder.convolution("fc", pooled, fc)?;
        builder.finish()
    }

    fn add(
        self,
        builder: &mut NetworkBuilder,
        name: &str,
        input: EdgeId,
        shape: FeatureMap,
        branch: Branch,
    ) -> Result<(EdgeId, FeatureMap), NetworkError> {
        let square = |size| Size { height: size, width: size };
        let window = Window {
            kernel: square(branch.kernel),
            stride: square(branch.stride),
            dilation: square(1),
            padding: self.padding.padding(shape, branch.kernel, branch.stride),
        };
        let channels = branch.channels;
        let spec = ConvolutionSpec {
            kind: WindowKind::Convolution,
            window: Some(window),
            out_channels: channels,
            groups: 1,
            shortcut: branch.shortcut,
            activation: branch.activation,
            quantizer: branch.quantizer,
            signed_input: None,
        };
        let output = builder.convolution(name, input, spec)?;
        let Size { height, width } = window.output(shape).unwrap_or(Size { height: 0, width: 0 });
        Ok((output, FeatureMap { height, width, channels }))
    }
}

/// One square convolution of a block.
struct Branch {
    channels: usize,
    kernel: usize,
    stride: usize,
    activation: Activation,
    shortcut: Option<EdgeId>,
    quantizer: Option<String>,
}

impl Branch {
    fn new(channels: usize) -> Self {
        Self {
            channels,
            kernel: 3,
            stride: 1,
            activation: Activation::Identity,
            shortcut: None,
            quantizer: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::layer::Operation;
    use super::super::network::Stored;
    use super::*;
    use crate::numerics::QuantizerKind;

    fn resnet8(width: usize, default: &str, ends: Option<&str>) -> Network {
        let ends = ends.map(|bits| bits.parse().unwrap());
        let policy = PrecisionPolicy {
            default: default.parse().unwrap(),
            first: ends,
            last: ends,
            layers: BTreeMap::new(),
            quantizer: QuantizerKind::AqtLegacy,
        };
        let input = FeatureMap { height: 28, width: 28, channels: 1 };
        let resnet =
            CifarResnet { depth: 8, width, stem_stride: 2, input, classes: 10, padding: PaddingRule::Torch };
        resnet.network(policy).unwrap()
    }

    #[test]
    fn resnet8_has_the_published_shapes() {
        let network = resnet8(16, "bf16", None);
        let shapes: Vec<_> = network
            .edges()
            .iter()
            .map(|edge| (edge.name.as_str(), edge.shape.height, edge.shape.channels))
            .collect();
        assert_eq!(
            shapes,
            [
                ("image", 28, 1),
                ("stem", 14, 16),
                ("stage1.block1.conv1", 14, 16),
                ("stage1.block1.conv2", 14, 16),
                ("stage2.block1.projection", 7, 32),
                ("stage2.block1.conv1", 7, 32),
                ("stage2.block1.conv2", 7, 32),
                ("stage3.block1.projection", 4, 64),
                ("stage3.block1.conv1", 4, 64),
                ("stage3.block1.conv2", 4, 64),
                ("pool", 1, 64),
                ("fc", 1, 10),
            ]
        );
    }

    #[test]
    fn edges_are_stored_where_their_readers_agree() {
        let network = resnet8(8, "w4a4", Some("w8a8"));
        let stored: Vec<String> = (0..network.edges().len())
            .map(|index| network.stored_format(EdgeId(index)).to_string())
            .collect();
        let expected = [
            "int8",  // image: the stem's signed grid
            "bf16",  // stem: read by conv1 and the identity shortcut
            "uint4", // conv1
            "uint4", // conv2: projection and conv1 share a grid
            "bf16",  // projection: read by the add
            "uint4", "uint4", "bf16", "uint4", // the same in stage 3
            "bf16",  // read by the pool
            "uint8", // pooled: the last layer's grid
            "f32",   // logits
        ];
        assert_eq!(stored, expected);
        let on_read: Vec<&str> = network
            .layers()
            .iter()
            .filter(|layer| network.quantizes_on_read(layer).is_some())
            .map(|layer| layer.name.as_str())
            .collect();
        assert_eq!(on_read, ["stage1.block1.conv1"]);
    }

    #[test]
    fn same_pads_the_odd_tap_below_and_right() {
        let even = FeatureMap { height: 56, width: 56, channels: 1 };
        let padding = PaddingRule::Same.padding(even, 3, 2);
        assert_eq!(padding, Padding { top: 0, bottom: 1, left: 0, right: 1 });
        assert_eq!(PaddingRule::Same.padding(even, 3, 1), Padding::all(1));
        assert_eq!(PaddingRule::Same.padding(even, 1, 2), Padding::default());
    }

    #[test]
    fn deeper_members_of_the_family_have_identity_blocks() {
        let network = {
            let policy = PrecisionPolicy {
                default: "w8a8".parse().unwrap(),
                first: None,
                last: None,
                layers: BTreeMap::new(),
                quantizer: QuantizerKind::AqtLegacy,
            };
            let input = FeatureMap { height: 32, width: 32, channels: 3 };
            CifarResnet {
                depth: 20,
                width: 16,
                stem_stride: 1,
                input,
                classes: 10,
                padding: PaddingRule::Same,
            }
            .network(policy)
            .unwrap()
        };
        let convolutions = network
            .layers()
            .iter()
            .filter(|layer| matches!(layer.operation, Operation::Convolution(_)))
            .count();
        assert_eq!(convolutions, 19 + 2 + 1); // 19 convolutions, 2 projections, 1 linear
        assert_eq!(network.output().stored, Stored::F32);
    }
}
