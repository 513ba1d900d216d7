//! The parts of an accelerator that energy is reported by.

use std::fmt;

/// A part of the accelerator, in the order of every report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// Multipliers of the array.
    Multiplier,
    /// Adders of the array and behind it.
    MacAdder,
    /// Registers of the PEs.
    PeRegisters,
    /// Activation scratchpad.
    ActivationScratchpad,
    /// Weight scratchpad.
    WeightScratchpad,
    /// Accumulator scratchpad.
    AccumulatorScratchpad,
    /// Vector unit.
    VectorUnit,
    /// DRAM transfers.
    Dram,
    /// Leakage of the scratchpads: excluded in this version.
    SramLeakage,
}

impl Component {
    /// All components in report order.
    pub const ALL: [Self; 9] = [
        Self::Multiplier,
        Self::MacAdder,
        Self::PeRegisters,
        Self::ActivationScratchpad,
        Self::WeightScratchpad,
        Self::AccumulatorScratchpad,
        Self::VectorUnit,
        Self::Dram,
        Self::SramLeakage,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Multiplier => "multiplier",
            Self::MacAdder => "MAC adder",
            Self::PeRegisters => "PE registers",
            Self::ActivationScratchpad => "activation scratchpad",
            Self::WeightScratchpad => "weight scratchpad",
            Self::AccumulatorScratchpad => "accumulator scratchpad",
            Self::VectorUnit => "vector unit",
            Self::Dram => "DRAM",
            Self::SramLeakage => "SRAM leakage",
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
