//! Accumulators behind the bottom row: a sum enters, and is readable some cycles later.

use std::collections::VecDeque;

use super::payload::Payload;
use super::violation::Conflict;

/// A sum that becomes readable in its accumulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival<S> {
    /// The cycle.
    pub cycle: u64,
    /// The accumulator, its position in `[group][m][n]`.
    pub output: usize,
    /// What is in it.
    pub sum: S,
}

/// One accumulator of the layer: its newest sum, and from which cycle on it is readable.
#[derive(Clone, Copy)]
struct Entry<S> {
    sum: Option<S>,
    readable: u64,
}

/// All accumulators of a layer behind one pipeline.
pub(super) struct Accumulators<S> {
    entries: Vec<Entry<S>>,
    /// Sums that enter in this cycle, and those that entered in the cycles before; the oldest first.
    entering: Vec<(usize, S)>,
    pipeline: VecDeque<Vec<(usize, S)>>,
    latency: u64,
    cycle: u64,
    retired: u64,
    last_readable: u64,
}

impl<S: Copy> Accumulators<S> {
    pub(super) fn new(entries: usize, latency: u64) -> Self {
        Self {
            entries: vec![Entry { sum: None, readable: 0 }; entries],
            entering: Vec::new(),
            pipeline: (1..latency).map(|_| Vec::new()).collect(),
            latency,
            cycle: 0,
            retired: 0,
            last_readable: 0,
        }
    }

    /// Begins a cycle: what entered `latency` cycles ago is readable.
    pub(super) fn begin(&mut self, cycle: u64, observe: &mut impl FnMut(Arrival<S>)) {
        self.cycle = cycle;
        self.pipeline.push_back(std::mem::take(&mut self.entering));
        let mut stage = self.pipeline.pop_front().unwrap_or_default();
        if !stage.is_empty() {
            self.retired += stage.len() as u64;
            self.last_readable = cycle;
        }
        for (output, sum) in stage.drain(..) {
            observe(Arrival { cycle, output, sum });
        }
        self.entering = stage;
    }

    /// The value of an accumulator that enters a column. None while it is not readable.
    #[inline]
    pub(super) fn read(&self, address: usize) -> Option<S> {
        let entry = &self.entries[address];
        entry.sum.filter(|_| entry.readable <= self.cycle)
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
    fn send(&mut self, address: usize, sum: S) {
        self.entries[address] = Entry { sum: Some(sum), readable: self.cycle + self.latency };
        self.entering.push((address, sum));
    }

    /// Sums that became readable.
    pub(super) fn retired(&self) -> u64 {
        self.retired
    }

    /// The cycle in which the last one did, and all accumulators; None where no sum came.
    pub(super) fn finish(self) -> (u64, Vec<Option<S>>) {
        (self.last_readable, self.entries.into_iter().map(|entry| entry.sum).collect())
    }
}
