//! What is in the registers of a PE after a cycle, for whoever draws or records it.

/// The registers of one PE. Folds are counted in the order of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeState<S> {
    /// The cycle that has just ended.
    pub cycle: u64,
    /// Row of the PE.
    pub row: usize,
    /// Column of the PE.
    pub column: usize,
    /// What moves right: its fold, and its vector (output-stationary: its step).
    pub moving: Option<(usize, u64)>,
    /// Fold of what is multiplied with: the active register (output-stationary: what moves down).
    pub held: Option<usize>,
    /// Fold of the shadow register; none in an output-stationary array.
    pub shadow: Option<usize>,
    /// The partial sum of the first lane along n.
    pub sum: Option<S>,
    /// A finished sum on its way out of an output-stationary array.
    pub out: Option<S>,
}

/// Is told of every PE in every cycle.
pub type Watch<'a, S> = dyn FnMut(PeState<S>) + 'a;
