//! Area of a design's MAC units and scratchpads, where the technology has a source for them.

use std::collections::BTreeSet;
use std::iter::Sum;
use std::ops::Add;

use super::energy_range::factor;
use super::{AreaLookup, Exclusion, Macro, Technology};
use crate::numerics::{MacSpec, OperandPair, PartialSumFormat};

/// Largest area of one part that a technology file may state: 1 m².
const MAX_MM2: f64 = 1e6;

/// Parts of a chip that no technology file can price: reason for all of them.
const NO_KEY: &str = "a technology file has no key for its area in this version";
const NEVER_MODELLED: [&str; 6] =
    ["PE registers", "accumulator adders", "vector unit", "control", "interconnect", "DRAM interface"];

/// An area in mm²: lowest, typical and highest value the sources allow; 0 ≤ low ≤ typical ≤ high.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AreaRange {
    low: f64,
    typical: f64,
    high: f64,
}

impl AreaRange {
    /// The area of one part in mm²: above 0, at most 10^6, low ≤ typical ≤ high.
    pub(super) fn new(low: f64, typical: f64, high: f64) -> Result<Self, String> {
        let ordered = 0.0 < low && low <= typical && typical <= high && high <= MAX_MM2;
        if ordered {
            return Ok(Self { low, typical, high });
        }
        Err(format!(
            "area of {low}, {typical}, {high} mm² (low, typical, high): expected 0 < low ≤ typical ≤ high ≤ {MAX_MM2}"
        ))
    }

    /// Lowest area in mm².
    pub fn low(self) -> f64 {
        self.low
    }

    /// Typical area in mm².
    pub fn typical(self) -> f64 {
        self.typical
    }

    /// Highest area in mm².
    pub fn high(self) -> f64 {
        self.high
    }

    /// The area of `count` such parts; `count` is finite and not negative.
    #[must_use]
    pub fn times(self, count: f64) -> Self {
        Self { low: self.low * count, typical: self.typical * count, high: self.high * count }
    }
}

impl Add for AreaRange {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            low: self.low + other.low,
            typical: self.typical + other.typical,
            high: self.high + other.high,
        }
    }
}

impl Sum for AreaRange {
    fn sum<I: Iterator<Item = Self>>(ranges: I) -> Self {
        ranges.fold(Self::default(), Add::add)
    }
}

/// What area sees of a design.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Floorplan {
    /// PEs of all arrays.
    pub pes: u64,
    /// The operand pairs of a PE with the bits of their partial sum and the lanes it has for each.
    pub lanes: Vec<(OperandPair, u8, u64)>,
    /// Scratchpads by name, each with its number of banks.
    pub scratchpads: Vec<(&'static str, Macro, u64)>,
}

/// Area by part in mm², with everything it does not contain.
#[derive(Clone, Debug, PartialEq)]
pub struct AreaBreakdown {
    /// Parts with a source.
    pub modelled: Vec<(String, AreaRange)>,
    /// What they are, for the column: for example "SRAM + integer MAC only".
    pub label: String,
    /// What is left out.
    pub exclusions: BTreeSet<Exclusion>,
    /// Where a scratchpad is not a tabulated macro.
    pub notes: BTreeSet<String>,
}

impl AreaBreakdown {
    /// Sum of the modelled parts in mm². Comparable only with totals of equal exclusions.
    pub fn total(&self) -> AreaRange {
        self.modelled.iter().map(|(_, area)| *area).sum()
    }
}

/// Bits of a MAC unit's partial sum, as areas tell units apart.
pub fn partial_sum_bits(spec: MacSpec) -> u8 {
    match spec {
        MacSpec::Integer(mac) => mac.partial_sum.bits(),
        MacSpec::Bf16(mac) => match mac.partial_sum {
            PartialSumFormat::F32 => 32,
            PartialSumFormat::Bf16 => 16,
        },
    }
}

/// Area of what the technology has a source for; None if that is nothing.
///
/// Integer pairs of a PE share its largest unit (lanes × area of one MAC); the bf16 unit stands apart.
pub fn area(floorplan: &Floorplan, technology: &Technology) -> Option<AreaBreakdown> {
    let left_out = |what: &str, reason: String| Exclusion { what: what.to_owned(), reason };
    let mut breakdown = AreaBreakdown {
        modelled: Vec::new(),
        label: String::new(),
        exclusions: NEVER_MODELLED.map(|what| left_out(what, NO_KEY.to_owned())).into(),
        notes: BTreeSet::new(),
    };
    for (name, bank, banks) in &floorplan.scratchpads {
        match technology.sram_area(bank.bytes_per_bank, bank.width_bits) {
            Some((area, note)) => {
                breakdown.modelled.push(((*name).to_owned(), area.times(factor(*banks))));
                breakdown.notes.extend(note.map(|note| format!("{name}, area: {note}")));
            }
            None => {
                let reason = format!("technology `{}` gives no `area_mm2` of macros", technology.name());
                breakdown.exclusions.insert(left_out(name, reason));
            }
        }
    }
    let mut labels = if breakdown.modelled.is_empty() { vec![] } else { vec!["SRAM"] };
    let mut kinds = Vec::new();
    for (kind, of_kind) in [("integer MAC", false), ("bf16 MAC", true)] {
        let pairs = floorplan.lanes.iter().filter(|(pair, ..)| (*pair == OperandPair::Bf16) == of_kind);
        let areas: Vec<Result<AreaRange, String>> = pairs
            .map(|(pair, bits, lanes)| Ok(mac_area(technology, *pair, *bits)?.times(factor(*lanes))))
            .collect();
        match areas.into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(areas) => {
                let largest = areas.into_iter().max_by(|left, right| left.typical.total_cmp(&right.typical));
                if let Some(one) = largest {
                    breakdown.modelled.push((kind.to_owned(), one.times(factor(floorplan.pes))));
                    kinds.push(kind);
                }
            }
            Err(reason) => {
                breakdown.exclusions.insert(left_out(kind, reason));
            }
        }
    }
    labels.extend(if kinds.len() == 2 { vec!["MAC"] } else { kinds });
    breakdown.label = format!("{} only", labels.join(" + "));
    (!breakdown.modelled.is_empty()).then_some(breakdown)
}

fn mac_area(technology: &Technology, pair: OperandPair, bits: u8) -> Result<AreaRange, String> {
    match technology.mac_area(pair, bits) {
        Some(AreaLookup::Given(given)) => Ok(given.area),
        Some(AreaLookup::Excluded { reason }) => Err(reason.clone()),
        None => Err(format!(
            "technology `{}` says nothing about `area.mac.\"{},{}\"` or `area.mac.\"{},{},{bits}\"`",
            technology.name(),
            pair.activation(),
            pair.weight(),
            pair.activation(),
            pair.weight()
        )),
    }
}
