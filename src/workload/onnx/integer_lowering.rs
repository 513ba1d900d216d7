//! Operators on integers: QLinear…, …Integer, QGemm, and what fused patterns share with them.

use crate::numerics::{
    Activation, IntegerFormat, OutputGrid, QuantizeLinear, QuantizedAdd, Requantization, Scale,
};

use super::super::imported_params::{AffineConvolution, ImportedParams};
use super::super::layer::{Convolution, Operands, Operation, WeightZeroPoint, WindowKind};
use super::super::network::{EdgeId, Stored};
use super::graph::Node;
use super::layout::{Layout, Transposed, transposed};
use super::lowering::{Dequantized, Lowerer, Outcome, TensorGrid};
use super::reader::Values;

/// Operands of an integer convolution.
pub(super) struct IntegerOperands<'a> {
    /// Edge and format.
    pub(super) input: (EdgeId, IntegerFormat),
    pub(super) input_zero_point: i32,
    pub(super) weights: (IntegerFormat, &'a [i16]),
    pub(super) weight_zero_points: Vec<i16>,
    pub(super) bias: Vec<i32>,
    pub(super) requantization: Option<(Requantization, IntegerFormat)>,
}

impl Lowerer<'_> {
    pub(super) fn qlinear_conv(&mut self, node: &Node) -> Outcome<String> {
        node.only(&["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"])?;
        let output = [6, 7].map(|index| node.input(index));
        self.requantized(node, node.input(8), output, |lowerer, input, dims, weights| {
            lowerer.convolution_layout(node, input, dims, weights)
        })
    }

    pub(super) fn conv_integer(&mut self, node: &Node) -> Outcome<String> {
        node.only(&["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"])?;
        self.sums(node, |lowerer, input, dims, weights| {
            lowerer.convolution_layout(node, input, dims, weights)
        })
    }

    pub(super) fn qlinear_matmul(&mut self, node: &Node) -> Outcome<String> {
        node.only(&[])?;
        let output = [6, 7].map(|index| node.input(index));
        self.requantized(node, None, output, |lowerer, input, dims, weights| {
            lowerer.product_layout(input, dims, weights, Transposed::No)
        })
    }

    pub(super) fn matmul_integer(&mut self, node: &Node) -> Outcome<String> {
        node.only(&[])?;
        self.sums(node, |lowerer, input, dims, weights| {
            lowerer.product_layout(input, dims, weights, Transposed::No)
        })
    }

    /// ConvInteger and MatMulInteger: sums as they are. `layout` takes the input, its shape and that of the
    /// weights.
    fn sums(
        &mut self,
        node: &Node,
        layout: impl FnOnce(&Self, EdgeId, &[usize], &[usize]) -> Outcome<Layout>,
    ) -> Outcome<String> {
        let (input, dims, x_format) = self.integer_edge(node.input(0))?;
        let (format, constant, values) = self.weights(node.input(1))?;
        let layout = layout(self, input, &dims, &constant.dims)?;
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

    pub(super) fn qgemm(&mut self, node: &Node) -> Outcome<String> {
        node.only(&["alpha", "transA", "transB"])?;
        if node.float("alpha", 1.0) != 1.0 || node.int("transA", 0) != 0 {
            return Err("expected alpha = 1 and transA = 0".to_owned());
        }
        if node.input(7).is_none() {
            return Err("a float result is not supported; expected an output scale".to_owned());
        }
        let output = [7, 8].map(|index| node.input(index));
        self.requantized(node, node.input(6), output, |lowerer, input, dims, weights| {
            lowerer.product_layout(input, dims, weights, transposed(node))
        })
    }

    /// QLinearConv, QLinearMatMul and QGemm: two operands with scales and zero points, int32 bias if there is
    /// one, and the output's scale and zero point. `layout` as in [`Self::sums`].
    fn requantized(
        &mut self,
        node: &Node,
        bias: Option<&str>,
        [scale, zero_point]: [Option<&str>; 2],
        layout: impl FnOnce(&Self, EdgeId, &[usize], &[usize]) -> Outcome<Layout>,
    ) -> Outcome<String> {
        let (input, dims, x) = self.input_grid(node.input(0), node.input(1), node.input(2))?;
        let y = self.grid(scale, zero_point, x.grid.format())?;
        let (format, constant, values) = self.weights(node.input(3))?;
        let layout = layout(self, input, &dims, &constant.dims)?;
        let channels = layout.output.channels;
        let scales = per_channel(self.scales(node.input(4))?, channels, "weight scales")?;
        let (_, zero_points) = self.zero_points(node.input(5), format, channels)?;
        let operands = IntegerOperands {
            input: (input, x.grid.format()),
            input_zero_point: x.grid.zero_point(),
            weights: (format, values),
            weight_zero_points: zero_points.iter().map(|&value| value as i16).collect(),
            bias: self.integer_bias(bias, channels)?,
            requantization: Some(self.requantization(x.scale, &scales, y, full(y))?),
        };
        let prepared = affine(&layout, operands)?;
        Ok(self.affine_layer(node.output(), layout, prepared))
    }

    /// What turns accumulators into `y`'s integers; one weight scale per output channel.
    pub(super) fn requantization(
        &self,
        x: f32,
        weights: &[f32],
        y: TensorGrid,
        limits: (i32, i32),
    ) -> Outcome<(Requantization, IntegerFormat)> {
        let format = y.grid.format();
        let output = OutputGrid { format, zero_point: y.grid.zero_point(), limits };
        Ok((Requantization::new(self.options.requantization, x, weights, y.scale, output)?, format))
    }

    pub(super) fn integer_bias(&self, name: Option<&str>, channels: usize) -> Outcome<Vec<i32>> {
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

    pub(super) fn affine_layer(&mut self, name: &str, layout: Layout, prepared: Prepared) -> String {
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
            requantization: None,
        };
        let operation = Operation::Convolution(convolution);
        self.layer(name, (layout.dims, layout.output), stored, (input, operation), Some(params));
        let result = match stored {
            Stored::Integer(format) => format!("{format} by {}", self.options.requantization.name()),
            _ => "int32".to_owned(),
        };
        format!("integer {what} ({activation},{weight}) to {result}")
    }

    pub(super) fn qlinear_add(&mut self, node: &Node) -> Outcome<String> {
        node.only(&[])?;
        let (first, dims, a) = self.input_grid(node.input(0), node.input(1), node.input(2))?;
        let (second, other, b) = self.input_grid(node.input(3), node.input(4), node.input(5))?;
        if dims != other {
            return Err(format!("shapes {dims:?} and {other:?}; expected equal ones"));
        }
        let c = self.grid(node.input(6), node.input(7), a.grid.format())?;
        self.add_layer(node.output(), (first, a), (second, b), dims, c, full(c))
    }

    pub(super) fn add_layer(
        &mut self,
        name: &str,
        (first, a): (EdgeId, TensorGrid),
        (second, b): (EdgeId, TensorGrid),
        dims: Vec<usize>,
        c: TensorGrid,
        limits: (i32, i32),
    ) -> Outcome<String> {
        let kind = self.options.requantization.of_adds_and_pools();
        let of = |from: TensorGrid| Scale { scale: from.scale, zero_point: from.grid.zero_point() };
        let add = QuantizedAdd::new(kind, of(a), of(b), of(c), limits)?;
        let (stored, shape) = (Stored::Integer(c.grid.format()), self.edge(first).shape);
        if self.edge(second).shape != shape {
            return Err(
                "its inputs are laid out differently; expected two feature maps or two matrices of one shape"
                    .to_owned(),
            );
        }
        let operation = (first, Operation::QuantizedAdd(second));
        self.layer(name, (dims, shape), stored, operation, Some(ImportedParams::Add(add)));
        Ok(format!("integer add to {} by {}", c.grid.format(), kind.name()))
    }
}

pub(super) fn tensor_grid(value: &Dequantized, format: IntegerFormat) -> Option<TensorGrid> {
    match (&value.scales[..], &value.zero_points[..]) {
        (&[scale], &[zero_point]) => {
            Some(TensorGrid { grid: QuantizeLinear::new(format, zero_point)?, scale })
        }
        _ => None,
    }
}

pub(super) fn full(grid: TensorGrid) -> (i32, i32) {
    (grid.grid.format().min(), grid.grid.format().max())
}

pub(super) fn per_channel(values: Vec<f32>, channels: usize, what: &str) -> Outcome<Vec<f32>> {
    match values.len() {
        1 => Ok(vec![values[0]; channels]),
        count if count == channels => Ok(values),
        count => Err(format!("{count} {what}; expected one, or one per output channel ({channels})")),
    }
}

/// An integer layer whose shapes are known.
pub(super) struct Prepared {
    pub(super) input: EdgeId,
    pub(super) activation: IntegerFormat,
    pub(super) weight: IntegerFormat,
    pub(super) weight_zero_point: WeightZeroPoint,
    pub(super) stored: Stored,
    pub(super) params: ImportedParams,
}

pub(super) fn affine(layout: &Layout, operands: IntegerOperands<'_>) -> Outcome<Prepared> {
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
            Some((_, format)) => Stored::Integer(*format),
            None => Stored::Int32,
        },
        params: ImportedParams::Convolution(AffineConvolution {
            weights: layout.weights(values),
            input_zero_point: operands.input_zero_point as i16,
            weight_zero_points: operands.weight_zero_points,
            bias: operands.bias,
            requantization: operands.requantization.map(|(requantization, _)| requantization),
        }),
    })
}
