//! The vector unit behind the accumulators: element-wise f32 operations.
//!
//! Knows `[vector]` of a design file; must not know what an operation computes.

use crate::source::{SourceError, SourceFile};

use super::check::integer;
use super::raw::RawVector;

const MAX_LANES: i64 = 65_536;
const MAX_OPS_PER_CYCLE: i64 = 64;

/// Post-processing, pooling and quantization on read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorUnit {
    lanes: u64,
    ops_per_cycle: u64,
}

impl VectorUnit {
    pub(super) fn new(file: &SourceFile, raw: &RawVector) -> Result<Self, SourceError> {
        Ok(Self {
            lanes: integer(file, &raw.lanes, 1..=MAX_LANES)?,
            ops_per_cycle: integer(file, &raw.ops_per_cycle, 1..=MAX_OPS_PER_CYCLE)?,
        })
    }

    /// Elements worked on at once, at least 1.
    pub fn lanes(&self) -> u64 {
        self.lanes
    }

    /// Operations per lane and cycle, at least 1.
    pub fn ops_per_cycle(&self) -> u64 {
        self.ops_per_cycle
    }
}

#[cfg(test)]
mod tests {
    use crate::hardware::fixture::assert_refused;

    #[test]
    fn wrong_units_are_refused_with_their_place() {
        assert_refused(&[
            ("lanes = 16", "lanes = 0", "`vector.lanes`: 0: expected 1 to 65536"),
            ("ops_per_cycle = 1", "ops_per_cycle = 65", "`vector.ops_per_cycle`: 65: expected 1 to 64"),
        ]);
    }
}
