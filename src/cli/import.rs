//! `systolab import`: networks from other tools' files.

mod quantize;

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};

use crate::report::Table;
use crate::workload::{ImportOptions, ImportedModel, RequantizationKind, Semantics, ShiftRounding};

use quantize::Bits;

use super::output_folder::{self, Replace};
use super::{Failure, note, print};

/// Import a network from another tool's file
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    Onnx(Onnx),
}

/// Import an ONNX model and print what becomes of every node
///
/// Quantized graphs as ONNX Runtime's quantizer writes them (QDQ and QOperator) become integer layers;
/// other operators run in f32 and are not mapped to the array. An operator that is not supported is an
/// error that names the node.
#[derive(Debug, clap::Args)]
struct Onnx {
    /// The model
    model: PathBuf,
    /// Folder for a network file that names a copy of the model
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How operators between DequantizeLinear and QuantizeLinear are read
    #[arg(long, value_enum, default_value_t)]
    semantics: SemanticsName,
    /// Quantize a float model with AQT's legacy quantizers: a network file and its trace
    #[arg(long, value_enum, value_name = "BITS", requires = "calibration")]
    quantize: Option<Bits>,
    /// Inputs of the model that scales are taken from: .safetensors, .npz or .npy with the input's name
    #[arg(long, value_name = "FILE", requires = "quantize")]
    calibration: Option<PathBuf>,
    /// How sums of convolutions and matrix products become integers; with gemmlowp-double and tflite-single adds, means and
    /// average pools between one grid are TensorFlow Lite's too, otherwise ONNX Runtime's
    #[arg(long, value_enum, default_value_t)]
    requantization: RequantizationName,
    /// How tflite-single (default: half-up) and pow2-shift (default: half-even) round
    #[arg(long, value_enum)]
    rounding: Option<RoundingName>,
    /// Replace the folder even if it was not written by systolab
    #[arg(long)]
    force: bool,
    /// How the table is printed
    #[arg(long, value_enum, default_value_t)]
    format: TableFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum SemanticsName {
    /// As one integer operator where there is one, as ONNX Runtime fuses them
    #[default]
    Fused,
    /// As written, in f32
    Float,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum RequantizationName {
    /// Times an f32 factor, half to even: ONNX Runtime, XNNPACK
    #[default]
    F32Rne,
    /// Times a 31-bit fixed-point factor, rounded twice: LiteRT's reference convolution
    GemmlowpDouble,
    /// The same, rounded once
    TfliteSingle,
    /// Shifted right; ratios of scales are powers of two
    #[value(name = "pow2-shift")]
    PowerOfTwoShift,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RoundingName {
    /// To nearest, halves to even: Gemmini's shift
    HalfEven,
    /// To nearest, halves toward +∞
    HalfUp,
    /// To nearest, halves away from zero: LiteRT's reference fully connected layer
    HalfAway,
    /// Toward −∞
    Floor,
    /// Toward zero
    TowardZero,
}

impl Onnx {
    fn requantization(&self) -> Result<RequantizationKind, Failure> {
        let of = |default: ShiftRounding| match self.rounding {
            None => default,
            Some(RoundingName::HalfEven) => ShiftRounding::HalfEven,
            Some(RoundingName::HalfUp) => ShiftRounding::HalfUp,
            Some(RoundingName::HalfAway) => ShiftRounding::HalfAway,
            Some(RoundingName::Floor) => ShiftRounding::Floor,
            Some(RoundingName::TowardZero) => ShiftRounding::TowardZero,
        };
        let kind = match self.requantization {
            RequantizationName::F32Rne => RequantizationKind::F32Rne,
            RequantizationName::GemmlowpDouble => RequantizationKind::GemmlowpDouble,
            RequantizationName::TfliteSingle => RequantizationKind::TfliteSingle(of(ShiftRounding::HalfUp)),
            RequantizationName::PowerOfTwoShift => {
                RequantizationKind::PowerOfTwoShift(of(ShiftRounding::HalfEven))
            }
        };
        match self.rounding {
            Some(_) if kind.rounding().is_none() => {
                Err("--rounding belongs to --requantization tflite-single and pow2-shift".into())
            }
            _ => Ok(kind),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum TableFormat {
    /// Aligned columns
    #[default]
    Table,
    /// GitHub's Markdown
    Markdown,
    /// Comma-separated values
    Csv,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let From::Onnx(arguments) = &arguments.from;
    let replace = if arguments.force { Replace::Anything } else { Replace::OnlyOurs };
    output_folder::check(&arguments.out, replace)?;
    let semantics = match arguments.semantics {
        SemanticsName::Fused => Semantics::Fused,
        SemanticsName::Float => Semantics::Float,
    };
    let bytes = ImportedModel::file(&arguments.model)?;
    let options = ImportOptions { semantics, requantization: arguments.requantization()? };
    let model = ImportedModel::parse(&arguments.model, &bytes, options)?;
    let (files, table) = match (arguments.quantize, &arguments.calibration) {
        (Some(bits), Some(samples)) => {
            quantize::quantize(&arguments.model, &model, (bits, samples), &stem(&arguments.model))?
        }
        _ => (files(arguments, &model, bytes)?, table(arguments, &model)),
    };
    let text = match arguments.format {
        TableFormat::Table => table.to_text(),
        TableFormat::Markdown => table.to_markdown(),
        TableFormat::Csv => table.to_csv()?,
    };
    output_folder::write(&arguments.out, &files, replace)?;
    note(&format!("{}: {}", arguments.out.display(), files[0].0));
    print(&text)
}

fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(|| "model".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// The network file first, then the model and what lies beside it.
fn files(arguments: &Onnx, model: &ImportedModel, bytes: Vec<u8>) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let path = &arguments.model;
    let stem = stem(path);
    let semantics = match arguments.semantics {
        SemanticsName::Fused => "fused",
        SemanticsName::Float => "float",
    };
    let mut keys = toml::Table::new();
    keys.insert("schema_version".to_owned(), 1.into());
    keys.insert("name".to_owned(), stem.clone().into());
    let mut of_model = toml::Table::new();
    of_model.insert("onnx".to_owned(), format!("{stem}.onnx").into());
    of_model.insert("semantics".to_owned(), semantics.into());
    let requantization = arguments.requantization()?;
    if requantization != RequantizationKind::default() {
        of_model.insert("requantization".to_owned(), requantization.name().into());
    }
    if let Some(rounding) = requantization.rounding() {
        of_model.insert("rounding".to_owned(), rounding.name().into());
    }
    keys.insert("model".to_owned(), of_model.into());
    let mut files = vec![(format!("{stem}.toml"), toml::to_string(&keys)?.into_bytes())];
    files.push((format!("{stem}.onnx"), bytes));
    let folder = path.parent().unwrap_or(Path::new(""));
    for name in model.external_files() {
        let file = folder.join(name);
        let content =
            std::fs::read(&file).map_err(|error| format!("{}: cannot read: {error}", file.display()))?;
        files.push((name.clone(), content));
    }
    Ok(files)
}

fn table(arguments: &Onnx, model: &ImportedModel) -> Table {
    let rows: Vec<Vec<String>> = model
        .lowerings()
        .iter()
        .map(|lowering| vec![lowering.node.clone(), lowering.operator.clone(), lowering.becomes.clone()])
        .collect();
    let float = model.network().float_layers().count();
    let last = float - model.network().without_last_float_layers().float_layers().count();
    let layers = model.network().layers().len();
    let notes = vec![format!(
        "{layers} layers, {float} of them in f32 and not mapped to the array ({last} after the last that is)"
    )];
    Table {
        title: format!("{}: what every node becomes", arguments.model.display()),
        headers: ["node", "operator", "becomes"].map(str::to_owned).into(),
        rows,
        notes,
    }
}
