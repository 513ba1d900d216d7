//! Images to execute: from an evaluation set, from a file of the user's, or synthetic.

use std::ops::Range;
use std::sync::Arc;

use crate::source::sha256_hex;
use crate::tensor::{Data, Tensor, TensorFile};

use super::evaluation_set::{EvaluationSet, EvaluationSetError, Normalization};
use super::layer::FeatureMap;
use super::network::Network;
use super::onnx::ImportedModel;
use super::synthetic::synthetic_image;

/// Normalized images, each with its class where it is known.
#[derive(Clone, Debug)]
pub struct Samples {
    images: Images,
    count: usize,
    /// Of one image.
    elements: usize,
    labels: Option<Vec<u16>>,
    first: usize,
    source: String,
    sha256: String,
}

#[derive(Clone, Debug)]
enum Images {
    Set(Arc<EvaluationSet>, Normalization),
    Pixels(Vec<u8>, Normalization),
    Ready(Vec<f32>),
}

impl Samples {
    /// Some images of an evaluation set; None when there are none in `range` or not so many in the set.
    pub fn of_set(
        set: &Arc<EvaluationSet>,
        normalization: &Normalization,
        range: Range<usize>,
    ) -> Option<Self> {
        if range.is_empty() || range.end > set.len() {
            return None;
        }
        Some(Self {
            count: range.len(),
            elements: set.image(0).len(),
            labels: Some(range.clone().map(|index| set.label(index)).collect()),
            first: range.start,
            source: set.name().to_owned(),
            sha256: set.sha256().to_owned(),
            images: Images::Set(Arc::clone(set), normalization.clone()),
        })
    }

    /// Images of a file: `images` (or its only tensor), NHWC, as U8 pixels, which need the network file's
    /// normalization, or as F32 ready for the network. `labels`, U8, U16 or I32, are optional.
    pub fn from_file(
        file: &TensorFile,
        network: &Network,
        normalization: Option<&Normalization>,
    ) -> Result<Self, EvaluationSetError> {
        let fail = |message: String| EvaluationSetError::Content { path: file.path().to_owned(), message };
        let only = file.tensors().values().next().filter(|_| file.tensors().len() == 1);
        let tensor = file.tensor("images").or(only).ok_or_else(|| {
            let names: Vec<&str> = file.names().collect();
            fail(format!("tensor `images` is missing; the file has: {}", names.join(", ")))
        })?;
        let FeatureMap { height, width, channels } = network.image().shape;
        let count = match *tensor.shape() {
            [count, h, w, c] if (h, w, c) == (height, width, channels) && count > 0 => count,
            ref other => {
                return Err(fail(format!(
                    "`images` has shape {other:?}; the network needs [n, {height}, {width}, {channels}] with n from 1"
                )));
            }
        };
        let images = match (tensor.data(), normalization) {
            (Data::F32(values), _) => Images::Ready(values.clone()),
            (Data::U8(pixels), Some(normalization)) => Images::Pixels(pixels.clone(), normalization.clone()),
            (Data::U8(_), None) => {
                return Err(fail(
                    "`images` are U8 pixels, and the network file has no `[evaluation]` that says how to normalize them; expected F32"
                        .to_owned(),
                ));
            }
            (other, _) => {
                return Err(fail(format!("`images` has type {}; expected U8 or F32", other.element_type())));
            }
        };
        let classes = network.output().shape.elements();
        let labels =
            file.tensor("labels").map(|tensor| labels(tensor, count, classes)).transpose().map_err(fail)?;
        let source =
            file.path().file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let (elements, sha256) = (network.image().shape.elements(), sha256_hex(file.bytes()));
        Ok(Self { images, count, elements, labels, first: 0, source, sha256 })
    }

    /// Inputs of an imported model from a file: the tensor of the model's input name (or its only one), in
    /// the model's shape with any batch; F32, or I8 or U8 where the model takes integers.
    pub fn of_model(file: &TensorFile, model: &ImportedModel) -> Result<Self, EvaluationSetError> {
        let fail = |message: String| EvaluationSetError::Content { path: file.path().to_owned(), message };
        let input = model.input();
        let only = file.tensors().values().next().filter(|_| file.tensors().len() == 1);
        let tensor = file.tensor(&input.name).or(only).ok_or_else(|| {
            let names: Vec<&str> = file.names().collect();
            fail(format!("tensor `{}` is missing; the file has: {}", input.name, names.join(", ")))
        })?;
        let elements = model.network().image().shape.elements();
        let found = tensor.shape();
        // A matrix is one input with all its rows.
        let rows = input.dims.len() == 2 && input.dims[0] > 1;
        let fits = if rows { found == input.dims } else { found.get(1..) == Some(&input.dims[1..]) };
        if !fits || tensor.data().is_empty() {
            let shape =
                if rows { format!("{:?}", input.dims) } else { format!("[n, …] of {:?}", input.dims) };
            return Err(fail(format!("`{}` has shape {found:?}; the model takes {shape}", input.name)));
        }
        let values: Vec<f32> = match (tensor.data(), model.takes_integers()) {
            (Data::F32(values), false) => values.clone(),
            (Data::I8(values), true) => values.iter().copied().map(f32::from).collect(),
            (Data::U8(values), true) => values.iter().copied().map(f32::from).collect(),
            (other, integers) => {
                return Err(fail(format!(
                    "`{}` has type {}; expected {}",
                    input.name,
                    other.element_type(),
                    if integers { "I8 or U8, as the model takes them" } else { "F32" }
                )));
            }
        };
        let images: Option<Vec<Vec<f32>>> =
            values.chunks_exact(elements).map(|image| model.image(image)).collect();
        let images = images.unwrap_or_default().concat();
        let source =
            file.path().file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(Self {
            count: images.len() / elements,
            images: Images::Ready(images),
            elements,
            labels: None,
            first: 0,
            source,
            sha256: sha256_hex(file.bytes()),
        })
    }

    /// One synthetic image.
    pub fn synthetic(network: &Network, seed: u64) -> Self {
        Self {
            images: Images::Ready(synthetic_image(network, seed)),
            count: 1,
            elements: network.image().shape.elements(),
            labels: None,
            first: 0,
            source: format!("synthetic, seed {seed}"),
            sha256: String::new(),
        }
    }

    /// Where they are from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// SHA-256 of their file, hexadecimal; empty for a synthetic image.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Position of the first in its evaluation set.
    pub fn first(&self) -> usize {
        self.first
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no image; never true.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// One image as the network takes it, NHWC.
    pub fn image(&self, index: usize) -> Vec<f32> {
        let range = index * self.elements..(index + 1) * self.elements;
        match &self.images {
            Images::Set(set, normalization) => normalization.apply(set.image(self.first + index)),
            Images::Pixels(pixels, normalization) => normalization.apply(&pixels[range]),
            Images::Ready(values) => values[range].to_vec(),
        }
    }

    /// Classes, one per image, where they are known.
    pub fn labels(&self) -> Option<&[u16]> {
        self.labels.as_deref()
    }
}

fn labels(tensor: &Tensor, count: usize, classes: usize) -> Result<Vec<u16>, String> {
    if tensor.shape() != [count] {
        return Err(format!("`labels` has shape {:?}; expected [{count}], one per image", tensor.shape()));
    }
    let wide: Vec<i64> = match tensor.data() {
        Data::U8(values) => values.iter().copied().map(i64::from).collect(),
        Data::U16(values) => values.iter().copied().map(i64::from).collect(),
        Data::I32(values) => values.iter().copied().map(i64::from).collect(),
        other => {
            return Err(format!("`labels` has type {}; expected U8, U16 or I32", other.element_type()));
        }
    };
    let label = |(index, label)| {
        let class = u16::try_from(label).ok().filter(|&class| usize::from(class) < classes);
        class.ok_or_else(|| format!("label {index} is {label}; the network has {classes} classes"))
    };
    wide.into_iter().enumerate().map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceFile;
    use crate::tensor::safetensors_bytes;
    use crate::workload::Workload;
    use std::collections::BTreeMap;
    use std::path::Path;

    const NETWORK: &str = r#"
schema_version = 1
input = { height = 1, width = 2, channels = 1 }
[[layer]]
name = "a"
linear = { out_features = 3 }
[precision]
default = "w8a8"
"#;

    fn samples(
        tensors: &[(&str, Vec<usize>, Data)],
        normalization: Option<&Normalization>,
    ) -> Result<Samples, String> {
        let workload = Workload::parse(&SourceFile::embedded("n.toml", NETWORK)).unwrap();
        let tensors: BTreeMap<String, Tensor> = tensors
            .iter()
            .map(|(name, shape, data)| {
                ((*name).to_owned(), Tensor::new(shape.clone(), data.clone()).unwrap())
            })
            .collect();
        let bytes = safetensors_bytes(&tensors, ("", "")).unwrap();
        let file = TensorFile::parse(Path::new("f"), bytes).unwrap();
        Samples::from_file(&file, workload.network(), normalization).map_err(|error| error.to_string())
    }

    #[test]
    fn pixels_are_normalized_and_ready_images_are_taken_as_they_are() {
        let normalization = Normalization { mean: vec![1.0], std: vec![2.0] };
        let pixels = ("images", vec![2, 1, 2, 1], Data::U8(vec![1, 3, 5, 7]));
        let read = samples(std::slice::from_ref(&pixels), Some(&normalization)).unwrap();
        assert_eq!((read.len(), read.image(1), read.labels()), (2, vec![2.0, 3.0], None));
        let ready = ("x", vec![1, 1, 2, 1], Data::F32(vec![0.1, -0.0]));
        assert_eq!(samples(&[ready], None).unwrap().image(0), [0.1, -0.0]);
        let labels = ("labels", vec![2], Data::I32(vec![2, 0]));
        let read = samples(&[pixels.clone(), labels], Some(&normalization)).unwrap();
        assert_eq!(read.labels(), Some(&[2, 0][..]));
        assert!(samples(&[pixels], None).unwrap_err().contains("how to normalize"));
    }

    #[test]
    fn other_images_and_labels_are_refused() {
        let images = |shape: Vec<usize>| {
            let elements = shape.iter().product();
            ("images", shape, Data::F32(vec![0.0; elements]))
        };
        let label = |labels: Vec<i32>| ("labels", vec![labels.len()], Data::I32(labels));
        for (tensors, message) in [
            (vec![images(vec![0, 1, 2, 1])], "n from 1"),
            (vec![images(vec![1, 2])], "has shape [1, 2]"),
            (vec![images(vec![1, 1, 2, 1]), label(vec![1, 1])], "expected [1]"),
            (vec![images(vec![1, 1, 2, 1]), label(vec![3])], "label 0 is 3; the network has 3"),
            (vec![images(vec![1, 1, 2, 1]), label(vec![-1])], "label 0 is -1"),
            (vec![("a", vec![1], Data::U8(vec![1])), ("b", vec![], Data::U8(vec![1]))], "the file has: a, b"),
            (vec![("images", vec![1, 1, 2, 1], Data::I8(vec![0; 2]))], "has type I8"),
        ] {
            let error = samples(&tensors, None).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }
}
