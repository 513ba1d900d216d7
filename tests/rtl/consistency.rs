//! Do the Verilog, the stepped array and the closed form agree, and do seeded faults make them disagree?

use systolab::hardware::Accelerator;
use systolab::mapping::Dataflow;
use systolab::rtl::{FAULTS, Folders, Generated, MODULES, Simulator, count_caught, count_caught_from};

use super::{SMALL, SMALLER, builds, compile, design, other_design, simulators_are_there};

/// Random layers of [`assert_consistent`] under Verilator.
const VERILATED_CASES: [u64; 4] = [160, 80, 160, 120];
const _: () =
    assert!(VERILATED_CASES[0] + VERILATED_CASES[1] + VERILATED_CASES[2] + VERILATED_CASES[3] >= 200);

fn assert_consistent(design: &Accelerator, dataflow: Dataflow, simulator: Simulator, cases: u64) {
    let plays = tempfile::tempdir().unwrap();
    let generated = Generated::new(design, dataflow).unwrap();
    let folders = Folders { builds: &builds(), plays: plays.path() };
    let compiled = compile(&generated, design, simulator, folders);
    let found = compiled.check_all(generated.random_layers(cases, 1), || ()).unwrap();
    assert_eq!((found.differences, found.total_differences), (0, 0), "{found:?}");
    assert_eq!(found.cases, cases);
    assert!(found.outputs > 10 * cases, "{found:?}");
    assert!(found.stored > 5 * cases, "{found:?}");
    eprintln!("{dataflow}: {found:?}");
}

#[test]
fn weight_stationary_arrays_agree_under_verilator() {
    if simulators_are_there() {
        assert_consistent(
            &design("edge-16x16", &SMALL),
            Dataflow::Ws,
            Simulator::Verilator,
            VERILATED_CASES[0],
        );
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
        assert_consistent(&design, Dataflow::Is, Simulator::Verilator, VERILATED_CASES[1]);
    }
}

#[test]
fn output_stationary_arrays_agree() {
    if simulators_are_there() {
        let changes = [("dataflows = [\"ws\"]", "dataflows = [\"os\"]")];
        let design = design("edge-16x16", &[&SMALL[..], &changes[..]].concat());
        assert_consistent(&design, Dataflow::Os, Simulator::Verilator, VERILATED_CASES[2]);
    }
}

#[test]
fn other_registers_and_other_sums_agree() {
    if simulators_are_there() {
        let design = other_design();
        assert_consistent(&design, Dataflow::Ws, Simulator::Verilator, VERILATED_CASES[3]);
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
        let caught = count_caught(Simulator::Icarus, folders).unwrap();
        assert!(caught.missed.is_empty(), "{caught:?}");
        assert!(caught.total() > FAULTS.len() as u64);
        eprintln!("{} of {} seeded faults noticed", caught.caught, caught.total());
    }
}

/// The trial is strong by itself, not by the seed that it was tried with.
#[test]
fn seeded_faults_are_noticed_from_other_seeds() {
    if simulators_are_there() {
        let plays = tempfile::tempdir().unwrap();
        let folders = Folders { builds: &builds(), plays: plays.path() };
        for seed in [2, 3] {
            let caught = count_caught_from(seed, Simulator::Icarus, folders).unwrap();
            assert!(caught.missed.is_empty(), "seed {seed}: {caught:?}");
        }
    }
}
