//! SCALE-Sim's files and numbers, its bugs included, and nowhere else.
//!
//! Reads configurations and topologies of SCALE-Sim v2 and v3 and reproduces the three reports of SCALE-Sim
//! 3.0.0 to the last digit. Knows what that tool computes, right or wrong. Must not know our own timing,
//! mapping or costs, and nothing else may take a number from here as right.

mod addresses;
mod calculated;
mod compute;
mod configuration;
mod demand;
mod design;
mod error;
mod fold;
mod ini;
mod layer;
mod memory;
mod prefetch;
mod python_float;
mod report;
mod requested;
mod topology;
mod write_buffer;

pub use compute::{ComputeColumns, compute_columns};
pub use configuration::{Bandwidth, Configuration, Dataflow, Sram};
pub use error::ScaleSimError;
pub use layer::{Layer, Shape};
pub use memory::{Accesses, MemoryColumns, memory_columns};
pub use report::{LayerReport, Reports, run, run_layer};
pub use topology::{Topology, TopologyKind};
