//! The CIFAR-style ResNet of depth 6n+2 (He et al. 2016, section 4.2), with projection shortcuts.

use super::super::layer::FeatureMap;
use super::super::network::{Network, NetworkBuilder, NetworkError};
use super::super::precision::PrecisionPolicy;
use super::{Branch, PaddingRule, finish};

/// What distinguishes one 6n+2 ResNet from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct CifarResnet {
    /// 6n+2, n ≥ 1.
    pub(in super::super) depth: usize,
    /// Channels of stem and first stage; stages have w, 2w, 4w.
    pub(in super::super) width: usize,
    /// 1, or 2 to halve the image at once.
    pub(in super::super) stem_stride: usize,
    /// Image shape.
    pub(in super::super) input: FeatureMap,
    /// Outputs of the last layer.
    pub(in super::super) classes: usize,
    /// How windows are padded.
    pub(in super::super) padding: PaddingRule,
}

impl CifarResnet {
    /// Layers in execution order; a block's projection runs before its first convolution.
    pub(in super::super) fn network(self, policy: PrecisionPolicy) -> Result<Network, NetworkError> {
        let mut builder = NetworkBuilder::new(self.input, policy)?;
        let image = builder.image();
        let stem = self.padding.window(self.input, 3, self.stem_stride);
        let mut trunk = Branch::new(self.width, stem).relu().add(&mut builder, "stem", image)?;
        for stage in 1..=3 {
            for block in 1..=(self.depth - 2) / 6 {
                let name = format!("stage{stage}.block{block}");
                let channels = self.width << (stage - 1);
                let stride = if stage > 1 && block == 1 { 2 } else { 1 };
                let shape = builder.shape(trunk);
                let shared = Some(format!("{name}.conv1.input"));
                let shortcut = if stride == 1 && shape.channels == channels {
                    trunk
                } else {
                    let window = self.padding.window(shape, 1, stride);
                    let projection = Branch { quantizer: shared.clone(), ..Branch::new(channels, window) };
                    projection.add(&mut builder, &format!("{name}.projection"), trunk)?
                };
                let window = self.padding.window(shape, 3, stride);
                let conv1 = Branch { quantizer: shared, ..Branch::new(channels, window).relu() };
                let hidden = conv1.add(&mut builder, &format!("{name}.conv1"), trunk)?;
                let window = self.padding.window(builder.shape(hidden), 3, 1);
                let conv2 = Branch { shortcut: Some(shortcut), ..Branch::new(channels, window).relu() };
                trunk = conv2.add(&mut builder, &format!("{name}.conv2"), hidden)?;
            }
        }
        finish(builder, trunk, self.classes)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::super::layer::Operation;
    use super::super::super::network::{EdgeId, Stored};
    use super::super::super::precision::ResidualFormat;
    use super::*;
    use crate::numerics::{IntegerFormat, QuantizerKind};

    fn resnet8(width: usize, default: &str, ends: Option<&str>) -> Network {
        resnet8_with(width, default, ends, None, ResidualFormat::Bf16)
    }

    fn resnet8_with(
        width: usize,
        default: &str,
        ends: Option<&str>,
        carrier_bits: Option<u8>,
        residual: ResidualFormat,
    ) -> Network {
        let ends = ends.map(|bits| bits.parse().unwrap());
        let policy = PrecisionPolicy {
            default: default.parse().unwrap(),
            first: ends,
            last: ends,
            layers: BTreeMap::new(),
            quantizer: QuantizerKind::AqtLegacy,
            carrier_bits,
            residual,
            requantization: None,
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

    fn stored(network: &Network) -> Vec<String> {
        (0..network.edges().len()).map(|index| network.stored_format(EdgeId(index)).to_string()).collect()
    }

    #[test]
    fn an_integer_residual_stream_has_grids_of_its_own() {
        let int8 = ResidualFormat::Integer(IntegerFormat::INT8);
        let network = resnet8_with(8, "w4a4", Some("w8a8"), None, int8);
        assert_eq!(
            stored(&network),
            [
                "int8", "int8", "uint4", "uint4", "int8", "uint4", "uint4", "int8", "uint4", "int8", "uint8",
                "f32"
            ]
        );
        let own: Vec<&str> = network
            .quantizers()
            .iter()
            .map(|quantizer| quantizer.name.as_str())
            .filter(|name| name.ends_with(".stored"))
            .collect();
        assert_eq!(
            own,
            [
                "stem.stored",
                "stage2.block1.projection.stored",
                "stage3.block1.projection.stored",
                "stage3.block1.conv2.stored"
            ]
        );
    }

    #[test]
    fn a_carrier_widens_what_is_narrower() {
        let network = resnet8_with(8, "w2a2", Some("w8a8"), Some(4), ResidualFormat::Bf16);
        let four_bits = resnet8(8, "w4a4", Some("w8a8"));
        assert_eq!(stored(&network), stored(&four_bits));
        let pairs = |network: &Network| -> Vec<String> {
            let convolutions = network.layers().iter().filter_map(|layer| match &layer.operation {
                Operation::Convolution(convolution) => Some(convolution.operand_pair(network)),
                _ => None,
            });
            convolutions.map(|pair| format!("{},{}", pair.activation(), pair.weight())).collect()
        };
        assert_eq!(pairs(&network), pairs(&four_bits));
        let two_bits = network.quantizers().iter().filter(|quantizer| quantizer.grid.limits().1 == 3.0);
        assert_eq!(two_bits.count(), 6);
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
                carrier_bits: None,
                residual: ResidualFormat::Bf16,
                requantization: None,
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
