//! Sweeps in folders: results that survive what happens to a run, and the tables made of them.
//!
//! Knows files, locks and threads. Must not know a command line, an engine, or what a point costs.

mod error;
mod folder;
mod index;
mod journal;
mod load;
#[cfg(feature = "parquet")]
mod parquet_file;
mod point_table;
mod run;
mod tables;

pub use error::FolderError;
pub use folder::{ResultFolder, number, read_point, write_point};
pub use load::{add_bases, load, workbench};
pub use run::{Failed, Run};
pub use tables::{Front, FrontRow, PointFormats, Summary, write_tables};
