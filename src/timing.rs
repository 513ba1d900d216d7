//! Cycles and action counts of a mapped network.
//!
//! Knows static facts: shapes, formats, schedules and the accelerator. Must not know parameters,
//! tensors or any value that a network computes.

#![deny(clippy::cast_possible_truncation)]

mod actions;
mod banks;
mod causes;
mod counters;
mod memory;
mod network;
mod pace;
mod pipeline;
mod stages;
mod staging;
mod vector;

pub use causes::{ArrayCauses, LayerCauses};
pub use counters::{
    Accesses, Adder, Additions, Bits, Bytes, Counters, Cycles, Macs, Operations, VectorOperation, Words,
};
pub use network::{
    LayerTiming, NetworkTiming, Regime, stages, time_layer, time_network, time_network_by_cause,
};
pub use pace::{ClosedForm, Terms, array_cycles, array_cycles_with};
pub use pipeline::{Machine, completions};
pub use stages::{Rest, Stage, Stages};
