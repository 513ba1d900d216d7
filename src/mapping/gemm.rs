//! A layer as the array sees it: groups × (M×N×K).

use crate::workload::{Convolution, Layer, Network, Operation};

/// Matrix extents of a convolution or linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gemm {
    /// Output pixels × batch.
    pub m: u64,
    /// Output channels per group.
    pub n: u64,
    /// kernel_h · kernel_w · input channels per group, cin fastest.
    pub k: u64,
    /// Groups, executed one after the other.
    pub groups: u64,
}

impl Gemm {
    /// None for layers that do not run on the array.
    pub fn of(layer: &Layer, network: &Network, batch: u64) -> Option<Self> {
        let Operation::Convolution(Convolution { window, groups, .. }) = &layer.operation else {
            return None;
        };
        let input = network.edge(layer.input).shape;
        let output = network.edge(layer.output).shape;
        Some(Self {
            m: (output.height * output.width) as u64 * batch,
            n: (output.channels / groups) as u64,
            k: (window.kernel.height * window.kernel.width * input.channels / groups) as u64,
            groups: *groups as u64,
        })
    }

    /// Multiply-accumulates, padding taps included.
    pub fn macs(self) -> u64 {
        self.m * self.n * self.k * self.groups
    }

    /// Weights.
    pub fn weights(self) -> u64 {
        self.n * self.k * self.groups
    }

    /// Output elements.
    pub fn outputs(self) -> u64 {
        self.m * self.n * self.groups
    }
}
