//! The output-stationary array. PE(r, c) accumulates output (vector r, channel c) in strict k order;
//! activations move right, weights down. After the last step the sum is in `out`. A pulse per column
//! sets the `out` registers moving; they move down, through a register below the bottom row, into the
//! accumulators. With overlapped drain `out` is a second register, free for the next fold as soon as
//! its sum moved; with blocking drain it is the accumulating register, and all must have left first.

use crate::mapping::{Fold, OutputDrain, Schedule, View};

use super::Run;
use super::accumulator::Accumulators;
use super::payload::Payload;
use super::violation::{Conflict, Violation};
use super::weight_stationary::WeightWrites;

#[derive(Clone, Copy)]
struct Operand<W> {
    fold: usize,
    step: u64,
    word: W,
}

/// A sum after `steps` steps.
#[derive(Clone, Copy)]
struct Partial<S> {
    fold: usize,
    steps: u64,
    sum: S,
}

/// A finished sum on its way out.
#[derive(Clone, Copy)]
struct Finished<S> {
    fold: usize,
    address: usize,
    moving: bool,
    sum: S,
}

#[derive(Clone, Copy)]
struct Pe<W, S> {
    activation: Option<Operand<W>>,
    weight: Option<Operand<W>>,
    sum: Option<Partial<S>>,
    out: Option<Finished<S>>,
}

/// The rule: the cycle in which each fold's first operands enter at PE(0, 0), as early as possible.
pub fn output_starts(schedule: &Schedule, drain: OutputDrain) -> Vec<u64> {
    let mut next = 0;
    let start_of = |fold: Fold| {
        let view = schedule.widest(fold);
        let start = next;
        next = match drain {
            // The ports are free after the last step; the pulse finds row 0 before its next sum.
            OutputDrain::Overlapped => (start + view.vectors).max(start + view.rows),
            OutputDrain::Blocking => pulse(start, &view, drain) + schedule.rows,
        };
        start
    };
    schedule.folds().map(start_of).collect()
}

/// The cycle of a fold's drain pulse in column 0: overlapped, when the last row's sum is there (later
/// columns follow one by one); blocking, when all sums are.
fn pulse(start: u64, view: &View, drain: OutputDrain) -> u64 {
    match drain {
        OutputDrain::Overlapped => start + view.vectors + view.rows - 1,
        OutputDrain::Blocking => start + view.vectors + view.rows + view.columns - 2,
    }
}

struct Machine<'a, P: Payload> {
    payload: &'a P,
    schedule: &'a Schedule,
    drain: OutputDrain,
    folds: Vec<(Fold, View)>,
    starts: &'a [u64],
    rows: usize,
    columns: usize,
    pes: Vec<Pe<P::Word, P::Sum>>,
    /// Registers below the bottom row.
    bottom: Vec<Option<Finished<P::Sum>>>,
    /// At the left edge, at the top edge, and the drain pulses.
    activations: Vec<Option<Operand<P::Word>>>,
    weights: Vec<Option<Operand<P::Word>>>,
    pulses: Vec<bool>,
}

/// Fills a register that must be free.
fn put<T>(register: &mut Option<T>, value: T, conflict: Conflict) -> Result<(), Conflict> {
    if register.is_some() {
        return Err(conflict);
    }
    *register = Some(value);
    Ok(())
}

impl<P: Payload> Machine<'_, P> {
    /// What the folds from `first` on put on the edges in `cycle`.
    fn feed(&mut self, cycle: u64, first: usize) -> Result<(), Conflict> {
        self.activations.fill(None);
        self.weights.fill(None);
        self.pulses.fill(false);
        let (lanes, extent) = (self.schedule.lanes.along_k(), self.schedule.gemm.k);
        for (index, ((fold, view), &start)) in self.folds.iter().zip(self.starts).enumerate().skip(first) {
            if start > cycle {
                break;
            }
            let step_at = |skew: u64| cycle.checked_sub(start + skew).filter(|&step| step < view.vectors);
            let operands = |step: u64| (step * lanes, lanes.min(extent - step * lanes));
            for (row, port) in (0..view.rows).zip(&mut self.activations) {
                if let Some(step) = step_at(row) {
                    let (k, lanes) = operands(step);
                    let word = self.payload.activation(fold.group, fold.m + row, k, lanes);
                    put(port, Operand { fold: index, step, word }, Conflict::ActivationPort)?;
                }
            }
            for (column, port) in (0..view.columns).zip(&mut self.weights) {
                if let Some(step) = step_at(column) {
                    let (k, lanes) = operands(step);
                    let word = self.payload.weight(fold.group, fold.n + column, k, lanes);
                    put(port, Operand { fold: index, step, word }, Conflict::WeightPort)?;
                }
            }
            let pulse = pulse(start, view, self.drain);
            for (column, port) in (0..view.columns).zip(&mut self.pulses) {
                let skew = if self.drain == OutputDrain::Overlapped { column } else { 0 };
                *port |= cycle == pulse + skew;
            }
        }
        Ok(())
    }

    /// Moves the `out` registers that are moving or pulsed down by one, from the bottom up.
    fn drain(&mut self) -> Result<(), Conflict> {
        self.bottom.fill(None);
        for row in (0..self.rows).rev() {
            for column in 0..self.columns {
                let at = row * self.columns + column;
                let pulsed = self.pulses[column];
                if let Some(out) = self.pes[at].out.take_if(|out| out.moving || pulsed) {
                    let below = if row + 1 == self.rows {
                        &mut self.bottom[column]
                    } else {
                        &mut self.pes[at + self.columns].out
                    };
                    put(below, Finished { moving: true, ..out }, Conflict::ResultLost)?;
                }
            }
        }
        Ok(())
    }

    /// One clock edge.
    fn clock(&mut self) -> Result<(), Conflict> {
        let waiting = match self.drain {
            OutputDrain::Overlapped => None,
            OutputDrain::Blocking => self.pes.iter().filter_map(|pe| pe.out).map(|out| out.fold).min(),
        };
        self.drain()?;
        for row in (0..self.rows).rev() {
            for column in (0..self.columns).rev() {
                let at = row * self.columns + column;
                let activation =
                    if column == 0 { self.activations[row] } else { self.pes[at - 1].activation };
                let weight = if row == 0 { self.weights[column] } else { self.pes[at - self.columns].weight };
                let mut pe = self.pes[at];
                (pe.activation, pe.weight) = (activation, weight);
                if let (Some(activation), Some(weight)) = (activation, weight) {
                    if waiting.is_some_and(|fold| fold < activation.fold) {
                        return Err(Conflict::NotDrained);
                    }
                    self.multiply(&mut pe, (row, column), activation, weight)?;
                }
                self.pes[at] = pe;
            }
        }
        Ok(())
    }

    fn multiply(
        &self,
        pe: &mut Pe<P::Word, P::Sum>,
        (row, column): (usize, usize),
        activation: Operand<P::Word>,
        weight: Operand<P::Word>,
    ) -> Result<(), Conflict> {
        let Operand { fold, step, .. } = activation;
        if (fold, step) != (weight.fold, weight.step) {
            return Err(Conflict::Misaligned);
        }
        let before = match pe.sum.take() {
            None if step == 0 => self.payload.zero(),
            Some(partial) if (partial.fold, partial.steps) == (fold, step) => partial.sum,
            _ => return Err(Conflict::Misaligned),
        };
        let sum = self.payload.step(before, activation.word, weight.word);
        if step + 1 < self.folds[fold].1.vectors {
            pe.sum = Some(Partial { fold, steps: step + 1, sum });
            return Ok(());
        }
        let (gemm, (Fold { group, m, n, .. }, _)) = (self.schedule.gemm, self.folds[fold]);
        let address = ((group * gemm.m + m) * gemm.n + n) as usize + row * gemm.n as usize + column;
        put(&mut pe.out, Finished { fold, address, moving: false, sum }, Conflict::ResultLost)
    }
}

/// Runs a layer. `starts` says when each of the schedule's output folds begins, in order.
///
/// # Errors
/// When these starts make two values meet or overwrite a result that has not left.
///
/// # Panics
/// When there is not one start per fold.
pub fn output_stationary<P: Payload>(
    schedule: &Schedule,
    drain: OutputDrain,
    accumulator_latency: u64,
    starts: &[u64],
    payload: &P,
) -> Result<Run<P::Sum>, Violation> {
    let (rows, columns) = (schedule.rows as usize, schedule.columns as usize);
    let mut machine = Machine {
        payload,
        schedule,
        drain,
        folds: schedule.folds().map(|fold| (fold, schedule.widest(fold))).collect(),
        starts,
        rows,
        columns,
        pes: vec![Pe { activation: None, weight: None, sum: None, out: None }; rows * columns],
        bottom: vec![None; columns],
        activations: vec![None; rows],
        weights: vec![None; columns],
        pulses: vec![false; columns],
    };
    assert_eq!(starts.len(), machine.folds.len(), "one start per fold");
    let gemm = schedule.gemm;
    let expected = gemm.groups * gemm.m * gemm.n;
    let mut accumulators = Accumulators::new(expected as usize, accumulator_latency);
    let (mut cycle, mut first) = (0, 0);
    loop {
        accumulators.begin(cycle);
        if accumulators.retired() == expected {
            break;
        }
        for sum in machine.bottom.iter().flatten() {
            accumulators.enter(payload, cycle, sum.address, true, sum.sum)?;
        }
        while starts
            .get(first)
            .zip(machine.folds.get(first))
            .is_some_and(|(&start, (_, view))| pulse(start, view, drain) + schedule.columns < cycle)
        {
            first += 1;
        }
        let at = |conflict| Violation { cycle, conflict };
        machine.feed(cycle, first).map_err(at)?;
        machine.clock().map_err(at)?;
        cycle += 1;
    }
    let (cycles, outputs) = accumulators.finish();
    Ok(Run { cycles, outputs, weight_writes: WeightWrites::default() })
}
