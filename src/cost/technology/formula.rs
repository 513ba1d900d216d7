//! Energies derived from other rows of the same technology file.
//!
//! Knows rows by reference and their sums; must not know where rows come from.

use std::collections::BTreeMap;

use crate::cost::{Action, EnergyPerAction, EnergyRange, Lookup, Provenance, Standing};
use crate::source::{SourceError, Spanned};

use super::raw::{RawDerived, RawEntry};
use super::source::TechnologySource;

/// Largest factor of a term.
const MAX_FACTOR: f64 = 1e6;

/// Entries with numbers of their own.
pub(super) type Rows = BTreeMap<Action, Lookup>;

/// Σ factor · row, bound by bound.
pub(super) fn sum(
    file: TechnologySource<'_>,
    rows: &Rows,
    key: &str,
    derived: &RawDerived,
    at: &Spanned<RawEntry>,
) -> Result<EnergyPerAction, SourceError> {
    let key = format!("{key}.derived");
    let (Some(terms), None) = (&derived.sum, &derived.line_through) else {
        let message = format!("`{key}`: expected `sum` (`line_through` belongs to `energy.adder.\"int*\"`)");
        return Err(file.error(at, message));
    };
    let (mut low, mut typical, mut high) = (0.0, 0.0, 0.0);
    for term in terms {
        for (name, value) in [("low", term.low), ("typical", term.typical), ("high", term.high)] {
            if !(0.0..=MAX_FACTOR).contains(&value) {
                let message = format!("`{key}.sum`: factor `{name}` is {value}: expected 0 to {MAX_FACTOR}");
                return Err(file.error(&term.of, message));
            }
        }
        let (_, energy) = row(file, rows, &term.of)?;
        low += term.low * energy.low();
        typical += term.typical * energy.typical();
        high += term.high * energy.high();
    }
    let energy = EnergyRange::per_action(low, typical, high)
        .map_err(|message| file.error(at, format!("`{key}`: {message}")))?;
    Ok(EnergyPerAction { energy, provenance: provenance(file, &key, derived, at)? })
}

/// The row that a reference such as `adder.int32` names.
pub(super) fn row(
    file: TechnologySource<'_>,
    rows: &Rows,
    reference: &Spanned<String>,
) -> Result<(Action, EnergyRange), SourceError> {
    let name = reference.get_ref();
    let Some(action) = Action::parse(name) else {
        return Err(file.error(reference, format!("unknown reference `{name}`: {}", Action::EXPECTED)));
    };
    match rows.get(&action) {
        Some(Lookup::Given(given)) if given.provenance.standing != Standing::Derived => {
            Ok((action, given.energy))
        }
        _ => Err(file.error(
            reference,
            format!(
                "`{action}` is neither a `row` nor `borrowed` in this technology, so nothing is derived from it"
            ),
        )),
    }
}

/// Where an energy comes from that `derived` says.
pub(super) fn provenance(
    file: TechnologySource<'_>,
    key: &str,
    derived: &RawDerived,
    at: &Spanned<RawEntry>,
) -> Result<Provenance, SourceError> {
    Ok(Provenance {
        standing: Standing::Derived,
        source: file.text(&format!("{key}.source"), &derived.source, at)?,
        derivation: Some(file.text(&format!("{key}.formula"), &derived.formula, at)?),
    })
}

#[cfg(test)]
mod tests {
    use crate::cost::technology::fixture::{SMALL, assert_refused, bounds, case, given, parse};

    #[test]
    fn a_changed_row_changes_what_is_derived_from_it() {
        let text = SMALL
            .replace("pj = 0.5,", "pj = 5.0,")
            .replace("row = { pj = 5.0, source", "row = { pj = 50.0, source");
        let technology = parse("small.toml", &text).unwrap();
        assert_eq!(bounds(given(&technology, "multiplier.int4,int4").energy)[1], 12.5);
        assert_eq!(bounds(given(&technology, "adder.int16").energy)[1], 18.0);
    }

    #[test]
    fn sums_that_cannot_be_are_refused_with_key_and_place() {
        assert_refused(&[
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
        ]);
    }
}
