//! Which schedule and which plan a layer gets on a design.

use crate::hardware::{Accelerator, Dataflow, LaneAxis, MacUnit};
use crate::numerics::{Bias, IntegerMac, LaneSum, MacSpec, OperandPair, StaticBound};
use crate::workload::{Convolution, Layer, Network, Operands, Operation, Workload};

use super::candidates::{Candidates, Space, TooSmall};
use super::gemm::Gemm;
use super::nested::lengths;
use super::plan::LayerPlan;
use super::reduction::{Join, ReductionOrder};
use super::residency::{Residency, Wanted};
use super::schedule::{Lanes, Schedule};
use super::search::{Candidate, Judge, Search};
use super::tiling::Tiling;
use super::transport::{Transport, largest};

// What is simulated in one request: bounds time and memory, and keeps every counter far from 64 bits.
const MAX_FOLDS: u64 = 1 << 26;
const MAX_MAC_SLOTS: u64 = 1 << 50;
const MAX_ELEMENTS: u64 = 1 << 36;
/// Tilings of a short layer that are timed.
const SHORTLISTED: usize = 3;
/// Tiles that a layer off the array is cut into at least, where it has so many pixels.
const OFF_ARRAY_TILES: u64 = 8;

/// A layer on the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedLayer {
    /// How it is cut, and how its tiles pass through the scratchpads.
    pub tiling: Tiling,
    /// Operand pair of its MACs.
    pub pair: OperandPair,
    /// What its values depend on.
    pub plan: LayerPlan,
}

/// A layer of a network on a design.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerMapping {
    /// What runs on the array; None off the array.
    pub array: Option<MappedLayer>,
    /// What moves besides weights.
    pub transport: Transport,
    /// Pixels of a tile off the array.
    pub tile: u64,
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
    /// An f32 operator, which no MAC unit takes.
    #[error("layer `{layer}`: {operator} in f32 is not mapped to the array")]
    NotMapped {
        /// First such layer.
        layer: String,
        /// Its operator.
        operator: &'static str,
    },
    /// A scratchpad cannot hold the least that the layer needs at once.
    #[error(
        "layer `{layer}`: the {scratchpad} scratchpad must hold {needed_bits} bits at once and has room for {available_bits}"
    )]
    ScratchpadTooSmall {
        /// The layer.
        layer: String,
        /// `activation`, `weight` or `accumulator`.
        scratchpad: &'static str,
        /// Bits needed.
        needed_bits: u64,
        /// Bits of a tile of it.
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

/// Maps what a design is asked to run of a workload, as `search` says; see [`map_network_with`].
///
/// # Errors
/// Also where an f32 operator would have to run on the design.
pub fn map_workload_with(
    workload: &Workload,
    accelerator: &Accelerator,
    batch: u64,
    search: &mut Search<'_>,
) -> Result<Vec<LayerMapping>, MappingError> {
    match workload.unmapped() {
        Some(layer) => {
            Err(MappingError::NotMapped { layer: layer.name.clone(), operator: layer.operation.name() })
        }
        None => map_network_with(workload.costed_network(), accelerator, batch, search),
    }
}

/// Maps every layer of a network for a request of `batch` images, as `search` says.
///
/// Dataflows are chosen for single images and kept for batches: the order of accumulation, and with it
/// the bits of bf16 networks, does not depend on the batch.
pub fn map_network_with(
    network: &Network,
    accelerator: &Accelerator,
    batch: u64,
    search: &mut Search<'_>,
) -> Result<Vec<LayerMapping>, MappingError> {
    let any = accelerator.array().dataflows();
    let free = vec![any; network.layers().len()];
    if batch == 1 || any.len() == 1 {
        return map_with_dataflows(network, accelerator, batch, &free, search);
    }
    let single = map_with_dataflows(network, accelerator, 1, &free, search)?;
    let chosen: Vec<&[Dataflow]> = single
        .iter()
        .map(|layer| match &layer.array {
            Some(mapped) => std::slice::from_ref(&mapped.tiling.schedule.dataflow),
            None => any,
        })
        .collect();
    map_with_dataflows(network, accelerator, batch, &chosen, search)
}

fn map_with_dataflows(
    network: &Network,
    accelerator: &Accelerator,
    batch: u64,
    dataflows: &[&[Dataflow]],
    search: &mut Search<'_>,
) -> Result<Vec<LayerMapping>, MappingError> {
    let layers = network.layers();
    let mut work = Work { batch, ..Work::default() };
    let mut units = Vec::with_capacity(layers.len());
    for layer in layers {
        work.add_elements(layer, network)?;
        units.push(match &layer.operation {
            Operation::Convolution(convolution) => {
                let pair = convolution.operand_pair(network);
                Some(accelerator.mac(pair).ok_or_else(|| unsupported(layer, pair, accelerator))?)
            }
            _ => None,
        });
    }
    let wanted: Vec<Wanted> = units.iter().map(|unit| wanted(*unit, accelerator)).collect();
    let residency = Residency::decide(network, accelerator, batch, &wanted);
    let mut done: Vec<(LayerMapping, u64)> = Vec::with_capacity(layers.len());
    for (index, (layer, unit)) in layers.iter().zip(units).enumerate() {
        let transport = Transport::of(layer, network, accelerator, batch, |edge| residency.place(edge));
        let free_bytes = residency.free_bytes(index, accelerator);
        // A layer like an earlier one is mapped as that was.
        let like = |other: usize| {
            let (mapping, free) = &done[other];
            (*free, dataflows[other]) == (free_bytes, dataflows[index])
                && mapping.transport == transport
                && alike(&layers[other], layer, network)
        };
        let known = (0..index).rev().find(|other| like(*other));
        let mapping = match (known, unit) {
            (Some(known), _) => done[known].0.clone(),
            (None, None) => off_array(index, layer, transport, free_bytes, accelerator, search)?,
            (None, Some(unit)) => {
                let Some(gemm) = Gemm::of(layer, network, batch) else {
                    unreachable!("a layer with a MAC unit has a GEMM")
                };
                let space =
                    Space { dataflows: dataflows[index], transport: &transport, free_bytes, accelerator };
                let array = Some(map_layer(index, layer, gemm, unit, &space, search)?);
                let tile = array.map_or(0, |mapped| mapped.tiling.schedule.m_tile);
                LayerMapping { array, transport, tile }
            }
        };
        if let Some(mapped) = &mapping.array {
            let latency = accelerator.array().accumulator_latency_cycles();
            work.add_tiling(&layer.name, &mapped.tiling, latency)?;
        }
        work.add_steps(&layer.name, mapping.transport.pixels.div_ceil(mapping.tile))?;
        done.push((mapping, free_bytes));
    }
    Ok(done.into_iter().map(|(mapping, _)| mapping).collect())
}

/// Whether two layers do the same work on tensors of the same sizes and formats, if not with the same scales.
fn alike(one: &Layer, other: &Layer, network: &Network) -> bool {
    let (Operation::Convolution(a), Operation::Convolution(b)) = (&one.operation, &other.operation) else {
        return false;
    };
    let kind = |convolution: &Convolution| {
        let affine = match convolution.operands {
            Operands::Affine { weight_zero_point, .. } => Some(weight_zero_point),
            Operands::Integer { .. } | Operands::Bf16 => None,
        };
        (affine, convolution.shortcut.is_some(), convolution.activation, convolution.operand_pair(network))
    };
    let stored = |layer: &Layer| std::mem::discriminant(&network.edge(layer.output).stored);
    kind(a) == kind(b)
        && stored(one) == stored(other)
        && Gemm::of(one, network, 1) == Gemm::of(other, network, 1)
}

fn unsupported(layer: &Layer, pair: OperandPair, accelerator: &Accelerator) -> MappingError {
    let accepted: Vec<String> = accelerator.macs().iter().map(|unit| unit.pair().to_string()).collect();
    MappingError::UnsupportedPair { layer: layer.name.clone(), pair, accepted: accepted.join(", ") }
}

/// The tile that a layer wants before it is known what stays on chip: what the accumulators hold; off
/// the array, the least.
fn wanted(unit: Option<&MacUnit>, accelerator: &Accelerator) -> Wanted {
    let Some(unit) = unit else { return Wanted { pixels: 1, channels: u64::MAX } };
    let channels = accelerator.array().cols() * accelerator.array().count();
    let vector_bits = channels * u64::from(accumulator_bits(unit));
    let pixels = (accelerator.accumulator().tile_bytes() * 8 / vector_bits).max(1);
    Wanted { pixels, channels }
}

fn off_array(
    index: usize,
    layer: &Layer,
    transport: Transport,
    free_bytes: u64,
    accelerator: &Accelerator,
    search: &mut Search<'_>,
) -> Result<LayerMapping, MappingError> {
    let bytes = |transport: &Transport, tile: u64| {
        let buffers = accelerator.activation().buffers() as u64;
        let held = transport.footprint.window(buffers * tile);
        transport.working_bytes(held, buffers * transport.most_outputs(tile))
    };
    let tile = largest(transport.pixels, |tile| bytes(&transport, tile) <= free_bytes).ok_or_else(|| {
        MappingError::ScratchpadTooSmall {
            layer: layer.name.clone(),
            scratchpad: "activation",
            needed_bits: bytes(&transport, 1) * 8,
            available_bits: free_bytes * 8,
        }
    })?;
    // Several tiles, so that loading, working and storing overlap.
    let likely = tile.min(transport.pixels.div_ceil(OFF_ARRAY_TILES));
    let mut mapping = LayerMapping { array: None, transport, tile: likely };
    if let Search::Nested(judge) = search {
        let mut best = Best::default();
        let least_cycles = accelerator.dram().least_cycles((mapping.transport.dram_bits() / 8).into());
        for tile in lengths(mapping.transport.pixels, mapping.transport.footprint.width()) {
            if bytes(&mapping.transport, tile) <= free_bytes {
                mapping.tile = tile;
                best.offer(judge(&Candidate { layer: index, mapping: &mapping, least_cycles }), tile);
            }
        }
        mapping.tile = best.least.map_or(likely, |(_, tile)| tile);
    }
    Ok(mapping)
}

/// The first of the cheapest.
struct Best<T> {
    least: Option<(f64, T)>,
}

impl<T> Default for Best<T> {
    fn default() -> Self {
        Self { least: None }
    }
}

impl<T> Best<T> {
    fn offer(&mut self, cost: Option<f64>, what: T) {
        if let Some(cost) = cost
            && self.least.as_ref().is_none_or(|(least, _)| cost < *least)
        {
            self.least = Some((cost, what));
        }
    }
}

fn map_layer(
    index: usize,
    layer: &Layer,
    gemm: Gemm,
    unit: &MacUnit,
    space: &Space<'_>,
    search: &mut Search<'_>,
) -> Result<MappedLayer, MappingError> {
    let pair = unit.pair();
    let safe = safe_dataflows(gemm, unit, space);
    let space = &Space { dataflows: &safe, ..*space };
    let candidates = Candidates {
        gemm,
        space,
        lanes: Lanes { axis: unit.lane_axis(), count: unit.lanes() },
        join: unit.join(),
        activation_bits: u64::from(pair.activation().bits()),
        weight_bits: u64::from(pair.weight().bits()),
        accumulator_bits: u64::from(accumulator_bits(unit)),
    };
    let too_small = |too_small: TooSmall| MappingError::ScratchpadTooSmall {
        layer: layer.name.clone(),
        scratchpad: too_small.scratchpad,
        needed_bits: too_small.needed_bits,
        available_bits: too_small.available_bits,
    };
    let mapped = |tiling: Tiling| MappedLayer { tiling, pair, plan: plan(&tiling.schedule, unit, layer) };
    let likeliest = |count| candidates.likeliest(count).map_err(too_small);
    let mut mapping = LayerMapping { array: None, transport: space.transport.clone(), tile: 0 };
    let mut best = Best::default();
    let mut ask = |judge: &mut Judge<'_>, tiling: Tiling, besides: f64| {
        (mapping.array, mapping.tile) = (Some(mapped(tiling)), tiling.schedule.m_tile);
        let least_cycles = candidates.least_cycles(&tiling);
        let cost = judge(&Candidate { layer: index, mapping: &mapping, least_cycles });
        best.offer(cost.map(|cost| cost + besides), tiling);
    };
    match search {
        Search::Estimated => {}
        Search::Shortlisted(judge) => {
            let shortlist = likeliest(SHORTLISTED)?;
            if candidates.is_short(&shortlist[0]) {
                for tiling in shortlist {
                    ask(judge, tiling, candidates.channel_share(&tiling));
                }
            } else {
                best.offer(Some(0.0), shortlist[0]);
            }
        }
        Search::Likely(judge) => {
            candidates.for_each_likely(|tiling| ask(judge, tiling, 0.0)).map_err(too_small)?;
        }
        Search::Nested(judge) => candidates.for_each_nested(|tiling| ask(judge, tiling, 0.0)),
    }
    // A layer that no nested tile fits may fit all the same, or why not is said.
    match best.least {
        Some((_, tiling)) => Ok(mapped(tiling)),
        None => Ok(mapped(likeliest(1)?[0])),
    }
}

/// What a request amounts to so far.
#[derive(Default)]
struct Work {
    batch: u64,
    elements: u128,
    folds: u128,
    mac_slots: u128,
    steps: u128,
}

impl Work {
    fn add_elements(&mut self, layer: &Layer, network: &Network) -> Result<(), MappingError> {
        for edge in [layer.input, layer.output] {
            self.elements += u128::from(self.batch) * network.edge(edge).shape.elements() as u128;
        }
        check(&layer.name, "tensor elements", self.elements, MAX_ELEMENTS)
    }

    /// MAC slots of the schedule's cycles, generously: every fold streams, fills, drains and waits alone.
    fn add_tiling(&mut self, layer: &str, tiling: &Tiling, latency: u64) -> Result<(), MappingError> {
        let schedule = &tiling.schedule;
        let Gemm { m, n, k, groups } = schedule.gemm;
        let count = |extent: u64, tile: u64, piece: u64| {
            u128::from(extent.div_ceil(tile)) * u128::from(tile.div_ceil(piece.min(tile)))
        };
        let folds = u128::from(groups)
            * count(m, schedule.m_tile, schedule.pixels_per_fold())
            * count(n, schedule.n_tile, schedule.channels_per_fold())
            * u128::from(k.div_ceil(tiling.longest_cut()));
        let vectors = match schedule.dataflow {
            Dataflow::Ws => schedule.m_tile,
            Dataflow::Is => schedule.n_tile,
            Dataflow::Os => k,
        };
        self.folds += folds;
        let overhead = u128::from(2 * schedule.rows + schedule.columns + latency);
        self.mac_slots += folds * (u128::from(vectors) + overhead) * u128::from(schedule.peak());
        check(layer, "folds", self.folds, MAX_FOLDS)?;
        check(layer, "MAC slots", self.mac_slots, MAX_MAC_SLOTS)
    }

    fn add_steps(&mut self, layer: &str, steps: u64) -> Result<(), MappingError> {
        self.steps += u128::from(steps);
        check(layer, "tiles", self.steps, MAX_FOLDS)
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

/// The dataflows whose sums cannot leave their registers, whatever the values; all, if there is none.
fn safe_dataflows(gemm: Gemm, unit: &MacUnit, space: &Space<'_>) -> Vec<Dataflow> {
    let array = space.accelerator.array();
    let safe = |dataflow: &Dataflow| {
        let k_per_fold = match (dataflow, unit.lane_axis()) {
            _ if unit.join() == Join::Chained => gemm.k,
            (Dataflow::Os, _) => gemm.k,
            (Dataflow::Ws | Dataflow::Is, LaneAxis::K) => array.rows() * unit.lanes(),
            (Dataflow::Ws | Dataflow::Is, LaneAxis::N) => array.rows(),
        };
        cannot_overflow(unit, gemm.k, k_per_fold)
    };
    let found: Vec<Dataflow> = space.dataflows.iter().copied().filter(safe).collect();
    if found.is_empty() { space.dataflows.to_vec() } else { found }
}

/// Whether the formats alone exclude overflow. Floating-point sums round instead.
fn cannot_overflow(unit: &MacUnit, k: u64, k_per_fold: u64) -> bool {
    match unit.spec() {
        MacSpec::Integer(mac) => {
            StaticBound::of_formats(unit.pair(), k, k_per_fold).is_some_and(|bound| bound.fits(mac))
        }
        MacSpec::Bf16(_) => true,
    }
}

/// The unit's MAC, without what the layer has no use for: a bias of integers to preload.
fn mac_spec(unit: &MacUnit, layer: &Layer) -> MacSpec {
    let has_bias = match &layer.operation {
        Operation::Convolution(convolution) => convolution.has_integer_bias(),
        _ => false,
    };
    match unit.spec() {
        MacSpec::Integer(mac) if !has_bias => {
            MacSpec::Integer(IntegerMac { bias: Bias::AfterLastFold, ..mac })
        }
        spec => spec,
    }
}

fn plan(schedule: &Schedule, unit: &MacUnit, layer: &Layer) -> LayerPlan {
    let mac = mac_spec(unit, layer);
    // A fold never holds more than the whole contraction: designs that finish it in one fold agree. A
    // chain is one sum over all folds; an output-stationary one never leaves its PE.
    let (k_per_fold, join) = match (schedule.join, schedule.dataflow) {
        (Join::Chained, Dataflow::Ws | Dataflow::Is) => (schedule.gemm.k, Join::Chained),
        _ => (schedule.k_per_fold().min(schedule.gemm.k), Join::PerFold),
    };
    // A bias that is loaded first is data, which formats do not bound.
    let bounded = matches!(mac, MacSpec::Integer(mac) if mac.bias == Bias::AfterLastFold);
    let order_cannot_matter = bounded && cannot_overflow(unit, schedule.gemm.k, k_per_fold);
    let lane_sum = match unit.spec() {
        MacSpec::Integer(mac) => mac.lane_sum,
        MacSpec::Bf16(mac) => mac.lane_sum,
    };
    let lanes = if lane_sum == LaneSum::Serial { 1 } else { schedule.lanes.along_k() };
    let extent = |extent: u64| usize::try_from(extent).unwrap_or(usize::MAX);
    let order = || ReductionOrder { k_per_fold: extent(k_per_fold), join, lanes: extent(lanes) };
    LayerPlan { mac, reduction: (!order_cannot_matter).then(order) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::{Place, WeightSupply};
    use crate::source::SourceFile;
    use crate::workload::Workload;

    fn map(design: &str, network: &str, batch: u64) -> Result<Vec<LayerMapping>, MappingError> {
        let workload = Workload::parse(&SourceFile::embedded("n.toml", network)).unwrap();
        let design = Accelerator::parse(&SourceFile::embedded("d.toml", design)).unwrap();
        map_network_with(workload.network(), &design, batch, &mut Search::Estimated)
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

    fn tiling(mapped: &[LayerMapping]) -> Tiling {
        mapped[0].array.unwrap().tiling
    }

    #[test]
    fn the_output_tile_is_what_the_accumulators_hold() {
        let (_, edge) = crate::hardware::SHIPPED[0];
        let roomy = edge.replace("131_072", "1_048_576");
        let schedule = tiling(&map(&roomy, &network(32, 512), 1).unwrap()).schedule;
        // 16 KiB of the double-buffered 32 KiB hold 32 columns × 4 B for 128 vectors; weights do not stay,
        // so that more tiles would fetch them more often.
        assert_eq!((schedule.m_tile, schedule.m_tiles()), (128, 8));
    }

    #[test]
    fn tensors_that_fit_stay_on_chip_and_the_ends_cross_dram() {
        let (_, edge) = crate::hardware::SHIPPED[0];
        let two = |size: usize| {
            network(size, 16) + "[[layer]]\nname = \"b\"\nconv2d = { out_channels = 16, kernel = [3, 3] }\n"
        };
        let small = map(edge, &two(16), 1).unwrap();
        assert_eq!([small[0].transport.input, small[0].transport.output], [Place::Dram, Place::OnChip]);
        assert_eq!([small[1].transport.input, small[1].transport.output], [Place::OnChip, Place::Dram]);
        let large = map(edge, &two(256), 1).unwrap();
        assert_eq!([large[0].transport.output, large[1].transport.input], [Place::Dram; 2]);
    }

    #[test]
    fn weights_that_do_not_fit_are_fetched_for_every_tile() {
        let (_, edge) = crate::hardware::SHIPPED[0];
        assert_eq!(tiling(&map(edge, &network(64, 128), 1).unwrap()).weights, WeightSupply::PerLayer);
        assert_eq!(tiling(&map(edge, &network(64, 512), 1).unwrap()).weights, WeightSupply::PerStep);
    }

    #[test]
    fn the_order_of_accumulation_does_not_depend_on_the_batch() {
        let (_, edge) = crate::hardware::SHIPPED[0];
        let all = edge.replace("[\"ws\"]", "[\"ws\", \"os\", \"is\"]");
        for size in [1, 3, 8, 32] {
            for channels in [1, 8, 33, 200] {
                let dataflow =
                    |batch| tiling(&map(&all, &network(size, channels), batch).unwrap()).schedule.dataflow;
                assert_eq!(dataflow(1), dataflow(64), "{size}, {channels}");
            }
        }
    }

    /// 20-bit sums hold 16 products of 8 bits; an output-stationary PE would sum all 200.
    #[test]
    fn a_dataflow_that_may_overflow_is_passed_over_for_one_that_cannot() {
        let (_, gemmini) = crate::hardware::SHIPPED.iter().find(|(name, _)| *name == "gemmini-like").unwrap();
        for size in [1, 8, 32] {
            let mapped = map(gemmini, &network(size, 200), 1).unwrap();
            assert_eq!(tiling(&mapped).schedule.dataflow, Dataflow::Ws, "{size}");
        }
    }

    #[test]
    fn what_cannot_fit_is_named() {
        let (_, edge) = crate::hardware::SHIPPED[0];
        let small = edge.replace("bytes = 65_536", "bytes = 1024").replace("banks = 8", "banks = 1");
        let error = map(&small, &network(8, 64), 1).unwrap_err().to_string();
        assert_eq!(
            error,
            "layer `a`: the weight scratchpad must hold 8192 bits at once and has room for 4096"
        );
    }
}
