//! Why a cost could not be computed.

/// An error of cost accounting.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CostError {
    /// The technology file neither gives nor excludes the energy of an action that was counted.
    #[error(
        "technology `{technology}` says nothing about `{key}`: \
         give it as `row`, `borrowed` or `derived`, or leave it out with `excluded = \"reason\"`"
    )]
    MissingEnergy {
        /// Name of the technology.
        technology: String,
        /// Key path in its file.
        key: String,
    },
    /// The technology file is about areas.
    #[error("technology `{technology}` has areas only, no energy: {reason}")]
    AreaOnly {
        /// Name of the technology.
        technology: String,
        /// The file's own reason.
        reason: String,
    },
    /// The share of a MAC's energy charged for an idle slot is not a share.
    #[error("idle fraction {0} is not between 0 and 1")]
    IdleFraction(f64),
    /// An operand width outside the hardware-agnostic costs.
    #[error("{operand} width of {bits} bits: the hardware-agnostic costs are defined for 1 to 16 bits")]
    OperandBits {
        /// `activation` or `weight`.
        operand: &'static str,
        /// The width given.
        bits: u8,
    },
    /// A hardware-agnostic cost exceeds 64 bits.
    #[error("{0} cost exceeds 64 bits")]
    Overflow(&'static str),
}
