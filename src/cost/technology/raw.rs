//! The technology file as TOML, before any check that looks at more than one key.
//!
//! Knows the keys of the file and the types of their values; must not know what they mean. Tables are externally
//! tagged, so that an error's span is the place it is about.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::cost::Standing;
use crate::source::{Spanned, schema_of};

/// Read before everything else, so that a newer file is refused for its version and not for its keys.
#[derive(Deserialize)]
pub(super) struct RawHeader {
    pub(super) schema_version: Option<Spanned<i64>>,
    pub(super) base: Option<Spanned<String>>,
}

/// The JSON Schema of technology files.
pub fn schema() -> String {
    schema_of::<RawTechnology>("systolab: technology")
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTechnology {
    #[serde(rename = "schema_version")]
    #[schemars(with = "i64", extend("const" = 1))]
    _schema_version: IgnoredAny,
    #[serde(rename = "base")]
    #[schemars(with = "Option<String>")]
    _base: Option<IgnoredAny>,
    pub(super) name: Spanned<String>,
    pub(super) node_nm: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) description: String,
    pub(super) area_only: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) energy: RawEnergy,
    pub(super) exclusions: Option<RawExclusions>,
    #[serde(default)]
    pub(super) area: RawArea,
}

pub(super) type RawEntries = BTreeMap<String, Spanned<RawEntry>>;

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEnergy {
    #[serde(default)]
    pub(super) multiplier: RawEntries,
    #[serde(default)]
    pub(super) adder: RawEntries,
    #[serde(default)]
    pub(super) register: RawEntries,
    #[serde(default)]
    pub(super) vector: BTreeMap<String, RawEntries>,
    #[serde(default)]
    pub(super) dram: RawEntries,
    #[serde(default)]
    pub(super) reference: RawEntries,
    pub(super) sram: Option<Spanned<RawSram>>,
    #[serde(rename = "sram-leakage")]
    pub(super) sram_leakage: Option<Spanned<RawEntry>>,
}

/// Exactly one of the four is given.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEntry {
    pub(super) row: Option<RawRow>,
    pub(super) borrowed: Option<RawBorrowed>,
    pub(super) derived: Option<RawDerived>,
    pub(super) excluded: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRow {
    pub(super) pj: f64,
    pub(super) low_pj: Option<f64>,
    pub(super) high_pj: Option<f64>,
    pub(super) source: String,
    pub(super) standing: RawStanding,
}

/// What a row of its own can claim; `derived` and `borrowed` are entries of their own kind.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawStanding {
    Published,
    PublishedSecondary,
    Synthesized,
    User,
}

impl From<RawStanding> for Standing {
    fn from(raw: RawStanding) -> Self {
        match raw {
            RawStanding::Published => Self::Published,
            RawStanding::PublishedSecondary => Self::PublishedSecondary,
            RawStanding::Synthesized => Self::Synthesized,
            RawStanding::User => Self::User,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBorrowed {
    pub(super) pj: f64,
    pub(super) low_pj: f64,
    pub(super) high_pj: f64,
    pub(super) node_nm: u32,
    pub(super) scaling: String,
    pub(super) source: String,
}

/// Exactly one of `sum` and `line_through` is given.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDerived {
    pub(super) sum: Option<Vec<RawTerm>>,
    pub(super) line_through: Option<[Spanned<String>; 2]>,
    pub(super) formula: String,
    pub(super) source: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTerm {
    pub(super) of: Spanned<String>,
    pub(super) low: f64,
    pub(super) typical: f64,
    pub(super) high: f64,
}

/// How an energy is found between tabulated macros.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawSramMethod {
    Interpolate,
    Fit,
}

/// Exactly one of `rows` and `excluded` is given, or `method` alone for the rows of the base; `method`
/// belongs to `rows`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSram {
    pub(super) method: Option<RawSramMethod>,
    pub(super) rows: Option<RawSramRows>,
    pub(super) excluded: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSramRows {
    pub(super) source: String,
    pub(super) standing: RawStanding,
    pub(super) points: Vec<Spanned<RawSramPoint>>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSramPoint {
    pub(super) bytes: u64,
    pub(super) width_bits: u32,
    pub(super) read_pj: f64,
    pub(super) write_pj: f64,
    pub(super) area_mm2: Option<f64>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawArea {
    #[serde(default)]
    pub(super) mac: BTreeMap<String, Spanned<RawAreaEntry>>,
}

/// Exactly one of the three is given.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAreaEntry {
    pub(super) row: Option<RawAreaRow>,
    pub(super) borrowed: Option<RawAreaBorrowed>,
    pub(super) excluded: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAreaRow {
    pub(super) um2: f64,
    pub(super) low_um2: Option<f64>,
    pub(super) high_um2: Option<f64>,
    pub(super) source: String,
    pub(super) standing: RawStanding,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAreaBorrowed {
    pub(super) um2: f64,
    pub(super) low_um2: f64,
    pub(super) high_um2: f64,
    pub(super) node_nm: u32,
    pub(super) scaling: String,
    pub(super) source: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExclusions {
    pub(super) components: Vec<Spanned<RawExclusion>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExclusion {
    pub(super) name: String,
    pub(super) reason: String,
}

#[cfg(test)]
mod tests {
    use crate::cost::technology::fixture::{assert_refused, case};

    #[test]
    fn unknown_keys_and_wrong_types_are_refused_with_their_place() {
        assert_refused(&[
            case("name = \"small\"", "name = small", "string values must be quoted", "small"),
            case("node_nm = 7", "node_nm = 7\nvoltage = 1", "unknown key `voltage`", "voltage"),
            case("[exclusions]", "[area]\nmultiplier = 1\n[exclusions]", "unknown key", "multiplier"),
            case("pj = 0.5", "pj = 0.5, unit = \"pJ\"", "unknown key `unit`", "unit"),
            case(
                "pj = 0.5",
                "pj = \"0.5\"",
                "string \"0.5\": expected a number; write 0.5 without quotes",
                "\"0.5\"",
            ),
            case(
                "\"user\" }\n[energy.multiplier",
                "\"derived\" }\n[energy.multiplier",
                "unknown value `derived`",
                "\"derived\"",
            ),
            case("low_pj = 0.1, ", "", "missing key `low_pj`", "{ pj = 0.2"),
            case("[energy.dram.", "[energy.flash.", "unknown key `flash`", "flash"),
            case(
                "[energy.sram.rows]",
                "[energy.sram]\nmethod = \"spline\"\n[energy.sram.rows]",
                "unknown value `spline`: expected `interpolate` or `fit`",
                "\"spline\"",
            ),
        ]);
    }
}
