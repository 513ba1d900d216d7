//! Does every kind of layer compute and move what its definition says, element by element?
//!
//! Expected counts are enumerated here tap by tap; scratchpads are large and bursts one byte, so that nothing
//! has to be moved twice or rounded.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod model_builder;

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;
use rten_onnx::onnx::{DataType, GraphProto, ModelProto, TensorProto};
use systolab::explore::map_network;
use systolab::hardware::{Accelerator, SHIPPED};
use systolab::mapping::{LayerMapping, Split};
use systolab::source::SourceFile;
use systolab::timing::{LayerTiming, Regime, VectorOperation, array_cycles, time_network};
use systolab::workload::{ImportOptions, ImportedModel, Network, Workload};

use model_builder::{floats, ints, node, text, value};

/// edge-16x16 with 16 MiB of each scratchpad and other values at some key paths.
fn accelerator(set: &[(&[&str], i64)]) -> Accelerator {
    let (_, text) = SHIPPED.iter().find(|(name, _)| *name == "edge-16x16").unwrap();
    let mut table: toml::Table = text.parse().unwrap();
    let mut insert = |path: &[&str], value: i64| {
        let (last, tables) = path.split_last().unwrap();
        let table = tables.iter().fold(&mut table, |table, key| table[*key].as_table_mut().unwrap());
        table.insert((*last).to_owned(), toml::Value::Integer(value));
    };
    for scratchpad in ["activation", "weight", "accumulator"] {
        insert(&["scratchpad", scratchpad, "bytes"], 1 << 24);
    }
    insert(&["dram", "burst_bytes"], 1);
    set.iter().for_each(|(path, value)| insert(path, *value));
    Accelerator::parse(&SourceFile::embedded("d.toml", &toml::to_string(&table).unwrap())).unwrap()
}

/// A network of 8-bit layers given as TOML, on an image of this size.
fn network([height, width, channels]: [usize; 3], layers: &str) -> Workload {
    let text = format!(
        "schema_version = 1\ninput = {{ height = {height}, width = {width}, channels = {channels} }}\n\
         precision = {{ default = \"w8a8\" }}\n{layers}"
    );
    Workload::parse(&SourceFile::embedded("n.toml", &text)).unwrap()
}

fn time(workload: &Workload, accelerator: &Accelerator, batch: u64) -> (Vec<LayerTiming>, Vec<LayerMapping>) {
    time_layers(workload.network(), accelerator, batch)
}

fn time_layers(
    network: &Network,
    accelerator: &Accelerator,
    batch: u64,
) -> (Vec<LayerTiming>, Vec<LayerMapping>) {
    let mapped = map_network(network, accelerator, batch).unwrap();
    let timing = time_network(network, &mapped, accelerator, Regime::Cold);
    (timing.layers, mapped)
}

/// A pool of int8 between two grids, 3 channels of 9×7.
fn imported_pool(operator: &str, kernel: i64, padding: [i64; 4]) -> ImportedModel {
    let zero = TensorProto {
        data_type: Some(DataType::INT8),
        int32_data: vec![3],
        name: text("z"),
        ..TensorProto::default()
    };
    let attributes =
        vec![ints("kernel_shape", &[kernel; 2]), ints("pads", &padding), ints("strides", &[1, 2])];
    let graph = GraphProto {
        node: vec![
            node("DequantizeLinear", &["x", "xs", "z"], "d", vec![]),
            node(operator, &["d"], "p", attributes),
            node("Relu", &["p"], "r", vec![]),
            node("QuantizeLinear", &["r", "ys", "z"], "y", vec![]),
        ],
        initializer: vec![floats("xs", &[], &[0.5]), floats("ys", &[], &[0.75]), zero],
        input: vec![value("x", DataType::INT8, &[1, 3, 9, 7])],
        output: vec![value("y", DataType::INT8, &[])],
        ..GraphProto::default()
    };
    let model = ModelProto { graph: Some(graph), ..ModelProto::default() };
    ImportedModel::parse(Path::new("m.onnx"), &model.write_buf().unwrap(), ImportOptions::default()).unwrap()
}

/// Bytes of an element of a layer's input.
fn stored_bytes(workload: &Workload, layer: usize) -> u64 {
    let network = workload.network();
    u64::from(network.stored_format(network.layers()[layer].input).bits()) / 8
}

/// Bytes of an f32 multiplier and an f32 bias per output channel.
const POST_PROCESSING: u64 = 8;

/// What a window does to an image, tap by tap.
#[derive(Default)]
struct Enumerated {
    pixels: u64,
    /// Taps per channel, those in the padding included.
    taps: u64,
    /// Rows of the image that some tap touches.
    rows: BTreeSet<usize>,
}

struct Window {
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    /// Top, bottom, left, right.
    padding: [usize; 4],
}

impl Window {
    fn enumerate(&self, [height, width]: [usize; 2]) -> Enumerated {
        let mut found = Enumerated::default();
        let [top, bottom, left, right] = self.padding;
        let reach = [0, 1].map(|axis| self.dilation[axis] * (self.kernel[axis] - 1));
        let mut y = 0;
        while y + reach[0] < height + top + bottom {
            let mut x = 0;
            while x + reach[1] < width + left + right {
                found.pixels += 1;
                for i in 0..self.kernel[0] {
                    for j in 0..self.kernel[1] {
                        found.taps += 1;
                        let (row, column) = (y + i * self.dilation[0], x + j * self.dilation[1]);
                        let in_rows = (top..top + height).contains(&row);
                        if in_rows && (left..left + width).contains(&column) {
                            found.rows.insert(row - top);
                        }
                    }
                }
                x += self.stride[1];
            }
            y += self.stride[0];
        }
        found
    }

    fn text(&self) -> String {
        let Self { kernel, stride, dilation, padding: [top, bottom, left, right] } = self;
        format!(
            "kernel = {kernel:?}, stride = {stride:?}, dilation = {dilation:?}, padding = {{ top = {top}, \
             bottom = {bottom}, left = {left}, right = {right} }}"
        )
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Batch, padding per side, dilation, stride, groups up to depthwise.
    #[test]
    fn a_convolution_computes_every_tap_and_moves_every_element_once(
        size in [9usize..20, 9usize..20], kernel in [2usize..4, 2usize..4], stride in [1usize..3, 1usize..3],
        dilation in [1usize..4, 1usize..4], padding in [0usize..3, 0usize..3, 0usize..3, 0usize..3],
        groups in 1usize..6, each in [1usize..5, 1usize..20], batch in 1u64..5,
    ) {
        let window = Window { kernel, stride, dilation, padding };
        let (channels, outputs) = (groups * each[0], groups * each[1]);
        let layer = format!(
            "[[layer]]\nname = \"a\"\nconv2d = {{ out_channels = {outputs}, groups = {groups}, {} }}\n", window.text()
        );
        let workload = network([size[0], size[1], channels], &layer);
        let found = window.enumerate(size);
        let (layers, _) = time(&workload, &accelerator(&[]), batch);
        let counters = &layers[0].counters;
        // Every output channel sees the taps of its group's input channels.
        let macs = batch * found.taps * outputs as u64 * each[0] as u64;
        prop_assert_eq!(counters.macs.values().map(|macs| macs.0).sum::<u64>(), macs);
        // Whole rows of the image that some window touches, none of the padding; the weights once per request.
        let weights = (outputs * each[0] * kernel[0] * kernel[1]) as u64;
        let input = batch * (found.rows.len() * size[1] * channels) as u64;
        prop_assert_eq!(counters.dram_read.0, input + weights + POST_PROCESSING * outputs as u64);
        // The network's output is stored as f32.
        prop_assert_eq!(counters.dram_write.0, 4 * batch * found.pixels * outputs as u64);
        // Groups follow each other on the array: each streams all its pixels at least once per 16 k.
        let k_folds = (each[0] * kernel[0] * kernel[1]).div_ceil(16) as u64;
        let streamed = groups as u64 * batch * found.pixels * k_folds * (each[1].div_ceil(16) as u64);
        prop_assert!(layers[0].compute_cycles.0 >= streamed);
    }

    #[test]
    fn a_pool_compares_every_tap_and_moves_what_it_touches(
        size in [4usize..20, 4usize..20], kernel in [2usize..4, 2usize..4], stride in [1usize..4, 1usize..4],
        padding in [0usize..2, 0usize..2, 0usize..2, 0usize..2], channels in 1usize..9, batch in 1u64..4,
    ) {
        let window = Window { kernel, stride, dilation: [1, 1], padding };
        let text = window.text().replace("dilation = [1, 1], ", "");
        let pool = format!("[[layer]]\nname = \"p\"\nmax_pool = {{ {text} }}\n");
        let layers = format!("{pool}[[layer]]\nname = \"a\"\nconv2d = {{ out_channels = 4, kernel = [1, 1] }}\n");
        let found = window.enumerate(size);
        let workload = network([size[0], size[1], channels], &layers);
        let (timed, _) = time(&workload, &accelerator(&[]), batch);
        let counters = &timed[0].counters;
        let elements = batch * (found.rows.len() * size[1] * channels) as u64;
        prop_assert_eq!(counters.dram_read.0, elements * stored_bytes(&workload, 0));
        // All of a window's taps but the first are compared.
        let compared = batch * (found.taps - found.pixels) * channels as u64;
        prop_assert_eq!(counters.vector[&VectorOperation::Compare].0, compared);
        prop_assert_eq!(timed[0].compute_cycles.0, 0);
    }
}

/// One pixel: every fold lasts as long as its 16 weight rows take to shift in. 64 inputs are 4 folds deep,
/// 32 outputs 2 wide; the first fold loads 16 cycles, the last of 8 starts in cycle 16 · 8, streams 1 vector
/// and drains in 16 + 16 − 2 + 1.
#[test]
fn a_linear_layer_at_batch_1_is_bound_by_its_weights() {
    let workload = network([1, 1, 64], "[[layer]]\nname = \"a\"\nlinear = { out_features = 32 }\n");
    let (layers, _) = time(&workload, &accelerator(&[]), 1);
    assert_eq!(layers[0].compute_cycles.0, 16 * 8 + 1 + 16 + 16 - 2 + 1);
    assert_eq!(layers[0].counters.dram_read.0, 64 + 64 * 32 + POST_PROCESSING * 32);
    // Other pixels need no other weights.
    let (batch, _) = time(&workload, &accelerator(&[]), 16);
    assert_eq!(batch[0].counters.dram_read.0, 16 * 64 + 64 * 32 + POST_PROCESSING * 32);
}

/// Two 1×1 layers of 8×8 pixels and 16 channels; the second adds the first one's input in one of them.
#[test]
fn a_residual_operand_is_read_once_and_added_once() {
    let layer = |name: &str, more: &str| {
        format!("[[layer]]\nname = \"{name}\"\n{more}conv2d = {{ out_channels = 16, kernel = [1, 1] }}\n")
    };
    let plain = layer("a", "") + &layer("b", "") + &layer("c", "input = \"b\"\n");
    let residual = layer("a", "") + &layer("b", "") + &layer("c", "input = \"b\"\nshortcut = \"a\"\n");
    // 1 KiB holds no tensor of 1024 elements beside tiles.
    let small =
        [(&["scratchpad", "activation", "bytes"][..], 1024), (&["scratchpad", "activation", "banks"], 1)];
    for (accelerator, read) in [(accelerator(&small), 8 * 8 * 16), (accelerator(&[]), 0)] {
        let (plain, _) = time(&network([8, 8, 16], &plain), &accelerator, 1);
        let workload = network([8, 8, 16], &residual);
        let (residual, _) = time(&workload, &accelerator, 1);
        let [before, after] = [&plain[2].counters, &residual[2].counters];
        // What `b` reads, `a`'s output, is what is added.
        assert_eq!(after.dram_read.0 - before.dram_read.0, read * stored_bytes(&workload, 1));
        let adds = |counters: &systolab::timing::Counters| counters.vector[&VectorOperation::Add].0;
        assert_eq!(adds(after) - adds(before), 8 * 8 * 16);
    }
}

#[test]
fn a_global_average_adds_every_element() {
    let layers = "[[layer]]\nname = \"a\"\nconv2d = { out_channels = 8, kernel = [1, 1] }\n\
                  [[layer]]\nname = \"p\"\nglobal_average_pool = {}\n\
                  [[layer]]\nname = \"b\"\nlinear = { out_features = 4 }\n";
    let (layers, _) = time(&network([5, 7, 3], layers), &accelerator(&[]), 2);
    let vector = &layers[1].counters.vector;
    assert_eq!(vector[&VectorOperation::Add].0, 2 * 5 * 7 * 8);
    assert_eq!(vector[&VectorOperation::Multiply].0, 2 * 8);
}

/// 16 channels fill the columns of one of two arrays: only pixels can be divided. One pixel cannot: only
/// channels can.
#[test]
fn several_arrays_divide_what_is_faster() {
    let pixels = "[[layer]]\nname = \"a\"\nconv2d = { out_channels = 16, kernel = [1, 1] }\n";
    let channels = "[[layer]]\nname = \"a\"\nlinear = { out_features = 64 }\n";
    for (workload, split) in
        [(network([32, 32, 256], pixels), Split::Pixels), (network([1, 1, 64], channels), Split::Channels)]
    {
        // Bound by the arrays, not by memory.
        let fast = (&["dram", "bytes_per_s"][..], 800_000_000_000);
        let (two, one) = (accelerator(&[(&["array", "count"], 2), fast]), accelerator(&[fast]));
        let (layers, mapped) = time(&workload, &two, 1);
        let (single, _) = time(&workload, &one, 1);
        let schedule = mapped[0].array.unwrap().tiling.schedule;
        assert_eq!(schedule.split, split);
        assert!(
            layers[0].compute_cycles.0 * 10 < single[0].compute_cycles.0 * 7,
            "two arrays are hardly faster"
        );
        let other = if split == Split::Pixels { Split::Channels } else { Split::Pixels };
        let divided = |split| array_cycles(&systolab::mapping::Schedule { split, ..schedule }, two.array());
        assert!(divided(split) < divided(other));
    }
}

/// Of every tap the zero point is subtracted, the rest converted, multiplied and added; then the quotient.
#[test]
fn an_imported_average_pool_dequantizes_every_tap() {
    let (outputs, taps) = (2 * 3 * 9 * 4, 3 * 3);
    let (layers, _) = time_layers(imported_pool("AveragePool", 3, [1; 4]).network(), &accelerator(&[]), 2);
    let counts: Vec<(VectorOperation, u64)> =
        layers[0].counters.vector.iter().map(|(&operation, count)| (operation, count.0)).collect();
    let expected = BTreeSet::from([
        (VectorOperation::Add, outputs * (2 * taps - 1)),
        (VectorOperation::Convert, outputs * taps),
        (VectorOperation::Multiply, outputs * (taps + 1)),
        (VectorOperation::Quantize, outputs),
    ]);
    assert_eq!(counts.into_iter().collect::<BTreeSet<_>>(), expected);
}

/// The largest tap, then the table of Relu and the other grid.
#[test]
fn an_imported_max_pool_on_another_grid_looks_its_results_up() {
    let (outputs, taps) = (2 * 3 * 9 * 4, 3 * 3);
    let (layers, _) = time_layers(imported_pool("MaxPool", 3, [1; 4]).network(), &accelerator(&[]), 2);
    let vector = &layers[0].counters.vector;
    assert_eq!(vector[&VectorOperation::Compare].0, outputs * (taps - 1));
    assert_eq!(vector[&VectorOperation::Quantize].0, outputs);
    assert_eq!(vector.len(), 2);
}

/// Windows of 2^32 taps cost what they say, and no time to count.
#[test]
fn taps_far_outside_an_image_are_counted_at_once() {
    let (size, image) = (1 << 16, [9, 7]);
    let model = imported_pool("MaxPool", size, [size - image[0], size - image[1], 0, 0]);
    let (layers, _) = time_layers(model.network(), &accelerator(&[]), 1);
    assert_eq!(layers[0].counters.vector[&VectorOperation::Compare].0, 3 * ((1 << 32) - 1));
}
