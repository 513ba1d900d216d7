//! From the entries of a technology file to the energies of actions.
//!
//! Knows single entries, each in its file; must not know what several files make of them.

use std::collections::BTreeMap;

use crate::cost::{Action, EnergyPerAction, EnergyRange, Lookup, Provenance, Standing};
use crate::source::{SourceError, Spanned};

use super::formula;
use super::raw::{RawBorrowed, RawDerived, RawEnergy, RawEntries, RawEntry, RawRow};
use super::source::TechnologySource;

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

#[cfg(test)]
mod tests {
    use crate::cost::technology::fixture::{INT8_ROW, assert_refused, case};

    #[test]
    fn malformed_entries_are_refused_with_key_and_place() {
        assert_refused(&[
            case(
                "node_nm = 40",
                "node_nm = 0",
                "register.bit.borrowed.node_nm` is 0",
                "[energy.register.bit]",
            ),
            case(
                INT8_ROW,
                "",
                "`energy.multiplier.\"int8,int8\"` needs exactly one of",
                "[energy.multiplier",
            ),
            case(
                INT8_ROW,
                "excluded = \"no\"\nrow = { pj = 1.0, source = \"s\", standing = \"user\" }",
                "needs exactly one of",
                "[energy.multiplier",
            ),
            case(INT8_ROW, "excluded = \"\"", "int8,int8\".excluded` is empty", "[energy.multiplier"),
            case("pj = 0.5", "pj = nan", "int8,int8\".row`: low energy is NaN pJ", "[energy.multiplier"),
            case(
                "pj = 0.5",
                "pj = -0.5",
                "low energy is -0.5 pJ: expected more than 0",
                "[energy.multiplier",
            ),
            case("pj = 0.5", "pj = 0", "low energy is 0 pJ", "[energy.multiplier"),
            case("pj = 0.5", "pj = 5e6", "at most 1000000 pJ", "[energy.multiplier"),
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
        ]);
    }
}
