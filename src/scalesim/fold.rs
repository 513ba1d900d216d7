//! How a layer is cut into array-sized folds.

use super::configuration::{Configuration, Dataflow};
use super::layer::Layer;

/// Extents of a layer along the array's rows, its columns, and time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folding {
    pub(super) dataflow: Dataflow,
    /// R.
    pub(super) rows: u64,
    /// C.
    pub(super) cols: u64,
    /// Sr: os pixels, ws and is window elements.
    pub(super) along_rows: u64,
    /// Sc: os and ws filters, is pixels.
    pub(super) along_cols: u64,
    /// T: os window elements, ws pixels, is filters.
    pub(super) steps: u64,
}

/// One fold: where it starts and how much of the array it uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fold {
    pub(super) first_row: u64,
    pub(super) rows_used: u64,
    pub(super) first_col: u64,
    pub(super) cols_used: u64,
}

impl Folding {
    pub(super) fn new(layer: &Layer, configuration: &Configuration) -> Self {
        let (pixels, filters, window) = (layer.pixels(), layer.filters(), layer.window());
        let (along_rows, along_cols, steps) = match configuration.dataflow {
            Dataflow::OutputStationary => (pixels, filters, window),
            Dataflow::WeightStationary => (window, filters, pixels),
            Dataflow::InputStationary => (window, pixels, filters),
        };
        let (rows, cols) = (configuration.rows, configuration.cols);
        Self { dataflow: configuration.dataflow, rows, cols, along_rows, along_cols, steps }
    }

    pub(super) fn row_folds(&self) -> u64 {
        self.along_rows.div_ceil(self.rows)
    }

    pub(super) fn col_folds(&self) -> u64 {
        self.along_cols.div_ceil(self.cols)
    }

    /// P, whatever the fold uses of the array.
    pub(super) fn cycles_per_fold(&self) -> u64 {
        let loading = match self.dataflow {
            Dataflow::OutputStationary => 0,
            Dataflow::WeightStationary | Dataflow::InputStationary => self.rows,
        };
        loading + self.rows + self.cols + self.steps - 2
    }

    /// Row folds innermost.
    pub(super) fn folds(self) -> impl Iterator<Item = Fold> {
        (0..self.col_folds()).flat_map(move |col| {
            let first_col = col * self.cols;
            let cols_used = self.cols.min(self.along_cols - first_col);
            (0..self.row_folds()).map(move |row| {
                let first_row = row * self.rows;
                let rows_used = self.rows.min(self.along_rows - first_row);
                Fold { first_row, rows_used, first_col, cols_used }
            })
        })
    }
}
