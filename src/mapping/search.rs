//! How a mapper chooses among the ways to tile a layer, and whom it asks.

use super::mapper::LayerMapping;

/// One way to run a layer.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Index of the layer.
    pub layer: usize,
    /// The way.
    pub mapping: &'a LayerMapping,
    /// Cycles that the layer alone takes at the least, its weights in DRAM.
    pub least_cycles: u64,
}

/// What a way to run a layer costs, less is better; None if it is out of the question. The first of equals
/// is taken.
pub type Judge<'a> = dyn FnMut(&Candidate<'_>) -> Option<f64> + 'a;

/// Which ways are considered, and who judges them.
pub enum Search<'a> {
    /// Likely ways, by estimates of their cycles alone.
    Estimated,
    /// The same; of a layer of few steps, the ways with the least estimates by a judge of cycles.
    Shortlisted(&'a mut Judge<'a>),
    /// Likely ways, by a judge.
    Likely(&'a mut Judge<'a>),
    /// Every way on a grid of nested tiles, by a judge.
    Nested(&'a mut Judge<'a>),
}
