//! A folder of results: one journal, one file per point, or both.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::explore::{PointResult, Status};

use super::{Failure, note};

/// The journal: one result per line, appended.
pub(super) const JOURNAL: &str = "results.jsonl";

/// Where a result is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// Byte offset in the journal.
    Journal(u64),
    /// A file of its own.
    File,
}

/// The results of a folder by id; their texts stay on disk.
pub(super) struct ResultFolder {
    path: PathBuf,
    places: BTreeMap<u64, (Place, Status)>,
    key_paths: BTreeSet<String>,
    /// Length of the journal up to its last whole line.
    whole_bytes: u64,
}

/// An id as a number.
pub(super) fn number(id: &str) -> Option<u64> {
    let digits = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u64::from_str_radix(id, 16).ok()).flatten()
}

impl ResultFolder {
    /// Indexes what is there. Lines and files that are no results are named on stderr and left alone: their
    /// points count as not computed.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |error: io::Error| format!("{}: cannot read: {error}", path.display());
        let mut folder = Self {
            path: path.to_owned(),
            places: BTreeMap::new(),
            key_paths: BTreeSet::new(),
            whole_bytes: 0,
        };
        for entry in fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            let Some(id) = file.file_name().and_then(|name| name.to_str()?.strip_suffix(".json")) else {
                continue;
            };
            let Some(id) = number(id) else { continue };
            match read_file(&file).filter(|result| number(&result.id) == Some(id)) {
                Some(result) => folder.add(&result, Place::File),
                None => note(&format!("{}: not a result; its point counts as not computed", file.display())),
            }
        }
        folder.read_journal()?;
        Ok(folder)
    }

    fn read_journal(&mut self) -> Result<(), Failure> {
        let path = self.path.join(JOURNAL);
        let failed = |error: io::Error| format!("{}: cannot read: {error}", path.display());
        if path.exists() && !path.is_file() {
            return Err(format!("{}: not a regular file", path.display()).into());
        }
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error).into()),
        };
        let mut reader = BufReader::new(file);
        let (mut line, mut number_of_line, mut offset) = (Vec::new(), 0u64, 0u64);
        loop {
            line.clear();
            let bytes = reader.read_until(b'\n', &mut line).map_err(failed)? as u64;
            if bytes == 0 {
                return Ok(());
            }
            number_of_line += 1;
            let whole = line.ends_with(b"\n");
            match serde_json::from_slice::<PointResult>(&line) {
                Ok(result) if whole => self.add(&result, Place::Journal(offset)),
                _ if whole => note(&format!(
                    "{}:{number_of_line}: not a result; its point counts as not computed",
                    path.display()
                )),
                _ => note(&format!(
                    "{}:{number_of_line}: the last line is cut off; its point counts as not computed",
                    path.display()
                )),
            }
            offset += bytes;
            if whole {
                self.whole_bytes = offset;
            }
        }
    }

    /// Adds a result that was just written.
    pub(super) fn add_computed(&mut self, (id, status): (u64, Status), place: Place) {
        self.places.insert(id, (place, status));
    }

    /// Adds key paths of results that were just written.
    pub(super) fn add_key_paths<'a>(&mut self, paths: impl Iterator<Item = &'a String>) {
        self.key_paths.extend(paths.cloned());
    }

    fn add(&mut self, result: &PointResult, place: Place) {
        for path in result.set.keys().filter(|path| !self.key_paths.contains(*path)).collect::<Vec<_>>() {
            self.key_paths.insert(path.clone());
        }
        if let Some(id) = number(&result.id) {
            self.places.insert(id, (place, result.status));
        }
    }

    /// What is known of a point.
    pub(super) fn status(&self, id: u64) -> Option<Status> {
        self.places.get(&id).map(|(_, status)| *status)
    }

    /// All ids, ascending.
    pub(super) fn ids(&self) -> Vec<u64> {
        self.places.keys().copied().collect()
    }

    /// Every key path that some result sets.
    pub(super) fn key_paths(&self) -> &BTreeSet<String> {
        &self.key_paths
    }

    pub(super) fn whole_bytes(&self) -> u64 {
        self.whole_bytes
    }

    /// Calls `use_it` with the results of `ids`, one after the other.
    pub(super) fn each(
        &self,
        ids: impl Iterator<Item = u64>,
        mut use_it: impl FnMut(PointResult) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let path = self.path.join(JOURNAL);
        let failed = |error: io::Error| format!("{}: cannot read: {error}", path.display());
        let mut journal = None;
        for id in ids {
            let result = match self.places.get(&id) {
                None => continue,
                Some((Place::File, _)) => read_file(&self.path.join(format!("{id:016x}.json"))),
                Some((Place::Journal(offset), _)) => {
                    let reader = match &mut journal {
                        Some(reader) => reader,
                        None => journal.insert(BufReader::new(File::open(&path).map_err(failed)?)),
                    };
                    let position = reader.stream_position().map_err(failed)?;
                    // Lines that follow each other stay in the buffer.
                    reader.seek_relative(*offset as i64 - position as i64).map_err(failed)?;
                    let mut line = Vec::new();
                    reader.read_until(b'\n', &mut line).map_err(failed)?;
                    serde_json::from_slice(&line).ok()
                }
            };
            use_it(result.ok_or_else(|| {
                format!("{}: result {id:016x} changed while it was read", self.path.display())
            })?)?;
        }
        Ok(())
    }
}

fn read_file(path: &Path) -> Option<PointResult> {
    let mut text = String::new();
    File::open(path).ok()?.take(1 << 20).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// A point's own file, if it is there and whole.
pub(super) fn read_point(folder: &Path, id: &str) -> Option<PointResult> {
    read_file(&folder.join(format!("{id}.json"))).filter(|result| result.id == id)
}

/// Writes a point's own file: whole, or not at all.
pub(super) fn write_point(folder: &Path, result: &PointResult) -> Result<(), Failure> {
    let mut text = serde_json::to_string(result)?;
    text.push('\n');
    write_whole(&folder.join(format!("{}.json", result.id)), |file| file.write_all(text.as_bytes()))
}

/// Writes a file beside its place, syncs it and renames it into place.
pub(super) fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    let written = File::create(&new).and_then(|mut file| {
        write(&mut file)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&new, path)).map_err(|error| {
        let _ = fs::remove_file(&new); // the first error is the one to report
        format!("{}: cannot write: {error}", path.display()).into()
    })
}
