//! Energy of counted actions, and the paper's hardware-agnostic costs.
//!
//! Knows action counts, number formats and technology files. Must not know schedules, accelerators,
//! networks or how a count came about.

#![deny(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]

pub mod agnostic;

mod action;
mod action_counts;
mod area;
mod component;
mod energy;
mod energy_range;
mod error;
mod power_law;
mod provenance;
mod shipped;
mod sram;
mod technology;

pub use action::{Action, adders, vector_actions};
pub use action_counts::action_counts;
pub use area::{AreaBreakdown, AreaRange, Floorplan, area, partial_sum_bits};
pub use component::Component;
pub use energy::{EnergyBreakdown, EnergyRows, Macro, Memories, energies, energy, energy_rows};
pub use energy_range::EnergyRange;
pub use error::CostError;
pub use power_law::PowerLaw;
pub use provenance::{AreaLookup, AreaPerMac, EnergyPerAction, Exclusion, Lookup, Provenance, Standing};
pub use shipped::SHIPPED_TECHNOLOGIES;
pub(crate) use shipped::unknown_technology;
pub use sram::{SramAccess, SramFit};
pub use technology::{Technology, schema as technology_schema};
