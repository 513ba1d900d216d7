//! From the `area.mac` entries of a technology file to areas.
//!
//! Knows single entries; must not know energies.

use std::collections::BTreeMap;

use crate::cost::{AreaLookup, AreaPerMac, AreaRange, Provenance, Standing};
use crate::numerics::OperandPair;
use crate::source::{SourceError, Spanned};

use super::raw::RawAreaEntry;
use super::source::TechnologySource;

/// Areas of MACs, by the bits of their partial sum where the file tells them apart.
pub(super) type MacAreas = BTreeMap<(OperandPair, Option<u8>), AreaLookup>;

/// Square millimeters per square micrometer.
const MM2_PER_UM2: f64 = 1e-6;

/// The pair of a key such as `int8,int8` or `int8,int8,24`, the bits of its partial sum, and its area or why it is left
/// out.
pub(super) fn mac_area(
    file: TechnologySource<'_>,
    pair: &str,
    at: &Spanned<RawAreaEntry>,
) -> Result<((OperandPair, Option<u8>), AreaLookup), SourceError> {
    let Some(parsed) = parse(pair) else {
        let message = format!(
            "unknown key `area.mac.{pair}`: expected `area.mac.\"ACTIVATION,WEIGHT\"`, for example \
             `area.mac.\"uint8,int4\"`, or with the bits of the partial sum, 16 to 32, `area.mac.\"uint8,int4,20\"`"
        );
        return Err(file.error(at, message));
    };
    let key = format!("area.mac.\"{pair}\"");
    let range = |low: f64, typical: f64, high: f64| {
        AreaRange::new(low * MM2_PER_UM2, typical * MM2_PER_UM2, high * MM2_PER_UM2)
            .map_err(|message| file.error(at, format!("`{key}`: {message}")))
    };
    let (area, standing, source, derivation) = match at.get_ref() {
        RawAreaEntry { row: Some(row), borrowed: None, excluded: None } => {
            let (low, high) = (row.low_um2.unwrap_or(row.um2), row.high_um2.unwrap_or(row.um2));
            let source = file.text(&format!("{key}.row.source"), &row.source, at)?;
            (range(low, row.um2, high)?, row.standing.into(), source, None)
        }
        RawAreaEntry { row: None, borrowed: Some(borrowed), excluded: None } => {
            let key = format!("{key}.borrowed");
            let node_nm = file.node_nm(&format!("{key}.node_nm"), borrowed.node_nm, at)?;
            let scaling = file.text(&format!("{key}.scaling"), &borrowed.scaling, at)?;
            let source = file.text(&format!("{key}.source"), &borrowed.source, at)?;
            let area = range(borrowed.low_um2, borrowed.um2, borrowed.high_um2)?;
            (area, Standing::Borrowed, source, Some(format!("from {node_nm} nm: {scaling}")))
        }
        RawAreaEntry { row: None, borrowed: None, excluded: Some(reason) } => {
            let reason = file.text(&format!("{key}.excluded"), reason, at)?;
            return Ok((parsed, AreaLookup::Excluded { reason }));
        }
        _ => {
            let message = format!("`{key}` needs exactly one of `row`, `borrowed` and `excluded`");
            return Err(file.error(at, message));
        }
    };
    let provenance = Provenance { standing, source, derivation };
    Ok((parsed, AreaLookup::Given(AreaPerMac { area, provenance })))
}

fn parse(key: &str) -> Option<(OperandPair, Option<u8>)> {
    let parts: Vec<_> = key.split(',').collect();
    let (activation, weight, bits) = match parts[..] {
        [activation, weight] => (activation, weight, None),
        [activation, weight, bits] => (activation, weight, Some(bits.parse().ok()?)),
        _ => return None,
    };
    let pair = OperandPair::new(activation.parse().ok()?, weight.parse().ok()?)?;
    bits.is_none_or(|bits| (16..=32).contains(&bits)).then_some((pair, bits))
}

#[cfg(test)]
mod tests {
    use crate::cost::technology::fixture::{assert_refused, case};

    #[test]
    fn malformed_areas_are_refused_with_key_and_place() {
        assert_refused(&[
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
        ]);
    }
}
