//! What a technology file prices one by one, and the key path it stands under.

use std::fmt;

use crate::numerics::{MacSpec, OperandPair, RegisterWidth};
use crate::timing::{Adder, VectorOperation};

/// One action with an energy of its own. SRAM accesses depend on the macro and are looked up apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// One multiplication of this (activation, weight) pair.
    Multiply(OperandPair),
    /// One addition into a partial sum or accumulator.
    Accumulate(Adder),
    /// One bit written into a PE register.
    RegisterBit,
    /// One element-wise f32 operation of the vector unit.
    Vector(VectorOperation),
    /// One bit moved over the channel of this DRAM part.
    DramBit(String),
    /// One operation that no design performs, given for other entries to be derived from.
    Reference(String),
}

const VECTOR_OPERATIONS: [VectorOperation; 6] = [
    VectorOperation::Convert,
    VectorOperation::Multiply,
    VectorOperation::Add,
    VectorOperation::Compare,
    VectorOperation::Quantize,
    VectorOperation::Round,
];

fn vector_key(operation: VectorOperation) -> &'static str {
    match operation {
        VectorOperation::Convert => "convert",
        VectorOperation::Multiply => "multiply",
        VectorOperation::Add => "add",
        VectorOperation::Compare => "compare",
        VectorOperation::Quantize => "quantize",
        VectorOperation::Round => "round",
    }
}

/// One action per kind of vector-unit operation.
pub fn vector_actions() -> [Action; 6] {
    VECTOR_OPERATIONS.map(Action::Vector)
}

/// The additions of a MAC unit into its partial sum and into its accumulator, and the partial sum's bits.
pub fn adders(spec: MacSpec) -> (Action, Action, u8) {
    match spec {
        MacSpec::Integer(mac) => {
            let adder = |width: RegisterWidth| Action::Accumulate(Adder::Integer(width.bits()));
            (adder(mac.partial_sum), adder(mac.accumulator), mac.partial_sum.bits())
        }
        MacSpec::Bf16(_) => (Action::Accumulate(Adder::F32), Action::Accumulate(Adder::F32), 32),
    }
}

impl Action {
    /// What [`Action::parse`] accepts, for error messages.
    pub(super) const EXPECTED: &'static str = "expected `multiplier.ACTIVATION,WEIGHT` (for example \
        `multiplier.uint8,int4`), `adder.int1` to `adder.int64`, `adder.f32`, `register.bit`, \
        `vector.OPERATION.f32` with convert, multiply, add, compare, quantize or round, `dram.PART`, or \
        `reference.NAME`";

    /// Reads a reference such as `multiplier.int8,int8`: the key path below `energy`, without quotes.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let (component, rest) = path.split_once('.')?;
        match component {
            "multiplier" => {
                let (activation, weight) = rest.split_once(',')?;
                OperandPair::new(activation.parse().ok()?, weight.parse().ok()?).map(Self::Multiply)
            }
            "adder" if rest == "f32" => Some(Self::Accumulate(Adder::F32)),
            "adder" => {
                let bits = (1..=64).find(|bits| rest == format!("int{bits}"))?;
                Some(Self::Accumulate(Adder::Integer(bits)))
            }
            "register" => (rest == "bit").then_some(Self::RegisterBit),
            "vector" => {
                let name = rest.strip_suffix(".f32")?;
                VECTOR_OPERATIONS
                    .into_iter()
                    .find(|operation| vector_key(*operation) == name)
                    .map(Self::Vector)
            }
            "dram" => (!rest.is_empty()).then(|| Self::DramBit(rest.to_owned())),
            "reference" => (!rest.is_empty()).then(|| Self::Reference(rest.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for Action {
    /// The key path in a technology file, as TOML writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Multiply(pair) => {
                write!(f, "energy.multiplier.\"{},{}\"", pair.activation(), pair.weight())
            }
            Self::Accumulate(Adder::Integer(bits)) => write!(f, "energy.adder.int{bits}"),
            Self::Accumulate(Adder::F32) => f.write_str("energy.adder.f32"),
            Self::RegisterBit => f.write_str("energy.register.bit"),
            Self::Vector(operation) => write!(f, "energy.vector.{}.f32", vector_key(*operation)),
            Self::DramBit(part) => write_named(f, "dram", part),
            Self::Reference(name) => write_named(f, "reference", name),
        }
    }
}

/// A key whose last part is any name: quoted unless TOML reads it bare.
fn write_named(f: &mut fmt::Formatter<'_>, table: &str, name: &str) -> fmt::Result {
    let bare = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if bare { write!(f, "energy.{table}.{name}") } else { write!(f, "energy.{table}.{name:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_names_the_key_it_was_read_from() {
        for path in [
            "multiplier.uint8,int4",
            "multiplier.bf16,bf16",
            "adder.int16",
            "adder.f32",
            "register.bit",
            "vector.convert.f32",
            "vector.multiply.f32",
            "vector.add.f32",
            "vector.compare.f32",
            "vector.quantize.f32",
            "vector.round.f32",
            "dram.LPDDR4",
            "dram.HBM2 8-high",
            "reference.fp16-multiply",
        ] {
            let key = Action::parse(path).unwrap().to_string();
            assert_eq!(key.replace('"', ""), format!("energy.{path}"));
        }
    }

    #[test]
    fn other_names_are_no_actions() {
        for path in [
            "multiplier",
            "multiplier.int8",
            "multiplier.int8, int8",
            "multiplier.bf16,int8",
            "adder.int08",
            "adder.int65",
            "adder.int*",
            "adder.bf16",
            "register.byte",
            "vector.add",
            "vector.divide.f32",
            "dram.",
            "reference.",
            "sram.8192",
        ] {
            assert_eq!(Action::parse(path), None, "{path}");
        }
    }
}
