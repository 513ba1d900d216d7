//! SCALE-Sim's `.cfg` files, of v2 and of v3.

use std::fmt;
use std::ops::RangeInclusive;

use crate::source::{SourceError, SourceFile};

use super::ini::{self, Entry, Section, Value};

/// Of rows and of columns.
const MAX_ARRAY: u64 = 1 << 13;
/// Of each SRAM.
const MAX_SRAM_KB: u64 = 1 << 22;
/// Of each address offset.
const MAX_OFFSET: u64 = 1 << 40;
/// Of words per cycle.
const MAX_BANDWIDTH: u64 = 1 << 24;
/// What v3 takes for granted where v2 has no key.
const DEFAULT_BANK_BANDWIDTH: u64 = 10;

/// Sections that are read, and the keys of each.
const SECTIONS: [(&str, &[&str]); 6] = [
    ("general", &["run_name"]),
    (
        "architecture_presets",
        &[
            "arrayheight",
            "arraywidth",
            "ifmapsramszkb",
            "filtersramszkb",
            "ofmapsramszkb",
            "ifmapoffset",
            "filteroffset",
            "ofmapoffset",
            "bandwidth",
            "dataflow",
            "readrequestbuffer",
            "writerequestbuffer",
            "memorybanks",
            "onchipmemorybanks",
            "onchipmemorybankports",
        ],
    ),
    (
        "layout",
        &[
            "ifmapcustomlayout",
            "filtercustomlayout",
            "ifmapsrambankbandwidth",
            "ifmapsrambanknum",
            "ifmapsrambankport",
            "filtersrambankbandwidth",
            "filtersrambanknum",
            "filtersrambankport",
        ],
    ),
    (
        "sparsity",
        &[
            "sparsitysupport",
            "sparserep",
            "optimizedmapping",
            "blocksize",
            "randomnumbergeneratorseed",
            "nonzeroelems",
        ],
    ),
    ("run_presets", &["interfacebandwidth", "useramulatortrace"]),
    ("network_presets", &["topologycsvloc"]),
];

/// What stays in the PEs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dataflow {
    /// `os`.
    OutputStationary,
    /// `ws`.
    WeightStationary,
    /// `is`.
    InputStationary,
}

impl fmt::Display for Dataflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::OutputStationary => "os",
            Self::WeightStationary => "ws",
            Self::InputStationary => "is",
        })
    }
}

/// Sizes of the three SRAMs; one word is one byte, half of each is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sram {
    /// For the input.
    pub ifmap_bytes: u64,
    /// For the filters.
    pub filter_bytes: u64,
    /// For the output.
    pub ofmap_bytes: u64,
}

/// `InterfaceBandwidth`: words per cycle between DRAM and SRAMs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bandwidth {
    /// `CALC`: as many as it takes never to wait.
    Calculated,
    /// `USER`: so many per operand, on a channel of its own.
    Requested {
        /// For the input.
        ifmap: u64,
        /// For the filters.
        filter: u64,
        /// For the output.
        ofmap: u64,
    },
}

/// A configuration that SCALE-Sim runs, or would run with the keys that v3 added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Name of SCALE-Sim's output folder.
    pub run_name: String,
    /// R, 1 to 8192.
    pub rows: u64,
    /// C, 1 to 8192.
    pub cols: u64,
    /// What stays in the PEs.
    pub dataflow: Dataflow,
    /// On-chip memories.
    pub sram: Sram,
    /// Between DRAM and SRAMs.
    pub bandwidth: Bandwidth,
    /// What was tolerated, each with its place.
    pub warnings: Vec<String>,
}

/// The sections of a file.
struct Keys<'a> {
    file: &'a SourceFile,
    sections: Vec<Section>,
}

impl Keys<'_> {
    fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    fn get(&self, section: &str, key: &str) -> Option<&Value> {
        // Python looks into [DEFAULT] too.
        [section, "DEFAULT"].into_iter().filter_map(|name| self.section(name)).find_map(|section| {
            section.entries.iter().find(|entry| entry.key == key.to_lowercase()).map(|entry| &entry.value)
        })
    }

    fn required(&self, section: &str, key: &str) -> Result<&Value, SourceError> {
        self.get(section, key).ok_or_else(|| {
            let message = format!("`{key}` is missing in [{section}]");
            match self.section(section) {
                Some(found) => self.file.error(found.span.clone(), message),
                None => self.file.error_in_file(message),
            }
        })
    }

    fn number(&self, key: &str, value: &Value, range: RangeInclusive<u64>) -> Result<u64, SourceError> {
        value.text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            let (low, high) = (range.start(), range.end());
            let message = format!("`{key}`: `{}`: expected a whole number from {low} to {high}", value.text);
            self.file.error(value.span.clone(), message)
        })
    }

    fn required_number(
        &self,
        section: &str,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Result<u64, SourceError> {
        self.number(key, self.required(section, key)?, range)
    }

    fn optional_number(&self, section: &str, key: &str, default: u64) -> Result<u64, SourceError> {
        self.get(section, key).map_or(Ok(default), |value| self.number(key, value, 1..=MAX_BANDWIDTH))
    }

    /// Refuses what is not simulated here, by its name.
    fn refuse(
        &self,
        value: Option<&Value>,
        on: impl Fn(&str) -> bool,
        what: &str,
    ) -> Result<(), SourceError> {
        match value {
            Some(value) if on(&value.text) => Err(self
                .file
                .error(value.span.clone(), format!("{what}: not in this version; switch it off"))),
            _ => Ok(()),
        }
    }

    fn custom_layout(&self, key: &str) -> Result<(), SourceError> {
        let value = self.get("layout", key);
        self.refuse(
            value,
            |text| is_one_of(text, ["1", "yes", "true", "on"]),
            &format!("custom layouts (`{key}`)"),
        )?;
        match value {
            Some(value) if !is_one_of(&value.text, ["0", "no", "false", "off"]) => {
                let message = format!("`{key}`: `{}`: expected False", value.text);
                Err(self.file.error(value.span.clone(), message))
            }
            _ => Ok(()),
        }
    }

    fn unknown(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for section in self.sections.iter().filter(|section| section.name != "DEFAULT") {
            let known = SECTIONS.iter().find(|(name, _)| *name == section.name).map(|(_, keys)| *keys);
            let Some(known) = known else {
                warnings.push(
                    self.warning(
                        section.span.start,
                        &format!("unknown section [{}] is ignored", section.name),
                    ),
                );
                continue;
            };
            for Entry { key, key_span, .. } in &section.entries {
                if !known.contains(&&key[..]) {
                    warnings.push(self.warning(key_span.start, &format!("unknown key `{key}` is ignored")));
                }
            }
        }
        warnings
    }

    fn warning(&self, at: usize, message: &str) -> String {
        self.file.warning(at, message)
    }
}

fn is_one_of<const N: usize>(text: &str, words: [&str; N]) -> bool {
    words.contains(&&text.to_lowercase()[..])
}

impl Configuration {
    /// Reads a configuration; what v2 lacks takes v3's usual values.
    pub fn parse(file: &SourceFile) -> Result<Self, SourceError> {
        let keys = Keys { file, sections: ini::parse(file)? };
        for name in ["general", "architecture_presets", "run_presets"] {
            if keys.section(name).is_none() {
                let v1 = keys
                    .sections
                    .iter()
                    .flat_map(|section| &section.entries)
                    .any(|entry| entry.key == "runname");
                let message = if v1 {
                    "a configuration of SCALE-Sim v1; expected v2 or v3, with [general], [architecture_presets] and [run_presets]".to_owned()
                } else {
                    format!(
                        "section [{name}] is missing; expected [general], [architecture_presets] and [run_presets]"
                    )
                };
                return Err(file.error_in_file(message));
            }
        }
        let run_name = keys.required("general", "run_name")?.text.clone();
        let architecture = "architecture_presets";
        let sram =
            |key| keys.required_number(architecture, key, 1..=MAX_SRAM_KB).map(|kilobytes| kilobytes * 1024);
        let mut warnings = keys.unknown();
        let configuration = Self {
            run_name,
            rows: keys.required_number(architecture, "ArrayHeight", 1..=MAX_ARRAY)?,
            cols: keys.required_number(architecture, "ArrayWidth", 1..=MAX_ARRAY)?,
            dataflow: dataflow(&keys, &mut warnings)?,
            sram: Sram {
                ifmap_bytes: sram("IfmapSramSzkB")?,
                filter_bytes: sram("FilterSramSzkB")?,
                ofmap_bytes: sram("OfmapSramSzkB")?,
            },
            bandwidth: bandwidth(&keys)?,
            warnings,
        };
        for key in ["IfmapOffset", "FilterOffset", "OfmapOffset"] {
            keys.required_number(architecture, key, 0..=MAX_OFFSET)?;
        }
        keys.custom_layout("IfmapCustomLayout")?;
        keys.custom_layout("FilterCustomLayout")?;
        let sparsity = keys.get("sparsity", "SparsitySupport");
        keys.refuse(sparsity, |text| is_one_of(text, ["true"]), "sparsity (`SparsitySupport`)")?;
        let ramulator = keys.get("run_presets", "UseRamulatorTrace");
        keys.refuse(ramulator, |text| text == "True", "Ramulator (`UseRamulatorTrace`)")?;
        Ok(configuration)
    }
}

fn dataflow(keys: &Keys<'_>, warnings: &mut Vec<String>) -> Result<Dataflow, SourceError> {
    let value = keys.required("architecture_presets", "Dataflow")?;
    Ok(match &value.text[..] {
        "os" => Dataflow::OutputStationary,
        "ws" => Dataflow::WeightStationary,
        "is" => Dataflow::InputStationary,
        other => {
            let message = format!(
                "unknown dataflow `{other}` runs as `os`, as SCALE-Sim does it; expected os, ws or is"
            );
            warnings.push(keys.warning(value.span.start, &message));
            Dataflow::OutputStationary
        }
    })
}

fn bandwidth(keys: &Keys<'_>) -> Result<Bandwidth, SourceError> {
    let mode = keys.required("run_presets", "InterfaceBandwidth")?;
    match &mode.text[..] {
        "CALC" => Ok(Bandwidth::Calculated),
        "USER" => requested(keys),
        other => {
            let message = format!("`InterfaceBandwidth`: `{other}`: expected CALC or USER, in capitals");
            Err(keys.file.error(mode.span.clone(), message))
        }
    }
}

fn requested(keys: &Keys<'_>) -> Result<Bandwidth, SourceError> {
    let list = keys.required("architecture_presets", "Bandwidth")?;
    let mut rates = Vec::new();
    for item in list.text.split(',') {
        let item = Value { text: item.trim().to_owned(), span: list.span.clone() };
        rates.push(keys.number("Bandwidth", &item, 1..=MAX_BANDWIDTH)?);
    }
    let ofmap = rates[0];
    // v2 has no [layout]: one rate for all three operands.
    let default = if keys.section("layout").is_some() { DEFAULT_BANK_BANDWIDTH } else { ofmap };
    let operand = |bandwidth: &str, banks: &str| {
        let rate = keys.optional_number("layout", bandwidth, default)?;
        let count = keys.optional_number("layout", banks, 1)?;
        match keys.get("layout", banks) {
            Some(value) if !rate.is_multiple_of(count) => {
                let message =
                    format!("`{banks}`: {count} banks: expected a divisor of the {rate} of `{bandwidth}`");
                Err(keys.file.error(value.span.clone(), message))
            }
            _ => Ok(rate),
        }
    };
    Ok(Bandwidth::Requested {
        ifmap: operand("IfmapSRAMBankBandwidth", "IfmapSRAMBankNum")?,
        filter: operand("FilterSRAMBankBandwidth", "FilterSRAMBankNum")?,
        ofmap,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: &str = "[general]\nrun_name = a\n[architecture_presets]\nArrayHeight:8\nArrayWidth:4\nIfmapSramSzkB:1\n\
        FilterSramSzkB:2\nOfmapSramSzkB:3\nIfmapOffset:0\nFilterOffset:10\nOfmapOffset:10\nBandwidth : 7, 9\n\
        Dataflow : ws\n[run_presets]\nInterfaceBandwidth: USER\n";

    fn parse(text: &str) -> Result<Configuration, SourceError> {
        Configuration::parse(&SourceFile::embedded("x.cfg", text))
    }

    #[test]
    fn version_2_has_one_bandwidth_for_all() {
        let configuration = parse(V2).unwrap();
        assert_eq!(configuration.bandwidth, Bandwidth::Requested { ifmap: 7, filter: 7, ofmap: 7 });
        assert_eq!((configuration.rows, configuration.cols), (8, 4));
        assert_eq!(configuration.sram.ofmap_bytes, 3072);
        assert!(configuration.warnings.is_empty());
    }

    #[test]
    fn version_3_has_one_per_operand() {
        let text = format!(
            "{V2}[layout]\nIfmapCustomLayout: False\nIfmapSRAMBankBandwidth: 12\nIfmapSRAMBankNum: 3\n"
        );
        let configuration = parse(&text).unwrap();
        assert_eq!(configuration.bandwidth, Bandwidth::Requested { ifmap: 12, filter: 10, ofmap: 7 });
    }

    #[test]
    fn what_is_tolerated_is_said() {
        let text = V2.replace(": ws", ": WS").replace("run_name = a", "run_name = a\nrunname2 = b");
        let configuration = parse(&text).unwrap();
        assert_eq!(configuration.dataflow, Dataflow::OutputStationary);
        assert_eq!(
            configuration.warnings,
            [
                "x.cfg:3:1: unknown key `runname2` is ignored",
                "x.cfg:14:12: unknown dataflow `WS` runs as `os`, as SCALE-Sim does it; expected os, ws or is",
            ]
        );
    }

    #[test]
    fn wrong_files_are_refused_with_their_place() {
        for (from, to, expected) in [
            (
                "ArrayHeight:8",
                "ArrayHeight:0",
                "x.cfg:4:13: `ArrayHeight`: `0`: expected a whole number from 1 to 8192",
            ),
            ("ArrayWidth:4", "ArrayWidth: 1e3", "x.cfg:5:13: `ArrayWidth`: `1e3`"),
            ("ArrayWidth:4\n", "", "x.cfg:3:1: `ArrayWidth` is missing in [architecture_presets]"),
            ("OfmapSramSzkB:3", "OfmapSramSzkB:99999999999999999999", "x.cfg:8:15: `OfmapSramSzkB`"),
            (
                "OfmapOffset:10",
                "OfmapOffset:-1",
                "x.cfg:11:13: `OfmapOffset`: `-1`: expected a whole number from 0",
            ),
            ("7, 9", "7,,9", "x.cfg:12:13: `Bandwidth`: ``"),
            ("USER", "user", "x.cfg:15:21: `InterfaceBandwidth`: `user`: expected CALC or USER, in capitals"),
            ("[run_presets]", "[runs]", "x.cfg: section [run_presets] is missing"),
            ("run_name", "RunName", "x.cfg:1:1: `run_name` is missing in [general]"),
            (
                "USER\n",
                "USER\nUseRamulatorTrace: True\n",
                "x.cfg:16:20: Ramulator (`UseRamulatorTrace`): not in this version",
            ),
            (
                "USER\n",
                "USER\n[sparsity]\nSparsitySupport: true\n",
                "x.cfg:17:18: sparsity (`SparsitySupport`): not in this version",
            ),
            (
                "USER\n",
                "USER\n[layout]\nFilterCustomLayout: yes\n",
                "x.cfg:17:21: custom layouts (`FilterCustomLayout`): not in this",
            ),
            (
                "USER\n",
                "USER\n[layout]\nFilterCustomLayout: maybe\n",
                "x.cfg:17:21: `FilterCustomLayout`: `maybe`: expected False",
            ),
            (
                "USER\n",
                "USER\n[layout]\nIfmapSRAMBankNum: 3\n",
                "x.cfg:17:19: `IfmapSRAMBankNum`: 3 banks: expected a divisor of the 10",
            ),
            (V2, "[architecture_presets]\nRunName: \"a\"\n", "x.cfg: a configuration of SCALE-Sim v1"),
            (V2, "", "x.cfg: section [general] is missing"),
        ] {
            let error = parse(&V2.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(expected), "expected {expected:?} in:\n{error}");
        }
    }
}
