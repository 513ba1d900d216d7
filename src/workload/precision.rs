//! Precision policies: how many bits each layer's operands have.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::numerics::{IntegerFormat, QuantizerKind, RequantizationKind};

/// Operand bits of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bits {
    /// bfloat16 operands.
    Bf16,
    /// `wXaY`: X-bit weights, Y-bit activations, 2 to 8.
    Integer {
        /// Bits of a weight.
        weight: u8,
        /// Bits of an activation.
        activation: u8,
    },
}

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bf16 => f.write_str("bf16"),
            Self::Integer { weight, activation } => write!(f, "w{weight}a{activation}"),
        }
    }
}

/// A precision that is none of the accepted ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown precision `{name}`: expected `bf16` or `wXaY` with X and Y from 2 to 8, such as `w4a8`")]
pub struct UnknownPrecision {
    name: String,
}

impl FromStr for Bits {
    type Err = UnknownPrecision;

    fn from_str(name: &str) -> Result<Self, UnknownPrecision> {
        let bits = |text: &str| text.parse().ok().filter(|bits| text.len() == 1 && (2..=8).contains(bits));
        if name == "bf16" {
            return Ok(Self::Bf16);
        }
        name.strip_prefix('w')
            .and_then(|rest| rest.split_once('a'))
            .and_then(|(weight, activation)| {
                Some(Self::Integer { weight: bits(weight)?, activation: bits(activation)? })
            })
            .ok_or_else(|| UnknownPrecision { name: name.to_owned() })
    }
}

/// Which bits which layer gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrecisionPolicy {
    /// Layers not named otherwise.
    pub default: Bits,
    /// The first layer on the array.
    pub first: Option<Bits>,
    /// The last layer on the array.
    pub last: Option<Bits>,
    /// Single layers, by name; strongest.
    pub layers: BTreeMap<String, Bits>,
    /// The quantizer of every integer activation.
    pub quantizer: QuantizerKind,
    /// Operands of fewer bits are stored and multiplied in so many.
    pub carrier_bits: Option<u8>,
    /// How tensors are stored that are read on different grids, or by readers without one.
    pub residual: ResidualFormat,
    /// How accumulators become the integers of a stored grid; None: `aqt-float`, in f32.
    pub requantization: Option<RequantizationKind>,
}

/// How a residual stream is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ResidualFormat {
    /// bfloat16.
    #[default]
    Bf16,
    /// On a grid of each tensor's own.
    Integer(IntegerFormat),
}

impl PrecisionPolicy {
    /// Bits of the `index`-th of `count` layers on the array.
    pub fn bits(&self, name: &str, index: usize, count: usize) -> Bits {
        let first = self.first.filter(|_| index == 0);
        let end = first.or(self.last.filter(|_| index + 1 == count));
        self.layers.get(name).copied().or(end).unwrap_or(self.default)
    }

    /// The field's name for the policy: `w8a8`, `mostly-4-bit`, or a description.
    pub fn label(&self) -> String {
        let four = Bits::Integer { weight: 4, activation: 4 };
        let eight = Some(Bits::Integer { weight: 8, activation: 8 });
        let first = self.first.filter(|bits| *bits != self.default);
        let last = self.last.filter(|bits| *bits != self.default);
        let mut label = match (self.default, first, last) {
            (default, None, None) => default.to_string(),
            (default, first, last) if default == four && first == eight && last == eight => {
                "mostly-4-bit".to_owned()
            }
            (default, first, last) => {
                let end = |name: &str, bits: Option<Bits>| {
                    bits.map_or_else(String::new, |bits| format!("-{name}-{bits}"))
                };
                format!("{default}{}{}", end("first", first), end("last", last))
            }
        };
        if self.quantizer == QuantizerKind::AqtV2 {
            label.push_str("-aqt-v2");
        }
        if let Some(bits) = self.carrier_bits {
            label.push_str(&format!("-on-int{bits}"));
        }
        if let ResidualFormat::Integer(format) = self.residual {
            label.push_str(&format!("-{format}-residual"));
        }
        if let Some(requantization) = self.requantization {
            label.push_str(&format!("-{}", requantization.name()));
        }
        if !self.layers.is_empty() {
            label.push_str("-with-overrides");
        }
        label
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(default: &str, ends: Option<&str>) -> PrecisionPolicy {
        let ends = ends.map(|bits| bits.parse().unwrap());
        PrecisionPolicy {
            default: default.parse().unwrap(),
            first: ends,
            last: ends,
            layers: BTreeMap::new(),
            quantizer: QuantizerKind::AqtLegacy,
            carrier_bits: None,
            residual: ResidualFormat::Bf16,
            requantization: None,
        }
    }

    #[test]
    fn names_are_parsed_and_others_refused() {
        assert_eq!("w4a8".parse(), Ok(Bits::Integer { weight: 4, activation: 8 }));
        for name in ["w1a8", "w4", "a4w4", "w44a4", "int8", "w4a9", "w4a", "W4A4"] {
            assert!(name.parse::<Bits>().is_err(), "{name}");
        }
    }

    #[test]
    fn the_strongest_rule_wins() {
        let mut mixed = policy("w4a4", Some("w8a8"));
        mixed.layers.insert("b".to_owned(), Bits::Bf16);
        let bits: Vec<String> = ["a", "b", "c", "d"]
            .iter()
            .enumerate()
            .map(|(i, name)| mixed.bits(name, i, 4).to_string())
            .collect();
        assert_eq!(bits, ["w8a8", "bf16", "w4a4", "w8a8"]);
    }

    #[test]
    fn labels_are_the_fields_words() {
        assert_eq!(policy("w4a4", Some("w8a8")).label(), "mostly-4-bit");
        assert_eq!(policy("w8a8", Some("w8a8")).label(), "w8a8");
        assert_eq!(policy("bf16", None).label(), "bf16");
        assert_eq!(policy("w2a2", Some("w8a8")).label(), "w2a2-first-w8a8-last-w8a8");
    }
}
