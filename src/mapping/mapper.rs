//! The default mapper: which schedule and which plan a layer gets on a design.

use crate::hardware::{Accelerator, MacUnit};
use crate::numerics::{MacSpec, OperandPair, StaticBound};
use crate::workload::{Network, Operation};

use super::gemm::Gemm;
use super::plan::LayerPlan;
use super::reduction::{Join, ReductionOrder};
use super::schedule::Schedule;

/// A layer on the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedLayer {
    /// How it is cut.
    pub schedule: Schedule,
    /// Operand pair of its MACs.
    pub pair: OperandPair,
    /// What its values depend on.
    pub plan: LayerPlan,
}

/// Why a design cannot run a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// No MAC unit of the design takes the layer's operands. Nothing is widened silently.
    #[error("pair {pair} of layer `{layer}` (the design takes {accepted})")]
    UnsupportedPair {
        /// First such layer.
        layer: String,
        /// Its operand pair.
        pair: OperandPair,
        /// The design's pairs.
        accepted: String,
    },
    /// The accumulator scratchpad cannot hold the results of a single vector.
    #[error(
        "layer `{layer}`: one vector's accumulators need {needed_bits} bits of the accumulator scratchpad, which offers {available_bits}"
    )]
    AccumulatorTooSmall {
        /// The layer.
        layer: String,
        /// Bits of one vector's accumulators.
        needed_bits: u64,
        /// Usable bits.
        available_bits: u64,
    },
}

/// Maps every layer of a network for a request of `batch` images; None for layers off the array.
pub fn map_network(
    network: &Network,
    accelerator: &Accelerator,
    batch: u64,
) -> Result<Vec<Option<MappedLayer>>, MappingError> {
    network
        .layers()
        .iter()
        .map(|layer| {
            let (Operation::Convolution(convolution), Some(gemm)) =
                (&layer.operation, Gemm::of(layer, network, batch))
            else {
                return Ok(None);
            };
            let pair = convolution.operand_pair(network);
            let unit = accelerator.mac(pair).ok_or_else(|| MappingError::UnsupportedPair {
                layer: layer.name.clone(),
                pair,
                accepted: accelerator
                    .macs()
                    .iter()
                    .map(|unit| unit.pair().to_string())
                    .collect::<Vec<_>>()
                    .join(", "),
            })?;
            let (rows, columns) = (accelerator.array().rows(), accelerator.array().cols());
            let needed_bits = gemm.n.min(columns) * u64::from(accumulator_bits(unit));
            let accumulators = accelerator.accumulator();
            let available_bits = accumulators.tile_bytes() * 8;
            let m_tile = available_bits / needed_bits;
            if m_tile == 0 {
                let layer = layer.name.clone();
                return Err(MappingError::AccumulatorTooSmall { layer, needed_bits, available_bits });
            }
            let schedule = Schedule { gemm, rows, columns, lanes: unit.lanes(), m_tile: m_tile.min(gemm.m) };
            Ok(Some(MappedLayer { schedule, pair, plan: plan(&schedule, unit) }))
        })
        .collect()
}

/// Width of what the accumulator scratchpad holds per output.
pub fn accumulator_bits(unit: &MacUnit) -> u8 {
    match unit.spec() {
        MacSpec::Integer(mac) => mac.accumulator.bits(),
        MacSpec::Bf16(_) => 32,
    }
}

fn plan(schedule: &Schedule, unit: &MacUnit) -> LayerPlan {
    let order_cannot_matter = match unit.spec() {
        MacSpec::Integer(mac) => StaticBound::of_formats(unit.pair(), schedule.gemm.k, schedule.k_per_fold())
            .is_some_and(|bound| bound.fits(mac)),
        MacSpec::Bf16(_) => false,
    };
    let order = || ReductionOrder {
        // A fold never holds more than the whole contraction: designs that finish it in one fold agree.
        k_per_fold: usize::try_from(schedule.k_per_fold().min(schedule.gemm.k)).unwrap_or(usize::MAX),
        join: Join::PerFold,
    };
    LayerPlan { mac: unit.spec(), reduction: (!order_cannot_matter).then(order) }
}
