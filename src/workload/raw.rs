//! The network file as written: TOML with positions, nothing checked but types and key names.
//!
//! Every key here is documented in docs/formats.md.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::{Spanned, schema_of};

/// The JSON Schema of network files.
pub fn schema() -> String {
    schema_of::<RawWorkload>("systolab: network")
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWorkload {
    #[schemars(extend("const" = 1))]
    pub(super) schema_version: Spanned<u32>,
    pub(super) name: Option<Spanned<String>>,
    pub(super) family: Option<String>,
    pub(super) arch_family: Option<Spanned<String>>,
    pub(super) generator: Option<Spanned<RawGenerator>>,
    pub(super) input: Option<Spanned<RawShape>>,
    #[serde(default)]
    pub(super) layer: Vec<Spanned<RawLayer>>,
    pub(super) precision: Option<RawPrecision>,
    pub(super) model: Option<Spanned<RawModel>>,
    #[serde(default)]
    pub(super) parameters: RawParameters,
    pub(super) evaluation: Option<RawEvaluation>,
    pub(super) training: Option<RawTraining>,
}

/// A model that brings layers, precision and values: what may stand beside it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawModelFile {
    #[serde(rename = "schema_version")]
    pub(super) _schema_version: u32,
    pub(super) name: Option<String>,
    pub(super) family: Option<String>,
    #[serde(rename = "model")]
    pub(super) _model: RawModel,
    pub(super) evaluation: Option<Spanned<RawEvaluation>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawModel {
    pub(super) onnx: String,
    #[serde(default)]
    pub(super) semantics: RawSemantics,
    #[serde(default)]
    pub(super) requantization: RawRequantization,
    pub(super) rounding: Option<Spanned<RawShiftRounding>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawRequantization {
    #[default]
    F32Rne,
    GemmlowpDouble,
    TfliteSingle,
    Pow2Shift,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawLayerRequantization {
    #[default]
    AqtFloat,
    F32Rne,
    GemmlowpDouble,
    TfliteSingle,
    Pow2Shift,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawShiftRounding {
    HalfEven,
    HalfUp,
    HalfAway,
    Floor,
    TowardZero,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawSemantics {
    #[default]
    Fused,
    Float,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) enum RawGenerator {
    Resnet(RawResnet),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawResnet {
    pub(super) depth: Spanned<usize>,
    pub(super) variant: Spanned<RawVariant>,
    pub(super) width: Option<Spanned<usize>>,
    pub(super) width_multiplier: Option<Spanned<f64>>,
    pub(super) stem_stride: Option<Spanned<usize>>,
    pub(super) input: RawShape,
    pub(super) classes: Spanned<usize>,
    pub(super) padding: RawPaddingRule,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
pub(super) enum RawVariant {
    #[serde(rename = "cifar")]
    Cifar,
    #[serde(rename = "v1")]
    V1,
    #[serde(rename = "v1.5")]
    V1_5,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawPaddingRule {
    Torch,
    Same,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawShape {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
}

/// A layer has exactly one operation key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLayer {
    pub(super) name: Spanned<String>,
    pub(super) input: Option<Spanned<String>>,
    pub(super) conv2d: Option<RawConvolution>,
    pub(super) linear: Option<RawLinear>,
    pub(super) global_average_pool: Option<RawEmpty>,
    pub(super) max_pool: Option<RawMaxPool>,
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
    pub(super) average_pool: Option<Spanned<toml::Table>>,
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
    pub(super) add: Option<Spanned<toml::Table>>,
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
    pub(super) relu: Option<Spanned<toml::Table>>,
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
    pub(super) batch_norm: Option<Spanned<toml::Table>>,
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
    pub(super) requantize: Option<Spanned<toml::Table>>,
    pub(super) shortcut: Option<Spanned<String>>,
    pub(super) activation: Option<RawActivation>,
    pub(super) quantizer: Option<Spanned<String>>,
    pub(super) signed_input: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEmpty {}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawActivation {
    Identity,
    Relu,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConvolution {
    pub(super) out_channels: usize,
    pub(super) kernel: [usize; 2],
    #[serde(default = "ones")]
    pub(super) stride: [usize; 2],
    #[serde(default = "ones")]
    pub(super) dilation: [usize; 2],
    #[serde(default)]
    pub(super) padding: RawPadding,
    #[serde(default = "one")]
    pub(super) groups: usize,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPadding {
    pub(super) top: usize,
    pub(super) bottom: usize,
    pub(super) left: usize,
    pub(super) right: usize,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMaxPool {
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    #[serde(default)]
    pub(super) padding: RawPadding,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLinear {
    pub(super) out_features: usize,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPrecision {
    pub(super) default: Spanned<String>,
    pub(super) first: Option<Spanned<String>>,
    pub(super) last: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) layers: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    pub(super) quantizer: RawQuantizer,
    pub(super) requantization: Option<Spanned<RawLayerRequantization>>,
    pub(super) rounding: Option<Spanned<RawShiftRounding>>,
    pub(super) residual_format: Option<Spanned<String>>,
    pub(super) store: Option<Spanned<String>>,
    pub(super) carrier: Option<Spanned<String>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawQuantizer {
    #[default]
    AqtLegacy,
    AqtV2,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawParameters {
    pub(super) trace: Option<Spanned<String>>,
    pub(super) synthetic_seed: Option<Spanned<u64>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEvaluation {
    pub(super) set: Spanned<String>,
    pub(super) mean: Spanned<Vec<f64>>,
    pub(super) std: Spanned<Vec<f64>>,
    pub(super) predictions: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTraining {
    pub(super) seed: u64,
    pub(super) train_top1_percent: Option<Spanned<f64>>,
}

fn one() -> usize {
    1
}

fn ones() -> [usize; 2] {
    [1, 1]
}
