//! A technology: what each action costs, with its range and source.

use std::collections::BTreeMap;

use super::area_entry::mac_area;
use super::entry::{Entry, KeyedEntries, Located, evaluate, exactly_one, override_by_action};
use super::formula::AdderLine;
use super::layers;
use super::sram::{SramFit, SramPoint, SramTable};
use super::technology_file::{
    RawEntry, RawExclusion, RawExclusions, RawSram, RawSramMethod, RawSramPoint, RawSramRows, RawTechnology,
};
use super::technology_source::TechnologySource;
use super::{
    Action, AreaLookup, AreaRange, CostError, EnergyRange, Exclusion, Lookup, PowerLaw, SramAccess, Standing,
};
use crate::numerics::OperandPair;
use crate::source::{SourceError, SourceFile, Spanned};
use crate::timing::Adder;

/// Areas of MACs, by the bits of their partial sum where the file tells them apart.
type MacAreas = BTreeMap<(OperandPair, Option<u8>), AreaLookup>;

/// The key for integer adders of any other width.
const ANY_WIDTH: &str = "int*";

/// A validated technology file, with what it takes from the files it is based on.
#[derive(Clone, Debug, PartialEq)]
pub struct Technology {
    name: String,
    node_nm: u32,
    description: String,
    entries: BTreeMap<Action, Lookup>,
    other_adders: OtherAdders,
    sram: Sram,
    mac_areas: MacAreas,
    area_only: Option<String>,
    sram_leakage: String,
    exclusions: Vec<Exclusion>,
    sha256: String,
}

/// Integer adders without an entry of their own.
#[derive(Clone, Debug, PartialEq)]
enum OtherAdders {
    Missing,
    Line(AdderLine),
    Excluded(String),
}

#[derive(Clone, Debug, PartialEq)]
enum Sram {
    Table(SramTable),
    Excluded(String),
}

impl Technology {
    /// Validates a technology file. Those it is based on are read from the folder of the file that
    /// names them.
    pub fn parse(source: &SourceFile) -> Result<Self, SourceError> {
        let files = layers::files(source)?;
        let file = TechnologySource(source);
        let (mut merged, mut title) = (Merged::default(), None);
        for source in &files {
            let file = TechnologySource(source);
            let raw: RawTechnology = source.parse()?;
            title = Some((file.text("name", raw.name.get_ref(), &raw.name)?, raw.description.clone()));
            merged.lay(file, raw)?;
        }
        merged.leave_energy_out(file)?;
        let (name, description) = required(file, "name", title)?;
        let entries = evaluate(&merged.entries)?;
        Ok(Self {
            name,
            description,
            node_nm: required(file, "node_nm", merged.node_nm)?,
            other_adders: other_adders(&entries, merged.any_width.as_ref())?,
            entries,
            mac_areas: merged.mac_areas,
            area_only: merged.area_only,
            sram: required(file, "energy.sram", merged.sram)?,
            sram_leakage: required(file, "energy.sram-leakage", merged.sram_leakage)?,
            exclusions: required(file, "exclusions.components", merged.exclusions)?,
            sha256: layers::sha256(&files),
        })
    }

    /// Name of the technology, for table headers.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Node in nanometers.
    pub fn node_nm(&self) -> u32 {
        self.node_nm
    }

    /// SHA-256 of the file, hexadecimal; with a base, of the checksums of all files, one per line, the
    /// base first.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// What the file says about itself.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Parts of the chip that no energy of this technology contains.
    pub fn exclusions(&self) -> &[Exclusion] {
        &self.exclusions
    }

    /// Every entry with a key of its own, in key order, for cost tables.
    pub fn entries(&self) -> impl Iterator<Item = (&Action, &Lookup)> {
        self.entries.iter()
    }

    /// Energy of one action, or why it is left out. An action about which the file says nothing is an
    /// error.
    pub fn energy(&self, action: &Action) -> Result<Lookup, CostError> {
        self.has_energy()?;
        if let Some(entry) = self.entries.get(action) {
            return Ok(entry.clone());
        }
        if let Action::Accumulate(Adder::Integer(bits)) = action {
            match &self.other_adders {
                OtherAdders::Line(line) => {
                    if let Some(given) = line.at(*bits) {
                        return Ok(Lookup::Given(given));
                    }
                }
                OtherAdders::Excluded(reason) => return Ok(Lookup::Excluded { reason: reason.clone() }),
                OtherAdders::Missing => {}
            }
        }
        Err(CostError::MissingEnergy { technology: self.name.clone(), key: action.to_string() })
    }

    /// Why there is no energy at all, in a file that is about areas only.
    pub fn area_only(&self) -> Option<&str> {
        self.area_only.as_deref()
    }

    /// An error where the file is about areas only.
    fn has_energy(&self) -> Result<(), CostError> {
        match &self.area_only {
            None => Ok(()),
            Some(reason) => {
                Err(CostError::AreaOnly { technology: self.name.clone(), reason: reason.clone() })
            }
        }
    }

    /// Energy of one word of `width_bits` in one bank of `bytes_per_bank`, or why it is left out.
    ///
    /// The provenance says `Derived` and how, unless this very macro is in the table.
    pub fn sram(
        &self,
        bytes_per_bank: u64,
        width_bits: u32,
        access: SramAccess,
    ) -> Result<Lookup, CostError> {
        self.has_energy()?;
        match &self.sram {
            Sram::Table(table) => table
                .lookup(bytes_per_bank, width_bits, access)
                .map(Lookup::Given)
                .ok_or_else(|| CostError::MissingEnergy {
                    technology: self.name.clone(),
                    key: "energy.sram.rows".to_owned(),
                }),
            Sram::Excluded(reason) => Ok(Lookup::Excluded { reason: reason.clone() }),
        }
    }

    /// Where the scratchpads' numbers come from; None if they are excluded.
    pub fn sram_source(&self) -> Option<(&str, Standing)> {
        match &self.sram {
            Sram::Table(table) => Some(table.source()),
            Sram::Excluded(_) => None,
        }
    }

    /// Area in mm² of one bank, and how it was found if it is no tabulated macro; None where the file
    /// gives no areas.
    pub fn sram_area(&self, bytes_per_bank: u64, width_bits: u32) -> Option<(AreaRange, Option<String>)> {
        match &self.sram {
            Sram::Table(table) => table.area(bytes_per_bank, width_bits),
            Sram::Excluded(_) => None,
        }
    }

    /// Area of one multiplier with the adder of a partial sum of so many bits; None where the file says nothing.
    pub fn mac_area(&self, pair: OperandPair, partial_sum_bits: u8) -> Option<&AreaLookup> {
        self.mac_areas.get(&(pair, Some(partial_sum_bits))).or_else(|| self.mac_areas.get(&(pair, None)))
    }

    /// All areas of MACs, with the bits of the partial sum where the file tells them apart.
    pub fn mac_areas(&self) -> impl Iterator<Item = (OperandPair, Option<u8>, &AreaLookup)> {
        self.mac_areas.iter().map(|((pair, bits), area)| (*pair, *bits, area))
    }

    /// Least-squares power laws of the tabulated scratchpads, by width, reads before writes; those that
    /// look-ups use if the file says `method = "fit"`, and to be compared with otherwise.
    pub fn sram_fits(&self) -> Vec<SramFit> {
        match &self.sram {
            Sram::Table(table) => table.fits(),
            Sram::Excluded(_) => Vec::new(),
        }
    }

    /// Why SRAM leakage is left out: this version has no way to give it.
    pub fn sram_leakage_excluded_because(&self) -> &str {
        &self.sram_leakage
    }
}

/// The last word of several files on each key.
#[derive(Default)]
struct Merged<'a> {
    node_nm: Option<u32>,
    entries: KeyedEntries<'a>,
    any_width: Option<Located<'a>>,
    sram: Option<Sram>,
    mac_areas: MacAreas,
    area_only: Option<String>,
    sram_leakage: Option<String>,
    exclusions: Option<Vec<Exclusion>>,
}

impl<'a> Merged<'a> {
    /// Lays a file over what came before it.
    fn lay(&mut self, file: TechnologySource<'a>, mut raw: RawTechnology) -> Result<(), SourceError> {
        if let Some(node_nm) = &raw.node_nm {
            let own = file.node_nm("node_nm", *node_nm.get_ref(), node_nm)?;
            if let Some(base) = self.node_nm.filter(|base| *base != own) {
                let message = format!("`node_nm` is {own}, but the base is at {base} nm: leave it out");
                return Err(file.error(node_nm, message));
            }
            self.node_nm = Some(own);
        }
        if let Some(entry) = raw.energy.adder.remove(ANY_WIDTH) {
            self.any_width = Some(Located { file, entry });
        }
        if let Some(at) = raw.energy.sram.take() {
            self.sram = Some(sram(file, &at, self.sram.take())?);
        }
        if let Some(at) = raw.energy.sram_leakage.take() {
            self.sram_leakage = Some(sram_leakage(file, &at)?);
        }
        if let Some(own) = &raw.exclusions {
            let merged = self.exclusions.get_or_insert_default();
            for exclusion in exclusions(file, own)? {
                merged.retain(|earlier| earlier.what != exclusion.what);
                merged.push(exclusion);
            }
        }
        for (pair, entry) in &raw.area.mac {
            let (key, area) = mac_area(file, pair, entry)?;
            self.mac_areas.insert(key, area);
        }
        if let Some(reason) = &raw.area_only {
            self.area_only = Some(file.text("area_only", reason.get_ref(), reason)?);
        }
        override_by_action(&mut self.entries, file, raw.energy)
    }
}

impl Merged<'_> {
    /// A file that is about areas only need not say why each energy is missing, and has none.
    fn leave_energy_out(&mut self, file: TechnologySource<'_>) -> Result<(), SourceError> {
        let Some(reason) = &self.area_only else { return Ok(()) };
        let has_energy = !self.entries.is_empty() || self.any_width.is_some() || self.sram.is_some();
        if has_energy || self.sram_leakage.is_some() {
            let message =
                "`area_only` says that there is no energy, but `energy` gives some: leave one of them out";
            return Err(file.0.error_in_file(message.to_owned()));
        }
        self.sram = Some(Sram::Excluded(reason.clone()));
        self.sram_leakage = Some(reason.clone());
        self.exclusions.get_or_insert_default();
        Ok(())
    }
}

/// The value of a key that some file must give.
fn required<T>(file: TechnologySource<'_>, key: &str, value: Option<T>) -> Result<T, SourceError> {
    value.ok_or_else(|| file.0.error_in_file(format!("`{key}` is missing: give it, or a `base` that does")))
}

fn exclusions(file: TechnologySource<'_>, raw: &RawExclusions) -> Result<Vec<Exclusion>, SourceError> {
    let exclusion = |spanned: &Spanned<RawExclusion>| {
        let RawExclusion { name, reason } = spanned.get_ref();
        Ok(Exclusion {
            what: file.text("exclusions.components.name", name, spanned)?,
            reason: file.text("exclusions.components.reason", reason, spanned)?,
        })
    };
    raw.components.iter().map(exclusion).collect()
}

fn other_adders(
    rows: &BTreeMap<Action, Lookup>,
    any_width: Option<&Located<'_>>,
) -> Result<OtherAdders, SourceError> {
    const KEY: &str = "energy.adder.\"int*\"";
    let Some(Located { file, entry: at }) = any_width else { return Ok(OtherAdders::Missing) };
    let file = *file;
    match exactly_one(file, KEY, at)? {
        Entry::Derived(derived) => Ok(OtherAdders::Line(AdderLine::through(file, rows, KEY, derived, at)?)),
        Entry::Excluded(reason) => {
            Ok(OtherAdders::Excluded(file.text(&format!("{KEY}.excluded"), reason, at)?))
        }
        Entry::Row(_) | Entry::Borrowed(_) => {
            Err(file.error(at, format!("`{KEY}` is any width: expected `derived` or `excluded`")))
        }
    }
}

/// Scratchpads of a file; `method` alone changes those of its base.
fn sram(file: TechnologySource<'_>, at: &Spanned<RawSram>, base: Option<Sram>) -> Result<Sram, SourceError> {
    let RawSram { method, rows, excluded } = at.get_ref();
    match (rows, excluded, method, base) {
        (Some(rows), None, method, _) => {
            let table = sram_table(file, at, rows)?;
            with_method(file, at, method.unwrap_or(RawSramMethod::Interpolate), table)
        }
        (None, None, Some(method), Some(Sram::Table(table))) => with_method(file, at, *method, table),
        (None, Some(reason), None, _) => Ok(Sram::Excluded(file.text("energy.sram.excluded", reason, at)?)),
        _ => {
            let message = "`energy.sram` needs exactly one of `rows` and `excluded`; `method` belongs to `rows`, \
                           here or in the base";
            Err(file.error(at, message.to_owned()))
        }
    }
}

fn sram_table(
    file: TechnologySource<'_>,
    at: &Spanned<RawSram>,
    rows: &RawSramRows,
) -> Result<SramTable, SourceError> {
    const POINTS: &str = "energy.sram.rows.points";
    if rows.points.is_empty() {
        return Err(file.error(at, format!("`{POINTS}` is empty: expected at least one macro")));
    }
    let mut table =
        SramTable::new(file.text("energy.sram.rows.source", &rows.source, at)?, rows.standing.into());
    for spanned in &rows.points {
        let error = |message: String| file.error(spanned, format!("`{POINTS}`: {message}"));
        let RawSramPoint { bytes, width_bits, read_pj, write_pj, area_mm2 } = *spanned.get_ref();
        if bytes == 0 || width_bits == 0 {
            return Err(error("`bytes` and `width_bits` must be at least 1".to_owned()));
        }
        if area_mm2.is_some() != rows.points[0].get_ref().area_mm2.is_some() {
            return Err(error("expected `area_mm2` of every macro or of none".to_owned()));
        }
        let exactly = |pj| EnergyRange::per_action(pj, pj, pj).map_err(error);
        let point = SramPoint {
            read: exactly(read_pj)?,
            write: exactly(write_pj)?,
            area: area_mm2.map(|mm2| AreaRange::new(mm2, mm2, mm2).map_err(error)).transpose()?,
        };
        if !table.insert(bytes, width_bits, point) {
            return Err(error(format!("{bytes} bytes x {width_bits} bits stands twice")));
        }
    }
    Ok(table)
}

fn with_method(
    file: TechnologySource<'_>,
    at: &Spanned<RawSram>,
    method: RawSramMethod,
    table: SramTable,
) -> Result<Sram, SourceError> {
    let few = |(width_bits, macros)| {
        let needed = PowerLaw::MIN_MACROS;
        let message = format!(
            "`energy.sram.method` is \"fit\": expected at least {needed} macros of each width, \
             found {macros} of {width_bits} bits"
        );
        file.error(at, message)
    };
    match method {
        RawSramMethod::Interpolate => Ok(Sram::Table(table.interpolated())),
        RawSramMethod::Fit => table.fitted().map(Sram::Table).map_err(few),
    }
}

fn sram_leakage(file: TechnologySource<'_>, at: &Spanned<RawEntry>) -> Result<String, SourceError> {
    const KEY: &str = "energy.sram-leakage";
    match exactly_one(file, KEY, at)? {
        Entry::Excluded(reason) => file.text(&format!("{KEY}.excluded"), reason, at),
        Entry::Row(_) | Entry::Borrowed(_) | Entry::Derived(_) => {
            let message = format!("giving `{KEY}` is not in this version: expected `excluded = \"reason\"`");
            Err(file.error(at, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::cost::EnergyPerAction;

    const SMALL: &str = r#"schema_version = 1
name = "small"
node_nm = 7
[energy.multiplier."int8,int8"]
row = { pj = 0.5, source = "made up", standing = "user" }
[energy.multiplier."int4,int4"]
derived = { sum = [{ of = "multiplier.int8,int8", low = 0.2, typical = 0.25, high = 0.5 }], formula = "f", source = "s" }
[energy.adder.int8]
row = { pj = 2.0, low_pj = 1.0, high_pj = 4.0, source = "made up", standing = "published" }
[energy.adder.int32]
row = { pj = 5.0, source = "made up", standing = "synthesized" }
[energy.adder."int*"]
derived = { line_through = ["adder.int32", "adder.int8"], formula = "f", source = "s" }
[energy.adder.f32]
excluded = "not built"
[energy.register.bit]
borrowed = { pj = 0.2, low_pj = 0.1, high_pj = 0.3, node_nm = 40, scaling = "none", source = "made up" }
[energy.sram.rows]
source = "made up"
standing = "published-secondary"
points = [{ bytes = 8192, width_bits = 64, read_pj = 4.0, write_pj = 5.0 }]
[energy.sram-leakage]
excluded = "unknown"
[energy.dram."LPDDR4 x32"]
row = { pj = 11, source = "made up", standing = "user" }
[exclusions]
components = [{ name = "clock tree", reason = "unknown" }]
"#;

    fn small() -> Technology {
        Technology::parse(&SourceFile::embedded("small.toml", SMALL)).unwrap()
    }

    fn given(technology: &Technology, path: &str) -> EnergyPerAction {
        match technology.energy(&Action::parse(path).unwrap()).unwrap() {
            Lookup::Given(given) => given,
            Lookup::Excluded { reason } => panic!("{path} is excluded: {reason}"),
        }
    }

    fn bounds(energy: EnergyRange) -> [f64; 3] {
        [energy.low(), energy.typical(), energy.high()]
    }

    #[test]
    fn every_kind_of_entry_has_its_range_and_provenance() {
        let technology = small();
        for (path, pj, standing, derivation) in [
            ("multiplier.int8,int8", [0.5; 3], Standing::User, None),
            ("adder.int8", [1.0, 2.0, 4.0], Standing::Published, None),
            ("adder.int32", [5.0; 3], Standing::Synthesized, None),
            ("multiplier.int4,int4", [0.1, 0.125, 0.25], Standing::Derived, Some("f")),
            // low 5·16/32 against 1·16/8, high 4·16/8, typical a third of the way from 2 to 5
            ("adder.int16", [2.0, 3.0, 8.0], Standing::Derived, Some("f")),
            ("register.bit", [0.1, 0.2, 0.3], Standing::Borrowed, Some("from 40 nm: none")),
            ("dram.LPDDR4 x32", [11.0; 3], Standing::User, None),
        ] {
            let EnergyPerAction { energy, provenance } = given(&technology, path);
            assert_eq!((bounds(energy), provenance.standing), (pj, standing), "{path}");
            assert_eq!(provenance.derivation.as_deref(), derivation, "{path}");
        }
        let excluded = technology.energy(&Action::Accumulate(Adder::F32)).unwrap();
        assert_eq!(excluded, Lookup::Excluded { reason: "not built".to_owned() });
        let sram = technology.sram(8192, 64, SramAccess::Write).unwrap();
        assert!(matches!(sram, Lookup::Given(given) if bounds(given.energy) == [5.0; 3]));
        assert_eq!(technology.sram_leakage_excluded_because(), "unknown");
        assert_eq!(technology.exclusions()[0].what, "clock tree");
        assert_eq!((technology.name(), technology.node_nm(), technology.description()), ("small", 7, ""));
    }

    #[test]
    fn a_changed_row_changes_what_is_derived_from_it() {
        let text = SMALL
            .replace("pj = 0.5,", "pj = 5.0,")
            .replace("row = { pj = 5.0, source", "row = { pj = 50.0, source");
        let technology = Technology::parse(&SourceFile::embedded("small.toml", &text)).unwrap();
        assert_eq!(bounds(given(&technology, "multiplier.int4,int4").energy)[1], 12.5);
        assert_eq!(bounds(given(&technology, "adder.int16").energy)[1], 18.0);
    }

    const OVER_7NM: &str = r#"schema_version = 1
base = "7nm"
name = "mine"
[energy.multiplier."int8,int8".row]
pj = 0.05
source = "own synthesis"
standing = "user"
[energy.dram.GDDR7.row]
pj = 5.0
source = "own data sheet"
standing = "user"
[exclusions]
components = [{ name = "control", reason = "mine" }, { name = "package", reason = "unknown" }]
"#;

    fn parse(path: impl Into<std::path::PathBuf>, text: &str) -> Result<Technology, SourceError> {
        Technology::parse(&SourceFile::embedded(path, text))
    }

    #[test]
    fn a_file_with_a_base_changes_what_it_overrides_and_nothing_else() {
        let (_, text) = crate::cost::SHIPPED_TECHNOLOGIES[0];
        let (base, mine) = (parse("7nm.toml", text).unwrap(), parse("mine.toml", OVER_7NM).unwrap());
        assert_eq!((mine.name(), mine.node_nm(), mine.description()), ("mine", 7, ""));
        let follows =
            |action: &Action| matches!(action, Action::Multiply(pair) if !matches!(pair, OperandPair::Bf16));
        for (action, lookup) in base.entries() {
            let (Lookup::Given(theirs), Lookup::Given(ours)) = (lookup, mine.energy(action).unwrap()) else {
                panic!("{action} is excluded")
            };
            if action.to_string() == "energy.multiplier.\"int8,int8\"" {
                assert_eq!((bounds(ours.energy), ours.provenance.standing), ([0.05; 3], Standing::User));
                assert_eq!(ours.provenance.source, "own synthesis");
            } else if follows(action) {
                let ratio = ours.energy.typical() / theirs.energy.typical();
                assert!((ratio - 5.0 / 7.0).abs() < 1e-12, "{action}");
                assert_eq!(ours.provenance, theirs.provenance);
            } else {
                assert_eq!(ours, *theirs, "{action}");
            }
        }
        assert_eq!(mine.entries().count(), base.entries().count() + 1);
        assert_eq!(mine.sram, base.sram);
        let reason = |technology: &Technology, what: &str| {
            let found = technology.exclusions().iter().find(|exclusion| exclusion.what == what);
            found.map(|exclusion| exclusion.reason.clone())
        };
        assert_eq!(reason(&mine, "control").as_deref(), Some("mine"));
        assert_eq!(reason(&mine, "package").as_deref(), Some("unknown"));
        assert_eq!(reason(&mine, "clock tree"), reason(&base, "clock tree"));
    }

    #[test]
    fn the_checksum_covers_the_base() {
        let own = SourceFile::embedded("mine.toml", OVER_7NM).sha256();
        let base = SourceFile::embedded("7nm.toml", crate::cost::SHIPPED_TECHNOLOGIES[0].1).sha256();
        let both = SourceFile::embedded("", &format!("{base}\n{own}\n")).sha256();
        assert_eq!(parse("mine.toml", OVER_7NM).unwrap().sha256(), both);
        assert_eq!(small().sha256(), SourceFile::embedded("", SMALL).sha256());
    }

    #[test]
    fn a_base_is_a_file_beside_the_one_that_names_it_and_not_itself() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("first.toml", OVER_7NM);
        let second =
            "schema_version = 1\nbase = \"first.toml\"\nname = \"second\"\n[energy.sram]\nmethod = \"fit\"\n";
        let technology = parse(folder.path().join("second.toml"), second).unwrap();
        assert_eq!(bounds(given(&technology, "multiplier.int8,int8").energy), [0.05; 3]);
        let Lookup::Given(fitted) = technology.sram(8192, 64, SramAccess::Read).unwrap() else { panic!() };
        assert!(fitted.provenance.derivation.unwrap().contains("power law through 3 macros"));

        write("first.toml", &OVER_7NM.replace("\"7nm\"", "\"second.toml\""));
        write("second.toml", second);
        let error = parse(folder.path().join("second.toml"), second).unwrap_err().to_string();
        assert!(error.contains("first.toml:2:8: `base`: `second.toml` is based on itself"), "{error}");
    }

    #[test]
    fn an_override_says_where_it_comes_from() {
        let text = OVER_7NM.replacen("source = \"own synthesis\"\n", "", 1);
        let error = parse("mine.toml", &text).unwrap_err().to_string();
        assert!(error.contains("mine.toml:4") && error.contains("missing field `source`"), "{error}");
        let text = OVER_7NM.replacen("pj = 0.05", "pj = 0.05\nunit = \"pJ\"", 1);
        let error = parse("mine.toml", &text).unwrap_err().to_string();
        assert!(error.contains("unknown field `unit`"), "{error}");
    }

    #[test]
    fn an_action_neither_given_nor_excluded_is_an_error_naming_the_key() {
        for (path, key) in [
            ("multiplier.uint8,int8", "energy.multiplier.\"uint8,int8\""),
            ("adder.int33", "energy.adder.int33"),
            ("vector.add.f32", "energy.vector.add.f32"),
            ("dram.HBM2", "energy.dram.HBM2"),
        ] {
            let error = small().energy(&Action::parse(path).unwrap()).unwrap_err();
            let expected = CostError::MissingEnergy { technology: "small".to_owned(), key: key.to_owned() };
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn the_any_width_adder_and_the_sram_can_be_excluded() {
        let line =
            "derived = { line_through = [\"adder.int32\", \"adder.int8\"], formula = \"f\", source = \"s\" }";
        let (before, rest) = SMALL.split_once("[energy.sram.rows]").unwrap();
        let (_, after) = rest.split_once("[energy.sram-leakage]").unwrap();
        let text = format!("{before}[energy.sram]\nexcluded = \"no\"\n[energy.sram-leakage]{after}");
        let technology =
            Technology::parse(&SourceFile::embedded("small.toml", &text.replace(line, "excluded = \"no\"")))
                .unwrap();
        let no = Lookup::Excluded { reason: "no".to_owned() };
        assert_eq!(technology.energy(&Action::Accumulate(Adder::Integer(16))), Ok(no.clone()));
        assert_eq!(technology.sram(8192, 64, SramAccess::Read), Ok(no));
    }

    /// Each case replaces one text of the small file; the error contains the message, and its span the
    /// place.
    #[test]
    fn a_malformed_file_is_refused_with_key_and_place() {
        struct Case {
            replace: &'static str,
            with: &'static str,
            message: &'static str,
            place: &'static str,
        }
        let case = |replace, with, message, place| Case { replace, with, message, place };
        let mut failures = Vec::new();
        let int8_row = "row = { pj = 0.5, source = \"made up\", standing = \"user\" }";
        for Case { replace, with, message, place } in [
            case("name = \"small\"", "name = small", "string values must be quoted", "small"),
            case("schema_version = 1", "schema_version = 2", "`schema_version` is 2: expected 1", "2"),
            case("schema_version = 1\n", "", "`schema_version` is missing", ""),
            case("\"small\"", "\" \"", "`name` is empty", "\" \""),
            case("node_nm = 7", "node_nm = 0", "`node_nm` is 0: expected 1 to 1000 nm", "0"),
            case(
                "node_nm = 40",
                "node_nm = 0",
                "register.bit.borrowed.node_nm` is 0",
                "[energy.register.bit]",
            ),
            case("node_nm = 7", "node_nm = 7\nvoltage = 1", "unknown field `voltage`", "voltage"),
            case("[exclusions]", "[area]\nmultiplier = 1\n[exclusions]", "unknown field", "multiplier"),
            case(
                "[exclusions]",
                "[area.mac.\"int8,int9\"]\nexcluded = \"no\"\n[exclusions]",
                "unknown key `area.mac.int8,int9`",
                "[area.mac",
            ),
            case(
                "[exclusions]",
                "[area.mac.\"int8,int8\"]\n[exclusions]",
                "`area.mac.\"int8,int8\"` needs exactly one of `row`, `borrowed` and `excluded`",
                "[area.mac",
            ),
            case(
                "[exclusions]",
                "[area.mac.\"int8,int8\".row]\num2 = 0\nsource = \"s\"\nstanding = \"user\"\n[exclusions]",
                "expected 0 < low",
                "\"int8,int8\"",
            ),
            case(
                int8_row,
                "",
                "`energy.multiplier.\"int8,int8\"` needs exactly one of",
                "[energy.multiplier",
            ),
            case(
                int8_row,
                "excluded = \"no\"\nrow = { pj = 1.0, source = \"s\", standing = \"user\" }",
                "needs exactly one of",
                "[energy.multiplier",
            ),
            case(int8_row, "excluded = \"\"", "int8,int8\".excluded` is empty", "[energy.multiplier"),
            case("pj = 0.5", "pj = nan", "int8,int8\".row`: low energy is NaN pJ", "[energy.multiplier"),
            case(
                "pj = 0.5",
                "pj = -0.5",
                "low energy is -0.5 pJ: expected more than 0",
                "[energy.multiplier",
            ),
            case("pj = 0.5", "pj = 0", "low energy is 0 pJ", "[energy.multiplier"),
            case("pj = 0.5", "pj = 5e6", "at most 1000000 pJ", "[energy.multiplier"),
            case("pj = 0.5", "pj = 0.5, unit = \"pJ\"", "unknown field `unit`", "unit"),
            case(
                "pj = 0.5",
                "pj = \"0.5\"",
                "string \"0.5\": expected a number; write 0.5 without quotes",
                "\"0.5\"",
            ),
            case(
                "\"user\" }\n[energy.multiplier",
                "\"derived\" }\n[energy.multiplier",
                "unknown variant `derived`",
                "\"derived\"",
            ),
            case(
                "low_pj = 1.0",
                "low_pj = 3.0",
                "low energy 3 pJ is above the typical 2 pJ",
                "[energy.adder.int8]",
            ),
            case(
                "high_pj = 4.0",
                "high_pj = 1.5",
                "typical energy 2 pJ is above the high 1.5 pJ",
                "[energy.adder.int8]",
            ),
            case("low_pj = 0.1, ", "", "missing field `low_pj`", "{ pj = 0.2"),
            case(
                "scaling = \"none\"",
                "scaling = \" \"",
                "register.bit.borrowed.scaling` is empty",
                "[energy.register.bit]",
            ),
            case(
                "\"int8,int8\"]",
                "\"int8,int9\"]",
                "unknown key `energy.multiplier.int8,int9`",
                "[energy.multiplier",
            ),
            case(
                "[energy.register.bit]",
                "[energy.register.byte]",
                "unknown key `energy.register.byte`",
                "[energy.register",
            ),
            case("node_nm = 7", "base = \"5nm\"", "unknown base `5nm`; expected a path", "\"5nm\""),
            case("node_nm = 7", "base = \"none.toml\"", "none.toml: cannot read", "\"none.toml\""),
            case(
                "node_nm = 7",
                "node_nm = 5\nbase = \"7nm\"",
                "`node_nm` is 5, but the base is at 7 nm: leave it out",
                "5",
            ),
            case("[energy.dram.", "[energy.flash.", "unknown field `flash`", "flash"),
            case(
                "of = \"multiplier.int8,int8\"",
                "of = \"multiplier.bf16,bf16\"",
                "`energy.multiplier.\"bf16,bf16\"` is neither",
                "\"multiplier.bf16,bf16\"",
            ),
            case(
                "of = \"multiplier.int8,int8\"",
                "of = \"multiplier.int4,int4\"",
                "`energy.multiplier.\"int4,int4\"` is neither",
                "\"multiplier.int4,int4\"",
            ),
            case(
                "of = \"multiplier.int8,int8\"",
                "of = \"adder.f32\"",
                "`energy.adder.f32` is neither",
                "\"adder.f32\"",
            ),
            case(
                "of = \"multiplier.int8,int8\"",
                "of = \"multiplier\"",
                "unknown reference `multiplier`",
                "\"multiplier\"",
            ),
            case(
                "low = 0.2",
                "low = -1",
                "factor `low` is -1: expected 0 to 1000000",
                "\"multiplier.int8,int8\"",
            ),
            case("low = 0.2", "low = inf", "factor `low` is inf", "\"multiplier.int8,int8\""),
            case(
                "low = 0.2",
                "low = 0.3",
                "low energy 0.15 pJ is above the typical 0.125 pJ",
                "[energy.multiplier.\"int4,int4\"]",
            ),
            case(
                "formula = \"f\"",
                "formula = \"\"",
                "int4,int4\".derived.formula` is empty",
                "[energy.multiplier.\"int4,int4\"]",
            ),
            case(
                "sum = [{",
                "line_through = [\"adder.int8\", \"adder.int32\"], sum = [{",
                "int4,int4\".derived`: expected `sum`",
                "[energy.multiplier.\"int4,int4\"]",
            ),
            case(
                "\"adder.int32\", \"adder.int8\"",
                "\"adder.int8\", \"adder.int8\"",
                "two different widths",
                "[energy.adder.\"int*\"]",
            ),
            case(
                "\"adder.int32\", \"adder.int8\"",
                "\"adder.int32\", \"register.bit\"",
                "`energy.register.bit` is no integer adder",
                "\"register.bit\"",
            ),
            case(
                "\"adder.int32\", \"adder.int8\"",
                "\"adder.int32\", \"adder.int4\"",
                "`energy.adder.int4` is neither",
                "\"adder.int4\"",
            ),
            case(
                "line_through = [\"adder.int32\", \"adder.int8\"]",
                "sum = []",
                "\"int*\".derived`: expected `line_through`",
                "[energy.adder.\"int*\"]",
            ),
            case(
                "[energy.adder.int8]",
                "[energy.adder.\"int*\".row]\npj = 1\nsource = \"s\"\nstanding = \"user\"\n[energy.adder.int8]",
                "needs exactly one of",
                "[energy.adder.\"int*\"",
            ),
            case(
                "points = [{ bytes = 8192, width_bits = 64, read_pj = 4.0, write_pj = 5.0 }]",
                "points = []",
                "`energy.sram.rows.points` is empty",
                "sram",
            ),
            case(
                "write_pj = 5.0 }",
                "write_pj = 5.0 }, { bytes = 8192, width_bits = 64, read_pj = 1, write_pj = 1 }",
                "8192 bytes x 64 bits stands twice",
                "{ bytes = 8192, width_bits = 64, read_pj = 1,",
            ),
            case(
                "[energy.sram.rows]",
                "[energy.sram]\nmethod = \"fit\"\n[energy.sram.rows]",
                "expected at least 3 macros of each width, found 1 of 64 bits",
                "[energy.sram]",
            ),
            case(
                "[energy.sram.rows]",
                "[energy.sram]\nmethod = \"spline\"\n[energy.sram.rows]",
                "unknown variant `spline`, expected `interpolate` or `fit`",
                "\"spline\"",
            ),
            case("width_bits = 64", "width_bits = 0", "must be at least 1", "{ bytes"),
            case("read_pj = 4.0", "read_pj = nan", "`energy.sram.rows.points`: low energy is NaN", "{ bytes"),
            case("[energy.sram-leakage]\nexcluded = \"unknown\"", "", "`energy.sram-leakage` is missing", ""),
            case("node_nm = 7\n", "", "`node_nm` is missing: give it, or a `base` that does", ""),
            case(
                "excluded = \"unknown\"",
                "row = { pj = 1, source = \"s\", standing = \"user\" }",
                "giving `energy.sram-leakage` is not in this version",
                "[energy.sram-leakage]",
            ),
            case(
                "reason = \"unknown\"",
                "reason = \"\"",
                "`exclusions.components.reason` is empty",
                "{ name = \"clock tree\"",
            ),
        ] {
            assert!(SMALL.contains(replace), "no `{replace}` to replace");
            let text = SMALL.replacen(replace, with, 1);
            let Err(SourceError::Invalid { file, span, message: found }) =
                Technology::parse(&SourceFile::embedded("small.toml", &text))
            else {
                failures.push(format!("accepted: {with}"));
                continue;
            };
            let found_place = span.map_or("", |span| &text[span]);
            if file.path() != Path::new("small.toml")
                || !found.contains(message)
                || !found_place.starts_with(place)
            {
                failures.push(format!("{found:?} at {found_place:?}, not {message:?} at {place:?}"));
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}
