//! Labelled images shared by many networks.

use std::path::{Path, PathBuf};

use crate::source::sha256_hex;
use crate::tensor::{Data, TensorFile, TensorFileError};

use super::layer::FeatureMap;

/// How pixels become the network's input: (f32(u8) − mean) / std per channel, in IEEE f32.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalization {
    /// Per channel.
    pub mean: Vec<f32>,
    /// Per channel, greater than 0.
    pub std: Vec<f32>,
}

/// Labelled images of one shape.
#[derive(Clone, Debug)]
pub struct EvaluationSet {
    name: String,
    shape: FeatureMap,
    images: Vec<u8>,
    labels: Vec<u16>,
    sha256: String,
}

/// Why a file is not an evaluation set for a network.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationSetError {
    /// The file itself is unusable.
    #[error(transparent)]
    File(#[from] TensorFileError),
    /// Not an evaluation set.
    #[error("{}: {message}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong and what would be accepted.
        message: String,
    },
}

impl EvaluationSet {
    /// Reads an evaluation set whose images have the shape of the network's input and whose labels are
    /// below `classes`.
    pub fn read(path: &Path, image: FeatureMap, classes: usize) -> Result<Self, EvaluationSetError> {
        Self::from_file(&TensorFile::read(path)?, image, classes)
    }

    /// Checks a file that is already in memory.
    pub fn from_file(
        file: &TensorFile,
        image: FeatureMap,
        classes: usize,
    ) -> Result<Self, EvaluationSetError> {
        let fail = |message: String| EvaluationSetError::Content { path: file.path().to_owned(), message };
        let tensor = |name: &str| {
            file.tensor(name).ok_or_else(|| {
                fail(format!("tensor `{name}` is missing; an evaluation set has `images` and `labels`"))
            })
        };
        let images = tensor("images")?;
        let Data::U8(pixels) = images.data() else {
            return Err(fail(format!("`images` has type {}; expected U8", images.data().element_type())));
        };
        let FeatureMap { height, width, channels } = image;
        let count = match *images.shape() {
            [count, h, w, c] if (h, w, c) == (height, width, channels) && count > 0 => count,
            ref other => {
                return Err(fail(format!(
                    "`images` has shape {other:?}; the network needs [n, {height}, {width}, {channels}] with n from 1"
                )));
            }
        };
        let labels = tensor("labels")?;
        let values: Vec<u16> = match labels.data() {
            Data::U8(values) => values.iter().map(|&label| u16::from(label)).collect(),
            Data::U16(values) => values.clone(),
            other => {
                return Err(fail(format!("`labels` has type {}; expected U8 or U16", other.element_type())));
            }
        };
        if labels.shape() != [count] {
            return Err(fail(format!(
                "`labels` has shape {:?}; expected [{count}], one per image",
                labels.shape()
            )));
        }
        if let Some(index) = values.iter().position(|&label| usize::from(label) >= classes) {
            return Err(fail(format!(
                "label {index} is {}; the network has {classes} classes",
                values[index]
            )));
        }
        let name = file.metadata("name").map_or_else(
            || file.path().file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned()),
            str::to_owned,
        );
        Ok(Self {
            name,
            shape: image,
            images: pixels.clone(),
            labels: values,
            sha256: sha256_hex(file.bytes()),
        })
    }

    /// Reads another program's predicted classes of these images: one byte per image, in order.
    pub fn read_predictions(&self, path: &Path) -> Result<Vec<u16>, EvaluationSetError> {
        let fail = |message: String| EvaluationSetError::Content { path: path.to_owned(), message };
        let bytes = std::fs::read(path).map_err(|error| fail(format!("cannot read: {error}")))?;
        if bytes.len() != self.len() {
            return Err(fail(format!(
                "{} bytes; expected {}, one predicted class per image",
                bytes.len(),
                self.len()
            )));
        }
        Ok(bytes.into_iter().map(u16::from).collect())
    }

    /// The set's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a network with this input and so many outputs can use the set.
    pub fn fits(&self, image: FeatureMap, classes: usize) -> bool {
        self.shape == image && self.labels.iter().all(|&label| usize::from(label) < classes)
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image; never true of a set that was read.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Pixels of one image, NHWC.
    pub fn image(&self, index: usize) -> &[u8] {
        let elements = self.shape.elements();
        &self.images[index * elements..(index + 1) * elements]
    }

    /// Class of one image.
    pub fn label(&self, index: usize) -> u16 {
        self.labels[index]
    }

    /// SHA-256 of the file, hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

impl Normalization {
    /// The network's input of an image in NHWC order.
    pub fn apply(&self, pixels: &[u8]) -> Vec<f32> {
        let channels = self.mean.len();
        pixels
            .iter()
            .enumerate()
            .map(|(index, &pixel)| {
                (f32::from(pixel) - self.mean[index % channels]) / self.std[index % channels]
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_normalized_per_channel_in_f32() {
        let normalization = Normalization { mean: vec![10.0, 0.0], std: vec![3.0, 255.0] };
        assert_eq!(normalization.apply(&[11, 255, 0, 51]), [1.0 / 3.0, 1.0, -10.0 / 3.0, 0.2]);
    }
}
