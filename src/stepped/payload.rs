//! What the registers carry. No method returns anything that control could look at.

use std::ops::Range;

use half::bf16;

use crate::numerics::{Bf16Mac, IntegerMac, Overflow};

/// Operands and sums that move through the array. `()` moves nothing: cycles only.
pub trait Payload {
    /// Activations of all lanes of one PE.
    type Activation: Copy;
    /// Weights of all lanes of one PE.
    type Weight: Copy;
    /// Partial sums of one PE: as many as it computes output channels at once.
    type Sum: Copy;
    /// One of them, and what an accumulator holds.
    type Output: Copy;

    /// The activations at `at` in `[group][m][k]`.
    fn activation(&self, at: Range<usize>) -> Self::Activation;
    /// The weights at `first` in `[group][n][k]`, and as many of each of the following output channels.
    fn weight(&self, first: Range<usize>, channels: usize) -> Self::Weight;
    /// What enters at the top of a column.
    fn zero(&self) -> Self::Sum;
    /// One PE in one cycle: lanes along k join a partial sum, lanes along n have one each.
    fn step(&self, sum: Self::Sum, activation: Self::Activation, weight: Self::Weight) -> Self::Sum;
    /// The same of many PEs, where `meets` has all bits; elsewhere it has none and the sum stays.
    fn step_all(
        &self,
        sums: &mut [Self::Sum],
        activations: &[Self::Activation],
        weights: &[Self::Weight],
        meets: &[u32],
    ) {
        for (((sum, &activation), &weight), &meets) in
            sums.iter_mut().zip(activations).zip(weights).zip(meets)
        {
            if meets != 0 {
                *sum = self.step(*sum, activation, weight);
            }
        }
    }
    /// The sum of one lane along n.
    fn lane(&self, sum: Self::Sum, lane: usize) -> Self::Output;
    /// A fold's sum joins the accumulator, or starts one.
    fn join(&self, accumulator: Option<Self::Output>, fold: Self::Output) -> Self::Output;
    /// What enters at the top of a column when folds are chained: its accumulators, lane by lane.
    fn resume(&self, accumulators: impl Iterator<Item = Self::Output>) -> Self::Sum;
    /// What an accumulator holds of a chain's sum.
    fn store(&self, sum: Self::Output) -> Self::Output;
    /// What the accumulator of an output, its position in `[group][m][n]`, holds before the first fold; None:
    /// nothing.
    fn preload(&self, _output: usize) -> Option<Self::Output> {
        None
    }
}

impl Payload for () {
    type Activation = ();
    type Weight = ();
    type Sum = ();
    type Output = ();

    fn activation(&self, _: Range<usize>) {}
    fn weight(&self, _: Range<usize>, _: usize) {}
    fn zero(&self) {}
    fn step(&self, (): (), (): (), (): ()) {}
    fn step_all(&self, _: &mut [()], _: &[()], _: &[()], _: &[u32]) {}
    fn lane(&self, (): (), _: usize) {}
    fn join(&self, _: Option<()>, (): ()) {}
    fn resume(&self, accumulators: impl Iterator<Item = ()>) {
        accumulators.for_each(drop);
    }
    fn store(&self, (): ()) {}
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
    /// One run of k per output channel; lanes without a channel have an empty one.
    fn weight<const CHANNELS: usize>(&self, first: &Range<usize>, channels: usize) -> [&'a [T]; CHANNELS] {
        assert!(channels <= CHANNELS, "{channels} are more than {CHANNELS} output channels");
        std::array::from_fn(|channel| {
            let skipped = channel * self.k as usize;
            if channel < channels { &self.weights[first.start + skipped..first.end + skipped] } else { &[] }
        })
    }
}

/// Lanes without an accumulator hold `empty`.
fn channels<T: Copy, const CHANNELS: usize>(
    mut accumulators: impl Iterator<Item = T>,
    empty: T,
) -> [T; CHANNELS] {
    std::array::from_fn(|_| accumulators.next().unwrap_or(empty))
}

/// Integer MACs. A PE computes up to `CHANNELS` output channels.
#[derive(Clone, Copy, Debug)]
pub struct IntegerPayload<'a, const CHANNELS: usize> {
    /// The layer's operands.
    pub operands: Operands<'a, i16>,
    /// The MAC unit.
    pub mac: IntegerMac,
}

impl<'a, const CHANNELS: usize> Payload for IntegerPayload<'a, CHANNELS> {
    type Activation = &'a [i16];
    type Weight = [&'a [i16]; CHANNELS];
    type Sum = [i64; CHANNELS];
    type Output = i64;

    fn activation(&self, at: Range<usize>) -> &'a [i16] {
        &self.operands.activations[at]
    }

    fn weight(&self, first: Range<usize>, channels: usize) -> [&'a [i16]; CHANNELS] {
        self.operands.weight(&first, channels)
    }

    fn zero(&self) -> [i64; CHANNELS] {
        [0; CHANNELS]
    }

    fn step(&self, sum: Self::Sum, activation: &'a [i16], weight: Self::Weight) -> Self::Sum {
        std::array::from_fn(|channel| {
            self.mac.step(sum[channel], activation, weight[channel], &mut 0) // overflows are the engine's to count
        })
    }

    fn lane(&self, sum: Self::Sum, lane: usize) -> i64 {
        sum[lane]
    }

    fn join(&self, accumulator: Option<i64>, fold: i64) -> i64 {
        self.mac.overflow.add(self.mac.accumulator, accumulator.unwrap_or(0), fold, &mut 0)
    }

    fn resume(&self, accumulators: impl Iterator<Item = i64>) -> [i64; CHANNELS] {
        channels(accumulators, 0)
    }

    fn store(&self, sum: i64) -> i64 {
        sum
    }
}

/// Integer MACs of one output channel, with up to `LANES` products: the words themselves are in the registers, which
/// is faster than [`IntegerPayload`].
#[derive(Clone, Copy, Debug)]
pub struct LanePayload<'a, const LANES: usize> {
    /// The layer's operands.
    pub operands: Operands<'a, i16>,
    /// The MAC unit.
    pub mac: IntegerMac,
}

/// Lanes without an operand multiply zeros.
#[inline]
fn lanes<const LANES: usize>(words: &[i16]) -> [i16; LANES] {
    assert!(words.len() <= LANES, "{} operands are more than {LANES} lanes", words.len());
    std::array::from_fn(|lane| words.get(lane).copied().unwrap_or(0))
}

impl<const LANES: usize> Payload for LanePayload<'_, LANES> {
    type Activation = [i16; LANES];
    type Weight = [i16; LANES];
    type Sum = i32;
    type Output = i64;

    #[inline]
    fn activation(&self, at: Range<usize>) -> [i16; LANES] {
        lanes(&self.operands.activations[at])
    }

    #[inline]
    fn weight(&self, first: Range<usize>, channels: usize) -> [i16; LANES] {
        let [channel] = self.operands.weight(&first, channels);
        lanes(channel)
    }

    fn zero(&self) -> i32 {
        0
    }

    fn step(&self, sum: i32, activation: [i16; LANES], weight: [i16; LANES]) -> i32 {
        self.mac.step(sum.into(), &activation, &weight, &mut 0) as i32
    }

    fn step_all(
        &self,
        sums: &mut [i32],
        activations: &[[i16; LANES]],
        weights: &[[i16; LANES]],
        meets: &[u32],
    ) {
        let pes = sums.iter_mut().zip(activations).zip(weights).zip(meets);
        match self.mac.overflow {
            Overflow::Wrap => {
                for (((sum, &activation), &weight), &meets) in pes {
                    let stepped = self.mac.step_wrapping(*sum, activation, weight);
                    *sum = if meets != 0 { stepped } else { *sum };
                }
            }
            Overflow::Saturate => {
                for (((sum, &activation), &weight), &meets) in pes {
                    *sum = if meets != 0 { self.step(*sum, activation, weight) } else { *sum };
                }
            }
        }
    }

    fn lane(&self, sum: i32, _: usize) -> i64 {
        sum.into()
    }

    fn join(&self, accumulator: Option<i64>, fold: i64) -> i64 {
        self.mac.overflow.add(self.mac.accumulator, accumulator.unwrap_or(0), fold, &mut 0)
    }

    fn resume(&self, mut accumulators: impl Iterator<Item = i64>) -> i32 {
        accumulators.next().map_or(0, |sum| sum as i32)
    }

    fn store(&self, sum: i64) -> i64 {
        sum
    }
}

/// bf16 MACs. A PE computes up to `CHANNELS` output channels.
#[derive(Clone, Copy, Debug)]
pub struct Bf16Payload<'a, const CHANNELS: usize> {
    /// The layer's operands.
    pub operands: Operands<'a, bf16>,
    /// The MAC unit.
    pub mac: Bf16Mac,
}

impl<'a, const CHANNELS: usize> Payload for Bf16Payload<'a, CHANNELS> {
    type Activation = &'a [bf16];
    type Weight = [&'a [bf16]; CHANNELS];
    type Sum = [f32; CHANNELS];
    type Output = f32;

    fn activation(&self, at: Range<usize>) -> &'a [bf16] {
        &self.operands.activations[at]
    }

    fn weight(&self, first: Range<usize>, channels: usize) -> [&'a [bf16]; CHANNELS] {
        self.operands.weight(&first, channels)
    }

    fn zero(&self) -> [f32; CHANNELS] {
        [0.0; CHANNELS]
    }

    fn step(&self, sum: Self::Sum, activation: &'a [bf16], weight: Self::Weight) -> Self::Sum {
        std::array::from_fn(|channel| self.mac.step(sum[channel], activation, weight[channel]))
    }

    fn lane(&self, sum: Self::Sum, lane: usize) -> f32 {
        sum[lane]
    }

    fn join(&self, accumulator: Option<f32>, fold: f32) -> f32 {
        self.mac.canonical(self.mac.join(accumulator.unwrap_or(0.0), fold))
    }

    fn resume(&self, accumulators: impl Iterator<Item = f32>) -> [f32; CHANNELS] {
        channels(accumulators, 0.0)
    }

    fn store(&self, sum: f32) -> f32 {
        self.mac.canonical(sum)
    }
}

/// A payload whose accumulators start with a bias.
#[derive(Clone, Copy, Debug)]
pub struct Preloaded<'a, P: Payload> {
    /// Operands and MAC unit.
    pub payload: P,
    /// As the register takes it, `[group][n]`.
    pub bias: &'a [P::Output],
    /// Extent m.
    pub m: u64,
    /// Extent n.
    pub n: u64,
}

impl<P: Payload> Payload for Preloaded<'_, P> {
    type Activation = P::Activation;
    type Weight = P::Weight;
    type Sum = P::Sum;
    type Output = P::Output;

    fn activation(&self, at: Range<usize>) -> P::Activation {
        self.payload.activation(at)
    }

    fn weight(&self, first: Range<usize>, channels: usize) -> P::Weight {
        self.payload.weight(first, channels)
    }

    fn zero(&self) -> P::Sum {
        self.payload.zero()
    }

    fn step(&self, sum: P::Sum, activation: P::Activation, weight: P::Weight) -> P::Sum {
        self.payload.step(sum, activation, weight)
    }

    fn step_all(
        &self,
        sums: &mut [P::Sum],
        activations: &[P::Activation],
        weights: &[P::Weight],
        meets: &[u32],
    ) {
        self.payload.step_all(sums, activations, weights, meets);
    }

    fn lane(&self, sum: P::Sum, lane: usize) -> P::Output {
        self.payload.lane(sum, lane)
    }

    fn join(&self, accumulator: Option<P::Output>, fold: P::Output) -> P::Output {
        self.payload.join(accumulator, fold)
    }

    fn resume(&self, accumulators: impl Iterator<Item = P::Output>) -> P::Sum {
        self.payload.resume(accumulators)
    }

    fn store(&self, sum: P::Output) -> P::Output {
        self.payload.store(sum)
    }

    fn preload(&self, output: usize) -> Option<P::Output> {
        let (m, n) = (self.m as usize, self.n as usize);
        Some(self.bias[output / (m * n) * n + output % n])
    }
}

/// The operands with their roles swapped: what an input-stationary array, whose activations stay, sees.
pub(super) struct Swapped<'a, P>(pub(super) &'a P);

impl<P: Payload> Payload for Swapped<'_, P> {
    type Activation = P::Weight;
    type Weight = P::Activation;
    type Sum = P::Sum;
    type Output = P::Output;

    fn activation(&self, at: Range<usize>) -> P::Weight {
        self.0.weight(at, 1)
    }

    fn weight(&self, first: Range<usize>, _: usize) -> P::Activation {
        self.0.activation(first)
    }

    fn zero(&self) -> P::Sum {
        self.0.zero()
    }

    fn step(&self, sum: P::Sum, activation: P::Weight, weight: P::Activation) -> P::Sum {
        self.0.step(sum, weight, activation)
    }

    fn step_all(
        &self,
        sums: &mut [P::Sum],
        activations: &[P::Weight],
        weights: &[P::Activation],
        meets: &[u32],
    ) {
        self.0.step_all(sums, weights, activations, meets);
    }

    fn lane(&self, sum: P::Sum, lane: usize) -> P::Output {
        self.0.lane(sum, lane)
    }

    fn join(&self, accumulator: Option<P::Output>, fold: P::Output) -> P::Output {
        self.0.join(accumulator, fold)
    }

    fn resume(&self, accumulators: impl Iterator<Item = P::Output>) -> P::Sum {
        self.0.resume(accumulators)
    }

    fn store(&self, sum: P::Output) -> P::Output {
        self.0.store(sum)
    }

    fn preload(&self, output: usize) -> Option<P::Output> {
        self.0.preload(output)
    }
}
