//! Dataflows: which operand stays in the PEs.

use std::fmt;

/// Which operand of a GEMM stays in the PEs while the others move. Output stationary (`os`) and input
/// stationary (`is`) are in the file format, but not in this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dataflow {
    /// Weight stationary, `ws`: rows hold k, columns hold n, the pixels m stream through.
    Ws,
}

impl fmt::Display for Dataflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ws => "ws",
        })
    }
}
