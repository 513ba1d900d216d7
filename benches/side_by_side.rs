//! How long does one image take beside another program's? Answers `tests/oracles/onnxruntime/speed.py`.
//!
//! Arguments are `NAME=NETWORK.toml` or `NAME=MODEL.onnx`. Each line of stdin, `NAME IMAGES THREADS` or
//! `NAME products`, is one measurement, printed as wall and CPU seconds (of the busiest thread). Networks without a
//! trace have seeded synthetic values. Accumulators have 32 bits; folds have 128 products. An image includes
//! quantizing it, every layer's post-processing and every store; `products` is the integer convolutions alone:
//! gathering windows, products and 32-bit sums.

#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "the measurements")]

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::io::{Write as _, stdin, stdout};
use std::path::Path;
use std::time::Instant;

use rayon::{ThreadPool, ThreadPoolBuilder};
use systolab::functional::{Executable, Geometry, IntegerConvolution, Kernels, Workspace};
use systolab::mapping::{LayerPlan, ReductionOrder};
use systolab::numerics::{Bf16Mac, IntegerMac, MacSpec, OperandFormat, OperandPair, RegisterWidth};
use systolab::workload::{Layer, Network, Operation, Params, Weights, Workload};

const FOLD: usize = 128;

fn main() {
    let mut networks: BTreeMap<String, Loaded> = std::env::args()
        .skip(1)
        .filter_map(|argument| {
            argument.split_once('=').map(|(name, path)| (name.to_owned(), Loaded::read(path)))
        })
        .collect();
    let pools: Vec<ThreadPool> =
        (1..=2).map(|threads| ThreadPoolBuilder::new().num_threads(threads).build().unwrap()).collect();
    for line in stdin().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let network = networks.get_mut(words[0]).unwrap();
        let start = Instant::now();
        let busy = match words[1..] {
            ["products"] => cpu_seconds(|| network.products()),
            ["1", "1"] => cpu_seconds(|| network.image()),
            [images, threads] => {
                let (images, threads): (usize, usize) = (images.parse().unwrap(), threads.parse().unwrap());
                let pool = &pools[threads - 1];
                let before = pool.broadcast(|_| thread_seconds());
                pool.install(|| network.images(images));
                let after = pool.broadcast(|_| thread_seconds());
                after.iter().zip(before).map(|(after, before)| after - before).fold(0.0, f64::max)
            }
            _ => panic!("expected NAME IMAGES THREADS or NAME products"),
        };
        println!("{} {busy}", start.elapsed().as_secs_f64());
        stdout().flush().unwrap();
    }
}

fn cpu_seconds(work: impl FnOnce()) -> f64 {
    let before = thread_seconds();
    work();
    thread_seconds() - before
}

/// Seconds that this thread has run on a processor; 0 where the system does not say.
fn thread_seconds() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|text| text.parse::<f64>().ok()).unwrap_or_default() * 1e-9
}

struct Loaded {
    executable: Executable,
    workspace: Workspace,
    image: Vec<f32>,
    /// Integer convolutions with an input.
    products: Vec<(IntegerConvolution, Vec<i16>)>,
}

impl Loaded {
    fn read(path: &str) -> Self {
        let workload = Workload::read(Path::new(path)).unwrap();
        let network = workload.network();
        let params = match workload.model() {
            Some(model) => model.params().clone(),
            None => Params::synthetic(network, 0).unwrap(),
        };
        let plans: Vec<_> = network.layers().iter().map(|layer| plan(network, layer)).collect();
        let executable = Executable::new(network, &params, &plans).unwrap();
        let elements = network.image().shape.elements();
        let image = (0..elements).map(|at| (at % 255) as f32 / 127.5 - 1.0).collect();
        let layers = network.layers().iter().enumerate();
        let products = layers.filter_map(|(index, layer)| products(network, &params, index, layer)).collect();
        let workspace = executable.workspace();
        Self { executable, workspace, image, products }
    }

    fn image(&mut self) {
        black_box(self.executable.run_in(&mut self.workspace, &self.image).unwrap());
    }

    fn images(&self, count: usize) {
        let outputs =
            self.executable.run_many(count, |_| self.image.clone(), |_, outputs| Ok(outputs.logits));
        black_box(outputs.unwrap());
    }

    fn products(&self) {
        for (convolution, input) in &self.products {
            black_box(convolution.accumulators(input));
        }
    }
}

fn integer_mac() -> IntegerMac {
    let width = RegisterWidth::new(32).unwrap();
    IntegerMac::wrapping(width, width)
}

fn plan(network: &Network, layer: &Layer) -> Option<LayerPlan> {
    let Operation::Convolution(convolution) = &layer.operation else { return None };
    let mac = match convolution.operand_pair(network) {
        OperandPair::Integer { .. } => MacSpec::Integer(integer_mac()),
        OperandPair::Bf16 => MacSpec::Bf16(Bf16Mac::default()),
    };
    Some(LayerPlan { mac, reduction: Some(ReductionOrder::per_fold(FOLD)) })
}

fn products(
    network: &Network,
    params: &Params,
    index: usize,
    layer: &Layer,
) -> Option<(IntegerConvolution, Vec<i16>)> {
    let Operation::Convolution(convolution) = &layer.operation else { return None };
    let OperandFormat::Integer(activation) = convolution.operand_pair(network).activation() else {
        return None;
    };
    let Weights::Integer(weights) = &params.layer(index)?.weights else { return None };
    let (input, output) = (network.edge(layer.input).shape, network.edge(layer.output).shape);
    let geometry = Geometry::new(input, output.channels, convolution.window, convolution.groups)?;
    let order = Some(ReductionOrder::per_fold(FOLD));
    let levels = (activation.max() - activation.min() + 1) as usize;
    let values = (0..input.elements()).map(|at| (at * 7 % levels) as i16 + activation.min() as i16);
    let convolution =
        IntegerConvolution::new(geometry, weights, activation, integer_mac(), order, Kernels::Fastest)?;
    Some((convolution, values.collect()))
}
