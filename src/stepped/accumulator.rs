//! Accumulators behind the bottom row: a sum enters, and is readable some cycles later.

use std::collections::VecDeque;

use super::payload::Payload;
use super::violation::{Conflict, Violation};

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
        for (output, sum) in stage.drain(..) {
            self.retired += 1;
            self.last_readable = cycle;
            observe(Arrival { cycle, output, sum });
        }
        self.entering = stage;
    }

    /// A sum that becomes readable `latency` cycles from now.
    #[inline]
    fn send(&mut self, output: usize, sum: S) {
        self.entries[output] = Entry { sum: Some(sum), readable: self.cycle + self.latency };
        self.entering.push((output, sum));
    }

    /// The value of an accumulator that enters a column. None while it is not readable.
    pub(super) fn read(&self, address: usize) -> Option<S> {
        let entry = &self.entries[address];
        entry.sum.filter(|_| entry.readable <= self.cycle)
    }

    /// A chain's sum leaves the bottom register and replaces the accumulator.
    pub(super) fn replace<P: Payload<Output = S>>(&mut self, payload: &P, address: usize, sum: S) {
        self.send(address, payload.store(sum));
    }

    /// A fold's sum leaves the bottom register; `first` starts the accumulator anew, from what is preloaded.
    #[inline]
    pub(super) fn enter<P: Payload<Output = S>>(
        &mut self,
        payload: &P,
        address: usize,
        first: bool,
        sum: S,
    ) -> Result<(), Violation> {
        let before = if first {
            payload.preload(address)
        } else {
            let readable = self.read(address);
            if readable.is_none() {
                return Err(Violation { cycle: self.cycle, conflict: Conflict::NotReadable });
            }
            readable
        };
        self.send(address, payload.join(before, sum));
        Ok(())
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
