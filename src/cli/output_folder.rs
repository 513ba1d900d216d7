//! Report folders: written beside their place, then renamed into it, all or nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A file that marks a folder as ours to replace.
const MARK: &str = ".systolab-report";

/// Whether a folder that is not ours may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replace {
    OnlyOurs,
    Anything,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum OutputError {
    #[error("{}: exists and was not written by systolab; choose another --out or replace it with --force", path.display())]
    NotOurs { path: PathBuf },
    #[error("{}: has no name of its own to be renamed into; choose another --out", path.display())]
    NoName { path: PathBuf },
    #[error("{}: cannot write: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Fails early where writing will be refused, before any work is done. Leaves nothing behind.
pub(super) fn check(folder: &Path, replace: Replace) -> Result<(), OutputError> {
    let failed = |source| OutputError::Write { path: folder.to_owned(), source };
    if folder.file_name().is_none() {
        return Err(OutputError::NoName { path: folder.to_owned() });
    }
    if replace == Replace::OnlyOurs && folder.exists() && !is_ours(folder).map_err(failed)? {
        return Err(OutputError::NotOurs { path: folder.to_owned() });
    }
    // Missing folders above are created by `write`; whether they can be is up to the one that exists.
    let existing = folder.ancestors().skip(1).find(|above| above.exists()).unwrap_or(Path::new(""));
    let probe = beside(&existing.join("report"), "probe");
    fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe)).map_err(failed)
}

/// Writes all files, or leaves what was there.
pub(super) fn write<C: AsRef<[u8]>>(
    folder: &Path,
    files: &[(String, C)],
    replace: Replace,
) -> Result<(), OutputError> {
    check(folder, replace)?;
    let new = beside(folder, "new");
    let old = beside(folder, "old");
    write_files(&new, files)
        .and_then(|()| {
            if folder.exists() {
                fs::rename(folder, &old)?;
            }
            fs::rename(&new, folder)
        })
        .map_err(|source| {
            // Leave nothing half-written; the first error is the one to report.
            let _ = fs::remove_dir_all(&new);
            if old.exists() && !folder.exists() {
                let _ = fs::rename(&old, folder);
            }
            OutputError::Write { path: folder.to_owned(), source }
        })?;
    remove(&old).map_err(|source| OutputError::Write { path: old.clone(), source })
}

fn write_files<C: AsRef<[u8]>>(folder: &Path, files: &[(String, C)]) -> io::Result<()> {
    remove(folder)?;
    fs::create_dir_all(folder)?;
    fs::write(folder.join(MARK), "This folder is replaced whenever systolab writes its report here.\n")?;
    files.iter().try_for_each(|(name, content)| {
        let file = folder.join(name);
        file.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(file, content)
    })
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn is_ours(folder: &Path) -> io::Result<bool> {
    Ok(folder.is_dir() && (folder.join(MARK).exists() || fs::read_dir(folder)?.next().is_none()))
}

fn beside(folder: &Path, what: &str) -> PathBuf {
    let name =
        folder.file_name().map_or_else(|| "report".to_owned(), |name| name.to_string_lossy().into_owned());
    folder.with_file_name(format!(".{name}.{}.{what}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn an_old_report_is_replaced_whole() {
        let root = tempfile::tempdir().unwrap();
        let out = root.path().join("deep/latest");
        write(&out, &[("a.csv".to_owned(), "1".to_owned())], Replace::OnlyOurs).unwrap();
        write(&out, &[("b.csv".to_owned(), "2".to_owned())], Replace::OnlyOurs).unwrap();
        assert_eq!(names(&out), [MARK, "b.csv"]);
        assert_eq!(names(&root.path().join("deep")), ["latest"]);
    }

    #[test]
    fn foreign_folders_are_kept_unless_forced() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("thesis.tex"), "years of work").unwrap();
        let files = [("a.csv".to_owned(), String::new())];
        let error = write(root.path(), &files, Replace::OnlyOurs).unwrap_err();
        assert!(matches!(error, OutputError::NotOurs { .. }));
        assert_eq!(names(root.path()), ["thesis.tex"]);
        let file = root.path().join("thesis.tex");
        assert!(write(&file, &files, Replace::OnlyOurs).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "years of work");
        write(&file, &files, Replace::Anything).unwrap();
        assert_eq!(names(root.path()), ["thesis.tex"]);
        assert_eq!(names(&file), [MARK, "a.csv"]);
    }

    #[test]
    fn a_check_creates_nothing() {
        let root = tempfile::tempdir().unwrap();
        check(&root.path().join("deep/er/out"), Replace::OnlyOurs).unwrap();
        assert_eq!(names(root.path()), [""; 0]);
    }

    #[test]
    fn a_folder_without_a_name_is_refused_before_work() {
        for path in [".", "..", "/", "out/.."] {
            let error = check(Path::new(path), Replace::Anything).unwrap_err();
            assert!(matches!(error, OutputError::NoName { .. }), "{path}: {error}");
        }
    }

    #[test]
    fn an_unwritable_place_is_reported_before_work() {
        let error = check(Path::new("/proc/systolab/out"), Replace::OnlyOurs).unwrap_err().to_string();
        assert!(error.starts_with("/proc/systolab/out: cannot write: "), "{error}");
    }
}
