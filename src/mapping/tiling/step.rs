//! A step: what the array does between two waits for memory.
//!
//! Knows what moves and what is complete; must not know how steps follow from folds.

use super::transfer::Transfer;

/// Whether a step begins to use a buffer (a half of a double-buffered scratchpad) or goes on with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Buffer {
    /// The one that the step before used, if any.
    #[default]
    Same,
    /// The next one.
    Next,
}

/// What moves for one step, and what it completes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Input fetched from DRAM.
    pub input: Transfer,
    /// Shortcut fetched from DRAM.
    pub shortcut: Transfer,
    /// Weights fetched from DRAM, if they are not on chip.
    pub weights: Transfer,
    /// Input elements that the vector unit quantizes before the array starts.
    pub quantized: u64,
    /// Input elements that the vector unit works on itself, off the array.
    pub walked: u64,
    /// Output elements that are complete: work of the vector unit.
    pub outputs: u64,
    /// Results stored to DRAM.
    pub stored: Transfer,
    /// Partial sums read back from DRAM.
    pub spill_read: Transfer,
    /// Partial sums written to DRAM.
    pub spill_write: Transfer,
    /// Weight scratchpad.
    pub weight_buffer: Buffer,
    /// Activation scratchpad, input side.
    pub input_buffer: Buffer,
    /// Accumulator scratchpad.
    pub accumulator_buffer: Buffer,
    /// Activation scratchpad, output side.
    pub output_buffer: Buffer,
}
