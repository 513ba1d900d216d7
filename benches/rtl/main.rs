//! How fast is the stepped array beside the verilated one of the same design? And how long does a closed form take?
//! `cargo bench --bench rtl`; needs Verilator (Debian: `verilator`, `g++`, `make`).
//!
//! Both play the same folds with the same operands and count cycles, and must agree in cycles and outputs. Verilated:
//! array and accumulators of the emitted Verilog without the output stage, which the stepped array has not; driven from
//! C++ with all ports in memory, `-O3`, no waveform, no assertions, one thread. Seconds are CPU seconds of rounds taken in
//! turn; neither side is charged for reading files. Both are compiled for any x86-64.

#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "the measurements")]

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;

use systolab::explore::map_network;
use systolab::hardware::{Accelerator, SHIPPED};
use systolab::mapping::{Dataflow, Schedule};
use systolab::numerics::{IntegerMac, OperandPair, RegisterWidth};
use systolab::rtl::{Generated, Layer, Words};
use systolab::source::SourceFile;
use systolab::stepped::{Arrival, Control, LanePayload, Loading, Operands, Start, run, run_observed};
use systolab::timing::array_cycles;
use systolab::workload::{self, Workload};

/// CPU seconds that one round of one side takes, about.
const ROUND: f64 = 0.25;
const ROUNDS: usize = 9;

fn main() {
    println!(
        "| array | vectors per fold | cycles | verilated µs/cycle | stepped µs/cycle | stepped is faster by |"
    );
    println!("| --- | --: | --: | --: | --: | --: |");
    for size in [8, 32] {
        let (generated, design) = array(size);
        let program = verilate(&generated, &format!("{size}x{size}"));
        for vectors in [size, 196] {
            let layer = generated.layer(vectors, 2 * size, 4 * size, 1);
            compare(&generated, &design, &layer, &program, size, vectors);
        }
    }
    closed_forms();
}

/// edge-16x16 of another size, with its (int8,int8) MACs alone.
fn array(size: u64) -> (Generated, Accelerator) {
    let design = shipped("edge-16x16", |text| {
        let rows = text.replacen("rows = 16", &format!("rows = {size}"), 1);
        rows.replacen("cols = 16", &format!("cols = {size}"), 1)
    });
    let pair = OperandPair::new("int8".parse().unwrap(), "int8".parse().unwrap()).unwrap();
    (Generated::new(&design, Dataflow::Ws).unwrap().with_pair(pair), design)
}

fn shipped(name: &str, change: impl Fn(&str) -> String) -> Accelerator {
    let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name).unwrap();
    Accelerator::parse(&SourceFile::embedded("d.toml", &change(text))).unwrap()
}

/// Compiles array and accumulators; returns the program.
fn verilate(generated: &Generated, name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verilated").join(name);
    fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new("verilator");
    command.args([
        "--cc",
        "--exe",
        "--build",
        "-O3",
        "--x-assign",
        "fast",
        "--x-initial",
        "fast",
        "--noassert",
    ]);
    command.args(["-Wno-fatal", "-Wno-lint", "-Wno-style", "-CFLAGS", "-O3", "-j", "0"]);
    command.args(["-MAKEFLAGS", "OPT_FAST=-O3 OPT_SLOW=-O3 OPT_GLOBAL=-O3"]);
    command.args(["--top-module", "systolab_top", "-o", "simulation", "main.cpp"]);
    for (name, text) in generated.files() {
        let stage = "    systolab_output_stage stage (";
        let text = if name == "top.v" {
            let start = text.find(stage).unwrap();
            let end = start + text[start..].find(");\n").unwrap() + 3;
            format!("{}{}", &text[..start], &text[end..])
        } else {
            text
        };
        fs::write(folder.join(&name), text).unwrap();
        if name.ends_with(".v") && name != "testbench.v" {
            command.arg(name);
        }
    }
    fs::write(folder.join("main.cpp"), include_str!("main.cpp")).unwrap();
    let output =
        command.current_dir(&folder).output().expect("verilator; Debian: apt install verilator g++ make");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder.join("obj_dir/simulation")
}

/// Cycles, outputs, their sum, and CPU seconds of the repetitions.
struct Played {
    cycles: u64,
    /// Sums that became readable, folds apart.
    outputs: u64,
    sum: u32,
    seconds: f64,
}

fn play_verilated(program: &Path, stimulus: &Path, repeats: u64, size: u64) -> Played {
    let arguments = [stimulus.display().to_string(), repeats.to_string(), size.to_string()];
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let mut words = text.split_whitespace();
    let mut number = || words.next().unwrap().parse().unwrap();
    let (cycles, outputs, sum) = (number(), number(), number() as u32);
    Played { cycles, outputs, sum, seconds: words.next().unwrap().parse().unwrap() }
}

/// The stepped side of a layer.
struct Stepped<'a> {
    schedule: Schedule,
    control: Control,
    starts: Vec<Start>,
    payload: LanePayload<'a, 1>,
}

impl Stepped<'_> {
    fn play(&self, repeats: u64) -> Played {
        let before = thread_seconds();
        for _ in 0..repeats {
            black_box(run(&self.schedule, &self.control, &self.starts, black_box(&self.payload)).unwrap());
        }
        let seconds = thread_seconds() - before;
        let (mut outputs, mut sum) = (0, 0_u32);
        let observe = &mut |arrival: Arrival<i64>| {
            outputs += 1;
            sum = sum.wrapping_add(arrival.sum as u32);
        };
        let cycles =
            run_observed(&self.schedule, &self.control, &self.starts, &self.payload, observe).unwrap().cycles;
        Played { cycles, outputs, sum, seconds }
    }
}

fn compare(
    generated: &Generated,
    design: &Accelerator,
    layer: &Layer,
    program: &Path,
    size: u64,
    vectors: u64,
) {
    let stimulus = program.with_file_name(format!("{vectors}.txt"));
    fs::write(&stimulus, generated.stimulus(layer).unwrap()).unwrap();
    let Words::Integer { activations, weights } = &layer.words else { panic!("not integers") };
    let (schedule, array) = (layer.schedule, design.array());
    let (m, n, k) = (schedule.gemm.m, schedule.gemm.n, schedule.gemm.k);
    let control = Control {
        accumulator_latency: array.accumulator_latency_cycles(),
        double_buffer: array.double_buffer(),
        drain: array.output_drain(),
    };
    let bits = generated.sum_bits() as u8;
    let mac = IntegerMac::wrapping(RegisterWidth::new(bits).unwrap(), RegisterWidth::new(32).unwrap());
    let stepped = Stepped {
        schedule,
        control,
        starts: control.starts(&schedule, Loading::Latest),
        payload: LanePayload { operands: Operands { activations, weights, m, n, k }, mac },
    };
    // How often each side fills a round.
    let verilated = |repeats| play_verilated(program, &stimulus, repeats, size);
    let per_round = |seconds: f64, repeats: u64| (ROUND * repeats as f64 / seconds.max(1e-4)).ceil() as u64;
    let (v, s) = (per_round(verilated(20).seconds, 20), per_round(stepped.play(20).seconds, 20));
    let mut rounds: Vec<(f64, f64)> = Vec::new();
    let mut cycles = 0;
    for _ in 0..ROUNDS {
        let (of_verilated, of_stepped) = (verilated(v), stepped.play(s));
        cycles = of_verilated.cycles;
        let seen = |played: &Played| (played.cycles, played.outputs, played.sum);
        assert_eq!(seen(&of_verilated), seen(&of_stepped));
        rounds.push((of_verilated.seconds / v as f64, of_stepped.seconds / s as f64));
    }
    let median = |of: &dyn Fn(&(f64, f64)) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let micro = 1e6 / cycles as f64;
    println!(
        "| {size}×{size} | {vectors} | {cycles} | {:.3} | {:.3} | {:.2} |",
        median(&|round| round.0) * micro,
        median(&|round| round.1) * micro,
        median(&|round| round.0 / round.1)
    );
}

/// The array's cycles of every layer of ResNet-50 on edge-32x32.
fn closed_forms() {
    let (_, text) = workload::SHIPPED.iter().find(|(name, _)| *name == "resnet50-w8a8").unwrap();
    let network = Workload::parse(&SourceFile::embedded("n.toml", text)).unwrap();
    let design = shipped("edge-32x32", str::to_owned);
    let mapped = map_network(network.network(), &design, 1).unwrap();
    let schedules: Vec<Schedule> =
        mapped.iter().filter_map(|layer| layer.array.map(|mapped| mapped.tiling.schedule)).collect();
    let repeats = 20_000;
    let before = thread_seconds();
    for _ in 0..repeats {
        for schedule in &schedules {
            black_box(array_cycles(black_box(schedule), design.array()));
        }
    }
    let layers = repeats as f64 * schedules.len() as f64;
    println!(
        "\nclosed form: {:.1} ns per layer, mean of the {} layers of resnet50-w8a8 on edge-32x32",
        (thread_seconds() - before) / layers * 1e9,
        schedules.len()
    );
}

/// Seconds that this thread has run on a processor; 0 where the system does not say.
fn thread_seconds() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|text| text.parse::<f64>().ok()).unwrap_or_default() * 1e-9
}
