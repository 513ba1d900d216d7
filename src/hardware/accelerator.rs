//! `hw-configs/NAME.toml`: one accelerator design, made of its tables.
//!
//! Knows which tables there are and what holds between them; must not know their keys.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::numerics::OperandPair;
use crate::source::{SourceError, SourceFile};

use super::array::Array;
use super::check::{integer, text};
use super::dram::Dram;
use super::mac::{MacUnit, macs};
use super::raw::{RawAccelerator, RawVersion};
use super::scratchpad::{Contents, Scratchpad, check_layout};
use super::vector::VectorUnit;

const MIN_FREQUENCY_HZ: i64 = 1_000;
const MAX_FREQUENCY_HZ: i64 = 100_000_000_000;

/// A validated design.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accelerator {
    name: String,
    description: String,
    frequency_hz: u64,
    technology: String,
    technology_file: Option<PathBuf>,
    technology_span: Range<usize>,
    pub(super) array: Array,
    pub(super) macs: Vec<MacUnit>,
    pub(super) activation: Scratchpad,
    pub(super) weight: Scratchpad,
    pub(super) accumulator: Scratchpad,
    pub(super) dram: Dram,
    vector: VectorUnit,
    sha256: String,
}

impl Accelerator {
    /// Reads and validates a design file.
    pub fn read(path: &Path) -> Result<Self, SourceError> {
        Self::parse(&SourceFile::read(path)?)
    }

    /// Validates a design file's text.
    pub fn parse(file: &SourceFile) -> Result<Self, SourceError> {
        let version: RawVersion = file.parse()?;
        if let Some(version) = version.schema_version.filter(|version| *version.get_ref() != 1) {
            return Err(file.error(version.span(), "expected schema_version = 1"));
        }
        let raw: RawAccelerator = file.parse()?;
        let name = match &raw.name {
            Some(name) => text(file, name)?.to_owned(),
            None => file.stem(),
        };
        let technology = text(file, &raw.technology)?.to_owned();
        let frequency_hz = integer(file, &raw.frequency_hz, MIN_FREQUENCY_HZ..=MAX_FREQUENCY_HZ)?;
        let scratchpad = &raw.scratchpad;
        let array = Array::new(file, &raw.array)?;
        let activation = Scratchpad::new(file, &scratchpad.activation, Contents::Activations)?;
        check_layout(file, scratchpad.activation.layout.as_ref(), activation.layout(), array.dataflows())?;
        Ok(Self {
            name,
            frequency_hz,
            technology_file: technology_file(file, &technology),
            technology_span: raw.technology.span(),
            technology,
            macs: macs(file, &raw.mac, array.dataflows())?,
            array,
            activation,
            weight: Scratchpad::new(file, &scratchpad.weight, Contents::Other)?,
            accumulator: Scratchpad::new(file, &scratchpad.accumulator, Contents::Other)?,
            dram: Dram::new(file, &raw.dram, frequency_hz)?,
            vector: VectorUnit::new(file, &raw.vector)?,
            description: raw.description,
            sha256: file.sha256(),
        })
    }

    /// The design's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the file says about the design; may be empty.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The one clock of array, scratchpads and vector unit, in Hz.
    pub fn frequency_hz(&self) -> u64 {
        self.frequency_hz
    }

    /// The technology as written: a shipped family's name, or a path ending in `.toml`.
    pub fn technology(&self) -> &str {
        &self.technology
    }

    /// Where the design file names its technology, for errors about it.
    pub fn technology_span(&self) -> Range<usize> {
        self.technology_span.clone()
    }

    /// Where the technology file is, if the design names a path: relative paths start in its folder.
    pub fn technology_file(&self) -> Option<&Path> {
        self.technology_file.as_deref()
    }

    /// The systolic array, or each of several equal ones.
    pub fn array(&self) -> &Array {
        &self.array
    }

    /// The MAC unit for `pair`; None when the design cannot run it.
    pub fn mac(&self, pair: OperandPair) -> Option<&MacUnit> {
        self.macs.iter().find(|mac| mac.pair() == pair)
    }

    /// All MAC units, at least one, in the file's order; no pair occurs twice.
    pub fn macs(&self) -> &[MacUnit] {
        &self.macs
    }

    /// The scratchpad that feeds activations to the array.
    pub fn activation(&self) -> &Scratchpad {
        &self.activation
    }

    /// The scratchpad that feeds weights to the array.
    pub fn weight(&self) -> &Scratchpad {
        &self.weight
    }

    /// The scratchpad behind the array, where folds join.
    pub fn accumulator(&self) -> &Scratchpad {
        &self.accumulator
    }

    /// The DRAM channel.
    pub fn dram(&self) -> &Dram {
        &self.dram
    }

    /// The vector unit.
    pub fn vector(&self) -> &VectorUnit {
        &self.vector
    }

    /// SHA-256 of the file, hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

fn technology_file(file: &SourceFile, technology: &str) -> Option<PathBuf> {
    let folder = file.path().parent().unwrap_or(Path::new(""));
    technology.ends_with(".toml").then(|| folder.join(technology))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::fixture::{SMALL, assert_refused, pair, parse};
    use crate::hardware::{Dataflow, OutputDrain};
    use crate::numerics::{Bf16Mac, IntegerMac, MacSpec, RegisterWidth};

    #[test]
    fn a_small_design_has_its_parts_and_defaults() {
        let design = parse(SMALL).unwrap();
        assert_eq!((design.name(), design.description(), design.technology()), ("d", "", "7nm"));
        assert_eq!(design.technology_file(), None);
        let array = design.array();
        assert_eq!((array.rows(), array.cols(), array.dataflows()), (16, 8, &[Dataflow::Ws][..]));
        assert_eq!((array.count(), array.output_drain()), (1, OutputDrain::Overlapped));
        assert!(array.double_buffer());
        assert_eq!(array.accumulator_latency_cycles(), 1);
        let width = |bits| RegisterWidth::new(bits).unwrap();
        let integer = MacSpec::Integer(IntegerMac::wrapping(width(24), width(32)));
        assert_eq!(design.mac(pair("uint8", "int8")).unwrap().spec(), integer);
        assert_eq!(design.mac(OperandPair::Bf16).unwrap().spec(), MacSpec::Bf16(Bf16Mac::default()));
        assert_eq!(design.mac(pair("int8", "int8")), None);
        let activation = design.activation();
        assert_eq!((activation.banks(), activation.bytes_per_bank()), (1, 65_536));
        assert!(activation.double_buffered() && !design.accumulator().double_buffered());
        assert_eq!((design.weight().bytes_per_bank(), design.weight().width_bits()), (8192, 128));
        assert_eq!((design.vector().lanes(), design.vector().ops_per_cycle()), (16, 1));
        assert_eq!(design.sha256().len(), 64);
    }

    #[test]
    fn the_other_supported_values_are_kept() {
        let text = SMALL
            .replace("cols = 8", "cols = 8\ndouble_buffer = false\naccumulator_latency_cycles = 3\ncount = 1")
            .replace("\"7nm\"", "\"mine.toml\"")
            .replace("schema_version = 1", "schema_version = 1\nname = \"x\"\ndescription = \"y\"");
        let design = parse(&text).unwrap();
        assert!(!design.array().double_buffer());
        assert_eq!(design.array().accumulator_latency_cycles(), 3);
        assert_eq!((design.name(), design.description()), ("x", "y"));
        assert_eq!(design.technology(), "mine.toml");
        assert_eq!(design.technology_file(), Some(Path::new("folder/mine.toml")));
    }

    #[test]
    fn the_documented_example_is_valid() {
        let page = include_str!("../../docs/formats.md").split("## 4. Design").nth(1).unwrap();
        let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        assert_eq!(parse(example).unwrap().name(), "example");
    }

    #[test]
    fn wrong_designs_are_refused_with_their_place() {
        assert_refused(&[
            (
                "schema_version = 1\n",
                "schema_version = 2\nnew = 1\n",
                "d.toml:2:18: `schema_version`: expected schema_version = 1",
            ),
            ("schema_version = 1", "", "missing key `schema_version`"),
            ("schema_version = 1", "schema_version = 1\nfoo = 1", "`foo`: unknown key `foo`"),
            (
                "schema_version = 1",
                "schema_version = 1\nname = \" \"",
                "`name`: expected at least one character",
            ),
            ("1_000_000_000\n", "999\n", "`frequency_hz`: 999: expected 1000 to 100000000000"),
            ("\"7nm\"", "\"\"", "`technology`: expected at least one character"),
        ]);
    }
}
