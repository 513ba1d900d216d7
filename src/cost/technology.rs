//! A technology: what each action costs, with its range and source.
//!
//! Knows what a file says and answers for single actions, macros and MACs; must not know how often they occur.

mod adders;
mod entry;
mod exclusions;
#[cfg(test)]
mod fixture;
mod formula;
mod layers;
mod mac_area;
mod merged;
mod raw;
mod scratchpads;
mod source;

use std::collections::BTreeMap;

use crate::numerics::OperandPair;
use crate::source::{SourceError, SourceFile};
use crate::timing::Adder;

use super::{Action, AreaLookup, AreaRange, CostError, Exclusion, Lookup, SramAccess, SramFit, Standing};
use adders::OtherAdders;
use entry::evaluate;
use mac_area::MacAreas;
use merged::{Merged, required};
use raw::RawTechnology;
use scratchpads::Sram;
use source::TechnologySource;

pub use raw::schema;

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
            other_adders: OtherAdders::new(&entries, merged.any_width.as_ref())?,
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
        if let Action::Accumulate(Adder::Integer(bits)) = action
            && let Some(other) = self.other_adders.lookup(*bits)
        {
            return Ok(other);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::EnergyPerAction;
    use fixture::{bounds, given, small};

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
}
