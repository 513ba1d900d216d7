//! The array as Verilog that other people's simulators run, and its consistency with the stepped array
//! and the closed form in bits and cycles. Not a validation against silicon.
//!
//! The modules in `rtl/sv` are written by hand; a [`Generated`] array adds its parameters.
//! Knows designs, schedules, numerics and the stepped array. Must not know networks or terminals.

mod check;
mod datapath;
mod faults;
mod formula;
mod generated;
mod layer;
mod play;
mod random;
mod requantization;
mod stimulus;
mod synthesis;
mod tool;
mod version;
mod wave;

pub use check::{Caught, CheckError, Compiled, Consistency, Folders, count_caught, count_caught_from};
pub use datapath::NotGenerated;
pub use faults::{FAULTS, Fault};
pub use generated::Generated;
pub use layer::{Layer, Words};
pub use play::PlayError;
pub use requantization::Requantization;
pub use synthesis::{Part, Synthesized};
pub use tool::{Simulator, ToolError};
pub use version::{Tool, Version};
pub use wave::Wave;

/// What runs the testbench under Verilator: name and text.
const MAIN: (&str, &str) = ("main.cpp", include_str!("rtl/sv/main.cpp"));

/// Hand-written modules: name and text.
pub const MODULES: [(&str, &str); 19] = [
    ("delay.v", include_str!("rtl/sv/delay.v")),
    ("clip.v", include_str!("rtl/sv/clip.v")),
    ("product.v", include_str!("rtl/sv/product.v")),
    ("integer_mac.v", include_str!("rtl/sv/integer_mac.v")),
    ("bf16_product.v", include_str!("rtl/sv/bf16_product.v")),
    ("float_add.v", include_str!("rtl/sv/float_add.v")),
    ("bf16_mac.v", include_str!("rtl/sv/bf16_mac.v")),
    ("macs.v", include_str!("rtl/sv/macs.v")),
    ("stationary_pe.v", include_str!("rtl/sv/stationary_pe.v")),
    ("stationary_column.v", include_str!("rtl/sv/stationary_column.v")),
    ("stationary_array.v", include_str!("rtl/sv/stationary_array.v")),
    ("output_pe.v", include_str!("rtl/sv/output_pe.v")),
    ("output_column.v", include_str!("rtl/sv/output_column.v")),
    ("output_array.v", include_str!("rtl/sv/output_array.v")),
    ("accumulator.v", include_str!("rtl/sv/accumulator.v")),
    ("requantize.v", include_str!("rtl/sv/requantize.v")),
    ("output_stage.v", include_str!("rtl/sv/output_stage.v")),
    ("top.v", include_str!("rtl/sv/top.v")),
    ("testbench.v", include_str!("rtl/sv/testbench.v")),
];
