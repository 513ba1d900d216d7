//! Are the generated ImageNet networks the published ones, and is every file what its name says?

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use systolab::cost::agnostic::{AgnosticLayer, linear, memory, quadratic};
use systolab::mapping::Gemm;
use systolab::numerics::{OperandFormat, Signedness};
use systolab::workload::{ArchFamily, Convolution, Layer, Operation, Padding, Stored, Workload};

/// A line: layer, name in AQT; input shape, kernel, stride, padding; output shape; MACs, weights, m, k,
/// n; input grid.
type Row = (String, String, [u64; 7], [u64; 3], [u64; 5], String);

fn read(name: &str) -> Workload {
    let file = imagenet().into_iter().find(|file| file.file_stem().is_some_and(|stem| stem == name));
    Workload::read(&file.unwrap()).unwrap()
}

fn on_array(workload: &Workload) -> impl Iterator<Item = (&Layer, &Convolution)> {
    workload.network().layers().iter().filter_map(|layer| match &layer.operation {
        Operation::Convolution(convolution) => Some((layer, convolution)),
        _ => None,
    })
}

fn agnostic(workload: &Workload) -> Vec<AgnosticLayer> {
    let layer = |(layer, convolution): (&Layer, &Convolution)| {
        let gemm = Gemm::of(layer, workload.network(), 1).unwrap();
        let pair = convolution.operand_pair(workload.network());
        AgnosticLayer {
            macs: gemm.macs(),
            weights: gemm.weights(),
            activation_bits: pair.activation().bits(),
            weight_bits: pair.weight().bits(),
        }
    };
    on_array(workload).map(layer).collect()
}

fn macs_and_weights(workload: &Workload) -> (u64, u64) {
    let layers = agnostic(workload);
    (layers.iter().map(|layer| layer.macs).sum(), layers.iter().map(|layer| layer.weights).sum())
}

#[test]
fn resnet50_is_aqts_layer_by_layer() {
    let workload = read("resnet50-w8a8");
    let network = workload.network();
    let mut expected = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .from_path("tests/goldens/networks/aqt-resnet50.csv")
        .unwrap();
    let expected: Vec<Row> = expected.deserialize().map(Result::unwrap).collect();
    assert_eq!(expected.len(), 54);
    assert_eq!(on_array(&workload).count(), expected.len());
    for ((layer, convolution), row) in on_array(&workload).zip(expected) {
        let (input, output) = (network.edge(layer.input).shape, network.edge(layer.output).shape);
        let Padding { top, bottom, left, right } = convolution.window.padding;
        let (kernel, stride) = (convolution.window.kernel, convolution.window.stride);
        let gemm = Gemm::of(layer, network, 1).unwrap();
        let OperandFormat::Integer(grid) = convolution.operand_pair(network).activation() else {
            panic!("{}: integers expected", layer.name)
        };
        let signedness = match grid.signedness() {
            Signedness::Signed => "signed",
            Signedness::Unsigned => "unsigned",
        };
        assert_eq!((top, bottom, kernel.height, stride.height), (left, right, kernel.width, stride.width));
        let counts = |sizes: &[usize]| -> Vec<u64> { sizes.iter().map(|&size| size as u64).collect() };
        let shape = [input.height, input.width, input.channels, kernel.height, stride.height, top, bottom];
        let found: Row = (
            layer.name.clone(),
            row.1.clone(),
            counts(&shape).try_into().unwrap(),
            counts(&[output.height, output.width, output.channels]).try_into().unwrap(),
            [gemm.macs(), gemm.weights(), gemm.m, gemm.k, gemm.n],
            signedness.to_owned(),
        );
        assert_eq!(found, row);
    }
    assert_eq!(macs_and_weights(&workload), (4_089_184_256, 25_502_912));
}

/// Quadratic, linear and memory cost: AQT's resnet_cost_test.py (7bdbfd34); its linear costs follow
/// from the definition.
#[test]
fn resnet50_costs_what_aqts_does() {
    for (precision, expected) in [
        ("bf16", [1_046_831_169_536, 65_426_948_096, 408_046_592]),
        ("w8a8", [261_707_792_384, 32_713_474_048, 204_023_296]),
        ("w4a4", [65_426_948_096, 16_356_737_024, 102_011_648]),
        ("mostly-4-bit", [71_189_921_792, 16_836_984_832, 110_241_280]),
    ] {
        let layers = agnostic(&read(&format!("resnet50-{precision}")));
        let layers = || layers.iter().copied();
        let costs = [quadratic(layers()), linear(layers()), memory(layers())].map(Result::unwrap);
        assert_eq!(costs, expected, "{precision}");
    }
}

/// MACs, weights, quadratic and linear cost of the mostly 4-bit networks: AQT's model and formulas.
#[test]
fn other_depths_and_widths_cost_what_aqts_do() {
    for (name, macs, weights, costs) in [
        ("resnet101", 7_801_405_440, 44_442_816, [130_585_460_736, 31_685_869_568]),
        ("resnet152", 11_513_626_624, 60_040_384, [189_980_999_680, 46_534_754_304]),
        ("resnet50-w0.25", 378_638_336, 1_990_592, [11_747_459_072, 1_988_657_152]),
        ("resnet50-w0.5", 1_127_374_848, 6_899_904, [23_751_819_264, 4_985_651_200]),
        ("resnet50-w0.75", 2_364_223_488, 14_737_344, [43_565_973_504, 9_935_093_760]),
        ("resnet50-w1.5", 9_003_442_176, 55_818_432, [149_867_200_512, 36_498_112_512]),
        ("resnet50-w2.0", 15_870_148_608, 97_846_464, [259_783_655_424, 63_969_034_240]),
        ("resnet50-torch", 4_089_184_256, 25_502_912, [71_189_921_792, 16_836_984_832]),
    ] {
        let workload = read(&format!("{name}-mostly-4-bit"));
        assert_eq!(macs_and_weights(&workload), (macs, weights), "{name}");
        let layers = agnostic(&workload);
        let layers = || layers.iter().copied();
        assert_eq!([quadratic(layers()), linear(layers())].map(Result::unwrap), costs, "{name}");
    }
}

/// HAWQ-V3's model zoo (Zhen-Dong/HAWQ model_zoo.md, 2fa253ee) gives 10^9 bit operations of its
/// 32-bit networks, which are v1: MACs · 32 · 32.
#[test]
fn v1_has_hawqs_bit_operations() {
    for (name, giga_bit_operations) in [("resnet18", 1858), ("resnet50-v1", 3951)] {
        let (macs, _) = macs_and_weights(&read(&format!("{name}-w8a8")));
        assert_eq!((macs * 1024 + 500_000_000) / 1_000_000_000, giga_bit_operations, "{name}");
    }
}

#[test]
fn a_projection_block_reads_one_stored_tensor_on_two_grids() {
    let workload = read("resnet50-mostly-4-bit");
    let network = workload.network();
    let on_read: Vec<(&str, String)> = on_array(&workload)
        .filter(|(layer, _)| network.quantizes_on_read(layer).is_some())
        .filter(|(layer, _)| layer.name.starts_with("stage1.block1"))
        .map(|(layer, convolution)| {
            assert_eq!(network.edge(layer.input).stored, Stored::Bf16, "{}", layer.name);
            (layer.name.as_str(), convolution.operand_pair(network).activation().to_string())
        })
        .collect();
    let expected = [("stage1.block1.projection", "uint4"), ("stage1.block1.conv1", "int4")];
    assert_eq!(on_read, expected.map(|(name, format)| (name, format.to_owned())));
}

fn imagenet() -> Vec<PathBuf> {
    let folder = fs::read_dir("workloads/imagenet").unwrap();
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    files.extend(
        ["bf16", "w8a8", "mostly-4-bit", "w4a4"]
            .map(|precision| PathBuf::from(format!("workloads/resnet50-{precision}.toml"))),
    );
    files.sort();
    files
}

#[test]
fn every_imagenet_file_is_what_its_name_says() {
    let files = imagenet();
    assert_eq!(files.len(), 56);
    for file in files {
        assert_says_what_it_is(&file);
    }
}

/// resnetDEPTH[-v1][-torch][-wMULTIPLIER]-PRECISION
fn assert_says_what_it_is(file: &Path) {
    let workload = Workload::read(file).unwrap();
    let name = workload.name();
    assert_eq!(Some(name), file.file_stem().and_then(|stem| stem.to_str()));
    assert_eq!(workload.family(), "imagenet", "{name}");
    let rest = name.strip_suffix(workload.precision()).unwrap().strip_suffix('-').unwrap();
    let mut words = rest.strip_prefix("resnet").unwrap().split('-');
    let depth: usize = words.next().unwrap().parse().unwrap();
    let (mut family, mut padding) = (ArchFamily::V1_5, (0, 1));
    let mut width_multiplier = 1.0;
    for word in words {
        match word {
            "v1" => family = ArchFamily::V1,
            "torch" => padding = (1, 1),
            width => width_multiplier = width.strip_prefix('w').unwrap().parse().unwrap(),
        }
    }
    if depth < 50 {
        family = ArchFamily::V1; // v1 and v1.5 coincide
    }
    let architecture = workload.architecture().unwrap();
    assert_eq!(
        (architecture.family, architecture.depth, architecture.width_multiplier),
        (family, depth, width_multiplier)
    );
    let pool = workload.network().layers().iter().find_map(|layer| match layer.operation {
        Operation::MaxPool(window) => Some((window.padding.top, window.padding.bottom)),
        _ => None,
    });
    assert_eq!(pool, Some(padding), "{name}");
    let weighted = on_array(&workload).filter(|(layer, _)| !layer.name.ends_with("projection")).count();
    assert_eq!(weighted, depth, "{name}");
}
