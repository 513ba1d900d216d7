//! Cells and area of MACs, PEs and whole arrays by Yosys, with somebody's Liberty file. Area only: nothing is timed.

use std::path::Path;
use std::process::Command;

use crate::mapping::Dataflow;
use crate::numerics::{MacSpec, OperandPair, RegisterWidth};

use super::generated::Generated;
use super::tool::{ToolError, run, write_files};
use super::version::Tool;

/// Modules that are not synthesized: the accumulator, whose entries are a memory, what is behind it, and the testbench.
const LEFT_OUT: [&str; 5] = ["accumulator.v", "requantize.v", "output_stage.v", "top.v", "testbench.v"];

/// What of an array is synthesized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Multipliers and adders of one PE, no register.
    Macs,
    /// One PE.
    Pe,
    /// All PEs and the skew registers.
    Array,
}

impl Part {
    /// Whether a file has something of it. Files that have not would change names in the netlist, and with them
    /// what ABC finds.
    fn needs(self, file: &str) -> bool {
        let of = |level: &str| file.ends_with(level);
        match self {
            Self::Macs => !of("_pe.v") && !of("_column.v") && !of("_array.v"),
            Self::Pe => !of("_column.v") && !of("_array.v"),
            Self::Array => true,
        }
    }
}

/// Cells of the library and their area.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Synthesized {
    /// How many.
    pub cells: u64,
    /// In the library's unit: µm² in most.
    pub area: f64,
}

impl Generated {
    /// The same array with one of its operand pairs only.
    pub fn with_pair(&self, pair: OperandPair) -> Self {
        let datapaths = self.datapaths.iter().filter(|path| path.pair == pair).copied().collect();
        Self { datapaths, ..self.clone() }
    }

    /// The same with another width of integer partial sums, 16 to 32 bits; bf16 stays.
    pub fn with_sum_bits(mut self, bits: u8) -> Option<Self> {
        let bits = RegisterWidth::new(bits)?;
        for path in &mut self.datapaths {
            if let MacSpec::Integer(mac) = &mut path.mac {
                mac.partial_sum = bits;
            }
        }
        Some(self)
    }

    /// Bits of its widest partial sum.
    pub fn sum_bits(&self) -> u64 {
        self.widths().2
    }

    /// Synthesizes a part of the array for the cells of a Liberty file; files are written to `folder`.
    ///
    /// # Errors
    /// When Yosys is missing or fails.
    pub fn synthesize(&self, part: Part, liberty: &Path, folder: &Path) -> Result<Synthesized, ToolError> {
        let mut files = self.files();
        files.retain(|(name, _)| !LEFT_OUT.contains(&name.as_str()) && part.needs(name));
        let sources: Vec<_> =
            files.iter().map(|(name, _)| name.as_str()).filter(|name| name.ends_with(".v")).collect();
        let is_os = self.dataflow == Dataflow::Os;
        let (pe, array) = match is_os {
            true => ("systolab_output_pe", "systolab_output_array"),
            false => ("systolab_stationary_pe", "systolab_stationary_array"),
        };
        // An array is PEs that are synthesized once.
        let (top, kept) = match part {
            Part::Macs => ("systolab_macs", String::new()),
            Part::Pe => (pe, String::new()),
            Part::Array => (array, format!("setattr -mod -set keep_hierarchy 1 {pe}\n")),
        };
        let script = format!(
            "read_verilog {}\n{kept}synth -flatten -noalumacc -top {top}\ndfflibmap -liberty library.lib\nabc -liberty library.lib\n\
             opt_clean\ntee -o area.txt stat -top {top} -liberty library.lib\n",
            sources.join(" ")
        );
        write_files(folder, &files)?;
        write_files(folder, &[("synthesize.ys".to_owned(), script)])?;
        let copied = std::fs::copy(liberty, folder.join("library.lib"));
        copied.map_err(|source| ToolError::Read { path: liberty.to_owned(), source })?;
        run(Command::new("yosys").args(["-q", "synthesize.ys"]).current_dir(folder), Tool::Yosys)?;
        let path = folder.join("area.txt");
        let text = std::fs::read_to_string(&path).map_err(|source| ToolError::Read { path, source })?;
        parse(&text).ok_or(ToolError::NoResult { of: "yosys", text })
    }
}

/// The last count and area: of the whole hierarchy where there is one.
fn parse(text: &str) -> Option<Synthesized> {
    let last = |key: &str| text.lines().rev().find(|line| line.contains(key))?.rsplit(':').next();
    Some(Synthesized {
        cells: last("Number of cells:")?.trim().parse().ok()?,
        area: last("Chip area for")?.trim().parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_count_and_area_are_the_hierarchys() {
        let text = "   Number of cells:   3\n   Chip area for module '\\pe': 24.5\n=== design hierarchy ===\n   \
                    Number of cells:  12\n   Chip area for top module '\\array': 98.000000\n";
        assert_eq!(parse(text), Some(Synthesized { cells: 12, area: 98.0 }));
        assert_eq!(parse("Number of cells: 3"), None);
    }
}
