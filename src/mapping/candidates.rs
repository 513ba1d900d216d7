//! How a layer could be tiled on a design, and which way is best.
//!
//! Considered: every dataflow that the design lists, both ways to divide the work among its arrays, and
//! tiles from the largest that fit down to a sixteenth. Judged by the largest of three estimates (array,
//! DRAM and vector cycles) plus what cannot overlap: the first tile in, the last tile out. Not
//! exhaustive; cycles are counted later and elsewhere.

use std::collections::BTreeSet;

use crate::hardware::{Accelerator, Array, Dataflow, OutputDrain};

use super::gemm::Gemm;
use super::reduction::Join;
use super::schedule::{Lanes, Schedule, Split};
use super::tiling::{InputSupply, Room, Tiling, WeightSupply};
use super::transport::{Transport, largest};

/// Tiles of half, a quarter, … of the largest are tried so many times.
const HALVINGS: u32 = 4;

/// Vector operations per output, for the estimate: multiply, add, compare, store.
const OPERATIONS_PER_OUTPUT: u128 = 4;

/// Why nothing fits: the scratchpad, what the least work needs and what it offers, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooSmall {
    pub(super) scratchpad: &'static str,
    pub(super) needed_bits: u64,
    pub(super) available_bits: u64,
}

/// What a layer may use.
pub(super) struct Space<'a> {
    /// Dataflows to choose from, at least one.
    pub(super) dataflows: &'a [Dataflow],
    pub(super) transport: &'a Transport,
    pub(super) accelerator: &'a Accelerator,
    /// Bytes of the activation scratchpad for this layer's tiles.
    pub(super) free_bytes: u64,
}

/// A GEMM to be tiled.
pub(super) struct Candidates<'a> {
    pub(super) gemm: Gemm,
    pub(super) space: &'a Space<'a>,
    pub(super) lanes: Lanes,
    /// How the folds of an output join.
    pub(super) join: Join,
    pub(super) activation_bits: u64,
    pub(super) weight_bits: u64,
    pub(super) accumulator_bits: u64,
}

impl Candidates<'_> {
    /// The tiling with the least estimated cycles; among equals the first considered.
    pub(super) fn best(&self) -> Result<Tiling, TooSmall> {
        let array = self.space.accelerator.array();
        let splits: &[Split] =
            if array.count() > 1 { &[Split::Channels, Split::Pixels] } else { &[Split::Channels] };
        let mut best: Option<(u128, Tiling)> = None;
        let mut too_small = None;
        for &dataflow in self.space.dataflows {
            for &split in splits {
                match self.tilings(dataflow, split) {
                    Ok(tilings) => {
                        for tiling in tilings {
                            let cycles = self.estimate(&tiling);
                            if best.is_none_or(|(least, _)| cycles < least) {
                                best = Some((cycles, tiling));
                            }
                        }
                    }
                    Err(error) => too_small = too_small.or(Some(error)),
                }
            }
        }
        best.map(|(_, tiling)| tiling).ok_or_else(|| too_small.expect("a design lists at least one dataflow"))
    }

    fn weight_room(&self) -> u64 {
        self.space.accelerator.weight().tile_bytes() * 8
    }

    fn accumulator_room(&self) -> u64 {
        self.space.accelerator.accumulator().tile_bytes() * 8
    }

    /// Results, in elements, that a tile of `m_tile` pixels stages at once.
    fn staged(&self, schedule: &Schedule, m_tile: u64) -> u64 {
        let pixels = match schedule.dataflow {
            Dataflow::Ws => m_tile,
            Dataflow::Is | Dataflow::Os => schedule.pixels_per_fold().min(m_tile),
        };
        pixels * Tiling::staged_channels(schedule, self.space.transport)
    }

    fn tilings(&self, dataflow: Dataflow, split: Split) -> Result<Vec<Tiling>, TooSmall> {
        let array = self.space.accelerator.array();
        let Gemm { m, n, k, .. } = self.gemm;
        let schedule = Schedule {
            gemm: self.gemm,
            dataflow,
            rows: array.rows(),
            columns: array.cols(),
            lanes: self.lanes,
            arrays: array.count(),
            split,
            m_tile: m,
            n_tile: n,
            join: self.join,
        };
        let accumulators = self.accumulator_room() / self.accumulator_bits;
        let depth = schedule.k_per_fold().min(k);
        let (pixels, channels) = (schedule.pixels_per_fold().min(m), schedule.channels_per_fold().min(n));
        // Results that the accumulators must take at the least: a vector of a fold; all of a fold (os).
        let least = match dataflow {
            Dataflow::Ws => channels,
            Dataflow::Is => pixels,
            Dataflow::Os => pixels * channels,
        };
        if least > accumulators {
            return Err(TooSmall {
                scratchpad: "accumulator",
                needed_bits: least * self.accumulator_bits,
                available_bits: self.accumulator_room(),
            });
        }
        let (m_tiles, input) = self.pixel_tiles(&schedule, accumulators / least)?;
        let n_tiles = self.channel_tiles(&schedule, accumulators / least, depth)?;
        let mut tilings = Vec::new();
        for &m_tile in &m_tiles {
            for &n_tile in &n_tiles {
                tilings.push(self.tiling(Schedule { m_tile, n_tile, ..schedule }, input));
            }
        }
        Ok(tilings)
    }

    fn tiling(&self, schedule: Schedule, input: InputSupply) -> Tiling {
        let bits = |channels: u64| channels * self.gemm.k * self.weight_bits;
        let room = Room {
            weight_bits: self.weight_room(),
            accumulator_bits: self.accumulator_room(),
            staged: self.staged(&schedule, schedule.m_tile),
        };
        let weights = if bits(self.gemm.n * self.gemm.groups) <= room.weight_bits {
            WeightSupply::PerLayer
        } else if schedule.dataflow != Dataflow::Ws && bits(schedule.n_tile) <= room.weight_bits {
            WeightSupply::PerTile
        } else {
            WeightSupply::PerStep
        };
        Tiling {
            schedule,
            weights,
            input,
            room,
            weight_bits: self.weight_bits,
            activation_bits: self.activation_bits,
            accumulator_bits: self.accumulator_bits,
        }
    }

    /// Tile extents along m, and how the input gets in. `vectors` is what the accumulators hold.
    fn pixel_tiles(&self, schedule: &Schedule, vectors: u64) -> Result<(Vec<u64>, InputSupply), TooSmall> {
        let (transport, activation) = (self.space.transport, self.space.accelerator.activation());
        let m = self.gemm.m;
        let buffers = activation.buffers() as u64;
        let fits = |tile: u64, held: u64| {
            transport.working_bytes(held, buffers * self.staged(schedule, tile)) <= self.space.free_bytes
        };
        // Tiles that follow each other share rows: together they hold the window of both.
        let window_fits = |tile: u64| fits(tile, transport.footprint.window(buffers * tile));
        // Whole rows of pixels touch fewer rows of the input than as many pixels elsewhere.
        let width = transport.footprint.width();
        let rows = largest(m / width, |rows| window_fits(rows * width)).map_or(0, |rows| rows * width);
        let by_window = largest(m, window_fits).max((rows > 0).then_some(rows));
        let depth = schedule.k_per_fold().min(self.gemm.k);
        let by_fold = || {
            largest(m, |tile| fits(tile, buffers * tile * depth))
                .filter(|_| schedule.dataflow == Dataflow::Ws)
        };
        let (fits, input) = match by_window {
            Some(tile) => (tile, InputSupply::PerTile),
            None => match by_fold() {
                Some(tile) => (tile, InputSupply::PerFold),
                None => {
                    let held = transport.footprint.window(1).min(depth);
                    let least = transport.working_bytes(buffers * held, buffers * self.staged(schedule, 1));
                    return Err(TooSmall {
                        scratchpad: "activation",
                        needed_bits: least * 8,
                        available_bits: self.space.free_bytes * 8,
                    });
                }
            },
        };
        let mut tiles = BTreeSet::new();
        let mut add = |limit: u64| {
            for halving in 0..=HALVINGS {
                let count = m.div_ceil(limit) << halving;
                tiles.insert(self.balanced(count.min(m), limit, schedule));
            }
        };
        if schedule.dataflow == Dataflow::Ws {
            add(fits.min(vectors));
            if fits > vectors && self.gemm.k > schedule.k_per_fold() {
                // Fewer passes over the weights at the price of spilled partial sums.
                tiles.insert(fits);
            }
        } else {
            add(fits);
        }
        // The largest first: among equals, fewer tiles.
        Ok((tiles.into_iter().rev().collect(), input))
    }

    /// `count` tiles of about equal size, in whole rows of pixels or whole folds where that is close.
    fn balanced(&self, count: u64, limit: u64, schedule: &Schedule) -> u64 {
        let even = self.gemm.m.div_ceil(count);
        let unit = match schedule.dataflow {
            Dataflow::Ws => self.space.transport.footprint.width(),
            Dataflow::Is | Dataflow::Os => schedule.pixels_per_fold(),
        };
        let whole = even.next_multiple_of(unit);
        if whole <= limit { whole.min(self.gemm.m) } else { even.min(limit) }
    }

    /// Tile extents along n. `vectors` is what the accumulators hold.
    fn channel_tiles(&self, schedule: &Schedule, vectors: u64, depth: u64) -> Result<Vec<u64>, TooSmall> {
        let n = self.gemm.n;
        let room = self.weight_room();
        let channels = schedule.channels_per_fold().min(n);
        let least = match schedule.dataflow {
            Dataflow::Ws => channels * depth,
            Dataflow::Is => depth,
            Dataflow::Os => channels * self.lanes.along_k(),
        } * self.weight_bits;
        if least > room {
            return Err(TooSmall { scratchpad: "weight", needed_bits: least, available_bits: room });
        }
        let held = room / (self.gemm.k * self.weight_bits);
        Ok(match schedule.dataflow {
            Dataflow::Ws => vec![n],
            Dataflow::Is => {
                let most = n.min(vectors);
                let streamed = most.min(room / (depth * self.weight_bits));
                if held >= 1 && held < most { vec![streamed, held] } else { vec![streamed] }
            }
            Dataflow::Os => {
                let whole = held / channels * channels;
                if whole >= 1 && whole < n { vec![whole, n] } else { vec![n] }
            }
        })
    }

    /// Cycles by rule of thumb; see the top of the file.
    fn estimate(&self, tiling: &Tiling) -> u128 {
        let schedule = &tiling.schedule;
        let m_tiles = u128::from(schedule.m_tiles());
        let array = array_estimate(schedule, self.space.accelerator.array());
        let weights = u128::from(self.gemm.weights() * self.weight_bits);
        let pixel_folds = u128::from(self.gemm.m.div_ceil(schedule.pixels_per_fold().min(schedule.m_tile)));
        let fetches = match (tiling.weights, schedule.dataflow) {
            (WeightSupply::PerLayer, _) => 1,
            (WeightSupply::PerTile, _) | (WeightSupply::PerStep, Dataflow::Ws) => m_tiles,
            (WeightSupply::PerStep, _) => pixel_folds,
        };
        let k_folds = self.gemm.k.div_ceil(schedule.k_per_fold());
        let outputs = u128::from(self.gemm.outputs());
        let spilled = match schedule.dataflow {
            Dataflow::Ws => {
                let channels = schedule.channels_per_fold().min(self.gemm.n);
                let vectors = self.accumulator_room() / (channels * self.accumulator_bits);
                let beyond = u128::from(schedule.m_tile.saturating_sub(vectors));
                outputs * beyond / u128::from(schedule.m_tile)
            }
            Dataflow::Is | Dataflow::Os => 0,
        };
        let spills = 2 * u128::from(k_folds - 1) * spilled * u128::from(self.accumulator_bits);
        let crossing = match tiling.input {
            InputSupply::PerTile => u128::from(self.space.transport.dram_bits()),
            InputSupply::PerFold => {
                let n_folds = self.gemm.n.div_ceil(schedule.channels_per_fold());
                let fetched = u128::from(self.gemm.m * self.gemm.k * self.gemm.groups) * u128::from(n_folds);
                u128::from(self.space.transport.dram_bits())
                    + fetched * u128::from(self.space.transport.input_bits)
            }
        };
        let rate = self.space.accelerator.dram().bytes_per_cycle();
        let cycles = |bits: u128| (bits.div_ceil(8) * rate.denominator()).div_ceil(rate.numerator());
        let vector_unit = self.space.accelerator.vector();
        let vector =
            outputs * OPERATIONS_PER_OUTPUT / u128::from(vector_unit.lanes() * vector_unit.ops_per_cycle());
        let channel = cycles(crossing + weights * fetches + spills);
        array.max(channel).max(vector) + (cycles(crossing) + vector) / m_tiles
    }
}

/// Cycles of the array, as if all folds were as large as the first.
fn array_estimate(schedule: &Schedule, array: &Array) -> u128 {
    let Some(fold) = schedule.folds().next() else { return 0 };
    let view = schedule.widest(fold);
    let Gemm { m, n, k, groups } = schedule.gemm;
    let count = |extent: u64, piece: u64| u128::from(extent.div_ceil(piece));
    let folds = count(m, fold.pixels) * count(n, fold.channels) * count(k, fold.depth) * u128::from(groups);
    let pace = match (schedule.dataflow, array.double_buffer(), array.output_drain()) {
        (Dataflow::Os, _, OutputDrain::Overlapped) | (Dataflow::Ws | Dataflow::Is, true, _) => {
            view.vectors.max(view.rows)
        }
        (Dataflow::Os, _, OutputDrain::Blocking) | (Dataflow::Ws | Dataflow::Is, false, _) => {
            view.vectors + view.rows + view.columns + schedule.rows
        }
    };
    folds * u128::from(pace)
}
