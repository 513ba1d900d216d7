//! What goes wrong with a folder of results.

use std::io;
use std::path::{Path, PathBuf};

/// Why results cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder cannot be made.
    #[error("{}: cannot create: {source}", path.display())]
    Create {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or the folder cannot be read.
    #[error("{}: cannot read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The journal is a device, a pipe or a folder.
    #[error("{}: not a regular file", path.display())]
    NotAFile {
        /// The journal.
        path: PathBuf,
    },
    /// A file cannot be written; what stood there still does.
    #[error("{}: cannot write: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The journal cannot be written further.
    #[error(
        "{}: cannot write: {source}; results up to the last whole line are kept, and a run with the same --out goes \
         on from there",
        path.display()
    )]
    Journal {
        /// The journal.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else holds the folder.
    #[error("{}: another run is writing here; wait for it or choose another --out", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The folder cannot be held.
    #[error("{}: cannot lock: {source}", path.display())]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A result is no longer what it was when the folder was read.
    #[error("{}: result {id:016x} changed while it was read", path.display())]
    Changed {
        /// The folder.
        path: PathBuf,
        /// The point.
        id: u64,
    },
    /// A Parquet file was asked for.
    #[error(
        "results.parquet: this systolab was built without the feature `parquet`; build it with \
         `cargo build --release --features parquet`"
    )]
    #[cfg(not(feature = "parquet"))]
    NoParquet,
    /// A point of the sweep cannot be named.
    #[error("{0}")]
    Point(String),
    /// A thread panicked.
    #[error("the thread that writes the journal stopped")]
    Stopped,
}

impl FolderError {
    /// An error of writing `path`.
    pub(super) fn write<E: Into<io::Error>>(path: &Path) -> impl Fn(E) -> Self {
        move |source| Self::Write { path: path.to_owned(), source: source.into() }
    }
}
