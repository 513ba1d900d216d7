//! Networks and what belongs to them: layers, precision, trained parameters, evaluation sets.
//!
//! A [`Network`] holds what is static (shapes, formats, requantization, stored formats);
//! [`Params`] holds values. Must not know hardware, schedules or costs.

mod architecture;
mod evaluation_set;
mod float_operator;
mod gemm_list;
mod generator;
mod imported_params;
mod layer;
mod network;
mod onnx;
mod params;
mod precision;
mod raw;
mod requantized_layer;
mod resnet;
mod samples;
mod shipped;
mod synthetic;
mod topology;
mod workload_file;

pub use crate::numerics::{RequantizationKind, ShiftRounding};

pub use architecture::{ArchFamily, Architecture};
pub use evaluation_set::{EvaluationSet, EvaluationSetError, Normalization};
pub use float_operator::{FloatOperand, FloatOperator, PoolDivisor};
pub use imported_params::{AffineConvolution, ImportedParams};
pub use layer::{
    Convolution, FeatureMap, Layer, Operands, Operation, Padding, PoolTerms, Size, WeightZeroPoint, Window,
    WindowKind,
};
pub use network::{Edge, EdgeId, Network, NetworkBuilder, NetworkError, Quantizer, QuantizerId, Stored};
pub use onnx::{ImportError, ImportOptions, ImportedModel, Lowering, ModelTensor, Semantics};
pub use params::{LayerParams, Params, ParamsError, Weights};
pub use precision::{Bits, PrecisionPolicy, ResidualFormat, UnknownPrecision};
pub use raw::schema;
pub use samples::Samples;
pub use shipped::SHIPPED;
pub use synthetic::synthetic_image;
pub use workload_file::{
    EvaluationReference, FloatLayers, ParameterSource, TrainingRun, Workload, WorkloadError,
};
