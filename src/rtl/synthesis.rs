//! Cells and area of MACs, PEs and whole arrays by Yosys, with somebody's Liberty file. Area only: nothing is timed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::mapping::Dataflow;
use crate::numerics::{MacSpec, OperandPair, RegisterWidth};

use super::generated::Generated;
use super::tool::{ToolError, run, write_files};
use super::version::Tool;

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
        let is_os = self.dataflow == Dataflow::Os;
        let (pe, array) = match is_os {
            true => ("systolab_output_pe", "systolab_output_array"),
            false => ("systolab_stationary_pe", "systolab_stationary_array"),
        };
        // An array is PEs that are synthesized once. Accumulators are in none of them: their entries are a memory.
        let (top, kept) = match part {
            Part::Macs => ("systolab_macs", String::new()),
            Part::Pe => (pe, String::new()),
            Part::Array => (array, format!("setattr -mod -set keep_hierarchy 1 {pe}\n")),
        };
        let mut files = self.files();
        let needed = modules_below(top, &files);
        files.retain(|(name, _)| needed.contains(name) || name.ends_with(".vh"));
        let sources = needed.into_iter().collect::<Vec<_>>();
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

/// The files of a module and of all that it instantiates. No other one is read: it would change names in the
/// netlist, and with them what ABC finds.
fn modules_below(top: &str, files: &[(String, String)]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![format!("module {top} ")];
    while let Some(wanted) = open.pop() {
        for (name, text) in files.iter().filter(|(name, _)| name.ends_with(".v")) {
            if text.contains(&wanted) && found.insert(name.clone()) {
                let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
                let instantiated = words.filter(|word| word.starts_with("systolab_"));
                open.extend(instantiated.map(|module| format!("module {module} ")));
            }
        }
    }
    found
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
    fn modules_of_a_part_are_what_it_instantiates() {
        let files = super::super::MODULES.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let below = |top: &str| modules_below(top, &files).into_iter().collect::<Vec<_>>().join(" ");
        let macs = "bf16_mac.v bf16_product.v clip.v float_add.v integer_mac.v macs.v product.v";
        assert_eq!(below("systolab_macs"), macs);
        assert_eq!(below("systolab_stationary_pe"), format!("{macs} stationary_pe.v"));
        let array = "bf16_mac.v bf16_product.v clip.v delay.v float_add.v integer_mac.v macs.v output_array.v \
                     output_column.v output_pe.v product.v";
        assert_eq!(below("systolab_output_array"), array);
    }

    #[test]
    fn the_last_count_and_area_are_the_hierarchys() {
        let text = "   Number of cells:   3\n   Chip area for module '\\pe': 24.5\n=== design hierarchy ===\n   \
                    Number of cells:  12\n   Chip area for top module '\\array': 98.000000\n";
        assert_eq!(parse(text), Some(Synthesized { cells: 12, area: 98.0 }));
        assert_eq!(parse("Number of cells: 3"), None);
    }
}
