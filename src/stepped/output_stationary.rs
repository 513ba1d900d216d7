//! The output-stationary array. PE(r, c) accumulates output (vector r, channel c) in strict k order;
//! activations move right, weights down. After the last step the sum is in `out`. A pulse per column
//! sets the `out` registers moving; they move down, through a register below the bottom row, into the
//! accumulators. With overlapped drain `out` is a second register, free for the next fold as soon as
//! its sum moved; with blocking drain it is the accumulating register, and all must have left first.

use crate::mapping::{OutputDrain, Schedule};

use super::ArrayRun;
use super::accumulator::Accumulators;
use super::control::{Control, Start};
use super::held::WeightWrites;
use super::part::Part;
use super::payload::Payload;
use super::violation::{Conflict, Violation};
use super::watch::{PeState, Watch};

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
    row: usize,
    moving: bool,
    sum: S,
}

#[derive(Clone, Copy)]
struct Pe<A, W, S> {
    activation: Option<Operand<A>>,
    weight: Option<Operand<W>>,
    sum: Option<Partial<S>>,
    out: Option<Finished<S>>,
}

struct Machine<'a, P: Payload> {
    payload: &'a P,
    control: &'a Control,
    parts: &'a [Part],
    starts: &'a [Start],
    rows: usize,
    columns: usize,
    pes: Vec<Pe<P::Activation, P::Weight, P::Sum>>,
    /// Registers below the bottom row.
    bottom: Vec<Option<Finished<P::Sum>>>,
    /// At the left edge, at the top edge, and the drain pulses.
    activations: Vec<Option<Operand<P::Activation>>>,
    weights: Vec<Option<Operand<P::Weight>>>,
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
    /// What the parts from `first` on put on the edges in `cycle`.
    fn feed(&mut self, cycle: u64, first: usize) -> Result<(), Conflict> {
        self.activations.fill(None);
        self.weights.fill(None);
        self.pulses.fill(false);
        for (index, (part, start)) in self.parts.iter().zip(self.starts).enumerate().skip(first) {
            let (start, steps) = (start.vector, part.vectors);
            if start > cycle {
                break;
            }
            if part.rows == 0 {
                continue;
            }
            let step_at = |skew: u64| cycle.checked_sub(start + skew).filter(|&step| step < steps);
            for (row, port) in (0..part.rows).zip(&mut self.activations) {
                if let Some(step) = step_at(row) {
                    let word = self.payload.activation(part.moving(row, step));
                    put(port, Operand { fold: index, step, word }, Conflict::ActivationPort)?;
                }
            }
            for (column, port) in (0..part.columns).zip(&mut self.weights) {
                if let Some(step) = step_at(column) {
                    let (first, channels) = part.held(column, step);
                    let word = self.payload.weight(first, channels);
                    put(port, Operand { fold: index, step, word }, Conflict::WeightPort)?;
                }
            }
            let pulse = self.control.pulse(start, steps, part.rows, part.columns);
            for (column, port) in (0..part.columns).zip(&mut self.pulses) {
                let skew = if self.control.drain == OutputDrain::Overlapped { column } else { 0 };
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

    /// The registers of every PE.
    fn show(&self, cycle: u64, watch: &mut Watch<'_, P::Output>) {
        for (at, pe) in self.pes.iter().enumerate() {
            watch(PeState {
                cycle,
                row: at / self.columns,
                column: at % self.columns,
                moving: pe.activation.map(|activation| (activation.fold, activation.step)),
                held: pe.weight.map(|weight| weight.fold),
                shadow: None,
                sum: pe.sum.map(|sum| self.payload.lane(sum.sum, 0)),
                out: pe.out.map(|out| self.payload.lane(out.sum, 0)),
            });
        }
    }

    /// One clock edge.
    fn clock(&mut self) -> Result<(), Conflict> {
        let waiting = match self.control.drain {
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
                    self.multiply(&mut pe, row, activation, weight)?;
                }
                self.pes[at] = pe;
            }
        }
        Ok(())
    }

    fn multiply(
        &self,
        pe: &mut Pe<P::Activation, P::Weight, P::Sum>,
        row: usize,
        activation: Operand<P::Activation>,
        weight: Operand<P::Weight>,
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
        if step + 1 < self.parts[fold].vectors {
            pe.sum = Some(Partial { fold, steps: step + 1, sum });
            return Ok(());
        }
        put(&mut pe.out, Finished { fold, row, moving: false, sum }, Conflict::ResultLost)
    }
}

/// Runs an array's parts of a layer. `starts` says when each begins, in order.
///
/// # Errors
/// When these starts make two values meet or overwrite a result that has not left.
pub(super) fn output_stationary<P: Payload>(
    schedule: &Schedule,
    control: &Control,
    starts: &[Start],
    parts: &[Part],
    payload: &P,
    accumulators: &mut Accumulators<'_, P::Output>,
    mut watch: Option<&mut Watch<'_, P::Output>>,
) -> Result<ArrayRun, Violation> {
    let (rows, columns) = (schedule.rows as usize, schedule.columns as usize);
    let mut machine = Machine {
        payload,
        control,
        parts,
        starts,
        rows,
        columns,
        pes: vec![Pe { activation: None, weight: None, sum: None, out: None }; rows * columns],
        bottom: vec![None; columns],
        activations: vec![None; rows],
        weights: vec![None; columns],
        pulses: vec![false; columns],
    };
    accumulators.begin_array();
    let expected: u64 = parts.iter().map(|part| part.outputs(part.rows)).sum();
    let (mut cycle, mut first) = (0, 0);
    loop {
        accumulators.begin(cycle);
        if accumulators.have(expected) {
            break;
        }
        for (column, out) in machine.bottom.iter().enumerate() {
            let Some(out) = out else { continue };
            let destination = parts[out.fold].destination(out.row as u64, column as u64);
            for (lane, address) in destination.addresses().enumerate() {
                let sum = payload.lane(out.sum, lane);
                accumulators
                    .enter(payload, address, true, sum)
                    .map_err(|conflict| Violation { cycle, conflict })?;
            }
        }
        while starts.get(first).zip(parts.get(first)).is_some_and(|(start, part)| {
            let last_step = start.vector + part.vectors + schedule.rows + schedule.columns;
            last_step + schedule.columns < cycle
        }) {
            first += 1;
        }
        let at = |conflict| Violation { cycle, conflict };
        machine.feed(cycle, first).map_err(at)?;
        machine.clock().map_err(at)?;
        if let Some(watch) = watch.as_deref_mut() {
            machine.show(cycle, watch);
        }
        cycle += 1;
    }
    Ok(ArrayRun { cycles: accumulators.last_readable(), weight_writes: WeightWrites::default() })
}
