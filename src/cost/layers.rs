//! A technology file and the files it is based on.

use std::path::{Path, PathBuf};

use crate::source::{SourceError, SourceFile, Spanned, sha256_hex};

use super::SHIPPED_TECHNOLOGIES;
use super::technology_file::RawHeader;

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
        let shipped = SHIPPED_TECHNOLOGIES.map(|(name, _)| name).join(", ");
        let message = format!(
            "unknown base `{name}`; expected a path ending in .toml or a shipped technology: {shipped}"
        );
        return Err(file.error(base.span(), message));
    }
    let folder = file.path().parent().unwrap_or(Path::new(""));
    SourceFile::read(&folder.join(name)).map_err(|error| file.error(base.span(), error.to_string()))
}

fn same_file(left: &Path, right: &Path) -> bool {
    let resolved = |path: &Path| path.canonicalize().unwrap_or_else(|_| PathBuf::from(path));
    resolved(left) == resolved(right)
}
