//! The weight-stationary array. A PE has three weight registers: `shadow` takes a weight from above,
//! `link` keeps the shadow's previous one for the PE below, `active` is multiplied with. Activations
//! move right, partial sums and weights down. The swap of shadow to active travels with a fold's first
//! vector. Without double buffering, weights shift into `active` itself.
//!
//! A weight register that is `None` holds nothing that is still needed.

use crate::mapping::{Dataflow, Fold, Schedule, View};

use super::Run;
use super::accumulator::Accumulators;
use super::control::{Control, Start};
use super::payload::Payload;
use super::violation::{Conflict, Violation};

/// Weight registers written with a weight, each of one PE and all its lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WeightWrites {
    /// Shadow registers (without double buffering: active registers that shift).
    pub shadow: u64,
    /// Link registers.
    pub link: u64,
    /// Swaps.
    pub active: u64,
}

/// A weight, the fold it belongs to and the row that it must reach.
#[derive(Clone, Copy)]
struct Weight<W> {
    fold: usize,
    row: usize,
    word: W,
}

#[derive(Clone, Copy)]
struct Activation<W> {
    fold: usize,
    vector: u64,
    word: W,
}

#[derive(Clone, Copy)]
struct PartialSum<S> {
    fold: usize,
    vector: u64,
    sum: S,
}

#[derive(Clone, Copy)]
struct Pe<W, S> {
    /// The fold whose weights shift: registered, for the PE below.
    load: Option<usize>,
    shadow: Option<Weight<W>>,
    link: Option<Weight<W>>,
    active: Option<Weight<W>>,
    activation: Option<Activation<W>>,
    sum: Option<PartialSum<S>>,
}

/// What is at the edges of the array in one cycle.
struct Ports<W, S> {
    weights: Vec<Option<Weight<W>>>,
    activations: Vec<Option<Activation<W>>>,
    sums: Vec<Option<PartialSum<S>>>,
}

struct Machine<'a, P: Payload> {
    payload: &'a P,
    schedule: &'a Schedule,
    double_buffer: bool,
    folds: Vec<(Fold, View)>,
    rows: usize,
    columns: usize,
    pes: Vec<Pe<P::Word, P::Sum>>,
    ports: Ports<P::Word, P::Sum>,
    writes: WeightWrites,
}

/// Puts a value on a port that must be free.
fn put<T>(port: &mut Option<T>, value: T, conflict: Conflict) -> Result<(), Conflict> {
    if port.is_some() {
        return Err(conflict);
    }
    *port = Some(value);
    Ok(())
}

impl<P: Payload> Machine<'_, P> {
    /// What the folds `first..` put on the edges in `cycle`.
    fn feed(&mut self, cycle: u64, first: usize, starts: &[Start]) -> Result<(), Conflict> {
        self.ports.weights.fill(None);
        self.ports.activations.fill(None);
        self.ports.sums.fill(None);
        let lanes = self.schedule.lanes.along_k();
        for (index, (&(fold, view), start)) in self.folds.iter().zip(starts).enumerate().skip(first) {
            let (moving, still) = ends(self.schedule, fold);
            if start.load > cycle && start.vector > cycle {
                break;
            }
            let operands = |row: u64| (fold.k + row * lanes, lanes.min(fold.depth - row * lanes));
            for (column, port) in (0..view.columns).zip(&mut self.ports.weights) {
                let Some(step) = cycle.checked_sub(start.load + column) else { break };
                if step < view.rows {
                    let row = view.rows - 1 - step;
                    let (k, lanes) = operands(row);
                    let word = self.payload.weight(fold.group, still + column, k, lanes);
                    put(port, Weight { fold: index, row: row as usize, word }, Conflict::WeightPort)?;
                }
            }
            for (row, port) in (0..view.rows).zip(&mut self.ports.activations) {
                let Some(vector) = cycle.checked_sub(start.vector + row) else { break };
                if vector < view.vectors {
                    let (k, lanes) = operands(row);
                    let word = self.payload.activation(fold.group, moving + vector, k, lanes);
                    put(port, Activation { fold: index, vector, word }, Conflict::ActivationPort)?;
                }
            }
            for (column, port) in (0..view.columns).zip(&mut self.ports.sums) {
                let Some(vector) = cycle.checked_sub(start.vector + column) else { break };
                if vector < view.vectors {
                    let sum = self.payload.zero();
                    put(port, PartialSum { fold: index, vector, sum }, Conflict::ColumnTop)?;
                }
            }
        }
        Ok(())
    }

    /// One clock edge: every PE, from the last to the first, so that neighbours still hold the values
    /// of this cycle.
    fn clock(&mut self) -> Result<(), Conflict> {
        let (mut newest_load, mut oldest_sum) = (None, None);
        for row in (0..self.rows).rev() {
            for column in (0..self.columns).rev() {
                let at = row * self.columns + column;
                let (weight, load, sum) = if row == 0 {
                    let weight = self.ports.weights[column];
                    (weight, weight.map(|weight| weight.fold), self.ports.sums[column])
                } else {
                    let above = &mut self.pes[at - self.columns];
                    let weight = if above.load.is_some() { above.link.take() } else { None };
                    (weight, above.load, above.sum)
                };
                let activation =
                    if column == 0 { self.ports.activations[row] } else { self.pes[at - 1].activation };
                let mut pe = self.pes[at];
                pe.sum = match (activation, sum) {
                    (Some(activation), Some(sum)) => Some(self.multiply(&mut pe, row, activation, sum)?),
                    (None, Some(sum)) if row < self.folds[sum.fold].1.rows as usize => {
                        return Err(Conflict::Misaligned);
                    }
                    (_, sum) => sum,
                };
                pe.activation = activation;
                pe.load = load;
                if load.is_some() {
                    self.shift(&mut pe, row, weight)?;
                }
                newest_load = newest_load.max(load);
                if let Some(sum) = sum {
                    oldest_sum = Some(oldest_sum.map_or(sum.fold, |oldest: usize| oldest.min(sum.fold)));
                }
                self.pes[at] = pe;
            }
        }
        match (newest_load, oldest_sum) {
            (Some(load), Some(sum)) if !self.double_buffer && load > sum => Err(Conflict::NotDrained),
            _ => Ok(()),
        }
    }

    fn multiply(
        &mut self,
        pe: &mut Pe<P::Word, P::Sum>,
        row: usize,
        activation: Activation<P::Word>,
        sum: PartialSum<P::Sum>,
    ) -> Result<PartialSum<P::Sum>, Conflict> {
        if (activation.fold, activation.vector) != (sum.fold, sum.vector) {
            return Err(Conflict::Misaligned);
        }
        if activation.vector == 0 && self.double_buffer {
            pe.active = pe.shadow.take();
            self.writes.active += 1;
        }
        match pe.active {
            Some(weight) if weight.fold == sum.fold && weight.row == row => {
                Ok(PartialSum { sum: self.payload.step(sum.sum, activation.word, weight.word), ..sum })
            }
            _ => Err(Conflict::WeightMissing),
        }
    }

    /// The weight chain moves down by one PE.
    fn shift(
        &mut self,
        pe: &mut Pe<P::Word, P::Sum>,
        row: usize,
        weight: Option<Weight<P::Word>>,
    ) -> Result<(), Conflict> {
        let chain = if self.double_buffer { &mut pe.shadow } else { &mut pe.active };
        let old = std::mem::replace(chain, weight);
        self.writes.shadow += u64::from(weight.is_some());
        if let Some(old) = old {
            if old.row > row {
                put(&mut pe.link, old, Conflict::WeightLost)?;
                self.writes.link += 1;
            } else if self.double_buffer {
                return Err(Conflict::WeightLost);
            }
        }
        Ok(())
    }
}

/// First of what moves and first of what stays: pixel and channel, or the other way round (is).
fn ends(schedule: &Schedule, fold: Fold) -> (u64, u64) {
    match schedule.dataflow {
        Dataflow::Is => (fold.n, fold.m),
        Dataflow::Ws | Dataflow::Os => (fold.m, fold.n),
    }
}

/// Runs a layer. `starts` says when each fold of the schedule enters, in order.
///
/// # Errors
/// When these starts make two values meet, overwrite a register that is needed or read too early.
///
/// # Panics
/// When there is not one start per fold.
pub fn weight_stationary<P: Payload>(
    schedule: &Schedule,
    control: &Control,
    starts: &[Start],
    payload: &P,
) -> Result<Run<P::Sum>, Violation> {
    let (rows, columns) = (schedule.rows as usize, schedule.columns as usize);
    let empty = Pe { load: None, shadow: None, link: None, active: None, activation: None, sum: None };
    let mut machine = Machine {
        payload,
        schedule,
        double_buffer: control.double_buffer,
        folds: schedule.folds().map(|fold| (fold, schedule.widest(fold))).collect(),
        rows,
        columns,
        pes: vec![empty; rows * columns],
        ports: Ports {
            weights: vec![None; columns],
            activations: vec![None; rows],
            sums: vec![None; columns],
        },
        writes: WeightWrites::default(),
    };
    assert_eq!(starts.len(), machine.folds.len(), "one start per fold");
    let gemm = schedule.gemm;
    let outputs = (gemm.groups * gemm.m * gemm.n) as usize;
    let mut accumulators = Accumulators::new(outputs, control.accumulator_latency);
    let expected: u64 = machine.folds.iter().map(|(fold, _)| fold.outputs()).sum();
    let edge = schedule.rows.max(schedule.columns);
    let (mut cycle, mut first) = (0, 0);
    loop {
        accumulators.begin(cycle);
        if accumulators.retired() == expected {
            break;
        }
        for column in 0..columns {
            if let Some(sum) = machine.pes[(rows - 1) * columns + column].sum {
                let (fold, _) = machine.folds[sum.fold];
                let (moving, still) = ends(schedule, fold);
                let (moving, still) = (moving + sum.vector, still + column as u64);
                let (m, n) =
                    if schedule.dataflow == Dataflow::Is { (still, moving) } else { (moving, still) };
                let address = ((fold.group * gemm.m + m) * gemm.n + n) as usize;
                accumulators.enter(payload, cycle, address, fold.is_first_of_outputs(), sum.sum)?;
            }
        }
        while starts.get(first).zip(machine.folds.get(first)).is_some_and(|(start, (_, view))| {
            start.vector + view.vectors + edge < cycle && start.load + view.rows + edge < cycle
        }) {
            first += 1;
        }
        let at = |conflict| Violation { cycle, conflict };
        machine.feed(cycle, first, starts).map_err(at)?;
        machine.clock().map_err(at)?;
        cycle += 1;
    }
    let (cycles, outputs) = accumulators.finish();
    Ok(Run { cycles, outputs, weight_writes: machine.writes })
}
