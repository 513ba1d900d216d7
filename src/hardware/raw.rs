//! The design file as written: TOML with positions, nothing checked but types and key names.
//!
//! Integers are signed, so that a negative one meets the range check and its message.
//! Every key here is documented in docs/formats.md.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::source::{Spanned, schema_of};

/// Read before everything else, so that a newer file is refused for its version and not for its keys.
#[derive(Deserialize)]
pub(super) struct RawVersion {
    pub(super) schema_version: Option<Spanned<i64>>,
}

/// The JSON Schema of hardware design files.
pub fn schema() -> String {
    schema_of::<RawAccelerator>("systolab: hardware design")
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAccelerator {
    #[serde(rename = "schema_version")]
    #[schemars(with = "i64", extend("const" = 1))]
    _schema_version: IgnoredAny,
    pub(super) name: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) description: String,
    pub(super) frequency_hz: Spanned<i64>,
    pub(super) technology: Spanned<String>,
    pub(super) array: RawArray,
    #[serde(default)]
    pub(super) mac: Vec<Spanned<RawMac>>,
    pub(super) scratchpad: RawScratchpads,
    pub(super) dram: RawDram,
    pub(super) vector: RawVector,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawArray {
    #[schemars(range(min = 1, max = 4096))]
    pub(super) rows: Spanned<i64>,
    #[schemars(range(min = 1, max = 4096))]
    pub(super) cols: Spanned<i64>,
    pub(super) count: Option<Spanned<i64>>,
    #[schemars(length(min = 1), extend("items" = { "enum": ["ws", "os", "is"] }))]
    pub(super) dataflows: Spanned<Vec<Spanned<String>>>,
    pub(super) double_buffer: Option<bool>,
    #[schemars(extend("enum" = ["overlapped", "blocking"]))]
    pub(super) os_drain: Option<Spanned<String>>,
    pub(super) accumulator_latency_cycles: Option<Spanned<i64>>,
    pub(super) mac_latency_cycles: Option<Spanned<i64>>,
    pub(super) loop_order: Option<Spanned<String>>,
}

/// The keys of integer and bf16 pairs; which belong to the pair is checked later.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMac {
    pub(super) activation: Spanned<String>,
    pub(super) weight: Spanned<String>,
    pub(super) lanes: RawLanes,
    pub(super) partial_sum_bits: Option<Spanned<i64>>,
    pub(super) accumulator_bits: Option<Spanned<i64>>,
    #[schemars(extend("enum" = ["wrap", "saturate"]))]
    pub(super) overflow: Option<Spanned<String>>,
    pub(super) bias: Option<Spanned<String>>,
    pub(super) partial_sum: Option<Spanned<String>>,
    pub(super) accumulator: Option<Spanned<String>>,
    #[schemars(extend("enum" = ["rne", "rtz", "rto"]))]
    pub(super) rounding: Option<Spanned<String>>,
    #[schemars(extend("enum" = ["keep", "flush"]))]
    pub(super) subnormals: Option<Spanned<String>>,
    #[schemars(extend("enum" = ["serial", "first", "block"]))]
    pub(super) lane_sum: Option<Spanned<String>>,
    #[schemars(extend("enum" = ["per-fold", "chained"]))]
    pub(super) join: Option<Spanned<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLanes {
    #[schemars(extend("enum" = ["k", "n"]))]
    pub(super) along: Spanned<String>,
    pub(super) count: Spanned<i64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawScratchpads {
    pub(super) activation: RawScratchpad,
    pub(super) weight: RawScratchpad,
    pub(super) accumulator: RawScratchpad,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawScratchpad {
    #[schemars(range(min = 1024))]
    pub(super) bytes: Spanned<i64>,
    pub(super) banks: Option<Spanned<i64>>,
    pub(super) width_bits: Spanned<i64>,
    pub(super) double_buffered: Option<bool>,
    pub(super) line_buffer: Option<Spanned<bool>>,
    #[schemars(extend("enum" = ["ideal", "spread", "pixels"]))]
    pub(super) layout: Option<Spanned<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDram {
    pub(super) part: Spanned<String>,
    pub(super) bytes_per_s: Spanned<i64>,
    #[schemars(range(max = 1.0))]
    pub(super) efficiency: Spanned<f64>,
    pub(super) latency_cycles: Spanned<i64>,
    pub(super) burst_bytes: Spanned<i64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawVector {
    pub(super) lanes: Spanned<i64>,
    pub(super) ops_per_cycle: Spanned<i64>,
}
