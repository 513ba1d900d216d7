//! Folders for files that other tools read and write: temporary unless kept.

use std::fs;
use std::path::{Path, PathBuf};

use super::Failure;

/// Marks a folder that an earlier `--keep` made.
const MARK: &str = ".systolab-rtl";

/// A folder, removed in the end unless it is kept.
pub(super) struct WorkFolder {
    path: PathBuf,
    is_kept: bool,
}

impl WorkFolder {
    /// The folder that is kept, new or of an earlier run, or else one in the system's temporary folder.
    pub(super) fn new(keep: Option<&Path>, name: &str) -> Result<Self, Failure> {
        let Some(path) = keep else {
            let path = std::env::temp_dir().join(format!("systolab-{name}-{}", std::process::id()));
            return Ok(Self { path, is_kept: false });
        };
        let shown = path.display();
        if path.exists() && !path.join(MARK).exists() {
            let message =
                format!("--keep {shown}: exists and was not kept by an earlier run; choose another folder");
            return Err(message.into());
        }
        fs::create_dir_all(path)
            .and_then(|()| fs::write(path.join(MARK), "Files that `systolab rtl` keeps; it adds to them.\n"))
            .map_err(|error| format!("--keep {shown}: cannot write: {error}"))?;
        Ok(Self { path: path.to_owned(), is_kept: true })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        if !self.is_kept {
            // Nothing can be done about files that stay behind in the system's temporary folder.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
