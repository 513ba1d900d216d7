//! Integer adders of widths that have no entry of their own: `energy.adder."int*"`.
//!
//! Knows two given adders and the line through them; must not know which widths a design has.

use crate::cost::{Action, EnergyPerAction, EnergyRange, Lookup, Provenance};
use crate::source::{SourceError, Spanned};
use crate::timing::Adder;

use super::entry::{Entry, Located, exactly_one};
use super::formula::{Rows, provenance, row};
use super::raw::{RawDerived, RawEntry};
use super::source::TechnologySource;

/// The key for integer adders of any other width.
pub(super) const ANY_WIDTH: &str = "int*";

/// Integer adders without an entry of their own.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum OtherAdders {
    Missing,
    Line(AdderLine),
    Excluded(String),
}

impl OtherAdders {
    /// What the entry says, its references being to `rows`.
    pub(super) fn new(rows: &Rows, any_width: Option<&Located<'_>>) -> Result<Self, SourceError> {
        const KEY: &str = "energy.adder.\"int*\"";
        let Some(Located { file, entry: at }) = any_width else { return Ok(Self::Missing) };
        let file = *file;
        match exactly_one(file, KEY, at)? {
            Entry::Derived(derived) => Ok(Self::Line(AdderLine::through(file, rows, KEY, derived, at)?)),
            Entry::Excluded(reason) => {
                Ok(Self::Excluded(file.text(&format!("{KEY}.excluded"), reason, at)?))
            }
            Entry::Row(_) | Entry::Borrowed(_) => {
                Err(file.error(at, format!("`{KEY}` is any width: expected `derived` or `excluded`")))
            }
        }
    }

    /// Energy of an adder of `bits`, or why it is left out; None where nothing is said of this width.
    pub(super) fn lookup(&self, bits: u8) -> Option<Lookup> {
        match self {
            Self::Missing => None,
            Self::Line(line) => line.at(bits).map(Lookup::Given),
            Self::Excluded(reason) => Some(Lookup::Excluded { reason: reason.clone() }),
        }
    }
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
    fn through(
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
    fn at(&self, bits: u8) -> Option<EnergyPerAction> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::technology::fixture::{SMALL, assert_refused, case, parse};

    #[test]
    fn the_any_width_adder_can_be_excluded() {
        let line =
            "derived = { line_through = [\"adder.int32\", \"adder.int8\"], formula = \"f\", source = \"s\" }";
        assert!(SMALL.contains(line));
        let technology = parse("small.toml", &SMALL.replace(line, "excluded = \"no\"")).unwrap();
        let no = Lookup::Excluded { reason: "no".to_owned() };
        assert_eq!(technology.energy(&Action::Accumulate(Adder::Integer(16))), Ok(no));
    }

    #[test]
    fn lines_that_cannot_be_are_refused_with_key_and_place() {
        assert_refused(&[
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
        ]);
    }
}
