//! A small design for the tests of this room, and how they refuse what is wrong with it.

use super::Accelerator;
use crate::numerics::OperandPair;
use crate::source::{SourceError, SourceFile};

pub(super) const SMALL: &str = r#"
schema_version = 1
frequency_hz = 1_000_000_000
technology = "7nm"
[array]
rows = 16
cols = 8
dataflows = ["ws"]
[[mac]]
activation = "uint8"
weight = "int8"
lanes = { along = "k", count = 2 }
partial_sum_bits = 24
accumulator_bits = 32
[[mac]]
activation = "bf16"
weight = "bf16"
lanes = { along = "k", count = 1 }
[scratchpad.activation]
bytes = 65536
width_bits = 64
[scratchpad.weight]
bytes = 32768
banks = 4
width_bits = 128
[scratchpad.accumulator]
bytes = 16384
width_bits = 64
double_buffered = false
[dram]
part = "LPDDR4"
bytes_per_s = 12_800_000_000
efficiency = 0.7
latency_cycles = 100
burst_bytes = 64
[vector]
lanes = 16
ops_per_cycle = 1
"#;

pub(super) fn parse(text: &str) -> Result<Accelerator, SourceError> {
    Accelerator::parse(&SourceFile::embedded("folder/d.toml", text))
}

pub(super) fn pair(activation: &str, weight: &str) -> OperandPair {
    OperandPair::new(activation.parse().unwrap(), weight.parse().unwrap()).unwrap()
}

/// Texts of the small design, what replaces them, and what the error then contains.
pub(super) fn assert_refused(cases: &[(&str, &str, &str)]) {
    for (from, to, expected) in cases {
        assert!(SMALL.contains(from), "{from}");
        let error = parse(&SMALL.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(expected), "expected {expected:?} in:\n{error}");
    }
}
