//! A shape and its elements.

use std::fmt;

use half::bf16;

/// Element types that systolab's files carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// Carrier of signed integers of 2 to 8 bits.
    I8,
    /// Carrier of unsigned integers of 2 to 8 bits; pixels, labels.
    U8,
    /// Labels beyond 256 classes.
    U16,
    /// Accumulators.
    I32,
    /// bfloat16.
    Bf16,
    /// IEEE single.
    F32,
}

impl ElementType {
    /// Bytes of one element.
    pub fn bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::U16 | Self::Bf16 => 2,
            Self::I32 | Self::F32 => 4,
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::I8 => "I8",
            Self::U8 => "U8",
            Self::U16 => "U16",
            Self::I32 => "I32",
            Self::Bf16 => "BF16",
            Self::F32 => "F32",
        })
    }
}

/// Elements in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Signed bytes.
    I8(Vec<i8>),
    /// Unsigned bytes.
    U8(Vec<u8>),
    /// Unsigned 16-bit integers.
    U16(Vec<u16>),
    /// Signed 32-bit integers.
    I32(Vec<i32>),
    /// bfloat16.
    Bf16(Vec<bf16>),
    /// IEEE single.
    F32(Vec<f32>),
}

impl Data {
    /// Type of the elements.
    pub fn element_type(&self) -> ElementType {
        match self {
            Self::I8(_) => ElementType::I8,
            Self::U8(_) => ElementType::U8,
            Self::U16(_) => ElementType::U16,
            Self::I32(_) => ElementType::I32,
            Self::Bf16(_) => ElementType::Bf16,
            Self::F32(_) => ElementType::F32,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::I8(values) => values.len(),
            Self::U8(values) => values.len(),
            Self::U16(values) => values.len(),
            Self::I32(values) => values.len(),
            Self::Bf16(values) => values.len(),
            Self::F32(values) => values.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A shape and as many elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Data,
}

impl Tensor {
    /// None when the shape's product is not the number of elements.
    pub fn new(shape: Vec<usize>, data: Data) -> Option<Self> {
        let elements = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size))?;
        (elements == data.len()).then_some(Self { shape, data })
    }

    /// Sizes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The same elements in another shape of the same size.
    pub fn reshaped(self, shape: Vec<usize>) -> Option<Self> {
        Self::new(shape, self.data)
    }

    /// Tensors one after the other along the outermost axis. None when there is none, or when types or
    /// the sizes of other axes differ.
    pub fn concatenated(tensors: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut tensors = tensors.into_iter();
        let Self { mut shape, mut data } = tensors.next()?;
        for next in tensors {
            let same = next.shape.get(1..)? == shape.get(1..)?;
            match (&mut data, next.data) {
                (Data::I8(all), Data::I8(more)) => all.extend(more),
                (Data::U8(all), Data::U8(more)) => all.extend(more),
                (Data::U16(all), Data::U16(more)) => all.extend(more),
                (Data::I32(all), Data::I32(more)) => all.extend(more),
                (Data::Bf16(all), Data::Bf16(more)) => all.extend(more),
                (Data::F32(all), Data::F32(more)) => all.extend(more),
                _ => return None,
            }
            shape[0] += same.then_some(next.shape[0])?;
        }
        Self::new(shape, data)
    }
}
