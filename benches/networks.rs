//! How long does one image take through a whole network on one core? `cargo bench --bench networks [FILTER]`
//!
//! `resnet50` has the convolutions of ResNet-50 v1.5 at 224×224 (He et al. 2016; stride in the 3×3) with
//! synthetic values, and a 1×1/2 convolution where that has its max pool: 4.1 GMAC. The ResNet-8 networks
//! are the trained ones of this repository. Accumulators have 32 bits; folds have 128 products. An image
//! includes quantizing it, every layer's post-processing and every store. An item is one MAC.

#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::path::Path;

use divan::Bencher;
use divan::counter::ItemsCount;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use systolab::functional::Executable;
use systolab::mapping::{LayerPlan, ReductionOrder};
use systolab::numerics::{Bf16Mac, IntegerMac, MacSpec, OperandFormat, OperandPair, RegisterWidth};
use systolab::source::SourceFile;
use systolab::tensor::TensorFile;
use systolab::workload::{Layer, Network, Operation, ParameterSource, Params, Workload};

fn main() {
    divan::main();
}

#[divan::bench(args = ["w8a8", "w4a8", "w4a4", "bf16"], sample_count = 12, sample_size = 1)]
fn resnet50(bencher: Bencher<'_, '_>, precision: &str) {
    let text = resnet50_file(precision);
    let workload = Workload::parse(&SourceFile::embedded("resnet50.toml", &text)).unwrap();
    image(bencher, workload.network(), &synthetic(workload.network()));
}

#[divan::bench(args = ["resnet8-width32-w8a8", "resnet8-width32-mostly-4-bit", "resnet8-width32-bf16"])]
fn resnet8(bencher: Bencher<'_, '_>, name: &str) {
    let workload = Workload::read(Path::new(&format!("workloads/{name}.toml"))).unwrap();
    let ParameterSource::Trace(trace) = workload.parameters() else { panic!("{name} is trained") };
    image(bencher, workload.network(), &Params::read(trace, workload.network()).unwrap());
}

fn image(bencher: Bencher<'_, '_>, network: &Network, params: &Params) {
    let width = RegisterWidth::new(32).unwrap();
    let integer = MacSpec::Integer(IntegerMac::wrapping(width, width));
    let reduction = Some(ReductionOrder::per_fold(128));
    let mut macs = 0;
    let plan = |layer: &Layer| {
        let Operation::Convolution(convolution) = &layer.operation else { return None };
        let (input, output) = (network.edge(layer.input).shape, network.edge(layer.output).shape);
        let kernel = convolution.window.kernel;
        macs += output.elements() * kernel.height * kernel.width * input.channels / convolution.groups;
        let mac = match convolution.operand_pair(network) {
            OperandPair::Integer { .. } => integer,
            OperandPair::Bf16 => MacSpec::Bf16(Bf16Mac::default()),
        };
        Some(LayerPlan { mac, reduction })
    };
    let plans: Vec<_> = network.layers().iter().map(plan).collect();
    let executable = Executable::new(network, params, &plans).unwrap();
    let image: Vec<f32> =
        (0..network.image().shape.elements()).map(|i| (i % 255) as f32 / 127.5 - 1.0).collect();
    let mut workspace = executable.workspace();
    bencher.counter(ItemsCount::new(macs)).bench_local(|| executable.run_in(&mut workspace, &image).unwrap());
}

/// Blocks per stage and channels of their 3×3.
const STAGES: [(usize, usize); 4] = [(3, 64), (4, 128), (6, 256), (3, 512)];

fn resnet50_file(precision: &str) -> String {
    let mut text = format!(
        "schema_version = 1\nname = \"resnet50\"\nfamily = \"resnet50\"\n\
         [precision]\ndefault = \"{precision}\"\n\
         [input]\nheight = 224\nwidth = 224\nchannels = 3\n"
    );
    let mut layer = |name: &str, input: &str, channels: usize, kernel: usize, stride: usize, rest: &str| {
        let pad = kernel / 2;
        let padding = format!("{{ top = {pad}, bottom = {pad}, left = {pad}, right = {pad} }}");
        let window =
            format!("kernel = [{kernel}, {kernel}], stride = [{stride}, {stride}], padding = {padding}");
        let operation = format!("conv2d = {{ out_channels = {channels}, {window} }}");
        writeln!(text, "[[layer]]\nname = \"{name}\"\ninput = \"{input}\"\n{operation}\n{rest}").unwrap();
    };
    let relu = "activation = \"relu\"";
    layer("stem", "image", 64, 7, 2, relu);
    layer("pool", "stem", 64, 1, 2, relu);
    let mut input = "pool".to_owned();
    for (stage, (blocks, channels)) in STAGES.into_iter().enumerate() {
        for block in 0..blocks {
            let name = format!("stage{}.block{}", stage + 1, block + 1);
            let stride = if block == 0 && stage > 0 { 2 } else { 1 };
            let mut shortcut = input.clone();
            if block == 0 {
                shortcut = format!("{name}.projection");
                layer(&shortcut, &input, 4 * channels, 1, stride, "");
            }
            let [first, second, last] = ["conv1", "conv2", "conv3"].map(|conv| format!("{name}.{conv}"));
            layer(&first, &input, channels, 1, 1, relu);
            layer(&second, &first, channels, 3, stride, relu);
            layer(&last, &second, 4 * channels, 1, 1, &format!("{relu}\nshortcut = \"{shortcut}\""));
            input = last;
        }
    }
    text.push_str("[[layer]]\nname = \"mean\"\nglobal_average_pool = {}\n");
    text.push_str("[[layer]]\nname = \"logits\"\nlinear = { out_features = 1000 }\n");
    text
}

/// Weights of every value of their format; multipliers that keep activations in the range of their grids.
fn synthetic(network: &Network) -> Params {
    let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = vec![];
    let floats = |count, value: f32| value.to_le_bytes().repeat(count);
    for layer in network.layers() {
        let Operation::Convolution(convolution) = &layer.operation else { continue };
        let (input, output) = (network.edge(layer.input).shape, network.edge(layer.output).shape);
        let kernel = convolution.window.kernel;
        let shape = vec![output.channels, kernel.height, kernel.width, input.channels / convolution.groups];
        let count = shape.iter().product::<usize>();
        let mixed = (0..count as u64).map(|index| index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33);
        let (dtype, bytes, largest) = match convolution.weight_format() {
            OperandFormat::Integer(format) => {
                let levels = 2 * format.max() as u64 + 1;
                let weights = mixed.map(|mixed| (mixed % levels) as u8);
                let bytes = weights.map(|weight| weight.wrapping_sub(format.max() as u8)).collect();
                (Dtype::I8, bytes, format.max() as f32)
            }
            OperandFormat::Bf16 => {
                let weights = mixed.map(|mixed| half::bf16::from_f32((mixed % 255) as f32 / 127.0 - 1.0));
                (Dtype::BF16, weights.flat_map(half::bf16::to_le_bytes).collect(), 1.0)
            }
        };
        let spread = largest * ((count / output.channels) as f32).sqrt(); // of sums of that many products
        tensors.push((format!("{}.weight", layer.name), dtype, shape, bytes));
        let channels = output.channels;
        let multiplier = floats(channels, 1.0 / spread);
        tensors.push((format!("{}.multiplier", layer.name), Dtype::F32, vec![channels], multiplier));
        tensors.push((format!("{}.bias", layer.name), Dtype::F32, vec![channels], floats(channels, 0.1)));
    }
    for quantizer in network.quantizers() {
        tensors.push((format!("{}.scale", quantizer.name), Dtype::F32, vec![1], floats(1, 1.0)));
    }
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    let file =
        TensorFile::parse(Path::new("synthetic"), safetensors::serialize(views, None).unwrap()).unwrap();
    Params::from_file(&file, network).unwrap()
}
