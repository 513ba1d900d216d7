//! Cycles and action counts of a mapped network.
//!
//! Knows static facts: shapes, formats, schedules and the accelerator. Must not know parameters,
//! tensors or any value that a network computes.

#![deny(clippy::cast_possible_truncation)]

mod counters;
mod memory;
mod network;
mod output_stationary;
mod pipelined;
mod vector;

pub use counters::{
    Accesses, Adder, Additions, Bits, Bytes, Counters, Cycles, Macs, Operations, VectorOperation, Words,
};
pub use network::{LayerTiming, NetworkTiming, Regime, time_network};
pub use output_stationary::output_stationary_cycles;
pub use pipelined::array_cycles;
