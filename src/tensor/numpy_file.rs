//! Reading numpy's `.npy` and `.npz` files.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};
use std::path::Path;

use half::bf16;
use npyz::{DType, Deserialize, NpyHeader, Order, TypeChar};
use zip::ZipArchive;

use super::element::{Data, Tensor};
use super::tensor_file::{MAX_FILE_BYTES, TensorFileError};

/// First bytes of an array.
pub(super) const NPY_MAGIC: &[u8] = b"\x93NUMPY";
/// First bytes of an archive; an archive of nothing has the second.
pub(super) const NPZ_MAGIC: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];
/// An array's header is a line of text: shape, type, order.
const MAX_HEADER_BYTES: u64 = 1 << 16;

fn malformed(path: &Path, reason: impl ToString) -> TensorFileError {
    TensorFileError::Malformed { path: path.to_owned(), format: "numpy", reason: reason.to_string() }
}

/// The arrays of an archive by the names that `np.savez` was given.
pub(super) fn parse_npz(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, TensorFileError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| malformed(path, error))?;
    let mut tensors = BTreeMap::new();
    let mut room = MAX_FILE_BYTES;
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|error| malformed(path, error))?;
        let name = entry.name().map_err(|error| malformed(path, error))?.into_owned();
        let mut array = Vec::new();
        // A small archive may claim and unpack to anything, so the limit is on what comes out.
        entry.take(room + 1).read_to_end(&mut array).map_err(|error| malformed(path, error))?;
        room = room
            .checked_sub(array.len() as u64)
            .ok_or_else(|| TensorFileError::TooLarge { path: path.to_owned(), bytes: MAX_FILE_BYTES + 1 })?;
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
        let tensor = parse_npy(path, &name, &array)?;
        if tensors.insert(name.clone(), tensor).is_some() {
            return Err(malformed(path, format!("two arrays are named `{name}`")));
        }
    }
    Ok(tensors)
}

/// One array; `name` is for messages.
pub(super) fn parse_npy(path: &Path, name: &str, bytes: &[u8]) -> Result<Tensor, TensorFileError> {
    let fail = |reason: String| malformed(path, format!("array `{name}`: {reason}"));
    let header_bytes = match *bytes {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, low, high, ..] => {
            u64::from(u16::from_le_bytes([low, high]))
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _, a, b, c, d, ..] => {
            u64::from(u32::from_le_bytes([a, b, c, d]))
        }
        _ => return Err(fail("no .npy header of version 1, 2 or 3".to_owned())),
    };
    if header_bytes > MAX_HEADER_BYTES.min(bytes.len() as u64) {
        return Err(fail(format!("a header of {header_bytes} bytes")));
    }
    if !plain(&bytes[..bytes.len().min(12 + header_bytes as usize)]) {
        return Err(fail("its header is no dictionary of shape, type and order".to_owned()));
    }
    let mut rest = bytes;
    let header = NpyHeader::from_reader(&mut rest).map_err(|error| fail(error.to_string()))?;
    if header.order() == Order::Fortran && header.shape().len() > 1 {
        return Err(fail("is in Fortran order; save np.ascontiguousarray(array)".to_owned()));
    }
    let dtype = header.dtype();
    let unknown = || TensorFileError::ElementType {
        path: path.to_owned(),
        tensor: name.to_owned(),
        found: dtype.descr(),
    };
    let DType::Plain(element) = &dtype else { return Err(unknown()) };
    let size = element.size_field();
    let shape = header.shape().iter().map(|&extent| usize::try_from(extent).ok()).collect::<Option<Vec<_>>>();
    let shape = shape.ok_or_else(|| fail(format!("has shape {:?}", header.shape())))?;
    let needed = shape.iter().try_fold(size, |product, &extent| product.checked_mul(extent as u64));
    if needed != Some(rest.len() as u64) {
        let found = rest.len();
        return Err(fail(format!(
            "{found} bytes follow its header; shape {shape:?} of `{element}` has others"
        )));
    }
    let data = match (element.type_char(), size) {
        (TypeChar::Int, 1) => Data::I8(values(&header, rest).map_err(fail)?),
        (TypeChar::Uint, 1) => Data::U8(values(&header, rest).map_err(fail)?),
        (TypeChar::Uint, 2) => Data::U16(values(&header, rest).map_err(fail)?),
        (TypeChar::Int, 4) => Data::I32(values(&header, rest).map_err(fail)?),
        (TypeChar::Float, 4) => Data::F32(values(&header, rest).map_err(fail)?),
        // What numpy makes of Python integers.
        (TypeChar::Int, 8) => {
            let wide: Vec<i64> = values(&header, rest).map_err(fail)?;
            let narrow = wide.iter().map(|&value| {
                i32::try_from(value).map_err(|_| fail(format!("{value} does not fit 32 bits")))
            });
            Data::I32(narrow.collect::<Result<_, _>>()?)
        }
        // What numpy makes of ml_dtypes.bfloat16: two bytes whose meaning is lost.
        (TypeChar::RawData, 2) => {
            Data::Bf16(rest.as_chunks::<2>().0.iter().map(|&bytes| bf16::from_le_bytes(bytes)).collect())
        }
        _ => return Err(unknown()),
    };
    Tensor::new(shape, data).ok_or_else(|| fail("has another number of elements than its shape".to_owned()))
}

fn values<T: Deserialize>(header: &NpyHeader, bytes: &[u8]) -> Result<Vec<T>, String> {
    npyz::NpyFile::with_header(header.clone(), bytes).into_vec().map_err(|error| error.to_string())
}

/// Whether a header is safe to parse: npyz recurses into brackets and multiplies extents unchecked.
fn plain(header: &[u8]) -> bool {
    let mut depth = 0u32;
    let shallow = header.iter().all(|byte| {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth <= 4
    });
    let mut numbers = header.split(|byte| !byte.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let product = numbers.try_fold(1u64, |product, digits| {
        let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        product.checked_mul(number.max(1))
    });
    shallow && product.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use zip::write::{SimpleFileOptions, ZipWriter};

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{header:<117}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn array(descr: &str, shape: &str, data: &[u8]) -> Result<Tensor, String> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
        parse_npy(Path::new("f.npy"), "a", &npy(&header, data)).map_err(|error| error.to_string())
    }

    #[test]
    fn every_element_type_is_read_as_numpy_writes_it() {
        let read = |descr, shape, data: &[u8]| array(descr, shape, data).unwrap();
        assert_eq!(read("|i1", "(2,)", &[255, 7]).data(), &Data::I8(vec![-1, 7]));
        assert_eq!(read("|u1", "(1, 2)", &[255, 7]).shape(), [1, 2]);
        assert_eq!(read("<u2", "(1,)", &[1, 2]).data(), &Data::U16(vec![513]));
        assert_eq!(read(">i4", "()", &[255, 255, 255, 251]).data(), &Data::I32(vec![-5]));
        assert_eq!(read("<i8", "(1,)", &(-5i64).to_le_bytes()).data(), &Data::I32(vec![-5]));
        assert_eq!(read("<f4", "(1,)", &1.5f32.to_le_bytes()).data(), &Data::F32(vec![1.5]));
        assert_eq!(read("|V2", "(1,)", &[0x80, 0x3f]).data(), &Data::Bf16(vec![bf16::ONE]));
        assert_eq!(read("<f4", "(0, 3)", &[]).shape(), [0, 3]);
    }

    #[test]
    fn foreign_and_hostile_arrays_are_refused() {
        let error = array("<f8", "(1,)", &[0; 8]).unwrap_err();
        assert_eq!(error, "f.npy: tensor `a` has type '<f8'; expected I8, U8, U16, I32, BF16 or F32");
        for (descr, shape, data) in [
            ("<i8", "(1,)", &i64::MAX.to_le_bytes()[..]),
            ("<f4", "(2,)", &[0; 7]),
            ("<f4", "(1099511627776, 1099511627776)", &[0; 8]),
            ("<f4", "(0, 1099511627776, 1099511627776)", &[]),
            ("<f4", "((((((((1,))))))))", &[0; 4]),
            ("<f4", "(-1,)", &[]),
        ] {
            let error = array(descr, shape, data).unwrap_err();
            assert!(error.starts_with("f.npy: not a complete numpy file: array `a`: "), "{error}");
        }
        let fortran = npy("{'descr': '|i1', 'fortran_order': True, 'shape': (1, 1), }", &[0]);
        assert!(parse_npy(Path::new("f"), "a", &fortran).unwrap_err().to_string().contains("Fortran"));
    }

    #[test]
    fn archives_are_read_by_name_and_compressed_or_not() {
        let one = npy("{'descr': '|i1', 'fortran_order': False, 'shape': (1,), }", &[3]);
        let mut writer = ZipWriter::new(Cursor::new(vec![]));
        for (name, method) in
            [("x.npy", zip::CompressionMethod::Stored), ("b.conv/y.npy", zip::CompressionMethod::Deflated)]
        {
            writer.start_file(name, SimpleFileOptions::default().compression_method(method)).unwrap();
            writer.write_all(&one).unwrap();
        }
        let bytes = writer.finish().unwrap().into_inner();
        let tensors = parse_npz(Path::new("f.npz"), &bytes).unwrap();
        assert_eq!(tensors.keys().collect::<Vec<_>>(), ["b.conv/y", "x"]);
        assert_eq!(tensors["x"].data(), &Data::I8(vec![3]));
        assert!(parse_npz(Path::new("f.npz"), &bytes[..bytes.len() - 9]).is_err());
    }
}
