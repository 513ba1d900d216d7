//! What each operator becomes: integer layers here, f32 operators in `float_lowering`.

use std::collections::BTreeMap;

use rten_onnx::onnx::DataType;

use crate::numerics::{Activation, F32Rne, IntegerFormat, QuantizeLinear, QuantizedAdd, Scale, Signedness};

use super::super::imported_params::{AffineConvolution, ImportedParams};
use super::super::layer::{
    Convolution, FeatureMap, Operands, Operation, Size, WeightZeroPoint, Window, WindowKind,
};
use super::super::network::{Edge, EdgeId, Network, Stored};
use super::super::{FloatOperator, Padding};
use super::graph::{Graph, Node};
use super::patterns::{Quantized, clip_limits, quantized};
use super::reader::{Constant, Values, integer_format};
use super::{ImportError, InputType, Lowering, ModelTensor, Semantics, shapes};

/// A lowered graph.
pub(super) struct Lowered {
    pub(super) network: Network,
    pub(super) params: Vec<Option<ImportedParams>>,
    pub(super) image: Option<(QuantizeLinear, f32)>,
    pub(super) input: ModelTensor,
    pub(super) input_type: InputType,
    pub(super) tensors: Vec<ModelTensor>,
    pub(super) lowerings: Vec<Lowering>,
}

/// What a tensor's name stands for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Constant(Constant),
    /// A tensor that the network stores.
    Edge {
        edge: EdgeId,
        dims: Vec<usize>,
    },
    /// Stored integers and what they mean: an f32 tensor only where somebody needs it.
    Dequantized(Dequantized),
    DequantizedConstant(DequantizedConstant),
}

#[derive(Clone, Debug)]
pub(super) struct Dequantized {
    pub(super) edge: EdgeId,
    pub(super) dims: Vec<usize>,
    /// One, or one per channel.
    pub(super) scales: Vec<f32>,
    pub(super) zero_points: Vec<i32>,
}

#[derive(Clone, Debug)]
pub(super) struct DequantizedConstant {
    pub(super) constant: Constant,
    /// One, or one per position of `axis`.
    pub(super) scales: Vec<f32>,
    pub(super) zero_points: Vec<i32>,
    pub(super) axis: usize,
}

impl DequantizedConstant {
    /// Scale and zero point of every output channel, which lie along `axis` of so many.
    fn per_channel(&self, axis: usize, channels: usize) -> Option<(Vec<f32>, Vec<i16>)> {
        let zero_points = self.zero_points.iter().map(|&zero_point| zero_point as i16);
        match self.scales.len() {
            1 => Some((vec![self.scales[0]; channels], vec![self.zero_points[0] as i16; channels])),
            count if count == channels && self.axis == axis => {
                Some((self.scales.clone(), zero_points.collect()))
            }
            _ => None,
        }
    }

    fn integers(&self) -> Option<(IntegerFormat, &[i16])> {
        match &self.constant.values {
            Values::Integer(format, values) => Some((*format, values)),
            _ => None,
        }
    }
}

/// The grid of a tensor: one scale, one zero point.
#[derive(Clone, Copy, Debug)]
pub(super) struct TensorGrid {
    pub(super) grid: QuantizeLinear,
    pub(super) scale: f32,
}

/// Shapes of a convolution or matrix product and how its weights are laid out.
pub(super) struct Layout {
    pub(super) kind: WindowKind,
    pub(super) window: Window,
    pub(super) groups: usize,
    pub(super) output: FeatureMap,
    pub(super) dims: Vec<usize>,
    /// For every weight in the order [cout, kh, kw, cin/groups], its position in the model's tensor.
    pub(super) order: Vec<usize>,
    /// Axis of the model's weights along which output channels lie.
    pub(super) channel_axis: usize,
}

impl Layout {
    pub(super) fn weights<T: Copy>(&self, values: &[T]) -> Vec<T> {
        self.order.iter().map(|&position| values[position]).collect()
    }
}

/// Operands of an integer convolution.
struct IntegerOperands<'a> {
    /// Edge and format.
    input: (EdgeId, IntegerFormat),
    input_zero_point: i32,
    weights: (IntegerFormat, &'a [i16]),
    weight_zero_points: Vec<i16>,
    bias: Vec<i32>,
    requantization: Option<(F32Rne, Vec<f32>, IntegerFormat)>,
}

pub(super) type Outcome<T> = Result<T, String>;

pub(super) struct Lowerer<'a> {
    pub(super) graph: &'a Graph,
    semantics: Semantics,
    values: BTreeMap<String, Value>,
    image: Edge,
    image_grid: Option<(QuantizeLinear, f32)>,
    layers: Vec<(Edge, EdgeId, Operation)>,
    params: Vec<Option<ImportedParams>>,
    tensors: Vec<ModelTensor>,
    lowerings: Vec<Lowering>,
    done: Vec<bool>,
}

/// Lowers every node of a graph, in order.
pub(super) fn lower(graph: &Graph, semantics: Semantics) -> Result<Lowered, ImportError> {
    let in_file = |message: String| ImportError::File { path: graph.path.clone(), message };
    let name = graph.input.name.clone().unwrap_or_default();
    let (dims, data_type) = shapes::of_input(&graph.input).map_err(in_file)?;
    let shape = shapes::feature_map(&dims).map_err(in_file)?;
    let (stored, image_grid) = match (data_type, integer_format(data_type)) {
        (DataType::FLOAT, _) => (Stored::F32, None),
        (_, Some(format)) => {
            let zero = QuantizeLinear::new(format, 0).map(|grid| (grid, 1.0));
            (Stored::Integer(format), zero)
        }
        (other, None) => {
            return Err(in_file(format!(
                "the graph's input has type {other}; expected FLOAT, INT8 or UINT8"
            )));
        }
    };
    let input_type = if stored == Stored::F32 { InputType::Float } else { InputType::Integers };
    let image = Edge { name: name.clone(), shape, stored, signedness: signedness(stored) };
    let input = ModelTensor { name: name.clone(), edge: EdgeId(0), dims: dims.clone() };
    let mut values: BTreeMap<String, Value> = graph
        .constants
        .iter()
        .map(|(name, constant)| (name.clone(), Value::Constant(constant.clone())))
        .collect();
    values.insert(name, Value::Edge { edge: EdgeId(0), dims });
    let mut lowerer = Lowerer {
        graph,
        semantics,
        values,
        image,
        image_grid,
        layers: vec![],
        params: vec![],
        tensors: vec![input.clone()],
        lowerings: vec![],
        done: vec![false; graph.nodes.len()],
    };
    for (index, node) in graph.nodes.iter().enumerate() {
        if !lowerer.done[index] {
            let becomes = lowerer.node(node).map_err(|message| graph.error(node, message))?;
            lowerer.log(node, becomes);
        }
    }
    for output in &graph.outputs {
        if let Some(Value::Dequantized(_)) = lowerer.values.get(output) {
            lowerer.float_edge(output).map_err(in_file)?;
        }
    }
    let Lowerer { image, image_grid, layers, params, tensors, lowerings, .. } = lowerer;
    if layers.is_empty() {
        return Err(in_file("no node of the graph computes anything from its input".to_owned()));
    }
    let network = Network::imported(image, layers).map_err(|error| in_file(error.to_string()))?;
    Ok(Lowered { network, params, image: image_grid, input, input_type, tensors, lowerings })
}

fn signedness(stored: Stored) -> Signedness {
    match stored {
        Stored::Integer(format) => format.signedness(),
        _ => Signedness::Signed,
    }
}

impl Lowerer<'_> {
    fn node(&mut self, node: &Node) -> Outcome<String> {
        if !matches!(node.domain.as_str(), "" | "ai.onnx" | "com.microsoft") {
            return Err(format!("operators of domain `{}` are not supported", node.domain));
        }
        match node.operator.as_str() {
            "QuantizeLinear" => self.quantize_linear(node),
            "DequantizeLinear" => self.dequantize_linear(node),
            "QLinearConv" => self.qlinear_conv(node),
            "ConvInteger" => self.conv_integer(node),
            "QLinearMatMul" => self.qlinear_matmul(node),
            "MatMulInteger" => self.matmul_integer(node),
            "QGemm" => self.qgemm(node),
            "QLinearAdd" => self.qlinear_add(node),
            "QLinearGlobalAveragePool" => self.qlinear_global_average_pool(node),
            "MaxPool" if self.is_integer(node.input(0)) => self.integer_max_pool(node),
            "Conv" | "Gemm" | "MatMul" | "Add" | "Sum" | "MaxPool" | "GlobalAveragePool"
                if self.semantics == Semantics::Fused =>
            {
                match self.fused(node)? {
                    Some(becomes) => Ok(becomes),
                    None => self.float_node(node),
                }
            }
            "Relu" | "Clip" if self.semantics == Semantics::Fused => match self.fused_function(node)? {
                Some(becomes) => Ok(becomes),
                None => self.float_node(node),
            },
            "Flatten" | "Reshape" | "Identity" | "Dropout" => self.view(node),
            "ConstantOfShape" => self.constant_of_shape(node),
            _ => self.float_node(node),
        }
    }

    pub(super) fn log(&mut self, node: &Node, becomes: String) {
        let (node, operator) = (node.name.clone(), node.operator.clone());
        self.lowerings.push(Lowering { node, operator, becomes });
    }

    pub(super) fn value(&self, name: Option<&str>) -> Outcome<&Value> {
        let name = name.ok_or("an input is missing")?;
        self.values.get(name).ok_or_else(|| format!("its input `{name}` is not known"))
    }

    pub(super) fn set(&mut self, node: &Node, value: Value) {
        self.values.insert(node.output().to_owned(), value);
    }

    pub(super) fn edge(&self, edge: EdgeId) -> &Edge {
        match edge.0.checked_sub(1) {
            None => &self.image,
            Some(layer) => &self.layers[layer].0,
        }
    }

    /// Adds a layer that writes the tensor `name`.
    pub(super) fn layer(
        &mut self,
        name: &str,
        (dims, shape): (Vec<usize>, FeatureMap),
        stored: Stored,
        (input, operation): (EdgeId, Operation),
        params: Option<ImportedParams>,
    ) -> EdgeId {
        let edge = EdgeId(self.layers.len() + 1);
        let written = Edge { name: name.to_owned(), shape, stored, signedness: signedness(stored) };
        self.layers.push((written, input, operation));
        self.params.push(params);
        self.alias(name, edge, dims);
        edge
    }

    /// Gives a stored tensor a name.
    fn alias(&mut self, name: &str, edge: EdgeId, dims: Vec<usize>) {
        self.tensors.push(ModelTensor { name: name.to_owned(), edge, dims: dims.clone() });
        self.values.insert(name.to_owned(), Value::Edge { edge, dims });
    }

    fn is_integer(&self, name: Option<&str>) -> bool {
        self.integer_edge(name).is_ok()
    }

    /// A stored tensor of integers.
    fn integer_edge(&self, name: Option<&str>) -> Outcome<(EdgeId, Vec<usize>, IntegerFormat)> {
        match self.value(name)? {
            Value::Edge { edge, dims } => match self.edge(*edge).stored {
                Stored::Integer(format) => Ok((*edge, dims.clone(), format)),
                _ => Err(format!(
                    "its input `{}` does not hold integers of at most 8 bits",
                    name.unwrap_or("")
                )),
            },
            _ => Err(format!("its input `{}` is not a quantized activation", name.unwrap_or(""))),
        }
    }

    pub(super) fn constant(&self, name: Option<&str>) -> Outcome<&Constant> {
        match self.value(name)? {
            Value::Constant(constant) => Ok(constant),
            _ => Err(format!("its input `{}` must be an initializer or a constant", name.unwrap_or(""))),
        }
    }

    fn weights(&self, name: Option<&str>) -> Outcome<(IntegerFormat, &Constant, &[i16])> {
        let constant = self.constant(name)?;
        match &constant.values {
            Values::Integer(format, values) => Ok((*format, constant, values)),
            _ => Err(format!(
                "its input `{}` has type {}; expected int8, uint8, int4 or uint4",
                name.unwrap_or(""),
                constant.type_name()
            )),
        }
    }

    /// Scales, each finite and greater than 0.
    fn scales(&self, name: Option<&str>) -> Outcome<Vec<f32>> {
        let constant = self.constant(name)?;
        let named = name.unwrap_or("");
        let scales = constant
            .floats()
            .ok_or_else(|| format!("scale `{named}` has type {}; expected float", constant.type_name()))?;
        match scales.iter().find(|scale| !(scale.is_finite() && **scale > 0.0)) {
            Some(scale) => Err(format!("scale `{named}` is {scale}; a scale is finite and greater than 0")),
            None if scales.is_empty() => Err(format!("scale `{named}` is empty")),
            None => Ok(scales.to_vec()),
        }
    }

    fn scale(&self, name: Option<&str>) -> Outcome<f32> {
        match self.scales(name)?[..] {
            [scale] => Ok(scale),
            ref scales => {
                Err(format!("scale `{}` has {} values; expected one", name.unwrap_or(""), scales.len()))
            }
        }
    }

    /// Zero points of a format; zeros of `default` where they are left out.
    fn zero_points(
        &self,
        name: Option<&str>,
        default: IntegerFormat,
        count: usize,
    ) -> Outcome<(IntegerFormat, Vec<i32>)> {
        if name.is_none() {
            return Ok((default, vec![0; count]));
        }
        let (format, _, values) = self.weights(name)?;
        match values.len() {
            found if found == count => Ok((format, values.iter().copied().map(i32::from).collect())),
            1 => Ok((format, vec![i32::from(values[0]); count])),
            found => Err(format!("zero point `{}` has {found} values; expected {count}", name.unwrap_or(""))),
        }
    }

    /// The grid that two inputs state.
    fn grid(&self, scale: Option<&str>, zero_point: Option<&str>) -> Outcome<TensorGrid> {
        let uint8 = integer_format(DataType::UINT8).ok_or("no uint8")?;
        let (format, zero_points) = self.zero_points(zero_point, uint8, 1)?;
        let grid =
            QuantizeLinear::new(format, zero_points[0]).ok_or("the zero point is not in its format")?;
        Ok(TensorGrid { grid, scale: self.scale(scale)? })
    }

    /// The grid of an integer operator's input, whose format must be the stored one.
    fn input_grid(
        &self,
        name: Option<&str>,
        scale: Option<&str>,
        zero_point: Option<&str>,
    ) -> Outcome<(EdgeId, Vec<usize>, TensorGrid)> {
        let (edge, dims, format) = self.integer_edge(name)?;
        let (found, zero_points) = self.zero_points(zero_point, format, 1)?;
        if found != format {
            return Err(format!("its input is {format}, but its zero point {found}"));
        }
        let grid =
            QuantizeLinear::new(format, zero_points[0]).ok_or("the zero point is not in its format")?;
        Ok((edge, dims, TensorGrid { grid, scale: self.scale(scale)? }))
    }

    // Quantizing and dequantizing.

    fn quantize_linear(&mut self, node: &Node) -> Outcome<String> {
        node.only(&["axis", "saturate", "block_size", "output_dtype", "precision"])?;
        if node.int("block_size", 0) != 0 {
            return Err("blocked quantization is not supported".to_owned());
        }
        if let Value::Constant(constant) = self.value(node.input(0))? {
            return self.quantize_constant(node, &constant.clone());
        }
        let mut target = self.grid(node.input(1), node.input(2))?;
        if node.input(2).is_none()
            && let Some(format) = integer_format(DataType(node.int("output_dtype", 2) as i32))
        {
            target.grid = QuantizeLinear::new(format, 0).ok_or("0 is not in its format")?;
        }
        let stored = Stored::Integer(target.grid.format());
        let name = node.output().to_owned();
        match self.value(node.input(0))?.clone() {
            Value::Dequantized(from) if self.semantics == Semantics::Fused && from.scales.len() == 1 => {
                self.requantize(&name, &from, target, f32::NEG_INFINITY, f32::INFINITY)
            }
            Value::Edge { edge: EdgeId(0), dims }
                if self.image.stored == Stored::F32
                    && self.layers.is_empty()
                    && self.graph.only_consumer(&self.image.name).is_some() =>
            {
                self.image.stored = stored;
                self.image.signedness = signedness(stored);
                self.image.name.clone_from(&name);
                self.image_grid = Some((target.grid, target.scale));
                self.tensors.clear();
                self.alias(&name, EdgeId(0), dims);
                Ok(format!("the image, quantized by the host to {}", target.grid.format()))
            }
            _ => {
                let (edge, dims) = self.float_edge(node.input(0).unwrap_or(""))?;
                let operation = Operation::Float(FloatOperator::Quantize);
                let params = ImportedParams::Quantize { grid: target.grid, scale: target.scale };
                let shape = self.edge(edge).shape;
                self.layer(&name, (dims, shape), stored, (edge, operation), Some(params));
                Ok(format!("f32 QuantizeLinear to {}, not mapped to the array", target.grid.format()))
            }
        }
    }

    fn quantize_constant(&mut self, node: &Node, constant: &Constant) -> Outcome<String> {
        let values = constant.floats().ok_or("its input is a constant that is not float")?.to_vec();
        let scales = self.scales(node.input(1))?;
        let uint8 = integer_format(DataType::UINT8).ok_or("no uint8")?;
        let (format, zero_points) = self.zero_points(node.input(2), uint8, scales.len())?;
        let dims = constant.dims.clone();
        let positions = along(&dims, axis(node, dims.len())?, scales.len())?;
        let quantized = values.iter().enumerate().map(|(index, &value)| {
            let at = positions(index);
            let grid = QuantizeLinear::new(format, zero_points[at])?;
            grid.quantize(value, scales[at]).map(|value| value as i16)
        });
        let quantized = quantized.collect::<Option<Vec<i16>>>().ok_or("a constant is NaN")?;
        self.set(node, Value::Constant(Constant { dims, values: Values::Integer(format, quantized) }));
        Ok("a constant".to_owned())
    }

    fn dequantize_linear(&mut self, node: &Node) -> Outcome<String> {
        node.only(&["axis", "block_size", "output_dtype"])?;
        if node.int("block_size", 0) != 0 {
            return Err("blocked quantization is not supported".to_owned());
        }
        let scales = self.scales(node.input(1))?;
        let zero_points = match node.input(2) {
            None => vec![0; scales.len()],
            Some(name) => {
                let given =
                    self.constant(Some(name))?.integers().ok_or("its zero point is not an integer")?;
                let given: Vec<i32> = given.iter().map(|&value| value as i32).collect();
                match given.len() {
                    1 => vec![given[0]; scales.len()],
                    count if count == scales.len() => given,
                    count => return Err(format!("{count} zero points for {} scales", scales.len())),
                }
            }
        };
        match self.value(node.input(0))?.clone() {
            Value::Constant(constant) => {
                if matches!(constant.values, Values::F32(_) | Values::I64(_)) {
                    return Err(format!("its input has type {}", constant.type_name()));
                }
                let axis = axis(node, constant.dims.len())?;
                let _ = along(&constant.dims, axis, scales.len())?; // that it fits
                let value = DequantizedConstant { constant, scales, zero_points, axis };
                self.set(node, Value::DequantizedConstant(value));
                Ok("a constant".to_owned())
            }
            Value::Edge { edge, dims } => {
                let stored = self.edge(edge).stored;
                if !matches!(stored, Stored::Integer(_) | Stored::Int32) {
                    return Err("its input does not hold integers".to_owned());
                }
                let channels = self.edge(edge).shape.channels;
                let per_channel = scales.len() == channels && axis(node, dims.len())? == 1;
                if scales.len() != 1 && !(per_channel && dims.get(1) == Some(&channels)) {
                    return Err(format!("{} scales; expected one, or one per channel", scales.len()));
                }
                self.set(node, Value::Dequantized(Dequantized { edge, dims, scales, zero_points }));
                Ok("the meaning of integers; f32 where an operator needs it".to_owned())
            }
            _ => Err("its input does not hold integers".to_owned()),
        }
    }

    /// Integers from one grid to another, clipped to real limits in between.
    fn requantize(
        &mut self,
        name: &str,
        from: &Dequantized,
        to: TensorGrid,
        low: f32,
        high: f32,
    ) -> Outcome<String> {
        let Stored::Integer(format) = self.edge(from.edge).stored else {
            return Err("int32 tensors are not requantized by themselves".to_owned());
        };
        let same = format == to.grid.format()
            && from.scales[0].to_bits() == to.scale.to_bits()
            && from.zero_points[0] == to.grid.zero_point()
            && (low, high) == (f32::NEG_INFINITY, f32::INFINITY);
        if same {
            self.alias(name, from.edge, from.dims.clone());
            return Ok("the same integers".to_owned());
        }
        let table = (format.min()..=format.max()).map(|value| {
            let real = (value - from.zero_points[0]) as f32 * from.scales[0];
            let clipped = if real < low {
                low
            } else if real > high {
                high
            } else {
                real
            };
            to.grid.quantize(clipped, to.scale).map(|value| value as i16)
        });
        let table = table.collect::<Option<Vec<i16>>>().ok_or("a dequantized value is NaN")?;
        let stored = Stored::Integer(to.grid.format());
        let shape = self.edge(from.edge).shape;
        let params = Some(ImportedParams::Lookup(table));
        self.layer(name, (from.dims.clone(), shape), stored, (from.edge, Operation::Lookup), params);
        Ok(format!("integer requantization to {}, element by element", to.grid.format()))
    }

    // Operators on integers.

    fn qlinear_conv(&mut self, node: &Node) -> Outcome<String> {
        node.only(&["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"])?;
        let (input, dims, x) = self.input_grid(node.input(0), node.input(1), node.input(2))?;
        let y = self.grid(node.input(6), node.input(7))?;
        let (format, constant, values) = self.weights(node.input(3))?;
        let layout = self.convolution_layout(node, input, &dims, &constant.dims)?;
        let channels = layout.output.channels;
        let scales = per_channel(self.scales(node.input(4))?, channels, "weight scales")?;
        let (_, zero_points) = self.zero_points(node.input(5), format, channels)?;
        let operands = IntegerOperands {
            input: (input, x.grid.format()),
            input_zero_point: x.grid.zero_point(),
            weights: (format, values),
            weight_zero_points: zero_points.iter().map(|&value| value as i16).collect(),
            bias: self.integer_bias(node.input(8), channels)?,
            requantization: Some(requantization(x.scale, &scales, y, full(y))?),
        };
        let prepared = affine(&layout, operands)?;
        Ok(self.affine_layer(node.output(), layout, prepared))
    }

    fn conv_integer(&mut self, node: &Node) -> Outcome<String> {
        node.only(&["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"])?;
        let (input, dims, x_format) = self.integer_edge(node.input(0))?;
        let (format, constant, values) = self.weights(node.input(1))?;
        let layout = self.convolution_layout(node, input, &dims, &constant.dims)?;
        let channels = layout.output.channels;
        let (_, x_zero_points) = self.zero_points(node.input(2), x_format, 1)?;
        let (_, w_zero_points) = self.zero_points(node.input(3), format, channels)?;
        let operands = IntegerOperands {
            input: (input, x_format),
            input_zero_point: x_zero_points[0],
            weights: (format, values),
            weight_zero_points: w_zero_points.iter().map(|&value| value as i16).collect(),
            bias: vec![0; channels],
            requantization: None,
        };
        let prepared = affine(&layout, operands)?;
        Ok(self.affine_layer(node.output(), layout, prepared))
    }

    fn qlinear_matmul(&mut self, node: &Node) -> Outcome<String> {
        node.only(&[])?;
        let (input, dims, x) = self.input_grid(node.input(0), node.input(1), node.input(2))?;
        let y = self.grid(node.input(6), node.input(7))?;
        let (format, constant, values) = self.weights(node.input(3))?;
        let layout = self.product_layout(input, &dims, &constant.dims, Transposed::No)?;
        let channels = layout.output.channels;
        let scales = per_channel(self.scales(node.input(4))?, channels, "weight scales")?;
        let (_, zero_points) = self.zero_points(node.input(5), format, channels)?;
        let operands = IntegerOperands {
            input: (input, x.grid.format()),
            input_zero_point: x.grid.zero_point(),
            weights: (format, values),
            weight_zero_points: zero_points.iter().map(|&value| value as i16).collect(),
            bias: vec![0; channels],
            requantization: Some(requantization(x.scale, &scales, y, full(y))?),
        };
        let prepared = affine(&layout, operands)?;
        Ok(self.affine_layer(node.output(), layout, prepared))
    }

    fn matmul_integer(&mut self, node: &Node) -> Outcome<String> {
        node.only(&[])?;
        let (input, dims, x_format) = self.integer_edge(node.input(0))?;
        let (format, constant, values) = self.weights(node.input(1))?;
        let layout = self.product_layout(input, &dims, &constant.dims, Transposed::No)?;
        let channels = layout.output.channels;
        let (_, x_zero_points) = self.zero_points(node.input(2), x_format, 1)?;
        let (_, w_zero_points) = self.zero_points(node.input(3), format, channels)?;
        let operands = IntegerOperands {
            input: (input, x_format),
            input_zero_point: x_zero_points[0],
            weights: (format, values),
            weight_zero_points: w_zero_points.iter().map(|&value| value as i16).collect(),
            bias: vec![0; channels],
            requantization: None,
        };
        let prepared = affine(&layout, operands)?;
        Ok(self.affine_layer(node.output(), layout, prepared))
    }

    fn qgemm(&mut self, node: &Node) -> Outcome<String> {
        node.only(&["alpha", "transA", "transB"])?;
        if node.float("alpha", 1.0) != 1.0 || node.int("transA", 0) != 0 {
            return Err("expected alpha = 1 and transA = 0".to_owned());
        }
        if node.input(7).is_none() {
            return Err("a float result is not supported; expected an output scale".to_owned());
        }
        let (input, dims, x) = self.input_grid(node.input(0), node.input(1), node.input(2))?;
        let y = self.grid(node.input(7), node.input(8))?;
        let (format, constant, values) = self.weights(node.input(3))?;
        let layout = self.product_layout(input, &dims, &constant.dims, transposed(node))?;
        let channels = layout.output.channels;
        let scales = per_channel(self.scales(node.input(4))?, channels, "weight scales")?;
        let (_, zero_points) = self.zero_points(node.input(5), format, channels)?;
        let operands = IntegerOperands {
            input: (input, x.grid.format()),
            input_zero_point: x.grid.zero_point(),
            weights: (format, values),
            weight_zero_points: zero_points.iter().map(|&value| value as i16).collect(),
            bias: self.integer_bias(node.input(6), channels)?,
            requantization: Some(requantization(x.scale, &scales, y, full(y))?),
        };
        let prepared = affine(&layout, operands)?;
        Ok(self.affine_layer(node.output(), layout, prepared))
    }

    fn integer_bias(&self, name: Option<&str>, channels: usize) -> Outcome<Vec<i32>> {
        if name.is_none() {
            return Ok(vec![0; channels]);
        }
        let constant = self.constant(name)?;
        match &constant.values {
            Values::I32(values) if values.len() == channels => Ok(values.clone()),
            _ => Err(format!(
                "its bias has type {} and shape {:?}; expected int32, one per output channel ({channels})",
                constant.type_name(),
                constant.dims
            )),
        }
    }

    fn affine_layer(&mut self, name: &str, layout: Layout, prepared: Prepared) -> String {
        let what = match layout.kind {
            WindowKind::Convolution => "conv2d",
            WindowKind::Linear => "linear",
            WindowKind::MatrixProduct => "matrix product",
        };
        let Prepared { input, activation, weight, weight_zero_point, stored, params } = prepared;
        let operands = Operands::Affine { activation, weight, weight_zero_point };
        let convolution = Convolution {
            kind: layout.kind,
            window: layout.window,
            groups: layout.groups,
            operands,
            shortcut: None,
            activation: Activation::Identity,
        };
        let operation = Operation::Convolution(convolution);
        self.layer(name, (layout.dims, layout.output), stored, (input, operation), Some(params));
        let result = match stored {
            Stored::Integer(format) => format!("{format} by f32-rne"),
            _ => "int32".to_owned(),
        };
        format!("integer {what} ({activation},{weight}) to {result}")
    }

    fn qlinear_add(&mut self, node: &Node) -> Outcome<String> {
        node.only(&[])?;
        let (first, dims, a) = self.input_grid(node.input(0), node.input(1), node.input(2))?;
        let (second, other, b) = self.input_grid(node.input(3), node.input(4), node.input(5))?;
        if dims != other {
            return Err(format!("shapes {dims:?} and {other:?}; expected equal ones"));
        }
        let c = self.grid(node.input(6), node.input(7))?;
        self.add_layer(node.output(), (first, a), (second, b), dims, c, full(c))
    }

    fn add_layer(
        &mut self,
        name: &str,
        (first, a): (EdgeId, TensorGrid),
        (second, b): (EdgeId, TensorGrid),
        dims: Vec<usize>,
        c: TensorGrid,
        (low, high): (i32, i32),
    ) -> Outcome<String> {
        let of = |from: TensorGrid| Scale { scale: from.scale, zero_point: from.grid.zero_point() };
        let add = QuantizedAdd::new(of(a), of(b), of(c), low, high)
            .ok_or("a ratio of its scales leaves f32's range")?;
        let (stored, shape) = (Stored::Integer(c.grid.format()), self.edge(first).shape);
        if self.edge(second).shape != shape {
            return Err("its inputs are laid out differently".to_owned());
        }
        let operation = (first, Operation::QuantizedAdd(second));
        self.layer(name, (dims, shape), stored, operation, Some(ImportedParams::Add(add)));
        Ok(format!("integer add to {}", c.grid.format()))
    }

    fn qlinear_global_average_pool(&mut self, node: &Node) -> Outcome<String> {
        node.only(&["channels_last"])?;
        if node.int("channels_last", 0) != 0 {
            return Err("expected channels_last = 0".to_owned());
        }
        let (input, dims, x) = self.input_grid(node.input(0), node.input(1), node.input(2))?;
        let y = self.grid(node.input(3), node.input(4))?;
        self.global_average_pool_layer(node.output(), input, &dims, x, y, full(y))
    }

    fn global_average_pool_layer(
        &mut self,
        name: &str,
        input: EdgeId,
        dims: &[usize],
        x: TensorGrid,
        y: TensorGrid,
        (low, high): (i32, i32),
    ) -> Outcome<String> {
        let &[1, channels, height, width] = dims else {
            return Err(format!("shape {dims:?}; expected [1, channels, height, width]"));
        };
        let scale = x.scale / (y.scale * (height * width) as f32);
        if !scale.is_finite() {
            return Err("the ratio of its scales leaves f32's range".to_owned());
        }
        let output = F32Rne::limited(y.grid.format(), y.grid.zero_point(), low, high)
            .ok_or("its limits are not in its format")?;
        let params = ImportedParams::GlobalAveragePool { zero_point: x.grid.zero_point(), scale, output };
        let shape = FeatureMap { height: 1, width: 1, channels };
        let stored = Stored::Integer(y.grid.format());
        let operation = (input, Operation::GlobalAveragePool);
        self.layer(name, (vec![1, channels, 1, 1], shape), stored, operation, Some(params));
        Ok(format!("integer global average pool to {} by f32-rne", y.grid.format()))
    }

    fn integer_max_pool(&mut self, node: &Node) -> Outcome<String> {
        let (input, _, format) = self.integer_edge(node.input(0))?;
        let (window, shape) = shapes::pool(node, self.edge(input).shape)?;
        let dims = vec![1, shape.channels, shape.height, shape.width];
        let operation = (input, Operation::MaxPool(window));
        self.layer(node.output(), (dims, shape), Stored::Integer(format), operation, None);
        Ok(format!("integer max pool ({format})"))
    }

    // What stands between DequantizeLinear and QuantizeLinear.

    /// An operator on dequantized integers whose result is quantized, as one integer operator.
    fn fused(&mut self, node: &Node) -> Outcome<Option<String>> {
        let Ok(Value::Dequantized(x)) = self.value(node.input(0)) else { return Ok(None) };
        let Some(pattern) = quantized(self.graph, node.output()) else { return Ok(None) };
        let x = x.clone();
        let Stored::Integer(format) = self.edge(x.edge).stored else { return Ok(None) };
        let Some(x_grid) = tensor_grid(&x, format) else { return Ok(None) };
        let Some(last) = pattern.nodes.last().map(|&index| &self.graph.nodes[index]) else { return Ok(None) };
        let y = self
            .grid(last.input(1), last.input(2))
            .map_err(|message| format!("`{}`: {message}", last.name))?;
        let limits = y.grid.limits(y.scale, pattern.low, pattern.high).ok_or("its limits are NaN")?;
        let name = last.output().to_owned();
        let becomes = match node.operator.as_str() {
            "Conv" | "Gemm" | "MatMul" => self.fused_product(node, &name, &x, x_grid, y, limits)?,
            "Add" | "Sum" => self.fused_add(node, &name, &x, x_grid, y, limits)?,
            "GlobalAveragePool" => {
                Some(self.global_average_pool_layer(&name, x.edge, &x.dims, x_grid, y, limits)?)
            }
            "MaxPool" => {
                let (window, shape) = shapes::pool(node, self.edge(x.edge).shape)?;
                let same = x_grid.scale.to_bits() == y.scale.to_bits() && x_grid.grid == y.grid;
                if !same || limits != full(y) {
                    return Ok(None);
                }
                let dims = vec![1, shape.channels, shape.height, shape.width];
                let operation = (x.edge, Operation::MaxPool(window));
                self.layer(&name, (dims, shape), Stored::Integer(format), operation, None);
                Some(format!("integer max pool ({format})"))
            }
            _ => None,
        };
        if becomes.is_some() {
            self.absorb(node, &pattern);
        }
        Ok(becomes)
    }

    /// Marks the nodes after `node` as part of it.
    fn absorb(&mut self, node: &Node, pattern: &Quantized) {
        for &index in &pattern.nodes {
            self.done[index] = true;
            let part = &self.graph.nodes[index];
            self.log(part, format!("part of `{}`", node.name));
        }
    }

    /// Relu or Clip between integers.
    fn fused_function(&mut self, node: &Node) -> Outcome<Option<String>> {
        let Ok(Value::Dequantized(x)) = self.value(node.input(0)) else { return Ok(None) };
        let x = x.clone();
        let Some(pattern) = node.input(0).and_then(|_| quantized(self.graph, node.output())) else {
            return Ok(None);
        };
        let own = match node.operator.as_str() {
            "Relu" => Some((0.0, f32::INFINITY)),
            _ => clip_limits(self.graph, node),
        };
        let Some((low, high)) = own else { return Ok(None) };
        if x.scales.len() != 1 || !matches!(self.edge(x.edge).stored, Stored::Integer(_)) {
            return Ok(None);
        }
        let (low, high) = (pattern.low.max(low).min(pattern.high), pattern.high.min(high).max(pattern.low));
        let Some(last) = pattern.nodes.last().map(|&index| &self.graph.nodes[index]) else { return Ok(None) };
        let y = self.grid(last.input(1), last.input(2))?;
        let becomes = self.requantize(last.output(), &x, y, low, high)?;
        self.absorb(node, &pattern);
        Ok(Some(becomes))
    }

    fn fused_add(
        &mut self,
        node: &Node,
        name: &str,
        x: &Dequantized,
        a: TensorGrid,
        c: TensorGrid,
        limits: (i32, i32),
    ) -> Outcome<Option<String>> {
        let Ok(Value::Dequantized(other)) = self.value(node.input(1)) else { return Ok(None) };
        let other = other.clone();
        let Stored::Integer(format) = self.edge(other.edge).stored else { return Ok(None) };
        match tensor_grid(&other, format) {
            Some(b) if other.dims == x.dims && node.inputs.len() == 2 => {
                let (first, second) = ((x.edge, a), (other.edge, b));
                self.add_layer(name, first, second, x.dims.clone(), c, limits).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn fused_product(
        &mut self,
        node: &Node,
        name: &str,
        x: &Dequantized,
        x_grid: TensorGrid,
        y: TensorGrid,
        limits: (i32, i32),
    ) -> Outcome<Option<String>> {
        let Ok(Value::DequantizedConstant(w)) = self.value(node.input(1)) else { return Ok(None) };
        let w = w.clone();
        let Some(weights) = w.integers() else { return Ok(None) };
        let layout = match node.operator.as_str() {
            "Conv" => self.convolution_layout(node, x.edge, &x.dims, &w.constant.dims)?,
            "Gemm" => {
                self.check_gemm(node)?;
                self.product_layout(x.edge, &x.dims, &w.constant.dims, transposed(node))?
            }
            _ => self.product_layout(x.edge, &x.dims, &w.constant.dims, Transposed::No)?,
        };
        let channels = layout.output.channels;
        let Some((scales, zero_points)) = w.per_channel(layout.channel_axis, channels) else {
            return Ok(None);
        };
        let bias = match node.input(2) {
            None => vec![0; channels],
            Some(bias) => match self.value(Some(bias)) {
                Ok(Value::DequantizedConstant(bias)) if bias.zero_points.iter().all(|&zero| zero == 0) => {
                    let Values::I32(values) = &bias.constant.values else { return Ok(None) };
                    // The bias is an accumulator only on the accumulator's own grid.
                    let own = (0..channels).all(|channel| {
                        let scale = bias.scales[if bias.scales.len() == 1 { 0 } else { channel }];
                        scale.to_bits() == (x_grid.scale * scales[channel]).to_bits()
                    });
                    if !own || values.len() != channels {
                        return Ok(None);
                    }
                    values.clone()
                }
                _ => return Ok(None),
            },
        };
        let operands = IntegerOperands {
            input: (x.edge, x_grid.grid.format()),
            input_zero_point: x_grid.grid.zero_point(),
            weights,
            weight_zero_points: zero_points,
            bias,
            requantization: Some(requantization(x_grid.scale, &scales, y, limits)?),
        };
        let prepared = affine(&layout, operands)?;
        Ok(Some(self.affine_layer(name, layout, prepared)))
    }

    // Shapes.

    pub(super) fn check_gemm(&self, node: &Node) -> Outcome<()> {
        node.only(&["alpha", "beta", "transA", "transB"])?;
        let plain = node.float("alpha", 1.0) == 1.0 && node.float("beta", 1.0) == 1.0;
        if plain && node.int("transA", 0) == 0 {
            Ok(())
        } else {
            Err("expected alpha = beta = 1 and transA = 0".to_owned())
        }
    }

    pub(super) fn convolution_layout(
        &self,
        node: &Node,
        input: EdgeId,
        dims: &[usize],
        weights: &[usize],
    ) -> Outcome<Layout> {
        let (&[_, channels, _, _], &[out, depth, height, width]) = (dims, weights) else {
            return Err(format!("shapes {dims:?} and {weights:?}; expected those of a 2-D convolution"));
        };
        let map = self.edge(input).shape;
        let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
        let fits = groups > 0
            && channels == map.channels
            && [out, depth, height, width].iter().all(|&size| size > 0)
            && out.is_multiple_of(groups)
            && depth.checked_mul(groups) == Some(channels);
        if !fits {
            return Err(format!(
                "group = {groups}, {channels} input channels and weights {weights:?} do not fit together"
            ));
        }
        let window = shapes::window(node, map, Some([height, width]))?;
        let output = shapes::windowed(&window, map, out)?;
        let mut order = Vec::with_capacity(out * depth * height * width);
        for channel in 0..out {
            for tap in 0..height * width {
                order.extend((0..depth).map(|deep| (channel * depth + deep) * height * width + tap));
            }
        }
        Ok(Layout {
            kind: WindowKind::Convolution,
            window,
            groups,
            output,
            dims: vec![1, out, output.height, output.width],
            order,
            channel_axis: 0,
        })
    }

    pub(super) fn product_layout(
        &self,
        input: EdgeId,
        dims: &[usize],
        weights: &[usize],
        transposed: Transposed,
    ) -> Outcome<Layout> {
        let (&[rows, k], &[first, second]) = (dims, weights) else {
            return Err(format!("shapes {dims:?} and {weights:?}; expected two matrices"));
        };
        let (depth, n) = match transposed {
            Transposed::No => (first, second),
            Transposed::Yes => (second, first),
        };
        let map = self.edge(input).shape;
        if depth != k || n == 0 || map.elements() != rows * k {
            return Err(format!("shapes {dims:?} and {weights:?} do not fit together"));
        }
        // Rows of a matrix are pixels; a flattened feature map is one window.
        let flat = map.channels != k;
        if flat && rows != 1 {
            return Err(format!("shape {dims:?}; expected one row of a flattened tensor"));
        }
        let kernel = if flat { [map.height, map.width] } else { [1, 1] };
        let [height, width] = kernel;
        let one = Size { height: 1, width: 1 };
        let size = Size { height, width };
        let window = Window { kernel: size, stride: one, dilation: one, padding: Padding::default() };
        let mut order = Vec::with_capacity(n * k);
        for channel in 0..n {
            for tap in 0..height * width {
                order.extend((0..map.channels).map(|deep| {
                    let k = deep * height * width + tap;
                    match transposed {
                        Transposed::No => k * n + channel,
                        Transposed::Yes => channel * depth + k,
                    }
                }));
            }
        }
        Ok(Layout {
            kind: if rows == 1 { WindowKind::Linear } else { WindowKind::MatrixProduct },
            window,
            groups: 1,
            output: FeatureMap { height: rows, width: 1, channels: n },
            dims: vec![rows, n],
            order,
            channel_axis: match transposed {
                Transposed::No => 1,
                Transposed::Yes => 0,
            },
        })
    }

    /// The same elements under another name and shape.
    fn view(&mut self, node: &Node) -> Outcome<String> {
        let value = self.value(node.input(0))?.clone();
        let reshaped = |dims: &[usize]| -> Outcome<Vec<usize>> {
            let elements: usize = dims.iter().product();
            match node.operator.as_str() {
                "Flatten" => {
                    let axis = node.int("axis", 1);
                    if axis == 1 && !dims.is_empty() {
                        Ok(vec![dims[0], elements / dims[0].max(1)])
                    } else {
                        Err(format!("axis {axis}; expected 1"))
                    }
                }
                "Reshape" => {
                    if node.int("allowzero", 0) != 0 {
                        return Err("expected allowzero = 0".to_owned());
                    }
                    let shape =
                        self.constant(node.input(1))?.integers().ok_or("its shape is not integers")?;
                    reshape(dims, &shape)
                }
                _ => Ok(dims.to_vec()),
            }
        };
        let viewable = |from: &[usize], to: &[usize]| {
            let trimmed = |dims: &[usize]| -> Vec<usize> {
                let used = dims.iter().rposition(|&size| size != 1).map_or(0, |last| last + 1);
                dims[..used].to_vec()
            };
            let flat = to.len() == 2 && (to[0] == 1 || from.len() == 2);
            if from == to || flat || (to.len() == 4 && trimmed(from) == trimmed(to)) {
                Ok(())
            } else {
                Err(format!("from {from:?} to {to:?}; expected a flattening, or sizes of 1 added or removed"))
            }
        };
        match value {
            Value::Constant(constant) => {
                let dims = reshaped(&constant.dims)?;
                self.set(node, Value::Constant(Constant { dims, values: constant.values }));
            }
            Value::DequantizedConstant(constant) if node.operator == "Identity" => {
                self.set(node, Value::DequantizedConstant(constant));
            }
            Value::DequantizedConstant(_) => return Err("a dequantized constant is not reshaped".to_owned()),
            Value::Edge { edge, dims } => {
                let to = reshaped(&dims)?;
                viewable(&dims, &to)?;
                self.alias(node.output(), edge, to);
            }
            Value::Dequantized(from) => {
                let to = reshaped(&from.dims)?;
                viewable(&from.dims, &to)?;
                if from.scales.len() != 1 && to != from.dims {
                    return Err("a tensor with a scale per channel is not reshaped".to_owned());
                }
                self.set(node, Value::Dequantized(Dequantized { dims: to, ..from }));
            }
        }
        Ok("the same elements".to_owned())
    }

    fn constant_of_shape(&mut self, node: &Node) -> Outcome<String> {
        let shape = self.constant(node.input(0))?.integers().ok_or("its shape is not integers")?;
        let dims = super::reader::dims(&shape)?;
        let count: usize = dims.iter().product();
        let one = match node.tensor("value", &self.graph.folder) {
            Some(value) => value?.values,
            None => Values::F32(vec![0.0]),
        };
        let values = match one {
            Values::F32(value) if value.len() == 1 => Values::F32(vec![value[0]; count]),
            Values::I32(value) if value.len() == 1 => Values::I32(vec![value[0]; count]),
            Values::I64(value) if value.len() == 1 => Values::I64(vec![value[0]; count]),
            Values::Integer(format, value) if value.len() == 1 => {
                Values::Integer(format, vec![value[0]; count])
            }
            _ => return Err("its value must have one element".to_owned()),
        };
        self.set(node, Value::Constant(Constant { dims, values }));
        Ok("a constant".to_owned())
    }
}

/// Whether a matrix of weights is [n, k] instead of [k, n].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transposed {
    No,
    Yes,
}

pub(super) fn transposed(node: &Node) -> Transposed {
    if node.int("transB", 0) == 0 { Transposed::No } else { Transposed::Yes }
}

/// The axis along which a quantizer's scales lie.
fn axis(node: &Node, rank: usize) -> Outcome<usize> {
    let axis = node.int("axis", 1);
    let positive = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    // Tensors of one dimension have their only one, whatever the default says.
    let within = usize::try_from(positive).ok().filter(|&axis| axis < rank.max(1));
    within
        .or((rank <= 1).then_some(0))
        .ok_or_else(|| format!("axis {axis} of a tensor with {rank} dimensions"))
}

/// Which of `count` scales an element takes.
pub(super) fn along(dims: &[usize], axis: usize, count: usize) -> Outcome<impl Fn(usize) -> usize + use<>> {
    let size = dims.get(axis).copied().unwrap_or(1);
    if count != 1 && count != size {
        return Err(format!("{count} scales along axis {axis} of shape {dims:?}"));
    }
    let inner: usize = dims.iter().skip(axis + 1).product();
    Ok(move |index: usize| if count == 1 { 0 } else { index / inner % count })
}

fn reshape(dims: &[usize], shape: &[i64]) -> Outcome<Vec<usize>> {
    let elements: usize = dims.iter().product();
    let fail = || format!("from {dims:?} to {shape:?}");
    let mut to = Vec::with_capacity(shape.len());
    for (index, &size) in shape.iter().enumerate() {
        to.push(match size {
            0 => *dims.get(index).ok_or_else(fail)?,
            -1 => 0,
            size => usize::try_from(size).map_err(|_| fail())?,
        });
    }
    let known = to.iter().filter(|&&size| size != 0).try_fold(1usize, |all, &size| all.checked_mul(size));
    let known = known.filter(|&known| known > 0).ok_or_else(fail)?;
    let mut inferred = to.iter_mut().filter(|size| **size == 0);
    match (inferred.next(), inferred.next()) {
        (None, _) if known == elements => Ok(to),
        (Some(size), None) if elements.is_multiple_of(known) => {
            *size = elements / known;
            Ok(to)
        }
        _ => Err(fail()),
    }
}

fn tensor_grid(value: &Dequantized, format: IntegerFormat) -> Option<TensorGrid> {
    match (&value.scales[..], &value.zero_points[..]) {
        (&[scale], &[zero_point]) => {
            Some(TensorGrid { grid: QuantizeLinear::new(format, zero_point)?, scale })
        }
        _ => None,
    }
}

fn full(grid: TensorGrid) -> (i32, i32) {
    (grid.grid.format().min(), grid.grid.format().max())
}

fn per_channel(values: Vec<f32>, channels: usize, what: &str) -> Outcome<Vec<f32>> {
    match values.len() {
        1 => Ok(vec![values[0]; channels]),
        count if count == channels => Ok(values),
        count => Err(format!("{count} {what}; expected one, or one per output channel ({channels})")),
    }
}

/// Per output channel f32(f32(xs·ws) / ys).
fn requantization(
    x: f32,
    weights: &[f32],
    y: TensorGrid,
    (low, high): (i32, i32),
) -> Outcome<(F32Rne, Vec<f32>, IntegerFormat)> {
    let ratios: Vec<f32> = weights.iter().map(|w| x * w / y.scale).collect();
    if !ratios.iter().all(|ratio| ratio.is_finite()) {
        return Err("the ratio of its scales leaves f32's range".to_owned());
    }
    let format = y.grid.format();
    let rne =
        F32Rne::limited(format, y.grid.zero_point(), low, high).ok_or("its limits are not in its format")?;
    Ok((rne, ratios, format))
}

/// An integer layer whose shapes are known.
struct Prepared {
    input: EdgeId,
    activation: IntegerFormat,
    weight: IntegerFormat,
    weight_zero_point: WeightZeroPoint,
    stored: Stored,
    params: ImportedParams,
}

fn affine(layout: &Layout, operands: IntegerOperands<'_>) -> Outcome<Prepared> {
    let (weight, values) = operands.weights;
    if layout.order.len() != values.len() {
        return Err("its weights are not as many as its shape says".to_owned());
    }
    let zero = operands.weight_zero_points.iter().all(|&zero_point| zero_point == 0);
    Ok(Prepared {
        input: operands.input.0,
        activation: operands.input.1,
        weight,
        weight_zero_point: if zero { WeightZeroPoint::Zero } else { WeightZeroPoint::NonZero },
        stored: match &operands.requantization {
            Some((_, _, format)) => Stored::Integer(*format),
            None => Stored::Int32,
        },
        params: ImportedParams::Convolution(AffineConvolution {
            weights: layout.weights(values),
            input_zero_point: operands.input_zero_point as i16,
            weight_zero_points: operands.weight_zero_points,
            bias: operands.bias,
            requantization: operands.requantization.map(|(rne, ratios, _)| (rne, ratios)),
        }),
    })
}
