//! QuantizeLinear and DequantizeLinear: integers, and what scale and zero point they stand for.

use rten_onnx::onnx::DataType;

use crate::numerics::{IntegerFormat, QuantizeLinear};

use super::super::FloatOperator;
use super::super::imported_params::ImportedParams;
use super::super::layer::Operation;
use super::super::network::{EdgeId, Stored};
use super::Semantics;
use super::graph::Node;
use super::lowering::{Dequantized, DequantizedConstant, Lowerer, Outcome, TensorGrid, Value, signedness};
use super::reader::{Constant, Values, integer_format};

impl Lowerer<'_> {
    pub(super) fn quantize_linear(&mut self, node: &Node) -> Outcome<String> {
        node.only(&["axis", "saturate", "block_size", "output_dtype", "precision"])?;
        if node.int("block_size", 0) != 0 {
            return Err(
                "blocked quantization (block_size) is not supported; expected one scale, or one per channel"
                    .to_owned(),
            );
        }
        if let Value::Constant(constant) = self.value(node.input(0))? {
            return self.quantize_constant(node, &constant.clone());
        }
        let target = self.quantized_grid(node)?;
        let stored = Stored::Integer(target.grid.format());
        let name = node.output().to_owned();
        match self.value(node.input(0))?.clone() {
            Value::Dequantized(from)
                if self.options.semantics == Semantics::Fused && from.scales.len() == 1 =>
            {
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

    pub(super) fn quantize_constant(&mut self, node: &Node, constant: &Constant) -> Outcome<String> {
        let values =
            constant.floats().ok_or("its input is a constant that is not float; expected FLOAT")?.to_vec();
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
        let quantized = quantized
            .collect::<Option<Vec<i16>>>()
            .ok_or("a constant that it quantizes is NaN; expected numbers")?;
        self.set(node, Value::Constant(Constant { dims, values: Values::Integer(format, quantized) }));
        Ok("a constant".to_owned())
    }

    pub(super) fn dequantize_linear(&mut self, node: &Node) -> Outcome<String> {
        node.only(&["axis", "block_size", "output_dtype"])?;
        if node.int("block_size", 0) != 0 {
            return Err(
                "blocked quantization (block_size) is not supported; expected one scale, or one per channel"
                    .to_owned(),
            );
        }
        let scales = self.scales(node.input(1))?;
        let zero_points = match node.input(2) {
            None => vec![0; scales.len()],
            Some(name) => {
                let given = self
                    .constant(Some(name))?
                    .integers()
                    .ok_or("its zero point is not an integer; expected the type of its input")?;
                let given: Vec<i32> = given.iter().map(|&value| value as i32).collect();
                match given.len() {
                    1 => vec![given[0]; scales.len()],
                    count if count == scales.len() => given,
                    count => {
                        return Err(format!(
                            "{count} zero points for {} scales; expected one, or one per scale",
                            scales.len()
                        ));
                    }
                }
            }
        };
        match self.value(node.input(0))?.clone() {
            Value::Constant(constant) => {
                if matches!(constant.values, Values::F32(_) | Values::I64(_)) {
                    return Err(format!(
                        "its input has type {}; expected INT8, UINT8, INT4, UINT4 or INT32",
                        constant.type_name()
                    ));
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
                    return Err("its input does not hold integers; expected what a QuantizeLinear or another operator on integers puts out".to_owned());
                }
                let channels = self.edge(edge).shape.channels;
                let per_channel = scales.len() == channels && axis(node, dims.len())? == 1;
                if scales.len() != 1 && !(per_channel && dims.get(1) == Some(&channels)) {
                    return Err(format!("{} scales; expected one, or one per channel", scales.len()));
                }
                self.set(node, Value::Dequantized(Dequantized { edge, dims, scales, zero_points }));
                Ok("the meaning of integers; f32 where an operator needs it".to_owned())
            }
            _ => Err("its input does not hold integers; expected what a QuantizeLinear or another operator on integers puts out".to_owned()),
        }
    }

    /// Integers from one grid to another, clipped to real limits in between.
    pub(super) fn requantize(
        &mut self,
        name: &str,
        from: &Dequantized,
        to: TensorGrid,
        low: f32,
        high: f32,
    ) -> Outcome<String> {
        let Stored::Integer(format) = self.edge(from.edge).stored else {
            return Err("an int32 tensor is not requantized by itself; expected QLinearConv, QLinearMatMul or QGemm instead of sums and a QuantizeLinear".to_owned());
        };
        let same = format == to.grid.format()
            && from.scales[0].to_bits() == to.scale.to_bits()
            && from.zero_points[0] == to.grid.zero_point()
            && (low, high) == (f32::NEG_INFINITY, f32::INFINITY);
        if same {
            self.alias(name, from.edge, from.dims.clone());
            return Ok("the same integers".to_owned());
        }
        let table = table(from, format, to, low, high)?;
        let stored = Stored::Integer(to.grid.format());
        let shape = self.edge(from.edge).shape;
        let params = Some(ImportedParams::Lookup(table));
        self.layer(name, (from.dims.clone(), shape), stored, (from.edge, Operation::Lookup), params);
        Ok(format!("integer requantization to {}, element by element", to.grid.format()))
    }
}

/// The integer of another grid for every integer of `from`'s format, clipped to real limits in between.
pub(super) fn table(
    from: &Dequantized,
    format: IntegerFormat,
    to: TensorGrid,
    low: f32,
    high: f32,
) -> Outcome<Vec<i16>> {
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
    Ok(table.collect::<Option<_>>().ok_or("a dequantized value is NaN")?)
}

/// The axis along which a quantizer's scales lie.
fn axis(node: &Node, rank: usize) -> Outcome<usize> {
    let axis = node.int("axis", 1);
    let positive = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    // Tensors of one dimension have their only one, whatever the default says.
    let within = usize::try_from(positive).ok().filter(|&axis| axis < rank.max(1));
    within
        .or((rank <= 1).then_some(0))
        .ok_or_else(|| format!("axis {axis} of a tensor with {rank} dimensions; expected one of them"))
}

/// Which of `count` scales an element takes.
pub(super) fn along(dims: &[usize], axis: usize, count: usize) -> Outcome<impl Fn(usize) -> usize + use<>> {
    let size = dims.get(axis).copied().unwrap_or(1);
    if count != 1 && count != size {
        return Err(format!(
            "{count} scales along axis {axis} of shape {dims:?}; expected one, or one per position of that axis"
        ));
    }
    let inner: usize = dims.iter().skip(axis + 1).product();
    Ok(move |index: usize| if count == 1 { 0 } else { index / inner % count })
}
