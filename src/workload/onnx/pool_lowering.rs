//! Pools between integers, as nodes of their own or between DequantizeLinear and QuantizeLinear.

use crate::numerics::{F32Average, OutputGrid, Requantization, Scale, ZeroPointAdded};

use super::super::float_operator::PoolDivisor;
use super::super::imported_params::ImportedParams;
use super::super::layer::{FeatureMap, Operation, Padding, PoolTerms};
use super::super::network::{EdgeId, Stored};
use super::float_lowering::divisor;
use super::graph::Node;
use super::integer_lowering::full;
use super::lowering::{Dequantized, Lowerer, Outcome, TensorGrid};
use super::patterns::Quantized;
use super::quantize_lowering::table;
use super::shapes::{self, Pool};

/// The grids that an average pool lies between, and the limits of its result.
pub(super) struct Between {
    pub(super) input: EdgeId,
    pub(super) x: TensorGrid,
    pub(super) y: TensorGrid,
    pub(super) limits: (i32, i32),
}

impl Lowerer<'_> {
    pub(super) fn qlinear_global_average_pool(&mut self, node: &Node) -> Outcome<String> {
        node.only(&["channels_last"])?;
        if node.int("channels_last", 0) != 0 {
            return Err("expected channels_last = 0".to_owned());
        }
        let (input, dims, x) = self.input_grid(node.input(0), node.input(1), node.input(2))?;
        let y = self.grid(node.input(3), node.input(4), x.grid.format())?;
        self.global_average_pool_layer(node.output(), input, &dims, x, y, full(y))
    }

    pub(super) fn global_average_pool_layer(
        &mut self,
        name: &str,
        input: EdgeId,
        dims: &[usize],
        x: TensorGrid,
        y: TensorGrid,
        limits: (i32, i32),
    ) -> Outcome<String> {
        let kind = self.options.requantization.of_adds_and_pools();
        let &[1, channels, height, width] = dims else {
            return Err(format!("shape {dims:?}; expected [1, channels, height, width]"));
        };
        let output = OutputGrid { format: y.grid.format(), zero_point: y.grid.zero_point(), limits };
        let pixels = u32::try_from(height * width).map_err(|_| "its image is too large")?;
        let requantization = Requantization::of_mean(kind, pixels, x.scale, y.scale, output)?;
        let params = ImportedParams::GlobalAveragePool { zero_point: x.grid.zero_point(), requantization };
        let shape = FeatureMap { height: 1, width: 1, channels };
        let stored = Stored::Integer(y.grid.format());
        let operation = (input, Operation::GlobalAveragePool);
        self.layer(name, (vec![1, channels, 1, 1], shape), stored, operation, Some(params));
        Ok(format!("integer global average pool to {} by {}", y.grid.format(), kind.name()))
    }

    pub(super) fn qlinear_average_pool(&mut self, node: &Node) -> Outcome<String> {
        node.only(&[
            "auto_pad",
            "ceil_mode",
            "channels_last",
            "count_include_pad",
            "kernel_shape",
            "pads",
            "strides",
        ])?;
        if node.int("channels_last", 0) != 0 {
            return Err("expected channels_last = 0".to_owned());
        }
        let (input, _, x) = self.input_grid(node.input(0), node.input(1), node.input(2))?;
        let y = self.grid(node.input(3), node.input(4), x.grid.format())?;
        if y.grid.format() != x.grid.format() {
            return Err(format!(
                "its input is {}, its output {}; expected one type",
                x.grid.format(),
                y.grid.format()
            ));
        }
        let between = Between { input, x, y, limits: full(y) };
        self.average_pool_layer(node, node.output(), between, ZeroPointAdded::BeforeRounding)
    }

    /// An average pool between DequantizeLinear and QuantizeLinear. None where it stays apart in ONNX Runtime and windows
    /// reach beyond the padding, which ONNX does not count.
    pub(super) fn fused_average_pool(
        &mut self,
        node: &Node,
        name: &str,
        between: Between,
        pattern: &Quantized,
    ) -> Outcome<Option<String>> {
        let added = zero_point_added(node, pattern, between.x, between.y);
        if added == ZeroPointAdded::AfterRounding
            && divisor(node) == PoolDivisor::AllTaps
            && shapes::pool(node, self.edge(between.input).shape)?.beyond
        {
            return Ok(None);
        }
        self.average_pool_layer(node, name, between, added).map(Some)
    }

    /// An average pool of integers. As TensorFlow Lite's where requantization is in fixed point and it has one: on one
    /// grid, over the taps inside the image. Otherwise in f32, or as a global average pool where QLinearAveragePool is one:
    /// if its window is the image.
    fn average_pool_layer(
        &mut self,
        node: &Node,
        name: &str,
        Between { input, x, y, limits }: Between,
        added: ZeroPointAdded,
    ) -> Outcome<String> {
        let from = self.edge(input).shape;
        let Pool { window, shape, .. } = shapes::pool(node, from)?;
        let divisor = divisor(node);
        let dims = vec![1, shape.channels, shape.height, shape.width];
        let format = y.grid.format();
        let fixed_point = self.options.requantization.fixed_point().is_some();
        if fixed_point && same_grid(x, y) && divisor == PoolDivisor::InsideTaps {
            let operation = (input, Operation::AveragePool(window, PoolTerms::Integers));
            let params = ImportedParams::AveragePool(limits.0 as i16, limits.1 as i16);
            self.layer(name, (dims, shape), Stored::Integer(format), operation, Some(params));
            return Ok(format!("integer average pool ({format}), halves away from zero"));
        }
        let whole = (window.kernel.height, window.kernel.width) == (from.height, from.width)
            && window.padding == Padding::default();
        if whole && added == ZeroPointAdded::BeforeRounding {
            let dims = [1, from.channels, from.height, from.width];
            return self.global_average_pool_layer(name, input, &dims, x, y, limits);
        }
        let grid = OutputGrid { format, zero_point: y.grid.zero_point(), limits };
        let scale = Scale { scale: x.scale, zero_point: x.grid.zero_point() };
        let taps = window.kernel.height * window.kernel.width;
        let average = F32Average::new(scale, taps, y.scale, grid, added)
            .ok_or("a sum or mean on its scales leaves the range of f32 or int32; expected an output scale of at least 2^-23 times its input's")?;
        let operation = (input, Operation::AveragePool(window, PoolTerms::Reals));
        let params = ImportedParams::F32AveragePool { average, divisor };
        self.layer(name, (dims, shape), Stored::Integer(format), operation, Some(params));
        Ok(format!("integer average pool to {format} by f32-rne"))
    }

    pub(super) fn integer_max_pool(&mut self, node: &Node) -> Outcome<String> {
        let (input, _, format) = self.integer_edge(node.input(0))?;
        let Pool { window, shape, .. } = shapes::pool(node, self.edge(input).shape)?;
        let dims = vec![1, shape.channels, shape.height, shape.width];
        let operation = (input, Operation::MaxPool(window));
        self.layer(node.output(), (dims, shape), Stored::Integer(format), operation, None);
        Ok(format!("integer max pool ({format})"))
    }

    /// A max pool between DequantizeLinear and QuantizeLinear: both are monotone, so that the largest integer becomes
    /// what the largest real number does.
    pub(super) fn fused_max_pool(
        &mut self,
        node: &Node,
        name: &str,
        (x, x_grid): (&Dequantized, TensorGrid),
        y: TensorGrid,
        pattern: &Quantized,
    ) -> Outcome<String> {
        let Pool { window, shape, .. } = shapes::pool(node, self.edge(x.edge).shape)?;
        let format = y.grid.format();
        let layer = ((vec![1, shape.channels, shape.height, shape.width], shape), Stored::Integer(format));
        let limits = y.grid.limits(y.scale, pattern.low, pattern.high).ok_or("its limits are NaN")?;
        if same_grid(x_grid, y) && limits == full(y) {
            self.layer(name, layer.0, layer.1, (x.edge, Operation::MaxPool(window)), None);
            return Ok(format!("integer max pool ({format})"));
        }
        let table = table(x, x_grid.grid.format(), y, pattern.low, pattern.high)?;
        let params = Some(ImportedParams::Lookup(table));
        self.layer(name, layer.0, layer.1, (x.edge, Operation::MaxPoolLookup(window)), params);
        Ok(format!("integer max pool, then requantization to {format}, element by element"))
    }
}

fn same_grid(x: TensorGrid, y: TensorGrid) -> bool {
    x.scale.to_bits() == y.scale.to_bits() && x.grid == y.grid
}

/// Where the zero point is added in what ONNX Runtime makes of DequantizeLinear → AveragePool → QuantizeLinear. It fuses them
/// into QLinearAveragePool between 8-bit integers of one type, if nothing is left in between: a Relu or Clip that the
/// output's grid does besides is taken out before (`relu_quantizelinear.cc`, `clip_quantizelinear.cc`).
fn zero_point_added(node: &Node, pattern: &Quantized, x: TensorGrid, y: TensorGrid) -> ZeroPointAdded {
    let format = y.grid.format();
    let real = |limit: i32| y.scale * (limit - y.grid.zero_point()) as f32;
    let clips =
        pattern.low - real(format.min()) > f32::EPSILON || real(format.max()) - pattern.high > f32::EPSILON;
    let dilated =
        node.ints("dilations").is_some_and(|dilations| dilations.iter().any(|&dilation| dilation != 1));
    if format == x.grid.format() && format.bits() == 8 && !clips && !dilated {
        ZeroPointAdded::BeforeRounding
    } else {
        ZeroPointAdded::AfterRounding
    }
}
