//! What stands between DequantizeLinear and QuantizeLinear, as one operator on integers.

use super::super::network::Stored;
use super::graph::Node;
use super::integer_lowering::{IntegerOperands, affine, tensor_grid};
use super::layout::{Transposed, transposed};
use super::lowering::{Dequantized, Lowerer, Outcome, TensorGrid, Value};
use super::patterns::{Quantized, clip_limits, quantized};
use super::pool_lowering::Between;
use super::reader::Values;

impl Lowerer<'_> {
    /// An operator on dequantized integers whose result is quantized, as one integer operator.
    pub(super) fn fused(&mut self, node: &Node) -> Outcome<Option<String>> {
        let Ok(Value::Dequantized(x)) = self.value(node.input(0)) else { return Ok(None) };
        let Some(pattern) = quantized(self.graph, node.output()) else { return Ok(None) };
        let x = x.clone();
        let Stored::Integer(format) = self.edge(x.edge).stored else { return Ok(None) };
        let Some(x_grid) = tensor_grid(&x, format) else { return Ok(None) };
        let Some(last) = pattern.nodes.last().map(|&index| &self.graph.nodes[index]) else { return Ok(None) };
        let y = self.quantized_grid(last).map_err(|message| format!("`{}`: {message}", last.name))?;
        let limits = y.grid.limits(y.scale, pattern.low, pattern.high).ok_or("its limits are NaN")?;
        let name = last.output().to_owned();
        let becomes = match node.operator.as_str() {
            "Conv" | "Gemm" | "MatMul" => self.fused_product(node, &name, &x, x_grid, y, limits)?,
            "Add" | "Sum" => self.fused_add(node, &name, &x, x_grid, y, limits)?,
            "GlobalAveragePool" => {
                Some(self.global_average_pool_layer(&name, x.edge, &x.dims, x_grid, y, limits)?)
            }
            "AveragePool" => {
                let between = Between { input: x.edge, x: x_grid, y, limits };
                self.fused_average_pool(node, &name, between, &pattern)?
            }
            "MaxPool" => Some(self.fused_max_pool(node, &name, (&x, x_grid), y, &pattern)?),
            _ => None,
        };
        if becomes.is_some() {
            self.absorb(node, &pattern);
        }
        Ok(becomes)
    }

    /// Marks the nodes after `node` as part of it.
    pub(super) fn absorb(&mut self, node: &Node, pattern: &Quantized) {
        for &index in &pattern.nodes {
            self.done[index] = true;
            let part = &self.graph.nodes[index];
            self.log(part, format!("part of `{}`", node.name));
        }
    }

    /// Relu or Clip between integers.
    pub(super) fn fused_function(&mut self, node: &Node) -> Outcome<Option<String>> {
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
        let y = self.quantized_grid(last)?;
        let becomes = self.requantize(last.output(), &x, y, low, high)?;
        self.absorb(node, &pattern);
        Ok(Some(becomes))
    }

    pub(super) fn fused_add(
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

    pub(super) fn fused_product(
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
            requantization: Some(self.requantization(x_grid.scale, &scales, y, limits)?),
        };
        let prepared = affine(&layout, operands)?;
        Ok(Some(self.affine_layer(name, layout, prepared)))
    }
}
