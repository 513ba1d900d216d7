//! Dataflows: which operand stays in the PEs.

use std::fmt;

/// Which operand of a GEMM stays in the PEs while the others move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dataflow {
    /// Weight stationary, `ws`: rows hold k, columns hold n, the pixels m stream through.
    Ws,
    /// Output stationary, `os`: rows hold the pixels m, columns hold n, k streams through.
    Os,
    /// Input stationary, `is`: rows hold k, columns hold the pixels m, n streams through.
    Is,
}

impl Dataflow {
    /// All of them, by their names in design files and options.
    pub(crate) const NAMED: [(&str, Self); 3] = [("ws", Self::Ws), ("os", Self::Os), ("is", Self::Is)];
}

impl fmt::Display for Dataflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ws => "ws",
            Self::Os => "os",
            Self::Is => "is",
        })
    }
}
