//! How results leave an output-stationary array.

/// Which registers carry finished sums out of an output-stationary array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutputDrain {
    /// Second registers, `overlapped`: results leave while the next fold runs.
    Overlapped,
    /// The accumulating registers themselves, `blocking`: the array drains before the next fold.
    Blocking,
}

impl OutputDrain {
    /// Both, by their names in a design file.
    pub(super) const NAMED: [(&str, Self); 2] =
        [("overlapped", Self::Overlapped), ("blocking", Self::Blocking)];
}
