//! Number formats: what a MAC operand, a stored tensor element and an operand pair can be.

use std::fmt;
use std::str::FromStr;

/// Whether an integer format holds negative values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signedness {
    /// Two's complement, −2^(bits−1) … 2^(bits−1) − 1.
    Signed,
    /// 0 … 2^bits − 1.
    Unsigned,
}

/// A signed or unsigned integer of 2 to 8 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntegerFormat {
    signedness: Signedness,
    bits: u8,
}

impl IntegerFormat {
    /// A signed byte.
    pub const INT8: Self = Self { signedness: Signedness::Signed, bits: 8 };
    /// 0 … 255.
    pub const UINT8: Self = Self { signedness: Signedness::Unsigned, bits: 8 };

    /// Accepts 2 to 8 bits.
    pub fn new(signedness: Signedness, bits: u8) -> Option<Self> {
        (2..=8).contains(&bits).then_some(Self { signedness, bits })
    }

    /// Signed or unsigned.
    pub fn signedness(self) -> Signedness {
        self.signedness
    }

    /// Width in bits, 2 to 8.
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// At least so many bits wide, at most 8, and of the same signedness.
    #[must_use]
    pub fn widened_to(self, bits: u8) -> Self {
        Self { bits: self.bits.max(bits).min(8), ..self }
    }

    /// Smallest representable value.
    pub fn min(self) -> i32 {
        match self.signedness {
            Signedness::Signed => -(1 << (self.bits - 1)),
            Signedness::Unsigned => 0,
        }
    }

    /// Largest representable value.
    pub fn max(self) -> i32 {
        match self.signedness {
            Signedness::Signed => (1 << (self.bits - 1)) - 1,
            Signedness::Unsigned => (1 << self.bits) - 1,
        }
    }

    /// Largest magnitude: 128 for int8, 255 for uint8.
    pub fn max_magnitude(self) -> i64 {
        i64::from(self.max().max(-self.min()))
    }
}

impl fmt::Display for IntegerFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.signedness {
            Signedness::Signed => "int",
            Signedness::Unsigned => "uint",
        };
        f.pad(&format!("{prefix}{}", self.bits))
    }
}

/// What a MAC operand can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OperandFormat {
    /// An integer of 2 to 8 bits.
    Integer(IntegerFormat),
    /// bfloat16.
    Bf16,
}

impl OperandFormat {
    /// Width in bits.
    pub fn bits(self) -> u8 {
        match self {
            Self::Integer(format) => format.bits(),
            Self::Bf16 => 16,
        }
    }
}

impl fmt::Display for OperandFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(format) => format.fmt(f),
            Self::Bf16 => f.pad("bf16"),
        }
    }
}

/// What a tensor element can be where it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoredFormat {
    /// A MAC operand's format.
    Operand(OperandFormat),
    /// IEEE single: logits, vector unit and accumulators only.
    F32,
    /// Accumulators that a network stores without requantizing them.
    Int32,
}

impl StoredFormat {
    /// Width in bits.
    pub fn bits(self) -> u8 {
        match self {
            Self::Operand(format) => format.bits(),
            Self::F32 | Self::Int32 => 32,
        }
    }
}

impl fmt::Display for StoredFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operand(format) => format.fmt(f),
            Self::F32 => f.pad("f32"),
            Self::Int32 => f.pad("int32"),
        }
    }
}

/// A format name that is none of the accepted ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown format `{name}`: expected `int2` to `int8`, `uint2` to `uint8` or `bf16`")]
pub struct UnknownFormat {
    name: String,
}

impl FromStr for OperandFormat {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let integer = |signedness, bits: &str| {
            bits.parse()
                .ok()
                .filter(|_| bits.len() == 1)
                .and_then(|bits| IntegerFormat::new(signedness, bits))
        };
        let format = if name == "bf16" {
            Some(Self::Bf16)
        } else if let Some(bits) = name.strip_prefix("uint") {
            integer(Signedness::Unsigned, bits).map(Self::Integer)
        } else if let Some(bits) = name.strip_prefix("int") {
            integer(Signedness::Signed, bits).map(Self::Integer)
        } else {
            None
        };
        format.ok_or_else(|| UnknownFormat { name: name.to_owned() })
    }
}

/// The (activation, weight) formats of one MAC: both integers or both bfloat16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OperandPair {
    /// An integer MAC's operands.
    Integer {
        /// Format of the streamed activation.
        activation: IntegerFormat,
        /// Format of the weight.
        weight: IntegerFormat,
    },
    /// A bfloat16 MAC's operands.
    Bf16,
}

impl OperandPair {
    /// None when one operand is an integer and the other is not.
    pub fn new(activation: OperandFormat, weight: OperandFormat) -> Option<Self> {
        match (activation, weight) {
            (OperandFormat::Integer(activation), OperandFormat::Integer(weight)) => {
                Some(Self::Integer { activation, weight })
            }
            (OperandFormat::Bf16, OperandFormat::Bf16) => Some(Self::Bf16),
            _ => None,
        }
    }

    /// Format of the activation.
    pub fn activation(self) -> OperandFormat {
        match self {
            Self::Integer { activation, .. } => OperandFormat::Integer(activation),
            Self::Bf16 => OperandFormat::Bf16,
        }
    }

    /// Format of the weight.
    pub fn weight(self) -> OperandFormat {
        match self {
            Self::Integer { weight, .. } => OperandFormat::Integer(weight),
            Self::Bf16 => OperandFormat::Bf16,
        }
    }
}

impl fmt::Display for OperandPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("({},{})", self.activation(), self.weight()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_integer_format_has_its_name_and_range() {
        for bits in 2..=8u8 {
            let signed: OperandFormat = format!("int{bits}").parse().unwrap();
            let unsigned: OperandFormat = format!("uint{bits}").parse().unwrap();
            let (OperandFormat::Integer(signed), OperandFormat::Integer(unsigned)) = (signed, unsigned)
            else {
                panic!("integers expected");
            };
            assert_eq!((signed.min(), signed.max()), (-(1 << bits) / 2, (1 << bits) / 2 - 1));
            assert_eq!((unsigned.min(), unsigned.max()), (0, (1 << bits) - 1));
            assert_eq!(signed.to_string(), format!("int{bits}"));
            assert_eq!(unsigned.to_string(), format!("uint{bits}"));
        }
    }

    #[test]
    fn other_names_are_refused() {
        for name in ["int1", "int9", "uint16", "int", "int08", "int+4", "fp16", "f32", ""] {
            assert!(name.parse::<OperandFormat>().is_err(), "{name}");
        }
    }

    #[test]
    fn mixed_kinds_are_no_pair() {
        let int8 = "int8".parse().unwrap();
        assert_eq!(OperandPair::new(int8, OperandFormat::Bf16), None);
        assert_eq!(OperandPair::new(int8, int8).unwrap().to_string(), "(int8,int8)");
    }
}
