//! A schedule: the small formula from which a layer's folds follow.

use super::gemm::Gemm;

/// How a GEMM is cut for a weight-stationary array. Folds run group by group, then output tile by
/// output tile (M), then over N, with K innermost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Schedule {
    /// The layer.
    pub gemm: Gemm,
    /// Rows of the array.
    pub rows: u64,
    /// Columns of the array.
    pub columns: u64,
    /// Lanes of a PE, along k.
    pub lanes: u64,
    /// Vectors whose partial results the accumulator scratchpad holds at once.
    pub m_tile: u64,
}

/// One array-sized piece of a GEMM: weights that stay in the array while vectors stream past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fold {
    /// Group.
    pub group: u64,
    /// First vector.
    pub m: u64,
    /// First output channel of the group.
    pub n: u64,
    /// First k.
    pub k: u64,
    /// Vectors streamed (T).
    pub vectors: u64,
    /// Columns used (nc).
    pub columns: u64,
    /// Operands per vector: k extent of the fold.
    pub depth: u64,
    /// Rows used: ceil(depth / lanes).
    pub rows: u64,
}

impl Fold {
    /// Whether the fold's outputs have no partial result yet.
    pub fn is_first_of_outputs(self) -> bool {
        self.k == 0
    }

    /// MACs of the fold.
    pub fn macs(self) -> u64 {
        self.vectors * self.columns * self.depth
    }
}

impl Schedule {
    /// k per fold: rows · lanes.
    pub fn k_per_fold(&self) -> u64 {
        self.rows * self.lanes
    }

    /// MACs per cycle of the whole array.
    pub fn peak(&self) -> u64 {
        self.rows * self.columns * self.lanes
    }

    /// Output tiles along M.
    pub fn m_tiles(&self) -> u64 {
        self.gemm.m.div_ceil(self.m_tile)
    }

    /// All folds in execution order.
    pub fn folds(&self) -> impl Iterator<Item = Fold> + use<> {
        let Self { gemm, columns, lanes, m_tile, .. } = *self;
        let k_per_fold = self.k_per_fold();
        let starts = |extent: u64, step: u64| (0..extent.div_ceil(step)).map(move |index| index * step);
        (0..gemm.groups).flat_map(move |group| {
            starts(gemm.m, m_tile).flat_map(move |m| {
                starts(gemm.n, columns).flat_map(move |n| {
                    starts(gemm.k, k_per_fold).map(move |k| {
                        let depth = k_per_fold.min(gemm.k - k);
                        Fold {
                            group,
                            m,
                            n,
                            k,
                            vectors: m_tile.min(gemm.m - m),
                            columns: columns.min(gemm.n - n),
                            depth,
                            rows: depth.div_ceil(lanes),
                        }
                    })
                })
            })
        })
    }

    /// m·n·k over the extents rounded up to whole columns and whole folds, 0 to 1.
    pub fn mapping_utilization(&self) -> f64 {
        let ceiled = self.gemm.n.div_ceil(self.columns) * self.columns;
        let k_ceiled = self.gemm.k.div_ceil(self.k_per_fold()) * self.k_per_fold();
        (self.gemm.n as f64 / ceiled as f64) * (self.gemm.k as f64 / k_ceiled as f64)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn folds_cover_every_mac_once(
            m in 1u64..9, n in 1u64..9, k in 1u64..12, groups in 1u64..3,
            rows in 1u64..5, columns in 1u64..5, lanes in 1u64..4, m_tile in 1u64..9,
        ) {
            let schedule = Schedule { gemm: Gemm { m, n, k, groups }, rows, columns, lanes, m_tile };
            let mut covered = BTreeSet::new();
            for fold in schedule.folds() {
                prop_assert!(fold.rows <= rows && fold.columns <= columns && fold.vectors <= m_tile);
                prop_assert!(fold.depth <= fold.rows * lanes && fold.depth > (fold.rows - 1) * lanes);
                for i in fold.m..fold.m + fold.vectors {
                    for j in fold.n..fold.n + fold.columns {
                        for l in fold.k..fold.k + fold.depth {
                            prop_assert!(covered.insert((fold.group, i, j, l)), "MAC covered twice");
                        }
                    }
                }
            }
            prop_assert_eq!(covered.len() as u64, schedule.gemm.macs());
        }
    }

    #[test]
    fn k_is_innermost_and_outputs_finish_before_the_next_begin() {
        let schedule =
            Schedule { gemm: Gemm { m: 5, n: 3, k: 5, groups: 1 }, rows: 2, columns: 2, lanes: 2, m_tile: 4 };
        let order: Vec<_> = schedule.folds().map(|fold| (fold.m, fold.n, fold.k)).collect();
        assert_eq!(
            order,
            [(0, 0, 0), (0, 0, 4), (0, 2, 0), (0, 2, 4), (4, 0, 0), (4, 0, 4), (4, 2, 0), (4, 2, 4)]
        );
    }
}
