//! The order in which USER mode fetches an operand from DRAM.

use super::addresses::Addresses;
use super::configuration::Dataflow;
use super::fold::Folding;

/// Which operand is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Ifmap,
    Filter,
}

/// A matrix of folds stacked on top of each other, padded to the width of the array's edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sequence {
    order: Order,
    /// What runs across the columns of a fold.
    across: Across,
    /// Rows of one fold.
    steps: u64,
    /// Rows of all folds.
    rows: u64,
    /// Ports.
    cols: u64,
    /// Extent of what runs across.
    extent: u64,
}

#[derive(Clone, Copy, Debug)]
enum Order {
    /// Along anti-diagonals, each from its lowest row up.
    Diagonals,
    RowMajor,
}

#[derive(Clone, Copy, Debug)]
enum Across {
    /// Columns are pixels or filters, rows elements of the window.
    Outer,
    /// Columns are elements of the window, rows pixels or filters.
    Elements,
}

/// A place in the sequence.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    row: u64,
    col: u64,
}

impl Sequence {
    pub(super) fn new(folding: &Folding, operand: Operand) -> Self {
        use Dataflow::{InputStationary, OutputStationary, WeightStationary};
        let Folding { rows, cols, along_rows, along_cols, steps, dataflow } = *folding;
        let (order, across, fold_rows, width, extent) = match (dataflow, operand) {
            (OutputStationary, Operand::Ifmap) => (Order::Diagonals, Across::Outer, steps, rows, along_rows),
            (OutputStationary, Operand::Filter) => (Order::Diagonals, Across::Outer, steps, cols, along_cols),
            (WeightStationary, Operand::Ifmap) | (InputStationary, Operand::Filter) => {
                (Order::Diagonals, Across::Elements, steps, rows, along_rows)
            }
            (WeightStationary, Operand::Filter) | (InputStationary, Operand::Ifmap) => {
                (Order::RowMajor, Across::Outer, along_rows, cols, along_cols)
            }
        };
        let rows = extent.div_ceil(width) * fold_rows;
        Self { order, across, steps: fold_rows, rows, cols: width, extent }
    }

    /// Elements, padding included.
    pub(super) fn len(&self) -> u64 {
        self.rows * self.cols
    }

    /// The address at the cursor, None for padding; moves the cursor on. Must not be called at the end.
    #[inline]
    pub(super) fn next(&self, cursor: &mut Cursor, addresses: &impl Addresses) -> Option<usize> {
        let Cursor { row, col } = *cursor;
        match self.order {
            Order::RowMajor if col + 1 == self.cols => *cursor = Cursor { row: row + 1, col: 0 },
            Order::RowMajor => cursor.col += 1,
            Order::Diagonals if row == 0 || col + 1 == self.cols => {
                let diagonal = row + col + 1;
                let row = diagonal.min(self.rows - 1);
                *cursor = Cursor { row, col: diagonal - row };
            }
            Order::Diagonals => *cursor = Cursor { row: row - 1, col: col + 1 },
        }
        let (fold, step) = (row / self.steps, row % self.steps);
        let across = fold * self.cols + col;
        if across >= self.extent {
            return None;
        }
        match self.across {
            Across::Outer => addresses.at(across, step),
            Across::Elements => addresses.at(step, across),
        }
    }
}
