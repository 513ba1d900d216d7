//! Accelerator designs: TOML with positions (raw), then one validated type.
//!
//! Knows what a design is made of. Must not know networks, schedules or costs.

mod accelerator;
mod accumulator_width;
mod array;
mod change;
mod check;
mod dataflow;
mod dram;
#[cfg(test)]
mod fixture;
mod mac;
mod output_drain;
mod rational;
mod raw;
mod scratchpad;
mod shipped;
mod vector;

pub use accelerator::Accelerator;
pub use array::Array;
pub use change::Change;
pub use dataflow::Dataflow;
pub use dram::Dram;
pub use mac::{LaneAxis, MacUnit};
pub use output_drain::OutputDrain;
pub use rational::Rational;
pub use raw::schema;
pub use scratchpad::{Layout, Scratchpad};
pub use shipped::SHIPPED;
pub use vector::VectorUnit;
