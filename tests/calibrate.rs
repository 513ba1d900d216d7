//! Is a float ONNX model quantized as AQT's formulas say, and does the result compute what the model does?
//!
//! Scales, weights, multipliers and biases are computed here once more, from the model's constants and a
//! textbook execution in f64. The command is run as a user runs it.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod model_builder;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use rten_onnx::onnx::{AttributeProto, DataType, GraphProto, ModelProto};
use systolab::tensor::{Data, Tensor, TensorFile, safetensors_bytes};

use model_builder::{floats, ints, node, text, value};

const SIZE: usize = 6;
const CLASSES: usize = 3;

/// The constants of the model.
struct Constants {
    /// [4, 2, 3, 3] and [4].
    first: (Vec<f32>, Vec<f32>),
    /// Batch norm of the first: scale, bias, mean, variance.
    norm: [Vec<f32>; 4],
    /// [4, 4, 3, 3].
    second: Vec<f32>,
    /// [3, 4] and [3].
    last: (Vec<f32>, Vec<f32>),
}

/// Numbers around 0 that look random.
fn spread(count: usize, seed: u64) -> Vec<f32> {
    let mixed =
        (1..=count as u64).map(|index| (index + 1000 * seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40);
    mixed.map(|mixed| mixed as f32 / f32::powi(2.0, 23) - 1.0).collect()
}

impl Constants {
    fn new() -> Self {
        let positive = |seed| spread(4, seed).into_iter().map(|value| value.abs() + 0.5).collect();
        Self {
            first: (spread(72, 1), spread(4, 2)),
            norm: [positive(3), spread(4, 4), spread(4, 5), positive(6)],
            second: spread(144, 7),
            last: (spread(12, 8), spread(3, 9)),
        }
    }

    /// x → conv1 → norm → relu1 → conv2, + relu1 → relu2 → max pool → mean → logits.
    fn model(&self) -> ModelProto {
        let pads = || vec![ints("pads", &[1, 1, 1, 1])];
        let pool = vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
        let transposed = AttributeProto { name: text("transB"), i: Some(1), ..AttributeProto::default() };
        let nodes = vec![
            node("Conv", &["x", "w1", "b1"], "conv1", pads()),
            node("BatchNormalization", &["conv1", "gamma", "beta", "mean", "variance"], "norm", vec![]),
            node("Relu", &["norm"], "relu1", vec![]),
            node("Conv", &["relu1", "w2"], "conv2", pads()),
            node("Add", &["conv2", "relu1"], "sum", vec![]),
            node("Relu", &["sum"], "relu2", vec![]),
            node("MaxPool", &["relu2"], "pool", pool),
            node("GlobalAveragePool", &["pool"], "average", vec![]),
            node("Flatten", &["average"], "flat", vec![]),
            node("Gemm", &["flat", "w3", "b3"], "logits", vec![transposed]),
            node("Softmax", &["logits"], "probabilities", vec![]),
        ];
        let [gamma, beta, mean, variance] = &self.norm;
        let initializers = vec![
            floats("w1", &[4, 2, 3, 3], &self.first.0),
            floats("b1", &[4], &self.first.1),
            floats("gamma", &[4], gamma),
            floats("beta", &[4], beta),
            floats("mean", &[4], mean),
            floats("variance", &[4], variance),
            floats("w2", &[4, 4, 3, 3], &self.second),
            floats("w3", &[3, 4], &self.last.0),
            floats("b3", &[3], &self.last.1),
        ];
        let shape = [1, 2, SIZE as i64, SIZE as i64];
        let graph = GraphProto {
            node: nodes,
            initializer: initializers,
            input: vec![value("x", DataType::FLOAT, &shape)],
            output: vec![value("probabilities", DataType::FLOAT, &[1, 3])],
            ..GraphProto::default()
        };
        ModelProto { graph: Some(graph), ..ModelProto::default() }
    }
}

/// A 3×3 convolution, padded by 1, of [channels][SIZE][SIZE] in f64.
fn convolution(image: &[f64], weights: &[f32], outputs: usize) -> Vec<f64> {
    let inputs = image.len() / (SIZE * SIZE);
    let at = |channel: usize, y: isize, x: isize| {
        let inside = |at: isize| (0..SIZE as isize).contains(&at);
        if inside(y) && inside(x) { image[(channel * SIZE + y as usize) * SIZE + x as usize] } else { 0.0 }
    };
    let mut result = vec![];
    for (output, y, x) in
        (0..outputs).flat_map(|o| (0..SIZE).flat_map(move |y| (0..SIZE).map(move |x| (o, y, x))))
    {
        let mut sum = 0.0;
        for (input, tap) in (0..inputs).flat_map(|input| (0..9).map(move |tap| (input, tap))) {
            let weight = weights[(output * inputs + input) * 9 + tap];
            sum += f64::from(weight) * at(input, (y + tap / 3) as isize - 1, (x + tap % 3) as isize - 1);
        }
        result.push(sum);
    }
    result
}

/// What the layers of one image compute: relu1, average and logits.
fn execute(constants: &Constants, image: &[f32]) -> [Vec<f64>; 3] {
    const PIXELS: usize = SIZE * SIZE;
    let image: Vec<f64> = image.iter().copied().map(f64::from).collect();
    let mut first = convolution(&image, &constants.first.0, 4);
    let [gamma, beta, mean, variance] = &constants.norm;
    for (index, value) in first.iter_mut().enumerate() {
        let channel = index / PIXELS;
        let of = |values: &[f32]| f64::from(values[channel]);
        let normal = (*value + of(&constants.first.1) - of(mean)) / (of(variance) + 1e-5).sqrt();
        *value = (normal * of(gamma) + of(beta)).max(0.0);
    }
    let second = convolution(&first, &constants.second, 4);
    let sum: Vec<f64> = second.iter().zip(&first).map(|(a, b)| (a + b).max(0.0)).collect();
    let average: Vec<f64> = sum
        .chunks(PIXELS)
        .map(|channel| {
            let pool = |y: usize, x: usize| {
                let taps = [(0, 0), (0, 1), (1, 0), (1, 1)];
                taps.iter().map(|(dy, dx)| channel[(2 * y + dy) * SIZE + 2 * x + dx]).fold(0.0, f64::max)
            };
            (0..9).map(|at| pool(at / 3, at % 3)).sum::<f64>() / 9.0
        })
        .collect();
    let logit = |class: usize| {
        let terms =
            average.iter().enumerate().map(|(at, mean)| f64::from(constants.last.0[class * 4 + at]) * mean);
        terms.sum::<f64>() + f64::from(constants.last.1[class])
    };
    let logits = (0..CLASSES).map(logit).collect();
    [first, average, logits]
}

fn systolab(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_systolab"))
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap()
}

fn done(folder: &Path, arguments: &str) {
    let output = systolab(folder, arguments);
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

fn file(path: &Path, name: &str, shape: Vec<usize>, values: Vec<f32>) {
    let tensors = BTreeMap::from([(name.to_owned(), Tensor::new(shape, Data::F32(values)).unwrap())]);
    fs::write(path, safetensors_bytes(&tensors, ("made", "by a test")).unwrap()).unwrap();
}

fn f32_values<'a>(file: &'a TensorFile, name: &str) -> &'a [f32] {
    let Some(Data::F32(values)) = file.tensor(name).map(Tensor::data) else { panic!("{name}") };
    values
}

fn assert_close(found: f32, expected: f64, what: &str) {
    assert!(
        (f64::from(found) - expected).abs() <= 1e-5 * expected.abs().max(1e-3),
        "{what}: {found}, not {expected}"
    );
}

const IMAGES: usize = 5;

/// The largest magnitude of some values of all images.
fn bound(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |bound, value| bound.max(value.abs()))
}

/// AQT legacy: (2^(bits − 1) − 1 or 2^bits) / (bound + 2^-23).
fn scale(bits: i32, signed: bool, bound: f64) -> f64 {
    (if signed { f64::powi(2.0, bits - 1) - 1.0 } else { f64::powi(2.0, bits) })
        / (bound + f64::powi(2.0, -23))
}

struct Expected<'a> {
    layer: &'a str,
    bits: i32,
    signed: bool,
    bound: f64,
    /// [cout][cin][taps].
    weights: &'a [f32],
    taps: usize,
    factor: [f64; 4],
    bias: [f64; 4],
}

fn check_layer(trace: &TensorFile, expected: &Expected<'_>, channels: usize) {
    let Expected { layer, bits, weights, taps, .. } = *expected;
    let activation = scale(bits, expected.signed, expected.bound);
    assert_close(f32_values(trace, &format!("{layer}.input.scale"))[0], activation, layer);
    let Some(Data::I8(integers)) = trace.tensor(&format!("{layer}.weight")).map(Tensor::data) else {
        panic!()
    };
    let per_channel = weights.len() / channels;
    let inputs = per_channel / taps;
    for channel in 0..channels {
        let row = &weights[channel * per_channel..][..per_channel];
        let of_weights = scale(bits, true, bound(row.iter().copied().map(f64::from)));
        for (index, &weight) in row.iter().enumerate() {
            let (input, tap) = (index / taps, index % taps);
            let stored = integers[channel * per_channel + tap * inputs + input]; // channels last
            let exact = f64::from(weight) * of_weights;
            // Half up; f32 may fall on the other side of a tie.
            assert!((f64::from(stored) - exact).abs() < 0.5 + 1e-4, "{layer}: {exact} became {stored}");
        }
        let multiplier = f32_values(trace, &format!("{layer}.multiplier"))[channel];
        assert_close(multiplier, expected.factor[channel] / (activation * of_weights), layer);
        assert_close(f32_values(trace, &format!("{layer}.bias"))[channel], expected.bias[channel], layer);
    }
}

#[test]
fn scales_weights_and_logits_are_those_of_the_formulas() {
    let (constants, folder) = (Constants::new(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    fs::write(folder.join("m.onnx"), constants.model().write_buf().unwrap()).unwrap();
    let elements = 2 * SIZE * SIZE;
    let images = spread(IMAGES * elements, 10);
    file(&folder.join("samples.safetensors"), "x", vec![IMAGES, 2, SIZE, SIZE], images.clone());
    let nhwc = images
        .chunks(elements)
        .flat_map(|image| (0..elements).map(|at| image[at % 2 * SIZE * SIZE + at / 2]).collect::<Vec<_>>());
    file(&folder.join("images.safetensors"), "images", vec![IMAGES, SIZE, SIZE, 2], nhwc.collect());

    let layers: Vec<_> = images.chunks(elements).map(|image| execute(&constants, image)).collect();
    let bounds = [0, 1].map(|layer| bound(layers.iter().flat_map(|of| of[layer].iter().copied())));
    let [gamma, beta, mean, variance] =
        constants.norm.clone().map(|values| [0, 1, 2, 3].map(|at| f64::from(values[at])));
    let factor = [0, 1, 2, 3].map(|at| gamma[at] / (variance[at] + 1e-5).sqrt());
    let bias = [0, 1, 2, 3].map(|at| beta[at] + (f64::from(constants.first.1[at]) - mean[at]) * factor[at]);
    let last_bias = [0, 1, 2, 2].map(|at| f64::from(constants.last.1[at]));
    for (precision, inner, ends, largest_error) in
        [("w8a8", 8, 8, 0.05), ("mostly-4-bit", 4, 8, 0.3), ("w4a4", 4, 4, 0.5)]
    {
        done(
            folder,
            &format!(
                "import onnx m.onnx --out {precision} --quantize {precision} --calibration samples.safetensors"
            ),
        );
        let trace = TensorFile::read(&folder.join(precision).join("m.safetensors")).unwrap();
        let image_bound = bound(images.iter().copied().map(f64::from));
        let (ones, zeros) = ([1.0; 4], [0.0; 4]);
        let (first, second, last) = (&constants.first.0[..], &constants.second[..], &constants.last.0[..]);
        for (expected, channels) in [
            (
                Expected {
                    layer: "conv1",
                    bits: ends,
                    signed: true,
                    bound: image_bound,
                    weights: first,
                    taps: 9,
                    factor,
                    bias,
                },
                4,
            ),
            (
                Expected {
                    layer: "conv2",
                    bits: inner,
                    signed: false,
                    bound: bounds[0],
                    weights: second,
                    taps: 9,
                    factor: ones,
                    bias: zeros,
                },
                4,
            ),
            (
                Expected {
                    layer: "logits",
                    bits: ends,
                    signed: false,
                    bound: bounds[1],
                    weights: last,
                    taps: 1,
                    factor: ones,
                    bias: last_bias,
                },
                3,
            ),
        ] {
            check_layer(&trace, &expected, channels);
        }
        done(
            folder,
            &format!(
                "execute --hw edge-32x32 --workload {precision}/m.toml --input images.safetensors --out {precision}.safetensors"
            ),
        );
        let values = TensorFile::read(&folder.join(format!("{precision}.safetensors"))).unwrap();
        let logits = f32_values(&values, "logits");
        let expected: Vec<f64> = layers.iter().flat_map(|of| of[2].clone()).collect();
        let error = bound(logits.iter().zip(&expected).map(|(&found, expected)| f64::from(found) - expected));
        let share = error / bound(expected.iter().copied());
        assert!(share < largest_error, "{precision}: logits differ by {share} of the largest");
    }
}

#[test]
fn what_cannot_be_quantized_is_refused() {
    let (constants, folder) = (Constants::new(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let refused = |model: &ModelProto, samples: Vec<f32>| {
        fs::write(folder.join("m.onnx"), model.write_buf().unwrap()).unwrap();
        file(&folder.join("samples.safetensors"), "x", vec![1, 2, SIZE, SIZE], samples);
        let output =
            systolab(folder, "import onnx m.onnx --out q --quantize w8a8 --calibration samples.safetensors");
        assert_eq!(output.status.code(), Some(2));
        assert!(!folder.join("q").exists());
        String::from_utf8(output.stderr).unwrap()
    };
    let samples = || spread(2 * SIZE * SIZE, 1);
    let mut model = constants.model();
    model.graph.as_mut().unwrap().node[6].op_type = text("AveragePool");
    let error = refused(&model, samples());
    assert!(error.contains("m.onnx: node `pool` (AveragePool): not quantized; expected Conv"), "{error}");
    let mut not_a_number = samples();
    not_a_number[7] = f32::NAN;
    let error = refused(&constants.model(), not_a_number);
    assert!(error.contains("input of layer `conv1`: a sample gives NaN"), "{error}");
    let mut model = constants.model();
    model.graph.as_mut().unwrap().initializer[0].float_data[3] = f32::INFINITY;
    let error = refused(&model, samples());
    assert!(
        error.contains("layer `conv1`: a weight is not finite") || error.contains("a sample gives"),
        "{error}"
    );
}
