//! systolab: values, cycles, energy and accuracy of quantized networks on systolic arrays.
//!
//! ```text
//! hw-configs/*.toml ─► hardware ─┐                          ┌─► timing ─────► Counters ─► cost ─┐
//!                                ├─► mapping ─► Schedule ───┤                                    ├─► explore ─► report ─► cli
//! workloads/*.toml ──► workload ─┘     (LayerPlan)          └─► functional ─► tensors ───────────┘
//!            numerics and tensor underneath: what a number, a MAC and a requantization are
//! ```
//!
//! Beside the flow, `stepped` is the array as registers, PE by PE: the judge of timing's cycles and of
//! functional's order. `source` reads configuration files and points errors into them.

pub mod cli;
pub mod cost;
pub mod explore;
pub mod functional;
pub mod hardware;
pub mod mapping;
pub mod numerics;
pub mod report;
pub mod source;
pub mod stepped;
pub mod tensor;
pub mod timing;
pub mod workload;
