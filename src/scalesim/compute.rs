//! Columns that need no memory simulation: cycles, utilization and SRAM counts, in closed form.

use super::configuration::{Configuration, Dataflow};
use super::fold::Folding;
use super::layer::Layer;

/// What follows from the layer, the array and the dataflow alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComputeColumns {
    /// Folds × cycles per fold − 1: the index of the last cycle, as if it were their number.
    pub cycles: u64,
    /// In percent.
    pub mapping_efficiency: f64,
    /// In percent; ws and is count the width of the array twice.
    pub compute_utilization: f64,
    /// Words read from the IFMAP SRAM, taps outside the input included.
    pub ifmap_reads: u64,
    /// Words read from the filter SRAM.
    pub filter_reads: u64,
    /// Words written to the OFMAP SRAM; os adds rows + columns per fold.
    pub ofmap_writes: u64,
}

/// The columns of one layer.
pub fn compute_columns(layer: &Layer, configuration: &Configuration) -> ComputeColumns {
    let folding = Folding::new(layer, configuration);
    let (row_folds, col_folds) = (folding.row_folds(), folding.col_folds());
    let folds = row_folds * col_folds;
    let period = folding.cycles_per_fold();
    let (pixels, filters, window) = (layer.pixels(), layer.filters(), layer.window());
    let (ifmap_reads, filter_reads, ofmap_writes) = match configuration.dataflow {
        Dataflow::OutputStationary => (
            col_folds * pixels * window,
            row_folds * window * filters,
            pixels * filters + folds * (folding.rows + folding.cols),
        ),
        Dataflow::WeightStationary => {
            (col_folds * pixels * window, window * filters, row_folds * pixels * filters)
        }
        Dataflow::InputStationary => {
            (window * pixels, col_folds * window * filters, row_folds * pixels * filters)
        }
    };
    let (mapping, utilization) = averages(&folding);
    ComputeColumns {
        cycles: folds * period - 1,
        mapping_efficiency: mapping * 100.0,
        compute_utilization: utilization * 100.0,
        ifmap_reads,
        filter_reads,
        ofmap_writes,
    }
}

/// Means over the folds, added in SCALE-Sim's order: the last digit depends on it.
fn averages(folding: &Folding) -> (f64, f64) {
    let pes = folding.rows * folding.cols;
    let counted_cycles = match folding.dataflow {
        Dataflow::OutputStationary => folding.cycles_per_fold(),
        Dataflow::WeightStationary | Dataflow::InputStationary => {
            folding.cycles_per_fold() + folding.cols - 1
        }
    };
    let fold = |rows: u64, cols: u64| {
        let used = rows * cols;
        let mapping = used as f64 / pes as f64;
        (mapping, (used * folding.steps) as f64 / (pes * counted_cycles) as f64)
    };
    let last = |extent: u64, folds: u64, size: u64| extent - (folds - 1) * size;
    let (row_folds, col_folds) = (folding.row_folds(), folding.col_folds());
    let last_rows = last(folding.along_rows, row_folds, folding.rows);
    let last_cols = last(folding.along_cols, col_folds, folding.cols);
    let (mut mapping, mut utilization) = (0.0, 0.0);
    for col in 1..=col_folds {
        let cols = if col == col_folds { last_cols } else { folding.cols };
        let (full, edge) = (fold(folding.rows, cols), fold(last_rows, cols));
        for _ in 1..row_folds {
            mapping += full.0;
            utilization += full.1;
        }
        mapping += edge.0;
        utilization += edge.1;
    }
    let folds = (row_folds * col_folds) as f64;
    (mapping / folds, utilization / folds)
}
