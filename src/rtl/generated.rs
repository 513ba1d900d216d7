//! What of a design becomes Verilog: the parameters of the modules.

use crate::hardware::Accelerator;
use crate::mapping::{Dataflow, OutputDrain};
use crate::numerics::OperandPair;
use crate::stepped::Control;

use super::datapath::{Datapath, NotGenerated, is_signed, refuse};
use super::{MAIN, MODULES};

/// Entries of an accumulator that are generated: vectors that a fold may stream.
const ADDRESS_BITS: u32 = 12;

/// PEs that are generated at most: what Verilator compiles in minutes.
const MAX_PES: u64 = 256 * 256;

/// Bits of what enters the array at one side in one cycle: what Verilator's `$fscanf` reads at most.
const MAX_BITS_PER_SIDE: u64 = 8192;

/// Cycles of an accumulator that are generated at most: registers of every column.
const MAX_LATENCY: u64 = 1024;

/// `BF16` of an array without that pair.
const NO_PAIR: u64 = 255;

/// A parameter with one value per operand pair.
type PerPair<'a> = (&'a str, &'a dyn Fn(&Datapath) -> u64);

/// An array that becomes Verilog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    pub(super) rows: u64,
    pub(super) columns: u64,
    pub(super) dataflow: Dataflow,
    pub(super) control: Control,
    pub(super) datapaths: Vec<Datapath>,
}

impl Generated {
    /// The array of a design in one of its dataflows, with all its operand pairs.
    ///
    /// # Errors
    /// Names the key whose value has no Verilog in this version.
    pub fn new(design: &Accelerator, dataflow: Dataflow) -> Result<Self, NotGenerated> {
        let array = design.array();
        if array.count() > 1 {
            return refuse("array.count", "several arrays are not generated in this version; expected 1");
        }
        let (rows, columns) = (array.rows(), array.cols());
        if rows * columns > MAX_PES {
            let most = format!("expected at most {MAX_PES}, which Verilator compiles in minutes");
            return refuse("array.rows", format!("{rows} × {columns} PEs; {most}"));
        }
        if array.accumulator_latency_cycles() > MAX_LATENCY {
            let reason = format!(
                "{} cycles are not generated in this version; expected at most {MAX_LATENCY}",
                array.accumulator_latency_cycles()
            );
            return refuse("array.accumulator_latency_cycles", reason);
        }
        if !array.dataflows().contains(&dataflow) {
            return refuse("array.dataflows", format!("`{dataflow}` is not among them"));
        }
        let generated = Self {
            rows,
            columns,
            dataflow,
            control: Control {
                accumulator_latency: array.accumulator_latency_cycles(),
                double_buffer: array.double_buffer(),
                drain: array.output_drain(),
            },
            datapaths: design
                .macs()
                .iter()
                .enumerate()
                .map(|(index, unit)| Datapath::of(unit, dataflow).map_err(|refused| refused.of_unit(index)))
                .collect::<Result<_, _>>()?,
        };
        let (stream, held, ..) = generated.widths();
        for (key, count, word) in [("array.rows", rows, stream), ("array.cols", columns, held)] {
            if count * word > MAX_BITS_PER_SIDE {
                let most = format!("expected at most {}", MAX_BITS_PER_SIDE / word);
                return refuse(key, format!("{count}, of which each takes {word} bits in a cycle; {most}"));
            }
        }
        Ok(generated)
    }

    /// What stays in the PEs.
    pub fn dataflow(&self) -> Dataflow {
        self.dataflow
    }

    /// Its operand pairs, in the order in which the port `pair` selects them.
    pub fn pairs(&self) -> impl Iterator<Item = OperandPair> {
        self.datapaths.iter().map(|path| path.pair)
    }

    /// What of the design is not in the Verilog.
    pub fn left_out(&self) -> Vec<&'static str> {
        vec![
            "scratchpads",
            "DRAM",
            "vector unit (float post-processing, residual additions, pools)",
            "the control that feeds the array (the testbench plays it)",
        ]
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
            most(&|path| path.sum_bits()),
            most(&|path| path.lanes.along_n()),
        )
    }

    /// All files: name and text.
    pub fn files(&self) -> Vec<(String, String)> {
        let written = MODULES.iter().chain([&MAIN]);
        let written = written.map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        written.chain([("parameters.vh".to_owned(), self.parameters())]).collect()
    }

    fn parameters(&self) -> String {
        let (stream, held, field, fields) = self.widths();
        let bf16 = self.datapaths.iter().position(Datapath::is_bf16).map_or(NO_PAIR, |at| at as u64);
        let single = [
            ("OUTPUT_STATIONARY", u64::from(self.dataflow == Dataflow::Os)),
            ("DOUBLE_BUFFER", u64::from(self.control.double_buffer)),
            ("OVERLAPPED", u64::from(self.control.drain == OutputDrain::Overlapped)),
            ("ROWS", self.rows),
            ("COLS", self.columns),
            ("LATENCY", self.control.accumulator_latency),
            ("ADDRESS", u64::from(ADDRESS_BITS)),
            ("STREAM", stream),
            ("HELD", held),
            ("FIELD", field),
            ("FIELDS", fields),
            ("BF16", bf16),
            ("FLUSH", u64::from(self.datapaths.iter().any(Datapath::flushes))),
            ("PAIRS", self.datapaths.len() as u64),
        ];
        let lists: [PerPair<'_>; 10] = [
            ("A_BITS", &|path| path.roles(self.dataflow).0.bits().into()),
            ("A_SIGNED", &|path| is_signed(path.roles(self.dataflow).0).into()),
            ("W_BITS", &|path| path.roles(self.dataflow).1.bits().into()),
            ("W_SIGNED", &|path| is_signed(path.roles(self.dataflow).1).into()),
            ("LANES_K", &|path| path.lanes.along_k()),
            ("LANES_N", &|path| path.lanes.along_n()),
            ("SUM_BITS", &|path| path.sum_bits()),
            ("ACCUMULATOR_BITS", &|path| path.accumulator_bits()),
            ("SATURATE", &|path| path.saturates().into()),
            ("BLOCK", &|path| path.sums_in_a_block().into()),
        ];
        let single = single.map(|(name, value)| format!("parameter {name} = {value}"));
        let lists = lists.map(|(name, of)| {
            let values: Vec<_> = self.datapaths.iter().rev().map(|path| format!("8'd{}", of(path))).collect();
            format!("parameter [8*PAIRS-1:0] {name} = {{{}}}", values.join(", "))
        });
        let pairs: Vec<_> = self.pairs().map(|pair| pair.to_string()).collect();
        format!(
            "// {} × {} PEs, dataflow {}. Lists have a byte per pair, the first in the lowest: {}.\n{}\n",
            self.rows,
            self.columns,
            self.dataflow,
            pairs.join(" "),
            single.into_iter().chain(lists).collect::<Vec<_>>().join(",\n")
        )
    }
}
