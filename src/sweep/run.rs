//! One run on a folder: what is not there yet is computed by all cores or by somebody else, and kept.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::explore::{Objective, PointResult, PointSpec, Resolved, Status, Sweep, Workbench};

use super::error::FolderError;
use super::folder::{ResultFolder, number};
use super::index::{Index, Place};
use super::journal::Journal;
use super::tables::{PointFormats, Summary, write_tables};

/// Results that may wait for the disk.
const WAITING: usize = 256;

/// What becomes of points that failed in an earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// They stay failed.
    Kept,
    /// They are computed again.
    ComputedAgain,
}

/// A sweep and the folder of its results, which nobody else can run on.
pub struct Run {
    sweep: Sweep,
    workbench: Workbench,
    out: PathBuf,
    folder: ResultFolder,
    journal: Journal,
    failed: Failed,
    /// Ids of the points from the first on, as far as they have been looked at.
    ids: Vec<u64>,
    /// Points that were given out for computation.
    started: BTreeSet<u64>,
    /// Held until the run is dropped; the system releases it when the process dies.
    _lock: File,
}

impl Run {
    /// Makes the folder where it is missing, and reads what is there.
    ///
    /// # Errors
    /// When the folder cannot be made, read or written, or another run holds it.
    pub fn open(sweep: Sweep, workbench: Workbench, out: &Path, failed: Failed) -> Result<Self, FolderError> {
        fs::create_dir_all(out).map_err(|source| FolderError::Create { path: out.to_owned(), source })?;
        let lock = lock(out)?;
        let folder = ResultFolder::read(out)?;
        let journal = Journal::open(out, folder.whole_bytes())?;
        Ok(Self {
            sweep,
            workbench,
            out: out.to_owned(),
            folder,
            journal,
            failed,
            ids: Vec::new(),
            started: BTreeSet::new(),
            _lock: lock,
        })
    }

    /// The sweep.
    pub fn sweep(&self) -> &Sweep {
        &self.sweep
    }

    /// What in the folder is no result.
    pub fn warnings(&self) -> &[String] {
        self.folder.warnings()
    }

    /// Computes on all cores what is not there; `progress` is called once per point of the sweep.
    ///
    /// # Errors
    /// When the journal cannot be written or a point cannot be named. Results so far are kept.
    pub fn compute(&mut self, progress: impl Fn() + Sync) -> Result<(), FolderError> {
        let Self { sweep, workbench, folder, journal, failed, .. } = self;
        let ids: Mutex<Vec<(u64, u64)>> = Mutex::default();
        let started: Mutex<BTreeSet<u64>> = Mutex::default();
        let (sender, receiver) = sync_channel::<PointResult>(WAITING);
        let (computed, written) = std::thread::scope(|scope| {
            let writer = scope.spawn(move || write(journal, &receiver));
            let computed = (0..sweep.points()).into_par_iter().try_for_each_with(sender, |sender, index| {
                let (resolved, id) = resolve(sweep, workbench, index)?;
                ids.lock().unwrap_or_else(PoisonError::into_inner).push((index, id));
                let first = started.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
                if first && !is_done(folder, id, *failed) {
                    // The writer stops listening only after an error of its own, which is the one to report.
                    sender.send(resolved.evaluate()).map_err(|_| FolderError::Stopped)?;
                }
                progress();
                Ok(())
            });
            (computed, writer.join())
        });
        self.folder.extend(written.map_err(|_| FolderError::Stopped)??);
        computed?;
        let mut ids = ids.into_inner().unwrap_or_else(PoisonError::into_inner);
        ids.sort_unstable();
        self.ids = ids.into_iter().map(|(_, id)| id).collect();
        Ok(())
    }

    /// The next points that somebody else should compute, at most `most`; empty when there is none left.
    ///
    /// # Errors
    /// When a point cannot be named.
    pub fn pending(&mut self, most: usize) -> Result<Vec<PointSpec>, FolderError> {
        let mut pending = Vec::new();
        while pending.len() < most && (self.ids.len() as u64) < self.sweep.points() {
            let (resolved, id) = resolve(&self.sweep, &self.workbench, self.ids.len() as u64)?;
            self.ids.push(id);
            if self.started.insert(id) && !is_done(&self.folder, id, self.failed) {
                pending.push(resolved.spec());
            }
        }
        Ok(pending)
    }

    /// Keeps results of [`Self::pending`] points.
    ///
    /// # Errors
    /// When the journal cannot be written. Results so far are kept.
    pub fn record(&mut self, results: &[PointResult]) -> Result<(), FolderError> {
        let mut index = Index::default();
        append(&mut self.journal, results, &mut index)?;
        self.folder.extend(index);
        Ok(())
    }

    /// Writes the tables of all points that were looked at.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write_tables(
        &self,
        objectives: &[Objective],
        formats: PointFormats,
    ) -> Result<Summary, FolderError> {
        write_tables(&self.folder, &self.out, Some(self.ids.clone()), objectives, formats)
    }
}

fn resolve(sweep: &Sweep, workbench: &Workbench, index: u64) -> Result<(Resolved, u64), FolderError> {
    let resolved = workbench.resolve(sweep.point(index)).map_err(FolderError::Point)?;
    match number(resolved.id()) {
        Some(id) => Ok((resolved, id)),
        None => Err(FolderError::Point(format!("{}: not an id", resolved.id()))),
    }
}

fn is_done(folder: &ResultFolder, id: u64, failed: Failed) -> bool {
    folder.status(id).is_some_and(|status| status != Status::Error || failed == Failed::Kept)
}

/// Refuses a second run on the folder.
fn lock(out: &Path) -> Result<File, FolderError> {
    let path = out.join(".lock");
    let file = match OpenOptions::new().create(true).truncate(false).write(true).open(&path) {
        Ok(file) => file,
        Err(source) => return Err(FolderError::Write { path, source }),
    };
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FolderError::Busy { path: out.to_owned() }),
        Err(TryLockError::Error(source)) => Err(FolderError::Lock { path, source }),
    }
}

/// Writes what has arrived, syncs it, and goes on.
fn write(journal: &mut Journal, results: &Receiver<PointResult>) -> Result<Index, FolderError> {
    let mut index = Index::default();
    while let Ok(first) = results.recv() {
        let group: Vec<PointResult> =
            std::iter::once(first).chain(results.try_iter().take(WAITING)).collect();
        append(journal, &group, &mut index)?;
    }
    Ok(index)
}

fn append(journal: &mut Journal, results: &[PointResult], index: &mut Index) -> Result<(), FolderError> {
    let offsets = journal.append(results)?;
    results.iter().zip(offsets).for_each(|(result, offset)| index.add(result, Place::Journal(offset)));
    Ok(())
}
