//! Design-space sweeps: from a sweep file to points, and from a point to its result.
//!
//! Knows key paths, the cartesian product and what a point costs. Must not know folders, locks or engines.

mod axis;
mod key_path;
mod objective;
mod point_result;
mod point_spec;
mod sweep_file;
mod workbench;

pub use objective::{Objective, UnknownObjective, front_of};
pub use point_result::{Metrics, PointResult, PublishedTop1, Status};
pub use point_spec::{PointSpec, Requirement};
pub use sweep_file::{Sweep, SweepError, schema as sweep_schema};
pub use workbench::{Resolved, Workbench};

/// Part of every point's id: raised when the same inputs would give other numbers.
pub const MODEL_VERSION: u32 = 2;
