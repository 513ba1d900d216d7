//! Does the Verilog agree with the stepped array and the closed form in bits and cycles, under somebody else's
//! simulator, and are seeded faults noticed?
//!
//! Skipped, with the reason, where Verilator or Icarus Verilog is missing, unless `SYSTOLAB_REQUIRED_TOOLS` names
//! `verilator`.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stderr, reason = "what was skipped")]

use systolab::hardware::{Accelerator, SHIPPED};
use systolab::rtl::{FAULTS, Generated, MODULES, Simulator, check, count_caught};
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

const SMALL: [(&str, &str); 2] = [("rows = 16", "rows = 4"), ("cols = 16", "cols = 5")];

fn assert_consistent(design: &Accelerator, simulator: Simulator, cases: u64) {
    let folder = tempfile::tempdir().unwrap();
    let generated = Generated::new(design).unwrap();
    let found = check(&generated, design.array(), simulator, folder.path(), cases, 1).unwrap();
    assert_eq!((found.differences, found.total_differences), (0, 0), "{found:?}");
    assert_eq!(found.cases, cases);
    assert!(found.outputs > 10 * cases, "{found:?}");
}

#[test]
fn weight_stationary_arrays_agree_under_verilator() {
    if simulators_are_there() {
        assert_consistent(&design("edge-16x16", &SMALL), Simulator::Verilator, 150);
    }
}

#[test]
fn input_stationary_arrays_agree_with_another_latency() {
    if simulators_are_there() {
        let changes = [
            ("dataflows = [\"ws\"]", "dataflows = [\"is\"]"),
            ("accumulator_latency_cycles = 1", "accumulator_latency_cycles = 3"),
        ];
        let design = design("edge-16x16", &[&SMALL[..], &changes[..]].concat());
        assert_consistent(&design, Simulator::Verilator, 100);
    }
}

#[test]
fn every_seeded_fault_is_noticed() {
    for fault in FAULTS {
        let (_, text) = MODULES.iter().find(|(name, _)| *name == fault.file).unwrap();
        assert_eq!(text.matches(fault.text).count(), 1, "{}", fault.name);
    }
    if simulators_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let (caught, missed) = count_caught(Simulator::Icarus, folder.path(), 20, 1).unwrap();
        assert_eq!((caught, missed), (FAULTS.len() as u64, vec![]));
    }
}

#[test]
fn what_has_no_verilog_is_refused_by_its_key() {
    let refused = |design: &Accelerator| Generated::new(design).unwrap_err().to_string();
    assert!(refused(&design("tpuv4i-like", &[])).starts_with("`array.count`"));
    assert!(refused(&design("tpuv1-like", &[])).starts_with("`array.rows`"));
    let single = design("edge-16x16", &[("double_buffer = true", "double_buffer = false")]);
    assert!(refused(&single).starts_with("`array.double_buffer`"));
    let os = design("edge-16x16", &[("dataflows = [\"ws\"]", "dataflows = [\"os\"]")]);
    assert!(refused(&os).starts_with("`array.dataflows`"));
    for (key, value) in [("mac.overflow", "overflow = \"saturate\""), ("mac.join", "join = \"chained\"")] {
        // Equal widths, so that folds may be chained.
        let other = format!("partial_sum_bits = 32\naccumulator_bits = 32\n{value}");
        let changed = design("edge-16x16", &[("partial_sum_bits = 20\naccumulator_bits = 32", &other)]);
        assert!(refused(&changed).starts_with(&format!("`{key}`")), "{key}");
    }
}
