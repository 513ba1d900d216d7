//! SCALE-Sim's topologies as networks: layers that stand alone, with 8-bit operands.

use std::collections::BTreeSet;

use crate::numerics::{IntegerFormat, OperandPair};
use crate::scalesim::{Layer, Shape, Topology, TopologyKind};
use crate::source::{SourceError, SourceFile};

use super::layer::{FeatureMap, Padding, Size, Window, WindowKind};
use super::network::{IndependentLayer, MAX_LAYERS, Network, operand_name};

/// Of each operand and each result.
const MAX_ELEMENTS: u64 = 1 << 32;
/// Of the whole file, per request of one.
const MAX_MACS: u64 = 1 << 50;

/// Of which kind the file is, judged by its second row: a topology has a header and rows of numbers.
pub(super) fn kind(file: &SourceFile) -> Option<TopologyKind> {
    let rows = file.text().lines().skip(1).map(|line| line.split(',').map(str::trim).collect::<Vec<_>>());
    let row = rows.into_iter().find(|row| row.iter().any(|value| !value.is_empty()))?;
    let numbers = row.iter().skip(1).take_while(|value| value.parse::<u64>().is_ok()).count();
    match numbers {
        3 => Some(TopologyKind::Gemm),
        7.. => Some(TopologyKind::Convolution),
        _ => None,
    }
}

/// The topology's network. SCALE-Sim's word is a byte, so operands are int8.
pub(super) fn network(file: &SourceFile, kind: TopologyKind) -> Result<Network, SourceError> {
    let topology = Topology::parse(file, kind)?;
    let (mut names, mut macs, mut layers) = (BTreeSet::new(), 0u64, Vec::new());
    if topology.layers.len() > MAX_LAYERS {
        let found = topology.layers.len();
        return Err(file.error_in_file(format!("{found} layers; at most {MAX_LAYERS} are accepted")));
    }
    for layer in &topology.layers {
        macs += layer.macs();
        let outputs = layer.pixels() * layer.filters();
        let weights = layer.window() * layer.filters();
        for (what, count, limit) in [
            ("output elements", outputs, MAX_ELEMENTS),
            ("weights", weights, MAX_ELEMENTS),
            ("MACs up to here", macs, MAX_MACS),
        ] {
            if count > limit {
                let name = layer.name();
                let message = format!("layer `{name}`: {count} {what}; at most {limit} are accepted");
                return Err(file.error_in_file(message));
            }
        }
        layers.push(independent(layer, kind, unique(layer.name(), &mut names)));
    }
    Ok(Network::independent(layers))
}

/// SCALE-Sim does not mind equal names; the second `conv` is `conv (2)`.
fn unique(name: &str, names: &mut BTreeSet<String>) -> String {
    let mut candidate = name.to_owned();
    let mut count = 1;
    while names.contains(&candidate) || names.contains(&operand_name(&candidate)) {
        count += 1;
        candidate = format!("{name} ({count})");
    }
    names.insert(candidate.clone());
    names.insert(operand_name(&candidate));
    candidate
}

fn independent(layer: &Layer, kind: TopologyKind, name: String) -> IndependentLayer {
    let shape = layer.shape();
    let size = |height: u64, width: u64| Size { height: height as usize, width: width as usize };
    let map = |height: u64, width: u64, channels: u64| FeatureMap {
        height: height as usize,
        width: width as usize,
        channels: channels as usize,
    };
    let int8 = IntegerFormat::INT8;
    let pair = OperandPair::Integer { activation: int8, weight: int8 };
    let one = size(1, 1);
    match kind {
        TopologyKind::Gemm => IndependentLayer {
            name,
            kind: WindowKind::MatrixProduct,
            input: map(layer.pixels(), 1, layer.window()),
            window: Window { kernel: one, stride: one, dilation: one, padding: Padding::default() },
            output: map(layer.pixels(), 1, layer.filters()),
            groups: 1,
            pair,
        },
        TopologyKind::Convolution => IndependentLayer {
            name,
            kind: WindowKind::Convolution,
            input: map(shape.ifmap_height, shape.ifmap_width, shape.channels),
            window: Window {
                kernel: size(shape.filter_height, shape.filter_width),
                stride: size(shape.stride_height, shape.stride_width),
                dilation: one,
                padding: border(layer, shape),
            },
            output: map(layer.ofmap_height(), layer.ofmap_width(), layer.filters()),
            groups: 1,
            pair,
        },
    }
}

/// What partial windows at the border lack.
fn border(layer: &Layer, shape: Shape) -> Padding {
    let lacks = |windows: u64, stride: u64, filter: u64, input: u64| {
        ((windows - 1) * stride + filter).saturating_sub(input) as usize
    };
    Padding {
        bottom: lacks(layer.ofmap_height(), shape.stride_height, shape.filter_height, shape.ifmap_height),
        right: lacks(layer.ofmap_width(), shape.stride_width, shape.filter_width, shape.ifmap_width),
        ..Padding::default()
    }
}
