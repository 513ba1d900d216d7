//! Numbers without shapes: formats, MAC units, rounding, requantization and quantizers.
//!
//! Everything that decides a bit is decided here once; the array, the engines and the checkers
//! only arrange these operations.

mod format;

pub use format::{IntegerFormat, OperandFormat, OperandPair, Signedness, StoredFormat, UnknownFormat};
