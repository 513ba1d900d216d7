//! `hw-configs/NAME.toml`: one accelerator design.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::numerics::OperandPair;
use crate::source::{SourceError, SourceFile, Spanned};

use super::array::Array;
use super::check::{integer, text};
use super::dataflow::Dataflow;
use super::dram::Dram;
use super::mac::MacUnit;
use super::raw::{RawAccelerator, RawMac, RawVersion};
use super::scratchpad::{Contents, Layout, Scratchpad};
use super::vector::VectorUnit;

macro_rules! designs {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../hw-configs/", $name, ".toml")))),*]
    };
}

/// The designs that are compiled in: name and text of the file.
pub const SHIPPED: &[(&str, &str)] = designs![
    "edge-32x32",
    "edge-16x16",
    "datacenter-128x128",
    "datacenter-128x128-equal-rate",
    "tpuv1-like",
    "tpuv4i-like",
    "gemmini-like",
];

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

fn macs(
    file: &SourceFile,
    raw: &[Spanned<RawMac>],
    dataflows: &[Dataflow],
) -> Result<Vec<MacUnit>, SourceError> {
    let mut macs: Vec<MacUnit> = Vec::with_capacity(raw.len());
    for raw in raw {
        let mac = MacUnit::new(file, raw, dataflows)?;
        if macs.iter().any(|earlier| earlier.pair() == mac.pair()) {
            let message = format!("the pair {} is listed twice; expected each pair once", mac.pair());
            return Err(file.error(raw.get_ref().activation.span(), message));
        }
        macs.push(mac);
    }
    if macs.is_empty() {
        return Err(file.error_in_file("a design has at least one `[[mac]]`"));
    }
    Ok(macs)
}

/// Other dataflows take operands of many pixels at once, whose banks depend on where rows end.
fn check_layout(
    file: &SourceFile,
    name: Option<&Spanned<String>>,
    layout: Layout,
    dataflows: &[Dataflow],
) -> Result<(), SourceError> {
    match name {
        Some(name) if layout == Layout::Pixels && dataflows != [Dataflow::Ws] => {
            let message = "`pixels`: bank conflicts are counted for `dataflows = [\"ws\"]` only; expected `ideal` or `spread`";
            Err(file.error(name.span(), message))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::{LaneAxis, OutputDrain, Rational};
    use crate::numerics::{Bf16Mac, IntegerMac, MacSpec, RegisterWidth, StaticBound};

    const SMALL: &str = r#"
schema_version = 1
frequency_hz = 1_000_000_000
technology = "7nm"
[array]
rows = 16
cols = 8
dataflows = ["ws"]
[[mac]]
activation = "uint8"
weight = "int8"
lanes = { along = "k", count = 2 }
partial_sum_bits = 24
accumulator_bits = 32
[[mac]]
activation = "bf16"
weight = "bf16"
lanes = { along = "k", count = 1 }
[scratchpad.activation]
bytes = 65536
width_bits = 64
[scratchpad.weight]
bytes = 32768
banks = 4
width_bits = 128
[scratchpad.accumulator]
bytes = 16384
width_bits = 64
double_buffered = false
[dram]
part = "LPDDR4"
bytes_per_s = 12_800_000_000
efficiency = 0.7
latency_cycles = 100
burst_bytes = 64
[vector]
lanes = 16
ops_per_cycle = 1
"#;

    fn parse(text: &str) -> Result<Accelerator, SourceError> {
        Accelerator::parse(&SourceFile::embedded("folder/d.toml", text))
    }

    fn shipped(name: &str) -> Accelerator {
        let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name).unwrap();
        let design = Accelerator::parse(&SourceFile::embedded(format!("{name}.toml"), text)).unwrap();
        assert_eq!(design.name(), name);
        design
    }

    fn channel(design: &Accelerator) -> (&str, Rational, u64, u64) {
        let dram = design.dram();
        (dram.part(), dram.bytes_per_cycle(), dram.latency_cycles(), dram.burst_bytes())
    }

    fn pair(activation: &str, weight: &str) -> OperandPair {
        OperandPair::new(activation.parse().unwrap(), weight.parse().unwrap()).unwrap()
    }

    fn lanes(design: &Accelerator, activation: &str, weight: &str) -> u64 {
        design.mac(pair(activation, weight)).unwrap().lanes()
    }

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
    fn lanes_widen_k_or_n() {
        let mac = |text: &str| *parse(text).unwrap().mac(pair("uint8", "int8")).unwrap();
        assert_eq!((mac(SMALL).lane_axis(), mac(SMALL).lanes()), (LaneAxis::K, 2));
        let along_n = SMALL.replace("along = \"k\", count = 2", "along = \"n\", count = 4");
        let along_n = along_n.replace("[\"ws\"]", "[\"ws\", \"os\"]");
        assert_eq!((mac(&along_n).lane_axis(), mac(&along_n).lanes()), (LaneAxis::N, 4));
        // A single lane widens nothing, so that pixels on the columns do no harm.
        let single = SMALL.replace("along = \"k\", count = 1", "along = \"n\", count = 1");
        assert!(parse(&single.replace("[\"ws\"]", "[\"is\"]")).is_ok());
    }

    #[test]
    fn bandwidth_is_an_exact_rational() {
        let rate = |from: &str, to: &str| {
            let rate = parse(&SMALL.replace(from, to)).unwrap().dram().bytes_per_cycle();
            (rate.numerator(), rate.denominator())
        };
        assert_eq!(rate("", ""), (224, 25)); // 12.8 · 0.7 = 8.96
        assert_eq!(rate("efficiency = 0.7", "efficiency = 1"), (64, 5));
        assert_eq!(rate("1_000_000_000\n", "3_000_000_000\n"), (224, 75));
        assert_eq!(rate("efficiency = 0.7", "efficiency = 0.123457"), (123_457, 78_125));
    }

    #[test]
    fn the_edge_design_is_this() {
        let design = shipped("edge-32x32");
        assert_eq!((design.array().rows(), design.array().cols()), (32, 32));
        assert_eq!((design.frequency_hz(), design.technology()), (800_000_000, "7nm"));
        assert_eq!((lanes(&design, "bf16", "bf16"), lanes(&design, "uint8", "int8")), (1, 1));
        assert_eq!((lanes(&design, "uint8", "int4"), lanes(&design, "uint4", "int4")), (1, 2));
        let bytes = [design.activation(), design.weight(), design.accumulator()].map(Scratchpad::bytes);
        assert_eq!(bytes, [128 << 10, 64 << 10, 32 << 10]);
        assert_eq!(design.dram().part(), "LPDDR4");
        let rate = design.dram().bytes_per_cycle();
        assert_eq!((rate.numerator(), rate.denominator()), (56, 5)); // 12.8 GB/s · 0.7 / 800 MHz
    }

    #[test]
    fn the_datacenter_design_is_this() {
        let design = shipped("datacenter-128x128");
        assert_eq!((design.array().rows(), design.array().cols()), (128, 128));
        assert_eq!((design.frequency_hz(), design.technology()), (1_050_000_000, "7nm"));
        let ladder =
            [("int4", "int4"), ("int8", "int8"), ("bf16", "bf16")].map(|(a, w)| lanes(&design, a, w));
        assert_eq!(ladder, [4, 2, 1]);
        let bytes = [design.activation(), design.weight(), design.accumulator()].map(Scratchpad::bytes);
        assert_eq!(bytes, [4 << 20, 2 << 20, 1 << 20]);
        assert_eq!(design.dram().part(), "HBM2");
        let rate = design.dram().bytes_per_cycle();
        assert_eq!((rate.numerator(), rate.denominator()), (4096, 21)); // 256 GB/s · 0.8 / 1.05 GHz
    }

    #[test]
    fn the_small_edge_design_differs_from_the_large_one_in_the_array_only() {
        let (small, large) = (shipped("edge-16x16"), shipped("edge-32x32"));
        assert_eq!((small.array().rows(), small.array().cols()), (16, 16));
        assert_eq!(small.array().dataflows(), large.array().dataflows());
        for mac in small.macs() {
            let twin = large.mac(mac.pair()).unwrap();
            assert_eq!((mac.lane_axis(), mac.lanes()), (twin.lane_axis(), twin.lanes()));
        }
        let bytes = |design: &Accelerator| {
            [design.activation(), design.weight(), design.accumulator()].map(Scratchpad::bytes)
        };
        assert_eq!(bytes(&small), bytes(&large));
        assert_eq!((channel(&small), small.frequency_hz()), (channel(&large), large.frequency_hz()));
    }

    #[test]
    fn the_equal_rate_design_differs_in_its_lanes_only() {
        let (equal, ladder) = (shipped("datacenter-128x128-equal-rate"), shipped("datacenter-128x128"));
        for mac in equal.macs() {
            assert_eq!((mac.lanes(), mac.spec()), (1, ladder.mac(mac.pair()).unwrap().spec()));
        }
        assert_eq!(equal.macs().len(), ladder.macs().len());
        assert_eq!((equal.array(), channel(&equal)), (ladder.array(), channel(&ladder)));
        assert_eq!((equal.activation(), equal.weight()), (ladder.activation(), ladder.weight()));
        assert_eq!((equal.accumulator(), equal.vector()), (ladder.accumulator(), ladder.vector()));
        assert_eq!(equal.frequency_hz(), ladder.frequency_hz());
    }

    /// Peaks from the papers: 92 and 138 tera-operations per second.
    #[test]
    fn the_designs_after_chips_have_their_peaks_and_memories() {
        let peak = |design: &Accelerator, activation: &str| {
            let array = design.array();
            let pes = array.count() * array.rows() * array.cols();
            let weight = if activation == "bf16" { "bf16" } else { "int8" };
            2 * pes * lanes(design, activation, weight) * design.frequency_hz()
        };
        let memory = |design: &Accelerator| {
            [design.activation(), design.weight(), design.accumulator()].map(Scratchpad::bytes)
        };
        let tpuv1 = shipped("tpuv1-like");
        assert_eq!(peak(&tpuv1, "uint8") / 1_000_000_000, 91_750);
        assert_eq!(memory(&tpuv1), [24 << 20, 4 * 256 * 256, 4 * 256 * 4096]);
        let tpuv4i = shipped("tpuv4i-like");
        assert_eq!(peak(&tpuv4i, "bf16") / 1_000_000_000, 137_625);
        assert_eq!(memory(&tpuv4i).iter().sum::<u64>(), 128 << 20);
        let gemmini = shipped("gemmini-like");
        assert_eq!(gemmini.array().dataflows(), [Dataflow::Ws, Dataflow::Os]);
        assert_eq!(memory(&gemmini), [128 << 10, 128 << 10, 64 << 10]);
    }

    fn pairs(design: &Accelerator) -> Vec<String> {
        let mut pairs: Vec<_> = design.macs().iter().map(|mac| mac.pair().to_string()).collect();
        pairs.sort_unstable();
        pairs
    }

    #[test]
    fn our_own_designs_take_their_pairs_at_the_rate_of_the_wider_operand() {
        let trained = [
            "(bf16,bf16)",
            "(int4,int4)",
            "(int8,int4)",
            "(int8,int8)",
            "(uint4,int4)",
            "(uint8,int4)",
            "(uint8,int8)",
        ];
        // Those, and whatever an imported network may have.
        let formats = ["int4", "int8", "uint4", "uint8"];
        let integers = formats.iter().flat_map(|a| formats.iter().map(move |w| format!("({a},{w})")));
        let imported: Vec<_> = std::iter::once("(bf16,bf16)".to_owned()).chain(integers).collect();
        for (name, _) in &SHIPPED[..4] {
            let design = shipped(name);
            let found = pairs(&design);
            if *name == "edge-32x32" {
                assert_eq!(found, imported)
            } else {
                assert_eq!(found, trained, "{name}")
            }
            for mac in design.macs() {
                if mac.pair().activation().bits() != mac.pair().weight().bits() {
                    assert_eq!(mac.lanes(), lanes(&design, "int8", "int8"), "{name}");
                }
            }
        }
        assert_eq!(pairs(&shipped("tpuv1-like")), ["(int8,int8)", "(uint8,int8)"]);
        assert_eq!(pairs(&shipped("gemmini-like")), ["(int8,int8)", "(uint8,int8)"]);
        assert_eq!(pairs(&shipped("tpuv4i-like")), ["(bf16,bf16)", "(int8,int8)", "(uint8,int8)"]);
    }

    /// Partial sums have the smallest multiple of 4 bits, 16 or more, that holds every sum of a fold of
    /// 8-bit activations; narrower activations share the registers of their weights.
    #[test]
    fn shipped_designs_never_overflow_within_a_weight_stationary_fold() {
        for (name, _) in SHIPPED {
            let design = shipped(name);
            for mac in design.macs() {
                let MacSpec::Integer(spec) = mac.spec() else { continue };
                assert_eq!(mac.lane_axis(), LaneAxis::K);
                let k_per_fold = design.array().rows() * mac.lanes();
                let bound = StaticBound::of_formats(mac.pair(), k_per_fold, k_per_fold).unwrap();
                let holds =
                    |bits: u8| bound.partial_sum <= RegisterWidth::new(bits).unwrap().max().unsigned_abs();
                let bits = spec.partial_sum.bits();
                assert!(holds(bits), "{name} {}", mac.pair());
                let widest = mac.pair().activation().to_string() == "uint8";
                assert!(!widest || bits == 16 || !holds(bits - 4), "{name} {}", mac.pair());
                assert_eq!(spec.accumulator.bits(), 32);
            }
        }
    }

    /// K up to which gemmini-like's output-stationary sums are safe, as its file says.
    #[test]
    fn output_stationary_sums_of_the_gemmini_design_hold_this_many_products() {
        let design = shipped("gemmini-like");
        for (activation, safe) in [("uint8", 16), ("int8", 31)] {
            let mac = design.mac(pair(activation, "int8")).unwrap();
            let MacSpec::Integer(spec) = mac.spec() else { panic!("an integer pair") };
            let fits = |k| StaticBound::of_formats(mac.pair(), k, k).is_some_and(|bound| bound.fits(spec));
            assert!(fits(safe) && !fits(safe + 1), "{activation}");
        }
    }

    #[test]
    fn the_documented_example_is_valid() {
        let page = include_str!("../../docs/formats.md").split("## 4. Design").nth(1).unwrap();
        let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        assert_eq!(parse(example).unwrap().name(), "example");
    }

    #[test]
    fn wrong_designs_are_refused_with_their_place() {
        struct Case(&'static str, &'static str, &'static str);
        for Case(from, to, expected) in [
            Case(
                "schema_version = 1\n",
                "schema_version = 2\nnew = 1\n",
                "d.toml:2:18: `schema_version`: expected schema_version = 1",
            ),
            Case("schema_version = 1", "", "missing field `schema_version`"),
            Case("schema_version = 1", "schema_version = 1\nfoo = 1", "`foo`: unknown field `foo`"),
            Case(
                "schema_version = 1",
                "schema_version = 1\nname = \" \"",
                "`name`: expected at least one character",
            ),
            Case("1_000_000_000\n", "999\n", "`frequency_hz`: 999: expected 1000 to 100000000000"),
            Case("\"7nm\"", "\"\"", "`technology`: expected at least one character"),
            Case("rows = 16", "rows = 0", "folder/d.toml:6:8: `array.rows`: 0: expected 1 to 4096"),
            Case("rows = 16", "rows = -16", "`array.rows`: -16: expected 1 to 4096"),
            Case("cols = 8", "cols = 4097", "`array.cols`: 4097: expected 1 to 4096"),
            Case("cols = 8", "cols = 8\ncount = 65", "`array.count`: 65: expected 1 to 64"),
            Case("cols = 8", "cols = 8\ncount = 0", "`array.count`: 0: expected 1 to 64"),
            Case(
                "[\"ws\"]",
                "[\"ws\", \"rs\"]",
                "`array.dataflows[1]`: unknown value `rs`: expected one of `ws`, `os`, `is`",
            ),
            Case("[\"ws\"]", "[]", "`array.dataflows`: expected at least one dataflow: `ws`, `os`, `is`"),
            Case("[\"ws\"]", "[\"is\", \"ws\", \"is\"]", "`array.dataflows[2]`: `is` is listed twice"),
            Case(
                "cols = 8",
                "cols = 8\nos_drain = \"overlapped\"",
                "`array.os_drain`: a key of designs with the dataflow `os`",
            ),
            Case(
                "[\"ws\"]",
                "[\"os\"]\nos_drain = \"x\"",
                "`array.os_drain`: unknown value `x`: expected one of `overlapped`, `blocking`",
            ),
            Case("cols = 8", "cols = 8\naccumulator_latency_cycles = 0", "0: expected 1 to 65536"),
            Case(
                "cols = 8",
                "cols = 8\nmac_latency_cycles = 2",
                "`array.mac_latency_cycles`: 2: not in this version; expected 1",
            ),
            Case(
                "cols = 8",
                "cols = 8\nloop_order = \"n-m-k\"",
                "`n-m-k`: not in this version; expected `m-n-k`",
            ),
            Case("\"uint8\"", "\"uint9\"", "`mac[0].activation`: unknown format `uint9`"),
            Case(
                "\"uint8\"",
                "\"f32\"",
                "unknown format `f32`: expected `int2` to `int8`, `uint2` to `uint8` or `bf16`",
            ),
            Case(
                "\"uint8\"",
                "\"bf16\"",
                "`mac[0].weight`: (bf16,int8): expected a pair of two integers or (bf16,bf16)",
            ),
            Case("count = 2", "count = 65", "`mac[0].lanes.count`: 65: expected 1 to 64"),
            Case(
                "along = \"k\", count = 2",
                "along = \"m\", count = 2",
                "`mac[0].lanes.along`: unknown value `m`: expected one of `k`, `n`",
            ),
            Case(
                "[\"ws\"]\n[[mac]]\nactivation = \"uint8\"\nweight = \"int8\"\nlanes = { along = \"k\"",
                "[\"ws\", \"is\"]\n[[mac]]\nactivation = \"uint8\"\nweight = \"int8\"\nlanes = { along = \"n\"",
                "`mac[0].lanes.along`: `n`: not in this version beside the dataflow `is`",
            ),
            Case(
                "partial_sum_bits = 24\n",
                "",
                "`mac[0]`: an integer pair needs `partial_sum_bits`, 16 to 32",
            ),
            Case(
                "partial_sum_bits = 24",
                "partial_sum_bits = 33",
                "`mac[0].partial_sum_bits`: 33: expected 16 to 32",
            ),
            Case("accumulator_bits = 32", "accumulator_bits = 272", "272: expected 16 to 32"),
            Case(
                "accumulator_bits = 32",
                "accumulator_bits = 32\noverflow = \"clip\"",
                "unknown value `clip`: expected one of `wrap`, `saturate`",
            ),
            Case(
                "accumulator_bits = 32",
                "accumulator_bits = 32\nbias = \"first\"",
                "unknown value `first`: expected one of `after-last-fold`, `preload`",
            ),
            Case(
                "accumulator_bits = 32",
                "accumulator_bits = 32\nlane_sum = \"tree\"",
                "unknown value `tree`: expected one of `serial`, `first`, `block`",
            ),
            Case(
                "accumulator_bits = 32",
                "accumulator_bits = 32\njoin = \"chained\"",
                "`chained`: the accumulator's value enters a column",
            ),
            Case(
                "accumulator_bits = 32",
                "accumulator_bits = 32\nrounding = \"rne\"",
                "`mac[0].rounding`: a key of the pair (bf16,bf16)",
            ),
            Case(
                "weight = \"bf16\"",
                "weight = \"bf16\"\naccumulator_bits = 32",
                "`mac[1].accumulator_bits`: a key of integer pairs",
            ),
            Case(
                "weight = \"bf16\"",
                "weight = \"bf16\"\nbias = \"preload\"",
                "`mac[1].bias`: a key of integer pairs",
            ),
            Case(
                "weight = \"bf16\"",
                "weight = \"bf16\"\npartial_sum = \"bf16\"\njoin = \"chained\"",
                "`mac[1].join`: `chained`: the accumulator's value enters a column",
            ),
            Case(
                "weight = \"bf16\"",
                "weight = \"bf16\"\naccumulator = \"bf16\"",
                "unknown value `bf16`: expected `f32`",
            ),
            Case(
                "weight = \"bf16\"",
                "weight = \"bf16\"\nrounding = \"rna\"",
                "unknown value `rna`: expected one of `rne`, `rtz`, `rto`",
            ),
            Case(
                "weight = \"bf16\"",
                "weight = \"bf16\"\nsubnormals = \"lose\"",
                "unknown value `lose`: expected one of `keep`, `flush`",
            ),
            Case(
                "[scratchpad.activation]",
                "[[mac]]\nactivation = \"bf16\"\nweight = \"bf16\"\nlanes = { along = \"k\", count = 4 }\n[scratchpad.activation]",
                "`mac[2].activation`: the pair (bf16,bf16) is listed twice",
            ),
            Case(
                "bytes = 65536",
                "bytes = 1023",
                "`scratchpad.activation.bytes`: 1023: expected 1024 to 4294967296",
            ),
            Case(
                "bytes = 65536",
                "bytes = 65536\nline_buffer = true",
                "`scratchpad.activation.line_buffer`: `true`: not in this version",
            ),
            Case(
                "banks = 4",
                "line_buffer = false",
                "`scratchpad.weight.line_buffer`: a key of `[scratchpad.activation]` only",
            ),
            Case(
                "banks = 4",
                "banks = 3",
                "`scratchpad.weight.banks`: 32768 bytes in 3 banks of 128-bit words: expected a whole number of words per bank",
            ),
            Case("banks = 4", "banks = 0", "`scratchpad.weight.banks`: 0: expected 1 to"),
            Case(
                "banks = 4",
                "banks = 4\nlayout = \"pixels\"",
                "`scratchpad.weight.layout`: `pixels`: a layout of `[scratchpad.activation]` only; expected `ideal` or `spread`",
            ),
            Case(
                "banks = 4",
                "banks = 4\nlayout = \"rows\"",
                "unknown value `rows`: expected one of `ideal`, `spread`, `pixels`",
            ),
            Case(
                "width_bits = 128",
                "width_bits = 12",
                "`scratchpad.weight.width_bits`: 12: expected a multiple of 8",
            ),
            Case("width_bits = 128", "width_bits = 16384", "16384: expected 8 to 8192"),
            Case("\"LPDDR4\"", "\"\"", "`dram.part`: expected at least one character"),
            Case(
                "12_800_000_000",
                "999_999",
                "`dram.bytes_per_s`: 999999: expected 1000000 to 1000000000000000",
            ),
            Case(
                "efficiency = 0.7",
                "efficiency = 1.1",
                "`dram.efficiency`: 1.1: expected a decimal above 0 and at most 1 with at most 6 digits",
            ),
            Case("efficiency = 0.7", "efficiency = nan", "NaN: expected a decimal above 0"),
            Case(
                "latency_cycles = 100",
                "latency_cycles = -1",
                "`dram.latency_cycles`: -1: expected 0 to 1000000",
            ),
            Case(
                "burst_bytes = 64",
                "burst_bytes = 48",
                "`dram.burst_bytes`: 48: expected a power of two from 1 to 65536",
            ),
            Case("lanes = 16", "lanes = 0", "`vector.lanes`: 0: expected 1 to 65536"),
            Case("ops_per_cycle = 1", "ops_per_cycle = 65", "`vector.ops_per_cycle`: 65: expected 1 to 64"),
        ] {
            assert!(SMALL.contains(from), "{from}");
            let error = parse(&SMALL.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(expected), "expected {expected:?} in:\n{error}");
        }
        let no_mac = SMALL[..SMALL.find("[[mac]]").unwrap()].to_owned()
            + &SMALL[SMALL.find("[scratchpad.activation]").unwrap()..];
        let error = parse(&no_mac).unwrap_err().to_string();
        assert_eq!(error, "folder/d.toml: a design has at least one `[[mac]]`");
    }

    #[test]
    fn conflicts_between_pixels_are_counted_for_one_dataflow() {
        let pixels = SMALL.replacen("bytes = 65536", "bytes = 65536\nlayout = \"pixels\"", 1);
        assert_eq!(parse(&pixels).unwrap().activation().layout(), Layout::Pixels);
        let error = parse(&pixels.replace("[\"ws\"]", "[\"ws\", \"os\"]")).unwrap_err().to_string();
        assert!(
            error.contains("`scratchpad.activation.layout`: `pixels`: bank conflicts are counted for"),
            "{error}"
        );
    }
}
