//! Do the golden vectors of a fold, read back from their files, give the sums and outputs they claim?
//!
//! Sums are recomputed here from the files' weights and activations alone; accumulators and outputs must also
//! be those of `execute`.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use systolab::cost::{SHIPPED_TECHNOLOGIES, Technology};
use systolab::explore::{Design, Keep, Origin, Request, Run, execute, golden_fold};
use systolab::hardware::{Accelerator, SHIPPED};
use systolab::report::golden_files;
use systolab::source::SourceFile;
use systolab::tensor::{Data, Tensor, TensorFile};
use systolab::workload::{ImportedParams, ParameterSource, Params, Samples, Workload};

fn design(name: &str, changes: &[(&str, &str)]) -> Design {
    let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name).unwrap();
    let text = changes.iter().fold((*text).to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    let accelerator = Accelerator::parse(&SourceFile::embedded("design.toml", &text)).unwrap();
    let (family, energies) = SHIPPED_TECHNOLOGIES[0];
    let technology = SourceFile::embedded(family, energies);
    Design {
        accelerator,
        technology: Technology::parse(&technology).unwrap(),
        technology_sha256: technology.sha256(),
    }
}

/// The files of one fold.
struct Files {
    about: Value,
    texts: BTreeMap<String, String>,
}

impl Files {
    /// Fields of a memory, line by line, as `$readmemh` would load and RTL would slice them.
    fn memory(&self, array: &Value, name: &str) -> Option<Vec<Vec<u32>>> {
        let about = array["memories"].get(name)?;
        let [bits, fields, lines] =
            ["field_bits", "fields_per_line", "lines"].map(|key| about[key].as_u64().unwrap() as usize);
        let text = &self.texts[about["file"].as_str().unwrap()];
        let words = text.lines().filter(|line| !line.starts_with("//"));
        let read: Vec<Vec<u32>> = words
            .map(|word| {
                let digits: Vec<u32> = word.chars().rev().map(|digit| digit.to_digit(16).unwrap()).collect();
                let bit = |at: usize| digits[at / 4] >> (at % 4) & 1;
                (0..fields).map(|field| (0..bits).map(|at| bit(field * bits + at) << at).sum()).collect()
            })
            .collect();
        assert_eq!(read.len(), lines);
        Some(read)
    }

    fn number(&self, key: &str) -> usize {
        self.about[key].as_u64().unwrap() as usize
    }

    fn format(&self, of: &str) -> &str {
        self.about["formats"][of].as_str().unwrap()
    }
}

/// The bits of a register as the number that they are.
fn number(bits: u32, format: &str) -> f64 {
    if let Some(width) = format.strip_prefix("uint") {
        assert!(bits < 1 << width.parse::<u32>().unwrap());
        return bits.into();
    }
    match format.strip_prefix("int") {
        Some(width) => {
            let unused = 32 - width.parse::<u32>().unwrap();
            ((bits << unused) as i32 >> unused).into()
        }
        None if format == "bf16" => f32::from_bits(bits << 16).into(),
        None => f32::from_bits(bits).into(),
    }
}

/// Position of an output in a fold's files: line and first of its fields.
struct Outputs {
    pixel: usize,
    channel: usize,
    line: usize,
    field: usize,
}

fn outputs(dataflow: &str, rows: usize, pixels: usize, channels: usize) -> Vec<Outputs> {
    let all = (0..pixels).flat_map(|pixel| (0..channels).map(move |channel| (pixel, channel)));
    all.map(|(pixel, channel)| {
        let (line, field) = match dataflow {
            "ws" => (pixel, channel),
            "is" => (channel, pixel),
            _ => (rows - 1 - pixel, channel), // the last row drains first
        };
        Outputs { pixel, channel, line, field }
    })
    .collect()
}

/// Checks every fold of a layer; returns how many folds, arrays and outputs there were.
fn check(design: &Design, network: &str, layer: &str) -> [usize; 3] {
    let workload = Workload::read(Path::new(&format!("workloads/{network}.toml"))).unwrap();
    let ParameterSource::Trace(trace) = workload.parameters() else { panic!("{network} is trained") };
    let params = Params::read(trace, workload.network()).unwrap();
    let samples = Samples::synthetic(workload.network(), 7);
    let request =
        Request { design, workload: &workload, params: &params, origin: Origin::Trace, samples: &samples };
    let run = execute(request, Keep::OutputsAndAccumulators, |_| {}).unwrap();

    let mut counts = [0; 3];
    // (group, m, n) → the accumulator after the folds so far.
    let mut accumulators: BTreeMap<(usize, usize, usize), f32> = BTreeMap::new();
    let mut finished = 0;
    for index in 0.. {
        let golden = golden_fold(request, layer, index).unwrap();
        let texts: BTreeMap<_, _> = golden_files(&golden, "test").unwrap().into_iter().collect();
        let about = serde_json::from_str(&texts["fold.json"]).unwrap();
        let files = Files { about, texts };
        counts[0] += 1;
        for array in files.about["arrays"].as_array().unwrap() {
            counts[1] += 1;
            let (done, last) = check_array(&files, array, &run, layer, &mut accumulators);
            counts[2] += done;
            finished += if last { done } else { 0 };
        }
        if index + 1 == files.number("folds") as u64 {
            break;
        }
    }
    assert_eq!(finished, elements(&run.tensors[layer]), "every output is finished once");
    let error = golden_fold(request, layer, counts[0] as u64).unwrap_err().to_string();
    assert!(error.contains(&format!("has no fold {}", counts[0])), "{error}");
    counts
}

fn elements(tensor: &Tensor) -> usize {
    tensor.data().len()
}

fn check_array(
    files: &Files,
    array: &Value,
    run: &Run,
    layer: &str,
    accumulators: &mut BTreeMap<(usize, usize, usize), f32>,
) -> (usize, bool) {
    let dataflow = files.about["dataflow"].as_str().unwrap();
    let [m, n, pixels, channels, rows] =
        ["m", "n", "pixels", "channels", "rows"].map(|key| array[key].as_u64().unwrap() as usize);
    let (depth, lanes) = (files.number("depth"), files.number("lanes_along_k"));
    assert_eq!(files.number("lanes_along_n"), 1);
    let memory = |name| files.memory(array, name);
    let (weights, activations) = (memory("weights").unwrap(), memory("activations").unwrap());
    let (sums, after) = (memory("partial-sums").unwrap(), memory("accumulators").unwrap());
    let stored = memory("outputs");
    // Where operand (row of the GEMM or channel `at`, position `k` of the fold) is.
    let held = |lines: &[Vec<u32>], at: usize, k: usize| lines[rows - 1 - k / lanes][at * lanes + k % lanes];
    let streamed = |lines: &[Vec<u32>], at: usize, k: usize| lines[at][k];
    let stepped = |lines: &[Vec<u32>], at: usize, k: usize| lines[k / lanes][at * lanes + k % lanes];
    let gemm = &files.about["gemm"];
    let (gemm_n, k_total) = (gemm["n"].as_u64().unwrap() as usize, gemm["k"].as_u64().unwrap() as usize);
    let (group, last) = (files.number("group"), files.number("k") + depth == k_total);
    assert_eq!(stored.is_some(), last);
    let all = outputs(dataflow, rows, pixels, channels);
    for at in &all {
        let product = |k: usize| {
            let (a, w) = match dataflow {
                "ws" => (streamed(&activations, at.pixel, k), held(&weights, at.channel, k)),
                "is" => (held(&activations, at.pixel, k), streamed(&weights, at.channel, k)),
                _ => (stepped(&activations, at.pixel, k), stepped(&weights, at.channel, k)),
            };
            number(a, files.format("activation")) * number(w, files.format("weight"))
        };
        // Exact in f64 for integers; for bf16 each f32 product and sum is rounded once.
        let sum = (0..depth).fold(0f32, |sum, k| sum + product(k) as f32);
        let place = format!("{layer}: pixel {} channel {}", m + at.pixel, n + at.channel);
        assert_eq!(number(sums[at.line][at.field], files.format("partial_sum")), f64::from(sum), "{place}");
        let accumulator = accumulators.entry((group, m + at.pixel, n + at.channel)).or_default();
        *accumulator += sum;
        let found = after[at.line][at.field];
        assert_eq!(number(found, files.format("accumulator")), f64::from(*accumulator), "{place}");
        if let Some(stored) = &stored {
            let element = (m + at.pixel) * (gemm_n * gemm["groups"].as_u64().unwrap() as usize)
                + group * gemm_n
                + n
                + at.channel;
            let output = number(stored[at.line][at.field], files.format("output"));
            assert_eq!(output, value(&run.tensors[layer], element), "{place}");
            assert_eq!(
                f64::from(*accumulator),
                value(&run.tensors[&format!("{layer}.accumulator")], element)
            );
        }
    }
    (all.len(), last)
}

fn value(tensor: &Tensor, at: usize) -> f64 {
    match tensor.data() {
        Data::I8(values) => values[at].into(),
        Data::U8(values) => values[at].into(),
        Data::U16(values) => values[at].into(),
        Data::I32(values) => values[at].into(),
        Data::Bf16(values) => values[at].to_f64(),
        Data::F32(values) => values[at].into(),
    }
}

const CONV: &str = "stage2.block1.conv2";

#[test]
fn files_of_weight_stationary_folds_give_their_sums() {
    let edge = design("edge-16x16", &[]);
    let [folds, arrays, outputs] = check(&edge, "resnet8-width4-w8a8", CONV);
    assert!(folds > 1 && arrays == folds && outputs > 0, "{folds} folds");
    check(&edge, "resnet8-width4-mostly-4-bit", CONV);
    check(&edge, "resnet8-width4-bf16", CONV);
    check(&edge, "resnet8-width4-w8a8", "fc");
    check(&edge, "resnet8-width4-w8a8", "stem");
}

#[test]
fn files_of_other_dataflows_and_several_arrays_give_their_sums() {
    for dataflow in ["is", "os"] {
        let changes = [
            ("dataflows = [\"ws\"] ", &format!("dataflows = [\"{dataflow}\"] ")[..]),
            ("count = 1  ", "count = 2  "),
        ];
        let two = design("edge-16x16", &changes);
        let [folds, arrays, _] = check(&two, "resnet8-width4-w8a8", CONV);
        assert!(arrays > folds, "{dataflow}: {arrays} parts of {folds} folds");
        check(&two, "resnet8-width4-mostly-4-bit", CONV);
    }
}

/// Accumulators of every fold, `[fold][line][field]`, of the layer `y` of a model.
fn accumulators_of_a_model(design: &Design) -> Vec<Vec<Vec<u32>>> {
    let folder = Path::new("tests/oracles/cases/qgemm-s8-0");
    let workload = Workload::read(&folder.join("model.onnx")).unwrap();
    let model = workload.model().unwrap();
    let input = TensorFile::read(&folder.join("input.npz")).unwrap();
    let samples = Samples::of_model(&input, model).unwrap();
    let (params, origin) = (model.params(), Origin::Trace);
    let request = Request { design, workload: &workload, params, origin, samples: &samples };
    let mut folds = Vec::new();
    loop {
        let golden = golden_fold(request, "y", folds.len() as u64).unwrap();
        let [array] = &golden.arrays[..] else { panic!("one array") };
        folds.push(array.accumulators.lines.clone());
        if folds.len() as u64 == golden.folds {
            return folds;
        }
    }
}

#[test]
fn a_preloaded_bias_is_in_the_accumulators_of_every_fold() {
    let folder = Path::new("tests/oracles/cases/qgemm-s8-0");
    let workload = Workload::read(&folder.join("model.onnx")).unwrap();
    let Some(ImportedParams::Convolution(layer)) = workload.model().unwrap().params().imported_layer(0)
    else {
        panic!("a product")
    };
    let bias = layer.folded_bias(layer.weights.len() / layer.bias.len());
    assert!(bias.iter().all(|&bias| bias != 0));
    for dataflow in ["ws", "is", "os"] {
        let dataflow = format!("dataflows = [\"{dataflow}\"] ");
        let changes = [("dataflows = [\"ws\"] ", &dataflow[..])];
        let preload = ("accumulator_bits = 32", "accumulator_bits = 32\nbias = \"preload\"");
        let last = accumulators_of_a_model(&design("edge-16x16", &changes));
        let first = accumulators_of_a_model(&design("edge-16x16", &[changes[0], preload]));
        assert_eq!(first.len(), last.len(), "{dataflow}");
        let mut seen = BTreeSet::new();
        for (first, last) in first.iter().flatten().zip(last.iter().flatten()) {
            for (channel, (first, last)) in first.iter().zip(last).enumerate() {
                let loaded = first.wrapping_sub(*last) as i32;
                // Channels lie along a line, but for `is`, whose lines are channels.
                assert!(dataflow.contains("is") || loaded == bias.get(channel).copied().unwrap_or(0));
                seen.insert(loaded);
            }
        }
        seen.remove(&0);
        assert_eq!(seen, BTreeSet::from_iter(bias.iter().copied()), "{dataflow}");
    }
}
