//! The journal: one result per line, appended and synced; only whole lines stay.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::explore::PointResult;

use super::error::FolderError;

/// Name in its folder.
pub(super) const JOURNAL: &str = "results.jsonl";

/// A journal that is open for writing.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    end: u64,
}

impl Journal {
    /// Opens the journal of a folder behind its last whole line, `whole_bytes` from its start; a line that was cut
    /// off goes.
    pub(super) fn open(folder: &Path, whole_bytes: u64) -> Result<Self, FolderError> {
        ignore_file_size_signal();
        let path = folder.join(JOURNAL);
        let open = || {
            let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
            file.set_len(whole_bytes)?;
            io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
            Ok(file)
        };
        match open() {
            Ok(file) => Ok(Self { path, file, end: whole_bytes }),
            Err(source) => Err(FolderError::Journal { path, source }),
        }
    }

    /// Appends results and syncs them; their offsets. After an error only whole lines that were synced are left.
    pub(super) fn append(&mut self, results: &[PointResult]) -> Result<Vec<u64>, FolderError> {
        let mut group = Vec::new();
        let mut offsets = Vec::with_capacity(results.len());
        let written = results.iter().try_for_each(|result| {
            offsets.push(self.end + group.len() as u64);
            serde_json::to_writer(&mut group, result)?;
            group.push(b'\n');
            Ok(())
        });
        let written = written.and_then(|()| self.file.write_all(&group)).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // What cannot be cut off now is cut off by the next run.
            let _ = self.file.set_len(self.end);
            return Err(FolderError::Journal { path: self.path.clone(), source });
        }
        self.end += group.len() as u64;
        Ok(offsets)
    }
}

/// A write beyond the file size limit is then an error like any other, instead of the end of the process; where the
/// signal cannot be ignored, it stays what it is.
fn ignore_file_size_signal() {
    #[cfg(unix)]
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, std::sync::Arc::default());
}
