//! The ImageNet-style ResNets (He et al. 2016, table 1), laid out and padded as AQT's models are
//! (google-research `aqt/jax/imagenet/models.py`).

use crate::numerics::Signedness;

use super::super::layer::{FeatureMap, Padding, Window};
use super::super::network::{EdgeId, Network, NetworkBuilder, NetworkError};
use super::super::precision::PrecisionPolicy;
use super::{Branch, PaddingRule, finish};

/// Filters of the stem at every width, and of the first stage's blocks at width 1.
const FILTERS: usize = 64;
/// A bottleneck's last convolution has this many times its block's filters.
const EXPANSION: usize = 4;

/// Where a strided bottleneck has its stride. Basic blocks have it on their first 3×3 in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Variant {
    /// On the first 1×1, as in He et al. 2016.
    V1,
    /// On the 3×3.
    V1_5,
}

/// Blocks of each of the four stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum ResidualBlocks {
    /// Two 3×3.
    Basic([usize; 4]),
    /// 1×1, 3×3, 1×1.
    Bottleneck([usize; 4]),
}

impl ResidualBlocks {
    /// Depths with known blocks.
    pub(in super::super) const DEPTHS: [usize; 5] = [18, 34, 50, 101, 152];

    /// The blocks of He et al. 2016, table 1.
    pub(in super::super) fn of_depth(depth: usize) -> Option<Self> {
        match depth {
            18 => Some(Self::Basic([2, 2, 2, 2])),
            34 => Some(Self::Basic([3, 4, 6, 3])),
            50 => Some(Self::Bottleneck([3, 4, 6, 3])),
            101 => Some(Self::Bottleneck([3, 4, 23, 3])),
            152 => Some(Self::Bottleneck([3, 8, 36, 3])),
            _ => None,
        }
    }

    fn stages(self) -> [usize; 4] {
        match self {
            Self::Basic(stages) | Self::Bottleneck(stages) => stages,
        }
    }
}

/// What distinguishes one ImageNet-style ResNet from another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) struct ImagenetResnet {
    /// Its depth, as blocks.
    pub(in super::super) blocks: ResidualBlocks,
    /// Where strides are.
    pub(in super::super) variant: Variant,
    /// Scales the filters of blocks; the stem's stay.
    pub(in super::super) width_multiplier: f64,
    /// Image shape.
    pub(in super::super) input: FeatureMap,
    /// Outputs of the last layer.
    pub(in super::super) classes: usize,
    /// How windows are padded, except the stem's: 3 on every side.
    pub(in super::super) padding: PaddingRule,
}

/// A block to be added behind `trunk`.
struct Block<'a> {
    name: &'a str,
    trunk: EdgeId,
    /// Position in its stage.
    index: usize,
    filters: usize,
    stride: usize,
}

impl ImagenetResnet {
    /// Filters of a stage's blocks, from stage 0: int(64·w·2^stage), as AQT computes them.
    pub(in super::super) fn filters(width_multiplier: f64, stage: u32) -> usize {
        (FILTERS as f64 * width_multiplier * f64::from(1 << stage)) as usize
    }

    /// Layers in execution order; a block's projection runs before its first convolution.
    pub(in super::super) fn network(self, policy: PrecisionPolicy) -> Result<Network, NetworkError> {
        let mut builder = NetworkBuilder::new(self.input, policy)?;
        let image = builder.image();
        let stem = Window { padding: Padding::all(3), ..self.padding.window(self.input, 7, 2) };
        let stem = Branch::new(FILTERS, stem).relu().add(&mut builder, "stem", image)?;
        let pool = self.padding.window(builder.shape(stem), 3, 2);
        let mut trunk = builder.max_pool("max_pool", stem, pool)?;
        for (stage, blocks) in (0..).zip(self.blocks.stages()) {
            for index in 0..blocks {
                let block = Block {
                    name: &format!("stage{}.block{}", stage + 1, index + 1),
                    trunk,
                    index,
                    filters: Self::filters(self.width_multiplier, stage),
                    stride: if stage > 0 && index == 0 { 2 } else { 1 },
                };
                trunk = match self.blocks {
                    ResidualBlocks::Basic(_) => self.basic(&mut builder, block),
                    ResidualBlocks::Bottleneck(_) => self.bottleneck(&mut builder, block),
                }?;
            }
        }
        finish(builder, trunk, self.classes)
    }

    /// As in the CIFAR-style family, projection and conv1 share a grid: AQT has no basic blocks.
    fn basic(self, builder: &mut NetworkBuilder, block: Block<'_>) -> Result<EdgeId, NetworkError> {
        let Block { name, trunk, filters, stride, .. } = block;
        let shared = Some(format!("{name}.conv1.input"));
        let shape = builder.shape(trunk);
        let shortcut = if stride == 1 && shape.channels == filters {
            trunk
        } else {
            let window = self.padding.window(shape, 1, stride);
            let projection = Branch { quantizer: shared.clone(), ..Branch::new(filters, window) };
            projection.add(builder, &format!("{name}.projection"), trunk)?
        };
        let window = self.padding.window(shape, 3, stride);
        let conv1 = Branch { quantizer: shared, ..Branch::new(filters, window).relu() };
        let hidden = conv1.add(builder, &format!("{name}.conv1"), trunk)?;
        let window = self.padding.window(builder.shape(hidden), 3, 1);
        let conv2 = Branch { shortcut: Some(shortcut), ..Branch::new(filters, window).relu() };
        conv2.add(builder, &format!("{name}.conv2"), hidden)
    }

    /// As in AQT, the first block of every stage has a projection, even where a width multiplier makes
    /// shapes agree, and its conv1 reads the block's input on a signed grid of its own, although it
    /// follows a ReLU; the projection reads it on an unsigned one.
    fn bottleneck(self, builder: &mut NetworkBuilder, block: Block<'_>) -> Result<EdgeId, NetworkError> {
        let Block { name, trunk, index, filters, stride } = block;
        let (shape, channels) = (builder.shape(trunk), EXPANSION * filters);
        let (shortcut, signed_input) = if index > 0 {
            (trunk, None)
        } else {
            let projection = Branch::new(channels, self.padding.window(shape, 1, stride));
            let shortcut = projection.add(builder, &format!("{name}.projection"), trunk)?;
            (shortcut, Some(Signedness::Signed))
        };
        let (stride1, stride2) = match self.variant {
            Variant::V1 => (stride, 1),
            Variant::V1_5 => (1, stride),
        };
        let window = self.padding.window(shape, 1, stride1);
        let conv1 = Branch { signed_input, ..Branch::new(filters, window).relu() };
        let reduced = conv1.add(builder, &format!("{name}.conv1"), trunk)?;
        let window = self.padding.window(builder.shape(reduced), 3, stride2);
        let conv2 = Branch::new(filters, window).relu();
        let hidden = conv2.add(builder, &format!("{name}.conv2"), reduced)?;
        let window = self.padding.window(builder.shape(hidden), 1, 1);
        let conv3 = Branch { shortcut: Some(shortcut), ..Branch::new(channels, window).relu() };
        conv3.add(builder, &format!("{name}.conv3"), hidden)
    }
}
