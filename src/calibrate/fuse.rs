//! Float operators as fused layers: a product with batch norm, residual add and ReLU behind it.

use std::collections::BTreeMap;

use crate::workload::{
    EdgeId, FeatureMap, FloatOperand, FloatOperator, ImportedModel, ImportedParams, Layer, Operation, Size,
    Window,
};

/// What a fused layer begins with.
#[derive(Clone, Debug, PartialEq)]
pub enum FusedKind {
    /// A convolution or product.
    Convolution {
        /// Geometry.
        window: Window,
        /// Groups of channels that do not see each other.
        groups: usize,
        /// [cout, kh, kw, cin/groups].
        weights: Vec<f32>,
        /// The dot product is multiplied by this, per output channel.
        factor: Vec<f32>,
        /// Then this is added.
        bias: Vec<f64>,
        /// An earlier layer, or `image`, that is added then.
        shortcut: Option<String>,
        /// Whether a ReLU comes last.
        relu: Relu,
    },
    /// The largest value of each window.
    MaxPool(Window),
    /// The mean over height and width.
    GlobalAveragePool,
}

/// Whether negative results become 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relu {
    /// They stay.
    Absent,
    /// They do.
    Present,
}

/// A layer of the quantized network.
#[derive(Clone, Debug, PartialEq)]
pub struct FusedLayer {
    /// ONNX name of the output of its first operator.
    pub name: String,
    /// Its operators.
    pub operators: Vec<&'static str>,
    /// The layer that it reads, or `image`.
    pub input: String,
    /// The same, in the float network.
    pub input_edge: EdgeId,
    /// Shape of the input.
    pub from: FeatureMap,
    /// Shape of the output.
    pub to: FeatureMap,
    /// What it does.
    pub kind: FusedKind,
}

/// An operator that is no part of a fused layer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("node `{node}` ({operator}): {message}")]
pub struct FuseError {
    /// ONNX name of its output.
    pub node: String,
    /// What it is.
    pub operator: String,
    /// Why it cannot be quantized.
    pub message: String,
}

const EXPECTED: &str = "not quantized; expected Conv, Gemm or MatMul, each with BatchNormalization, Add and Relu \
                        in this order behind it or without, MaxPool, GlobalAveragePool, and Softmax last";

/// The layers of a float model in execution order. A final Softmax is left out.
pub(super) fn fuse(model: &ImportedModel) -> Result<Vec<FusedLayer>, FuseError> {
    let network = model.network();
    let mut readers: BTreeMap<EdgeId, Vec<usize>> = BTreeMap::new();
    for (index, layer) in network.layers().iter().enumerate() {
        for edge in [Some(layer.input), layer.operation.second_input()].into_iter().flatten() {
            readers.entry(edge).or_default().push(index);
        }
    }
    let mut fusing =
        Fusing { model, readers, fused: vec![false; network.layers().len()], named: BTreeMap::new() };
    // Edge 0 is the image.
    fusing.named.extend(network.layers().first().map(|_| (image(model), "image".to_owned())));
    let mut layers = Vec::new();
    for index in 0..network.layers().len() {
        if !fusing.fused[index] {
            layers.extend(fusing.layer(index)?);
        }
    }
    Ok(layers)
}

fn image(model: &ImportedModel) -> EdgeId {
    model.input().edge
}

struct Fusing<'a> {
    model: &'a ImportedModel,
    readers: BTreeMap<EdgeId, Vec<usize>>,
    /// Operators that are part of a fused layer.
    fused: Vec<bool>,
    /// Outputs of fused layers.
    named: BTreeMap<EdgeId, String>,
}

impl Fusing<'_> {
    fn refuse(&self, layer: &Layer, message: impl Into<String>) -> FuseError {
        let operator = match &layer.operation {
            Operation::Float(operator) => operator.name().to_owned(),
            other => other.name().to_owned(),
        };
        FuseError { node: layer.name.clone(), operator, message: message.into() }
    }

    /// The fused layer that begins with an operator; None for a final Softmax.
    fn layer(&mut self, index: usize) -> Result<Option<FusedLayer>, FuseError> {
        let network = self.model.network();
        let layer = &network.layers()[index];
        let Operation::Float(operator) = &layer.operation else {
            return Err(self.refuse(layer, "quantized already; expected a float model"));
        };
        let mut operators = vec![operator.name()];
        let mut output = layer.output;
        let kind = match (operator, self.model.params().imported_layer(index)) {
            (
                FloatOperator::MaxPool(Window {
                    dilation: Size { height: 2.., .. } | Size { width: 2.., .. },
                    ..
                }),
                _,
            ) => {
                return Err(self.refuse(layer, "its window is dilated; expected dilations of 1"));
            }
            (FloatOperator::MaxPool(window), _) => FusedKind::MaxPool(*window),
            (FloatOperator::GlobalAveragePool, _) => FusedKind::GlobalAveragePool,
            (FloatOperator::Softmax, _) if index + 1 == network.layers().len() => return Ok(None),
            (
                FloatOperator::Convolution { window, groups },
                Some(ImportedParams::FloatConvolution { weights, bias }),
            ) => {
                let channels = network.edge(layer.output).shape.channels;
                let bias = bias.as_ref().map_or_else(
                    || vec![0.0; channels],
                    |bias| bias.iter().copied().map(f64::from).collect(),
                );
                let mut product =
                    Product { factor: vec![1.0; channels], bias, shortcut: None, relu: Relu::Absent };
                while let Some((next, operator)) = self.next(output, &product) {
                    product = operator;
                    self.fused[next] = true;
                    let behind = &network.layers()[next];
                    output = behind.output;
                    if let Operation::Float(operator) = &behind.operation {
                        operators.push(operator.name());
                    }
                }
                let Product { factor, bias, shortcut, relu } = product;
                FusedKind::Convolution {
                    window: *window,
                    groups: *groups,
                    weights: weights.clone(),
                    factor,
                    bias,
                    shortcut,
                    relu,
                }
            }
            _ => return Err(self.refuse(layer, EXPECTED)),
        };
        let Some(input) = self.named.get(&layer.input).cloned() else {
            return Err(self.refuse(layer, EXPECTED));
        };
        self.named.insert(output, layer.name.clone());
        Ok(Some(FusedLayer {
            name: layer.name.clone(),
            operators,
            input,
            input_edge: layer.input,
            from: network.edge(layer.input).shape,
            to: network.edge(output).shape,
            kind,
        }))
    }

    /// The one operator behind `output` that belongs to the same layer, and what the layer is with it.
    fn next(&self, output: EdgeId, before: &Product) -> Option<(usize, Product)> {
        let &[next] = &self.readers.get(&output)?[..] else { return None };
        let layer = &self.model.network().layers()[next];
        let Operation::Float(operator) = &layer.operation else { return None };
        let mut product = before.clone();
        let only_product = before.shortcut.is_none() && before.relu == Relu::Absent;
        match (operator, self.model.params().imported_layer(next)) {
            (
                FloatOperator::BatchNormalization,
                Some(ImportedParams::BatchNormalization { mean, factor, bias }),
            ) if only_product => {
                for (channel, value) in product.bias.iter_mut().enumerate() {
                    let factor = f64::from(factor[channel]);
                    *value = (*value - f64::from(mean[channel])) * factor + f64::from(bias[channel]);
                }
                let factors = product.factor.iter().zip(factor);
                product.factor = factors.map(|(&before, &factor)| before * factor).collect();
            }
            (FloatOperator::Add(FloatOperand::Constant), Some(ImportedParams::Constant(values)))
                if only_product =>
            {
                let terms = product.bias.iter_mut().zip(values);
                terms.for_each(|(bias, &value)| *bias += f64::from(value));
            }
            (FloatOperator::Add(FloatOperand::Edge(second)), _) if only_product => {
                let other = if *second == output { layer.input } else { *second };
                // The later of two branches takes the sum.
                product.shortcut = Some(self.named.get(&other)?.clone());
            }
            (FloatOperator::Relu, _) if before.relu == Relu::Absent => product.relu = Relu::Present,
            _ => return None,
        }
        Some((next, product))
    }
}

/// What follows a dot product.
#[derive(Clone)]
struct Product {
    factor: Vec<f32>,
    bias: Vec<f64>,
    shortcut: Option<String>,
    relu: Relu,
}
