//! The default mapper: which schedule and which plan a layer gets on a design.

use crate::hardware::{Accelerator, MacUnit};
use crate::numerics::{MacSpec, OperandPair, StaticBound};
use crate::workload::{Layer, Network, Operation};

use super::gemm::Gemm;
use super::plan::LayerPlan;
use super::reduction::{Join, ReductionOrder};
use super::schedule::Schedule;

// What is simulated in one request: bounds time and memory, and keeps every counter far from 64 bits.
const MAX_FOLDS: u64 = 1 << 26;
const MAX_MAC_SLOTS: u64 = 1 << 50;
const MAX_ELEMENTS: u64 = 1 << 36;

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
    /// More work than is simulated.
    #[error("{found} {what} up to layer `{layer}`; at most {limit} per request are simulated")]
    TooLarge {
        /// The layer that exceeds the limit.
        layer: String,
        /// What there is too much of.
        what: &'static str,
        /// How much.
        found: u128,
        /// How much is accepted.
        limit: u64,
    },
}

/// Maps every layer of a network for a request of `batch` images; None for layers off the array.
pub fn map_network(
    network: &Network,
    accelerator: &Accelerator,
    batch: u64,
) -> Result<Vec<Option<MappedLayer>>, MappingError> {
    let mut work = Work { batch, ..Work::default() };
    network
        .layers()
        .iter()
        .map(|layer| {
            work.add_elements(layer, network)?;
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
            work.add_schedule(&layer.name, &schedule, accelerator.array().accumulator_latency_cycles())?;
            Ok(Some(MappedLayer { schedule, pair, plan: plan(&schedule, unit) }))
        })
        .collect()
}

/// What a request amounts to so far.
#[derive(Default)]
struct Work {
    batch: u64,
    elements: u128,
    folds: u128,
    mac_slots: u128,
}

impl Work {
    fn add_elements(&mut self, layer: &Layer, network: &Network) -> Result<(), MappingError> {
        for edge in [layer.input, layer.output] {
            self.elements += u128::from(self.batch) * network.edge(edge).shape.elements() as u128;
        }
        check(&layer.name, "tensor elements", self.elements, MAX_ELEMENTS)
    }

    /// MAC slots of the schedule's cycles, generously: every fold streams, fills, drains and waits alone.
    fn add_schedule(&mut self, layer: &str, schedule: &Schedule, latency: u64) -> Result<(), MappingError> {
        let Gemm { m, n, k, groups } = schedule.gemm;
        let product = |factors: &[u64]| factors.iter().copied().map(u128::from).product::<u128>();
        let passes = product(&[groups, n.div_ceil(schedule.columns), k.div_ceil(schedule.k_per_fold())]);
        let folds = passes * u128::from(schedule.m_tiles());
        let overhead = u128::from(2 * schedule.rows + schedule.columns + latency);
        self.folds += folds;
        self.mac_slots += (passes * u128::from(m) + folds * overhead) * u128::from(schedule.peak());
        check(layer, "folds", self.folds, MAX_FOLDS)?;
        check(layer, "MAC slots", self.mac_slots, MAX_MAC_SLOTS)
    }
}

fn check(layer: &str, what: &'static str, found: u128, limit: u64) -> Result<(), MappingError> {
    if found <= u128::from(limit) {
        return Ok(());
    }
    Err(MappingError::TooLarge { layer: layer.to_owned(), what, found, limit })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceFile;
    use crate::workload::Workload;

    fn map(design: &str, network: &str, batch: u64) -> Result<Vec<Option<MappedLayer>>, MappingError> {
        let workload = Workload::parse(&SourceFile::embedded("n.toml", network)).unwrap();
        let design = Accelerator::parse(&SourceFile::embedded("d.toml", design)).unwrap();
        map_network(workload.network(), &design, batch)
    }

    fn network(size: usize, channels: usize) -> String {
        format!(
            "schema_version = 1\ninput = {{ height = {size}, width = {size}, channels = {channels} }}\n\
             precision = {{ default = \"w8a8\" }}\n[[layer]]\nname = \"a\"\n\
             conv2d = {{ out_channels = {channels}, kernel = [1, 1] }}\n"
        )
    }

    #[test]
    fn work_beyond_the_limits_is_refused_before_it_is_walked() {
        let (_, edge) = crate::hardware::SHIPPED[0];
        let limit = |result: Result<_, MappingError>| match result {
            Err(MappingError::TooLarge { what, .. }) => Some(what),
            _ => None,
        };
        assert_eq!(limit(map(edge, &network(28, 64), 64)), None);
        assert_eq!(limit(map(edge, &network(2, 8192), 65_536)), Some("folds"));
        assert_eq!(limit(map(edge, &network(8192, 1), 65_536)), Some("tensor elements"));
        let huge = edge.replace("rows = 32", "rows = 4096").replace("cols = 32", "cols = 4096");
        assert_ne!(huge, edge);
        assert_eq!(limit(map(&huge, &network(4096, 1), 512)), Some("MAC slots"));
    }

    #[test]
    fn the_output_tile_is_what_the_accumulators_hold() {
        let (_, edge) = crate::hardware::SHIPPED[0];
        let mapped = map(edge, &network(64, 64), 1).unwrap();
        let schedule = mapped[0].unwrap().schedule;
        // 16 KiB of the double-buffered 32 KiB hold 32 columns × 4 B for 128 vectors.
        assert_eq!((schedule.m_tile, schedule.m_tiles()), (128, 32));
    }
}
