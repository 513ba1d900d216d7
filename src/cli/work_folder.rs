//! Folders for files that other tools read and write: temporary unless kept, also where the process is told to end.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io, thread};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

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
            remove_when_told_to_end(path.clone()).map_err(|error| format!("signals: {error}"))?;
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

/// Tools that are still running may write while the folder is removed: it is tried so often, so long apart.
const TRIES: (u32, Duration) = (20, Duration::from_millis(50));

/// Whether whoever started the process wants it to go on (`nohup`). Known on Linux only.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 != 0
}

fn remove_when_told_to_end(path: PathBuf) -> io::Result<()> {
    let mut signals =
        Signals::new([SIGHUP, SIGINT, SIGTERM].into_iter().filter(|&signal| !is_ignored(signal)))?;
    thread::spawn(move || {
        for signal in &mut signals {
            let (tries, apart) = TRIES;
            for _ in 0..tries {
                if fs::remove_dir_all(&path).is_ok() || !path.exists() {
                    break;
                }
                thread::sleep(apart);
            }
            // Ends the process as if nothing had happened before.
            let _ = emulate_default_handler(signal);
        }
    });
    Ok(())
}
