//! MACs with an operand that is 0: what an array that skips them would save. Counted, never modelled.

use crate::functional::{Activations, Executable, Workspace};
use crate::workload::{Network, Operation, Params};

use super::layer_weights::LayerWeights;

/// MACs of a layer over all images, and those of them with a zero operand, padding included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZeroOperandMacs {
    /// One or both operands are 0, as stored.
    pub zero: u64,
    /// All.
    pub all: u64,
}

impl ZeroOperandMacs {
    pub(super) fn plus(self, other: Self) -> Self {
        Self { zero: self.zero + other.zero, all: self.all + other.all }
    }
}

/// How many weights of a layer are not 0.
struct Nonzero {
    /// Per group and k, over its output channels.
    weights: Vec<u64>,
    k: usize,
    channels_per_group: u64,
}

/// Counts images of one network.
pub(super) struct ZeroOperands {
    layers: Vec<Option<Nonzero>>,
}

impl ZeroOperands {
    pub(super) fn new(network: &Network, params: &Params) -> Self {
        let of_layer = |(index, layer): (usize, &crate::workload::Layer)| {
            let Operation::Convolution(convolution) = &layer.operation else { return None };
            let channels = network.edge(layer.output).shape.channels;
            let per_group = channels / convolution.groups;
            let nonzero: Vec<bool> = match LayerWeights::of(params, index)? {
                LayerWeights::Integer(weights) => weights.iter().map(|&weight| weight != 0).collect(),
                LayerWeights::Bf16(weights) => weights.iter().map(|weight| weight.to_f32() != 0.0).collect(),
            };
            let k = nonzero.len() / channels;
            let mut weights = vec![0; convolution.groups * k];
            for (channel, row) in nonzero.chunks_exact(k).enumerate() {
                add(&mut weights[channel / per_group * k..][..k], row.iter().copied());
            }
            Some(Nonzero { weights, k, channels_per_group: per_group as u64 })
        };
        Self { layers: network.layers().iter().enumerate().map(of_layer).collect() }
    }

    /// Of the image that was executed last, per layer; None off the array.
    pub(super) fn count(
        &self,
        executable: &Executable,
        workspace: &Workspace,
    ) -> Vec<Option<ZeroOperandMacs>> {
        let of_layer = |(index, layer): (usize, &Option<Nonzero>)| {
            let layer = layer.as_ref()?;
            Some(match executable.activations(workspace, index)? {
                Activations::Integer(values) => layer.count(&values, |value| value != 0),
                Activations::Bf16(values) => layer.count(&values, |value| value.to_f32() != 0.0),
            })
        };
        self.layers.iter().enumerate().map(of_layer).collect()
    }
}

impl Nonzero {
    /// `activations` are `[group][pixel][k]`. A MAC counts as nonzero if both its operands are; both depend
    /// on k.
    fn count<T: Copy>(&self, activations: &[T], nonzero: impl Fn(T) -> bool + Copy) -> ZeroOperandMacs {
        let groups = self.weights.len() / self.k;
        let mut both = 0;
        for (group, weights) in
            activations.chunks_exact(activations.len() / groups).zip(self.weights.chunks_exact(self.k))
        {
            let mut counts = vec![0; self.k];
            for row in group.chunks_exact(self.k) {
                add(&mut counts, row.iter().map(|&value| nonzero(value)));
            }
            both += counts.iter().zip(weights).map(|(a, w)| a * w).sum::<u64>();
        }
        let all = activations.len() as u64 * self.channels_per_group;
        ZeroOperandMacs { zero: all - both, all }
    }
}

fn add(counts: &mut [u64], nonzero: impl Iterator<Item = bool>) {
    for (count, nonzero) in counts.iter_mut().zip(nonzero) {
        *count += u64::from(nonzero);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_with_a_zero_operand_are_counted_once() {
        // Two groups of two channels and k = 2: weights [1 0], [2 3] and [0 0], [1 0].
        let layer = Nonzero { weights: vec![2, 1, 1, 0], k: 2, channels_per_group: 2 };
        let activations: [[[i16; 2]; 3]; 2] = [[[1, 0], [0, 0], [5, 6]], [[0, 7], [1, 1], [0, 0]]];
        let weights = [[[1, 0], [2, 3]], [[0, 0], [1, 0]]];
        let mut zero = 0;
        for (rows, channels) in activations.iter().zip(&weights) {
            for (row, channel) in
                rows.iter().flat_map(|row| channels.iter().map(move |channel| (row, channel)))
            {
                zero += row.iter().zip(channel).filter(|&(&a, &w)| a * w == 0).count() as u64;
            }
        }
        let found = layer.count(activations.as_flattened().as_flattened(), |value| value != 0);
        assert_eq!(found, ZeroOperandMacs { zero, all: 24 });
    }
}
