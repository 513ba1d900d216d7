//! What one array does of a fold, in the array's own directions.

use std::ops::Range;

use crate::mapping::{Dataflow, Fold, Schedule, Split};

use super::accumulator::Destination;
use super::port::{Port, Stream};
use super::tag::Tag;

/// A part of a fold. Pixels are vectors and channels lie along the columns, or the other way round for
/// an input-stationary array. Empty where an array has nothing to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Vectors streamed; output-stationary: steps.
    pub(super) vectors: u64,
    /// Rows used.
    pub(super) rows: u64,
    /// Columns used.
    pub(super) columns: u64,
    /// Whether its outputs have no partial result yet.
    pub(super) first_of_outputs: bool,
    /// Channels (input-stationary: pixels) that lie across the columns, up to `lanes_across` per column.
    width: u64,
    lanes_across: u64,
    /// Extent of k, up to `lanes_k` per row; output-stationary: per step.
    depth: u64,
    lanes_k: u64,
    /// First operands of the first vector and of column 0, and how far those of the next one are.
    moving: u64,
    held: u64,
    operand_stride: u64,
    /// Accumulator of the first output, and how far the next vector and the next along the columns are.
    output: u64,
    vector_stride: u64,
    across_stride: u64,
}

impl Part {
    /// The parts that one of the schedule's arrays does, one per fold.
    pub(super) fn of(schedule: &Schedule, array: u64) -> Vec<Self> {
        schedule.folds().map(|fold| Self::of_fold(schedule, fold, array as usize)).collect()
    }

    fn of_fold(schedule: &Schedule, fold: Fold, array: usize) -> Self {
        let (mut m, mut n) = (fold.m, fold.n);
        for view in schedule.views(fold).take(array) {
            match schedule.split {
                Split::Channels => n += view.channels,
                Split::Pixels => m += view.pixels,
            }
        }
        let view = schedule.views(fold).nth(array);
        let extent = |of: fn(crate::mapping::View) -> u64| view.map_or(0, of);
        let gemm = schedule.gemm;
        let part = Self {
            vectors: extent(|view| view.vectors),
            rows: extent(|view| view.rows),
            columns: extent(|view| view.columns),
            first_of_outputs: fold.is_first_of_outputs(),
            width: extent(|view| view.channels),
            lanes_across: schedule.lanes.along_n(),
            depth: fold.depth,
            lanes_k: schedule.lanes.along_k(),
            moving: (fold.group * gemm.m + m) * gemm.k + fold.k,
            held: (fold.group * gemm.n + n) * gemm.k + fold.k,
            operand_stride: gemm.k,
            output: (fold.group * gemm.m + m) * gemm.n + n,
            vector_stride: gemm.n,
            across_stride: 1,
        };
        assert!(part.vectors <= u32::MAX.into(), "tags number {} vectors", part.vectors);
        match schedule.dataflow {
            Dataflow::Ws | Dataflow::Os => part,
            Dataflow::Is => Self {
                width: extent(|view| view.pixels),
                lanes_across: 1,
                moving: part.held,
                held: part.moving,
                vector_stride: 1,
                across_stride: gemm.n,
                ..part
            },
        }
    }

    /// The lanes of a column, of those of all columns that are used.
    #[inline]
    fn lanes_of(&self, column: u64) -> Range<u64> {
        let start = column * self.lanes_across;
        start..self.width.min(start + self.lanes_across)
    }

    /// What the lanes along k of a row (output-stationary: of a step) take of a vector's operands.
    #[inline]
    pub(super) fn moving(&self, vector: u64, row: u64) -> Range<usize> {
        self.lanes_k_of(self.moving + vector * self.operand_stride, row)
    }

    /// What they take of the operands of a column's first channel (input-stationary: of its pixel), and how many
    /// channels it has.
    #[inline(always)] // into the loop over an edge
    pub(super) fn held(&self, column: u64, row: u64) -> (Range<usize>, usize) {
        let lanes = self.lanes_of(column);
        (
            self.lanes_k_of(self.held + lanes.start * self.operand_stride, row),
            (lanes.end - lanes.start) as usize,
        )
    }

    #[inline]
    fn lanes_k_of(&self, operands: u64, row: u64) -> Range<usize> {
        let k = row * self.lanes_k;
        let start = (operands + k) as usize;
        start..start + self.lanes_k.min(self.depth - k) as usize
    }

    /// The accumulators of one vector in one column.
    #[inline]
    pub(super) fn destination(&self, vector: u64, column: u64) -> Destination {
        let lanes = self.lanes_of(column);
        Destination {
            first: (self.output + vector * self.vector_stride + lanes.start * self.across_stride) as usize,
            lanes: (lanes.end - lanes.start) as usize,
            lane_stride: self.across_stride as usize,
            vector_stride: self.vector_stride as usize,
            starts_anew: self.first_of_outputs,
        }
    }

    /// What goes through a row or down a column, vector by vector, where the fold uses it and where it does not.
    #[inline]
    pub(super) fn vectors_of(&self, fold: usize, is_used: bool) -> Stream {
        let first = if is_used { Tag::new(fold, 0) } else { Tag::passing(fold, 0) };
        Stream::ascending(self.vectors, first)
    }

    /// What enters at the left of a row: no operands where the fold does not use it.
    #[inline]
    pub(super) fn row_port(&self, fold: usize, row: u64) -> Port {
        if row >= self.rows {
            return Port { values: self.vectors_of(fold, false), ..Port::default() };
        }
        let operands = self.moving(0, row);
        Port {
            values: self.vectors_of(fold, true),
            first: operands.start,
            count: operands.len(),
            count_behind: operands.len(),
            step: self.operand_stride as usize,
        }
    }

    /// What enters at the top of a column to stay, the last row's first; and how many channels it has (see
    /// [`Self::held`]).
    #[inline]
    pub(super) fn column_port(&self, fold: usize, column: u64) -> (Port, usize) {
        let last = self.rows - 1;
        let (operands, channels) = self.held(column, last);
        let port = Port {
            values: Stream::descending(self.rows, Tag::new(fold, last)),
            first: operands.start,
            count: operands.len(),
            count_behind: self.lanes_k as usize,
            step: (self.lanes_k as usize).wrapping_neg(),
        };
        (port, channels)
    }

    /// Outputs that it adds to, `vectors` of them per column.
    pub(super) fn outputs(&self, vectors: u64) -> u64 {
        vectors * self.width
    }
}

#[cfg(test)]
mod tests {
    use crate::mapping::{Gemm, Join, LaneAxis, Lanes};

    use super::*;

    /// Ragged rows, columns, lanes and vectors.
    fn parts(dataflow: Dataflow, axis: LaneAxis) -> Vec<Part> {
        let lanes = Lanes { axis, count: 3 };
        let schedule = Schedule {
            gemm: Gemm { m: 7, n: 11, k: 17, groups: 2 },
            dataflow,
            rows: 3,
            columns: 2,
            lanes,
            arrays: 1,
            split: Split::Channels,
            m_tile: 5,
            n_tile: 11,
            join: Join::PerFold,
        };
        Part::of(&schedule, 0)
    }

    #[test]
    fn ports_count_what_is_calculated() {
        let arrays = [(Dataflow::Ws, LaneAxis::K), (Dataflow::Ws, LaneAxis::N), (Dataflow::Is, LaneAxis::K)];
        for part in arrays.into_iter().flat_map(|(dataflow, axis)| parts(dataflow, axis)) {
            for row in 0..part.rows {
                let mut port = part.row_port(4, row);
                for vector in 0..part.vectors {
                    assert_eq!(port.next(), Some((Tag::new(4, vector), part.moving(vector, row))));
                }
                assert_eq!(port.next(), None);
            }
            for column in 0..part.columns {
                let (mut port, channels) = part.column_port(4, column);
                for row in (0..part.rows).rev() {
                    let (operands, of_row) = part.held(column, row);
                    assert_eq!((port.next(), channels), (Some((Tag::new(4, row), operands)), of_row));
                }
                assert_eq!(port.next(), None);
                let mut counted = part.destination(0, column);
                for vector in 0..part.vectors {
                    let calculated = part.destination(vector, column);
                    assert!(counted.addresses().eq(calculated.addresses()));
                    counted.advance();
                }
            }
            let passing = part.row_port(4, part.rows).next();
            assert_eq!(passing.map(|(tag, operands)| (tag, operands.len())), Some((Tag::passing(4, 0), 0)));
        }
    }
}
