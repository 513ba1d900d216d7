//! A small technology file for the tests of this room, and how they refuse what is wrong with it.

use std::path::{Path, PathBuf};

use crate::cost::{Action, EnergyPerAction, EnergyRange, Lookup, Technology};
use crate::source::{SourceError, SourceFile};

/// Every kind of entry once.
pub(super) const SMALL: &str = r#"schema_version = 1
name = "small"
node_nm = 7
[energy.multiplier."int8,int8"]
row = { pj = 0.5, source = "made up", standing = "user" }
[energy.multiplier."int4,int4"]
derived = { sum = [{ of = "multiplier.int8,int8", low = 0.2, typical = 0.25, high = 0.5 }], formula = "f", source = "s" }
[energy.adder.int8]
row = { pj = 2.0, low_pj = 1.0, high_pj = 4.0, source = "made up", standing = "published" }
[energy.adder.int32]
row = { pj = 5.0, source = "made up", standing = "synthesized" }
[energy.adder."int*"]
derived = { line_through = ["adder.int32", "adder.int8"], formula = "f", source = "s" }
[energy.adder.f32]
excluded = "not built"
[energy.register.bit]
borrowed = { pj = 0.2, low_pj = 0.1, high_pj = 0.3, node_nm = 40, scaling = "none", source = "made up" }
[energy.sram.rows]
source = "made up"
standing = "published-secondary"
points = [{ bytes = 8192, width_bits = 64, read_pj = 4.0, write_pj = 5.0 }]
[energy.sram-leakage]
excluded = "unknown"
[energy.dram."LPDDR4 x32"]
row = { pj = 11, source = "made up", standing = "user" }
[exclusions]
components = [{ name = "clock tree", reason = "unknown" }]
"#;

/// The row of one multiplier in [`SMALL`].
pub(super) const INT8_ROW: &str = "row = { pj = 0.5, source = \"made up\", standing = \"user\" }";

/// A file with a base.
pub(super) const OVER_7NM: &str = r#"schema_version = 1
base = "7nm"
name = "mine"
[energy.multiplier."int8,int8".row]
pj = 0.05
source = "own synthesis"
standing = "user"
[energy.dram.GDDR7.row]
pj = 5.0
source = "own data sheet"
standing = "user"
[exclusions]
components = [{ name = "control", reason = "mine" }, { name = "package", reason = "unknown" }]
"#;

pub(super) fn small() -> Technology {
    parse("small.toml", SMALL).unwrap()
}

pub(super) fn parse(path: impl Into<PathBuf>, text: &str) -> Result<Technology, SourceError> {
    Technology::parse(&SourceFile::embedded(path, text))
}

pub(super) fn given(technology: &Technology, path: &str) -> EnergyPerAction {
    match technology.energy(&Action::parse(path).unwrap()).unwrap() {
        Lookup::Given(given) => given,
        Lookup::Excluded { reason } => panic!("{path} is excluded: {reason}"),
    }
}

pub(super) fn bounds(energy: EnergyRange) -> [f64; 3] {
    [energy.low(), energy.typical(), energy.high()]
}

/// A text of the small file and what replaces it; the error contains the message, and its span begins with the
/// place.
pub(super) struct Case {
    replace: &'static str,
    with: &'static str,
    message: &'static str,
    place: &'static str,
}

pub(super) fn case(
    replace: &'static str,
    with: &'static str,
    message: &'static str,
    place: &'static str,
) -> Case {
    Case { replace, with, message, place }
}

pub(super) fn assert_refused(cases: &[Case]) {
    let mut failures = Vec::new();
    for Case { replace, with, message, place } in cases {
        assert!(SMALL.contains(replace), "no `{replace}` to replace");
        let text = SMALL.replacen(replace, with, 1);
        let Err(SourceError::Invalid { file, span, message: found }) = parse("small.toml", &text) else {
            failures.push(format!("accepted: {with}"));
            continue;
        };
        let found_place = span.map_or("", |span| &text[span]);
        if file.path() != Path::new("small.toml")
            || !found.contains(*message)
            || !found_place.starts_with(*place)
        {
            failures.push(format!("{found:?} at {found_place:?}, not {message:?} at {place:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
