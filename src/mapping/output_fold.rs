//! Folds of an output-stationary array.

use super::schedule::Schedule;

/// Outputs that stay in the array while all of k streams past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OutputFold {
    /// Group.
    pub group: u64,
    /// First vector: the one of row 0.
    pub m: u64,
    /// First output channel of the group: the one of column 0.
    pub n: u64,
    /// Rows used (ρ): vectors.
    pub rows: u64,
    /// Columns used (nc): output channels.
    pub columns: u64,
}

impl Schedule {
    /// All output-stationary folds in execution order: group, output tile, m, n.
    pub fn output_folds(&self) -> impl Iterator<Item = OutputFold> + use<> {
        let Self { gemm, rows, columns, m_tile, .. } = *self;
        let pieces = |from: u64, to: u64, step: u64| {
            (0..(to - from).div_ceil(step)).map(move |index| {
                let start = from + index * step;
                (start, step.min(to - start))
            })
        };
        (0..gemm.groups).flat_map(move |group| {
            pieces(0, gemm.m, m_tile).flat_map(move |(tile, extent)| {
                pieces(tile, tile + extent, rows).flat_map(move |(m, rows)| {
                    pieces(0, gemm.n, columns).map(move |(n, columns)| OutputFold {
                        group,
                        m,
                        n,
                        rows,
                        columns,
                    })
                })
            })
        })
    }

    /// Cycles in which a PE of an output-stationary array takes operands: ceil(k / lanes).
    pub fn output_steps(&self) -> u64 {
        self.gemm.k.div_ceil(self.lanes)
    }

    /// The schedule of the transposed layer, whose stationary operand is the activations: m runs along
    /// the columns, n streams in tiles of `n_tile`.
    pub fn input_stationary(&self, n_tile: u64) -> Self {
        let gemm = super::gemm::Gemm { m: self.gemm.n, n: self.gemm.m, ..self.gemm };
        Self { gemm, m_tile: n_tile, ..*self }
    }
}
