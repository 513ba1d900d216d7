//! Bit-exact values: executes a network's layers in the order its plans state.
//!
//! [`direct_integer`] and [`direct_bf16`] say what a convolution is; `portable` says what a MAC unit
//! makes of it; `avx2` and `avx512` are the same bits faster. Knows plans, parameters and tensors. Must not know an
//! accelerator or a cycle.

mod avx2;
mod avx512;
mod convolution;
mod direct;
mod error;
mod float;
mod float_operators;
mod geometry;
mod imported;
mod integer_pools;
mod loops;
mod network;
mod portable;
mod windows;

pub use convolution::{Bf16Convolution, Engine, IntegerConvolution, Kernels};
pub use direct::{direct_bf16, direct_integer};
pub use error::ExecutionError;
pub use geometry::Geometry;
pub use network::{
    Activations, Classification, Executable, LayerReport, LayerStatistics, Outputs, Workspace,
};
pub use portable::{IntegerSum, bf16_dot, integer_dot, integer_dot_onto};
