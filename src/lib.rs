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
//! functional's order; `rtl` is the same array in Verilog, which other people's simulators run. `validate`
//! compares tensors with somebody else's; `calibrate` quantizes float networks. `inputs` finds what a user names;
//! `sweep` keeps the results of design spaces in folders. `scalesim` has another tool's numbers, for comparison.
//! `source` reads configuration files and points errors into them. The allowed edges are the table in
//! `tests/architecture.rs`.
//!
//! ```
//! use systolab::cost::{SHIPPED_TECHNOLOGIES, Technology};
//! use systolab::explore::{Design, Regime, simulate};
//! use systolab::hardware::{self, Accelerator};
//! use systolab::source::SourceFile;
//! use systolab::workload::{self, Workload};
//!
//! let (name, text) = hardware::SHIPPED[0];
//! let (family, energies) = SHIPPED_TECHNOLOGIES[0];
//! let technology = SourceFile::embedded(family, energies);
//! let design = Design {
//!     accelerator: Accelerator::parse(&SourceFile::embedded(name, text))?,
//!     technology: Technology::parse(&technology)?,
//!     technology_sha256: technology.sha256(),
//! };
//! let (name, text) = workload::SHIPPED[0];
//! let network = Workload::parse(&SourceFile::embedded(name, text))?;
//!
//! let request = simulate(&design, &network, 1, Regime::Cold)?;
//! assert_eq!(request.layers.iter().map(|layer| layer.cycles).sum::<u64>(), request.totals.cycles);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod calibrate;
pub mod cli;
pub mod cost;
pub mod explore;
pub mod functional;
pub mod hardware;
pub mod inputs;
pub mod mapping;
pub mod numerics;
pub mod report;
pub mod rtl;
pub mod scalesim;
pub mod source;
pub mod stepped;
pub mod study;
pub mod sweep;
pub mod tensor;
pub mod timing;
pub mod validate;
pub mod workload;
