//! From a layer and an accelerator to a schedule: how a GEMM is cut into folds, and in which order.
//!
//! The order of accumulation is stated here once; timing and the engines only follow it. Must not
//! know values, cycles or costs.

mod gemm;
mod mapper;
mod output_fold;
mod plan;
mod reduction;
mod schedule;

pub use crate::hardware::OutputDrain;
pub use gemm::Gemm;
pub use mapper::{MappedLayer, MappingError, accumulator_bits, map_network};
pub use output_fold::OutputFold;
pub use plan::LayerPlan;
pub use reduction::{Join, ReductionOrder};
pub use schedule::{Fold, Schedule};
