//! One layer with its parameters and plan, checked and packed.

use crate::mapping::LayerPlan;
use crate::numerics::{Bias, IntegerMac, MacSpec, OperandFormat, RegisterWidth, Requantization};
use crate::workload::{
    AffineConvolution, Convolution, EdgeId, FloatOperator, ImportedParams, Layer, Network, Operands,
    Operation, Params, PoolTerms, QuantizerId, Stored as StoredAs, Weights, Window,
};

use super::super::convolution::{Bf16Convolution, IntegerConvolution, Kernels};
use super::super::error::ExecutionError;
use super::super::float::{MaxPool, PostProcess};
use super::super::float_operators::FloatStep;
use super::super::geometry::Geometry;
use super::super::imported::{AffineStep, ImportedStep, Lookup};
use super::super::integer_pools::{IntegerPool, PoolKind};
use super::{Read, Step};

/// Checks and packs one layer.
pub(super) struct Preparation<'a> {
    pub(super) network: &'a Network,
    pub(super) params: &'a Params,
    pub(super) kernels: Kernels,
    pub(super) layer: &'a Layer,
}

impl Preparation<'_> {
    /// What executes the layer, and the edge that it reads besides its input.
    pub(super) fn step(
        &self,
        index: usize,
        plan: Option<LayerPlan>,
    ) -> Result<(Step, Option<usize>), ExecutionError> {
        let (network, layer) = (self.network, self.layer);
        Ok(match &layer.operation {
            _ if self.is_imported() => {
                let second = layer.operation.second_input().map(EdgeId::index);
                (Step::Imported(self.imported(index, plan)?), second)
            }
            Operation::Convolution(convolution) if convolution.requantization.is_some() => {
                (self.requantized(index, convolution, plan)?, None)
            }
            Operation::Convolution(convolution) => {
                let step = self.convolution(index, convolution, plan)?;
                (step, convolution.shortcut.map(|edge| self.real(edge)).transpose()?)
            }
            Operation::MaxPool(window) => {
                self.real(layer.input)?;
                let (input, output) = (network.edge(layer.input).shape, network.edge(layer.output).shape);
                (Step::MaxPool(MaxPool { input, output, window: *window }), None)
            }
            Operation::GlobalAveragePool => {
                self.real(layer.input)?;
                let channels = network.edge(layer.input).shape.channels;
                (Step::GlobalAveragePool { channels }, None)
            }
            Operation::MaxPoolLookup(_)
            | Operation::AveragePool(..)
            | Operation::QuantizedAdd(_)
            | Operation::Lookup
            | Operation::Float(_) => {
                return Err(self.foreign_params());
            }
        })
    }

    fn plan_error(&self, message: &'static str) -> ExecutionError {
        ExecutionError::Plan { layer: self.layer.name.clone(), message }
    }

    fn unreadable(&self, edge: EdgeId) -> ExecutionError {
        let edge = self.network.edge(edge).name.clone();
        ExecutionError::Unreadable { layer: self.layer.name.clone(), edge }
    }

    fn foreign_params(&self) -> ExecutionError {
        ExecutionError::Params { layer: self.layer.name.clone() }
    }

    /// The index of an edge that is stored in bf16.
    fn bf16(&self, edge: EdgeId) -> Result<usize, ExecutionError> {
        match self.network.edge(edge).stored {
            StoredAs::Bf16 => Ok(edge.index()),
            _ => Err(self.unreadable(edge)),
        }
    }

    /// The index of an edge whose values stand for real numbers: in bf16 or on a grid.
    fn real(&self, edge: EdgeId) -> Result<usize, ExecutionError> {
        match self.network.edge(edge).stored {
            StoredAs::Bf16 | StoredAs::Grid(_) => Ok(edge.index()),
            _ => Err(self.unreadable(edge)),
        }
    }

    fn read(&self, quantizer: QuantizerId) -> Result<Read, ExecutionError> {
        match self.network.edge(self.layer.input).stored {
            StoredAs::Grid(stored) if stored == quantizer => Ok(Read::Stored),
            StoredAs::Bf16 | StoredAs::Grid(_) => {
                Ok(Read::Quantized(self.network.quantizer(quantizer).grid, self.params.scale(quantizer)))
            }
            _ => Err(self.unreadable(self.layer.input)),
        }
    }

    fn convolution(
        &self,
        index: usize,
        convolution: &Convolution,
        plan: Option<LayerPlan>,
    ) -> Result<Step, ExecutionError> {
        let plan = plan.ok_or_else(|| self.plan_error("has no plan"))?;
        if plan.reduction.is_some_and(|order| order.k_per_fold == 0) {
            return Err(self.plan_error("its plan has empty folds"));
        }
        let params = self.params.layer(index).ok_or_else(|| self.foreign_params())?;
        let (input, output) =
            (self.network.edge(self.layer.input).shape, self.network.edge(self.layer.output).shape);
        let geometry = Geometry::of_layer(input, output, convolution).ok_or_else(|| self.foreign_params())?;
        let elements = geometry.k() * output.channels;
        let post = PostProcess {
            multiplier: params.multiplier.clone(),
            bias: params.bias.clone(),
            activation: convolution.activation,
        };
        if [post.multiplier.len(), post.bias.len()] != [output.channels; 2] {
            return Err(self.foreign_params());
        }
        match (convolution.operands, &params.weights, plan.mac) {
            (Operands::Integer { quantizer, .. }, Weights::Integer(weights), MacSpec::Integer(mac)) => {
                if weights.len() != elements {
                    return Err(self.foreign_params());
                }
                let format = self.network.quantizer(quantizer).grid.format();
                let convolution =
                    IntegerConvolution::new(geometry, weights, format, mac, plan.reduction, self.kernels)
                        .ok_or_else(|| self.plan_error("can overflow, but its plan states no order"))?;
                Ok(Step::Integer { convolution, read: self.read(quantizer)?, post })
            }
            (Operands::Bf16, Weights::Bf16(weights), MacSpec::Bf16(mac)) => {
                self.bf16(self.layer.input)?;
                let order =
                    plan.reduction.ok_or_else(|| self.plan_error("is bf16, but its plan states no order"))?;
                let convolution = Bf16Convolution::new(geometry, weights, mac, order, self.kernels)
                    .ok_or_else(|| self.foreign_params())?;
                Ok(Step::Bf16 { convolution, post })
            }
            (Operands::Integer { .. }, Weights::Integer(_), MacSpec::Bf16(_))
            | (Operands::Bf16, Weights::Bf16(_), MacSpec::Integer(_)) => {
                Err(self.plan_error("its plan's MAC takes other operands"))
            }
            (Operands::Integer { .. }, Weights::Bf16(_), _)
            | (Operands::Bf16, Weights::Integer(_), _)
            | (Operands::Affine { .. }, ..) => Err(self.foreign_params()),
        }
    }

    /// A layer whose sums become the integers that it stores.
    fn requantized(
        &self,
        index: usize,
        convolution: &Convolution,
        plan: Option<LayerPlan>,
    ) -> Result<Step, ExecutionError> {
        let Some(ImportedParams::Convolution(params)) = self.params.imported_layer(index) else {
            return Err(self.foreign_params());
        };
        let stored = self.network.edge(self.layer.output).stored;
        let (Operands::Integer { quantizer, .. }, StoredAs::Grid(_), Some(_)) =
            (convolution.operands, stored, &params.requantization)
        else {
            return Err(self.foreign_params());
        };
        let step = Box::new(self.affine(convolution, params, plan)?);
        Ok(Step::Requantized { step, read: self.read(quantizer)? })
    }

    /// Whether the layer's operands are the stored values of an imported network.
    fn is_imported(&self) -> bool {
        let stored = self.network.edge(self.layer.input).stored;
        match &self.layer.operation {
            Operation::Convolution(convolution) => matches!(convolution.operands, Operands::Affine { .. }),
            Operation::MaxPool(_) | Operation::GlobalAveragePool => matches!(stored, StoredAs::Integer(_)),
            Operation::MaxPoolLookup(_)
            | Operation::AveragePool(..)
            | Operation::QuantizedAdd(_)
            | Operation::Lookup
            | Operation::Float(_) => true,
        }
    }

    fn imported(&self, index: usize, plan: Option<LayerPlan>) -> Result<ImportedStep, ExecutionError> {
        let params = self.params.imported_layer(index);
        let foreign = || self.foreign_params();
        let from = self.network.edge(self.layer.input);
        let to = self.network.edge(self.layer.output);
        let integers = |stored| match stored {
            StoredAs::Integer(format) => Ok(format),
            _ => Err(self.unreadable(self.layer.input)),
        };
        let pool = |window: &Window, kind| {
            let (input, output, window) = (from.shape, to.shape, *window);
            ImportedStep::Pool(IntegerPool { input, output, window, kind })
        };
        Ok(match (&self.layer.operation, params) {
            (Operation::Convolution(convolution), Some(ImportedParams::Convolution(params))) => {
                let (activation, stored) = (integers(from.stored)?, to.stored);
                let own = convolution.operand_pair(self.network).activation();
                let result = match params.requantization {
                    Some(_) => matches!(stored, StoredAs::Integer(_)),
                    None => stored == StoredAs::Int32,
                };
                if own != OperandFormat::Integer(activation) || !result {
                    return Err(foreign());
                }
                ImportedStep::Convolution(Box::new(self.affine(convolution, params, plan)?))
            }
            (Operation::MaxPool(window), None) => {
                if integers(from.stored)? != integers(to.stored)? {
                    return Err(self.unreadable(self.layer.input));
                }
                pool(window, PoolKind::Max)
            }
            (Operation::MaxPoolLookup(window), Some(ImportedParams::Lookup(table))) => {
                let format = integers(from.stored)?;
                integers(to.stored)?;
                pool(window, PoolKind::MaxLookup(Lookup::new(format, table).ok_or_else(foreign)?))
            }
            (
                Operation::GlobalAveragePool,
                Some(ImportedParams::GlobalAveragePool { zero_point, requantization }),
            ) => {
                integers(from.stored)?;
                integers(to.stored)?;
                let channels = to.shape.channels;
                ImportedStep::GlobalAveragePool {
                    zero_point: *zero_point,
                    requantization: requantization.clone(),
                    channels,
                }
            }
            (
                Operation::AveragePool(window, PoolTerms::Integers),
                Some(ImportedParams::AveragePool(low, high)),
            ) => {
                if integers(from.stored)? != integers(to.stored)? {
                    return Err(self.unreadable(self.layer.input));
                }
                pool(window, PoolKind::Average(*low, *high))
            }
            (
                Operation::AveragePool(window, PoolTerms::Reals),
                Some(ImportedParams::F32AveragePool { average, divisor }),
            ) => {
                integers(from.stored)?;
                integers(to.stored)?;
                pool(window, PoolKind::F32Average(*average, *divisor))
            }
            (Operation::QuantizedAdd(other), Some(ImportedParams::Add(add))) => {
                for stored in [from.stored, self.network.edge(*other).stored, to.stored] {
                    integers(stored)?;
                }
                ImportedStep::Add(*add)
            }
            (Operation::Lookup, Some(ImportedParams::Lookup(table))) => {
                let format = integers(from.stored)?;
                if from.shape != to.shape {
                    return Err(foreign());
                }
                integers(to.stored)?;
                ImportedStep::Lookup(Lookup::new(format, table).ok_or_else(foreign)?)
            }
            (Operation::Float(operator), params) => {
                let reads_integers = matches!(operator, FloatOperator::Dequantize | FloatOperator::Cast);
                let writes_integers = matches!(operator, FloatOperator::Quantize);
                let is_float = |stored| stored == StoredAs::F32;
                let second = self.layer.operation.second_input();
                if is_float(from.stored) == reads_integers
                    || is_float(to.stored) == writes_integers
                    || second.is_some_and(|edge| !is_float(self.network.edge(edge).stored))
                {
                    return Err(self.unreadable(self.layer.input));
                }
                let step = FloatStep::new(operator, params, from.shape, to.shape).ok_or_else(foreign)?;
                ImportedStep::Float(Box::new(step))
            }
            _ => return Err(foreign()),
        })
    }

    fn affine(
        &self,
        convolution: &Convolution,
        params: &AffineConvolution,
        plan: Option<LayerPlan>,
    ) -> Result<AffineStep, ExecutionError> {
        let plan = plan.ok_or_else(|| self.plan_error("has no plan"))?;
        let MacSpec::Integer(mac) = plan.mac else {
            return Err(self.plan_error("its plan's MAC takes other operands"));
        };
        let OperandFormat::Integer(activation) = convolution.operand_pair(self.network).activation() else {
            return Err(self.foreign_params());
        };
        let (input, output) =
            (self.network.edge(self.layer.input).shape, self.network.edge(self.layer.output).shape);
        let geometry = Geometry::of_layer(input, output, convolution).ok_or_else(|| self.foreign_params())?;
        let (k, channels) = (geometry.k(), output.channels);
        let ratios = params.requantization.as_ref().map_or(channels, Requantization::channels);
        let lengths = [params.weight_zero_points.len(), params.bias.len(), ratios];
        if params.weights.len() != k * channels || lengths != [channels; 3] {
            return Err(self.foreign_params());
        }
        let prepare = |geometry, weights: &[i16], mac, reduction, bias| {
            IntegerConvolution::of_words(geometry, weights, activation, mac, reduction, bias, self.kernels)
                .map(|convolution| convolution.padded_with(params.input_zero_point))
        };
        let bias = params.folded_bias(k);
        let (first, last) = match mac.bias {
            Bias::AfterLastFold => (None, bias),
            Bias::Preload => (Some(bias), vec![0; channels]),
        };
        let window_sums = if params.weight_zero_points.iter().all(|&zero_point| zero_point == 0) {
            None
        } else {
            let groups = convolution.groups;
            let geometry = Geometry::new(input, groups, convolution.window, groups);
            let widest = RegisterWidth::new(32).map(|width| IntegerMac::wrapping(width, width));
            let sums = geometry
                .zip(widest)
                .and_then(|(geometry, widest)| prepare(geometry, &vec![1; k * groups], widest, None, None));
            Some(sums.ok_or_else(|| self.foreign_params())?)
        };
        Ok(AffineStep {
            convolution: prepare(geometry, &params.weights, mac, plan.reduction, first.as_deref())
                .ok_or_else(|| self.plan_error("can overflow, but its plan states no order"))?,
            window_sums,
            weight_zero_points: params.weight_zero_points.iter().copied().map(i32::from).collect(),
            bias: last,
            requantization: params.requantization.clone(),
            groups: convolution.groups,
        })
    }
}
