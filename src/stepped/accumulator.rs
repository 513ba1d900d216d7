//! Accumulators behind the bottom row: a sum enters, and is readable some cycles later.

use super::payload::Payload;
use super::violation::Conflict;

/// A sum that becomes readable in its accumulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival<S> {
    /// The cycle from which on it is readable.
    pub cycle: u64,
    /// The accumulator, its position in `[group][m][n]`.
    pub output: usize,
    /// What is in it.
    pub sum: S,
}

/// One accumulator of the layer: its newest sum, and from which cycle on it is readable.
#[derive(Clone, Copy)]
struct Entry<S> {
    sum: S,
    readable: u64,
}

/// Of an accumulator without a sum.
const NEVER: u64 = u64::MAX;

/// The accumulators that a vector's sums go to when they leave a column.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Destination {
    /// That of the first lane, how many there are and how far from each other.
    pub(super) first: usize,
    pub(super) lanes: usize,
    pub(super) lane_stride: usize,
    /// From one vector to the next, modulo 2^64.
    pub(super) vector_stride: usize,
    /// Whether they start anew.
    pub(super) starts_anew: bool,
}

impl Destination {
    /// The accumulator of one lane.
    #[inline]
    pub(super) fn address(&self, lane: usize) -> usize {
        self.first + lane * self.lane_stride
    }

    /// Those of all lanes.
    pub(super) fn addresses(self) -> impl Iterator<Item = usize> {
        (0..self.lanes).map(move |lane| self.address(lane))
    }

    /// On to the next vector's.
    #[inline]
    pub(super) fn advance(&mut self) {
        self.first = self.first.wrapping_add(self.vector_stride);
    }
}

/// Is told of every sum that enters an accumulator, in that order.
pub(super) type Observe<'a, S> = dyn FnMut(Arrival<S>) + 'a;

/// All accumulators of a layer.
pub(super) struct Accumulators<'a, S> {
    entries: Vec<Entry<S>>,
    latency: u64,
    cycle: u64,
    entered: u64,
    last_readable: u64,
    observe: Option<&'a mut Observe<'a, S>>,
}

impl<'a, S: Copy> Accumulators<'a, S> {
    /// `empty`: any value.
    pub(super) fn new(
        entries: usize,
        latency: u64,
        empty: S,
        observe: Option<&'a mut Observe<'a, S>>,
    ) -> Self {
        let entries = vec![Entry { sum: empty, readable: NEVER }; entries];
        Self { entries, latency, cycle: 0, entered: 0, last_readable: 0, observe }
    }

    /// Another array begins. Its outputs are others than those of the arrays before, so they can share what holds them.
    pub(super) fn begin_array(&mut self) {
        (self.entered, self.last_readable) = (0, 0);
    }

    /// Begins a cycle.
    pub(super) fn begin(&mut self, cycle: u64) {
        self.cycle = cycle;
    }

    /// Whether so many sums have entered, and all are readable.
    pub(super) fn have(&self, sums: u64) -> bool {
        self.entered == sums && self.last_readable <= self.cycle
    }

    /// The value of an accumulator that enters a column. None while it is not readable.
    #[inline]
    pub(super) fn read(&self, address: usize) -> Option<S> {
        let entry = &self.entries[address];
        (entry.readable <= self.cycle).then_some(entry.sum)
    }

    /// A chain's sum leaves the bottom register and replaces the accumulator.
    pub(super) fn replace<P: Payload<Output = S>>(&mut self, payload: &P, address: usize, sum: S) {
        self.send(address, payload.store(sum));
    }

    /// A fold's sum leaves the bottom register; `first` starts the accumulator anew, from what is preloaded.
    #[inline(always)] // into the loop over columns
    pub(super) fn enter<P: Payload<Output = S>>(
        &mut self,
        payload: &P,
        address: usize,
        first: bool,
        sum: S,
    ) -> Result<(), Conflict> {
        let before = if first {
            payload.preload(address)
        } else {
            Some(self.read(address).ok_or(Conflict::NotReadable)?)
        };
        self.send(address, payload.join(before, sum));
        Ok(())
    }

    /// A sum that becomes readable `latency` cycles from now.
    #[inline]
    fn send(&mut self, output: usize, sum: S) {
        let cycle = self.cycle + self.latency;
        self.entries[output] = Entry { sum, readable: cycle };
        self.entered += 1;
        self.last_readable = cycle;
        if let Some(observe) = &mut self.observe {
            observe(Arrival { cycle, output, sum });
        }
    }

    /// The cycle in which the last sum of this array became readable.
    pub(super) fn last_readable(&self) -> u64 {
        self.last_readable
    }

    /// Every accumulator that a sum entered.
    pub(super) fn into_sums(self) -> Vec<S> {
        self.entries.into_iter().filter(|entry| entry.readable != NEVER).map(|entry| entry.sum).collect()
    }
}
