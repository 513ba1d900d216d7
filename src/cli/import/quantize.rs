//! `systolab import onnx --quantize`: a float model as a quantized network file and its trace.

use std::path::Path;

use clap::ValueEnum;

use crate::calibrate::{Calibrated, Precision, calibrate};
use crate::report::Table;
use crate::tensor::{TensorFile, safetensors_bytes};
use crate::workload::{ImportedModel, Samples};

use super::super::Failure;
use super::super::output_file::KEY;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Bits {
    /// 8-bit weights and activations
    #[value(name = "w8a8")]
    W8A8,
    /// 4-bit weights and activations
    #[value(name = "w4a4")]
    W4A4,
    /// 4 bits, but 8 in the first and last layer
    #[value(name = "mostly-4-bit")]
    Mostly4Bit,
}

/// Names and contents.
type Files = Vec<(String, Vec<u8>)>;

/// The network file first, then its trace.
pub(super) fn quantize(
    path: &Path,
    model: &ImportedModel,
    (bits, samples): (Bits, &Path),
    stem: &str,
) -> Result<(Files, Table), Failure> {
    let precision = match bits {
        Bits::W8A8 => Precision::W8A8,
        Bits::W4A4 => Precision::W4A4,
        Bits::Mostly4Bit => Precision::Mostly4Bit,
    };
    let source = Samples::of_model(&TensorFile::read(samples)?, model)?;
    let trace = format!("{stem}.safetensors");
    let calibrated = calibrate(model, &source, precision, (stem, &trace))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let about = format!(
        "{}: {} quantized with AQT's legacy quantizers, scales from {} samples in {}",
        env!("CARGO_PKG_VERSION"),
        file_name(path),
        source.len(),
        file_name(samples)
    );
    let table = table(path, &calibrated, &source);
    let trace_bytes = safetensors_bytes(&calibrated.trace, (KEY, &about))?;
    let network = format!("# {about}\n{}", calibrated.network);
    Ok((vec![(format!("{stem}.toml"), network.into_bytes()), (trace, trace_bytes)], table))
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn table(path: &Path, calibrated: &Calibrated, samples: &Samples) -> Table {
    let row = |layer: &crate::calibrate::CalibratedLayer| {
        let mut row = vec![layer.name.clone(), layer.operators.join(" + "), layer.op.to_owned()];
        row.extend(match &layer.operands {
            Some((pair, bound, scale)) => [pair.clone(), bound.to_string(), scale.to_string()],
            None => [const { String::new() }; 3],
        });
        row
    };
    Table {
        title: format!("{}: the quantized network", path.display()),
        headers: [
            "layer",
            "operators",
            "becomes",
            "activation,weight",
            "largest input",
            "scale of the input",
        ]
        .map(str::to_owned)
        .into(),
        rows: calibrated.layers.iter().map(row).collect(),
        notes: vec![format!(
            "AQT's legacy quantizers; largest magnitude over {} sample{} as bound of activations, per output channel of weights",
            samples.len(),
            if samples.len() == 1 { "" } else { "s" }
        )],
    }
}
