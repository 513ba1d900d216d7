//! What became of a point: one line of JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::explore::MappingObjective;

use super::objective::Objective;

/// What became of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It has its costs.
    Ok,
    /// It does not keep a limit of the sweep.
    Excluded,
    /// It has no cost: the design cannot run the network, or a value is not accepted.
    Error,
}

/// Top-1 that somebody published for a network of the same shapes and bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublishedTop1 {
    /// Who.
    pub citation: String,
    /// In percent.
    pub top1_percent: f64,
}

/// What a point costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Seconds for the whole request.
    pub latency_s: f64,
    /// Modelled energy per image in µJ: typical.
    pub energy_per_image_uj: f64,
    /// The lowest that its sources allow.
    pub energy_low_uj: f64,
    /// The highest.
    pub energy_high_uj: f64,
    /// Energy per image × latency, in µJ·s.
    pub edp_uj_s: f64,
    /// Typical modelled energy over latency.
    pub average_power_w: f64,
    /// Share of the MAC slots that are used, 0 to 1.
    pub utilization: f64,
    /// MACs per image.
    pub macs: u64,
    /// What the energy leaves out.
    pub energy_excluded: Vec<String>,
    /// Published accuracies, one per source.
    pub published: Vec<PublishedTop1>,
}

/// A point with what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointResult {
    /// Hash of the point's content.
    pub id: String,
    /// What became of it.
    pub status: Status,
    /// Base design.
    pub hardware: String,
    /// Base network.
    pub workload: String,
    /// Values by key path.
    pub set: Map<String, Value>,
    /// Images per request.
    pub batch: u64,
    /// `cold` or `steady`.
    pub regime: String,
    /// What its mappings were chosen for.
    #[serde(default, skip_serializing_if = "MappingObjective::is_default")]
    pub objective: MappingObjective,
    /// Networks of one family may share an accuracy axis; empty where the network could not be read.
    #[serde(default)]
    pub family: String,
    /// Precision label.
    #[serde(default)]
    pub precision: String,
    /// Technology of the modelled energy.
    #[serde(default)]
    pub technology: String,
    /// Area of the parts that have a source; None if no part has.
    #[serde(default)]
    pub area_mm2: Option<f64>,
    /// What those parts are.
    #[serde(default)]
    pub area_label: Option<String>,
    /// Bytes of all scratchpads.
    #[serde(default)]
    pub buffer_bytes: Option<u64>,
    /// Costs; None unless they were computed.
    #[serde(default)]
    pub metrics: Option<Metrics>,
    /// Why it is excluded or has no cost.
    #[serde(default)]
    pub reason: Option<String>,
}

impl PointResult {
    /// A number to compare by; top-1 is that of the source with the index `source`.
    pub fn value(&self, objective: Objective, source: usize) -> Option<f64> {
        match (objective, &self.metrics) {
            (Objective::AreaMm2, _) => self.area_mm2,
            (Objective::BufferBytes, _) => self.buffer_bytes.map(|bytes| bytes as f64),
            (_, None) => None,
            (Objective::LatencyS, Some(metrics)) => Some(metrics.latency_s),
            (Objective::EnergyPerImageUj, Some(metrics)) => Some(metrics.energy_per_image_uj),
            (Objective::EdpUjS, Some(metrics)) => Some(metrics.edp_uj_s),
            (Objective::AveragePowerW, Some(metrics)) => Some(metrics.average_power_w),
            (Objective::Utilization, Some(metrics)) => Some(metrics.utilization),
            (Objective::Top1Percent, Some(metrics)) => {
                metrics.published.get(source).map(|published| published.top1_percent)
            }
        }
    }

    /// The base design with what the point changes, `edge-32x32 array.rows=16`: what tells designs apart.
    pub fn design(&self) -> String {
        self.name(&self.hardware, "hardware.")
    }

    /// The base network with what the point changes.
    pub fn network(&self) -> String {
        self.name(&self.workload, "workload.")
    }

    fn name(&self, base: &str, root: &str) -> String {
        let stem = base.rsplit('/').next().unwrap_or(base);
        let mut name = stem.strip_suffix(".toml").unwrap_or(stem).to_owned();
        for (path, value) in &self.set {
            if let Some(key) = path.strip_prefix(root) {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                name.push_str(&format!(" {key}={value}"));
            }
        }
        name
    }
}
