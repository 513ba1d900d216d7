//! Scales from samples and weights; the quantized network as a network file and a trace.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use crate::functional::{Executable, ExecutionError};
use crate::numerics::{Grid, OperandFormat};
use crate::source::{SourceError, SourceFile};
use crate::tensor::{Data, Tensor};
use crate::workload::{
    ImportedModel, Layer, Network, Operands, Operation, Padding, Samples, Size, Window, Workload,
};

use super::fuse::{FuseError, FusedKind, FusedLayer, Relu, fuse};

/// Bits of weights and activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 8 and 8.
    W8A8,
    /// 4 and 4.
    W4A4,
    /// 4 and 4, but 8 and 8 in the first and last layer.
    Mostly4Bit,
}

/// A quantized network.
#[derive(Clone, Debug)]
pub struct Calibrated {
    /// Network file, which names its trace.
    pub network: String,
    /// Tensors of the trace.
    pub trace: BTreeMap<String, Tensor>,
    /// What became of the float operators.
    pub layers: Vec<CalibratedLayer>,
}

/// One layer of a quantized network.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibratedLayer {
    /// Name.
    pub name: String,
    /// Float operators that it does.
    pub operators: Vec<&'static str>,
    /// `conv2d`, `linear`, `max_pool`, `global_average_pool`.
    pub op: &'static str,
    /// Format of activations and weights, largest magnitude of the samples and scale of the input; None off
    /// the array.
    pub operands: Option<(String, f32, f32)>,
}

/// Why a model cannot be quantized.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    /// An operator has no place in a quantized network.
    #[error(transparent)]
    Fuse(#[from] FuseError),
    /// The float network cannot be executed.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// A sample gives values that have no scale.
    #[error("input of layer `{layer}`: a sample gives {value}; scales need finite values")]
    NotFinite {
        /// The layer.
        layer: String,
        /// The value.
        value: f32,
    },
    /// A weight or constant has no scale.
    #[error("layer `{layer}`: {message}")]
    Constant {
        /// The layer.
        layer: String,
        /// What is wrong.
        message: &'static str,
    },
    /// The layers do not form a network that the product executes.
    #[error("not a quantized network: {0}")]
    Network(#[from] SourceError),
}

/// Quantizes a float model: legacy AQT grids, per tensor for activations, with the largest magnitude that the
/// samples give as bound, and per output channel for weights. `trace` is the trace's file name.
pub fn calibrate(
    model: &ImportedModel,
    samples: &Samples,
    precision: Precision,
    (name, trace): (&str, &str),
) -> Result<Calibrated, CalibrateError> {
    let fused = fuse(model)?;
    let network = network_file(model, &fused, precision, name, trace);
    let workload = Workload::parse(&SourceFile::embedded(Path::new(&format!("{name}.toml")), &network))?;
    let quantized = workload.network();
    let bounds = bounds(model, samples)?;
    let mut tensors = BTreeMap::new();
    let mut layers = Vec::new();
    for (layer, fused) in quantized.layers().iter().zip(&fused) {
        let operands = operands(quantized, layer);
        let described = operands.map(|operands| {
            let bound = bounds[fused.input_edge.index()];
            if !bound.is_finite() {
                return Err(CalibrateError::NotFinite { layer: fused.name.clone(), value: bound });
            }
            let scale = operands.grid.scale(bound);
            tensors.insert(format!("{}.scale", operands.quantizer), floats(vec![scale]));
            parameters(fused, operands, scale, &mut tensors)?;
            Ok((format!("{},{}", operands.grid.format(), operands.weights.format()), bound, scale))
        });
        layers.push(CalibratedLayer {
            name: fused.name.clone(),
            operators: fused.operators.clone(),
            op: layer.operation.name(),
            operands: described.transpose()?,
        });
    }
    Ok(Calibrated { network, trace: tensors, layers })
}

#[derive(Clone, Copy)]
struct QuantizedOperands<'a> {
    quantizer: &'a str,
    grid: Grid,
    weights: Grid,
}

fn operands<'a>(network: &'a Network, layer: &Layer) -> Option<QuantizedOperands<'a>> {
    let Operation::Convolution(convolution) = &layer.operation else { return None };
    match (convolution.operands, convolution.weight_format()) {
        (Operands::Integer { quantizer, .. }, OperandFormat::Integer(format)) => {
            let quantizer = network.quantizer(quantizer);
            Some(QuantizedOperands {
                quantizer: &quantizer.name,
                grid: quantizer.grid,
                weights: Grid::legacy(format),
            })
        }
        _ => None,
    }
}

/// The largest magnitude of every edge over all samples; not finite if any value is not.
fn bounds(model: &ImportedModel, samples: &Samples) -> Result<Vec<f32>, ExecutionError> {
    let layers = model.network().layers().len();
    let executable = Executable::new(model.network(), model.params(), &vec![None; layers])?;
    let of_samples = executable.run_many(
        samples.len(),
        |index| samples.image(index),
        |workspace, _| Ok(executable.edges(workspace).iter().map(largest).collect::<Vec<_>>()),
    )?;
    let widest = |all: Vec<f32>, one: Vec<f32>| all.into_iter().zip(one).map(|(a, b)| larger(a, b)).collect();
    Ok(of_samples.into_iter().reduce(widest).unwrap_or_default())
}

/// NaN if one is.
fn larger(a: f32, b: f32) -> f32 {
    if a.is_nan() || a > b { a } else { b }
}

fn largest(edge: &Tensor) -> f32 {
    match edge.data() {
        Data::F32(values) => values.iter().fold(0.0, |largest, value| larger(largest, value.abs())),
        _ => 0.0, // a float model has none
    }
}

fn floats(values: Vec<f32>) -> Tensor {
    match Tensor::new(vec![values.len()], Data::F32(values)) {
        Some(tensor) => tensor,
        None => unreachable!("the shape is the number of values"),
    }
}

/// Weights, multipliers and biases of one layer: y = f32(acc)·m + b.
fn parameters(
    layer: &FusedLayer,
    operands: QuantizedOperands<'_>,
    scale: f32,
    tensors: &mut BTreeMap<String, Tensor>,
) -> Result<(), CalibrateError> {
    let FusedKind::Convolution { window, weights, factor, bias, .. } = &layer.kind else { return Ok(()) };
    let failed = |message| CalibrateError::Constant { layer: layer.name.clone(), message };
    let per_channel = weights.len() / layer.to.channels;
    let mut integers = Vec::with_capacity(weights.len());
    let mut multipliers = Vec::with_capacity(factor.len());
    for (row, &factor) in weights.chunks_exact(per_channel).zip(factor) {
        let bound = row.iter().fold(0.0, |bound, weight| larger(bound, weight.abs()));
        let weight_scale = operands.weights.scale(bound);
        for &weight in row {
            let integer = operands.weights.quantize(weight, weight_scale).filter(|_| bound.is_finite());
            integers.push(integer.ok_or_else(|| failed("a weight is not finite"))? as i8); // at most 8 bits
        }
        multipliers.push((f64::from(factor) / (f64::from(scale) * f64::from(weight_scale))) as f32);
    }
    let biases: Vec<f32> = bias.iter().map(|&bias| bias as f32).collect();
    if !multipliers.iter().chain(&biases).all(|value| value.is_finite()) {
        return Err(failed("a multiplier or a bias leaves f32's range"));
    }
    let Size { height, width } = window.kernel;
    let shape = vec![layer.to.channels, height, width, per_channel / (height * width)];
    let weights =
        Tensor::new(shape, Data::I8(integers)).ok_or_else(|| failed("its weights do not fit its shape"))?;
    tensors.insert(format!("{}.weight", layer.name), weights);
    tensors.insert(format!("{}.multiplier", layer.name), floats(multipliers));
    tensors.insert(format!("{}.bias", layer.name), floats(biases));
    Ok(())
}

fn network_file(
    model: &ImportedModel,
    layers: &[FusedLayer],
    precision: Precision,
    name: &str,
    trace: &str,
) -> String {
    let image = model.network().image().shape;
    let text = |text: &str| Value::String(text.to_owned());
    let (default, ends) = match precision {
        Precision::W8A8 => ("w8a8", None),
        Precision::W4A4 => ("w4a4", None),
        Precision::Mostly4Bit => ("w4a4", Some("w8a8")),
    };
    let mut bits = table([("default", text(default))]);
    for end in ["first", "last"] {
        bits.extend(ends.map(|ends| (end.to_owned(), text(ends))));
    }
    let shape = [
        ("height", number(image.height)),
        ("width", number(image.width)),
        ("channels", number(image.channels)),
    ];
    let file = table([
        ("schema_version", Value::Integer(1)),
        ("name", text(name)),
        ("input", Value::Table(table(shape))),
        ("layer", layers.iter().map(|layer| Value::Table(layer_table(layer))).collect::<Vec<_>>().into()),
        ("precision", Value::Table(bits)),
        ("parameters", Value::Table(table([("trace", text(trace))]))),
    ]);
    file.to_string()
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Extents are far below 2^63.
fn number(extent: usize) -> Value {
    Value::Integer(extent as i64)
}

fn size(size: Size) -> Value {
    vec![number(size.height), number(size.width)].into()
}

fn padding(padding: Padding) -> Value {
    let Padding { top, bottom, left, right } = padding;
    let sides = [("top", top), ("bottom", bottom), ("left", left), ("right", right)];
    Value::Table(table(sides.map(|(side, taps)| (side, number(taps)))))
}

fn layer_table(layer: &FusedLayer) -> Table {
    let mut entries =
        table([("name", Value::String(layer.name.clone())), ("input", Value::String(layer.input.clone()))]);
    let (operation, keys) = match &layer.kind {
        FusedKind::MaxPool(Window { kernel, stride, padding: around, .. }) => (
            "max_pool",
            table([("kernel", size(*kernel)), ("stride", size(*stride)), ("padding", padding(*around))]),
        ),
        FusedKind::GlobalAveragePool => ("global_average_pool", Table::new()),
        FusedKind::Convolution { window, groups, shortcut, relu, .. } => {
            let whole = Size { height: layer.from.height, width: layer.from.width };
            if let Some(shortcut) = shortcut {
                entries.insert("shortcut".to_owned(), Value::String(shortcut.clone()));
            }
            if *relu == Relu::Present {
                entries.insert("activation".to_owned(), Value::String("relu".to_owned()));
            }
            if window.kernel == whole && window.padding == Padding::default() && *groups == 1 {
                ("linear", table([("out_features", number(layer.to.channels))]))
            } else {
                let keys = table([
                    ("out_channels", number(layer.to.channels)),
                    ("kernel", size(window.kernel)),
                    ("stride", size(window.stride)),
                    ("dilation", size(window.dilation)),
                    ("padding", padding(window.padding)),
                    ("groups", number(*groups)),
                ]);
                ("conv2d", keys)
            }
        }
    };
    entries.insert(operation.to_owned(), Value::Table(keys));
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_hides_behind_another() {
        let edge = |values: &[f32]| largest(&floats(values.to_vec()));
        assert_eq!(edge(&[1.0, -3.0, 2.0]), 3.0);
        assert!(edge(&[1.0, f32::NAN, 2.0]).is_nan() && edge(&[f32::NEG_INFINITY, 1.0]).is_infinite());
    }
}
