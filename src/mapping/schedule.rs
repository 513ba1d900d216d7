//! A schedule: the small formula from which a layer's folds follow.

use crate::hardware::{Dataflow, LaneAxis};

use super::gemm::Gemm;
use super::reduction::Join;

/// Multiplications of a PE in one cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lanes {
    /// Whether they share an output (k) or an activation (n).
    pub axis: LaneAxis,
    /// How many, at least 1.
    pub count: u64,
}

impl Lanes {
    /// Consecutive k of one output.
    pub fn along_k(self) -> u64 {
        if self.axis == LaneAxis::K { self.count } else { 1 }
    }

    /// Neighboring output channels of one column.
    pub fn along_n(self) -> u64 {
        if self.axis == LaneAxis::N { self.count } else { 1 }
    }
}

/// What the arrays of a chip divide among themselves; they run in lockstep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// Each array takes other output channels of the same pixels.
    Channels,
    /// Each array takes other pixels, with the same weights.
    Pixels,
}

/// How a GEMM is cut for systolic arrays.
///
/// Output tiles run over M, then groups, then N. Inside a tile, folds run over n (ws), m (is) or m and
/// n (os), with k innermost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Schedule {
    /// The layer.
    pub gemm: Gemm,
    /// What stays in the PEs.
    pub dataflow: Dataflow,
    /// Rows of an array.
    pub rows: u64,
    /// Columns of an array.
    pub columns: u64,
    /// Lanes of a PE.
    pub lanes: Lanes,
    /// Equal arrays, at least 1.
    pub arrays: u64,
    /// What they divide.
    pub split: Split,
    /// Pixels of an output tile.
    pub m_tile: u64,
    /// Channels of an output tile.
    pub n_tile: u64,
    /// How the folds of an output join.
    pub join: Join,
}

/// One piece of a GEMM that fills the arrays once: what is stationary stays while vectors stream past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fold {
    /// Group.
    pub group: u64,
    /// First pixel.
    pub m: u64,
    /// First output channel of the group.
    pub n: u64,
    /// First k.
    pub k: u64,
    /// Pixels.
    pub pixels: u64,
    /// Output channels.
    pub channels: u64,
    /// Extent of k.
    pub depth: u64,
}

/// What one array sees of a fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// Rows used (ρ).
    pub rows: u64,
    /// Columns used (nc).
    pub columns: u64,
    /// Vectors streamed (T); output-stationary: steps (J).
    pub vectors: u64,
    /// Pixels.
    pub pixels: u64,
    /// Output channels.
    pub channels: u64,
}

impl Fold {
    /// Whether the fold's outputs have no partial result yet.
    pub fn is_first_of_outputs(self) -> bool {
        self.k == 0
    }

    /// MACs of the fold.
    pub fn macs(self) -> u64 {
        self.pixels * self.channels * self.depth
    }

    /// Distinct weights.
    pub fn weights(self) -> u64 {
        self.channels * self.depth
    }

    /// Outputs that it adds to.
    pub fn outputs(self) -> u64 {
        self.pixels * self.channels
    }
}

/// Starts and extents of the pieces of `from..to`, all but the last `step` long.
pub(super) fn pieces(from: u64, to: u64, step: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..(to - from).div_ceil(step)).map(move |index| {
        let start = from + index * step;
        (start, step.min(to - start))
    })
}

/// An output tile: pixels × channels of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OutputTile {
    /// Group.
    pub group: u64,
    /// First pixel.
    pub m: u64,
    /// Pixels.
    pub pixels: u64,
    /// First output channel of the group.
    pub n: u64,
    /// Channels.
    pub channels: u64,
}

impl Schedule {
    /// k that an array holds at once (ws, is), rows · lanes along k.
    pub fn k_per_fold(&self) -> u64 {
        match self.dataflow {
            Dataflow::Ws | Dataflow::Is => self.rows * self.lanes.along_k(),
            Dataflow::Os => self.gemm.k,
        }
    }

    /// MACs per cycle of all arrays.
    pub fn peak(&self) -> u64 {
        self.rows * self.columns * self.lanes.count * self.arrays
    }

    /// Output tiles along M.
    pub fn m_tiles(&self) -> u64 {
        self.gemm.m.div_ceil(self.m_tile)
    }

    /// Pixels that a fold has at most.
    pub fn pixels_per_fold(&self) -> u64 {
        let arrays = if self.split == Split::Pixels { self.arrays } else { 1 };
        match self.dataflow {
            Dataflow::Ws => self.m_tile,
            Dataflow::Is => self.columns * arrays,
            Dataflow::Os => self.rows * arrays,
        }
    }

    /// Output channels that a fold has at most.
    pub fn channels_per_fold(&self) -> u64 {
        let arrays = if self.split == Split::Channels { self.arrays } else { 1 };
        match self.dataflow {
            Dataflow::Ws | Dataflow::Os => self.columns * self.lanes.along_n() * arrays,
            Dataflow::Is => self.n_tile,
        }
    }

    /// Output tiles in execution order.
    pub fn tiles(&self) -> impl Iterator<Item = OutputTile> + use<> {
        let schedule = *self;
        pieces(0, self.gemm.m, self.m_tile).flat_map(move |(m, pixels)| schedule.tiles_of(m, pixels))
    }

    /// The output tiles of some pixels in execution order.
    pub fn tiles_of(&self, m: u64, pixels: u64) -> impl Iterator<Item = OutputTile> + use<> {
        let Self { gemm, n_tile, .. } = *self;
        (0..gemm.groups).flat_map(move |group| {
            pieces(0, gemm.n, n_tile).map(move |(n, channels)| OutputTile { group, m, pixels, n, channels })
        })
    }

    /// The blocks of one output tile in execution order, each as one fold over all k.
    pub fn tile_blocks(&self, tile: OutputTile) -> impl Iterator<Item = Fold> + use<> {
        let (group, depth, channels) = (tile.group, self.gemm.k, self.channels_per_fold());
        pieces(tile.m, tile.m + tile.pixels, self.pixels_per_fold()).flat_map(move |(m, pixels)| {
            pieces(tile.n, tile.n + tile.channels, channels).map(move |(n, channels)| Fold {
                group,
                m,
                n,
                k: 0,
                pixels,
                channels,
                depth,
            })
        })
    }

    /// The folds of one output tile in execution order.
    pub fn tile_folds(&self, tile: OutputTile) -> impl Iterator<Item = Fold> + use<> {
        let depth = self.k_per_fold();
        self.tile_blocks(tile).flat_map(move |block| {
            pieces(0, block.depth, depth).map(move |(k, depth)| Fold { k, depth, ..block })
        })
    }

    /// All folds in execution order.
    pub fn folds(&self) -> impl Iterator<Item = Fold> + use<> {
        let schedule = *self;
        self.tiles().flat_map(move |tile| schedule.tile_folds(tile))
    }

    /// What each array does of a fold, the first at least as much as the others.
    pub fn views(&self, fold: Fold) -> impl Iterator<Item = View> + use<> {
        let schedule = *self;
        let (extent, capacity) = match (self.split, self.dataflow) {
            (Split::Channels, Dataflow::Is) => (fold.channels, fold.channels.div_ceil(self.arrays)),
            (Split::Channels, _) => (fold.channels, self.columns * self.lanes.along_n()),
            (Split::Pixels, Dataflow::Ws) => (fold.pixels, fold.pixels.div_ceil(self.arrays)),
            (Split::Pixels, Dataflow::Is) => (fold.pixels, self.columns),
            (Split::Pixels, Dataflow::Os) => (fold.pixels, self.rows),
        };
        pieces(0, extent, capacity).map(move |(_, part)| match schedule.split {
            Split::Channels => schedule.view(fold.pixels, part, fold.depth),
            Split::Pixels => schedule.view(part, fold.channels, fold.depth),
        })
    }

    /// What the array does that has most to do: it sets the pace.
    pub fn widest(&self, fold: Fold) -> View {
        let arrays = self.arrays;
        match (self.split, self.dataflow) {
            _ if arrays == 1 => self.view(fold.pixels, fold.channels, fold.depth),
            (Split::Channels, Dataflow::Is) => {
                self.view(fold.pixels, fold.channels.div_ceil(arrays), fold.depth)
            }
            (Split::Channels, _) => {
                let channels = fold.channels.min(self.columns * self.lanes.along_n());
                self.view(fold.pixels, channels, fold.depth)
            }
            (Split::Pixels, Dataflow::Ws) => {
                self.view(fold.pixels.div_ceil(arrays), fold.channels, fold.depth)
            }
            (Split::Pixels, Dataflow::Is) => {
                self.view(fold.pixels.min(self.columns), fold.channels, fold.depth)
            }
            (Split::Pixels, Dataflow::Os) => self.view(fold.pixels.min(self.rows), fold.channels, fold.depth),
        }
    }

    fn view(&self, pixels: u64, channels: u64, depth: u64) -> View {
        let depth = depth.div_ceil(self.lanes.along_k());
        let columns = channels.div_ceil(self.lanes.along_n());
        let (rows, columns, vectors) = match self.dataflow {
            Dataflow::Ws => (depth, columns, pixels),
            Dataflow::Is => (depth, pixels, channels),
            Dataflow::Os => (pixels, columns, depth),
        };
        View { rows, columns, vectors, pixels, channels }
    }

    /// m·n·k over the extents rounded up to whole folds, 0 to 1.
    pub fn mapping_utilization(&self) -> f64 {
        let share = |extent: u64, step: u64| extent as f64 / extent.next_multiple_of(step) as f64;
        let Gemm { m, n, k, .. } = self.gemm;
        let k_lanes = self.lanes.along_k();
        match self.dataflow {
            Dataflow::Ws => share(n, self.channels_per_fold()) * share(k, self.k_per_fold()),
            Dataflow::Is => share(m, self.pixels_per_fold()) * share(k, self.k_per_fold()),
            Dataflow::Os => {
                share(m, self.pixels_per_fold()) * share(n, self.channels_per_fold()) * share(k, k_lanes)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn schedule() -> impl Strategy<Value = Schedule> {
        let dataflow = prop_oneof![Just(Dataflow::Ws), Just(Dataflow::Is), Just(Dataflow::Os)];
        let axis = prop_oneof![Just(LaneAxis::K), Just(LaneAxis::N)];
        let split = prop_oneof![Just(Split::Channels), Just(Split::Pixels)];
        let gemm = (1u64..9, 1u64..9, 1u64..12, 1u64..3);
        let sizes = (1u64..5, 1u64..5, 1u64..4, 1u64..4, 1u64..9, 1u64..9);
        (gemm, dataflow, axis, split, sizes).prop_map(
            |((m, n, k, groups), dataflow, axis, split, (rows, columns, lanes, arrays, m_tile, n_tile))| {
                let axis = if dataflow == Dataflow::Is { LaneAxis::K } else { axis };
                Schedule {
                    gemm: Gemm { m, n, k, groups },
                    dataflow,
                    rows,
                    columns,
                    lanes: Lanes { axis, count: lanes },
                    arrays,
                    split,
                    m_tile,
                    n_tile,
                    join: Join::PerFold,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn folds_cover_every_mac_once(schedule in schedule()) {
            let mut covered = BTreeSet::new();
            for fold in schedule.folds() {
                prop_assert!(fold.pixels <= schedule.m_tile && fold.channels <= schedule.n_tile);
                for i in fold.m..fold.m + fold.pixels {
                    for j in fold.n..fold.n + fold.channels {
                        for l in fold.k..fold.k + fold.depth {
                            prop_assert!(covered.insert((fold.group, i, j, l)), "MAC covered twice");
                        }
                    }
                }
            }
            prop_assert_eq!(covered.len() as u64, schedule.gemm.macs());
        }

        #[test]
        fn arrays_divide_a_fold_and_hold_their_part(schedule in schedule()) {
            for fold in schedule.folds() {
                let views: Vec<View> = schedule.views(fold).collect();
                prop_assert!(views.len() as u64 <= schedule.arrays);
                prop_assert_eq!(views[0], schedule.widest(fold));
                let outputs: u64 = views.iter().map(|view| view.pixels * view.channels).sum();
                prop_assert_eq!(outputs, fold.outputs());
                for view in views {
                    prop_assert!(view.rows <= schedule.rows && view.columns <= schedule.columns);
                    let slots = view.rows * view.columns * view.vectors * schedule.lanes.count;
                    prop_assert!(slots >= view.pixels * view.channels * fold.depth);
                    prop_assert!(view.vectors <= schedule.widest(fold).vectors);
                }
            }
        }
    }

    #[test]
    fn k_is_innermost_and_outputs_finish_before_the_next_begin() {
        let schedule = Schedule {
            gemm: Gemm { m: 5, n: 3, k: 5, groups: 1 },
            dataflow: Dataflow::Ws,
            rows: 2,
            columns: 2,
            lanes: Lanes { axis: LaneAxis::K, count: 2 },
            arrays: 1,
            split: Split::Channels,
            m_tile: 4,
            n_tile: 3,
            join: Join::PerFold,
        };
        let order = |schedule: Schedule| -> Vec<_> {
            schedule.folds().map(|fold| (fold.m, fold.n, fold.k)).collect()
        };
        assert_eq!(
            order(schedule),
            [(0, 0, 0), (0, 0, 4), (0, 2, 0), (0, 2, 4), (4, 0, 0), (4, 0, 4), (4, 2, 0), (4, 2, 4)]
        );
        let input = Schedule { dataflow: Dataflow::Is, n_tile: 2, ..schedule };
        assert_eq!(order(input)[..5], [(0, 0, 0), (0, 0, 4), (2, 0, 0), (2, 0, 4), (0, 2, 0)]);
        let output = Schedule { dataflow: Dataflow::Os, ..schedule };
        assert_eq!(order(output), [(0, 0, 0), (0, 2, 0), (2, 0, 0), (2, 2, 0), (4, 0, 0), (4, 2, 0)]);
    }
}
