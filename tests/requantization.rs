//! Do sums become the integers that exact arithmetic gives, in networks whose layers requantize in one step?
//!
//! Restated with fractions in 128 bits, from the factors as a trace holds them.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::path::Path;

use safetensors::{Dtype, tensor::TensorView};
use systolab::explore::map_network;
use systolab::functional::Executable;
use systolab::hardware::{Accelerator, SHIPPED};
use systolab::numerics::{Requantization, RequantizationKind};
use systolab::source::SourceFile;
use systolab::tensor::{Data, Tensor, TensorFile};
use systolab::workload::{
    AffineConvolution, ImportedParams, Layer, Network, Operation, Params, Workload, synthetic_image,
};

const KINDS: [(&str, &str); 9] = [
    ("f32-rne", ""),
    ("gemmlowp-double", ""),
    ("tflite-single", ""),
    ("tflite-single", "half-away"),
    ("tflite-single", "floor"),
    ("pow2-shift", ""),
    ("pow2-shift", "half-up"),
    ("pow2-shift", "half-away"),
    ("pow2-shift", "toward-zero"),
];

fn network(requantization: &str, rounding: &str) -> Network {
    let rounding = if rounding.is_empty() { String::new() } else { format!("rounding = \"{rounding}\"\n") };
    let text = format!(
        "schema_version = 1\n[generator.resnet]\ndepth = 50\nvariant = \"v1.5\"\nwidth_multiplier = 0.25\n\
         input = {{ height = 40, width = 40, channels = 3 }}\nclasses = 10\npadding = \"same\"\n\
         [precision]\ndefault = \"w4a4\"\nfirst = \"w8a8\"\nlast = \"w8a8\"\n\
         requantization = \"{requantization}\"\n{rounding}"
    );
    Workload::parse(&SourceFile::embedded("n.toml", &text)).unwrap().network().clone()
}

/// The fraction numerator / 2^power as an integer.
fn round(numerator: i128, power: u32, rounding: &str) -> i128 {
    let denominator = 1i128 << power;
    let below = numerator.div_euclid(denominator);
    let twice = 2 * numerator.rem_euclid(denominator);
    let up = match rounding {
        "floor" => false,
        "toward-zero" => numerator < 0 && twice > 0,
        "half-up" => twice >= denominator,
        "half-away" => twice > denominator || twice == denominator && numerator > 0,
        "half-even" => twice > denominator || twice == denominator && below % 2 != 0,
        other => panic!("{other}"),
    };
    below + i128::from(up)
}

/// What a sum becomes before it is limited.
fn expected(sum: i32, kind: (&str, &str), requantization: &Requantization, channel: usize) -> i128 {
    match (kind, requantization) {
        (("f32-rne", _), Requantization::F32Rne(_, ratios)) => {
            let product = f64::from(sum as f32) * f64::from(ratios[channel]); // exact
            f64::from(product as f32).round_ties_even() as i128
        }
        (("gemmlowp-double", _), Requantization::FixedPoint(_, multipliers)) => {
            let (q31, shift) = (multipliers[channel].q31(), multipliers[channel].shift());
            assert!(shift <= 0);
            let high = round(i128::from(sum) * i128::from(q31), 31, "half-up");
            round(high, u32::from(shift.unsigned_abs()), "half-away")
        }
        (("tflite-single", rounding), Requantization::FixedPoint(_, multipliers)) => {
            let (q31, shift) = (multipliers[channel].q31(), multipliers[channel].shift());
            let rounding = if rounding.is_empty() { "half-up" } else { rounding };
            round(i128::from(sum) * i128::from(q31), (31 - i32::from(shift)) as u32, rounding)
        }
        (("pow2-shift", rounding), Requantization::PowerOfTwoShift(shifts)) => {
            let rounding = if rounding.is_empty() { "half-even" } else { rounding };
            round(sum.into(), shifts[channel].shift().into(), rounding)
        }
        _ => panic!("{kind:?}: {requantization:?}"),
    }
}

fn integers(tensor: &Tensor) -> Vec<i32> {
    match tensor.data() {
        Data::I8(values) => values.iter().map(|&value| value.into()).collect(),
        Data::U8(values) => values.iter().map(|&value| value.into()).collect(),
        Data::I32(values) => values.clone(),
        other => panic!("{}", other.element_type()),
    }
}

/// Layers that requantize in one step, with their values.
fn requantized<'a>(
    network: &'a Network,
    params: &'a Params,
) -> impl Iterator<Item = (usize, &'a Layer, &'a AffineConvolution)> {
    network.layers().iter().enumerate().filter_map(|(index, layer)| match params.imported_layer(index) {
        Some(ImportedParams::Convolution(values)) => Some((index, layer, values)),
        _ => None,
    })
}

#[test]
fn sums_become_the_integers_of_exact_arithmetic() {
    let (_, design) = SHIPPED.iter().find(|(name, _)| *name == "edge-32x32").unwrap();
    let preload = design.replace("accumulator_bits = 32", "accumulator_bits = 32\nbias = \"preload\"");
    for kind in KINDS {
        let network = network(kind.0, kind.1);
        let params = Params::synthetic(&network, 7).unwrap();
        let image = synthetic_image(&network, 7);
        let run = |design: &str| {
            let design = Accelerator::parse(&SourceFile::embedded("d.toml", design)).unwrap();
            let mapped = map_network(&network, &design, 1).unwrap();
            let plans: Vec<_> = mapped.iter().map(|layer| layer.array.map(|array| array.plan)).collect();
            let executable = Executable::new(&network, &params, &plans).unwrap();
            let mut workspace = executable.workspace();
            executable.run_in(&mut workspace, &image).unwrap();
            (executable.edges(&workspace), executable.accumulators(&workspace))
        };
        let (edges, accumulators) = run(design);
        // In 32 bits nothing overflows, whenever the bias joins.
        assert!(run(&preload) == (edges.clone(), accumulators.clone()), "{kind:?}");
        let (mut layers, mut elements, mut at_limits) = (0, 0, 0);
        for (index, layer, values) in requantized(&network, &params) {
            let Operation::Convolution(convolution) = &layer.operation else { panic!("a convolution") };
            assert!(convolution.shortcut.is_none());
            assert_eq!(convolution.requantization.map(RequantizationKind::name), Some(kind.0));
            let outputs = integers(&edges[layer.output.index()]);
            let sums = integers(accumulators[index].as_ref().unwrap());
            let requantization = values.requantization.as_ref().unwrap();
            let channels = values.bias.len();
            let largest = outputs.iter().copied().max().unwrap();
            for (at, (&output, &sum)) in outputs.iter().zip(&sums).enumerate() {
                let expected = expected(sum, kind, requantization, at % channels);
                // All of these are behind a ReLU, on unsigned grids of 4 or 8 bits.
                let limit = if largest > 15 { 255 } else { 15 };
                assert_eq!(i128::from(output), expected.clamp(0, limit), "{kind:?} {}: {sum}", layer.name);
                at_limits += usize::from(expected > limit);
            }
            assert!(values.bias.iter().any(|&bias| bias > 0) && values.bias.iter().any(|&bias| bias < 0));
            let alive = outputs.iter().filter(|&&output| output > 0).count();
            assert!(alive > outputs.len() / 50, "{kind:?} {}: {alive} of {}", layer.name, outputs.len());
            (layers, elements) = (layers + 1, elements + outputs.len());
        }
        // conv1 and conv2 of 16 bottlenecks but where conv1 is signed; stem and block ends are read by pools and adds.
        assert!(layers >= 16 && elements > 20_000, "{kind:?}: {layers} layers, {elements} elements");
        assert!(at_limits < elements / 5, "{kind:?}: {at_limits} of {elements}");
    }
}

/// Name, type, shape, bytes.
type Entry = (String, Dtype, Vec<usize>, Vec<u8>);

fn file(entries: &[Entry]) -> TensorFile {
    let views = entries.iter().map(|(name, dtype, shape, bytes)| {
        (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    TensorFile::parse(Path::new("trace"), safetensors::serialize(views, None).unwrap()).unwrap()
}

/// A layer of 2 channels that requantizes, and one behind it.
fn two_layers(keys: &str) -> Network {
    let text = format!(
        "schema_version = 1\ninput = {{ height = 2, width = 2, channels = 1 }}\n\
         precision = {{ default = \"w8a8\", {keys} }}\n\
         [[layer]]\nname = \"a\"\nconv2d = {{ out_channels = 2, kernel = [1, 1] }}\n\
         [[layer]]\nname = \"b\"\nlinear = {{ out_features = 1 }}\n"
    );
    Workload::parse(&SourceFile::embedded("n.toml", &text)).unwrap().network().clone()
}

fn trace(factors: &[(&str, Dtype, Vec<u8>)]) -> TensorFile {
    let f32s = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let i32s = |values: &[i32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let mut entries: Vec<Entry> = vec![
        ("a.weight".to_owned(), Dtype::I8, vec![2, 1, 1, 1], vec![3, 5]),
        ("a.bias".to_owned(), Dtype::I32, vec![2], i32s(&[-7, 1000])),
        ("b.weight".to_owned(), Dtype::I8, vec![1, 2, 2, 2], vec![1; 8]),
        ("b.multiplier".to_owned(), Dtype::F32, vec![1], f32s(&[1.0])),
        ("b.bias".to_owned(), Dtype::F32, vec![1], f32s(&[0.0])),
        ("a.input.scale".to_owned(), Dtype::F32, vec![1], f32s(&[1.0])),
        ("b.input.scale".to_owned(), Dtype::F32, vec![1], f32s(&[1.0])),
    ];
    for (name, dtype, bytes) in factors {
        entries.push((format!("a.{name}"), *dtype, vec![2], bytes.clone()));
    }
    file(&entries)
}

fn words(values: [i32; 2]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Sums of channel 0: 3·x − 7, of channel 1: 5·x + 1000, for x = 10: 23 and 1050.
#[test]
fn a_trace_has_factors_as_the_requantization_takes_them() {
    let multiplier = ("multiplier", Dtype::I32, words([1 << 30, 1 << 30]));
    let shifts = |shifts: [i8; 2]| ("shift", Dtype::I8, shifts.map(|shift| shift as u8).to_vec());
    let ratios = [0.5f32, 0.125].iter().flat_map(|ratio| ratio.to_le_bytes()).collect();
    for (keys, factors, expected) in [
        // 11.5 and 131.25.
        ("requantization = \"f32-rne\"", vec![("multiplier", Dtype::F32, ratios)], [12, 127]),
        // ½ · 2^0 and ½ · 2^−2.
        ("requantization = \"gemmlowp-double\"", vec![multiplier.clone(), shifts([0, -2])], [12, 127]),
        (
            "requantization = \"tflite-single\", rounding = \"floor\"",
            vec![multiplier.clone(), shifts([0, -2])],
            [11, 127],
        ),
        // 23 / 4 and 1050 / 16 = 65.6.
        ("requantization = \"pow2-shift\"", vec![shifts([2, 4])], [6, 66]),
        ("requantization = \"pow2-shift\", rounding = \"floor\"", vec![shifts([2, 4])], [5, 65]),
    ] {
        let network = two_layers(keys);
        let params = Params::from_file(&trace(&factors), &network).unwrap();
        let (_, design) = SHIPPED.iter().find(|(name, _)| *name == "edge-32x32").unwrap();
        let design = Accelerator::parse(&SourceFile::embedded("d.toml", design)).unwrap();
        let mapped = map_network(&network, &design, 1).unwrap();
        let plans: Vec<_> = mapped.iter().map(|layer| layer.array.map(|array| array.plan)).collect();
        let executable = Executable::new(&network, &params, &plans).unwrap();
        let (_, edges) = executable.run_with_edges(&[10.0; 4]).unwrap();
        assert_eq!(integers(&edges[1]), expected.repeat(4), "{keys}");
    }
}

#[test]
fn a_trace_with_other_factors_is_refused() {
    let multiplier = |values| ("multiplier", Dtype::I32, words(values));
    let shift = |values| ("shift", Dtype::I32, words(values));
    let fixed = "requantization = \"gemmlowp-double\"";
    let pow2 = "requantization = \"pow2-shift\"";
    for (keys, factors, message) in [
        (fixed, vec![multiplier([1, 1])], "tensor `a.shift`: missing"),
        (
            fixed,
            vec![multiplier([1, -1]), shift([0, 0])],
            "tensor `a.multiplier`: element 1 is -1 with shift 0; a factor is multiplier · 2^(shift − 31) with a \
             multiplier from 0 to 2^31 − 1 and a shift from −31 to 30",
        ),
        (
            fixed,
            vec![("multiplier", Dtype::F32, vec![0; 8]), shift([0, 0])],
            "tensor `a.multiplier`: has type F32; expected I32, I8 or U8",
        ),
        (pow2, vec![shift([0, 32])], "tensor `a.shift`: element 1 is 32; expected 0 to 31"),
        (
            pow2,
            vec![shift([0, 0]), multiplier([1, 1])],
            "tensor `a.multiplier`: the network has no use for it; a trace holds nothing else than its network's tensors",
        ),
    ] {
        let error = Params::from_file(&trace(&factors), &two_layers(keys)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("trace: {message}")), "{keys}: {error}");
        // What the layer takes stands behind what is wrong with it.
        let takes = format!("`precision.{keys}` takes an integer `bias`");
        assert!(error.contains(&takes) || message.contains("no use for it"), "{keys}: {error}");
    }
}
