//! What can go wrong in a cycle.

/// A fold that begins before its turn, or a register or port used twice, or read too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Conflict {
    /// A fold begins before an earlier one of the schedule.
    #[error("a fold begins before an earlier one of the schedule")]
    OutOfOrder,
    /// Two weights at the top of a column.
    #[error("two weights at one port")]
    WeightPort,
    /// Two activations at the left of a row.
    #[error("two activations at one port")]
    ActivationPort,
    /// Two partial sums enter a column.
    #[error("two partial sums meet at the top of a column")]
    ColumnTop,
    /// A weight is overwritten before it was used or passed down.
    #[error("a weight is overwritten while needed")]
    WeightLost,
    /// A vector meets another weight than its own.
    #[error("a vector meets a weight that is not its own")]
    WeightMissing,
    /// Operands or a partial sum of different vectors meet.
    #[error("values that do not belong together meet")]
    Misaligned,
    /// A sum is read from the accumulator before it is there.
    #[error("an accumulator is read before its sum is readable")]
    NotReadable,
    /// A fold begins before the array is empty, where it must be.
    #[error("a fold begins before the array is drained")]
    NotDrained,
    /// A result is overwritten before it left the array.
    #[error("a result is overwritten before it left")]
    ResultLost,
}

/// A conflict, and the cycle in which it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cycle {cycle}: {conflict}")]
pub struct Violation {
    /// The cycle.
    pub cycle: u64,
    /// What happened.
    pub conflict: Conflict,
}
