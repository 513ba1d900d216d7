//! The systolic array: its extents, its dataflows and its latencies.

use crate::source::{SourceError, SourceFile};

use super::check::{integer, only, only_one};
use super::dataflow::Dataflow;
use super::raw::RawArray;

const MAX_EXTENT: i64 = 4096;
const MAX_LATENCY_CYCLES: i64 = 65_536;

/// One array of PEs. Every PE has a single-cycle adder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    rows: u64,
    cols: u64,
    dataflows: Vec<Dataflow>,
    double_buffer: bool,
    accumulator_latency_cycles: u64,
}

impl Array {
    pub(super) fn new(file: &SourceFile, raw: &RawArray) -> Result<Self, SourceError> {
        only_one(file, raw.count.as_ref())?;
        only_one(file, raw.mac_latency_cycles.as_ref())?;
        only(file, raw.loop_order.as_ref(), "m-n-k", &["m-k-n", "n-m-k", "n-k-m", "k-m-n", "k-n-m"])?;
        if let Some(drain) = &raw.os_drain {
            let message = match drain.get_ref().as_str() {
                "overlapped" | "blocking" => {
                    "not in this version, which has no dataflow `os`; leave the key out".to_owned()
                }
                unknown => format!("unknown value `{unknown}`: leave the key out"),
            };
            return Err(file.error(drain.span(), message));
        }
        Ok(Self {
            rows: integer(file, &raw.rows, 1..=MAX_EXTENT)?,
            cols: integer(file, &raw.cols, 1..=MAX_EXTENT)?,
            dataflows: dataflows(file, raw)?,
            double_buffer: raw.double_buffer.unwrap_or(true),
            accumulator_latency_cycles: raw
                .accumulator_latency_cycles
                .as_ref()
                .map_or(Ok(1), |cycles| integer(file, cycles, 1..=MAX_LATENCY_CYCLES))?,
        })
    }

    /// Rows of PEs; k runs along them.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Columns of PEs; n runs along them.
    pub fn cols(&self) -> u64 {
        self.cols
    }

    /// The dataflows the array can run, at least one, in the file's order.
    pub fn dataflows(&self) -> &[Dataflow] {
        &self.dataflows
    }

    /// Whether a PE has a shadow register, so that the next fold's weights load while this one computes.
    pub fn double_buffer(&self) -> bool {
        self.double_buffer
    }

    /// Cycles, at least 1, from a valid bottom partial sum to the updated accumulator being readable.
    pub fn accumulator_latency_cycles(&self) -> u64 {
        self.accumulator_latency_cycles
    }
}

fn dataflows(file: &SourceFile, raw: &RawArray) -> Result<Vec<Dataflow>, SourceError> {
    let mut dataflows = Vec::new();
    for name in raw.dataflows.get_ref() {
        only(file, Some(name), "ws", &["os", "is"])?;
        if dataflows.contains(&Dataflow::Ws) {
            return Err(file.error(name.span(), "`ws` is listed twice"));
        }
        dataflows.push(Dataflow::Ws);
    }
    if dataflows.is_empty() {
        return Err(file.error(raw.dataflows.span(), "expected at least one dataflow: `ws`"));
    }
    Ok(dataflows)
}
