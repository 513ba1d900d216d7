//! Does the Verilog agree with the stepped array and the closed form in bits and cycles, under somebody else's
//! simulator, and are seeded faults noticed?
//!
//! Skipped, with the reason, where Verilator or Icarus Verilog is missing, unless `SYSTOLAB_REQUIRED_TOOLS` names
//! `verilator`.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stderr, reason = "what was skipped")]

use std::path::PathBuf;

use systolab::hardware::{Accelerator, SHIPPED};
use systolab::mapping::Dataflow;
use systolab::rtl::{Compiled, FAULTS, Folders, Generated, MODULES, Simulator, count_caught};
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
        if let Err(error) = simulator.version() {
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

/// The same Verilog is compiled once, also from one run of the tests to the next.
fn builds() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("verilog")
}

fn assert_consistent(design: &Accelerator, dataflow: Dataflow, simulator: Simulator, cases: u64) {
    let plays = tempfile::tempdir().unwrap();
    let generated = Generated::new(design, dataflow).unwrap();
    let folders = Folders { builds: &builds(), plays: plays.path() };
    let compiled = Compiled::new(&generated, design.array(), simulator, folders).unwrap();
    let found = compiled.check_all(generated.random_layers(cases, 1)).unwrap();
    assert_eq!((found.differences, found.total_differences), (0, 0), "{found:?}");
    assert_eq!(found.cases, cases);
    assert!(found.outputs > 10 * cases, "{found:?}");
    eprintln!("{dataflow}: {found:?}");
}

#[test]
fn weight_stationary_arrays_agree_under_verilator() {
    if simulators_are_there() {
        assert_consistent(&design("edge-16x16", &SMALL), Dataflow::Ws, Simulator::Verilator, 160);
    }
}

#[test]
fn input_stationary_arrays_agree_with_another_latency() {
    if simulators_are_there() {
        let changes = [
            ("dataflows = [\"ws\"]", "dataflows = [\"is\"]"),
            ("accumulator_latency_cycles = 1", "accumulator_latency_cycles = 3"),
        ];
        let design = design("edge-16x16", &[&SMALLER[..], &changes[..]].concat());
        assert_consistent(&design, Dataflow::Is, Simulator::Verilator, 80);
    }
}

#[test]
fn output_stationary_arrays_agree() {
    if simulators_are_there() {
        let changes = [("dataflows = [\"ws\"]", "dataflows = [\"os\"]")];
        let design = design("edge-16x16", &[&SMALL[..], &changes[..]].concat());
        assert_consistent(&design, Dataflow::Os, Simulator::Verilator, 160);
    }
}

/// No shadow registers and one register per result; sums that saturate; lanes in a block and along n; bf16 partial
/// sums with flushed subnormals.
#[test]
fn other_registers_and_other_sums_agree() {
    if simulators_are_there() {
        let design = design(
            "edge-16x16",
            &[
                &SMALLER[..],
                &[
                    ("dataflows = [\"ws\"]", "dataflows = [\"ws\", \"os\"]\nos_drain = \"blocking\""),
                    ("double_buffer = true", "double_buffer = false"),
                    ("partial_sum = \"f32\"", "partial_sum = \"bf16\""),
                    ("subnormals = \"keep\"", "subnormals = \"flush\""),
                    ("along = \"k\", count = 2 }", "along = \"n\", count = 3 }\noverflow = \"saturate\""),
                    (
                        "along = \"k\", count = 2 }",
                        "along = \"k\", count = 2 }\noverflow = \"saturate\"\nlane_sum = \"block\"",
                    ),
                    (
                        "count = 1 }\npartial_sum_bits",
                        "count = 4 }\noverflow = \"saturate\"\npartial_sum_bits",
                    ),
                    ("partial_sum_bits = 20", "partial_sum_bits = 16"),
                ],
            ]
            .concat(),
        );
        assert_consistent(&design, Dataflow::Ws, Simulator::Verilator, 120);
        assert_consistent(&design, Dataflow::Os, Simulator::Icarus, 40);
    }
}

#[test]
fn every_seeded_fault_is_noticed() {
    for fault in FAULTS {
        let (_, text) = MODULES.iter().find(|(name, _)| *name == fault.file).unwrap();
        assert_eq!(text.matches(fault.text).count(), 1, "{}", fault.name);
    }
    if simulators_are_there() {
        let plays = tempfile::tempdir().unwrap();
        let folders = Folders { builds: &builds(), plays: plays.path() };
        let caught = count_caught(Simulator::Icarus, folders, 96, 1).unwrap();
        assert!(caught.missed.is_empty(), "{caught:?}");
        assert!(caught.total() > FAULTS.len() as u64);
        eprintln!("{} of {} seeded faults noticed", caught.caught, caught.total());
    }
}

#[test]
fn what_has_no_verilog_is_refused_by_its_key() {
    let refused = |design: &Accelerator, dataflow| Generated::new(design, dataflow).unwrap_err().to_string();
    let assert_refused = |design: &Accelerator, key: &str| {
        assert!(refused(design, Dataflow::Ws).starts_with(&format!("`{key}`")), "{key}");
    };
    assert_refused(&design("tpuv4i-like", &[]), "array.count");
    assert_refused(&design("tpuv1-like", &[]), "array.rows");
    assert!(refused(&design("edge-16x16", &[]), Dataflow::Os).starts_with("`array.dataflows`"));
    // Equal widths, so that folds may be chained.
    let chained = "partial_sum_bits = 32\naccumulator_bits = 32\njoin = \"chained\"";
    let widths = "partial_sum_bits = 20\naccumulator_bits = 32";
    assert_refused(&design("edge-16x16", &[(widths, chained)]), "mac.join");
    for rounding in ["rto", "rtz"] {
        let changed = format!("rounding = \"{rounding}\"");
        assert_refused(&design("edge-16x16", &[("rounding = \"rne\"", &changed)]), "mac.rounding");
    }
    let block = "lane_sum = \"block\"\nrounding = \"rne\"";
    assert_refused(&design("edge-16x16", &[("rounding = \"rne\"", block)]), "mac.lane_sum");
    let first = "lanes = { along = \"k\", count = 2 }\noverflow = \"saturate\"\nlane_sum = \"first\"";
    assert_refused(&design("edge-16x16", &[("lanes = { along = \"k\", count = 2 }", first)]), "mac.lane_sum");
}
