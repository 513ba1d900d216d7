//! One operand pair of a generated PE: its widths, and what of MAC units has no Verilog.

use crate::hardware::{LaneAxis, MacUnit};
use crate::mapping::{Dataflow, Lanes};
use crate::numerics::{
    Bias, FloatRounding, Join, LaneSum, MacSpec, OperandFormat, OperandPair, Overflow, PartialSumFormat,
    Signedness, Subnormals,
};

/// A design that has no Verilog, by the key that asks for something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: {reason}")]
pub struct NotGenerated {
    key: &'static str,
    /// Which MAC unit of the design it is about.
    unit: Option<usize>,
    reason: String,
}

impl NotGenerated {
    /// The key's dotted path in the design's file.
    pub fn path(&self) -> String {
        match (self.unit, self.key.strip_prefix("mac.")) {
            (Some(unit), Some(key)) => format!("mac[{unit}].{key}"),
            _ => self.key.to_owned(),
        }
    }

    /// What is not generated, and what would be.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    pub(super) fn of_unit(self, unit: usize) -> Self {
        Self { unit: Some(unit), ..self }
    }
}

pub(super) fn refuse<T>(key: &'static str, reason: impl Into<String>) -> Result<T, NotGenerated> {
    Err(NotGenerated { key, unit: None, reason: reason.into() })
}

/// One operand pair of a generated PE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Datapath {
    pub(super) pair: OperandPair,
    pub(super) lanes: Lanes,
    pub(super) mac: MacSpec,
}

impl Datapath {
    pub(super) fn of(unit: &MacUnit, dataflow: Dataflow) -> Result<Self, NotGenerated> {
        if unit.join() == Join::Chained && dataflow != Dataflow::Os {
            return refuse("mac.join", "`chained` is not generated in this version; expected `per-fold`");
        }
        let lanes = Lanes { axis: unit.lane_axis(), count: unit.lanes() };
        if lanes.axis == LaneAxis::N && lanes.count > 1 && dataflow == Dataflow::Is {
            return refuse("mac.lanes", "lanes along n have no meaning for `is`; expected lanes along k");
        }
        let alone = lanes.along_k() == 1;
        match unit.spec() {
            MacSpec::Integer(mac) if mac.bias == Bias::Preload => {
                refuse("mac.bias", "`preload` is not generated in this version; expected `after-last-fold`")
            }
            // Sums that wrap are the same in any order.
            MacSpec::Integer(mac) if mac.overflow == Overflow::Saturate && mac.lane_sum == LaneSum::First => {
                let reason = "`first` is not generated in this version where sums saturate; expected `serial` \
                              or `block`";
                refuse("mac.lane_sum", reason)
            }
            MacSpec::Bf16(mac) if mac.rounding != FloatRounding::NearestEven => {
                refuse("mac.rounding", "only `rne` is generated in this version")
            }
            MacSpec::Bf16(mac)
                if mac.lane_sum != LaneSum::Serial && !(alone && mac.lane_sum == LaneSum::First) =>
            {
                refuse("mac.lane_sum", "only `serial` is generated in this version for (bf16,bf16)")
            }
            mac => Ok(Self { pair: unit.pair(), lanes, mac }),
        }
    }

    /// The operand that streams and the one that stays; output-stationary: those that move right and down.
    pub(super) fn roles(&self, dataflow: Dataflow) -> (OperandFormat, OperandFormat) {
        let (activation, weight) = self.formats();
        match dataflow {
            Dataflow::Is => (weight, activation),
            Dataflow::Ws | Dataflow::Os => (activation, weight),
        }
    }

    pub(super) fn formats(&self) -> (OperandFormat, OperandFormat) {
        match self.pair {
            OperandPair::Integer { activation, weight } => {
                (OperandFormat::Integer(activation), OperandFormat::Integer(weight))
            }
            OperandPair::Bf16 => (OperandFormat::Bf16, OperandFormat::Bf16),
        }
    }

    pub(super) fn is_bf16(&self) -> bool {
        self.pair == OperandPair::Bf16
    }

    /// Of a partial sum.
    pub(super) fn sum_bits(&self) -> u64 {
        match self.mac {
            MacSpec::Integer(mac) => mac.partial_sum.bits().into(),
            MacSpec::Bf16(mac) => match mac.partial_sum {
                PartialSumFormat::F32 => 32,
                PartialSumFormat::Bf16 => 16,
            },
        }
    }

    pub(super) fn accumulator_bits(&self) -> u64 {
        match self.mac {
            MacSpec::Integer(mac) => mac.accumulator.bits().into(),
            MacSpec::Bf16(_) => 32,
        }
    }

    pub(super) fn saturates(&self) -> bool {
        matches!(self.mac, MacSpec::Integer(mac) if mac.overflow == Overflow::Saturate)
    }

    pub(super) fn sums_in_a_block(&self) -> bool {
        matches!(self.mac, MacSpec::Integer(mac) if mac.lane_sum == LaneSum::Block)
    }

    pub(super) fn flushes(&self) -> bool {
        matches!(self.mac, MacSpec::Bf16(mac) if mac.subnormals == Subnormals::Flush)
    }
}

pub(super) fn is_signed(format: OperandFormat) -> bool {
    matches!(format, OperandFormat::Integer(format) if format.signedness() == Signedness::Signed)
}
