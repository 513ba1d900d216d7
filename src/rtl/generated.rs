//! What of a design becomes Verilog: parameters and the top level.

use crate::hardware::{Accelerator, LaneAxis, MacUnit};
use crate::mapping::{Dataflow, Lanes};
use crate::numerics::{
    IntegerFormat, IntegerMac, Join, MacSpec, OperandPair, Overflow, RegisterWidth, Signedness,
};

use super::MODULES;

/// Entries of an accumulator that are generated: vectors that a fold may stream.
const ADDRESS_BITS: u32 = 10;

/// PEs that are generated at most: what simulators elaborate in minutes.
const MAX_PES: u64 = 32 * 32;

/// A design that has no Verilog, by the key that asks for something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: {reason}")]
pub struct NotGenerated {
    key: &'static str,
    reason: String,
}

/// A parameter with one value per operand pair.
type PerPair<'a> = (&'a str, &'a dyn Fn(&Datapath) -> u64);

/// One operand pair of a generated PE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Datapath {
    pub(super) activation: IntegerFormat,
    pub(super) weight: IntegerFormat,
    pub(super) lanes: Lanes,
    pub(super) mac: IntegerMac,
}

/// An array that becomes Verilog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    pub(super) rows: u64,
    pub(super) columns: u64,
    pub(super) latency: u64,
    pub(super) dataflow: Dataflow,
    pub(super) datapaths: Vec<Datapath>,
    left_out: Vec<OperandPair>,
}

fn refuse<T>(key: &'static str, reason: impl Into<String>) -> Result<T, NotGenerated> {
    Err(NotGenerated { key, reason: reason.into() })
}

impl Datapath {
    fn of(unit: &MacUnit) -> Option<Self> {
        match (unit.pair(), unit.spec()) {
            (OperandPair::Integer { activation, weight }, MacSpec::Integer(mac)) => {
                let lanes = Lanes { axis: unit.lane_axis(), count: unit.lanes() };
                Some(Self { activation, weight, lanes, mac })
            }
            _ => None,
        }
    }

    /// The operand that streams and the one that stays.
    pub(super) fn roles(&self, dataflow: Dataflow) -> (IntegerFormat, IntegerFormat) {
        match dataflow {
            Dataflow::Is => (self.weight, self.activation),
            Dataflow::Ws | Dataflow::Os => (self.activation, self.weight),
        }
    }

    pub(super) fn name(&self) -> String {
        format!("({},{})", self.activation, self.weight)
    }
}

impl Generated {
    /// The array of a design in its first dataflow that stays put, with its integer pairs.
    ///
    /// # Errors
    /// Names the key whose value has no Verilog in this version.
    pub fn new(design: &Accelerator) -> Result<Self, NotGenerated> {
        let array = design.array();
        if array.count() > 1 {
            return refuse("array.count", "several arrays are not generated in this version; expected 1");
        }
        if !array.double_buffer() {
            let reason = "false is not generated in this version; expected true";
            return refuse("array.double_buffer", reason);
        }
        if array.rows() * array.cols() > MAX_PES {
            let reason = format!(
                "{} × {} PEs; expected at most {MAX_PES}, which simulators elaborate in minutes",
                array.rows(),
                array.cols()
            );
            return refuse("array.rows", reason);
        }
        let Some(&dataflow) = array.dataflows().iter().find(|&&dataflow| dataflow != Dataflow::Os) else {
            return refuse("array.dataflows", "`os` is not generated in this version; expected `ws` or `is`");
        };
        let integers = || design.macs().iter().filter(|unit| Datapath::of(unit).is_some());
        if integers().any(|unit| unit.join() == Join::Chained) {
            return refuse("mac.join", "`chained` is not generated in this version; expected `per-fold`");
        }
        // Sums that wrap are the same in any order, whatever `lane_sum` says.
        if integers().filter_map(Datapath::of).any(|path| path.mac.overflow == Overflow::Saturate) {
            return refuse("mac.overflow", "`saturate` is not generated in this version; expected `wrap`");
        }
        let datapaths: Vec<_> = design.macs().iter().filter_map(Datapath::of).collect();
        if datapaths.is_empty() {
            let reason = "(bf16,bf16) is not generated in this version; expected a pair of integers";
            return refuse("mac.activation", reason);
        }
        if datapaths.iter().any(|path| path.lanes.axis == LaneAxis::N && dataflow == Dataflow::Is) {
            return refuse("mac.lanes", "lanes along n have no meaning for `is`; expected lanes along k");
        }
        let left_out = design.macs().iter().filter(|unit| Datapath::of(unit).is_none());
        Ok(Self {
            rows: array.rows(),
            columns: array.cols(),
            latency: array.accumulator_latency_cycles(),
            dataflow,
            datapaths,
            left_out: left_out.map(MacUnit::pair).collect(),
        })
    }

    /// A small array whose sums wrap, with lanes both ways: every seeded fault can show.
    pub(super) fn for_faults() -> Self {
        let mac = IntegerMac::wrapping(RegisterWidth::NARROWEST, RegisterWidth::NARROWEST);
        let path = |activation, axis| Datapath {
            activation,
            weight: IntegerFormat::INT8,
            lanes: Lanes { axis, count: 2 },
            mac,
        };
        Self {
            rows: 4,
            columns: 3,
            latency: 2,
            dataflow: Dataflow::Ws,
            datapaths: vec![path(IntegerFormat::UINT8, LaneAxis::K), path(IntegerFormat::INT8, LaneAxis::N)],
            left_out: Vec::new(),
        }
    }

    /// What of the design is not in the Verilog.
    pub fn left_out(&self) -> Vec<String> {
        let pairs = self.left_out.iter().map(|pair| format!("pair {pair}"));
        let units = ["scratchpads", "DRAM", "vector unit (requantization)"].map(str::to_owned);
        pairs.chain(units).collect()
    }

    /// How many vectors a fold may stream.
    pub(super) fn depth(&self) -> u64 {
        1 << ADDRESS_BITS
    }

    /// Bits of a PE's streamed word, of its held word, of a partial sum, and partial sums of a PE.
    pub(super) fn widths(&self) -> (u64, u64, u64, u64) {
        let most = |of: &dyn Fn(&Datapath) -> u64| self.datapaths.iter().map(of).max().unwrap_or(1);
        (
            most(&|path| u64::from(path.roles(self.dataflow).0.bits()) * path.lanes.along_k()),
            most(&|path| u64::from(path.roles(self.dataflow).1.bits()) * path.lanes.count),
            most(&|path| u64::from(path.mac.partial_sum.bits())),
            most(&|path| path.lanes.along_n()),
        )
    }

    /// All files: name and text.
    pub fn files(&self) -> Vec<(String, String)> {
        let modules = MODULES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let own = [("parameters.vh".to_owned(), self.parameters()), ("top.v".to_owned(), self.top())];
        modules.chain(own).collect()
    }

    fn parameters(&self) -> String {
        let (stream, held, field, fields) = self.widths();
        let mut text = String::from("// Pairs, the first in the lowest byte:");
        for path in &self.datapaths {
            text += &format!(" {}", path.name());
        }
        text.push('\n');
        for (name, value) in [
            ("ROWS", self.rows),
            ("COLS", self.columns),
            ("LATENCY", self.latency),
            ("ADDRESS", u64::from(ADDRESS_BITS)),
            ("PAIRS", self.datapaths.len() as u64),
            ("STREAM", stream),
            ("HELD", held),
            ("FIELD", field),
            ("FIELDS", fields),
        ] {
            text += &format!("localparam {name} = {value};\n");
        }
        let signed = |format: IntegerFormat| u64::from(format.signedness() == Signedness::Signed);
        let lists: [PerPair<'_>; 8] = [
            ("A_BITS", &|path| path.roles(self.dataflow).0.bits().into()),
            ("A_SIGNED", &|path| signed(path.roles(self.dataflow).0)),
            ("W_BITS", &|path| path.roles(self.dataflow).1.bits().into()),
            ("W_SIGNED", &|path| signed(path.roles(self.dataflow).1)),
            ("LANES_K", &|path| path.lanes.along_k()),
            ("LANES_N", &|path| path.lanes.along_n()),
            ("SUM_BITS", &|path| path.mac.partial_sum.bits().into()),
            ("ACCUMULATOR_BITS", &|path| path.mac.accumulator.bits().into()),
        ];
        for (name, of) in lists {
            let values: Vec<_> = self.datapaths.iter().rev().map(|path| format!("8'd{}", of(path))).collect();
            text += &format!("localparam [8*PAIRS-1:0] {name} = {{{}}};\n", values.join(", "));
        }
        text
    }

    fn top(&self) -> String {
        format!(
            "// {} × {} PEs, dataflow {}.\n\
             module systolab_top (\n    input wire clk, input wire [7:0] pair,\n    \
             input wire load, input wire [PORT_HELD-1:0] held,\n    \
             input wire [{rows}-1:0] rows_used, input wire swap, input wire [PORT_STREAM-1:0] stream,\n    \
             input wire [PORT_OUTPUTS-1:0] outputs_used, input wire first, input wire [{address}-1:0] address,\n    \
             output wire [PORT_OUTPUTS-1:0] readable, output wire [32*PORT_OUTPUTS-1:0] value\n);\n\
             `include \"parameters.vh\"\n    \
             systolab_stationary_array #(ROWS, COLS, LATENCY, ADDRESS, PAIRS, A_BITS, A_SIGNED, W_BITS, W_SIGNED,\n        \
             LANES_K, LANES_N, SUM_BITS, ACCUMULATOR_BITS, STREAM, HELD, FIELD, FIELDS) array (clk, pair,\n        \
             load, held, rows_used, swap, stream, outputs_used, first, address, readable, value);\n\
             endmodule\n",
            self.rows,
            self.columns,
            self.dataflow,
            rows = self.rows,
            address = ADDRESS_BITS,
        )
        .replace("PORT_HELD", &(self.widths().1 * self.columns).to_string())
        .replace("PORT_STREAM", &(self.widths().0 * self.rows).to_string())
        .replace("PORT_OUTPUTS", &(self.widths().3 * self.columns).to_string())
    }
}
