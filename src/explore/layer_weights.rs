//! The weights of a layer as the array takes them, wherever the network is from.

use std::borrow::Cow;

use half::bf16;

use crate::workload::{ImportedParams, Params, Weights};

/// `[group][output channel][k]`, as stored: zero points are not subtracted.
#[derive(Clone, Debug)]
pub(super) enum LayerWeights<'a> {
    Integer(Cow<'a, [i16]>),
    Bf16(&'a [bf16]),
}

impl<'a> LayerWeights<'a> {
    /// Of the `index`-th layer of the network; None for layers off the array.
    pub(super) fn of(params: &'a Params, index: usize) -> Option<Self> {
        if let Some(ImportedParams::Convolution(affine)) = params.imported_layer(index) {
            return Some(Self::Integer(Cow::Borrowed(&affine.weights)));
        }
        Some(match &params.layer(index)?.weights {
            Weights::Integer(weights) => {
                Self::Integer(weights.iter().map(|&weight| i16::from(weight)).collect())
            }
            Weights::Bf16(weights) => Self::Bf16(weights),
        })
    }
}
