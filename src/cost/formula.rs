//! Energies derived from other rows of the same technology file.

use std::collections::BTreeMap;

use crate::source::{SourceError, Spanned};

use super::technology_file::{RawDerived, RawEntry};
use super::technology_source::TechnologySource;
use super::{Action, EnergyPerAction, EnergyRange, Lookup, Provenance, Standing};
use crate::timing::Adder;

/// Largest factor of a term.
const MAX_FACTOR: f64 = 1e6;

/// Entries with numbers of their own.
type Rows = BTreeMap<Action, Lookup>;

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

/// Integer adders of any width from one given adder to another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AdderLine {
    narrow: (u8, EnergyRange),
    wide: (u8, EnergyRange),
    provenance: Provenance,
}

impl AdderLine {
    /// The line through the two adders that `derived` names.
    pub(super) fn through(
        file: TechnologySource<'_>,
        rows: &Rows,
        key: &str,
        derived: &RawDerived,
        at: &Spanned<RawEntry>,
    ) -> Result<Self, SourceError> {
        let key = format!("{key}.derived");
        let (None, Some([first, second])) = (&derived.sum, &derived.line_through) else {
            return Err(file.error(at, format!("`{key}`: expected `line_through` two integer adders")));
        };
        let adder = |reference: &Spanned<String>| match row(file, rows, reference)? {
            (Action::Accumulate(Adder::Integer(bits)), energy) => Ok((bits, energy)),
            (other, _) => {
                Err(file.error(reference, format!("`{other}` is no integer adder such as `adder.int8`")))
            }
        };
        let (first, second) = (adder(first)?, adder(second)?);
        let (narrow, wide) = if first.0 < second.0 { (first, second) } else { (second, first) };
        if narrow.0 == wide.0 {
            return Err(
                file.error(at, format!("`{key}.line_through`: expected adders of two different widths"))
            );
        }
        Ok(Self { narrow, wide, provenance: provenance(file, &key, derived, at)? })
    }

    /// Energy of an adder of `bits`; None outside the two widths.
    ///
    /// Typical is the straight line through both; low and high are the two proportional scalings
    /// energy · bits / width, between which the line lies.
    pub(super) fn at(&self, bits: u8) -> Option<EnergyPerAction> {
        let ((narrow, narrow_energy), (wide, wide_energy)) = (self.narrow, self.wide);
        if !(narrow..=wide).contains(&bits) {
            return None;
        }
        let position = f64::from(bits - narrow) / f64::from(wide - narrow);
        let line = narrow_energy.typical() + position * (wide_energy.typical() - narrow_energy.typical());
        let scaled = |energy: EnergyRange, width: u8| energy.times(f64::from(bits) / f64::from(width));
        let energy = scaled(narrow_energy, narrow).spanning(scaled(wide_energy, wide), line);
        Some(EnergyPerAction { energy, provenance: self.provenance.clone() })
    }
}

/// The row that a reference such as `adder.int32` names.
fn row(
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

fn provenance(
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
