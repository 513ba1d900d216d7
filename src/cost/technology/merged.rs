//! Several technology files laid over each other: the last word on each key.
//!
//! Knows what each table of a file replaces in its base; must not know what a key costs.

use crate::cost::Exclusion;
use crate::source::SourceError;

use super::adders::ANY_WIDTH;
use super::entry::{KeyedEntries, Located, override_by_action};
use super::exclusions::exclusions;
use super::mac_area::{MacAreas, mac_area};
use super::raw::RawTechnology;
use super::scratchpads::{Sram, sram, sram_leakage};
use super::source::TechnologySource;

/// The last word of several files on each key.
#[derive(Default)]
pub(super) struct Merged<'a> {
    pub(super) node_nm: Option<u32>,
    pub(super) entries: KeyedEntries<'a>,
    pub(super) any_width: Option<Located<'a>>,
    pub(super) sram: Option<Sram>,
    pub(super) mac_areas: MacAreas,
    pub(super) area_only: Option<String>,
    pub(super) sram_leakage: Option<String>,
    pub(super) exclusions: Option<Vec<Exclusion>>,
}

impl<'a> Merged<'a> {
    /// Lays a file over what came before it.
    pub(super) fn lay(
        &mut self,
        file: TechnologySource<'a>,
        mut raw: RawTechnology,
    ) -> Result<(), SourceError> {
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

    /// A file that is about areas only need not say why each energy is missing, and has none.
    pub(super) fn leave_energy_out(&mut self, file: TechnologySource<'_>) -> Result<(), SourceError> {
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
pub(super) fn required<T>(file: TechnologySource<'_>, key: &str, value: Option<T>) -> Result<T, SourceError> {
    value.ok_or_else(|| file.0.error_in_file(format!("`{key}` is missing: give it, or a `base` that does")))
}

#[cfg(test)]
mod tests {
    use crate::cost::technology::fixture::{OVER_7NM, assert_refused, bounds, case, parse};
    use crate::cost::{Action, Lookup, SHIPPED_TECHNOLOGIES, Standing, Technology};
    use crate::numerics::OperandPair;

    #[test]
    fn a_file_with_a_base_changes_what_it_overrides_and_nothing_else() {
        let (_, text) = SHIPPED_TECHNOLOGIES[0];
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
    fn an_override_says_where_it_comes_from() {
        let text = OVER_7NM.replacen("source = \"own synthesis\"\n", "", 1);
        let error = parse("mine.toml", &text).unwrap_err().to_string();
        assert!(error.contains("mine.toml:4") && error.contains("missing key `source`"), "{error}");
        let text = OVER_7NM.replacen("pj = 0.05", "pj = 0.05\nunit = \"pJ\"", 1);
        let error = parse("mine.toml", &text).unwrap_err().to_string();
        assert!(error.contains("unknown key `unit`"), "{error}");
    }

    #[test]
    fn what_files_disagree_on_or_leave_out_is_refused_with_key_and_place() {
        assert_refused(&[
            case("\"small\"", "\" \"", "`name` is empty", "\" \""),
            case("node_nm = 7", "node_nm = 0", "`node_nm` is 0: expected 1 to 1000 nm", "0"),
            case(
                "node_nm = 7",
                "node_nm = 5\nbase = \"7nm\"",
                "`node_nm` is 5, but the base is at 7 nm: leave it out",
                "5",
            ),
            case("[energy.sram-leakage]\nexcluded = \"unknown\"", "", "`energy.sram-leakage` is missing", ""),
            case("node_nm = 7\n", "", "`node_nm` is missing: give it, or a `base` that does", ""),
        ]);
    }
}
