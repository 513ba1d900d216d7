//! A float network and samples become a quantized network, with AQT's quantizers.
//!
//! `fuse` finds the layers that hardware executes as one; `quantize` takes scales from the samples and
//! weights, and writes a network file and a trace. Knows workloads and the float engine. Must not know
//! designs, nor how files are named.

mod fuse;
mod quantize;

pub use fuse::{FuseError, FusedKind, FusedLayer};
pub use quantize::{CalibrateError, Calibrated, CalibratedLayer, Precision, calibrate};
