//! Our values against somebody else's: equal, or where they first differ and what in the array made it.
//!
//! Knows executed tensors, expected ones, and how a layer is mapped. Must not know terminals or how a
//! result is written.

mod compare;
mod network;
mod place;

pub use compare::{Comparison, Layout, Mismatch, Tolerance, Value, compare};
pub use network::{FirstDifference, LayerOverflows, LayerValidation, ValidateError, Validation, validate};
pub use place::{Place, locate};
