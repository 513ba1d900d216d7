//! Does the Verilog agree with the stepped array and the closed form in bits and cycles, under somebody else's
//! simulator, and are seeded faults noticed?
//!
//! Skipped, with the reason, where Verilator or Icarus Verilog is missing, unless `SYSTOLAB_REQUIRED_TOOLS` names
//! `verilator`.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stderr, reason = "what was skipped")]

use std::path::{Path, PathBuf};

use half::bf16;
use rustc_apfloat::Float;
use rustc_apfloat::ieee::Single;
use systolab::cost::{SHIPPED_TECHNOLOGIES, Technology};
use systolab::explore::{ArrayOperands, Design, Origin, Request, array_layers};
use systolab::hardware::{Accelerator, SHIPPED};
use systolab::mapping::{Dataflow, Gemm, Join, Lanes, Schedule, Split};
use systolab::numerics::OperandPair;
use systolab::rtl::{
    Compiled, FAULTS, Folders, Generated, Layer, MODULES, Part, Simulator, Tool, Words, count_caught,
};
use systolab::source::SourceFile;
use systolab::tensor::{Data, TensorFile};
use systolab::workload::{ParameterSource, Params, Samples, Workload};

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

/// Random layers of [`assert_consistent`] under Verilator.
const VERILATED_CASES: [u64; 4] = [160, 80, 160, 120];
const _: () =
    assert!(VERILATED_CASES[0] + VERILATED_CASES[1] + VERILATED_CASES[2] + VERILATED_CASES[3] >= 200);

fn assert_consistent(design: &Accelerator, dataflow: Dataflow, simulator: Simulator, cases: u64) {
    let plays = tempfile::tempdir().unwrap();
    let generated = Generated::new(design, dataflow).unwrap();
    let folders = Folders { builds: &builds(), plays: plays.path() };
    let compiled = compile(&generated, design, simulator, folders);
    let found = compiled.check_all(generated.random_layers(cases, 1)).unwrap();
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
        assert_consistent(&design, Dataflow::Ws, Simulator::Verilator, VERILATED_CASES[3]);
        assert_consistent(&design, Dataflow::Os, Simulator::Icarus, 40);
    }
}

/// Integer sums of ONNX Runtime's MatMulInteger (tests/oracles/onnxruntime/matmulinteger.py) on the ws and the os array.
#[test]
fn integer_sums_are_those_of_onnx_runtime() {
    if !simulators_are_there() {
        return;
    }
    let os = [("dataflows = [\"ws\"]", "dataflows = [\"os\"]")];
    for (dataflow, changes) in [(Dataflow::Ws, &[][..]), (Dataflow::Os, &os[..])] {
        let design = design("edge-16x16", &[&SMALL[..], changes].concat());
        let mut layers = Vec::new();
        for entry in std::fs::read_dir("tests/oracles/matmulinteger").unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let file = TensorFile::read(&path).unwrap();
            let integers = |tensor: &str| match file.tensor(tensor).unwrap().data() {
                Data::I32(values) => values.clone(),
                _ => panic!("{name}: {tensor} is not I32"),
            };
            let operands = |tensor| integers(tensor).iter().map(|&value| value as i16).collect::<Vec<_>>();
            let (activations, weights) = (operands("activations"), operands("weights"));
            let extent = |tensor: &str, axis: usize| file.tensor(tensor).unwrap().shape()[axis] as u64;
            let (m, k, n) = (extent("activations", 0), extent("activations", 1), extent("weights", 0));
            let (activation, weight) = name[..name.len() - 2].split_once('-').unwrap();
            let pair = OperandPair::new(activation.parse().unwrap(), weight.parse().unwrap()).unwrap();
            let schedule = schedule(&design, dataflow, pair, Gemm { m, n, k, groups: 1 });
            let sums = integers("sums").iter().map(|&sum| sum as u32).collect();
            layers.push(Layer::new(pair, schedule, Words::Integer { activations, weights }, Some(sums), 1));
        }
        let count = layers.len() as u64;
        assert!(count >= 18);
        assert_same(&design, dataflow, layers, count);
    }
}

/// A layer in one piece.
fn schedule(design: &Accelerator, dataflow: Dataflow, pair: OperandPair, gemm: Gemm) -> Schedule {
    let unit = design.macs().iter().find(|unit| unit.pair() == pair).unwrap();
    Schedule {
        gemm,
        dataflow,
        rows: design.array().rows(),
        columns: design.array().cols(),
        lanes: Lanes { axis: unit.lane_axis(), count: unit.lanes() },
        arrays: 1,
        split: Split::Channels,
        m_tile: gemm.m,
        n_tile: gemm.n,
        join: Join::PerFold,
    }
}

/// Layers with somebody else's sums: every bit of the Verilog's must be theirs.
fn assert_same(design: &Accelerator, dataflow: Dataflow, layers: Vec<Layer>, count: u64) {
    let plays = tempfile::tempdir().unwrap();
    let generated = Generated::new(design, dataflow).unwrap();
    let folders = Folders { builds: &builds(), plays: plays.path() };
    let compiled = compile(&generated, design, Simulator::Verilator, folders);
    assert!(layers.iter().all(|layer| layer.sums.is_some()));
    let found = compiled.check_all(layers).unwrap();
    assert_eq!((found.cases, found.differences, found.total_differences), (count, 0, 0), "{found:?}");
    // Sums that are wrong by one bit must not pass.
    let mut wrong = generated.random_layers(1, 1).next().unwrap();
    let outputs = wrong.schedule.gemm.groups * wrong.schedule.gemm.m * wrong.schedule.gemm.n;
    wrong.sums = Some(vec![0x5555_5555; outputs as usize]);
    assert!(compiled.check(&wrong).unwrap().differences > 0);
}

/// bf16 sums in f32 by rustc_apfloat: products and sums one by one, folds joined by one more addition.
#[test]
fn bf16_sums_are_those_of_apfloat() {
    if !simulators_are_there() {
        return;
    }
    let design = design("edge-16x16", &SMALL);
    let generated = Generated::new(&design, Dataflow::Ws).unwrap();
    let mut layers: Vec<Layer> =
        generated.random_layers(200, 2).filter(|layer| layer.pair == OperandPair::Bf16).collect();
    for layer in &mut layers {
        let Words::Bf16 { activations, weights } = &layer.words else { panic!("not bf16") };
        let single = |value: bf16| Single::from_bits(u128::from(value.to_bits()) << 16);
        let (gemm, fold) = (layer.schedule.gemm, layer.schedule.k_per_fold() as usize);
        let (m, n, k) = (gemm.m as usize, gemm.n as usize, gemm.k as usize);
        let mut sums = Vec::new();
        for output in 0..gemm.groups as usize * m * n {
            let (row, column) = (output / n, output / (m * n) * n + output % n);
            let pairs: Vec<_> = activations[row * k..][..k].iter().zip(&weights[column * k..][..k]).collect();
            let sum_of_fold = |pairs: &[(&bf16, &bf16)]| {
                let add =
                    |sum: Single, &(&a, &w): &(&bf16, &bf16)| (sum + (single(a) * single(w)).value).value;
                pairs.iter().fold(Single::ZERO, add)
            };
            let sum = pairs.chunks(fold).map(sum_of_fold).fold(Single::ZERO, |sum, fold| (sum + fold).value);
            sums.push(if sum.is_nan() { 0x7fc0_0000 } else { sum.to_bits() as u32 });
        }
        layer.sums = Some(sums);
    }
    let count = layers.len() as u64;
    assert!(count > 20);
    assert_same(&design, Dataflow::Ws, layers, count);
}

/// The layers of a trained network as the mapper cuts them; sums must be those of the engine.
#[test]
fn layers_of_a_trained_network_agree() {
    if !simulators_are_there() {
        return;
    }
    let (name, hw) = ("resnet8-width4-mostly-4-bit", design("edge-16x16", &SMALL));
    let file = SourceFile::read(&PathBuf::from(format!("workloads/{name}.toml"))).unwrap();
    let workload = Workload::parse(&file).unwrap();
    let ParameterSource::Trace(trace) = workload.parameters() else { panic!("no trace") };
    let params = Params::read(trace, workload.network()).unwrap();
    let technology = SHIPPED_TECHNOLOGIES.iter().find(|(name, _)| *name == "7nm").unwrap();
    let technology = Technology::parse(&SourceFile::embedded(technology.0, technology.1)).unwrap();
    let design = Design { accelerator: hw, technology, technology_sha256: String::new() };
    let samples = Samples::synthetic(workload.network(), 1);
    let origin = Origin::Trace;
    let request =
        Request { design: &design, workload: &workload, params: &params, origin, samples: &samples };
    let mut count = 0;
    let mut layers = Vec::new();
    for layer in array_layers(request).unwrap() {
        let schedule = layer.mapped.tiling.schedule;
        let words = match layer.operands {
            ArrayOperands::Integer(activations, weights) => Words::Integer { activations, weights },
            ArrayOperands::Bf16(activations, weights) => Words::Bf16 { activations, weights },
        };
        count += 1;
        layers.push(Layer::new(layer.mapped.pair, schedule, words, layer.sums, count));
    }
    assert!(count >= 8, "only {count} layers");
    assert_same(&design.accelerator, Dataflow::Ws, layers, count);
}

/// An independent reader finds in the waveform what the skew says: PE(r,c) holds vector 0 r + c cycles after PE(0,0).
#[test]
fn waveforms_are_read_by_others() {
    let generated = Generated::new(&design("edge-16x16", &SMALL), Dataflow::Ws).unwrap();
    let wave = generated.wave(&generated.layer(6, 5, 4, 1), 0..12).unwrap();
    assert_eq!(wave.recorded(), 12);
    let mut bytes = Vec::new();
    wave.write_vcd(&mut bytes).unwrap();
    let mut read = wellen::simple::read_from_reader(std::io::Cursor::new(bytes)).unwrap();
    let first_time = |read: &mut wellen::simple::Waveform, row: usize, column: usize| {
        let scope = format!("pe_{row}_{column}");
        let variable = read.hierarchy().lookup_var(&["array", &scope], "vector").unwrap();
        let signal = read.hierarchy()[variable].signal_ref();
        read.load_signals(&[signal]);
        let changes = read.get_signal(signal).unwrap().iter_changes();
        let mut zeros = changes.filter(|(_, value)| value.to_bit_string().unwrap() == "0".repeat(32));
        read.time_table()[zeros.next().unwrap().0 as usize]
    };
    let start = first_time(&mut read, 0, 0);
    for row in 0..4 {
        for column in 0..4 {
            assert_eq!(first_time(&mut read, row, column), start + (row + column) as u64);
        }
    }
    let picture = wave.to_svg();
    assert_eq!(picture.matches("<text").count(), 12);
    // The paper, a square of the grid, a frame per cycle, and the PEs that hold a vector: from cycle 4 on.
    let moving: usize = (0..8)
        .map(|after| (0..20).filter(|pe| (pe / 5 + pe % 5..pe / 5 + pe % 5 + 6).contains(&after)).count())
        .sum();
    assert_eq!(picture.matches("<rect").count(), 2 + 12 + moving);
}

const OSU018: &str = "/usr/share/qflow/tech/osu018/osu018_stdcells.lib";

fn synthesis_is_there() -> bool {
    let missing = Tool::Yosys.version().err().map(|error| error.to_string());
    let no_cells = || (!Path::new(OSU018).exists()).then(|| "qflow-tech-osu018 is not installed".to_owned());
    let Some(missing) = missing.or_else(no_cells) else { return true };
    let required = std::env::var("SYSTOLAB_REQUIRED_TOOLS").unwrap_or_default();
    assert!(!required.contains("yosys"), "{missing}");
    eprintln!("skipped: {missing}");
    false
}

fn pair(activation: &str, weight: &str) -> OperandPair {
    OperandPair::new(activation.parse().unwrap(), weight.parse().unwrap()).unwrap()
}

#[test]
fn areas_are_those_of_yosys() {
    if !synthesis_is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let generated = Generated::new(&design("edge-16x16", &SMALLER), Dataflow::Ws).unwrap();
    let area = |format, bits, part| {
        let one = generated.with_pair(pair(format, format)).with_sum_bits(bits).unwrap();
        one.synthesize(part, Path::new(OSU018), folder.path()).unwrap().area
    };
    let pe = area("int8", 24, Part::Pe);
    // Yosys by hand gave 29,455 µm² for a PE without shadow and link registers.
    assert!((25_000.0..45_000.0).contains(&pe), "{pe}");
    // More bits, more area: a multiplexer of operand pairs once cost more than the MACs in some widths.
    let widths = [16, 20, 22, 24, 26, 32].map(|bits| area("int8", bits, Part::Macs));
    assert!(widths.is_sorted() && widths[5] < 1.3 * widths[0], "{widths:?}");
    // Two lanes of 4 bits.
    assert!(area("int4", 16, Part::Pe) < pe);
    assert!(widths[3] < pe);
    // Nine PEs and the skew registers.
    assert!(area("int8", 24, Part::Array) > 9.0 * pe);
}

const FAMILY: &str = "hw-configs/technology/osu018-yosys.toml";

/// One MAC of the pair, of one lane.
fn one_mac(activation: &str, weight: &str, bits: u8) -> Generated {
    let sums = if bits == 16 { "partial_sum = \"bf16\"" } else { "partial_sum = \"f32\"" };
    let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == "edge-16x16").unwrap();
    let start = text.find("[[mac]]").unwrap();
    let end = text.find("[scratchpad.activation]").unwrap();
    let mac = match activation {
        "bf16" => format!("{sums}\naccumulator = \"f32\"\nrounding = \"rne\"\nsubnormals = \"keep\""),
        _ => format!("partial_sum_bits = {bits}\naccumulator_bits = 32"),
    };
    let lanes = "lanes = { along = \"k\", count = 1 }";
    let text = format!(
        "{}[[mac]]\nactivation = \"{activation}\"\nweight = \"{weight}\"\n{lanes}\n{mac}\n\n{}",
        &text[..start],
        &text[end..]
    );
    let design = Accelerator::parse(&SourceFile::embedded("d.toml", &text)).unwrap();
    Generated::new(&design, Dataflow::Ws).unwrap()
}

/// A few rows of the family, made again; `BLESS=1` writes them all.
#[test]
fn the_familys_areas_are_made_again() {
    let text = std::fs::read_to_string(FAMILY).unwrap();
    let technology = Technology::parse(&SourceFile::embedded("osu018-yosys", &text)).unwrap();
    assert!(technology.mac_areas().count() >= 80);
    if !synthesis_is_there() {
        return;
    }
    if let Some(untested) = Tool::Yosys.version().unwrap().untested() {
        eprintln!("skipped: {untested}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let um2 = |activation: &str, weight: &str, bits: u8| {
        let mac = one_mac(activation, weight, bits);
        mac.synthesize(Part::Macs, Path::new(OSU018), folder.path()).unwrap().area.round()
    };
    let bless = std::env::var_os("BLESS").is_some();
    let sample = [("int8", "int8", 24), ("uint4", "int4", 16), ("uint8", "int4", 20), ("bf16", "bf16", 16)];
    let rows: Vec<(String, String, u8)> = technology
        .mac_areas()
        .filter_map(|(pair, bits, _)| Some((pair.activation().to_string(), pair.weight().to_string(), bits?)))
        .filter(|(activation, weight, bits)| bless || sample.contains(&(activation, weight, *bits)))
        .collect();
    assert!(rows.len() >= sample.len());
    let relative_to = um2("int8", "int8", 24);
    let mut new = text.clone();
    for (activation, weight, bits) in &rows {
        let found = um2(activation, weight, *bits);
        let key = format!("[area.mac.\"{activation},{weight},{bits}\".row]\num2 = ");
        let at = new.find(&key).unwrap() + key.len();
        let end = at + new[at..].find('\n').unwrap();
        new.replace_range(at..end, &format!("{found} # {:.2}", found / relative_to));
    }
    if bless {
        std::fs::write(FAMILY, &new).unwrap();
    } else {
        assert!(new == text, "{FAMILY}: other areas; `BLESS=1 cargo test --test rtl family` writes them");
    }
}

/// A design that names the family has areas of MACs, and no energy instead of zero.
#[test]
fn a_design_of_the_family_has_areas_and_no_energy() {
    let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == "edge-16x16").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let design = folder.path().join("d.toml");
    std::fs::write(&design, text.replace("technology = \"7nm\"", "technology = \"osu018-yosys\"")).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_systolab"));
        command.args(arguments).args(["--hw", design.to_str().unwrap()]).output().unwrap()
    };
    let table = run(&["cost-table", "--format", "csv"]);
    let said = String::from_utf8(table.stdout).unwrap();
    assert_eq!(table.status.code(), Some(0), "{}", String::from_utf8_lossy(&table.stderr));
    assert!(
        said.contains("area.mac.\"\"int8,int8,20\"\"") && said.contains("only ratios of MAC areas"),
        "{said}"
    );
    assert!(!said.contains(",pJ,"), "{said}");
    let refused = run(&["simulate", "--workload", "resnet8-width4-w8a8"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(said.contains("technology `osu018-yosys` has areas only, no energy"), "{said}");
}

/// What `systolab rtl` says where `tools` (name and shell script) are all the tools there are, its exit code and how
/// many temporary files it left.
fn with_tools(tools: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String, usize) {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (path, temporary) = (folder.path().join("bin"), folder.path().join("tmp"));
    std::fs::create_dir_all(&path).unwrap();
    std::fs::create_dir_all(&temporary).unwrap();
    for (name, script) in tools {
        std::fs::write(path.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(path.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_systolab"));
    let output =
        command.arg("rtl").args(arguments).env("PATH", &path).env("TMPDIR", &temporary).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said, std::fs::read_dir(temporary).unwrap().count())
}

#[test]
fn tools_that_are_missing_old_or_fail_are_named() {
    let check = ["check", "--hw", "edge-16x16", "--cases", "1"];
    let icarus = ("iverilog", "echo Icarus Verilog version 11.0");
    let (code, said, left) = with_tools(&[], &check);
    assert_eq!((code, left), (Some(2), 0));
    assert!(said.contains("verilator: cannot run") && said.contains("Debian package `verilator`"), "{said}");

    let (code, said, left) = with_tools(&[("verilator", "echo Verilator 4.228 2022"), icarus], &check);
    assert_eq!((code, left), (Some(2), 0));
    assert!(said.contains("verilator: too old: it says `Verilator 4.228 2022`; expected 5.006"), "{said}");

    let fails = "case $1 in --version) echo Verilator 9.001;; *) i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo line $i; \
                 done; exit 3;; esac";
    let (code, said, left) = with_tools(&[("verilator", fails), icarus], &check);
    assert_eq!((code, left), (Some(2), 0), "{said}");
    assert!(said.contains("Verilator 9.001: not tested; tested with 5.006"), "{said}");
    assert!(
        said.contains("verilator failed; its last lines:\nline 19\n") && said.contains("line 30"),
        "{said}"
    );

    let silent =
        with_tools(&[("yosys", "true")], &["synth", "--hw", "edge-16x16", "--liberty", "Cargo.toml"]);
    assert_eq!((silent.0, silent.2), (Some(2), 0));
    assert!(silent.1.contains("yosys printed no result"), "{}", silent.1);
}

#[test]
fn a_design_without_verilog_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let (code, said, _) = with_tools(&[], &["emit", "--hw", "tpuv4i-like", "--out", out.to_str().unwrap()]);
    assert_eq!(code, Some(2));
    assert!(said.contains("`array.count`"), "{said}");
    assert!(!out.exists());
    let (code, said, left) = with_tools(&[], &["check", "--hw", "tpuv1-like"]);
    assert_eq!((code, left), (Some(2), 0));
    assert!(said.contains("`array.rows`"), "{said}");
}

/// Only with `--keep`, and never in a folder of somebody else.
#[test]
fn files_of_a_synthesis_are_kept_on_demand() {
    let yosys = "case $1 in -V) echo Yosys 0.23;; *) printf 'Number of cells: 3\nChip area for module: 24.5\n' >area.txt;; \
                 esac";
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    let keep = ["--keep", kept.to_str().unwrap()];
    let synth = ["synth", "--hw", "edge-16x16", "--liberty", "Cargo.toml"];
    let (code, said, left) = with_tools(&[("yosys", yosys)], &synth);
    assert_eq!((code, left), (Some(0), 0), "{said}");
    for _ in 0..2 {
        let (code, said, left) = with_tools(&[("yosys", yosys)], &[&synth[..], &keep[..]].concat());
        assert_eq!((code, left), (Some(0), 0), "{said}");
        assert!(kept.join("(int8,int8)-20-PE/synthesize.ys").exists());
    }
    std::fs::remove_file(kept.join(".systolab-rtl")).unwrap();
    let (code, said, _) = with_tools(&[("yosys", yosys)], &[&synth[..], &keep[..]].concat());
    assert_eq!(code, Some(2));
    assert!(said.contains("exists and was not kept by an earlier run"), "{said}");
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
