//! `workloads/NAME.toml`: a network, its precision, and where its parameters and images are. Or
//! `NAME.csv`: a list of matrix products, or a topology of SCALE-Sim.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::source::{SourceError, SourceFile, Spanned};

use super::architecture::Architecture;
use super::evaluation_set::Normalization;
use super::layer::Layer;
use super::network::Network;
use super::onnx::{ImportError, ImportOptions, ImportedModel, Semantics};
use super::precision::PrecisionPolicy;
use super::raw::{RawEvaluation, RawModel, RawModelFile, RawSemantics, RawTraining, RawWorkload};
use super::{gemm_list, generator, topology};

/// Where a network's parameters come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterSource {
    /// A trained trace.
    Trace(PathBuf),
    /// The model that the network was imported from; [`Workload::model`] has them.
    Model,
    /// None: only costs can be given.
    None,
}

/// The images that measure a network's accuracy.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationReference {
    /// The evaluation set's file.
    pub path: PathBuf,
    /// How pixels become the network's input.
    pub normalization: Normalization,
    /// The training framework's predicted classes, one byte per image.
    pub predictions: Option<PathBuf>,
}

/// The training run that made a network's parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingRun {
    /// Tells runs of one recipe apart; runs of one seed saw the same images in the same order.
    pub seed: u64,
    /// The training framework's top-1 in percent on images that the run was trained on.
    pub train_top1_percent: Option<f64>,
}

/// A validated network file.
#[derive(Clone, Debug)]
pub struct Workload {
    name: String,
    family: String,
    precision: String,
    policy: Option<PrecisionPolicy>,
    architecture: Option<Architecture>,
    network: Network,
    parameters: ParameterSource,
    evaluation: Option<EvaluationReference>,
    training: Option<TrainingRun>,
    model: Option<Arc<ImportedModel>>,
    float_layers: FloatLayers,
    /// What a design is asked to run, where that is not the whole network.
    costed: Option<Network>,
    sha256: String,
}

/// What becomes of f32 operators where a design's costs are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FloatLayers {
    /// They make a network one that the array cannot run.
    #[default]
    Refused,
    /// Their arithmetic is free; their tensors are moved.
    Skipped,
}

/// Why a network cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    /// Its file is unusable.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Its model is.
    #[error(transparent)]
    Import(#[from] ImportError),
}

impl Workload {
    /// Reads and validates a network file; a list of matrix products or a topology of SCALE-Sim if its
    /// extension is `csv`, a model if it is `onnx`. Paths in it are relative to its folder.
    pub fn read(path: &Path) -> Result<Self, WorkloadError> {
        if path.extension().is_some_and(|extension| extension == "onnx") {
            let model = ImportedModel::read(path, ImportOptions::default())?;
            let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
            let sha256 = model.params().sha256().to_owned();
            return Ok(Self::of_model(name, None, model, sha256));
        }
        let file = SourceFile::read(path)?;
        if path.extension().is_some_and(|extension| extension == "csv") {
            return Ok(Self::parse(&file)?);
        }
        let raw: RawWorkload = file.parse()?;
        match raw.model {
            None => Ok(Self::parse(&file)?),
            Some(model) => Self::import(&file, model),
        }
    }

    /// A network file that names a model.
    fn import(file: &SourceFile, raw: Spanned<RawModel>) -> Result<Self, WorkloadError> {
        let RawModel { onnx, semantics, requantization, rounding } = raw.into_inner();
        let folder = file.path().parent().unwrap_or(Path::new(""));
        let semantics = match semantics {
            RawSemantics::Fused => Semantics::Fused,
            RawSemantics::Float => Semantics::Float,
        };
        let requantization = generator::requantization(file, requantization, rounding.as_ref())?;
        let model = ImportedModel::read(&folder.join(onnx), ImportOptions { semantics, requantization })?;
        let RawModelFile { name, family, evaluation, .. } = file.parse()?;
        let evaluation = evaluation.map(|evaluation| {
            if model.takes_integers() {
                let message = "pixels are normalized to f32, but the model takes integers";
                return Err(file.error(evaluation.span(), message));
            }
            reference(file, evaluation.get_ref(), model.network(), folder)
        });
        let evaluation = evaluation.transpose()?;
        let name = name.unwrap_or_else(|| file.stem());
        Ok(Self { evaluation, ..Self::of_model(name, family, model, file.sha256()) })
    }

    fn of_model(name: String, family: Option<String>, model: ImportedModel, sha256: String) -> Self {
        Self {
            family: family.unwrap_or_else(|| name.clone()),
            name,
            precision: model.precision(),
            policy: None,
            architecture: None,
            float_layers: FloatLayers::Refused,
            costed: Some(model.network().without_last_float_layers()),
            network: model.network().clone(),
            parameters: ParameterSource::Model,
            evaluation: None,
            training: None,
            model: Some(Arc::new(model)),
            sha256,
        }
    }

    /// Validates a network file's text; the file's name tells what it is.
    pub fn parse(file: &SourceFile) -> Result<Self, SourceError> {
        if file.path().extension().is_some_and(|extension| extension == "csv") {
            return Self::parse_list(file);
        }
        let raw: RawWorkload = file.parse()?;
        if let Some(model) = &raw.model {
            return Err(file.error(model.span(), "a model is read from its file, which this text has not"));
        }
        let Some(raw_precision) = &raw.precision else {
            return Err(file.error_in_file("missing key `precision`"));
        };
        if *raw.schema_version.get_ref() != 1 {
            return Err(file.error(raw.schema_version.span(), "expected schema_version = 1"));
        }
        let name = match &raw.name {
            Some(name) if name.get_ref().trim().is_empty() => {
                return Err(file.error(name.span(), "a name is at least one character"));
            }
            Some(name) => name.get_ref().clone(),
            None => file.stem(),
        };
        let policy = generator::policy(file, raw_precision)?;
        let precision = policy.label();
        let (network, architecture) = generator::network(file, &raw, policy.clone())?;
        let folder = file.path().parent().unwrap_or(Path::new(""));
        let parameters = match (&raw.parameters.trace, &raw.parameters.synthetic_seed) {
            (_, Some(seed)) => {
                return Err(file.error(
                    seed.span(),
                    "synthetic parameters: not in this version; leave the key out to get costs only",
                ));
            }
            (Some(trace), None) => ParameterSource::Trace(folder.join(trace.get_ref())),
            (None, None) => ParameterSource::None,
        };
        let evaluation = raw
            .evaluation
            .as_ref()
            .map(|evaluation| reference(file, evaluation, &network, folder))
            .transpose()?;
        let training = raw.training.as_ref().map(|training| training_run(file, training)).transpose()?;
        Ok(Self {
            family: raw.family.unwrap_or_else(|| name.clone()),
            name,
            precision,
            policy: Some(policy),
            architecture,
            network,
            parameters,
            evaluation,
            training,
            model: None,
            float_layers: FloatLayers::Refused,
            costed: None,
            sha256: file.sha256(),
        })
    }

    fn parse_list(file: &SourceFile) -> Result<Self, SourceError> {
        let topology = if gemm_list::is_list(file) { None } else { topology::kind(file) };
        let (network, precision) = match topology {
            Some(kind) => (topology::network(file, kind)?, "w8a8".to_owned()),
            None => gemm_list::network(file)?,
        };
        Ok(Self {
            name: file.stem(),
            family: file.stem(),
            precision,
            policy: None,
            architecture: None,
            network,
            parameters: ParameterSource::None,
            evaluation: None,
            training: None,
            model: None,
            float_layers: FloatLayers::Refused,
            costed: None,
            sha256: file.sha256(),
        })
    }

    /// The network's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Networks of one family may share an accuracy axis.
    pub fn family(&self) -> &str {
        &self.family
    }

    /// The precision policy's label.
    pub fn precision(&self) -> &str {
        &self.precision
    }

    /// The precision policy; None for a list, whose products state their formats.
    pub fn policy(&self) -> Option<&PrecisionPolicy> {
        self.policy.as_ref()
    }

    /// What published networks it equals in shape; None where none can be told.
    pub fn architecture(&self) -> Option<Architecture> {
        self.architecture
    }

    /// Static facts.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Where the parameters come from.
    pub fn parameters(&self) -> &ParameterSource {
        &self.parameters
    }

    /// The images that measure its accuracy.
    pub fn evaluation(&self) -> Option<&EvaluationReference> {
        self.evaluation.as_ref()
    }

    /// The run that trained its parameters, if the file says so.
    pub fn training(&self) -> Option<TrainingRun> {
        self.training
    }

    /// What a design is asked to run: the network without the f32 layers at its end.
    pub fn costed_network(&self) -> &Network {
        self.costed.as_ref().unwrap_or(&self.network)
    }

    /// The first f32 operator that a design is asked to run and cannot.
    pub fn unmapped(&self) -> Option<&Layer> {
        match self.float_layers {
            FloatLayers::Refused => self.costed_network().float_layers().next(),
            FloatLayers::Skipped => None,
        }
    }

    /// The same with another answer to f32 operators.
    pub fn with_float_layers(self, float_layers: FloatLayers) -> Self {
        Self { float_layers, ..self }
    }

    /// The model that it was imported from.
    pub fn model(&self) -> Option<&Arc<ImportedModel>> {
        self.model.as_ref()
    }

    /// SHA-256 of the file, hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

fn reference(
    file: &SourceFile,
    raw: &RawEvaluation,
    network: &Network,
    folder: &Path,
) -> Result<EvaluationReference, SourceError> {
    let channels = network.image().shape.channels;
    let per_channel = |values: &Spanned<Vec<f64>>| -> Result<Vec<f32>, SourceError> {
        let narrowed: Vec<f32> = values.get_ref().iter().map(|&value| value as f32).collect();
        if narrowed.len() == channels && narrowed.iter().all(|value| value.is_finite()) {
            Ok(narrowed)
        } else {
            Err(file
                .error(values.span(), format!("expected one finite number per image channel ({channels})")))
        }
    };
    let (mean, std) = (per_channel(&raw.mean)?, per_channel(&raw.std)?);
    if std.iter().any(|&value| value <= 0.0) {
        return Err(file.error(raw.std.span(), "a standard deviation is greater than 0 in f32"));
    }
    Ok(EvaluationReference {
        path: folder.join(raw.set.get_ref()),
        normalization: Normalization { mean, std },
        predictions: raw.predictions.as_ref().map(|path| folder.join(path)),
    })
}

fn training_run(file: &SourceFile, raw: &RawTraining) -> Result<TrainingRun, SourceError> {
    let train_top1_percent = raw.train_top1_percent.as_ref().map(|top1| {
        let range = 0.0..=100.0;
        let inside = range.contains(top1.get_ref()).then_some(*top1.get_ref());
        inside.ok_or_else(|| file.error(top1.span(), "an accuracy in percent is 0 to 100"))
    });
    Ok(TrainingRun { seed: raw.seed, train_top1_percent: train_top1_percent.transpose()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPLICIT: &str = r#"
schema_version = 1
[input]
height = 8
width = 6
channels = 4
[[layer]]
name = "a"
conv2d = { out_channels = 6, kernel = [3, 1], stride = [2, 1], padding = { top = 1 }, groups = 2 }
activation = "relu"
[[layer]]
name = "b"
conv2d = { out_channels = 6, kernel = [1, 1] }
shortcut = "a"
[[layer]]
name = "c"
linear = { out_features = 3 }
[precision]
default = "w8a8"
"#;

    fn parse(text: &str) -> Result<Workload, SourceError> {
        Workload::parse(&SourceFile::embedded("n.toml", text))
    }

    #[test]
    fn explicit_layers_describe_a_network() {
        let workload = parse(EXPLICIT).unwrap();
        assert_eq!((workload.name(), workload.family(), workload.precision()), ("n", "n", "w8a8"));
        let shapes: Vec<_> = workload
            .network()
            .edges()
            .iter()
            .map(|edge| (edge.shape.height, edge.shape.width, edge.shape.channels))
            .collect();
        assert_eq!(shapes, [(8, 6, 4), (4, 6, 6), (4, 6, 6), (1, 1, 3)]);
    }

    #[test]
    fn wrong_networks_are_refused_with_their_place() {
        struct Case(&'static str, &'static str, &'static str);
        for Case(from, to, expected) in [
            Case(
                "schema_version = 1",
                "schema_version = 2",
                "n.toml:2:18: `schema_version`: expected schema_version = 1",
            ),
            Case("height = 8", "height = 0", "layer `image`: its output would have [0, 6, 4] elements"),
            Case(
                "height = 8",
                "height = -1",
                "n.toml:4:10: `input.height`: integer `-1`: expected a whole number from 0",
            ),
            Case(
                "shortcut = \"a\"",
                "shortcut = \"c\"",
                "n.toml:14:12: `layer[1].shortcut`: `c` is neither `image` nor an earlier layer",
            ),
            Case(
                "shortcut = \"a\"",
                "shortcut = \"image\"",
                "the shortcut `image` is 8×6×4, but the layer's output is 4×6×6",
            ),
            Case("groups = 2", "groups = 3", "groups = 3 must divide its 4 input and 6 output channels"),
            Case("kernel = [3, 1]", "kernel = [30, 1]", "a 30×1 kernel does not fit its padded 8×6 input"),
            Case("kernel = [3, 1]", "kernel = [0, 1]", "kernel, stride and dilation are 1 to 65536"),
            Case("name = \"b\"", "name = \"a\"", "names must be unique"),
            Case(
                "linear = {",
                "activation = \"relu\"\nglobal_average_pool = {} #",
                "are keys of convolution and linear layers",
            ),
            Case("linear = {", "relu = {", "`relu` as a layer of its own: not in this version"),
            Case(
                "linear = {",
                "max_pool = { kernel = [2, 2], stride = [2, 2], padding = { top = 2 } } #",
                "layer `c`: its padding must be less than its 2×2 kernel",
            ),
            Case(
                "linear = {",
                "max_pool = { kernel = [9, 2], stride = [2, 2] } #",
                "layer `c`: a 9×2 kernel does not fit its padded 4×6 input",
            ),
            Case("[input]", "arch_family = \"v1\"\n[input]", "leave this key out"),
            Case("w8a8", "w9a8", "unknown precision `w9a8`"),
            Case(
                "default = \"w8a8\"",
                "default = \"w8a8\"\nlayers = { z = \"w4a4\" }",
                "layer `z`: named in the precision policy",
            ),
            Case(
                "default = \"w8a8\"",
                "default = \"w8a8\"\nstore = \"per-consumer\"",
                "`per-consumer`: not in this version; expected `once`",
            ),
            Case("default = \"w8a8\"", "default = \"w8a8\"\nfoo = 1", "unknown key `foo`"),
            Case("[precision]", "[generator.resnet]\n[precision]", "missing key `depth`"),
        ] {
            assert!(EXPLICIT.contains(from), "{from}");
            let error = parse(&EXPLICIT.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(expected), "expected {expected:?} in:\n{error}");
        }
    }
}
