//! From a layer and an accelerator to a schedule: how a GEMM is cut into folds, and in which order.
//!
//! The order of accumulation is stated here once; timing and the engines only follow it. Must not
//! know values, cycles or costs.

mod candidates;
mod estimate;
mod fold_run;
mod footprint;
mod gemm;
mod mapper;
mod nested;
mod plan;
mod reduction;
mod residency;
mod schedule;
mod search;
mod tiling;
mod traffic;
mod transport;

pub use crate::hardware::{Dataflow, LaneAxis, OutputDrain};
pub use fold_run::FoldRun;
pub use footprint::Footprint;
pub use gemm::Gemm;
pub use mapper::{
    LayerMapping, MappedLayer, MappingError, accumulator_bits, map_network_with, map_workload_with,
};
pub use plan::LayerPlan;
pub use reduction::{Join, ReductionOrder};
pub use schedule::{Fold, Lanes, OutputTile, Schedule, Split, View};
pub use search::{Candidate, Judge, Search};
pub use tiling::{Buffer, InputSupply, Room, Step, Tiling, Transfer, WeightSupply};
pub use transport::{Place, Results, Transport};
