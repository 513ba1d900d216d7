//! Reading `.safetensors` files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use half::bf16;
use safetensors::{Dtype, SafeTensors};

use super::element::{Data, Tensor};

/// Larger files are refused before they are read.
const MAX_FILE_BYTES: u64 = 4 << 30;

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
    /// Not safetensors, or truncated.
    #[error("{}: not a complete safetensors file: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
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

    /// Parses a file's content; `path` is for messages.
    pub fn parse(path: &Path, bytes: Vec<u8>) -> Result<Self, TensorFileError> {
        let malformed = |error: safetensors::SafeTensorError| TensorFileError::Malformed {
            path: path.to_owned(),
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

    /// A metadata entry.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
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
