//! Files and tensors: bounded, and external data from the model's folder only.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Component, Path};

use rten_onnx::onnx::{DataLocation, DataType, TensorProto};

use crate::numerics::{IntegerFormat, Signedness};

use super::super::network::MAX_ELEMENTS;
use super::ImportError;

/// Larger model files are refused before they are read.
const MAX_MODEL_BYTES: u64 = 2 << 30;
/// Dimensions of a tensor.
const MAX_RANK: usize = 8;

/// A constant's elements.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Values {
    F32(Vec<f32>),
    /// At most 8 bits, in their format.
    Integer(IntegerFormat, Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
}

/// A tensor that is known when the model is read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Constant {
    pub(super) dims: Vec<usize>,
    pub(super) values: Values,
}

impl Constant {
    pub(super) fn floats(&self) -> Option<&[f32]> {
        match &self.values {
            Values::F32(values) => Some(values),
            _ => None,
        }
    }

    /// Integers of any width.
    pub(super) fn integers(&self) -> Option<Vec<i64>> {
        match &self.values {
            Values::F32(_) => None,
            Values::Integer(_, values) => Some(values.iter().map(|&value| i64::from(value)).collect()),
            Values::I32(values) => Some(values.iter().map(|&value| i64::from(value)).collect()),
            Values::I64(values) => Some(values.clone()),
        }
    }

    pub(super) fn type_name(&self) -> String {
        match &self.values {
            Values::F32(_) => "float".to_owned(),
            Values::Integer(format, _) => format.to_string(),
            Values::I32(_) => "int32".to_owned(),
            Values::I64(_) => "int64".to_owned(),
        }
    }
}

/// The whole file.
pub(super) fn file(path: &Path) -> Result<Vec<u8>, ImportError> {
    let fail = |message: String| ImportError::File { path: path.to_owned(), message };
    let metadata = fs::metadata(path).map_err(|error| fail(format!("cannot read: {error}")))?;
    if !metadata.is_file() {
        return Err(fail("cannot read: not a regular file".to_owned()));
    }
    if metadata.len() > MAX_MODEL_BYTES {
        return Err(fail(format!("{} bytes; at most {MAX_MODEL_BYTES} are accepted", metadata.len())));
    }
    fs::read(path).map_err(|error| fail(format!("cannot read: {error}")))
}

/// The integer format of a type, if it is one of at most 8 bits.
pub(super) fn integer_format(data_type: DataType) -> Option<IntegerFormat> {
    let (signedness, bits) = match data_type {
        DataType::INT8 => (Signedness::Signed, 8),
        DataType::UINT8 => (Signedness::Unsigned, 8),
        DataType::INT4 => (Signedness::Signed, 4),
        DataType::UINT4 => (Signedness::Unsigned, 4),
        _ => return None,
    };
    IntegerFormat::new(signedness, bits)
}

/// Sizes of a tensor, their product bounded.
pub(super) fn dims(sizes: &[i64]) -> Result<Vec<usize>, String> {
    let elements = sizes.iter().try_fold(1u64, |product, &size| {
        product.checked_mul(u64::try_from(size).ok()?).filter(|&product| product <= MAX_ELEMENTS)
    });
    if elements.is_none() || sizes.len() > MAX_RANK {
        return Err(format!(
            "shape {sizes:?}; at most {MAX_RANK} dimensions and {MAX_ELEMENTS} elements are accepted"
        ));
    }
    Ok(sizes.iter().map(|&size| size as usize).collect())
}

/// Reads a tensor whose external data, if any, is in a file of `folder`.
pub(super) fn constant(tensor: &TensorProto, folder: &Path) -> Result<Constant, String> {
    let dims = dims(&tensor.dims)?;
    let count: usize = dims.iter().product();
    let data_type = tensor.data_type.unwrap_or(DataType(0));
    let external;
    let raw_cell;
    let raw: Option<&[u8]> = if tensor.data_location == Some(DataLocation::EXTERNAL) {
        external = external_data(tensor, folder)?;
        Some(&external)
    } else {
        raw_cell = tensor.raw_data.as_ref().map(|raw| raw.borrow());
        raw_cell.as_ref().map(|raw| raw.as_slice()).filter(|raw| !raw.is_empty() || count == 0)
    };
    let values = match data_type {
        DataType::FLOAT => Values::F32(match raw {
            Some(raw) => elements(raw, count, f32::from_le_bytes)?,
            None => exactly(tensor.float_data.clone(), count)?,
        }),
        DataType::INT32 => Values::I32(match raw {
            Some(raw) => elements(raw, count, i32::from_le_bytes)?,
            None => exactly(tensor.int32_data.clone(), count)?,
        }),
        DataType::INT64 => Values::I64(match raw {
            Some(raw) => elements(raw, count, i64::from_le_bytes)?,
            None => exactly(tensor.int64_data.clone(), count)?,
        }),
        other => {
            let format = integer_format(other).ok_or_else(|| {
                format!("element type {other}; expected FLOAT, INT8, UINT8, INT4, UINT4, INT32 or INT64")
            })?;
            // Two values per byte below 8 bits, the first in the low half; typed data hold one byte each.
            let packed = if format.bits() == 4 { count.div_ceil(2) } else { count };
            let bytes: Vec<u8> = match raw {
                Some(raw) => exactly(raw.to_vec(), packed)?,
                None => {
                    let bytes = tensor.int32_data.iter().map(|&value| typed_byte(value, format));
                    exactly(bytes.collect::<Result<_, _>>()?, packed)?
                }
            };
            Values::Integer(format, unpack(&bytes, count, format))
        }
    };
    Ok(Constant { dims, values })
}

fn typed_byte(value: i32, format: IntegerFormat) -> Result<u8, String> {
    let whole = format.bits() == 8;
    let accepted = if whole { format.min()..=format.max() } else { -128..=255 };
    if accepted.contains(&value) {
        Ok(value as u8)
    } else {
        Err(format!("value {value} is no {format}; expected {} to {}", format.min(), format.max()))
    }
}

fn unpack(bytes: &[u8], count: usize, format: IntegerFormat) -> Vec<i16> {
    let value = |byte: u8, shift: u32| {
        let bits = u32::from(format.bits());
        let field = i16::from(byte >> shift) & ((1 << bits) - 1);
        let negative = format.signedness() == Signedness::Signed && field >> (bits - 1) == 1;
        if negative { field - (1 << bits) } else { field }
    };
    if format.bits() == 8 {
        bytes.iter().map(|&byte| value(byte, 0)).collect()
    } else {
        (0..count).map(|index| value(bytes[index / 2], 4 * (index as u32 % 2))).collect()
    }
}

fn exactly<T>(values: Vec<T>, count: usize) -> Result<Vec<T>, String> {
    if values.len() == count {
        Ok(values)
    } else {
        Err(format!("{} stored values; its shape needs {count}", values.len()))
    }
}

fn elements<const N: usize, T>(raw: &[u8], count: usize, read: fn([u8; N]) -> T) -> Result<Vec<T>, String> {
    let (chunks, rest) = raw.as_chunks::<N>();
    if chunks.len() != count || !rest.is_empty() {
        return Err(format!("{} bytes of data; its shape needs {}", raw.len(), count.saturating_mul(N)));
    }
    Ok(chunks.iter().map(|chunk| read(*chunk)).collect())
}

/// The file beside the model that holds a tensor's data.
pub(super) fn external_file(tensor: &TensorProto) -> Option<&str> {
    let external = tensor.data_location == Some(DataLocation::EXTERNAL);
    tensor.external_data.iter().filter(|_| external).find_map(|entry| match entry.key.as_deref() {
        Some("location") => entry.value.as_deref(),
        _ => None,
    })
}

fn external_data(tensor: &TensorProto, folder: &Path) -> Result<Vec<u8>, String> {
    let entry = |key: &str| {
        let found = tensor.external_data.iter().find(|entry| entry.key.as_deref() == Some(key));
        found.and_then(|entry| entry.value.as_deref())
    };
    let location = entry("location").ok_or("external data without a location")?;
    let number = |key| match entry(key) {
        None => Ok(None),
        Some(text) => {
            text.parse::<u64>().map(Some).map_err(|_| format!("external data {key} `{text}` is no number"))
        }
    };
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    let inside = Path::new(location).components().all(|part| matches!(part, Component::Normal(_)));
    let refused =
        || format!("external data `{location}` is not in the model's folder; expected a file there");
    if location.is_empty() || !inside {
        return Err(refused());
    }
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let failed = |error: std::io::Error| format!("external data `{location}`: {error}");
    let path = folder.join(location).canonicalize().map_err(failed)?;
    // A link may lead out of the folder.
    if !path.starts_with(folder.canonicalize().map_err(failed)?) {
        return Err(refused());
    }
    let mut file = fs::File::open(&path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let rest = metadata.len().checked_sub(offset).filter(|_| metadata.is_file());
    let length = length.or(rest).filter(|length| rest.is_some_and(|rest| *length <= rest));
    let length = length
        .filter(|&length| length <= MAX_MODEL_BYTES)
        .ok_or_else(|| format!("external data `{location}` has no {length:?} bytes at offset {offset}"))?;
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_bit_values_are_packed_low_half_first() {
        let format = |signedness| IntegerFormat::new(signedness, 4).unwrap();
        assert_eq!(unpack(&[0x78, 0x3f], 4, format(Signedness::Signed)), [-8, 7, -1, 3]);
        assert_eq!(unpack(&[120, 15], 3, format(Signedness::Signed)), [-8, 7, -1]);
        assert_eq!(unpack(&[120, 15], 3, format(Signedness::Unsigned)), [8, 7, 15]);
    }

    #[test]
    fn external_data_stay_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("model");
        fs::create_dir(&inside).unwrap();
        fs::write(folder.path().join("secret"), [0; 8]).unwrap();
        fs::write(inside.join("data"), [1, 0, 0, 0, 2, 0, 0, 0]).unwrap();
        std::os::unix::fs::symlink(folder.path().join("secret"), inside.join("link")).unwrap();
        let read = |location: &str, offset: &str, count: i64| {
            let entry = |key: &str, value: &str| rten_onnx::onnx::StringStringEntryProto {
                key: Some(key.to_owned()),
                value: Some(value.to_owned()),
            };
            let tensor = TensorProto {
                dims: vec![count],
                data_type: Some(DataType::INT32),
                data_location: Some(DataLocation::EXTERNAL),
                external_data: vec![entry("location", location), entry("offset", offset)],
                ..TensorProto::default()
            };
            constant(&tensor, &inside).map(|constant| constant.integers().unwrap())
        };
        assert_eq!(read("data", "0", 2).unwrap(), [1, 2]);
        assert_eq!(read("data", "4", 1).unwrap(), [2]);
        for location in ["../secret", "/etc/passwd", "link", "", "."] {
            assert!(
                read(location, "0", 2)
                    .unwrap_err()
                    .contains("is not in the model's folder; expected a file there"),
                "{location}"
            );
        }
        assert!(read("data", "9", 1).is_err());
        assert!(read("data", "-1", 1).is_err());
        assert!(read("data", "0", 1).unwrap_err().contains("8 bytes of data; its shape needs 4"));
    }
}
