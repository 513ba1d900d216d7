//! Why SCALE-Sim has no numbers for a layer.

/// A layer that SCALE-Sim 3.0.0 would crash on, or that is larger than is run here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScaleSimError {
    /// Its total cycles are 0, by which it divides.
    #[error(
        "layer `{layer}`: one fold of one cycle, which SCALE-Sim counts as 0 cycles and divides by; expected a larger \
         array or layer"
    )]
    NoCycles {
        /// The layer.
        layer: String,
    },
    /// The window from which it derives a bandwidth is empty.
    #[error(
        "layer `{layer}`: the {operand} SRAM fills twice in one cycle, where SCALE-Sim divides by zero; expected a \
         larger SRAM or a smaller array"
    )]
    TwoFills {
        /// The layer.
        layer: String,
        /// `IFMAP` or `filter`.
        operand: &'static str,
    },
    /// More than is simulated.
    #[error("layer `{layer}`: {what} is {count}; at most {limit} are simulated")]
    TooLarge {
        /// The layer.
        layer: String,
        /// What exceeds the limit.
        what: &'static str,
        /// How much there is.
        count: u128,
        /// How much is accepted.
        limit: u64,
    },
}
