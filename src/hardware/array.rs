//! The systolic array: its extents, its dataflows and its latencies.
//!
//! Knows `[array]` of a design file; must not know what a PE computes.

use crate::source::{SourceError, SourceFile};

use super::check::{integer, only_one};
use super::dataflow::Dataflow;
use super::output_drain::OutputDrain;
use super::raw::RawArray;

const MAX_EXTENT: i64 = 4096;
const MAX_COUNT: i64 = 64;
const MAX_LATENCY_CYCLES: i64 = 65_536;

/// The array of PEs, of which a design has `count` equal ones. Every PE has a single-cycle adder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    rows: u64,
    cols: u64,
    count: u64,
    dataflows: Vec<Dataflow>,
    double_buffer: bool,
    output_drain: OutputDrain,
    accumulator_latency_cycles: u64,
}

impl Array {
    pub(super) fn double_rows(&mut self) {
        self.rows *= 2;
    }

    pub(super) fn double_cols(&mut self) {
        self.cols *= 2;
    }

    pub(super) fn new(file: &SourceFile, raw: &RawArray) -> Result<Self, SourceError> {
        only_one(file, raw.mac_latency_cycles.as_ref())?;
        let later = ["m-k-n", "n-m-k", "n-k-m", "k-m-n", "k-n-m"];
        file.only(raw.loop_order.as_ref(), "m-n-k", &later)?;
        let dataflows = dataflows(file, raw)?;
        Ok(Self {
            rows: integer(file, &raw.rows, 1..=MAX_EXTENT)?,
            cols: integer(file, &raw.cols, 1..=MAX_EXTENT)?,
            count: raw.count.as_ref().map_or(Ok(1), |count| integer(file, count, 1..=MAX_COUNT))?,
            output_drain: output_drain(file, raw, &dataflows)?,
            dataflows,
            double_buffer: raw.double_buffer.unwrap_or(true),
            accumulator_latency_cycles: raw
                .accumulator_latency_cycles
                .as_ref()
                .map_or(Ok(1), |cycles| integer(file, cycles, 1..=MAX_LATENCY_CYCLES))?,
        })
    }

    /// Rows of PEs; which extent runs along them, the dataflow says.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Columns of PEs; which extent runs along them, the dataflow says.
    pub fn cols(&self) -> u64 {
        self.cols
    }

    /// Equal arrays that share the scratchpads, 1 to 64.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The dataflows the array can run, at least one, in the file's order; none occurs twice.
    pub fn dataflows(&self) -> &[Dataflow] {
        &self.dataflows
    }

    /// Whether a PE has a shadow register, so that the next fold's stationary operands load while this
    /// one computes.
    pub fn double_buffer(&self) -> bool {
        self.double_buffer
    }

    /// How results leave under [`Dataflow::Os`]; without meaning for a design that lacks it.
    pub fn output_drain(&self) -> OutputDrain {
        self.output_drain
    }

    /// Cycles, at least 1, from a valid bottom partial sum to the updated accumulator being readable.
    pub fn accumulator_latency_cycles(&self) -> u64 {
        self.accumulator_latency_cycles
    }
}

fn dataflows(file: &SourceFile, raw: &RawArray) -> Result<Vec<Dataflow>, SourceError> {
    let mut dataflows = Vec::new();
    for name in raw.dataflows.get_ref() {
        let dataflow = file.one_of(name, &Dataflow::NAMED)?;
        if dataflows.contains(&dataflow) {
            return Err(file.error(name.span(), format!("`{dataflow}` is listed twice; expected each once")));
        }
        dataflows.push(dataflow);
    }
    if dataflows.is_empty() {
        let message = "expected at least one dataflow: `ws`, `os`, `is`";
        return Err(file.error(raw.dataflows.span(), message));
    }
    Ok(dataflows)
}

fn output_drain(
    file: &SourceFile,
    raw: &RawArray,
    dataflows: &[Dataflow],
) -> Result<OutputDrain, SourceError> {
    let Some(drain) = &raw.os_drain else { return Ok(OutputDrain::Overlapped) };
    if !dataflows.contains(&Dataflow::Os) {
        let message = "a key of designs with the dataflow `os`; leave it out, or list `os` in `dataflows`";
        return Err(file.error(drain.span(), message));
    }
    file.one_of(drain, &OutputDrain::NAMED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::fixture::{SMALL, assert_refused, parse};

    #[test]
    fn an_array_lists_its_dataflows_in_order_and_says_how_outputs_drain() {
        let text = SMALL.replace("[\"ws\"]", "[\"is\", \"os\"]\nos_drain = \"blocking\"\ncount = 64");
        let array = parse(&text).unwrap().array().clone();
        assert_eq!(array.dataflows(), [Dataflow::Is, Dataflow::Os]);
        assert_eq!((array.output_drain(), array.count()), (OutputDrain::Blocking, 64));
        assert_eq!(Dataflow::NAMED.map(|(name, dataflow)| dataflow.to_string() == name), [true; 3]);
        let text = SMALL.replace("[\"ws\"]", "[\"os\"]\nos_drain = \"overlapped\"");
        assert_eq!(parse(&text).unwrap().array().output_drain(), OutputDrain::Overlapped);
    }

    #[test]
    fn wrong_arrays_are_refused_with_their_place() {
        assert_refused(&[
            ("rows = 16", "rows = 0", "folder/d.toml:6:8: `array.rows`: 0: expected 1 to 4096"),
            ("rows = 16", "rows = -16", "`array.rows`: -16: expected 1 to 4096"),
            ("cols = 8", "cols = 4097", "`array.cols`: 4097: expected 1 to 4096"),
            ("cols = 8", "cols = 8\ncount = 65", "`array.count`: 65: expected 1 to 64"),
            ("cols = 8", "cols = 8\ncount = 0", "`array.count`: 0: expected 1 to 64"),
            (
                "[\"ws\"]",
                "[\"ws\", \"rs\"]",
                "`array.dataflows[1]`: unknown value `rs`: expected `ws`, `os` or `is`",
            ),
            ("[\"ws\"]", "[]", "`array.dataflows`: expected at least one dataflow: `ws`, `os`, `is`"),
            ("[\"ws\"]", "[\"is\", \"ws\", \"is\"]", "`array.dataflows[2]`: `is` is listed twice"),
            (
                "cols = 8",
                "cols = 8\nos_drain = \"overlapped\"",
                "`array.os_drain`: a key of designs with the dataflow `os`",
            ),
            (
                "[\"ws\"]",
                "[\"os\"]\nos_drain = \"x\"",
                "`array.os_drain`: unknown value `x`: expected `overlapped` or `blocking`",
            ),
            ("cols = 8", "cols = 8\naccumulator_latency_cycles = 0", "0: expected 1 to 65536"),
            (
                "cols = 8",
                "cols = 8\nmac_latency_cycles = 2",
                "`array.mac_latency_cycles`: 2: not in this version; expected 1",
            ),
            (
                "cols = 8",
                "cols = 8\nloop_order = \"n-m-k\"",
                "`n-m-k`: not in this version; expected `m-n-k`",
            ),
        ]);
    }
}
