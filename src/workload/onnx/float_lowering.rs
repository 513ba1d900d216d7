//! Operators that stay in f32.

use super::super::float_operator::{FloatOperand, FloatOperator, PoolDivisor};
use super::super::imported_params::ImportedParams;
use super::super::layer::{FeatureMap, Operation};
use super::super::network::{EdgeId, Stored};
use super::graph::Node;
use super::layout::{Transposed, transposed};
use super::lowering::{Lowerer, Outcome, Value};
use super::patterns::clip_limits;
use super::quantize_lowering::along;
use super::reader::Values;
use super::shapes::{self, Pool};

const NOT_MAPPED: &str = "not mapped to the array";

/// ONNX counts only those of its taps that lie in the padding that it states.
const BEYOND: &str = "count_include_pad with windows that ceil_mode lets reach beyond the padding is not supported in f32; \
                      expected one of the two, or a pool that becomes QLinearAveragePool";

/// Operators that the import knows, of ai.onnx and com.microsoft.
const SUPPORTED: &str = "Add, AveragePool, BatchNormalization, Cast, Clip, Constant, ConstantOfShape, Conv, ConvInteger, \
                         DequantizeLinear, Dropout, Flatten, Gemm, GlobalAveragePool, Identity, MatMul, \
                         MatMulInteger, MaxPool, Mul, QGemm, QLinearAdd, QLinearAveragePool, QLinearConv, \
                         QLinearGlobalAveragePool, QLinearMatMul, QuantizeLinear, Relu, Reshape, Softmax, Sum";

impl Lowerer<'_> {
    /// A stored f32 tensor; dequantizes where the network stores its integers.
    pub(super) fn float_edge(&mut self, name: &str) -> Outcome<(EdgeId, Vec<usize>)> {
        match self.value(Some(name))?.clone() {
            Value::Edge { edge, dims } if self.edge(edge).stored == Stored::F32 => Ok((edge, dims)),
            Value::Edge { .. } => Err(format!("its input `{name}` holds integers; expected float")),
            Value::Dequantized(from) => {
                let shape = self.edge(from.edge).shape;
                let each = |index: usize| if from.scales.len() == 1 { 0 } else { index };
                let params = ImportedParams::Dequantize {
                    scales: (0..shape.channels).map(|channel| from.scales[each(channel)]).collect(),
                    zero_points: (0..shape.channels).map(|channel| from.zero_points[each(channel)]).collect(),
                };
                let operation = (from.edge, Operation::Float(FloatOperator::Dequantize));
                let edge = self.layer(name, (from.dims.clone(), shape), Stored::F32, operation, Some(params));
                Ok((edge, from.dims))
            }
            Value::Constant(_) | Value::DequantizedConstant(_) => {
                Err(format!("its input `{name}` is a constant; expected an activation"))
            }
        }
    }

    /// A constant in f32, dequantized if need be, with its shape.
    fn float_constant(&self, name: Option<&str>) -> Outcome<(Vec<usize>, Vec<f32>)> {
        let named = || name.unwrap_or("").to_owned();
        match self.value(name)? {
            Value::Constant(constant) => {
                let values = constant.floats();
                let values = values.ok_or_else(|| format!("its input `{}` is not float", named()))?;
                Ok((constant.dims.clone(), values.to_vec()))
            }
            Value::DequantizedConstant(from) => {
                let at = along(&from.constant.dims, from.axis, from.scales.len())?;
                let real = |(index, value): (usize, i32)| {
                    value.wrapping_sub(from.zero_points[at(index)]) as f32 * from.scales[at(index)]
                };
                let values = match &from.constant.values {
                    Values::Integer(_, values) => {
                        values.iter().copied().map(i32::from).enumerate().map(real).collect()
                    }
                    Values::I32(values) => values.iter().copied().enumerate().map(real).collect(),
                    Values::F32(_) | Values::I64(_) => {
                        return Err(format!("`{}` is not quantized; expected integers", named()));
                    }
                };
                Ok((from.constant.dims.clone(), values))
            }
            Value::Edge { .. } | Value::Dequantized(_) => {
                Err(format!("its input `{}` must be an initializer or a constant", named()))
            }
        }
    }

    pub(super) fn float_node(&mut self, node: &Node) -> Outcome<String> {
        match node.operator.as_str() {
            "Conv" | "Gemm" | "MatMul" => self.float_product(node),
            "Add" | "Mul" | "Sum" => self.float_binary(node),
            "BatchNormalization" => self.batch_normalization(node),
            "Cast" => self.cast(node),
            "Relu" | "Clip" | "Softmax" => self.float_function(node),
            "MaxPool" | "AveragePool" | "GlobalAveragePool" => self.float_pool(node),
            _ => Err(format!("this operator is not supported; supported: {SUPPORTED}")),
        }
    }

    fn float_layer(
        &mut self,
        node: &Node,
        (dims, shape): (Vec<usize>, FeatureMap),
        (input, operator): (EdgeId, FloatOperator),
        params: Option<ImportedParams>,
    ) -> String {
        let becomes = format!("f32 {}, {NOT_MAPPED}", operator.name());
        let operation = (input, Operation::Float(operator));
        self.layer(node.output(), (dims, shape), Stored::F32, operation, params);
        becomes
    }

    fn float_product(&mut self, node: &Node) -> Outcome<String> {
        let (weight_dims, weights) = self.float_constant(node.input(1))?;
        let (input, dims) = self.float_edge(node.input(0).unwrap_or(""))?;
        let layout = match node.operator.as_str() {
            "Conv" => {
                node.only(&["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"])?;
                self.convolution_layout(node, input, &dims, &weight_dims)?
            }
            "Gemm" => {
                self.check_gemm(node)?;
                self.product_layout(input, &dims, &weight_dims, transposed(node))?
            }
            _ => self.product_layout(input, &dims, &weight_dims, Transposed::No)?,
        };
        let channels = layout.output.channels;
        let bias = match node.input(2) {
            None => None,
            Some(name) => {
                let (_, values) = self.float_constant(Some(name))?;
                let bias = if values.len() == 1 { vec![values[0]; channels] } else { values };
                if bias.len() != channels {
                    return Err(format!(
                        "{} biases for {channels} output channels; expected one each",
                        bias.len()
                    ));
                }
                Some(bias)
            }
        };
        if layout.order.len() != weights.len() {
            return Err("its weights are not as many as its shape says".to_owned());
        }
        let params = ImportedParams::FloatConvolution { weights: layout.weights(&weights), bias };
        let operator = FloatOperator::Convolution { window: layout.window, groups: layout.groups };
        Ok(self.float_layer(node, (layout.dims, layout.output), (input, operator), Some(params)))
    }

    fn float_binary(&mut self, node: &Node) -> Outcome<String> {
        let [first, second] = &node.inputs[..] else {
            return Err(format!("{} inputs; expected two", node.inputs.len()));
        };
        let constant = |value: &Value| matches!(value, Value::Constant(_) | Value::DequantizedConstant(_));
        let (mut first, mut second) = (first.as_str(), second.as_str());
        if constant(self.value(Some(first))?) {
            (first, second) = (second, first); // both operators commute, also after rounding
        }
        let (input, dims) = self.float_edge(first)?;
        let shape = self.edge(input).shape;
        let (operand, params) = if constant(self.value(Some(second))?) {
            let (constant_dims, values) = self.float_constant(Some(second))?;
            let values = broadcast(&constant_dims, &values, &dims, shape)?;
            (FloatOperand::Constant, Some(ImportedParams::Constant(values)))
        } else {
            let (other, other_dims) = self.float_edge(second)?;
            if other_dims != dims || self.edge(other).shape != shape {
                return Err(format!("shapes {dims:?} and {other_dims:?}; expected equal ones"));
            }
            (FloatOperand::Edge(other), None)
        };
        let operator = match node.operator.as_str() {
            "Mul" => FloatOperator::Multiply(operand),
            _ => FloatOperator::Add(operand),
        };
        Ok(self.float_layer(node, (dims, shape), (input, operator), params))
    }

    fn batch_normalization(&mut self, node: &Node) -> Outcome<String> {
        node.only(&["epsilon", "momentum", "training_mode", "spatial"])?;
        let used = node.outputs.iter().filter(|output| !output.is_empty()).count();
        if node.int("training_mode", 0) != 0 || node.int("spatial", 1) != 1 || used != 1 {
            return Err("expected one output, spatial = 1 and training_mode = 0".to_owned());
        }
        let (input, dims) = self.float_edge(node.input(0).unwrap_or(""))?;
        let shape = self.edge(input).shape;
        let epsilon = node.float("epsilon", 1e-5);
        let mut tensors = Vec::with_capacity(4);
        for index in 1..5 {
            let (_, values) = self.float_constant(node.input(index))?;
            if values.len() != shape.channels || dims.get(1) != Some(&shape.channels) {
                return Err(format!(
                    "{} values for {} channels; expected one each",
                    values.len(),
                    shape.channels
                ));
            }
            tensors.push(values);
        }
        let [scale, bias, mean, variance] = <[Vec<f32>; 4]>::try_from(tensors).unwrap_or_default();
        let factor = scale.iter().zip(&variance).map(|(scale, variance)| scale / (variance + epsilon).sqrt());
        let params = ImportedParams::BatchNormalization { mean, factor: factor.collect(), bias };
        Ok(self.float_layer(node, (dims, shape), (input, FloatOperator::BatchNormalization), Some(params)))
    }

    fn cast(&mut self, node: &Node) -> Outcome<String> {
        node.only(&["to", "saturate", "round_mode"])?;
        let to = node.int("to", 0);
        match self.value(node.input(0))?.clone() {
            Value::Edge { edge, dims } if to == 1 && self.edge(edge).stored != Stored::F32 => {
                let shape = self.edge(edge).shape;
                Ok(self.float_layer(node, (dims, shape), (edge, FloatOperator::Cast), None))
            }
            _ => Err(format!("to type {to}; expected integers to float (1)")),
        }
    }

    fn float_function(&mut self, node: &Node) -> Outcome<String> {
        let (operator, params) = match node.operator.as_str() {
            "Relu" => (FloatOperator::Relu, None),
            "Clip" => {
                let (low, high) = clip_limits(self.graph, node)
                    .ok_or("its limits must be constants, the lower not above the upper")?;
                (FloatOperator::Clip, Some(ImportedParams::Clip { low, high }))
            }
            _ => (FloatOperator::Softmax, None),
        };
        let (input, dims) = self.float_edge(node.input(0).unwrap_or(""))?;
        let shape = self.edge(input).shape;
        if operator == FloatOperator::Softmax {
            let axis = node.int("axis", -1);
            let channels = dims.len() == 2 && matches!(axis, 1 | -1) && dims[1] == shape.channels;
            if !channels {
                return Err(format!(
                    "axis {axis} of shape {dims:?}; expected the channels of [rows, channels]"
                ));
            }
        }
        Ok(self.float_layer(node, (dims, shape), (input, operator), params))
    }

    fn float_pool(&mut self, node: &Node) -> Outcome<String> {
        let (input, dims) = self.float_edge(node.input(0).unwrap_or(""))?;
        let &[1, channels, ..] = &dims[..] else {
            return Err(format!("shape {dims:?}; expected [1, channels, height, width]"));
        };
        let map = self.edge(input).shape;
        let (operator, output) = match node.operator.as_str() {
            "GlobalAveragePool" => {
                (FloatOperator::GlobalAveragePool, FeatureMap { height: 1, width: 1, channels })
            }
            "MaxPool" => {
                let Pool { window, shape, .. } = shapes::pool(node, map)?;
                (FloatOperator::MaxPool(window), shape)
            }
            _ => {
                let Pool { window, shape, beyond } = shapes::pool(node, map)?;
                let divisor = divisor(node);
                if beyond && divisor == PoolDivisor::AllTaps {
                    return Err(BEYOND.to_owned());
                }
                (FloatOperator::AveragePool { window, divisor }, shape)
            }
        };
        let dims = vec![1, channels, output.height, output.width];
        Ok(self.float_layer(node, (dims, output), (input, operator), None))
    }
}

/// What the sum of an average pool is divided by.
pub(super) fn divisor(node: &Node) -> PoolDivisor {
    match node.int("count_include_pad", 0) {
        0 => PoolDivisor::InsideTaps,
        _ => PoolDivisor::AllTaps,
    }
}

/// A constant as one value per channel of a tensor.
fn broadcast(from: &[usize], values: &[f32], dims: &[usize], shape: FeatureMap) -> Outcome<Vec<f32>> {
    let channels = shape.channels;
    if values.len() == 1 {
        return Ok(vec![values[0]; channels]);
    }
    // Sizes from the channel axis on, after sizes of 1.
    let expected: Vec<usize> = match dims.len() {
        4 => vec![channels, 1, 1],
        _ => vec![channels],
    };
    let fits = dims.get(1) == Some(&channels)
        && values.len() == channels
        && from.len() >= expected.len()
        && from.ends_with(&expected);
    if fits {
        Ok(values.to_vec())
    } else {
        Err(format!("shapes {dims:?} and {from:?}; expected a constant of one value, or one per channel"))
    }
}
