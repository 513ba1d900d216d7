//! The array as registers, PE by PE and cycle by cycle: values and cycles.
//!
//! Control only says when a fold's first weight and first vector enter. Everything else follows from
//! registers that move by one PE per cycle; a register overwritten while needed, two values at one port
//! or a sum read before it is there is a [`Violation`]. The cycle count is the cycle in which the last
//! sum becomes readable. Generic over the [`Payload`] that the registers carry, so that cycles cannot
//! depend on values. Knows mapping and numerics; must not know the closed forms or the engines that it
//! checks.

mod accumulator;
mod control;
mod input_stationary;
mod output_stationary;
mod payload;
mod violation;
mod weight_stationary;

pub use control::{Control, Loading, Start};
pub use input_stationary::input_stationary;
pub use output_stationary::{output_starts, output_stationary};
pub use payload::{Bf16Payload, IntegerPayload, Operands, Payload};
pub use violation::{Conflict, Violation};
pub use weight_stationary::{WeightWrites, weight_stationary};

/// What the machine did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run<S> {
    /// The cycle in which the last sum is readable in the accumulator: cycles that the layer takes.
    pub cycles: u64,
    /// Accumulators, `[group][m][n]`.
    pub outputs: Vec<S>,
    /// Weight registers written with a weight; none in an output-stationary array.
    pub weight_writes: WeightWrites,
}
