//! What tells published ImageNet networks apart.

use std::fmt;

/// Where a residual network has its strides, batch norm and activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArchFamily {
    /// The stride of a bottleneck on its first 1×1 (He et al. 2016).
    V1,
    /// The stride of a bottleneck on its 3×3.
    V1_5,
    /// Batch norm and activation before each convolution; strides as in v1.
    PreActivation,
}

impl ArchFamily {
    /// Every family.
    pub const ALL: [Self; 3] = [Self::V1, Self::V1_5, Self::PreActivation];

    /// The family of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.name() == name)
    }

    /// `v1`, `v1.5` or `pre-activation`.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1_5 => "v1.5",
            Self::PreActivation => "pre-activation",
        }
    }
}

impl fmt::Display for ArchFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A residual network of the ImageNet style.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Architecture {
    /// Family; v1 for depths with basic blocks, where v1 and v1.5 coincide.
    pub family: ArchFamily,
    /// Layers as the field counts them: 18, 34, 50, 101, 152.
    pub depth: usize,
    /// Scales the filters of all blocks.
    pub width_multiplier: f64,
}
