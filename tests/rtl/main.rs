//! Does the Verilog agree with the stepped array and the closed form in bits and cycles, under somebody else's
//! simulator, and are seeded faults noticed?
//!
//! Skipped, with the reason, where Verilator or Icarus Verilog is missing, unless `SYSTOLAB_REQUIRED_TOOLS` names
//! `verilator`.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stderr, reason = "what was skipped")]

mod consistency;
mod emitted;
mod others;
mod refusals;
mod synthesis;
mod waveform;

use std::path::PathBuf;

use systolab::hardware::{Accelerator, SHIPPED};
use systolab::rtl::{Compiled, Folders, Generated, Simulator};
use systolab::source::SourceFile;

/// The shipped design, with lines of its file replaced.
fn design(name: &str, changes: &[(&str, &str)]) -> Accelerator {
    let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name).unwrap();
    let mut text = (*text).to_owned();
    for (line, replacement) in changes {
        assert!(text.contains(line), "{name} has no `{line}`");
        text = text.replacen(line, replacement, 1);
    }
    Accelerator::parse(&SourceFile::embedded("d.toml", &text)).unwrap()
}

fn simulators_are_there() -> bool {
    for simulator in [Simulator::Verilator, Simulator::Icarus] {
        if let Err(error) = simulator.tool().version() {
            let required = std::env::var("SYSTOLAB_REQUIRED_TOOLS").unwrap_or_default();
            assert!(!required.contains("verilator"), "{error}, and SYSTOLAB_REQUIRED_TOOLS names it");
            eprintln!("skipped: {error}");
            return false;
        }
    }
    true
}

const SMALLER: [(&str, &str); 2] = [("rows = 16", "rows = 3"), ("cols = 16", "cols = 3")];
const SMALL: [(&str, &str); 2] = [("rows = 16", "rows = 4"), ("cols = 16", "cols = 5")];

/// No shadow registers and one register per result; sums that saturate; lanes in a block and along n; bf16 partial
/// sums with flushed subnormals.
fn other_design() -> Accelerator {
    let changes = [
        ("dataflows = [\"ws\"]", "dataflows = [\"ws\", \"os\"]\nos_drain = \"blocking\""),
        ("double_buffer = true", "double_buffer = false"),
        ("partial_sum = \"f32\"", "partial_sum = \"bf16\""),
        ("subnormals = \"keep\"", "subnormals = \"flush\""),
        ("along = \"k\", count = 2 }", "along = \"n\", count = 3 }\noverflow = \"saturate\""),
        (
            "along = \"k\", count = 2 }",
            "along = \"k\", count = 2 }\noverflow = \"saturate\"\nlane_sum = \"block\"",
        ),
        ("count = 1 }\npartial_sum_bits", "count = 4 }\noverflow = \"saturate\"\npartial_sum_bits"),
        ("partial_sum_bits = 20", "partial_sum_bits = 16"),
    ];
    design("edge-16x16", &[&SMALLER[..], &changes].concat())
}

/// The same Verilog is compiled once, also from one run of the tests to the next.
fn builds() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("verilog")
}

/// Verilator's builds take minutes: all tests share this many.
const MOST_BUILDS: usize = 12;

/// Whichever test needs one build more than all of them may use fails.
fn compile<'a>(
    generated: &'a Generated,
    design: &'a Accelerator,
    simulator: Simulator,
    folders: Folders<'a>,
) -> Compiled<'a> {
    let compiled = Compiled::new(generated, design.array(), simulator, folders).unwrap();
    let used = Simulator::Verilator.builds_used();
    assert!(used <= MOST_BUILDS, "{used} builds of different Verilog under Verilator");
    compiled
}
