//! DRAM as a bound per layer: every edge crosses the channel once per layer that touches it.
//!
//! Approximations of this version: a layer's input, shortcut and output always cross DRAM, even if
//! they would fit on chip; transfers overlap perfectly with the array, except one DRAM latency per
//! layer. Formats of 2 to 8 bits are packed densely; a tensor is one contiguous run, rounded up to
//! whole bursts.

use crate::hardware::{Accelerator, Dram};
use crate::mapping::{Gemm, MappedLayer};
use crate::workload::{Convolution, EdgeId, Layer, Network, Operation};

use super::counters::{Bytes, Cycles};
use super::network::Regime;

/// f32 multiplier and f32 bias per output channel.
const POST_PROCESSING_BITS_PER_CHANNEL: u64 = 64;

/// What a layer moves over the DRAM channel in one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    /// Bits of the input, packed, before burst rounding.
    pub(super) input_bits: u64,
    /// Bits of the shortcut.
    pub(super) shortcut_bits: u64,
    /// Bits of the weights, once for every time they are fetched.
    pub(super) weight_bits: u64,
    /// Bits of multipliers and biases.
    pub(super) post_processing_bits: u64,
    /// Bits of the output.
    pub(super) output_bits: u64,
    /// Burst-rounded reads.
    pub(super) read: Bytes,
    /// Burst-rounded writes.
    pub(super) write: Bytes,
}

/// Bits of all weights of a network, packed per layer.
pub(super) fn weight_bits(network: &Network) -> u64 {
    network.layers().iter().filter_map(|layer| layer_weight_bits(layer, network)).sum()
}

/// Whether a regime finds the weights on chip: all of them fit the weight scratchpad.
pub(super) fn weights_are_resident(network: &Network, accelerator: &Accelerator, regime: Regime) -> bool {
    regime == Regime::Steady && weight_bits(network) <= accelerator.weight().bytes() * 8
}

/// A layer's traffic.
pub(super) fn traffic(
    layer: &Layer,
    mapped: Option<&MappedLayer>,
    network: &Network,
    accelerator: &Accelerator,
    batch: u64,
    regime: Regime,
) -> Traffic {
    let edge_bits = |edge: EdgeId| {
        network.edge(edge).shape.elements() as u64 * batch * u64::from(network.stored_format(edge).bits())
    };
    let mut traffic = Traffic {
        input_bits: edge_bits(layer.input),
        output_bits: edge_bits(layer.output),
        ..Traffic::default()
    };
    if let Operation::Convolution(Convolution { shortcut: Some(shortcut), .. }) = layer.operation {
        traffic.shortcut_bits = edge_bits(shortcut);
    }
    if !weights_are_resident(network, accelerator, regime)
        && let (Some(bits), Some(mapped)) = (layer_weight_bits(layer, network), mapped)
    {
        // Weights that do not stay while the output tiles pass are fetched again for each tile.
        let stay = bits <= accelerator.weight().tile_bytes() * 8;
        traffic.weight_bits = bits * if stay { 1 } else { mapped.schedule.m_tiles() };
        traffic.post_processing_bits =
            network.edge(layer.output).shape.channels as u64 * POST_PROCESSING_BITS_PER_CHANNEL;
    }
    let bursts = |bits: u64| Bytes(bits.div_ceil(8).next_multiple_of(accelerator.dram().burst_bytes()));
    traffic.read =
        [traffic.input_bits, traffic.shortcut_bits, traffic.weight_bits, traffic.post_processing_bits]
            .map(bursts)
            .into_iter()
            .sum();
    traffic.write = bursts(traffic.output_bits);
    traffic
}

/// Cycles in which the channel is occupied: bytes over the exact rate, rounded up.
pub(super) fn transfer_cycles(bytes: Bytes, dram: &Dram) -> Cycles {
    let rate = dram.bytes_per_cycle();
    let cycles = (u128::from(bytes.0) * rate.denominator()).div_ceil(rate.numerator());
    Cycles(u64::try_from(cycles).unwrap_or(u64::MAX))
}

fn layer_weight_bits(layer: &Layer, network: &Network) -> Option<u64> {
    let Operation::Convolution(convolution) = &layer.operation else { return None };
    let gemm = Gemm::of(layer, network, 1)?;
    Some(gemm.weights() * u64::from(convolution.weight_format().bits()))
}
