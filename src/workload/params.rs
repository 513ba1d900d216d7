//! A trace: the trained values of one network, checked against its static facts.

use std::path::{Path, PathBuf};

use half::bf16;

use crate::numerics::{FixedPointMultiplier, OperandFormat, OutputGrid, QuantizeLinear, RequantizationKind};
use crate::source::sha256_hex;
use crate::tensor::{Data, Tensor, TensorFile, TensorFileError};

use super::imported_params::ImportedParams;
use super::layer::{Convolution, Operation};
use super::network::{Network, QuantizerId};
use super::requantized_layer::{Factors, requantized_layer};

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
        let (mut layers, mut imported) = (Vec::new(), Vec::new());
        for layer in network.layers() {
            let (mut floats, mut integers) = (None, None);
            if let Operation::Convolution(convolution) = &layer.operation {
                let cin = network.edge(layer.input).shape.channels;
                let cout = network.edge(layer.output).shape.channels;
                let grid = network.output_grid(layer, convolution.activation);
                match convolution.requantization.zip(grid) {
                    Some((kind, grid)) => {
                        integers =
                            Some(reader.requantized(&layer.name, convolution, (kind, grid), cin, cout)?);
                    }
                    None => floats = Some(reader.layer(&layer.name, convolution, cin, cout)?),
                }
            }
            layers.push(floats);
            imported.push(integers);
        }
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
        Ok(Self { layers, scales, imported, image: None, sha256: sha256_hex(file.bytes()) })
    }

    /// Values that are in no file, one per layer and quantizer.
    pub(super) fn unread(
        layers: Vec<Option<LayerParams>>,
        imported: Vec<Option<ImportedParams>>,
        scales: Vec<f32>,
    ) -> Self {
        Self { layers, scales, imported, image: None, sha256: String::new() }
    }

    /// Values of an imported network: one entry per layer, and how the image is quantized if it is.
    pub(super) fn imported(
        imported: Vec<Option<ImportedParams>>,
        image: Option<(QuantizeLinear, f32)>,
        sha256: String,
    ) -> Self {
        Self { layers: vec![None; imported.len()], scales: vec![], imported, image, sha256 }
    }

    /// Values of the `index`-th layer of an imported network, or of a layer whose sums become integers in one
    /// step; None for other layers.
    pub fn imported_layer(&self, index: usize) -> Option<&ImportedParams> {
        self.imported.get(index)?.as_ref()
    }

    /// Grid and scale of an image that is stored in integers.
    pub fn image(&self) -> Option<(QuantizeLinear, f32)> {
        self.image
    }

    /// Values of the `index`-th layer whose sums become real numbers; None for other layers.
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

/// What a requantization wants of a trace, behind what is wrong with one.
fn because(error: ParamsError, kind: RequantizationKind) -> ParamsError {
    let ParamsError::Tensor { path, tensor, message } = error else { return error };
    let wants = match kind {
        RequantizationKind::F32Rne => "an integer `bias` and an f32 `multiplier`",
        RequantizationKind::GemmlowpDouble | RequantizationKind::TfliteSingle(_) => {
            "an integer `bias`, `multiplier` and `shift`"
        }
        RequantizationKind::PowerOfTwoShift(_) => "an integer `bias` and `shift`",
    };
    let message = format!(
        "{message}; `precision.requantization = \"{}\"` takes {wants} of this layer, `aqt-float` f32 ones",
        kind.name()
    );
    ParamsError::Tensor { path, tensor, message }
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
        let weights = self.weights(name, convolution, cin, cout)?;
        let multiplier = self.finite(&format!("{name}.multiplier"), cout)?;
        let bias = self.finite(&format!("{name}.bias"), cout)?;
        Ok(LayerParams { weights, multiplier, bias })
    }

    /// A layer whose sums become the integers of `grid` in one step.
    fn requantized(
        &mut self,
        name: &str,
        convolution: &Convolution,
        (kind, grid): (RequantizationKind, OutputGrid),
        cin: usize,
        cout: usize,
    ) -> Result<ImportedParams, ParamsError> {
        let weights = self.weights(name, convolution, cin, cout)?;
        let (bias, factors) =
            self.bias_and_factors(name, kind, cout).map_err(|error| because(error, kind))?;
        requantized_layer(weights, bias, kind, factors, grid)
            .ok_or_else(|| self.error(name, "its weights are no integers or its grid has no such limits"))
    }

    fn bias_and_factors(
        &mut self,
        name: &str,
        kind: RequantizationKind,
        cout: usize,
    ) -> Result<(Vec<i32>, Factors), ParamsError> {
        let bias = self.integers(&format!("{name}.bias"), cout)?;
        let (multiplier, shift) = (format!("{name}.multiplier"), format!("{name}.shift"));
        let factors = match kind {
            RequantizationKind::F32Rne => Factors::F32(self.finite(&multiplier, cout)?),
            RequantizationKind::GemmlowpDouble | RequantizationKind::TfliteSingle(_) => {
                let parts = self.integers(&multiplier, cout)?.into_iter().zip(self.integers(&shift, cout)?);
                let factor = |(index, (q31, shift))| {
                    let factor = i8::try_from(shift)
                        .ok()
                        .and_then(|shift| FixedPointMultiplier::from_parts(q31, shift));
                    factor.ok_or_else(|| {
                        let message = format!(
                            "element {index} is {q31} with shift {shift}; a factor is multiplier · 2^(shift − 31) with a \
                             multiplier from 0 to 2^31 − 1 and a shift from −31 to 30"
                        );
                        self.error(&multiplier, message)
                    })
                };
                Factors::FixedPoint(parts.enumerate().map(factor).collect::<Result<_, _>>()?)
            }
            RequantizationKind::PowerOfTwoShift(_) => {
                let shifts = self.integers(&shift, cout)?;
                let right = |(index, right): (usize, i32)| {
                    let shift_right = u8::try_from(right).ok().filter(|right| *right <= 31);
                    shift_right.ok_or_else(|| {
                        self.error(&shift, format!("element {index} is {right}; expected 0 to 31"))
                    })
                };
                Factors::Shifts(shifts.into_iter().enumerate().map(right).collect::<Result<_, _>>()?)
            }
        };
        Ok((bias, factors))
    }

    /// Integers in any carrier.
    fn integers(&mut self, name: &str, length: usize) -> Result<Vec<i32>, ParamsError> {
        match self.tensor(name, &[&[length]])?.data().clone() {
            Data::I32(values) => Ok(values),
            Data::I8(values) => Ok(values.into_iter().map(i32::from).collect()),
            Data::U8(values) => Ok(values.into_iter().map(i32::from).collect()),
            other => {
                let message = format!("has type {}; expected I32, I8 or U8", other.element_type());
                Err(self.error(name, message))
            }
        }
    }

    fn weights(
        &mut self,
        name: &str,
        convolution: &Convolution,
        cin: usize,
        cout: usize,
    ) -> Result<Weights, ParamsError> {
        let kernel = convolution.window.kernel;
        let weight_name = format!("{name}.weight");
        let shape = [cout, kernel.height, kernel.width, cin / convolution.groups];
        let tensor = self.tensor(&weight_name, &[&shape])?.clone();
        match (convolution.weight_format(), tensor.data()) {
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
                Ok(Weights::Integer(values.clone()))
            }
            (OperandFormat::Bf16, Data::Bf16(values)) => Ok(Weights::Bf16(values.clone())),
            (format, data) => {
                let carrier = if format == OperandFormat::Bf16 { "BF16" } else { "I8" };
                let message =
                    format!("has type {}; {format} weights are stored as {carrier}", data.element_type());
                Err(self.error(&weight_name, message))
            }
        }
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
            Data::I32(_) => {
                let message =
                    "has type I32; expected F32, or another `precision.requantization` than `aqt-float`";
                Err(self.error(name, message))
            }
            other => Err(self.error(name, format!("has type {}; expected F32", other.element_type()))),
        }
    }
}
