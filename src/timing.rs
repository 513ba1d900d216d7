//! Cycles and action counts of a mapped network.
//!
//! Knows static facts: shapes, formats, schedules and the accelerator. Must not know parameters,
//! tensors or any value that a network computes.

mod counters;

pub use counters::{
    Accesses, Adder, Additions, Bits, Bytes, Counters, Cycles, Macs, Operations, VectorOperation, Words,
};
