//! How a layer could be tiled on a design, and which way is best.
//!
//! Considered: every dataflow that the design lists, both ways to divide the work among its arrays, and
//! tiles from the largest that fit down to a sixteenth. Not exhaustive; cycles are counted later and
//! elsewhere.

use std::collections::BTreeSet;

use crate::hardware::{Accelerator, Dataflow};

use super::gemm::Gemm;
use super::reduction::Join;
use super::schedule::{Lanes, Schedule, Split};
use super::tiling::{InputSupply, Room, Tiling, WeightSupply};
use super::transport::{Transport, largest};

/// Eighths of the least number of tiles that are tried.
const COUNTS: [u64; 8] = [8, 10, 12, 16, 24, 32, 64, 128];
/// Steps of half, a quarter, … of a block of outputs are tried so many times.
const CUTS: u32 = 4;

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
    /// The `count` tilings with the least estimates, at least one; among equals the first considered.
    pub(super) fn likeliest(&self, count: usize) -> Result<Vec<Tiling>, TooSmall> {
        let mut best: Vec<(f64, Tiling)> = Vec::with_capacity(count + 1);
        self.for_each_likely(|tiling| {
            let estimate = self.estimate(&tiling);
            let place = best.partition_point(|(less, _)| *less <= estimate);
            if place < count {
                best.insert(place, (estimate, tiling));
                best.truncate(count);
            }
        })?;
        Ok(best.into_iter().map(|(_, tiling)| tiling).collect())
    }

    /// Calls `visit` with the tilings that the default mapper considers, at least one.
    pub(super) fn for_each_likely(&self, mut visit: impl FnMut(Tiling)) -> Result<(), TooSmall> {
        let count = self.space.accelerator.array().count();
        let splits: &[Split] = if count > 1 { &[Split::Channels, Split::Pixels] } else { &[Split::Channels] };
        let (mut found, mut too_small) = (false, None);
        for &dataflow in self.space.dataflows {
            for &split in splits {
                match self.tilings(&self.schedule(dataflow, split, count)) {
                    Ok(tilings) => {
                        found = true;
                        tilings.into_iter().for_each(&mut visit);
                    }
                    Err(error) => too_small = too_small.or(Some(error)),
                }
            }
        }
        match too_small {
            Some(error) if !found => Err(error),
            _ => Ok(()),
        }
    }

    /// The layer in one tile.
    pub(super) fn schedule(&self, dataflow: Dataflow, split: Split, arrays: u64) -> Schedule {
        let array = self.space.accelerator.array();
        Schedule {
            gemm: self.gemm,
            dataflow,
            rows: array.rows(),
            columns: array.cols(),
            lanes: self.lanes,
            arrays,
            split,
            m_tile: self.gemm.m,
            n_tile: self.gemm.n,
            join: self.join,
        }
    }

    pub(super) fn weight_room(&self) -> u64 {
        self.space.accelerator.weight().tile_bytes() * 8
    }

    pub(super) fn accumulator_room(&self) -> u64 {
        self.space.accelerator.accumulator().tile_bytes() * 8
    }

    /// Results, in elements, that a tile of `m_tile` pixels stages at once.
    pub(super) fn staged(&self, schedule: &Schedule, m_tile: u64) -> u64 {
        let pixels = match schedule.dataflow {
            Dataflow::Ws => m_tile,
            Dataflow::Is | Dataflow::Os => schedule.pixels_per_fold().min(m_tile),
        };
        pixels * Tiling::staged_channels(schedule, self.space.transport)
    }

    fn tilings(&self, schedule: &Schedule) -> Result<Vec<Tiling>, TooSmall> {
        let Gemm { m, n, k, .. } = self.gemm;
        let accumulators = self.accumulator_room() / self.accumulator_bits;
        let depth = schedule.k_per_fold().min(k);
        let (pixels, channels) = (schedule.pixels_per_fold().min(m), schedule.channels_per_fold().min(n));
        // Results that the accumulators must take at the least: a vector of a fold; all of a fold (os).
        let least = match schedule.dataflow {
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
        let m_tiles = self.pixel_tiles(schedule, accumulators / least)?;
        let n_tiles = self.channel_tiles(schedule, accumulators / least, depth)?;
        let mut tilings = Vec::new();
        for &(m_tile, input) in &m_tiles {
            for &n_tile in &n_tiles {
                let tiling = self.tiling(Schedule { m_tile, n_tile, ..*schedule }, input);
                tilings.extend(self.steps_of(tiling));
            }
        }
        Ok(tilings)
    }

    /// The same tiles in steps of equal size: several blocks of outputs, one, or parts of one.
    fn steps_of(&self, tiling: Tiling) -> Vec<Tiling> {
        let schedule = &tiling.schedule;
        let Gemm { n, k, groups, .. } = self.gemm;
        let channels = schedule.channels_per_fold().min(n);
        let block = schedule.m_tile * channels * self.accumulator_bits;
        if schedule.dataflow != Dataflow::Ws || block > tiling.room.accumulator_bits {
            return vec![tiling];
        }
        let with = |weight_bits: u64, blocks: u64| Tiling {
            room: Room { weight_bits, accumulator_bits: block * blocks, ..tiling.room },
            ..tiling
        };
        if tiling.input == InputSupply::PerFold {
            return vec![with(tiling.room.weight_bits, 1)];
        }
        let fold = channels * schedule.k_per_fold().min(k) * self.weight_bits;
        let k_folds = k.div_ceil(schedule.k_per_fold());
        let fitting = tiling.room.weight_bits / fold;
        let mut steps = Vec::new();
        if tiling.weights == WeightSupply::PerStep {
            let all = n.div_ceil(channels) * groups;
            let most = (fitting / k_folds).min(tiling.room.accumulator_bits / block.max(1)).min(all);
            if most > 1 {
                let equal = all.div_ceil(all.div_ceil(most));
                steps.push(with(equal * k_folds * fold, equal));
            }
        }
        let least = k_folds.div_ceil(fitting.max(1));
        let counts = (0..CUTS).map(|cut| least << cut).take_while(|count| *count <= k_folds);
        steps.extend(counts.map(|count| with(k_folds.div_ceil(count) * fold, 1)));
        if tiling.weights == WeightSupply::PerLayer && schedule.m_tile < self.gemm.m {
            // Tiles that fetch no weights are one step, if there is room for their sums.
            steps.push(with(
                k_folds.div_ceil(least) * fold,
                (tiling.room.accumulator_bits / block.max(1)).max(1),
            ));
        }
        steps
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
        self.tiling_with(schedule, weights, input, room)
    }

    /// A tiling of this layer.
    pub(super) fn tiling_with(
        &self,
        schedule: Schedule,
        weights: WeightSupply,
        input: InputSupply,
        room: Room,
    ) -> Tiling {
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

    /// Whether the windows of such tiles fit: tiles that follow each other share rows, together they hold
    /// the window of both.
    pub(super) fn window_fits(&self, schedule: &Schedule, tile: u64) -> bool {
        self.fits(schedule, tile, |buffers| self.space.transport.footprint.window(buffers * tile))
    }

    /// Whether what a fold needs of such tiles fits.
    pub(super) fn fold_fits(&self, schedule: &Schedule, tile: u64) -> bool {
        self.fits(schedule, tile, |buffers| buffers * tile * schedule.k_per_fold().min(self.gemm.k))
    }

    fn fits(&self, schedule: &Schedule, tile: u64, held: impl Fn(u64) -> u64) -> bool {
        let buffers = self.space.accelerator.activation().buffers() as u64;
        let staged = buffers * self.staged(schedule, tile);
        self.space.transport.working_bytes(held(buffers), staged) <= self.space.free_bytes
    }

    /// Tile extents along m, and how the input gets in. `vectors` is what the accumulators hold.
    fn pixel_tiles(&self, schedule: &Schedule, vectors: u64) -> Result<Vec<(u64, InputSupply)>, TooSmall> {
        let transport = self.space.transport;
        let m = self.gemm.m;
        let window_fits = |tile: u64| self.window_fits(schedule, tile);
        // Whole rows of pixels touch fewer rows of the input than as many pixels elsewhere.
        let width = transport.footprint.width();
        let rows = largest(m / width, |rows| window_fits(rows * width)).map_or(0, |rows| rows * width);
        let by_window = largest(m, window_fits).max((rows > 0).then_some(rows));
        // Operands that come fold by fold come again for every fold along n, but allow larger tiles.
        let by_fold = if schedule.dataflow == Dataflow::Ws && by_window < Some(m.min(vectors)) {
            largest(m, |tile| self.fold_fits(schedule, tile))
        } else {
            None
        };
        let mut tiles = BTreeSet::new();
        for (fits, input) in [(by_window, InputSupply::PerTile), (by_fold, InputSupply::PerFold)] {
            let Some(fits) = fits else { continue };
            let limit = if schedule.dataflow == Dataflow::Ws { fits.min(vectors) } else { fits };
            let least = m.div_ceil(limit);
            for eighths in COUNTS {
                let count = (least * eighths).div_ceil(8);
                tiles.insert((self.balanced(count.min(m), limit, schedule), input));
            }
            if schedule.dataflow == Dataflow::Ws && fits > vectors && self.gemm.k > schedule.k_per_fold() {
                // Fewer passes over the weights at the price of spilled partial sums.
                tiles.insert((fits, input));
            }
        }
        if tiles.is_empty() {
            let buffers = self.space.accelerator.activation().buffers() as u64;
            let held = transport.footprint.window(1).min(schedule.k_per_fold().min(self.gemm.k));
            let least = transport.working_bytes(buffers * held, buffers * self.staged(schedule, 1));
            return Err(TooSmall {
                scratchpad: "activation",
                needed_bits: least * 8,
                available_bits: self.space.free_bytes * 8,
            });
        }
        // The largest first: among equals, fewer tiles.
        Ok(tiles.into_iter().rev().collect())
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
}
