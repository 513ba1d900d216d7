//! From the entries of a technology file to the energies of actions.

use std::collections::BTreeMap;

use crate::source::{SourceError, Spanned};

use super::technology_file::{RawBorrowed, RawDerived, RawEnergy, RawEntries, RawEntry, RawRow};
use super::technology_source::TechnologySource;
use super::{Action, EnergyPerAction, EnergyRange, Lookup, Provenance, Standing, formula};

/// An entry and the file it stands in.
pub(super) struct Located<'a> {
    pub(super) file: TechnologySource<'a>,
    pub(super) entry: Spanned<RawEntry>,
}

/// Entries under the action their key names.
pub(super) type KeyedEntries<'a> = BTreeMap<Action, Located<'a>>;

/// Files every entry of the tables with free keys under its action, in place of an earlier one.
pub(super) fn override_by_action<'a>(
    entries: &mut KeyedEntries<'a>,
    file: TechnologySource<'a>,
    energy: RawEnergy,
) -> Result<(), SourceError> {
    let mut insert = |component: &str, table: RawEntries| {
        for (key, entry) in table {
            let path = format!("{component}.{key}");
            let Some(action) = Action::parse(&path) else {
                return Err(file.error(&entry, format!("unknown key `energy.{path}`: {}", Action::EXPECTED)));
            };
            entries.insert(action, Located { file, entry });
        }
        Ok(())
    };
    insert("multiplier", energy.multiplier)?;
    insert("adder", energy.adder)?;
    insert("register", energy.register)?;
    for (operation, formats) in energy.vector {
        insert(&format!("vector.{operation}"), formats)?;
    }
    insert("dram", energy.dram)?;
    insert("reference", energy.reference)
}

/// Evaluates every entry: first those with numbers of their own, then those derived from them.
pub(super) fn evaluate(entries: &KeyedEntries<'_>) -> Result<BTreeMap<Action, Lookup>, SourceError> {
    let mut lookups = BTreeMap::new();
    let mut derived_entries = Vec::new();
    for (action, Located { file, entry }) in entries {
        let file = *file;
        let key = action.to_string();
        let lookup = match exactly_one(file, &key, entry)? {
            Entry::Row(row) => Lookup::Given(of_row(file, &key, row, entry)?),
            Entry::Borrowed(borrowed) => Lookup::Given(of_borrowed(file, &key, borrowed, entry)?),
            Entry::Excluded(reason) => {
                Lookup::Excluded { reason: file.text(&format!("{key}.excluded"), reason, entry)? }
            }
            Entry::Derived(derived) => {
                derived_entries.push((file, action, derived, entry));
                continue;
            }
        };
        lookups.insert(action.clone(), lookup);
    }
    let mut derived_lookups = BTreeMap::new();
    for (file, action, derived, entry) in derived_entries {
        let given = formula::sum(file, &lookups, &action.to_string(), derived, entry)?;
        derived_lookups.insert(action.clone(), Lookup::Given(given));
    }
    lookups.append(&mut derived_lookups);
    Ok(lookups)
}

/// What an entry is.
pub(super) enum Entry<'a> {
    Row(&'a RawRow),
    Borrowed(&'a RawBorrowed),
    Derived(&'a RawDerived),
    Excluded(&'a str),
}

/// The rule of every entry.
pub(super) fn exactly_one<'a>(
    file: TechnologySource<'_>,
    key: &str,
    entry: &'a Spanned<RawEntry>,
) -> Result<Entry<'a>, SourceError> {
    match entry.get_ref() {
        RawEntry { row: Some(row), borrowed: None, derived: None, excluded: None } => Ok(Entry::Row(row)),
        RawEntry { row: None, borrowed: Some(borrowed), derived: None, excluded: None } => {
            Ok(Entry::Borrowed(borrowed))
        }
        RawEntry { row: None, borrowed: None, derived: Some(derived), excluded: None } => {
            Ok(Entry::Derived(derived))
        }
        RawEntry { row: None, borrowed: None, derived: None, excluded: Some(reason) } => {
            Ok(Entry::Excluded(reason))
        }
        _ => Err(file.error(
            entry,
            format!("`{key}` needs exactly one of `row`, `borrowed`, `derived` and `excluded`"),
        )),
    }
}

fn of_row(
    file: TechnologySource<'_>,
    key: &str,
    row: &RawRow,
    at: &Spanned<RawEntry>,
) -> Result<EnergyPerAction, SourceError> {
    let (low, high) = (row.low_pj.unwrap_or(row.pj), row.high_pj.unwrap_or(row.pj));
    let energy = EnergyRange::per_action(low, row.pj, high)
        .map_err(|message| file.error(at, format!("`{key}.row`: {message}")))?;
    let source = file.text(&format!("{key}.row.source"), &row.source, at)?;
    Ok(EnergyPerAction {
        energy,
        provenance: Provenance { standing: row.standing.into(), source, derivation: None },
    })
}

fn of_borrowed(
    file: TechnologySource<'_>,
    key: &str,
    borrowed: &RawBorrowed,
    at: &Spanned<RawEntry>,
) -> Result<EnergyPerAction, SourceError> {
    let key = format!("{key}.borrowed");
    let energy = EnergyRange::per_action(borrowed.low_pj, borrowed.pj, borrowed.high_pj)
        .map_err(|message| file.error(at, format!("`{key}`: {message}")))?;
    let node_nm = file.node_nm(&format!("{key}.node_nm"), borrowed.node_nm, at)?;
    let scaling = file.text(&format!("{key}.scaling"), &borrowed.scaling, at)?;
    let provenance = Provenance {
        standing: Standing::Borrowed,
        source: file.text(&format!("{key}.source"), &borrowed.source, at)?,
        derivation: Some(format!("from {node_nm} nm: {scaling}")),
    };
    Ok(EnergyPerAction { energy, provenance })
}
