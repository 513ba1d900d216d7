//! Are the Verilog's sums and stored integers those of programs that share nothing with ours?

use std::collections::BTreeSet;
use std::path::PathBuf;

use half::bf16;
use rustc_apfloat::ieee::{BFloat, Double, Quad, Single};
use rustc_apfloat::{Float, FloatConvert, Round, Status};
use systolab::cost::{SHIPPED_TECHNOLOGIES, Technology};
use systolab::explore::{ArrayLayer, ArrayOperands, Design, Origin, Request, array_layers};
use systolab::hardware::{Accelerator, SHIPPED};
use systolab::mapping::{Dataflow, Gemm, Join, Lanes, Schedule, Split};
use systolab::numerics::OperandPair;
use systolab::rtl::{Folders, Generated, Layer, Requantization, Simulator, Words};
use systolab::source::SourceFile;
use systolab::tensor::{Data, TensorFile};
use systolab::workload::{ParameterSource, Params, Samples, Workload};

use super::{SMALL, SMALLER, builds, compile, design, other_design, simulators_are_there};

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
        assert_same(&design, dataflow, Simulator::Verilator, layers, count);
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
fn assert_same(
    design: &Accelerator,
    dataflow: Dataflow,
    simulator: Simulator,
    layers: Vec<Layer>,
    count: u64,
) {
    let plays = tempfile::tempdir().unwrap();
    let generated = Generated::new(design, dataflow).unwrap();
    let folders = Folders { builds: &builds(), plays: plays.path() };
    let compiled = compile(&generated, design, simulator, folders);
    assert!(layers.iter().all(|layer| layer.sums.is_some()));
    let found = compiled.check_all(layers, || ()).unwrap();
    assert_eq!((found.cases, found.differences, found.total_differences), (count, 0, 0), "{found:?}");
    // Sums that are wrong by one bit must not pass.
    let mut wrong = generated.random_layers(1, 1).next().unwrap();
    let outputs = wrong.schedule.gemm.groups * wrong.schedule.gemm.m * wrong.schedule.gemm.n;
    wrong.sums = Some(vec![0x5555_5555; outputs as usize]);
    assert!(compiled.check(&wrong).unwrap().differences > 0);
}

/// bf16 sums by rustc_apfloat: products and sums one by one, folds joined by one more addition; in f32 and in bf16, with
/// subnormals kept and flushed, in every dataflow. Under Verilator where another test has compiled the array, else under
/// Icarus.
#[test]
fn bf16_sums_are_those_of_apfloat() {
    if !simulators_are_there() {
        return;
    }
    let is = [("dataflows = [\"ws\"]", "dataflows = [\"is\"]")];
    let os = [("dataflows = [\"ws\"]", "dataflows = [\"os\"]")];
    let narrow = [("partial_sum = \"f32\"", "partial_sum = \"bf16\"")];
    let flush = [("subnormals = \"keep\"", "subnormals = \"flush\"")];
    for (dataflow, change) in [(Dataflow::Ws, &[][..]), (Dataflow::Is, &is), (Dataflow::Os, &os)] {
        if dataflow != Dataflow::Is {
            let design = design("edge-16x16", &[&SMALL[..], change].concat());
            assert_sums_of_apfloat(&design, dataflow, (false, false), Simulator::Verilator);
        }
        for kind in [(false, false), (false, true), (true, false), (true, true)] {
            let (narrow, flush) =
                (if kind.0 { &narrow[..] } else { &[] }, if kind.1 { &flush[..] } else { &[] });
            let design =
                design("edge-16x16", &[&SMALLER[..], &without_integers(), change, narrow, flush].concat());
            assert_sums_of_apfloat(&design, dataflow, kind, Simulator::Icarus);
        }
    }
    assert_sums_of_apfloat(&other_design(), Dataflow::Ws, (true, true), Simulator::Verilator);
}

/// The change that leaves (bf16,bf16) alone in a shipped design: Icarus compiles and runs it in a moment.
fn without_integers() -> [(&'static str, &'static str); 1] {
    let (_, text) = SHIPPED.iter().find(|(name, _)| *name == "edge-16x16").unwrap();
    let first = text.find("[[mac]]\nactivation = \"uint8\"").unwrap();
    let end = text.rfind("accumulator_bits = 32").unwrap() + "accumulator_bits = 32".len();
    [(&text[first..end], "")]
}

/// Whether partial sums are bf16, and whether subnormals are flushed.
type Kind = (bool, bool);

fn assert_sums_of_apfloat(
    design: &Accelerator,
    dataflow: Dataflow,
    (narrow, flushes): Kind,
    simulator: Simulator,
) {
    let generated = Generated::new(design, dataflow).unwrap();
    let random = generated.random_layers(280, 2).filter(|layer| layer.pair == OperandPair::Bf16);
    // Each kind of operands four times.
    let mut layers: Vec<Layer> = random.take(36).collect();
    let mut ordinary = 0;
    for layer in &mut layers {
        let Words::Bf16 { activations, weights } = &layer.words else { panic!("not bf16") };
        let (gemm, fold) = (layer.schedule.gemm, layer.schedule.k_per_fold() as usize);
        let (m, n, k) = (gemm.m as usize, gemm.n as usize, gemm.k as usize);
        let mut sums = Vec::new();
        for output in 0..gemm.groups as usize * m * n {
            let (row, column) = (output / n, output / (m * n) * n + output % n);
            let pairs: Vec<_> = activations[row * k..][..k].iter().zip(&weights[column * k..][..k]).collect();
            let sum_of_fold = |pairs: &[(&bf16, &bf16)]| {
                pairs.iter().fold(Single::ZERO, |sum, &(&activation, &weight)| {
                    add(sum, product(activation, weight, flushes), narrow, flushes)
                })
            };
            let join = |sum, fold| add(sum, fold, false, flushes);
            let sum = pairs.chunks(fold).map(sum_of_fold).fold(Single::ZERO, join);
            ordinary += u32::from(sum.is_normal());
            sums.push(if sum.is_nan() { 0x7fc0_0000 } else { sum.to_bits() as u32 });
        }
        layer.sums = Some(sums);
    }
    let count = layers.len() as u64;
    assert!(count > 20 && ordinary > 500, "{ordinary} normal sums in {count} layers");
    assert_same(design, dataflow, simulator, layers, count);
}

fn product(activation: bf16, weight: bf16, flushes: bool) -> Single {
    let operand = |value: bf16| flushed(Single::from_bits(u128::from(value.to_bits()) << 16), flushes);
    let (activation, weight) = (operand(activation), operand(weight));
    // Double holds it exactly: what is tiny is so before it is rounded.
    let double = |value: Single| -> Double { value.convert(&mut false).value };
    let exact = (double(activation) * double(weight)).value;
    let least_normal: Double = Single::smallest_normalized().convert(&mut false).value;
    let tiny = exact.abs() < least_normal;
    if flushes && tiny { zero(exact.is_negative()) } else { (activation * weight).value }
}

/// Of f32s; rounded once, to bf16 if it is `narrow`.
fn add(sum: Single, term: Single, narrow: bool, flushes: bool) -> Single {
    let single = (sum + term).value;
    // Tiny sums are exact.
    if single.is_denormal() && flushes {
        return zero(single.is_negative());
    }
    if !narrow {
        return single;
    }
    let quad = |value: Single| -> Quad { value.convert(&mut false).value };
    // 113 bits toward zero with a sticky last bit decide as the exact sum.
    let wide = quad(sum).add_r(quad(term), Round::TowardZero);
    let sticky = u128::from(wide.status.contains(Status::INEXACT) && wide.value.is_finite());
    let narrow: BFloat = Quad::from_bits(wide.value.to_bits() | sticky).convert(&mut false).value;
    Single::from_bits(narrow.to_bits() << 16)
}

fn zero(negative: bool) -> Single {
    Single::from_bits(u128::from(negative) << 31)
}

fn flushed(value: Single, flushes: bool) -> Single {
    if flushes && value.is_denormal() { zero(value.is_negative()) } else { value }
}

/// Layers of a trained network as the mapper cuts them; sums must be those of ONNX Runtime's ConvInteger and
/// MatMulInteger on the same image (tests/oracles/onnxruntime/trained.py).
#[test]
fn sums_of_a_trained_network_are_those_of_onnx_runtime() {
    if !simulators_are_there() {
        return;
    }
    let hw = design("edge-16x16", &SMALL);
    let name = "resnet8-width4-mostly-4-bit";
    let workload = Workload::read(&PathBuf::from(format!("workloads/{name}.toml"))).unwrap();
    let ParameterSource::Trace(trace) = workload.parameters() else { panic!("no trace") };
    let params = Params::read(trace, workload.network()).unwrap();
    let case = PathBuf::from(format!("tests/oracles/cases/trace-{name}"));
    let images = TensorFile::read(&case.join("input.npz")).unwrap();
    let normalization = workload.evaluation().map(|evaluation| &evaluation.normalization);
    let samples = Samples::from_file(&images, workload.network(), normalization).unwrap();
    let theirs = TensorFile::read(&case.join("expected.npz")).unwrap();
    let mut count = 0;
    let mut layers = Vec::new();
    for layer in array_layers_of(&hw, &workload, &params, &samples) {
        let gemm = layer.mapped.tiling.schedule.gemm;
        let sums = theirs.tensor(&format!("{}.accumulator", layer.name)).unwrap();
        let Data::I32(sums) = sums.data() else { panic!("{}: not I32", layer.name) };
        assert_eq!(gemm.groups, 1);
        // The first image; height, width, channels.
        let sums = sums[..(gemm.m * gemm.n) as usize].iter().map(|&sum| sum as u32).collect();
        count += 1;
        layers.push(played(layer, Some(sums), count));
    }
    assert!(count >= 8, "only {count} layers");
    assert_same(&hw, Dataflow::Ws, Simulator::Verilator, layers, count);
}

fn array_layers_of(
    hw: &Accelerator,
    workload: &Workload,
    params: &Params,
    samples: &Samples,
) -> Vec<ArrayLayer> {
    let technology = SHIPPED_TECHNOLOGIES.iter().find(|(name, _)| *name == "7nm").unwrap();
    let technology = Technology::parse(&SourceFile::embedded(technology.0, technology.1)).unwrap();
    let design = Design { accelerator: hw.clone(), technology, technology_sha256: String::new() };
    let request = Request { design: &design, workload, params, origin: Origin::Trace, samples };
    array_layers(request).unwrap()
}

/// A layer with somebody's sums.
fn played(layer: ArrayLayer, sums: Option<Vec<u32>>, seed: u64) -> Layer {
    let words = match layer.operands {
        ArrayOperands::Integer(activations, weights) => Words::Integer { activations, weights },
        ArrayOperands::Bf16(activations, weights) => Words::Bf16 { activations, weights },
    };
    Layer::new(layer.mapped.pair, layer.mapped.tiling.schedule, words, sums, seed)
}

/// The stored integers of LiteRT's quantized layers (tests/oracles/litert), with the models' own biases and factors:
/// `gemmlowp-double` by its reference kernels, shifts by its reference and XNNPACK kernels.
#[test]
fn requantized_integers_are_those_of_litert() {
    if !simulators_are_there() {
        return;
    }
    let hw = design("edge-16x16", &SMALL);
    let mut layers = Vec::new();
    let mut kinds = BTreeSet::new();
    for entry in std::fs::read_dir("tests/oracles/cases").unwrap() {
        let case = entry.unwrap().path();
        let keys: toml::Table = std::fs::read_to_string(case.join("case.toml")).unwrap().parse().unwrap();
        let key = |key: &str| keys.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        let kind = [key("requantization"), key("rounding")];
        if !key("oracle").starts_with("LiteRT") || !["gemmlowp-double", "pow2-shift"].contains(&&*kind[0]) {
            continue;
        }
        let onnx = std::fs::canonicalize(case.join("model.onnx")).unwrap().display().to_string();
        let mut model = toml::Table::from_iter([("onnx".to_owned(), onnx.into())]);
        let given =
            ["requantization", "rounding"].into_iter().zip(&kind).filter(|(_, value)| !value.is_empty());
        model.extend(given.map(|(key, value)| (key.to_owned(), value.clone().into())));
        let file = toml::Table::from_iter([
            ("schema_version".to_owned(), 1.into()),
            ("model".to_owned(), toml::Value::Table(model)),
        ]);
        let network = tempfile::tempdir().unwrap();
        let path = network.path().join("network.toml");
        std::fs::write(&path, toml::to_string(&file).unwrap()).unwrap();
        let workload = Workload::read(&path).unwrap();
        let model = workload.model().unwrap();
        let samples = Samples::of_model(&TensorFile::read(&case.join("input.npz")).unwrap(), model).unwrap();
        let theirs = TensorFile::read(&case.join("expected.npz")).unwrap();
        let (_, theirs) = theirs.tensors().iter().next().unwrap();
        let Data::I8(values) = theirs.data() else { panic!("{}: not I8", case.display()) };
        let Ok([layer]) =
            <[ArrayLayer; 1]>::try_from(array_layers_of(&hw, &workload, model.params(), &samples))
        else {
            continue; // An add or a pool.
        };
        let Gemm { m, n, groups, .. } = layer.mapped.tiling.schedule.gemm;
        // Channels lie before pixels, but in matrices.
        let (pixel, channel) = if theirs.shape().len() == 2 { (groups * n, 1) } else { (1, m) };
        let place =
            |output: u64| output % (m * n) / n * pixel + (output / (m * n) * n + output % n) * channel;
        let stored = (0..groups * m * n).map(|output| i32::from(values[place(output) as usize])).collect();
        let own = layer.stored_as.clone().unwrap();
        let sums = layer.sums.clone();
        let mut layer = played(layer, sums, 1);
        layer.requantization = Some(Requantization::new(own.biases, own.requantization).unwrap());
        layer.stored = Some(stored);
        layers.push(layer);
        kinds.insert(kind);
    }
    let count = layers.len() as u64;
    assert!(count >= 8 && kinds.len() == 3, "{count} layers of {kinds:?}");
    // One that differs by one integer must not pass.
    let mut wrong = layers[0].clone();
    if let Some(stored) = &mut wrong.stored {
        stored[0] ^= 1;
    }
    assert_same(&hw, Dataflow::Ws, Simulator::Verilator, layers, count);
    let plays = tempfile::tempdir().unwrap();
    let generated = Generated::new(&hw, Dataflow::Ws).unwrap();
    let folders = Folders { builds: &builds(), plays: plays.path() };
    let compiled = compile(&generated, &hw, Simulator::Verilator, folders);
    assert_eq!(compiled.check(&wrong).unwrap().differences, 1);
}
