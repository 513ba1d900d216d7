//! A technology file and the files it is based on: which they are, and one checksum of all.
//!
//! Knows versions and bases; must not know what else stands in a file.

use std::path::{Path, PathBuf};

use crate::cost::shipped::{SHIPPED_TECHNOLOGIES, unknown_technology};
use crate::source::{SourceError, SourceFile, Spanned, sha256_hex};

use super::raw::RawHeader;

/// The version of the file format that this program reads.
const SCHEMA_VERSION: i64 = 1;

/// The file with everything it is based on, the base first; every file has a known version.
pub(super) fn files(top: &SourceFile) -> Result<Vec<SourceFile>, SourceError> {
    let mut files = vec![top.clone()];
    let mut base = checked_base(top)?;
    while let Some(name) = base {
        let file = &files[files.len() - 1];
        let next = resolve(file, &name)?;
        if files.iter().any(|earlier| same_file(earlier.path(), next.path())) {
            let message = format!("`{}` is based on itself: expected a base of its own", name.get_ref());
            return Err(file.error(name.span(), message));
        }
        base = checked_base(&next)?;
        files.push(next);
    }
    files.reverse();
    Ok(files)
}

/// SHA-256 of the only file; of several, that of their checksums, one per line, the base first.
pub(super) fn sha256(files: &[SourceFile]) -> String {
    match files {
        [only] => only.sha256(),
        files => {
            let lines: String = files.iter().map(|file| file.sha256() + "\n").collect();
            sha256_hex(lines.as_bytes())
        }
    }
}

/// The file's `base`, after a look at its version.
fn checked_base(file: &SourceFile) -> Result<Option<Spanned<String>>, SourceError> {
    let header: RawHeader = file.parse()?;
    match header.schema_version {
        Some(version) if *version.get_ref() == SCHEMA_VERSION => Ok(header.base),
        Some(version) => {
            let message = format!("`schema_version` is {}: expected {SCHEMA_VERSION}", version.get_ref());
            Err(file.error(version.span(), message))
        }
        None => {
            let message =
                format!("`schema_version` is missing: expected `schema_version = {SCHEMA_VERSION}`");
            Err(file.error_in_file(message))
        }
    }
}

/// A shipped technology, or a file relative to the folder of the one that names it.
fn resolve(file: &SourceFile, base: &Spanned<String>) -> Result<SourceFile, SourceError> {
    let name = base.get_ref();
    if let Some((_, text)) = SHIPPED_TECHNOLOGIES.iter().find(|(shipped, _)| shipped == name) {
        return Ok(SourceFile::embedded(format!("{name}.toml (shipped)"), text));
    }
    if !name.ends_with(".toml") {
        return Err(file.error(base.span(), unknown_technology(name)));
    }
    let folder = file.path().parent().unwrap_or(Path::new(""));
    SourceFile::read(&folder.join(name)).map_err(|error| file.error(base.span(), error.to_string()))
}

fn same_file(left: &Path, right: &Path) -> bool {
    let resolved = |path: &Path| path.canonicalize().unwrap_or_else(|_| PathBuf::from(path));
    resolved(left) == resolved(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::technology::fixture::{
        OVER_7NM, SMALL, assert_refused, bounds, case, given, parse, small,
    };
    use crate::cost::{Lookup, SramAccess};

    #[test]
    fn the_checksum_covers_the_base() {
        let own = SourceFile::embedded("mine.toml", OVER_7NM).sha256();
        let base = SourceFile::embedded("7nm.toml", crate::cost::SHIPPED_TECHNOLOGIES[0].1).sha256();
        let both = SourceFile::embedded("", &format!("{base}\n{own}\n")).sha256();
        assert_eq!(parse("mine.toml", OVER_7NM).unwrap().sha256(), both);
        assert_eq!(small().sha256(), SourceFile::embedded("", SMALL).sha256());
    }

    #[test]
    fn a_base_is_a_file_beside_the_one_that_names_it_and_not_itself() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("first.toml", OVER_7NM);
        let second =
            "schema_version = 1\nbase = \"first.toml\"\nname = \"second\"\n[energy.sram]\nmethod = \"fit\"\n";
        let technology = parse(folder.path().join("second.toml"), second).unwrap();
        assert_eq!(bounds(given(&technology, "multiplier.int8,int8").energy), [0.05; 3]);
        let Lookup::Given(fitted) = technology.sram(8192, 64, SramAccess::Read).unwrap() else { panic!() };
        assert!(fitted.provenance.derivation.unwrap().contains("power law through 3 macros"));

        write("first.toml", &OVER_7NM.replace("\"7nm\"", "\"second.toml\""));
        write("second.toml", second);
        let error = parse(folder.path().join("second.toml"), second).unwrap_err().to_string();
        assert!(error.contains("first.toml:2:8: `base`: `second.toml` is based on itself"), "{error}");
    }

    #[test]
    fn unknown_versions_and_bases_are_refused_with_their_place() {
        assert_refused(&[
            case("schema_version = 1", "schema_version = 2", "`schema_version` is 2: expected 1", "2"),
            case("schema_version = 1\n", "", "`schema_version` is missing", ""),
            case("node_nm = 7", "base = \"5nm\"", "unknown technology `5nm`: expected `7nm`, ", "\"5nm\""),
            case("node_nm = 7", "base = \"none.toml\"", "none.toml: cannot read", "\"none.toml\""),
        ]);
    }
}
