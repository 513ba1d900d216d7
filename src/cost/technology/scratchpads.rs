//! What a technology file says of scratchpads: `energy.sram` and `energy.sram-leakage`.
//!
//! Knows the tables of macros as they are written; how an energy is found between macros is in `cost::sram`.

use crate::cost::sram::{SramPoint, SramTable};
use crate::cost::{AreaRange, EnergyRange, PowerLaw};
use crate::source::{SourceError, Spanned};

use super::entry::{Entry, exactly_one};
use super::raw::{RawEntry, RawSram, RawSramMethod, RawSramPoint, RawSramRows};
use super::source::TechnologySource;

/// The macros, or why there are none.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sram {
    Table(SramTable),
    Excluded(String),
}

/// Scratchpads of a file; `method` alone changes those of its base.
pub(super) fn sram(
    file: TechnologySource<'_>,
    at: &Spanned<RawSram>,
    base: Option<Sram>,
) -> Result<Sram, SourceError> {
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

/// Why leakage is left out, which is all that can be said of it.
pub(super) fn sram_leakage(
    file: TechnologySource<'_>,
    at: &Spanned<RawEntry>,
) -> Result<String, SourceError> {
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
    use crate::cost::technology::fixture::{SMALL, assert_refused, case, parse};
    use crate::cost::{Lookup, SramAccess};

    #[test]
    fn scratchpads_can_be_excluded() {
        let (before, rest) = SMALL.split_once("[energy.sram.rows]").unwrap();
        let (_, after) = rest.split_once("[energy.sram-leakage]").unwrap();
        let text = format!("{before}[energy.sram]\nexcluded = \"no\"\n[energy.sram-leakage]{after}");
        let technology = parse("small.toml", &text).unwrap();
        let no = Lookup::Excluded { reason: "no".to_owned() };
        assert_eq!(technology.sram(8192, 64, SramAccess::Read), Ok(no));
    }

    #[test]
    fn malformed_scratchpads_are_refused_with_key_and_place() {
        assert_refused(&[
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
            case("width_bits = 64", "width_bits = 0", "must be at least 1", "{ bytes"),
            case("read_pj = 4.0", "read_pj = nan", "`energy.sram.rows.points`: low energy is NaN", "{ bytes"),
            case(
                "excluded = \"unknown\"",
                "row = { pj = 1, source = \"s\", standing = \"user\" }",
                "giving `energy.sram-leakage` is not in this version",
                "[energy.sram-leakage]",
            ),
        ]);
    }
}
