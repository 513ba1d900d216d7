//! One point as an engine carries it: one line of JSON that stands for itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::explore::MappingObjective;

use super::objective::Objective;

/// Words for where weights are when a request starts.
pub(super) const REGIMES: [&str; 2] = ["cold", "steady"];

/// A limit that a point has to keep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// What is limited.
    pub metric: Objective,
    /// Largest accepted value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Smallest accepted value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
}

/// A point of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointSpec {
    /// What the point's content must hash to; None is not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Base design: shipped name or file.
    pub hardware: String,
    /// Base network: name or file.
    pub workload: String,
    /// Values by key path, written over the base files.
    #[serde(default)]
    pub set: Map<String, Value>,
    /// Images per request.
    #[serde(default = "one")]
    pub batch: u64,
    /// `cold` or `steady`.
    #[serde(default = "cold")]
    pub regime: String,
    /// What mappings are chosen for.
    #[serde(default, skip_serializing_if = "MappingObjective::is_default")]
    pub objective: MappingObjective,
    /// Limits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<Requirement>,
}

fn one() -> u64 {
    1
}

fn cold() -> String {
    "cold".to_owned()
}
