//! What the registers carry. No method returns anything that control could look at.

use half::bf16;

use crate::numerics::{Bf16Mac, IntegerMac};

/// Operands and sums that move through the array. `()` moves nothing: cycles only.
pub trait Payload {
    /// Operands of all lanes of one PE.
    type Word: Copy;
    /// A partial sum or an accumulator.
    type Sum: Copy;

    /// Activations k to k + lanes of vector m.
    fn activation(&self, group: u64, m: u64, k: u64, lanes: u64) -> Self::Word;
    /// Weights k to k + lanes of output channel n.
    fn weight(&self, group: u64, n: u64, k: u64, lanes: u64) -> Self::Word;
    /// What enters at the top of a column.
    fn zero(&self) -> Self::Sum;
    /// One PE in one cycle: the lanes add serially to the partial sum.
    fn step(&self, sum: Self::Sum, activation: Self::Word, weight: Self::Word) -> Self::Sum;
    /// A fold's sum joins the accumulator, or starts one.
    fn join(&self, accumulator: Option<Self::Sum>, fold: Self::Sum) -> Self::Sum;
}

impl Payload for () {
    type Word = ();
    type Sum = ();

    fn activation(&self, _: u64, _: u64, _: u64, _: u64) {}
    fn weight(&self, _: u64, _: u64, _: u64, _: u64) {}
    fn zero(&self) {}
    fn step(&self, (): (), (): (), (): ()) {}
    fn join(&self, _: Option<()>, (): ()) {}
}

/// The operands of a layer, k contiguous.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a, T> {
    /// `[group][m][k]`.
    pub activations: &'a [T],
    /// `[group][n][k]`.
    pub weights: &'a [T],
    /// Extent m.
    pub m: u64,
    /// Extent n.
    pub n: u64,
    /// Extent k.
    pub k: u64,
}

impl<'a, T> Operands<'a, T> {
    fn word(&self, from: &'a [T], row: u64, k: u64, lanes: u64) -> &'a [T] {
        let start = (row * self.k + k) as usize;
        &from[start..start + lanes as usize]
    }

    fn activation(&self, group: u64, m: u64, k: u64, lanes: u64) -> &'a [T] {
        self.word(self.activations, group * self.m + m, k, lanes)
    }

    fn weight(&self, group: u64, n: u64, k: u64, lanes: u64) -> &'a [T] {
        self.word(self.weights, group * self.n + n, k, lanes)
    }
}

/// Integer MACs: partial sums and accumulators wrap.
#[derive(Clone, Copy, Debug)]
pub struct IntegerPayload<'a> {
    /// The layer's operands.
    pub operands: Operands<'a, i16>,
    /// The MAC unit.
    pub mac: IntegerMac,
}

impl<'a> Payload for IntegerPayload<'a> {
    type Word = &'a [i16];
    type Sum = i64;

    fn activation(&self, group: u64, m: u64, k: u64, lanes: u64) -> &'a [i16] {
        self.operands.activation(group, m, k, lanes)
    }

    fn weight(&self, group: u64, n: u64, k: u64, lanes: u64) -> &'a [i16] {
        self.operands.weight(group, n, k, lanes)
    }

    fn zero(&self) -> i64 {
        0
    }

    fn step(&self, sum: i64, activation: &'a [i16], weight: &'a [i16]) -> i64 {
        let lanes = activation.iter().zip(weight);
        lanes.fold(sum, |sum, (&a, &w)| self.mac.partial_sum.wrap(sum + i64::from(a) * i64::from(w)))
    }

    fn join(&self, accumulator: Option<i64>, fold: i64) -> i64 {
        self.mac.accumulator.wrap(accumulator.unwrap_or(0) + fold)
    }
}

/// bf16 MACs: f32 partial sums and accumulators.
#[derive(Clone, Copy, Debug)]
pub struct Bf16Payload<'a> {
    /// The layer's operands.
    pub operands: Operands<'a, bf16>,
    /// The MAC unit.
    pub mac: Bf16Mac,
}

impl<'a> Payload for Bf16Payload<'a> {
    type Word = &'a [bf16];
    type Sum = f32;

    fn activation(&self, group: u64, m: u64, k: u64, lanes: u64) -> &'a [bf16] {
        self.operands.activation(group, m, k, lanes)
    }

    fn weight(&self, group: u64, n: u64, k: u64, lanes: u64) -> &'a [bf16] {
        self.operands.weight(group, n, k, lanes)
    }

    fn zero(&self) -> f32 {
        0.0
    }

    fn step(&self, sum: f32, activation: &'a [bf16], weight: &'a [bf16]) -> f32 {
        activation.iter().zip(weight).fold(sum, |sum, (&a, &w)| self.mac.accumulate(sum, a, w))
    }

    fn join(&self, accumulator: Option<f32>, fold: f32) -> f32 {
        self.mac.canonical(accumulator.unwrap_or(0.0) + self.mac.canonical(fold))
    }
}
