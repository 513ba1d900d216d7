//! What a design's parts cost by themselves: per MAC, per access, per operation, with every source.

use std::collections::BTreeSet;

use crate::cost::{
    Action, AreaLookup, CostError, EnergyRange, Lookup, Provenance, SramAccess, SramFit, Technology, adders,
    partial_sum_bits as area_bits, vector_actions,
};
use crate::hardware::MacUnit;

use super::evaluate::Design;
use super::point::Range;
use super::pricing::{area, scratchpads};

/// A number with its range and source.
#[derive(Clone, Debug, PartialEq)]
pub struct CostRow {
    /// Key path in the technology file.
    pub key: String,
    /// Unit of the value.
    pub unit: &'static str,
    /// The value.
    pub value: Range,
    /// How far it can be trusted.
    pub standing: String,
    /// Publication, tool or person.
    pub source: String,
    /// Formula of a derived number, or original node and scaling of a borrowed one.
    pub derivation: Option<String>,
}

/// One operand pair of a design.
#[derive(Clone, Debug, PartialEq)]
pub struct PairCosts {
    /// `activation,weight`.
    pub pair: String,
    /// MACs per PE and cycle.
    pub lanes: u64,
    /// One multiplication; None if excluded or lacking.
    pub multiplier: Option<CostRow>,
    /// One addition at partial-sum width; None if excluded or lacking.
    pub adder: Option<CostRow>,
    /// Multiplier and adder in pJ; None unless both are known.
    pub mac_pj: Option<Range>,
    /// PE register bits written per streamed MAC, one activation and a lane's share of a partial sum, in pJ.
    pub registers_pj: Option<Range>,
    /// Area of one MAC in µm².
    pub mac_um2: Option<CostRow>,
    /// 2 · rows · columns · lanes · arrays · frequency, in 10^12 operations per second.
    pub peak_tops: f64,
    /// 2 / MAC energy, in 10^12 operations per joule.
    pub peak_tops_per_w: Option<Range>,
    /// 2 / (MAC + PE register energy).
    pub peak_tops_per_w_with_registers: Option<Range>,
}

/// One scratchpad of a design.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryCosts {
    /// Which scratchpad.
    pub name: &'static str,
    /// Number of banks.
    pub banks: u64,
    /// Bytes of one bank.
    pub bytes_per_bank: u64,
    /// Bits of one word.
    pub width_bits: u32,
    /// Reading one word, in pJ.
    pub read: Option<CostRow>,
    /// Writing one word, in pJ.
    pub write: Option<CostRow>,
}

/// Area of a design's parts that have a source.
#[derive(Clone, Debug, PartialEq)]
pub struct AreaCosts {
    /// What the total contains, for example "SRAM + integer MAC only".
    pub label: String,
    /// Parts in mm².
    pub parts_mm2: Vec<(String, Range)>,
    /// Their sum in mm².
    pub total_mm2: Range,
    /// What is left out.
    pub left_out: Vec<LeftOut>,
    /// Where a scratchpad is no tabulated macro.
    pub notes: Vec<String>,
}

/// Something a number does not contain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// What.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// The costs of one design.
#[derive(Clone, Debug, PartialEq)]
pub struct DesignCosts {
    /// Design name.
    pub name: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// Name of its technology.
    pub technology: String,
    /// SHA-256 of its technology.
    pub technology_sha256: String,
    /// Operand pairs in the file's order.
    pub pairs: Vec<PairCosts>,
    /// Scratchpads.
    pub memories: Vec<MemoryCosts>,
    /// Area; None if no part has a source.
    pub area: Option<AreaCosts>,
    /// Keys that the design needs and its technology neither gives nor excludes.
    pub lacks: Vec<String>,
}

/// A least-squares power law beside the table it was fitted to.
#[derive(Clone, Debug, PartialEq)]
pub struct SramFitRow {
    /// Width of one word in bits.
    pub width_bits: u32,
    /// `read` or `write`.
    pub access: &'static str,
    /// Macros fitted.
    pub macros: usize,
    /// Energy = pj_at_1_kib · (bytes / 1024)^exponent.
    pub pj_at_1_kib: f64,
    /// Exponent of bytes.
    pub exponent: f64,
    /// Largest |fit / tabulated − 1|.
    pub max_error: f64,
    /// Root mean square of fit / tabulated − 1.
    pub rms_error: f64,
}

/// What the designs take from one technology.
#[derive(Clone, Debug, PartialEq)]
pub struct TechnologyCosts {
    /// Name.
    pub name: String,
    /// SHA-256.
    pub sha256: String,
    /// Node in nanometers.
    pub node_nm: u32,
    /// What the file says about itself.
    pub description: String,
    /// The rows that its designs use, each once.
    pub rows: Vec<CostRow>,
    /// Power laws of its scratchpads, whether look-ups use them or not.
    pub sram_fits: Vec<SramFitRow>,
    /// What no energy contains, and the keys left out.
    pub left_out: Vec<LeftOut>,
}

/// Designs and the technologies behind them.
#[derive(Clone, Debug, PartialEq)]
pub struct CostTable {
    /// In the order given.
    pub designs: Vec<DesignCosts>,
    /// In the order met.
    pub technologies: Vec<TechnologyCosts>,
}

/// The cost table of these designs. A row that a design needs and its technology lacks is listed, not an error.
pub fn cost_table(designs: &[Design]) -> CostTable {
    let mut technologies: Vec<(&Technology, Gathered)> = Vec::new();
    let mut costs = Vec::new();
    for design in designs {
        let known = technologies.iter().position(|(technology, _)| *technology == &design.technology);
        let index = known.unwrap_or_else(|| {
            technologies.push((&design.technology, Gathered::default()));
            technologies.len() - 1
        });
        costs.push(design_costs(design, &mut technologies[index].1));
    }
    let technologies = technologies.into_iter().map(|(technology, used)| technology_costs(technology, used));
    CostTable { designs: costs, technologies: technologies.collect() }
}

/// What look-ups found so far.
#[derive(Default)]
struct Gathered {
    rows: Vec<CostRow>,
    left_out: BTreeSet<LeftOut>,
}

/// Look-ups of one design.
struct Lookups<'a> {
    technology: &'a Technology,
    used: &'a mut Gathered,
    lacks: Vec<String>,
}

impl Lookups<'_> {
    fn energy(&mut self, action: &Action) -> Option<CostRow> {
        let unit = match action {
            Action::RegisterBit | Action::DramBit(_) => "pJ/bit",
            _ => "pJ",
        };
        match self.technology.energy(action) {
            Ok(Lookup::Given(given)) => {
                let row = row(action.to_string(), unit, range(given.energy), given.provenance);
                Some(self.use_row(row))
            }
            Ok(Lookup::Excluded { reason }) => self.leave_out(action.to_string(), reason),
            Err(CostError::AreaOnly { reason, .. }) => self.leave_out("energy".to_owned(), reason),
            Err(_) => self.lack(action.to_string()),
        }
    }

    fn sram(&mut self, bytes: u64, width_bits: u32, access: SramAccess) -> Option<CostRow> {
        let key = format!("energy.sram: {bytes} B x {width_bits} bits, {}", access_name(access));
        match self.technology.sram(bytes, width_bits, access) {
            Ok(Lookup::Given(given)) => {
                let row = row(key, "pJ/access", range(given.energy), given.provenance);
                Some(self.use_row(row))
            }
            Ok(Lookup::Excluded { reason }) => self.leave_out("energy.sram".to_owned(), reason),
            Err(CostError::AreaOnly { reason, .. }) => self.leave_out("energy".to_owned(), reason),
            Err(_) => self.lack("energy.sram".to_owned()),
        }
    }

    fn use_row(&mut self, row: CostRow) -> CostRow {
        if !self.used.rows.contains(&row) {
            self.used.rows.push(row.clone());
        }
        row
    }

    fn leave_out<T>(&mut self, what: String, reason: String) -> Option<T> {
        self.used.left_out.insert(LeftOut { what, reason });
        None
    }

    fn lack<T>(&mut self, key: String) -> Option<T> {
        if !self.lacks.contains(&key) {
            self.lacks.push(key);
        }
        None
    }
}

fn design_costs(design: &Design, used: &mut Gathered) -> DesignCosts {
    let (accelerator, technology) = (&design.accelerator, &design.technology);
    let mut lookups = Lookups { technology, used, lacks: Vec::new() };
    let pairs = accelerator.macs().iter().map(|mac| pair_costs(design, mac, &mut lookups)).collect();
    let memories = scratchpads(accelerator).map(|(name, scratchpad)| {
        let (bytes, width_bits) = (scratchpad.bytes_per_bank(), scratchpad.width_bits());
        MemoryCosts {
            name,
            banks: scratchpad.banks(),
            bytes_per_bank: bytes,
            width_bits,
            read: lookups.sram(bytes, width_bits, SramAccess::Read),
            write: lookups.sram(bytes, width_bits, SramAccess::Write),
        }
    });
    for action in vector_actions() {
        lookups.energy(&action);
    }
    lookups.energy(&Action::DramBit(accelerator.dram().part().to_owned()));
    DesignCosts {
        name: accelerator.name().to_owned(),
        sha256: accelerator.sha256().to_owned(),
        technology: technology.name().to_owned(),
        technology_sha256: design.technology_sha256.clone(),
        pairs,
        memories: memories.into(),
        lacks: lookups.lacks,
        area: area(design).map(|area| {
            let mm2 = |area: crate::cost::AreaRange| Range {
                low: area.low(),
                typical: area.typical(),
                high: area.high(),
            };
            AreaCosts {
                total_mm2: mm2(area.total()),
                parts_mm2: area.modelled.iter().map(|(part, area)| (part.clone(), mm2(*area))).collect(),
                label: area.label,
                left_out: area.exclusions.into_iter().map(left_out).collect(),
                notes: area.notes.into_iter().collect(),
            }
        }),
    }
}

fn pair_costs(design: &Design, mac: &MacUnit, lookups: &mut Lookups<'_>) -> PairCosts {
    let (pair, array) = (mac.pair(), design.accelerator.array());
    let (partial_sum, accumulator, partial_sum_bits) = adders(mac.spec());
    let multiplier = lookups.energy(&Action::Multiply(pair));
    let adder = lookups.energy(&partial_sum);
    lookups.energy(&accumulator);
    let register = lookups.energy(&Action::RegisterBit);
    let bits = f64::from(pair.activation().bits()) + f64::from(partial_sum_bits) / mac.lanes() as f64;
    let registers_pj = register.map(|row| scaled(row.value, bits));
    let mac_pj = multiplier.as_ref().zip(adder.as_ref()).map(|(left, right)| sum(left.value, right.value));
    let mac_um2 = match lookups.technology.mac_area(pair, area_bits(mac.spec())) {
        Some(AreaLookup::Given(given)) => {
            let mm2 = given.area;
            let value = Range { low: mm2.low(), typical: mm2.typical(), high: mm2.high() };
            let bits = area_bits(mac.spec());
            let is_own = |(other, width, _)| other == pair && width == Some(bits);
            let width =
                if lookups.technology.mac_areas().any(is_own) { format!(",{bits}") } else { String::new() };
            let key = format!("area.mac.\"{},{}{width}\"", pair.activation(), pair.weight());
            let row = row(key, "µm²", scaled(value, 1e6), given.provenance.clone());
            Some(lookups.use_row(row))
        }
        _ => None,
    };
    let macs_per_cycle = (array.count() * array.rows() * array.cols() * mac.lanes()) as f64;
    PairCosts {
        pair: format!("{},{}", pair.activation(), pair.weight()),
        lanes: mac.lanes(),
        multiplier,
        adder,
        mac_pj,
        registers_pj,
        mac_um2,
        peak_tops: 2.0 * macs_per_cycle * design.accelerator.frequency_hz() as f64 / 1e12,
        peak_tops_per_w: mac_pj.map(tops_per_w),
        peak_tops_per_w_with_registers: mac_pj
            .zip(registers_pj)
            .map(|(mac, registers)| tops_per_w(sum(mac, registers))),
    }
}

fn technology_costs(technology: &Technology, used: Gathered) -> TechnologyCosts {
    let leakage = LeftOut {
        what: "SRAM leakage".to_owned(),
        reason: technology.sram_leakage_excluded_because().to_owned(),
    };
    let mut rows = used.rows;
    rows.sort_by(|left, right| left.key.cmp(&right.key));
    TechnologyCosts {
        name: technology.name().to_owned(),
        sha256: technology.sha256().to_owned(),
        node_nm: technology.node_nm(),
        description: technology.description().to_owned(),
        rows,
        sram_fits: technology.sram_fits().into_iter().map(fit_row).collect(),
        left_out: technology
            .exclusions()
            .iter()
            .cloned()
            .map(left_out)
            .chain([leakage])
            .chain(used.left_out)
            .collect(),
    }
}

fn fit_row(fit: SramFit) -> SramFitRow {
    let SramFit { width_bits, access, law } = fit;
    SramFitRow {
        width_bits,
        access: access_name(access),
        macros: law.macros(),
        pj_at_1_kib: law.pj(1024),
        exponent: law.exponent(),
        max_error: law.max_error(),
        rms_error: law.rms_error(),
    }
}

fn access_name(access: SramAccess) -> &'static str {
    match access {
        SramAccess::Read => "read",
        SramAccess::Write => "write",
    }
}

fn row(key: String, unit: &'static str, value: Range, provenance: Provenance) -> CostRow {
    let Provenance { standing, source, derivation } = provenance;
    CostRow { key, unit, value, standing: standing.to_string(), source, derivation }
}

fn left_out(exclusion: crate::cost::Exclusion) -> LeftOut {
    LeftOut { what: exclusion.what, reason: exclusion.reason }
}

fn range(energy: EnergyRange) -> Range {
    Range { low: energy.low(), typical: energy.typical(), high: energy.high() }
}

fn scaled(range: Range, factor: f64) -> Range {
    Range { low: range.low * factor, typical: range.typical * factor, high: range.high * factor }
}

fn sum(left: Range, right: Range) -> Range {
    Range { low: left.low + right.low, typical: left.typical + right.typical, high: left.high + right.high }
}

/// Two operations per MAC; the least energy gives the highest efficiency.
fn tops_per_w(mac_pj: Range) -> Range {
    Range { low: 2.0 / mac_pj.high, typical: 2.0 / mac_pj.typical, high: 2.0 / mac_pj.low }
}
