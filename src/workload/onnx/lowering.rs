//! What each operator becomes: the state of lowering, and which file knows the operator.

use std::collections::BTreeMap;

use rten_onnx::onnx::DataType;

use crate::numerics::{IntegerFormat, QuantizeLinear, Signedness};

use super::super::imported_params::ImportedParams;
use super::super::layer::{FeatureMap, Operation};
use super::super::network::{Edge, EdgeId, Network, Stored};
use super::graph::{Graph, Node};
use super::reader::{Constant, Values, integer_format};
use super::{ImportError, ImportOptions, InputType, Lowering, ModelTensor, Semantics, shapes};

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
    pub(super) fn per_channel(&self, axis: usize, channels: usize) -> Option<(Vec<f32>, Vec<i16>)> {
        let zero_points = self.zero_points.iter().map(|&zero_point| zero_point as i16);
        match self.scales.len() {
            1 => Some((vec![self.scales[0]; channels], vec![self.zero_points[0] as i16; channels])),
            count if count == channels && self.axis == axis => {
                Some((self.scales.clone(), zero_points.collect()))
            }
            _ => None,
        }
    }

    pub(super) fn integers(&self) -> Option<(IntegerFormat, &[i16])> {
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

pub(super) type Outcome<T> = Result<T, String>;

pub(super) struct Lowerer<'a> {
    pub(super) graph: &'a Graph,
    pub(super) options: ImportOptions,
    pub(super) values: BTreeMap<String, Value>,
    pub(super) image: Edge,
    pub(super) image_grid: Option<(QuantizeLinear, f32)>,
    pub(super) layers: Vec<(Edge, EdgeId, Operation)>,
    pub(super) params: Vec<Option<ImportedParams>>,
    pub(super) tensors: Vec<ModelTensor>,
    pub(super) lowerings: Vec<Lowering>,
    pub(super) done: Vec<bool>,
}

/// Lowers every node of a graph, in order.
pub(super) fn lower(graph: &Graph, options: ImportOptions) -> Result<Lowered, ImportError> {
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
        options,
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

pub(super) fn signedness(stored: Stored) -> Signedness {
    match stored {
        Stored::Integer(format) => format.signedness(),
        _ => Signedness::Signed,
    }
}

impl Lowerer<'_> {
    pub(super) fn node(&mut self, node: &Node) -> Outcome<String> {
        if !matches!(node.domain.as_str(), "" | "ai.onnx" | "com.microsoft") {
            return Err(format!(
                "operators of domain `{}` are not supported; expected ai.onnx or com.microsoft",
                node.domain
            ));
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
            "QLinearAveragePool" => self.qlinear_average_pool(node),
            "QLinearGlobalAveragePool" => self.qlinear_global_average_pool(node),
            "MaxPool" if self.is_integer(node.input(0)) => self.integer_max_pool(node),
            "Conv" | "Gemm" | "MatMul" | "Add" | "Sum" | "MaxPool" | "AveragePool" | "GlobalAveragePool"
                if self.options.semantics == Semantics::Fused =>
            {
                match self.fused(node)? {
                    Some(becomes) => Ok(becomes),
                    None => self.float_node(node),
                }
            }
            "Relu" | "Clip" if self.options.semantics == Semantics::Fused => {
                match self.fused_function(node)? {
                    Some(becomes) => Ok(becomes),
                    None => self.float_node(node),
                }
            }
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
        let name = name.ok_or("an input that it needs is left out; expected a tensor's name")?;
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
    pub(super) fn alias(&mut self, name: &str, edge: EdgeId, dims: Vec<usize>) {
        self.tensors.push(ModelTensor { name: name.to_owned(), edge, dims: dims.clone() });
        self.values.insert(name.to_owned(), Value::Edge { edge, dims });
    }

    pub(super) fn is_integer(&self, name: Option<&str>) -> bool {
        self.integer_edge(name).is_ok()
    }

    /// A stored tensor of integers.
    pub(super) fn integer_edge(&self, name: Option<&str>) -> Outcome<(EdgeId, Vec<usize>, IntegerFormat)> {
        match self.value(name)? {
            Value::Edge { edge, dims } => match self.edge(*edge).stored {
                Stored::Integer(format) => Ok((*edge, dims.clone(), format)),
                _ => Err(format!(
                    "its input `{}` does not hold integers of at most 8 bits; expected what a QuantizeLinear or another \
                     operator on integers puts out",
                    name.unwrap_or("")
                )),
            },
            _ => Err(format!(
                "its input `{}` is not a quantized activation; expected integers that depend on the graph's input",
                name.unwrap_or("")
            )),
        }
    }

    pub(super) fn constant(&self, name: Option<&str>) -> Outcome<&Constant> {
        match self.value(name)? {
            Value::Constant(constant) => Ok(constant),
            _ => Err(format!("its input `{}` must be an initializer or a constant", name.unwrap_or(""))),
        }
    }

    pub(super) fn weights(&self, name: Option<&str>) -> Outcome<(IntegerFormat, &Constant, &[i16])> {
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
    pub(super) fn scales(&self, name: Option<&str>) -> Outcome<Vec<f32>> {
        let constant = self.constant(name)?;
        let named = name.unwrap_or("");
        let scales = constant
            .floats()
            .ok_or_else(|| format!("scale `{named}` has type {}; expected float", constant.type_name()))?;
        match scales.iter().find(|scale| !(scale.is_finite() && **scale > 0.0)) {
            Some(scale) => Err(format!("scale `{named}` is {scale}; a scale is finite and greater than 0")),
            None if scales.is_empty() => {
                Err(format!("scale `{named}` is empty; expected one value, or one per channel"))
            }
            None => Ok(scales.to_vec()),
        }
    }

    pub(super) fn scale(&self, name: Option<&str>) -> Outcome<f32> {
        match self.scales(name)?[..] {
            [scale] => Ok(scale),
            ref scales => {
                Err(format!("scale `{}` has {} values; expected one", name.unwrap_or(""), scales.len()))
            }
        }
    }

    /// Zero points of a format; zeros of `default` where they are left out.
    pub(super) fn zero_points(
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

    /// The grid that two inputs state, of the format `default` where the zero point is left out.
    pub(super) fn grid(
        &self,
        scale: Option<&str>,
        zero_point: Option<&str>,
        default: IntegerFormat,
    ) -> Outcome<TensorGrid> {
        let (format, zero_points) = self.zero_points(zero_point, default, 1)?;
        let grid =
            QuantizeLinear::new(format, zero_points[0]).ok_or("the zero point is not in its format")?;
        Ok(TensorGrid { grid, scale: self.scale(scale)? })
    }

    /// The grid of a QuantizeLinear.
    pub(super) fn quantized_grid(&self, node: &Node) -> Outcome<TensorGrid> {
        let stated = match node.int("output_dtype", 0) {
            0 => DataType::UINT8,
            stated => DataType(i32::try_from(stated).unwrap_or(0)),
        };
        let format = integer_format(stated)
            .ok_or_else(|| format!("output_dtype {stated}; expected INT8, UINT8, INT4 or UINT4"))?;
        self.grid(node.input(1), node.input(2), format)
    }

    /// The grid of an integer operator's input, whose format must be the stored one.
    pub(super) fn input_grid(
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
}
