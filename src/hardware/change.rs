//! A design with more of one resource, to see what that is worth.

use std::fmt;

use crate::numerics::{OperandFormat, OperandPair};

use super::accelerator::Accelerator;

/// More of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// Twice the DRAM bytes per second.
    TwiceBandwidth,
    /// Every scratchpad twice as large.
    TwiceBuffers,
    /// Twice the rows.
    TwiceRows,
    /// Twice the columns.
    TwiceColumns,
    /// Every integer pair with the lanes of the (4-bit, 4-bit) pairs, if those are more.
    Int4Lanes,
}

impl Change {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::TwiceBandwidth, Self::TwiceBuffers, Self::TwiceRows, Self::TwiceColumns, Self::Int4Lanes];
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::TwiceBandwidth => "2× bandwidth",
            Self::TwiceBuffers => "2× buffers",
            Self::TwiceRows => "2× rows",
            Self::TwiceColumns => "2× columns",
            Self::Int4Lanes => "int4 lanes",
        })
    }
}

impl Accelerator {
    /// This design with more of one resource, beyond the limits of a design file if need be. None where
    /// that is no change: no 4-bit pair has more lanes.
    pub fn changed(&self, change: Change) -> Option<Self> {
        let mut changed = self.clone();
        match change {
            Change::TwiceBandwidth => changed.dram.double_bandwidth(),
            Change::TwiceBuffers => {
                changed.activation.double_bytes();
                changed.weight.double_bytes();
                changed.accumulator.double_bytes();
            }
            Change::TwiceRows => changed.array.double_rows(),
            Change::TwiceColumns => changed.array.double_cols(),
            Change::Int4Lanes => {
                let four = |format: OperandFormat| format.bits() == 4;
                let int4 = |pair: OperandPair| four(pair.activation()) && four(pair.weight());
                let lanes = self.macs.iter().filter(|mac| int4(mac.pair())).map(|mac| mac.lanes()).max()?;
                for mac in changed.macs.iter_mut().filter(|mac| mac.pair() != OperandPair::Bf16) {
                    mac.raise_lanes(lanes);
                }
            }
        }
        (changed != *self).then_some(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::SHIPPED;
    use crate::source::SourceFile;

    #[test]
    fn one_resource_changes() {
        let design = Accelerator::parse(&SourceFile::embedded("d.toml", SHIPPED[0].1)).unwrap();
        let changed = |change| design.changed(change).unwrap();
        let rate = |design: &Accelerator| {
            let rate = design.dram().bytes_per_cycle();
            rate.numerator() as f64 / rate.denominator() as f64
        };
        assert_eq!(rate(&changed(Change::TwiceBandwidth)), 2.0 * rate(&design));
        assert_eq!(changed(Change::TwiceBuffers).weight().bytes(), 2 * design.weight().bytes());
        assert_eq!(changed(Change::TwiceRows).array().rows(), 2 * design.array().rows());
        assert_eq!(changed(Change::TwiceColumns).array().cols(), 2 * design.array().cols());
        let lanes = changed(Change::Int4Lanes);
        let most = design.macs().iter().map(|mac| mac.lanes()).max();
        for (mac, before) in lanes.macs().iter().zip(design.macs()) {
            let bf16 = mac.pair() == OperandPair::Bf16;
            assert_eq!(Some(mac.lanes()), if bf16 { Some(before.lanes()) } else { most });
        }
        assert!(lanes.changed(Change::Int4Lanes).is_none());
    }
}
