//! The array as Verilog that other people's simulators run, and its consistency with the stepped array
//! and the closed form in bits and cycles. Not a validation against silicon.
//!
//! The modules in `rtl/sv` are written by hand; a [`Generated`] array adds parameters and a top level.
//! Knows designs, schedules and the stepped array. Must not know networks or terminals.

mod check;
mod faults;
mod generated;
mod stimulus;
mod tool;

pub use check::{CheckError, Consistency, check, count_caught};
pub use faults::{FAULTS, Fault};
pub use generated::{Generated, NotGenerated};
pub use tool::{Simulator, ToolError};

/// Hand-written modules: name and text.
pub const MODULES: [(&str, &str); 7] = [
    ("delay.v", include_str!("rtl/sv/delay.v")),
    ("product.v", include_str!("rtl/sv/product.v")),
    ("integer_mac.v", include_str!("rtl/sv/integer_mac.v")),
    ("stationary_pe.v", include_str!("rtl/sv/stationary_pe.v")),
    ("accumulator.v", include_str!("rtl/sv/accumulator.v")),
    ("stationary_array.v", include_str!("rtl/sv/stationary_array.v")),
    ("stationary_testbench.v", include_str!("rtl/sv/stationary_testbench.v")),
];
