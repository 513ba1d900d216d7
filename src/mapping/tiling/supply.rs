//! Where a layer's operands come from when they are in DRAM, and how often.
//!
//! Must not know sizes: what fits is decided by whoever maps a layer.

/// How a layer on the array gets its weights when they are in DRAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WeightSupply {
    /// All fit: fetched once.
    PerLayer,
    /// Those of an output tile fit: fetched once per output tile.
    PerTile,
    /// Fetched for every use.
    PerStep,
}

/// How a layer gets its input when that is in DRAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InputSupply {
    /// A tile's window of the input fits: every element is fetched once.
    PerTile,
    /// Not even one pixel's window fits: operands are fetched fold by fold.
    PerFold,
}
