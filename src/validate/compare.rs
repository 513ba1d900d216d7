//! Two tensors, element by element.

use half::bf16;

use crate::tensor::{Data, ElementType, Tensor};

/// Order of the axes of somebody's feature maps; ours are NHWC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Channels last.
    Nhwc,
    /// Channels before height and width: ONNX and PyTorch.
    Nchw,
}

/// What still counts as equal. Without any, only equal bits do; with several, all must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tolerance {
    /// Values that may lie between, counted in the element's own format.
    pub max_ulp: Option<u64>,
    /// Largest absolute difference.
    pub max_diff: Option<f64>,
}

/// One element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// An integer of so many bits.
    Integer(i64, u8),
    /// A bfloat16.
    Bf16(bf16),
    /// A single.
    F32(f32),
}

/// What a comparison found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Elements compared.
    pub elements: u64,
    /// Elements whose bits differ.
    pub unequal: u64,
    /// Elements that differ by more than the tolerance.
    pub differing: u64,
    /// Largest absolute difference of all elements; infinite where one value is NaN or infinite and the
    /// other is not the same.
    pub largest_difference: f64,
    /// Position of the first differing element, in our order.
    pub first: Option<usize>,
}

/// Tensors that cannot be compared: what is wrong and what would be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mismatch(String);

impl Value {
    fn of(data: &Data, index: usize) -> Self {
        match data {
            Data::I8(values) => Self::Integer(values[index].into(), 8),
            Data::U8(values) => Self::Integer(values[index].into(), 8),
            Data::U16(values) => Self::Integer(values[index].into(), 16),
            Data::I32(values) => Self::Integer(values[index].into(), 32),
            Data::Bf16(values) => Self::Bf16(values[index]),
            Data::F32(values) => Self::F32(values[index]),
        }
    }

    /// The value as a real number.
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Integer(value, _) => value as f64, // at most 32 bits
            Self::Bf16(value) => value.to_f64(),
            Self::F32(value) => value.into(),
        }
    }

    /// The bit pattern, as wide as the format.
    pub fn bits(self) -> u32 {
        match self {
            Self::Integer(value, bits) => (value & ((1 << bits) - 1)) as u32,
            Self::Bf16(value) => value.to_bits().into(),
            Self::F32(value) => value.to_bits(),
        }
    }

    /// Width of the bit pattern.
    pub fn width(self) -> u8 {
        match self {
            Self::Integer(_, bits) => bits,
            Self::Bf16(_) => 16,
            Self::F32(_) => 32,
        }
    }

    /// The same in our element's format, if that is a matter of writing: bits of a bfloat16 as U16, a
    /// bfloat16 as F32, small integers as I32.
    fn like(self, ours: Self) -> Option<Self> {
        match (ours, self) {
            (Self::Bf16(_), Self::Integer(bits, 16)) => Some(Self::Bf16(bf16::from_bits(bits as u16))),
            (Self::Bf16(_), Self::F32(value)) => {
                let narrow = bf16::from_f32(value);
                Some(if narrow.to_f32().to_bits() == value.to_bits() { Self::Bf16(narrow) } else { self })
            }
            (Self::Integer(_, bits), Self::Integer(value, _)) => Some(Self::Integer(value, bits)),
            (Self::Bf16(_), Self::Bf16(_)) | (Self::F32(_), Self::F32(_)) => Some(self),
            _ => None,
        }
    }

    fn same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Integer(a, _), Self::Integer(b, _)) => a == b,
            (Self::Bf16(a), Self::Bf16(b)) => a.to_bits() == b.to_bits(),
            (Self::F32(a), Self::F32(b)) => a.to_bits() == b.to_bits(),
            _ => false,
        }
    }

    /// Values between two, plus one; the largest number where one is NaN.
    fn ulps(self, other: Self) -> u64 {
        // Sign and magnitude to a line on which neighbors differ by 1 and both zeros are one point.
        let line = |bits: u32, width: u32| {
            let magnitude = i64::from(bits & !(1 << (width - 1)));
            if bits >> (width - 1) == 1 { -magnitude } else { magnitude }
        };
        if self.to_f64().is_nan() || other.to_f64().is_nan() {
            return u64::MAX;
        }
        match (self, other) {
            (Self::Integer(a, _), Self::Integer(b, _)) => a.abs_diff(b),
            (Self::Bf16(a), Self::Bf16(b)) => {
                line(a.to_bits().into(), 16).abs_diff(line(b.to_bits().into(), 16))
            }
            (a, b) => {
                let bits = |value: Self| (value.to_f64() as f32).to_bits(); // a bfloat16 or a single
                line(bits(a), 32).abs_diff(line(bits(b), 32))
            }
        }
    }

    fn difference(self, other: Self) -> f64 {
        if self.same(other) {
            return 0.0;
        }
        let difference = (self.to_f64() - other.to_f64()).abs();
        if difference.is_nan() { f64::INFINITY } else { difference }
    }
}

impl Tolerance {
    fn accepts(self, ours: Value, expected: Value) -> bool {
        let asked = self.max_ulp.is_some() || self.max_diff.is_some();
        ours.same(expected)
            || (asked
                && self.max_ulp.is_none_or(|most| ours.ulps(expected) <= most)
                && self.max_diff.is_none_or(|most| ours.difference(expected) <= most))
    }
}

/// Compares our tensor, [n, height, width, channels] or [n, channels], with an expected one. Axes of
/// extent 1 do not count.
pub fn compare(
    ours: &Tensor,
    expected: &Tensor,
    layout: Layout,
    tolerance: Tolerance,
) -> Result<Comparison, Mismatch> {
    let position = positions(ours.shape(), expected.shape(), layout)?;
    let elements = ours.data().len();
    let foreign = || {
        let (found, own) = (expected.data().element_type(), ours.data().element_type());
        Mismatch(format!("has type {found}; expected {}", accepted(own)))
    };
    let mut comparison = Comparison {
        elements: elements as u64,
        unequal: 0,
        differing: 0,
        largest_difference: 0.0,
        first: None,
    };
    for index in 0..elements {
        let own = Value::of(ours.data(), index);
        let other = Value::of(expected.data(), position(index)).like(own).ok_or_else(foreign)?;
        comparison.largest_difference = comparison.largest_difference.max(own.difference(other));
        comparison.unequal += u64::from(!own.same(other));
        if !tolerance.accepts(own, other) {
            comparison.differing += 1;
            comparison.first = comparison.first.or(Some(index));
        }
    }
    Ok(comparison)
}

/// Our element at `index`, and the expected one.
pub(super) fn pair(ours: &Tensor, expected: &Tensor, layout: Layout, index: usize) -> Option<(Value, Value)> {
    let position = positions(ours.shape(), expected.shape(), layout).ok()?;
    Some((Value::of(ours.data(), index), Value::of(expected.data(), position(index))))
}

/// Our element at `index`.
pub(super) fn value(tensor: &Tensor, index: usize) -> Value {
    Value::of(tensor.data(), index)
}

fn accepted(own: ElementType) -> &'static str {
    match own {
        ElementType::I8 | ElementType::U8 | ElementType::U16 | ElementType::I32 => {
            "the integers themselves in I8, U8, U16 or I32"
        }
        ElementType::Bf16 => "BF16, its bit patterns in U16, or the same values in F32",
        ElementType::F32 => "F32",
    }
}

/// From a position in our tensor to that of the same element in the expected one.
fn positions(
    ours: &[usize],
    expected: &[usize],
    layout: Layout,
) -> Result<impl Fn(usize) -> usize + use<>, Mismatch> {
    let channels_first = |shape: &[usize]| match *shape {
        [n, height, width, channels] => vec![n, channels, height, width],
        _ => shape.to_vec(),
    };
    let wanted = match layout {
        Layout::Nhwc => ours.to_vec(),
        Layout::Nchw => channels_first(ours),
    };
    let long = |shape: &[usize]| shape.iter().copied().filter(|&extent| extent != 1).collect::<Vec<_>>();
    if long(&wanted) != long(expected) {
        let hint = match (layout, ours.first(), expected.first()) {
            (Layout::Nhwc, ..) if long(&channels_first(ours)) == long(expected) => {
                "; channels stand before height and width there: --layout nchw"
            }
            (_, Some(n), Some(other)) if n != other => "; choose as many images with --samples or --input",
            _ => "",
        };
        return Err(Mismatch(format!("has shape {expected:?}; expected {wanted:?}{hint}")));
    }
    let (pixels, channels) = match (layout, ours) {
        (Layout::Nchw, &[_, height, width, channels]) => (height * width, channels),
        _ => (1, 1),
    };
    let image = pixels * channels;
    Ok(move |index: usize| {
        let (first, inside) = (index / image * image, index % image);
        first + inside % channels * pixels + inside / channels
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize], data: Data) -> Tensor {
        Tensor::new(shape.to_vec(), data).unwrap()
    }

    fn floats(values: &[f32]) -> Tensor {
        tensor(&[1, values.len()], Data::F32(values.to_vec()))
    }

    fn run(ours: &Tensor, expected: &Tensor, tolerance: Tolerance) -> Comparison {
        compare(ours, expected, Layout::Nhwc, tolerance).unwrap()
    }

    #[test]
    fn only_equal_bits_are_equal_unless_a_tolerance_is_asked() {
        let exact = Tolerance::default();
        let (ours, other) = (floats(&[1.0, 0.0, 3.0]), floats(&[1.0, -0.0, 3.5]));
        let found = run(&ours, &other, exact);
        assert_eq!((found.elements, found.differing, found.first), (3, 2, Some(1)));
        assert_eq!(found.largest_difference, 0.5);
        let ulp = |ulps| Tolerance { max_ulp: Some(ulps), ..exact };
        assert_eq!(run(&ours, &other, ulp(0)).differing, 1); // both zeros are the same value
        let next = f32::from_bits(1f32.to_bits() + 2);
        assert_eq!(run(&floats(&[1.0]), &floats(&[next]), ulp(1)).differing, 1);
        assert_eq!(run(&floats(&[1.0]), &floats(&[next]), ulp(2)).differing, 0);
        let tiny = f32::from_bits(1);
        assert_eq!(run(&floats(&[tiny]), &floats(&[-tiny]), ulp(2)).differing, 0);
        let both = Tolerance { max_ulp: Some(1 << 30), max_diff: Some(0.4) };
        assert_eq!(run(&ours, &other, both).differing, 1);
        let nan = floats(&[f32::NAN]);
        assert_eq!(run(&nan, &nan, exact).differing, 0);
        let found = run(&nan, &floats(&[1.0]), Tolerance { max_diff: Some(1e30), ..exact });
        assert_eq!((found.differing, found.largest_difference), (1, f64::INFINITY));
    }

    #[test]
    fn the_same_values_in_other_carriers_are_equal() {
        let exact = Tolerance::default();
        let integers = tensor(&[1, 2], Data::I8(vec![-3, 4]));
        assert_eq!(run(&integers, &tensor(&[2], Data::I32(vec![-3, 4])), exact).differing, 0);
        assert_eq!(run(&integers, &tensor(&[2], Data::I32(vec![253, 4])), exact).differing, 1);
        let half = tensor(&[1, 2], Data::Bf16(vec![bf16::ONE, bf16::from_f32(1.5)]));
        assert_eq!(run(&half, &tensor(&[1, 2], Data::U16(vec![0x3f80, 0x3fc0])), exact).differing, 0);
        assert_eq!(run(&half, &floats(&[1.0, 1.5]), exact).differing, 0);
        let between = floats(&[1.0, 1.5 + f32::EPSILON]);
        assert_eq!(run(&half, &between, exact).first, Some(1));
        let error = compare(&integers, &floats(&[1.0, 2.0]), Layout::Nhwc, exact).unwrap_err();
        assert!(error.to_string().starts_with("has type F32; expected the integers"), "{error}");
        let error = compare(&floats(&[1.0]), &tensor(&[1], Data::I32(vec![1])), Layout::Nhwc, exact);
        assert!(error.is_err());
    }

    #[test]
    fn channels_may_stand_first() {
        let ours = tensor(&[2, 1, 2, 3], Data::U8((0..12).collect()));
        let other = tensor(&[2, 3, 1, 2], Data::U8(vec![0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 0]));
        let found = compare(&ours, &other, Layout::Nchw, Tolerance::default()).unwrap();
        assert_eq!((found.differing, found.first), (1, Some(11)));
        assert_eq!(
            pair(&ours, &other, Layout::Nchw, 11),
            Some((Value::Integer(11, 8), Value::Integer(0, 8)))
        );
        let error = compare(&ours, &other, Layout::Nhwc, Tolerance::default()).unwrap_err().to_string();
        assert!(error.contains("--layout nchw"), "{error}");
        let fewer = tensor(&[1, 1, 2, 3], Data::U8(vec![0; 6]));
        let error = compare(&ours, &fewer, Layout::Nhwc, Tolerance::default()).unwrap_err().to_string();
        assert!(error.contains("--samples"), "{error}");
    }
}
