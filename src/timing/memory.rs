//! The DRAM channel: cycles of a transfer, and what besides activations crosses it.

use crate::hardware::{Accelerator, Dram};
use crate::mapping::{Gemm, Transfer};
use crate::workload::{Layer, Network, Operation};

use super::counters::{Bytes, Cycles};
use super::network::Regime;

/// f32 multiplier and f32 bias per output channel.
const POST_PROCESSING_BITS_PER_CHANNEL: u64 = 64;

/// Cycles in which the channel is occupied: bytes over the exact rate, rounded up.
pub(super) fn transfer_cycles(bytes: Bytes, dram: &Dram) -> Cycles {
    let rate = dram.bytes_per_cycle();
    // Most products fit 64 bits, whose division is several times as fast.
    let small = |number: u128| u64::try_from(number).ok();
    if let (Some(numerator), Some(product)) =
        (small(rate.numerator()), small(rate.denominator()).and_then(|factor| bytes.0.checked_mul(factor)))
    {
        return Cycles(product.div_ceil(numerator));
    }
    let cycles = (u128::from(bytes.0) * rate.denominator()).div_ceil(rate.numerator());
    Cycles(u64::try_from(cycles).unwrap_or(u64::MAX))
}

/// The multipliers and biases of a layer on the array, one run.
pub(super) fn post_processing(layer: &Layer, network: &Network, dram: &Dram) -> Transfer {
    let bits = network.edge(layer.output).shape.channels as u64 * POST_PROCESSING_BITS_PER_CHANNEL;
    Transfer::run(bits, dram.burst_bytes())
}

/// Whether a regime finds the weights on chip: all of the network's fit the weight scratchpad.
pub(super) fn weights_are_resident(network: &Network, accelerator: &Accelerator, regime: Regime) -> bool {
    let bits: u64 = network.layers().iter().filter_map(|layer| weight_bits(layer, network)).sum();
    regime == Regime::Steady && bits <= accelerator.weight().bytes() * 8
}

fn weight_bits(layer: &Layer, network: &Network) -> Option<u64> {
    let Operation::Convolution(convolution) = &layer.operation else { return None };
    let gemm = Gemm::of(layer, network, 1)?;
    Some(gemm.weights() * u64::from(convolution.weight_format().bits()))
}
