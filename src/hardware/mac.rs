//! MAC units: one per operand pair, with the lanes a PE has for it.
//!
//! Knows `[[mac]]` of a design file; must not know how many PEs there are.

use std::ops::Range;

use crate::numerics::{
    Bf16Mac, Bias, FloatRounding, IntegerMac, Join, LaneSum, MacSpec, OperandFormat, OperandPair, Overflow,
    PartialSumFormat, RegisterWidth, Subnormals, UnknownFormat,
};
use crate::source::{SourceError, SourceFile, Spanned};

use super::check::integer;
use super::dataflow::Dataflow;
use super::raw::{RawLanes, RawMac};

const MAX_LANES: i64 = 64;

/// Which extent of a GEMM the lanes of a PE widen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LaneAxis {
    /// `k`: the lanes' products are summed serially into one partial sum; lane l of row r takes
    /// k0 + r · lanes + l.
    K,
    /// `n`: the lanes share an activation and have a partial sum each; lane l of column c has output
    /// channel n0 + c · lanes + l. Never changes the order of accumulation.
    N,
}

/// What every PE does with one operand pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacUnit {
    pair: OperandPair,
    lane_axis: LaneAxis,
    lanes: u64,
    spec: MacSpec,
    join: Join,
}

impl MacUnit {
    pub(super) fn set_spec(&mut self, spec: MacSpec) {
        self.spec = spec;
    }

    pub(super) fn raise_lanes(&mut self, lanes: u64) {
        self.lanes = self.lanes.max(lanes);
    }

    /// `dataflows` are those that the array lists.
    pub(super) fn new(
        file: &SourceFile,
        raw: &Spanned<RawMac>,
        dataflows: &[Dataflow],
    ) -> Result<Self, SourceError> {
        let (table, raw) = (raw.span(), raw.get_ref());
        let activation = format(file, &raw.activation)?;
        let weight = format(file, &raw.weight)?;
        let Some(pair) = OperandPair::new(activation, weight) else {
            let message = format!("({activation},{weight}): expected a pair of two integers or (bf16,bf16)");
            return Err(file.error(raw.weight.span(), message));
        };
        let (lane_axis, lanes) = lanes(file, &raw.lanes, dataflows)?;
        let lane_sum = option(
            file,
            &raw.lane_sum,
            &[("serial", LaneSum::Serial), ("first", LaneSum::First), ("block", LaneSum::Block)],
        )?;
        let join = option(file, &raw.join, &[("per-fold", Join::PerFold), ("chained", Join::Chained)])?;
        let alone = lanes == 1 || lane_axis == LaneAxis::N;
        let spec = match pair {
            OperandPair::Integer { .. } => {
                // One product has no order.
                let lane_sum = if alone { LaneSum::Serial } else { lane_sum };
                MacSpec::Integer(IntegerMac { lane_sum, ..integer_mac(file, table, raw)? })
            }
            OperandPair::Bf16 => {
                // A block rounds its exact sum, the others a product outside f32's range first.
                let lane_sum = if alone && lane_sum == LaneSum::First { LaneSum::Serial } else { lane_sum };
                MacSpec::Bf16(Bf16Mac { lane_sum, ..bf16_mac(file, raw)? })
            }
        };
        if let (Join::Chained, Some(written), true) = (join, &raw.join, formats_differ(spec)) {
            let message = "`chained`: the accumulator's value enters a column, so accumulators must have the \
                           format of partial sums";
            return Err(file.error(written.span(), message));
        }
        Ok(Self { pair, lane_axis, lanes, spec, join })
    }

    /// Formats of the operands.
    pub fn pair(&self) -> OperandPair {
        self.pair
    }

    /// Multiplications per PE and cycle, at least 1, along [`MacUnit::lane_axis`].
    pub fn lanes(&self) -> u64 {
        self.lanes
    }

    /// What the lanes widen; without meaning when there is one.
    pub fn lane_axis(&self) -> LaneAxis {
        self.lane_axis
    }

    /// How products become sums.
    pub fn spec(&self) -> MacSpec {
        self.spec
    }

    /// How the folds of an output join.
    pub fn join(&self) -> Join {
        self.join
    }
}

/// All units of a design; no pair occurs twice.
pub(super) fn macs(
    file: &SourceFile,
    raw: &[Spanned<RawMac>],
    dataflows: &[Dataflow],
) -> Result<Vec<MacUnit>, SourceError> {
    let mut macs: Vec<MacUnit> = Vec::with_capacity(raw.len());
    for raw in raw {
        let mac = MacUnit::new(file, raw, dataflows)?;
        if macs.iter().any(|earlier| earlier.pair() == mac.pair()) {
            let message = format!("the pair {} is listed twice; expected each pair once", mac.pair());
            return Err(file.error(raw.get_ref().activation.span(), message));
        }
        macs.push(mac);
    }
    if macs.is_empty() {
        return Err(file.error_in_file("a design has at least one `[[mac]]`"));
    }
    Ok(macs)
}

/// A key with a choice of values, the first by default.
fn option<T: Copy>(
    file: &SourceFile,
    value: &Option<Spanned<String>>,
    choices: &[(&str, T)],
) -> Result<T, SourceError> {
    value.as_ref().map_or(Ok(choices[0].1), |value| file.one_of(value, choices))
}

fn formats_differ(spec: MacSpec) -> bool {
    match spec {
        MacSpec::Integer(mac) => mac.partial_sum != mac.accumulator,
        MacSpec::Bf16(mac) => mac.partial_sum != PartialSumFormat::F32,
    }
}

fn format(file: &SourceFile, name: &Spanned<String>) -> Result<OperandFormat, SourceError> {
    name.get_ref().parse().map_err(|error: UnknownFormat| file.error(name.span(), error.to_string()))
}

fn lanes(file: &SourceFile, raw: &RawLanes, dataflows: &[Dataflow]) -> Result<(LaneAxis, u64), SourceError> {
    let axis = file.one_of(&raw.along, &[("k", LaneAxis::K), ("n", LaneAxis::N)])?;
    let count = integer(file, &raw.count, 1..=MAX_LANES)?;
    if axis == LaneAxis::N && count > 1 && dataflows.contains(&Dataflow::Is) {
        let message = "`n`: not in this version beside the dataflow `is`, whose columns are pixels; expected \
                       `k`, or no `is` in `array.dataflows`";
        return Err(file.error(raw.along.span(), message));
    }
    Ok((axis, count))
}

fn integer_mac(file: &SourceFile, table: Range<usize>, raw: &RawMac) -> Result<IntegerMac, SourceError> {
    let names = [&raw.partial_sum, &raw.accumulator, &raw.rounding, &raw.subnormals];
    if let Some(foreign) = names.into_iter().flatten().next() {
        let message = "a key of the pair (bf16,bf16); an integer pair has `partial_sum_bits`, \
                       `accumulator_bits`, `overflow` and `bias`";
        return Err(file.error(foreign.span(), message));
    }
    let overflow =
        option(file, &raw.overflow, &[("wrap", Overflow::Wrap), ("saturate", Overflow::Saturate)])?;
    let bias = [("after-last-fold", Bias::AfterLastFold), ("preload", Bias::Preload)];
    let bias = option(file, &raw.bias, &bias)?;
    let width = |value: &Option<Spanned<i64>>, key: &str| -> Result<RegisterWidth, SourceError> {
        let Some(value) = value else {
            return Err(file.error(table.clone(), format!("an integer pair needs `{key}`, 16 to 32")));
        };
        let bits: i64 = *value.get_ref();
        u8::try_from(bits)
            .ok()
            .and_then(RegisterWidth::new)
            .ok_or_else(|| file.error(value.span(), format!("{bits}: expected 16 to 32")))
    };
    let partial_sum = width(&raw.partial_sum_bits, "partial_sum_bits")?;
    let accumulator = width(&raw.accumulator_bits, "accumulator_bits")?;
    Ok(IntegerMac { overflow, bias, ..IntegerMac::wrapping(partial_sum, accumulator) })
}

fn bf16_mac(file: &SourceFile, raw: &RawMac) -> Result<Bf16Mac, SourceError> {
    let bits = [&raw.partial_sum_bits, &raw.accumulator_bits].into_iter().flatten().map(Spanned::span);
    let names = [&raw.overflow, &raw.bias].into_iter().flatten().map(Spanned::span);
    if let Some(foreign) = bits.chain(names).next() {
        let message = "a key of integer pairs; the pair (bf16,bf16) has `partial_sum`, `accumulator`, \
                       `rounding` and `subnormals`";
        return Err(file.error(foreign, message));
    }
    file.only(raw.accumulator.as_ref(), "f32", &[])?;
    Ok(Bf16Mac {
        partial_sum: option(
            file,
            &raw.partial_sum,
            &[("f32", PartialSumFormat::F32), ("bf16", PartialSumFormat::Bf16)],
        )?,
        rounding: option(
            file,
            &raw.rounding,
            &[
                ("rne", FloatRounding::NearestEven),
                ("rtz", FloatRounding::TowardZero),
                ("rto", FloatRounding::Odd),
            ],
        )?,
        subnormals: option(
            file,
            &raw.subnormals,
            &[("keep", Subnormals::Keep), ("flush", Subnormals::Flush)],
        )?,
        lane_sum: LaneSum::Serial,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::fixture::{SMALL, assert_refused, pair, parse};

    #[test]
    fn lanes_widen_k_or_n() {
        let mac = |text: &str| *parse(text).unwrap().mac(pair("uint8", "int8")).unwrap();
        assert_eq!((mac(SMALL).lane_axis(), mac(SMALL).lanes()), (LaneAxis::K, 2));
        let along_n = SMALL.replace("along = \"k\", count = 2", "along = \"n\", count = 4");
        let along_n = along_n.replace("[\"ws\"]", "[\"ws\", \"os\"]");
        assert_eq!((mac(&along_n).lane_axis(), mac(&along_n).lanes()), (LaneAxis::N, 4));
        // A single lane widens nothing, so that pixels on the columns do no harm.
        let single = SMALL.replace("along = \"k\", count = 1", "along = \"n\", count = 1");
        assert!(parse(&single.replace("[\"ws\"]", "[\"is\"]")).is_ok());
    }

    #[test]
    fn wrong_units_are_refused_with_their_place() {
        assert_refused(&[
            ("\"uint8\"", "\"uint9\"", "`mac[0].activation`: unknown format `uint9`"),
            (
                "\"uint8\"",
                "\"f32\"",
                "unknown format `f32`: expected `int2` to `int8`, `uint2` to `uint8` or `bf16`",
            ),
            (
                "\"uint8\"",
                "\"bf16\"",
                "`mac[0].weight`: (bf16,int8): expected a pair of two integers or (bf16,bf16)",
            ),
            ("count = 2", "count = 65", "`mac[0].lanes.count`: 65: expected 1 to 64"),
            (
                "along = \"k\", count = 2",
                "along = \"m\", count = 2",
                "`mac[0].lanes.along`: unknown value `m`: expected `k` or `n`",
            ),
            (
                "[\"ws\"]\n[[mac]]\nactivation = \"uint8\"\nweight = \"int8\"\nlanes = { along = \"k\"",
                "[\"ws\", \"is\"]\n[[mac]]\nactivation = \"uint8\"\nweight = \"int8\"\nlanes = { along = \"n\"",
                "`mac[0].lanes.along`: `n`: not in this version beside the dataflow `is`",
            ),
            ("partial_sum_bits = 24\n", "", "`mac[0]`: an integer pair needs `partial_sum_bits`, 16 to 32"),
            (
                "partial_sum_bits = 24",
                "partial_sum_bits = 33",
                "`mac[0].partial_sum_bits`: 33: expected 16 to 32",
            ),
            ("accumulator_bits = 32", "accumulator_bits = 272", "272: expected 16 to 32"),
            (
                "accumulator_bits = 32",
                "accumulator_bits = 32\noverflow = \"clip\"",
                "unknown value `clip`: expected `wrap` or `saturate`",
            ),
            (
                "accumulator_bits = 32",
                "accumulator_bits = 32\nbias = \"first\"",
                "unknown value `first`: expected `after-last-fold` or `preload`",
            ),
            (
                "accumulator_bits = 32",
                "accumulator_bits = 32\nlane_sum = \"tree\"",
                "unknown value `tree`: expected `serial`, `first` or `block`",
            ),
            (
                "accumulator_bits = 32",
                "accumulator_bits = 32\njoin = \"chained\"",
                "`chained`: the accumulator's value enters a column",
            ),
            (
                "accumulator_bits = 32",
                "accumulator_bits = 32\nrounding = \"rne\"",
                "`mac[0].rounding`: a key of the pair (bf16,bf16)",
            ),
            (
                "weight = \"bf16\"",
                "weight = \"bf16\"\naccumulator_bits = 32",
                "`mac[1].accumulator_bits`: a key of integer pairs",
            ),
            (
                "weight = \"bf16\"",
                "weight = \"bf16\"\nbias = \"preload\"",
                "`mac[1].bias`: a key of integer pairs",
            ),
            (
                "weight = \"bf16\"",
                "weight = \"bf16\"\npartial_sum = \"bf16\"\njoin = \"chained\"",
                "`mac[1].join`: `chained`: the accumulator's value enters a column",
            ),
            (
                "weight = \"bf16\"",
                "weight = \"bf16\"\naccumulator = \"bf16\"",
                "unknown value `bf16`: expected `f32`",
            ),
            (
                "weight = \"bf16\"",
                "weight = \"bf16\"\nrounding = \"rna\"",
                "unknown value `rna`: expected `rne`, `rtz` or `rto`",
            ),
            (
                "weight = \"bf16\"",
                "weight = \"bf16\"\nsubnormals = \"lose\"",
                "unknown value `lose`: expected `keep` or `flush`",
            ),
            (
                "[scratchpad.activation]",
                "[[mac]]\nactivation = \"bf16\"\nweight = \"bf16\"\nlanes = { along = \"k\", count = 4 }\n[scratchpad.activation]",
                "`mac[2].activation`: the pair (bf16,bf16) is listed twice",
            ),
        ]);
    }

    #[test]
    fn a_design_has_a_unit() {
        let no_mac = SMALL[..SMALL.find("[[mac]]").unwrap()].to_owned()
            + &SMALL[SMALL.find("[scratchpad.activation]").unwrap()..];
        let error = parse(&no_mac).unwrap_err().to_string();
        assert_eq!(error, "folder/d.toml: a design has at least one `[[mac]]`");
    }
}
