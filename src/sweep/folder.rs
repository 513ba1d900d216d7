//! A folder of results: one journal, one file per point, or both.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::explore::{PointResult, Status};

use super::error::FolderError;
use super::index::{Index, KeyPaths, Place};
use super::journal::JOURNAL;

/// The results of a folder by id; their texts stay on disk.
pub struct ResultFolder {
    path: PathBuf,
    index: Index,
    warnings: Vec<String>,
    /// Length of the journal up to its last whole line.
    whole_bytes: u64,
}

/// An id as a number; None unless it is 16 hexadecimal digits.
pub fn number(id: &str) -> Option<u64> {
    let digits = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u64::from_str_radix(id, 16).ok()).flatten()
}

impl ResultFolder {
    /// Indexes what is there. Lines and files that are no results become warnings and are left alone: their
    /// points count as not computed.
    ///
    /// # Errors
    /// When the folder or its journal cannot be read.
    pub fn read(path: &Path) -> Result<Self, FolderError> {
        let failed = |source| FolderError::Read { path: path.to_owned(), source };
        let mut folder =
            Self { path: path.to_owned(), index: Index::default(), warnings: Vec::new(), whole_bytes: 0 };
        for entry in fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            let Some(id) = file.file_name().and_then(|name| name.to_str()?.strip_suffix(".json")) else {
                continue;
            };
            let Some(id) = number(id) else { continue };
            match read_file(&file).filter(|result| number(&result.id) == Some(id)) {
                Some(result) => folder.index.add(&result, Place::File),
                None => folder.warn(format!("{}: not a result", file.display())),
            }
        }
        folder.warnings.sort();
        folder.read_journal()?;
        Ok(folder)
    }

    fn warn(&mut self, what: String) {
        self.warnings.push(format!("{what}; its point counts as not computed"));
    }

    fn read_journal(&mut self) -> Result<(), FolderError> {
        let path = self.path.join(JOURNAL);
        let failed = |source| FolderError::Read { path: path.clone(), source };
        if path.exists() && !path.is_file() {
            return Err(FolderError::NotAFile { path });
        }
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
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
            let place = format!("{}:{number_of_line}", path.display());
            let whole = line.ends_with(b"\n");
            match serde_json::from_slice::<PointResult>(&line) {
                Ok(result) if whole => self.index.add(&result, Place::Journal(offset)),
                _ if whole => self.warn(format!("{place}: not a result")),
                _ => self.warn(format!("{place}: the last line is cut off")),
            }
            offset += bytes;
            if whole {
                self.whole_bytes = offset;
            }
        }
    }

    /// What in the folder is no result.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Adds results that were written since.
    pub(super) fn extend(&mut self, index: Index) {
        self.index.extend(index);
    }

    /// What is known of a point.
    pub(super) fn status(&self, id: u64) -> Option<Status> {
        self.index.status(id)
    }

    /// All ids, ascending.
    pub(super) fn ids(&self) -> Vec<u64> {
        self.index.ids()
    }

    /// Every key path that some result sets.
    pub(super) fn key_paths(&self) -> &KeyPaths {
        self.index.key_paths()
    }

    pub(super) fn whole_bytes(&self) -> u64 {
        self.whole_bytes
    }

    /// Calls `use_it` with the results of `ids`, one after the other.
    pub(super) fn each(
        &self,
        ids: impl Iterator<Item = u64>,
        mut use_it: impl FnMut(PointResult) -> Result<(), FolderError>,
    ) -> Result<(), FolderError> {
        let path = self.path.join(JOURNAL);
        let failed = |source| FolderError::Read { path: path.clone(), source };
        let mut journal = None;
        for id in ids {
            let result = match self.index.place(id) {
                None => continue,
                Some(Place::File) => read_file(&self.path.join(format!("{id:016x}.json"))),
                Some(Place::Journal(offset)) => {
                    let reader = match &mut journal {
                        Some(reader) => reader,
                        None => journal.insert(BufReader::new(File::open(&path).map_err(failed)?)),
                    };
                    let position = reader.stream_position().map_err(failed)?;
                    // Lines that follow each other stay in the buffer.
                    reader.seek_relative(offset as i64 - position as i64).map_err(failed)?;
                    let mut line = Vec::new();
                    reader.read_until(b'\n', &mut line).map_err(failed)?;
                    serde_json::from_slice(&line).ok()
                }
            };
            use_it(result.ok_or_else(|| FolderError::Changed { path: self.path.clone(), id })?)?;
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
pub fn read_point(folder: &Path, id: &str) -> Option<PointResult> {
    read_file(&folder.join(format!("{id}.json"))).filter(|result| result.id == id)
}

/// Writes a point's own file: whole, or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write_point(folder: &Path, result: &PointResult) -> Result<(), FolderError> {
    let path = folder.join(format!("{}.json", result.id));
    write_whole(&path, |file| {
        serde_json::to_writer(&mut *file, result).map_err(FolderError::write(&path))?;
        file.write_all(b"\n").map_err(FolderError::write(&path))
    })
}

/// Writes a file beside its place, syncs it, renames it into place and syncs the folder. When anything fails, what
/// was there stays.
pub(super) fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), FolderError>,
) -> Result<(), FolderError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    let written = File::create(&new).map_err(FolderError::write(path)).and_then(|file| {
        let mut file = BufWriter::new(file);
        write(&mut file)?;
        let file = file.into_inner().map_err(|error| FolderError::write(path)(error.into_error()))?;
        file.sync_all().map_err(FolderError::write(path))
    });
    let renamed =
        || fs::rename(&new, path).and_then(|()| sync_folder(path)).map_err(FolderError::write(path));
    written.and_then(|()| renamed()).inspect_err(|_| {
        let _ = fs::remove_file(&new); // the first error is the one to report
    })
}

/// The new name is on the disk only when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
