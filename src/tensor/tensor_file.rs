//! Files of named tensors: `.safetensors`, read and written, and numpy's `.npz` and `.npy`, read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use half::bf16;
use half::slice::HalfFloatSliceExt as _;
use safetensors::{Dtype, SafeTensors, View};

use super::element::{Data, Tensor};
use super::numpy_file::{NPY_MAGIC, NPZ_MAGIC, parse_npy, parse_npz};

/// Larger files are refused before they are read.
pub(super) const MAX_FILE_BYTES: u64 = 4 << 30;

/// Why a tensor file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TensorFileError {
    /// Missing, unreadable, or not a regular file.
    #[error("{}: cannot read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Larger than systolab accepts.
    #[error("{}: {bytes} bytes; at most {MAX_FILE_BYTES} are accepted", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// Not what its first bytes promise, or truncated.
    #[error("{}: not a complete {format} file: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it was read as.
        format: &'static str,
        /// What the format's reader says.
        reason: String,
    },
    /// An element type outside [`ElementType`](super::ElementType).
    #[error("{}: tensor `{tensor}` has type {found}; expected I8, U8, U16, I32, BF16 or F32", path.display())]
    ElementType {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Its type.
        found: String,
    },
}

/// All tensors of one file, by name, with the file's metadata.
#[derive(Clone, Debug)]
pub struct TensorFile {
    path: PathBuf,
    bytes: Vec<u8>,
    tensors: BTreeMap<String, Tensor>,
    metadata: BTreeMap<String, String>,
}

impl TensorFile {
    /// Reads a whole file.
    pub fn read(path: &Path) -> Result<Self, TensorFileError> {
        let read_error = |source| TensorFileError::Read { path: path.to_owned(), source };
        let size = std::fs::metadata(path).map_err(read_error)?.len();
        if size > MAX_FILE_BYTES {
            return Err(TensorFileError::TooLarge { path: path.to_owned(), bytes: size });
        }
        Self::parse(path, std::fs::read(path).map_err(read_error)?)
    }

    /// Parses a file's content, whose first bytes tell its format; `path` is for messages, and its stem
    /// names the one array of a `.npy` file.
    pub fn parse(path: &Path, bytes: Vec<u8>) -> Result<Self, TensorFileError> {
        let tensors = if bytes.starts_with(NPY_MAGIC) {
            let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
            BTreeMap::from([(name.clone(), parse_npy(path, &name, &bytes)?)])
        } else if NPZ_MAGIC.iter().any(|magic| bytes.starts_with(magic)) {
            parse_npz(path, &bytes)?
        } else {
            return Self::parse_safetensors(path, bytes);
        };
        Ok(Self { path: path.to_owned(), bytes, tensors, metadata: BTreeMap::new() })
    }

    fn parse_safetensors(path: &Path, bytes: Vec<u8>) -> Result<Self, TensorFileError> {
        let malformed = |error: safetensors::SafeTensorError| TensorFileError::Malformed {
            path: path.to_owned(),
            format: "safetensors",
            reason: error.to_string(),
        };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(malformed)?;
        let metadata =
            header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
        let file = SafeTensors::deserialize(&bytes).map_err(malformed)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.iter() {
            let data = match view.dtype() {
                Dtype::I8 => Data::I8(view.data().iter().map(|&byte| byte.cast_signed()).collect()),
                Dtype::U8 => Data::U8(view.data().to_vec()),
                Dtype::U16 => Data::U16(elements(view.data(), u16::from_le_bytes)),
                Dtype::I32 => Data::I32(elements(view.data(), i32::from_le_bytes)),
                Dtype::BF16 => Data::Bf16(elements(view.data(), bf16::from_le_bytes)),
                Dtype::F32 => Data::F32(elements(view.data(), f32::from_le_bytes)),
                other => {
                    return Err(TensorFileError::ElementType {
                        path: path.to_owned(),
                        tensor: name.to_owned(),
                        found: format!("{other:?}"),
                    });
                }
            };
            let tensor =
                Tensor::new(view.shape().to_vec(), data).ok_or_else(|| TensorFileError::Malformed {
                    path: path.to_owned(),
                    format: "safetensors",
                    reason: format!("tensor `{name}` has another number of elements than its shape"),
                })?;
            tensors.insert(name.to_owned(), tensor);
        }
        Ok(Self { path: path.to_owned(), tensors, metadata, bytes })
    }

    /// Where it was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's content, for checksums.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A tensor by name.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// All tensors with their names, sorted.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    /// A metadata entry.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }
}

/// A `.safetensors` file of these tensors with one metadata entry. The same bytes for the same content.
pub fn safetensors_bytes(
    tensors: &BTreeMap<String, Tensor>,
    (key, value): (&str, &str),
) -> Result<Vec<u8>, safetensors::SafeTensorError> {
    let metadata = std::iter::once((key.to_owned(), value.to_owned())).collect();
    safetensors::serialize(tensors, Some(metadata))
}

impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        match Tensor::data(self) {
            Data::I8(_) => Dtype::I8,
            Data::U8(_) => Dtype::U8,
            Data::U16(_) => Dtype::U16,
            Data::I32(_) => Dtype::I32,
            Data::Bf16(_) => Dtype::BF16,
            Data::F32(_) => Dtype::F32,
        }
    }

    fn shape(&self) -> &[usize] {
        Tensor::shape(self)
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match Tensor::data(self) {
            Data::I8(values) => values.iter().map(|value| value.cast_unsigned()).collect(),
            Data::U8(values) => values.into(),
            Data::U16(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Data::I32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Data::Bf16(values) => {
                values.reinterpret_cast().iter().flat_map(|value| value.to_le_bytes()).collect()
            }
            Data::F32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }

    fn data_len(&self) -> usize {
        Tensor::data(self).len() * Tensor::data(self).element_type().bytes()
    }
}

fn elements<const N: usize, T>(bytes: &[u8], from_le_bytes: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| from_le_bytes(*chunk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;

    fn file(dtype: Dtype, shape: Vec<usize>, data: &[u8]) -> Vec<u8> {
        let view = TensorView::new(dtype, shape, data).unwrap();
        safetensors::serialize([("x", view)], None).unwrap()
    }

    #[test]
    fn every_element_type_is_read_as_written() {
        let read = |dtype, shape, data: &[u8]| {
            TensorFile::parse(Path::new("f"), file(dtype, shape, data)).unwrap().tensor("x").unwrap().clone()
        };
        assert_eq!(read(Dtype::I8, vec![2], &[255, 7]).data(), &Data::I8(vec![-1, 7]));
        assert_eq!(read(Dtype::I32, vec![1], &(-5i32).to_le_bytes()).data(), &Data::I32(vec![-5]));
        assert_eq!(read(Dtype::BF16, vec![1, 1], &[0x80, 0x3f]).data(), &Data::Bf16(vec![bf16::ONE]));
        assert_eq!(read(Dtype::F32, vec![], &1.5f32.to_le_bytes()).data(), &Data::F32(vec![1.5]));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let tensors: BTreeMap<String, Tensor> = [
            Data::I8(vec![-1, 7]),
            Data::U8(vec![255, 7]),
            Data::U16(vec![65_535, 1]),
            Data::I32(vec![i32::MIN, 1]),
            Data::Bf16(vec![bf16::NEG_ONE, bf16::MAX]),
            Data::F32(vec![-0.0, f32::MAX]),
        ]
        .into_iter()
        .map(|data| (data.element_type().to_string(), Tensor::new(vec![1, 2], data).unwrap()))
        .collect();
        let bytes = safetensors_bytes(&tensors, ("key", "value")).unwrap();
        let file = TensorFile::parse(Path::new("f"), bytes).unwrap();
        assert_eq!(file.tensors(), &tensors);
        assert_eq!(file.metadata("key"), Some("value"));
    }

    #[test]
    fn truncated_and_foreign_files_are_refused() {
        let whole = file(Dtype::F32, vec![4], &[0; 16]);
        for bytes in [&whole[..whole.len() - 1], &whole[..4], b"", b"not a tensor file at all", &[0xff; 64]] {
            let error = TensorFile::parse(Path::new("f"), bytes.to_vec()).unwrap_err();
            assert!(matches!(error, TensorFileError::Malformed { .. }), "{error}");
        }
        let error = TensorFile::parse(Path::new("f"), file(Dtype::F64, vec![1], &[0; 8])).unwrap_err();
        assert_eq!(error.to_string(), "f: tensor `x` has type F64; expected I8, U8, U16, I32, BF16 or F32");
    }
}
