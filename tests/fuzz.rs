//! Does any mutation of a valid file make a reader panic, hang or take memory without bounds?
//!
//! Counts are printed with `--nocapture`. `SYSTOLAB_MUTATIONS=N` tries N inputs in all instead of few.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stdout, reason = "counts are printed with --nocapture")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use systolab::cost::Technology;
use systolab::explore::Sweep;
use systolab::hardware::{Accelerator, SHIPPED};
use systolab::source::SourceFile;
use systolab::tensor::TensorFile;
use systolab::workload::{EvaluationSet, ImportOptions, ImportedModel, Params, Semantics, Workload};

/// Inputs of all readers.
const MUTATIONS: usize = 24_000;
const MUTATIONS_VARIABLE: &str = "SYSTOLAB_MUTATIONS";
/// No single input may take longer, whatever else the machine does.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many inputs a reader gets, of `parts` in a hundred.
fn count(parts: usize) -> usize {
    let all = std::env::var(MUTATIONS_VARIABLE).map_or(MUTATIONS, |count| count.parse().unwrap());
    all / 100 * parts
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// Bytes changed, removed, repeated; varints put anywhere.
    fn bytes(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..1 + self.below(4) {
            let at = self.below(bytes.len());
            match self.below(5) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
                2 => drop(bytes.drain(at..(at + 1 + self.below(16)).min(bytes.len()))),
                3 => {
                    let end = (at + 1 + self.below(32)).min(bytes.len());
                    let copy = bytes[at..end].to_vec();
                    let to = self.below(bytes.len());
                    bytes.splice(to..to, copy);
                }
                _ => {
                    let varint = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
                    let length = 1 + self.below(10);
                    bytes.splice(at..at, varint[10 - length..].iter().copied());
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
        bytes
    }

    /// Lines removed, repeated and moved, values replaced, and now and then bytes.
    fn text(&mut self, seed: &str) -> String {
        const VALUES: [&str; 16] = [
            "0",
            "-1",
            "1",
            "9223372036854775807",
            "-9223372036854775808",
            "18446744073709551616",
            "4294967296",
            "1e308",
            "nan",
            "-inf",
            "true",
            "\"\"",
            "\"int8\"",
            "[]",
            "[0, 0, 0, 0]",
            "{}",
        ];
        let mut lines: Vec<String> = seed.lines().map(str::to_owned).collect();
        for _ in 0..1 + self.below(3) {
            let at = self.below(lines.len());
            match self.below(6) {
                0 => drop(lines.remove(at)),
                1 => lines.insert(self.below(lines.len()), lines[at].clone()),
                2 => {
                    let line = lines.remove(at);
                    lines.insert(self.below(lines.len() + 1), line);
                }
                3 if !lines[at].is_empty() => {
                    let bytes = self.bytes(lines[at].as_bytes());
                    lines[at] = String::from_utf8_lossy(&bytes).into_owned();
                }
                _ => {
                    if let Some((key, _)) = lines[at].split_once('=') {
                        lines[at] = format!("{key}= {}", VALUES[self.below(VALUES.len())]);
                    }
                }
            }
            if lines.is_empty() {
                break;
            }
        }
        lines.join("\n")
    }
}

/// Gives a reader mutations of each seed in turn. Most must be refused, some accepted: else the seeds are no
/// longer valid or the mutations change nothing.
fn fuzz<S, I>(
    what: &str,
    inputs: usize,
    seeds: &[S],
    mutate: impl Fn(&mut Random, &S) -> I,
    read: impl Fn(usize, I) -> bool,
) {
    let mut random = Random(1);
    let mut accepted = 0;
    for index in 0..inputs {
        let start = Instant::now();
        accepted += usize::from(read(index, mutate(&mut random, &seeds[index % seeds.len()])));
        assert!(start.elapsed() < PATIENCE, "input {index} of {what}");
    }
    println!("{inputs} mutated {what}: {accepted} accepted, the others refused");
    assert!(0 < accepted && accepted < inputs);
}

fn files(paths: &[&str]) -> Vec<Vec<u8>> {
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn texts(folder: &str) -> Vec<String> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn models() {
    let cases = [
        "tests/goldens/cli/import.in/model.onnx",
        "tests/oracles/cases/resnet8-qdq-s8/model.onnx",
        "tests/oracles/cases/resnet8-qoperator-u8/model.onnx",
        "tests/oracles/cases/qgemm-s8-0/model.onnx",
        "tests/oracles/cases/int4-weights-int4/model.onnx",
        "tests/oracles/cases/add-pool-u8-0/model.onnx",
        "tests/oracles/cases/qlinear-average-pool-u8/model.onnx",
        "tests/oracles/cases/max-pool-s8/model.onnx",
    ];
    fuzz(
        "models (.onnx)",
        count(50),
        &files(&cases),
        |random, seed| random.bytes(seed),
        |index, bytes| {
            let semantics = if index % 2 == 0 { Semantics::Fused } else { Semantics::Float };
            let options = ImportOptions { semantics, ..ImportOptions::default() };
            ImportedModel::parse(Path::new("m.onnx"), &bytes, options).is_ok()
        },
    );
}

#[test]
fn traces_and_evaluation_sets() {
    const FOLDER: &str = "tests/goldens/cli/evaluate.in/networks";
    let seeds: Vec<_> = ["tiny-4-bit", "tiny-bf16", "images"]
        .into_iter()
        .map(|name| (name, fs::read(format!("{FOLDER}/{name}.safetensors")).unwrap()))
        .collect();
    let networks = ["tiny-4-bit", "tiny-bf16"]
        .map(|name| Workload::read(Path::new(&format!("{FOLDER}/{name}.toml"))).unwrap().network().clone());
    let mutate = |random: &mut Random, (name, bytes): &(&'static str, Vec<u8>)| (*name, random.bytes(bytes));
    fuzz("traces and evaluation sets (.safetensors)", count(20), &seeds, mutate, |_, (name, bytes)| {
        let Ok(file) = TensorFile::parse(Path::new("t.safetensors"), bytes) else { return false };
        match name {
            "tiny-4-bit" => Params::from_file(&file, &networks[0]).is_ok(),
            "tiny-bf16" => Params::from_file(&file, &networks[1]).is_ok(),
            _ => EvaluationSet::from_file(&file, networks[0].image().shape, 4).is_ok(),
        }
    });
}

#[test]
fn numpy_files() {
    // A .npy is the content of an uncompressed .npz.
    let npy = |kind: &str, shape: &str, data: &[u8]| {
        let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.bytes().chain(data.iter().copied()));
        bytes
    };
    let mut seeds = files(&[
        "tests/goldens/cli/import.in/input.npz",
        "tests/goldens/cli/import.in/expected.npz",
        "tests/oracles/cases/add-pool-u8-0/expected.npz",
    ]);
    seeds.push(npy("<f4", "(2, 3)", &[0x3f; 24]));
    seeds.push(npy("|i1", "(1, 2, 3)", &[7; 6]));
    fuzz(
        "numpy files (.npz, .npy)",
        count(15),
        &seeds,
        |random, seed| random.bytes(seed),
        |_, bytes| TensorFile::parse(Path::new("t.npz"), bytes).is_ok(),
    );
}

#[test]
fn designs_and_technologies() {
    let mut seeds: Vec<_> = SHIPPED.iter().map(|(_, text)| (true, (*text).to_owned())).collect();
    seeds.extend(texts("hw-configs/technology").into_iter().map(|text| (false, text)));
    let mutate = |random: &mut Random, (design, text): &(bool, String)| (*design, random.text(text));
    fuzz("designs and technologies (.toml)", count(3), &seeds, mutate, |_, (design, text)| {
        let file = SourceFile::embedded("f.toml", &text);
        if design { Accelerator::parse(&file).is_ok() } else { Technology::parse(&file).is_ok() }
    });
}

#[test]
fn workloads_and_sweeps() {
    let mut seeds: Vec<_> = texts("workloads").into_iter().map(|text| (true, text)).collect();
    seeds.extend(texts("tests/goldens/cli/evaluate.in/networks").into_iter().map(|text| (true, text)));
    seeds.push((false, fs::read_to_string("docs/sweep-example.toml").unwrap()));
    let mutate = |random: &mut Random, (network, text): &(bool, String)| (*network, random.text(text));
    fuzz("networks and sweeps (.toml)", count(12), &seeds, mutate, |_, (network, text)| {
        let file = SourceFile::embedded("f.toml", &text);
        if network { Workload::parse(&file).is_ok() } else { Sweep::parse(&file).is_ok() }
    });
}
