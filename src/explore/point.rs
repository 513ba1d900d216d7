//! One row of the evaluation: a design running a network, with everything a user compares.

pub use crate::timing::Regime;

use super::design_point::network_size;
use super::published::PublishedAccuracy;

/// A value with the range its sources allow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Lowest value the sources allow.
    pub low: f64,
    /// Typical value.
    pub typical: f64,
    /// Highest value the sources allow.
    pub high: f64,
}

/// Top-1 accuracy in percent, by bit-exact execution of a trained network.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredAccuracy {
    /// The evaluation set's name.
    pub evaluation_set: String,
    /// SHA-256 of its file, hexadecimal.
    pub evaluation_set_sha256: String,
    /// Correctly classified images.
    pub correct: u64,
    /// Images evaluated.
    pub images: u64,
    /// What the training framework predicted for the same images, if its predictions are known.
    pub framework: Option<FrameworkAgreement>,
}

/// A network's accuracy; points whose accuracies differ in kind or source are never one curve.
#[derive(Clone, Debug, PartialEq)]
pub enum Accuracy {
    /// By bit-exact execution.
    Measured(MeasuredAccuracy),
    /// By somebody else, for a network of the same shapes and bits.
    Published(PublishedAccuracy),
}

/// The training framework's own predictions, made in floating point with fake quantization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameworkAgreement {
    /// Images the framework classified correctly.
    pub correct: u64,
    /// Images for which its prediction differs from bit-exact execution.
    pub differing: u64,
}

/// What running the network on the design costs, for one batch size and regime.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// First DRAM command to last output written, whole batch, in seconds.
    pub latency_s: f64,
    /// Images per second: batch / latency.
    pub images_per_s: f64,
    /// Modelled energy per image in picojoules.
    pub energy_per_image_pj: Range,
    /// Modelled energy by component, in the order of the report.
    pub energy_by_component_pj: Vec<(String, Range)>,
    /// What the energy leaves out; totals with different exclusions never share an axis.
    pub energy_excluded: Vec<String>,
    /// Where a memory is not a tabulated macro, and what was taken instead.
    pub energy_notes: Vec<String>,
    /// Typical modelled energy over latency, in watts.
    pub average_power_w: f64,
    /// Workload efficiency: 2 · MACs / modelled energy, in 10^12 operations per joule.
    pub tops_per_w: f64,
    /// Σ(MACs / peak) / cycles, 0 to 1.
    pub utilization: f64,
}

/// What a row says beyond the network's name.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The design runs the network.
    Runs(Cost),
    /// It does not, and why: for example "not supported: pair (uint4,int4)".
    NotSupported(String),
}

/// Area of the parts of a design that have a source.
#[derive(Clone, Debug, PartialEq)]
pub struct PartialArea {
    /// Sum of those parts in mm².
    pub mm2: Range,
    /// What they are: for example "SRAM + integer MAC only".
    pub label: String,
}

/// One design × network × regime × batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Design name.
    pub design: String,
    /// Name of the design's technology.
    pub technology: String,
    /// The design's area; None if its technology has no source for any part.
    pub area: Option<PartialArea>,
    /// Network name.
    pub network: String,
    /// Networks of one family may share an accuracy axis.
    pub family: String,
    /// Precision policy label: `bf16`, `w8a8`, `mostly-4-bit` …
    pub precision: String,
    /// Accuracy, if the network was executed or somebody published one.
    pub accuracy: Option<Accuracy>,
    /// Images per request.
    pub batch: u64,
    /// Cold or steady.
    pub regime: Regime,
    /// Cost, or why there is none.
    pub outcome: Outcome,
    /// MACs per image.
    pub macs: u64,
    /// AQT's linear cost per image.
    pub cost_linear: u64,
    /// AQT's quadratic cost per image (= ACE, BOPS).
    pub cost_quadratic: u64,
    /// AQT's memory cost: bits of all weights.
    pub cost_memory_bits: u64,
    /// Warnings that belong to the row.
    pub notes: Vec<String>,
    /// SHA-256 of the design, network, trace and technology files, hexadecimal.
    pub checksums: Checksums,
}

impl Point {
    /// The accuracy, if it was measured here.
    pub fn measured(&self) -> Option<&MeasuredAccuracy> {
        match &self.accuracy {
            Some(Accuracy::Measured(accuracy)) => Some(accuracy),
            Some(Accuracy::Published(_)) | None => None,
        }
    }

    /// The accuracy, if somebody else published it.
    pub fn published(&self) -> Option<&PublishedAccuracy> {
        match &self.accuracy {
            Some(Accuracy::Published(accuracy)) => Some(accuracy),
            Some(Accuracy::Measured(_)) | None => None,
        }
    }

    /// The network's name without its precision: what networks of equal size share.
    pub fn network_size(&self) -> &str {
        network_size(&self.network, &self.precision)
    }
}

/// SHA-256 of the files behind a row, hexadecimal; empty when there is no such file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checksums {
    /// Hardware TOML.
    pub design: String,
    /// Network TOML.
    pub network: String,
    /// Trace.
    pub trace: String,
    /// Technology TOML.
    pub technology: String,
}
