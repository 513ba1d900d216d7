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

/// One accumulator of the layer.
#[derive(Clone, Copy)]
struct Entry<S> {
    sum: Option<S>,
    in_flight: u32,
}

/// All accumulators of a layer behind one pipeline.
pub(super) struct Accumulators<S> {
    entries: Vec<Entry<S>>,
    /// Sums that entered, with the cycles they have left; oldest first.
    pipeline: VecDeque<Vec<(usize, S)>>,
    retired: u64,
    last_readable: u64,
}

impl<S: Copy> Accumulators<S> {
    pub(super) fn new(entries: usize, latency: u64) -> Self {
        Self {
            entries: vec![Entry { sum: None, in_flight: 0 }; entries],
            pipeline: (0..latency).map(|_| Vec::new()).collect(),
            retired: 0,
            last_readable: 0,
        }
    }

    /// Begins a cycle: what entered `latency` cycles ago is readable.
    pub(super) fn begin(&mut self, cycle: u64, observe: &mut impl FnMut(Arrival<S>)) {
        let mut stage = self.pipeline.pop_front().unwrap_or_default();
        for (address, sum) in stage.drain(..) {
            let entry = &mut self.entries[address];
            entry.sum = Some(sum);
            entry.in_flight -= 1;
            self.retired += 1;
            self.last_readable = cycle;
            observe(Arrival { cycle, output: address, sum });
        }
        self.pipeline.push_back(stage);
    }

    /// The value of an accumulator that enters a column. None while it is not readable.
    pub(super) fn read(&self, address: usize) -> Option<S> {
        let entry = &self.entries[address];
        entry.sum.filter(|_| entry.in_flight == 0)
    }

    /// A chain's sum leaves the bottom register and replaces the accumulator.
    pub(super) fn replace<P: Payload<Output = S>>(&mut self, payload: &P, address: usize, sum: S) {
        self.entries[address].in_flight += 1;
        if let Some(stage) = self.pipeline.back_mut() {
            stage.push((address, payload.store(sum)));
        }
    }

    /// A fold's sum leaves the bottom register; `first` starts the accumulator anew, from what is preloaded.
    pub(super) fn enter<P: Payload<Output = S>>(
        &mut self,
        payload: &P,
        cycle: u64,
        address: usize,
        first: bool,
        sum: S,
    ) -> Result<(), Violation> {
        let entry = &mut self.entries[address];
        let before = if first {
            payload.preload(address)
        } else if entry.in_flight > 0 || entry.sum.is_none() {
            return Err(Violation { cycle, conflict: Conflict::NotReadable });
        } else {
            entry.sum
        };
        entry.in_flight += 1;
        if let Some(stage) = self.pipeline.back_mut() {
            stage.push((address, payload.join(before, sum)));
        }
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
