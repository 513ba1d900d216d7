//! Nested candidates: every tiling of a grid that depends on the layer and the array alone.
//!
//! A design only decides which of them fit. A larger scratchpad, or one more array, therefore offers all
//! that a smaller one offers, and the best of them cannot be slower; a larger array is another grid.

use std::collections::BTreeSet;

use crate::hardware::Dataflow;

use super::candidates::Candidates;
use super::schedule::{Schedule, Split};
use super::tiling::{InputSupply, Room, Tiling, WeightSupply};

/// 1 to 8, then four per octave, up to `limit`.
fn levels(limit: u64) -> impl Iterator<Item = u64> {
    let octaves = (0..61).flat_map(|octave| [8u64, 10, 12, 14].map(|level| level << octave));
    (1..8).chain(octaves).take_while(move |level| *level <= limit)
}

/// Numbers of equal pieces to try for `extent`: each gives another length.
pub(super) fn lengths(extent: u64, unit: u64) -> impl Iterator<Item = u64> {
    let lengths: BTreeSet<u64> = levels(extent)
        .chain([extent])
        .flat_map(|count| {
            let even = extent.div_ceil(count);
            [even, even.next_multiple_of(unit).min(extent)]
        })
        .collect();
    lengths.into_iter().rev()
}

impl Candidates<'_> {
    /// Calls `visit` with every nested tiling that fits, large tiles first.
    pub(super) fn for_each_nested(&self, mut visit: impl FnMut(Tiling)) {
        let count = self.space.accelerator.array().count();
        for arrays in levels(count) {
            let splits: &[Split] =
                if arrays > 1 { &[Split::Channels, Split::Pixels] } else { &[Split::Channels] };
            for &split in splits {
                for &dataflow in self.space.dataflows {
                    self.for_each_tile(&self.schedule(dataflow, split, arrays), &mut visit);
                }
            }
        }
    }

    fn for_each_tile(&self, schedule: &Schedule, visit: &mut impl FnMut(Tiling)) {
        let transport = self.space.transport;
        let unit = match schedule.dataflow {
            Dataflow::Ws => transport.footprint.width(),
            Dataflow::Is | Dataflow::Os => schedule.pixels_per_fold(),
        };
        let channels = schedule.channels_per_fold().min(self.gemm.n);
        for m_tile in lengths(self.gemm.m, unit) {
            for &input in self.inputs(schedule, m_tile) {
                match schedule.dataflow {
                    Dataflow::Ws => {
                        self.for_each_room(Schedule { m_tile, ..*schedule }, input, visit);
                    }
                    Dataflow::Is | Dataflow::Os => {
                        let unit = if schedule.dataflow == Dataflow::Os { channels } else { 1 };
                        for n_tile in lengths(self.gemm.n, unit) {
                            self.for_each_room(Schedule { m_tile, n_tile, ..*schedule }, input, visit);
                        }
                    }
                }
            }
        }
    }

    fn for_each_room(&self, schedule: Schedule, input: InputSupply, visit: &mut impl FnMut(Tiling)) {
        let staged = self.staged(&schedule, schedule.m_tile);
        for accumulator_bits in self.accumulator_rooms(&schedule) {
            for (weights, weight_bits) in self.weight_rooms(&schedule) {
                let room = Room { weight_bits, accumulator_bits, staged };
                visit(self.tiling_with(schedule, weights, input, room));
            }
        }
    }

    /// Whole blocks of outputs; where not even one has room, as many vectors of a fold.
    fn accumulator_rooms(&self, schedule: &Schedule) -> BTreeSet<u64> {
        let (pixels, channels) = (
            schedule.pixels_per_fold().min(schedule.m_tile),
            schedule.channels_per_fold().min(schedule.n_tile),
        );
        let room = self.accumulator_room() / self.accumulator_bits;
        let block = pixels * channels;
        let blocks = schedule.m_tile.div_ceil(pixels) * self.gemm.n.div_ceil(channels) * self.gemm.groups;
        let whole = [1, 2, 4, 8, 16].into_iter().filter(|count| *count <= blocks).map(|count| count * block);
        let vector = match schedule.dataflow {
            Dataflow::Ws => Some((channels, pixels)),
            Dataflow::Is => Some((pixels, channels)),
            Dataflow::Os => None,
        };
        let parts = vector.filter(|_| self.gemm.k > schedule.k_per_fold());
        let parts = parts.into_iter().flat_map(|(vector, count)| {
            (0..u64::BITS).map(move |octave| vector << octave).take_while(move |part| *part < vector * count)
        });
        whole
            .chain(parts)
            .filter(|outputs| *outputs <= room)
            .map(|outputs| outputs * self.accumulator_bits)
            .collect()
    }

    /// Every way to supply the weights, each with room for whole blocks of outputs, or for as much of one.
    fn weight_rooms(&self, schedule: &Schedule) -> Vec<(WeightSupply, u64)> {
        let channels = schedule.channels_per_fold().min(schedule.n_tile);
        let least = match schedule.dataflow {
            Dataflow::Ws => channels * schedule.k_per_fold().min(self.gemm.k),
            Dataflow::Is => schedule.k_per_fold().min(self.gemm.k),
            Dataflow::Os => channels * self.lanes.along_k(),
        } * self.weight_bits;
        let (room, block) = (self.weight_room(), channels * self.gemm.k * self.weight_bits);
        let all = self.gemm.weights() * self.weight_bits;
        let parts = (0..u64::BITS).map(|octave| least << octave).take_while(|part| *part < block);
        let blocks = [1, 2, 4, 8, 16].into_iter().map(|count| count * block);
        let steps: BTreeSet<u64> =
            parts.chain(blocks.filter(|bits| *bits < 2 * all)).filter(|bits| *bits <= room).collect();
        let mut rooms: Vec<_> = steps.into_iter().map(|bits| (WeightSupply::PerStep, bits)).collect();
        let of_tile = schedule.n_tile * self.gemm.k * self.weight_bits;
        if schedule.dataflow != Dataflow::Ws && of_tile <= room {
            rooms.push((WeightSupply::PerTile, of_tile));
        }
        if all <= room {
            rooms.push((WeightSupply::PerLayer, all));
        }
        rooms
    }

    /// Every way to supply the input of such tiles.
    fn inputs(&self, schedule: &Schedule, m_tile: u64) -> &'static [InputSupply] {
        let by_window = self.window_fits(schedule, m_tile);
        let by_fold = schedule.dataflow == Dataflow::Ws && self.fold_fits(schedule, m_tile);
        match (by_window, by_fold) {
            (true, true) => &[InputSupply::PerTile, InputSupply::PerFold],
            (true, false) => &[InputSupply::PerTile],
            (false, true) => &[InputSupply::PerFold],
            (false, false) => &[],
        }
    }
}
