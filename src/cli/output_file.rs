//! One output file of tensors: written beside its place, then renamed into it.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use super::Failure;

/// Metadata key of tensor files that systolab wrote, which it may replace.
pub(super) const KEY: &str = "systolab";
/// How the header of such a file begins, after its length.
const BEGINNING: &[u8] = b"{\"__metadata__\":{\"systolab\":";

/// Fails early where writing will be refused, before any work is done.
pub(super) fn check(path: &Path, force: bool) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.file_name().is_none() || path.is_dir() {
        return Err(format!("{}: is a folder; expected a file to write", path.display()).into());
    }
    if !folder.is_dir() {
        return Err(format!("{}: no such folder", folder.display()).into());
    }
    if !force && path.exists() && !is_ours(path).map_err(|error| cannot_write(path, &error))? {
        return Err(format!(
            "{}: exists and was not written by systolab; choose another --out or replace it with --force",
            path.display()
        )
        .into());
    }
    Ok(())
}

fn is_ours(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    fs::File::open(path)?.take(8 + BEGINNING.len() as u64).read_to_end(&mut start)?;
    Ok(start.get(8..) == Some(BEGINNING))
}

/// Writes the whole file, or leaves what was there.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    fs::write(&new, bytes).and_then(|()| fs::rename(&new, path)).map_err(|error| {
        let _ = fs::remove_file(&new); // the first error is the one to report
        cannot_write(path, &error)
    })
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    format!("{}: cannot write: {error}", path.display()).into()
}
