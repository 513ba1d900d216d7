//! What the values of a layer depend on, and nothing else of the hardware.

use crate::numerics::MacSpec;

use super::reduction::ReductionOrder;

/// The MAC unit and the order of accumulation of one layer. Equal plans give equal bits, whatever the
/// design, so a network is executed once per list of plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerPlan {
    /// The MAC unit.
    pub mac: MacSpec,
    /// None when no operands of the layer's formats can make the order matter.
    pub reduction: Option<ReductionOrder>,
}
