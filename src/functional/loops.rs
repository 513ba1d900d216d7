//! Plain loops over elements, compiled for the vectors of a processor.

use super::avx2::Avx2;
use super::avx512::Avx512;

/// A loop. [`Vectors::run`] compiles what is inlined into it, so `run` and what it calls are
/// `#[inline(always)]`; a closure cannot be.
pub(super) trait Loops {
    type Output;

    fn run(self) -> Self::Output;
}

/// Vectors that loops are compiled for; bits never depend on it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Vectors {
    /// Those of every processor of this architecture.
    Baseline,
    Avx2(Avx2),
    Avx512(Avx512),
}

impl Vectors {
    /// Runs loops compiled for these vectors.
    pub(super) fn run<L: Loops>(self, loops: L) -> L::Output {
        match self {
            Self::Baseline => loops.run(),
            Self::Avx2(avx2) => avx2.run(loops),
            Self::Avx512(avx512) => avx512.run(loops),
        }
    }
}
