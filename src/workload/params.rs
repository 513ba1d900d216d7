//! A trace: the trained values of one network, checked against its static facts.

use std::path::{Path, PathBuf};

use half::bf16;

use crate::numerics::{OperandFormat, QuantizeLinear};
use crate::source::sha256_hex;
use crate::tensor::{Data, Tensor, TensorFile, TensorFileError};

use super::imported_params::ImportedParams;
use super::layer::{Convolution, Operation};
use super::network::{Network, QuantizerId};

/// Weights in the order [cout, kh, kw, cin/groups].
#[derive(Clone, Debug, PartialEq)]
pub enum Weights {
    /// Signed integers in 8-bit carriers.
    Integer(Vec<i8>),
    /// bfloat16.
    Bf16(Vec<bf16>),
}

/// Values of one convolution or linear layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerParams {
    /// Weights, [cout, kh, kw, cin/groups].
    pub weights: Weights,
    /// f32(acc) is multiplied by this, per output channel.
    pub multiplier: Vec<f32>,
    /// Then this is added, per output channel.
    pub bias: Vec<f32>,
}

/// All values of a network, trained or synthetic.
#[derive(Clone, Debug)]
pub struct Params {
    layers: Vec<Option<LayerParams>>,
    scales: Vec<f32>,
    imported: Vec<Option<ImportedParams>>,
    image: Option<(QuantizeLinear, f32)>,
    sha256: String,
}

/// Why a trace does not belong to its network.
#[derive(Debug, thiserror::Error)]
pub enum ParamsError {
    /// The file itself is unusable.
    #[error(transparent)]
    File(#[from] TensorFileError),
    /// A tensor is missing, superfluous, or not what the network needs.
    #[error("{}: tensor `{tensor}`: {message}", path.display())]
    Tensor {
        /// The trace.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What is wrong and what would be accepted.
        message: String,
    },
}

impl Params {
    /// Reads a trace and checks every tensor's name, type, shape and range.
    pub fn read(path: &Path, network: &Network) -> Result<Self, ParamsError> {
        Self::from_file(&TensorFile::read(path)?, network)
    }

    /// Checks a trace that is already in memory.
    pub fn from_file(file: &TensorFile, network: &Network) -> Result<Self, ParamsError> {
        let mut reader = Reader { file, expected: Vec::new() };
        let layers = network
            .layers()
            .iter()
            .map(|layer| match &layer.operation {
                Operation::Convolution(convolution) => {
                    let cin = network.edge(layer.input).shape.channels;
                    let cout = network.edge(layer.output).shape.channels;
                    reader.layer(&layer.name, convolution, cin, cout).map(Some)
                }
                _ => Ok(None),
            })
            .collect::<Result<_, _>>()?;
        let scales = network
            .quantizers()
            .iter()
            .map(|quantizer| reader.scale(&quantizer.name))
            .collect::<Result<_, _>>()?;
        if let Some(other) =
            file.names().find(|name| !reader.expected.iter().any(|expected| expected == name))
        {
            return Err(reader.error(
                other,
                "the network has no use for it; a trace holds nothing else than its network's tensors",
            ));
        }
        Ok(Self { layers, scales, imported: vec![], image: None, sha256: sha256_hex(file.bytes()) })
    }

    /// Values that are in no file, one per layer and quantizer.
    pub(super) fn unread(layers: Vec<Option<LayerParams>>, scales: Vec<f32>) -> Self {
        Self { layers, scales, imported: vec![], image: None, sha256: String::new() }
    }

    /// Values of an imported network: one entry per layer, and how the image is quantized if it is.
    pub(super) fn imported(
        imported: Vec<Option<ImportedParams>>,
        image: Option<(QuantizeLinear, f32)>,
        sha256: String,
    ) -> Self {
        Self { layers: vec![None; imported.len()], scales: vec![], imported, image, sha256 }
    }

    /// Values of the `index`-th layer of an imported network; None for layers without parameters.
    pub fn imported_layer(&self, index: usize) -> Option<&ImportedParams> {
        self.imported.get(index)?.as_ref()
    }

    /// Grid and scale of an image that is stored in integers.
    pub fn image(&self) -> Option<(QuantizeLinear, f32)> {
        self.image
    }

    /// Values of the `index`-th layer; None for layers without parameters.
    pub fn layer(&self, index: usize) -> Option<&LayerParams> {
        self.layers[index].as_ref()
    }

    /// A quantizer's scale.
    pub fn scale(&self, quantizer: QuantizerId) -> f32 {
        self.scales[quantizer.index()]
    }

    /// SHA-256 of the trace, hexadecimal; empty for synthetic values.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

struct Reader<'a> {
    file: &'a TensorFile,
    expected: Vec<String>,
}

impl Reader<'_> {
    fn error(&self, tensor: &str, message: impl Into<String>) -> ParamsError {
        ParamsError::Tensor {
            path: self.file.path().to_owned(),
            tensor: tensor.to_owned(),
            message: message.into(),
        }
    }

    fn tensor(&mut self, name: &str, shapes: &[&[usize]]) -> Result<&Tensor, ParamsError> {
        self.expected.push(name.to_owned());
        let tensor = self.file.tensor(name).ok_or_else(|| self.error(name, "missing"))?;
        if shapes.contains(&tensor.shape()) {
            return Ok(tensor);
        }
        let accepted: Vec<String> = shapes.iter().map(|shape| format!("{shape:?}")).collect();
        Err(self.error(name, format!("has shape {:?}; expected {}", tensor.shape(), accepted.join(" or "))))
    }

    fn layer(
        &mut self,
        name: &str,
        convolution: &Convolution,
        cin: usize,
        cout: usize,
    ) -> Result<LayerParams, ParamsError> {
        let kernel = convolution.window.kernel;
        let weight_name = format!("{name}.weight");
        let shape = [cout, kernel.height, kernel.width, cin / convolution.groups];
        let tensor = self.tensor(&weight_name, &[&shape])?.clone();
        let weights = match (convolution.weight_format(), tensor.data()) {
            (OperandFormat::Integer(format), Data::I8(values)) => {
                let range = format.min()..=format.max();
                if let Some(index) = values.iter().position(|&value| !range.contains(&i32::from(value))) {
                    let message = format!(
                        "element {index} is {}; {format} holds {} to {}",
                        values[index],
                        format.min(),
                        format.max()
                    );
                    return Err(self.error(&weight_name, message));
                }
                Weights::Integer(values.clone())
            }
            (OperandFormat::Bf16, Data::Bf16(values)) => Weights::Bf16(values.clone()),
            (format, data) => {
                let carrier = if format == OperandFormat::Bf16 { "BF16" } else { "I8" };
                let message =
                    format!("has type {}; {format} weights are stored as {carrier}", data.element_type());
                return Err(self.error(&weight_name, message));
            }
        };
        let multiplier = self.finite(&format!("{name}.multiplier"), cout)?;
        let bias = self.finite(&format!("{name}.bias"), cout)?;
        Ok(LayerParams { weights, multiplier, bias })
    }

    fn finite(&mut self, name: &str, length: usize) -> Result<Vec<f32>, ParamsError> {
        let values = self.f32_values(name, &[&[length]])?;
        match values.iter().position(|value| !value.is_finite()) {
            Some(index) => {
                Err(self
                    .error(name, format!("element {index} is {}; expected finite numbers", values[index])))
            }
            None => Ok(values),
        }
    }

    fn scale(&mut self, quantizer: &str) -> Result<f32, ParamsError> {
        let name = format!("{quantizer}.scale");
        let scale = self.f32_values(&name, &[&[1], &[]])?[0];
        if scale.is_finite() && scale > 0.0 {
            return Ok(scale);
        }
        Err(self.error(&name, format!("is {scale}; a scale is finite and greater than 0")))
    }

    fn f32_values(&mut self, name: &str, shapes: &[&[usize]]) -> Result<Vec<f32>, ParamsError> {
        let data = self.tensor(name, shapes)?.data().clone();
        match data {
            Data::F32(values) => Ok(values),
            other => Err(self.error(name, format!("has type {}; expected F32", other.element_type()))),
        }
    }
}
