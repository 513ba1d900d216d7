//! All cores compute, one thread writes: results are appended to the journal and synced in groups.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use crate::explore::{Objective, PointResult, Status, Sweep, Workbench};

use super::folder::{JOURNAL, Place, ResultFolder, number};
use super::{Answer, Failure, summary};

/// Results that may wait for the disk.
const WAITING: usize = 256;

/// What becomes of points that failed in an earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    Kept,
    ComputedAgain,
}

pub(super) fn run(
    sweep: &Sweep,
    workbench: &Workbench,
    out: &Path,
    objectives: &[Objective],
    failed: Failed,
) -> Result<Answer, Failure> {
    fs::create_dir_all(out).map_err(|error| format!("{}: cannot create: {error}", out.display()))?;
    // Held until this function returns; the system releases it when the process dies.
    let _lock = lock(out)?;
    ignore_file_size_signal()?;
    let mut folder = ResultFolder::read(out)?;
    let path = out.join(JOURNAL);
    let cannot_write = |error: &io::Error| -> Failure {
        format!(
            "{}: cannot write: {error}; results up to the last whole line are kept, and a run with the same \
             --out goes on from there",
            path.display()
        )
        .into()
    };
    let journal = open_journal(&path, folder.whole_bytes()).map_err(|error| cannot_write(&error))?;

    let bar = ProgressBar::new(sweep.points()).with_style(
        ProgressStyle::with_template("{wide_bar} {pos}/{len} points, {per_sec}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let ids: Mutex<Vec<(u64, u64)>> = Mutex::default();
    let started: Mutex<std::collections::BTreeSet<u64>> = Mutex::default();
    let (sender, receiver) = sync_channel::<PointResult>(WAITING);
    let known = &folder;
    let (computed, written) = std::thread::scope(|scope| {
        let writer = scope.spawn(move || append(journal, &receiver));
        let computed = (0..sweep.points()).into_par_iter().try_for_each_with(sender, |sender, index| {
            let resolved = workbench.resolve(sweep.point(index))?;
            let id = number(resolved.id()).ok_or("an id is 16 hexadecimal digits")?;
            ids.lock().unwrap_or_else(PoisonError::into_inner).push((index, id));
            let done =
                known.status(id).is_some_and(|status| status != Status::Error || failed == Failed::Kept);
            let first = started.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
            if !done && first {
                // The writer stops listening only after an error of its own, which is the one to report.
                sender.send(resolved.evaluate()).map_err(|_| "the journal cannot be written")?;
            }
            bar.inc(1);
            Ok::<(), String>(())
        });
        (computed, writer.join())
    });
    bar.finish_and_clear();
    let written = written.map_err(|_| "the thread that writes the journal stopped")?;
    if let Some(error) = written.error {
        return Err(cannot_write(&error));
    }
    computed?;
    for (result, offset) in written.results {
        folder.add_computed(result, Place::Journal(offset));
    }
    folder.add_key_paths(sweep.point(0).set.keys());
    let mut ids = ids.into_inner().unwrap_or_else(PoisonError::into_inner);
    ids.sort_unstable();
    let answer = summary::write(&folder, out, Some(ids.into_iter().map(|(_, id)| id).collect()), objectives)?;
    Ok(answer)
}

/// Refuses a second run on the folder.
fn lock(out: &Path) -> Result<File, Failure> {
    let path = out.join(".lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| format!("{}: cannot write: {error}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(format!(
            "{}: another run is writing here; wait for it or choose another --out",
            out.display()
        )
        .into()),
        Err(TryLockError::Error(error)) => Err(format!("{}: cannot lock: {error}", path.display()).into()),
    }
}

/// A write beyond the file size limit is then an error like any other, instead of the end of the process.
fn ignore_file_size_signal() -> Result<(), Failure> {
    #[cfg(unix)]
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, std::sync::Arc::default())
        .map_err(|error| format!("cannot ignore SIGXFSZ: {error}"))?;
    Ok(())
}

/// Opens the journal behind its last whole line; a line that was cut off goes.
fn open_journal(path: &Path, whole_bytes: u64) -> io::Result<File> {
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    file.set_len(whole_bytes)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

#[derive(Default)]
struct Written {
    /// Id and status of each result, with its offset.
    results: Vec<((u64, Status), u64)>,
    error: Option<io::Error>,
}

/// Writes what has arrived, syncs it, and goes on; an error leaves only whole lines behind.
fn append(mut file: File, results: &Receiver<PointResult>) -> Written {
    let mut written = Written::default();
    let mut end = match file.stream_position() {
        Ok(end) => end,
        Err(error) => return Written { error: Some(error), ..written },
    };
    while let Ok(first) = results.recv() {
        let mut group = Vec::new();
        let mut index = Vec::new();
        for result in std::iter::once(first).chain(results.try_iter().take(WAITING)) {
            if let Some(id) = number(&result.id) {
                index.push(((id, result.status), end + group.len() as u64));
            }
            if let Err(error) = serde_json::to_writer(&mut group, &result) {
                return Written { error: Some(error.into()), ..written };
            }
            group.push(b'\n');
        }
        if let Err(error) = file.write_all(&group).and_then(|()| file.sync_data()) {
            // What cannot be cut off now is cut off by the next run.
            let _ = file.set_len(end);
            return Written { error: Some(error), ..written };
        }
        end += group.len() as u64;
        written.results.extend(index);
    }
    written
}
