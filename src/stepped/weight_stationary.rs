//! The weight-stationary array. A PE has three weight registers: `shadow` takes a weight from above,
//! `link` keeps the shadow's previous one for the PE below, `active` is multiplied with. Activations
//! move right, partial sums and weights down. The swap of shadow to active travels with a fold's first
//! vector. Without double buffering, weights shift into `active` itself.
//!
//! A weight register that is `None` holds nothing that is still needed.

use std::ops::AddAssign;

use crate::mapping::{Join, Schedule};

use super::ArrayRun;
use super::accumulator::{Accumulators, Arrival};
use super::control::{Control, Start};
use super::part::Part;
use super::payload::Payload;
use super::violation::{Conflict, Violation};
use super::watch::{PeState, Watch};

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

impl AddAssign for WeightWrites {
    fn add_assign(&mut self, other: Self) {
        self.shadow += other.shadow;
        self.link += other.link;
        self.active += other.active;
    }
}

/// A weight, the fold it belongs to and the row that it must reach.
#[derive(Clone, Copy)]
struct Weight<W> {
    fold: usize,
    row: usize,
    word: W,
}

#[derive(Clone, Copy)]
struct Activation<A> {
    fold: usize,
    vector: u64,
    word: A,
}

#[derive(Clone, Copy)]
struct PartialSum<S> {
    fold: usize,
    vector: u64,
    sum: S,
}

#[derive(Clone, Copy)]
struct Pe<A, W, S> {
    /// The fold whose weights shift: registered, for the PE below.
    load: Option<usize>,
    shadow: Option<Weight<W>>,
    link: Option<Weight<W>>,
    active: Option<Weight<W>>,
    activation: Option<Activation<A>>,
    sum: Option<PartialSum<S>>,
}

/// What is at the edges of the array in one cycle.
struct Ports<A, W, S> {
    weights: Vec<Option<Weight<W>>>,
    activations: Vec<Option<Activation<A>>>,
    sums: Vec<Option<PartialSum<S>>>,
}

struct Machine<'a, P: Payload> {
    payload: &'a P,
    double_buffer: bool,
    join: Join,
    parts: &'a [Part],
    rows: usize,
    columns: usize,
    pes: Vec<Pe<P::Activation, P::Weight, P::Sum>>,
    ports: Ports<P::Activation, P::Weight, P::Sum>,
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

/// What enters at the top of a column: nothing, or what is preloaded, or the sum of the folds before.
fn top<P: Payload>(
    payload: &P,
    join: Join,
    part: &Part,
    vector: u64,
    column: u64,
    accumulators: &Accumulators<P::Output>,
) -> Result<P::Sum, Conflict> {
    if join == Join::PerFold {
        return Ok(payload.zero());
    }
    let addresses = part.accumulators(vector, column);
    if part.first_of_outputs {
        let preloaded = addresses.map(|address| payload.preload(address)).collect::<Option<Vec<_>>>();
        return Ok(preloaded.map_or_else(|| payload.zero(), |sums| payload.resume(sums.into_iter())));
    }
    let before = addresses.map(|address| accumulators.read(address));
    let before = before.collect::<Option<Vec<_>>>().ok_or(Conflict::NotReadable)?;
    Ok(payload.resume(before.into_iter()))
}

impl<P: Payload> Machine<'_, P> {
    /// What the parts `first..` put on the edges in `cycle`.
    fn feed(
        &mut self,
        cycle: u64,
        first: usize,
        starts: &[Start],
        accumulators: &Accumulators<P::Output>,
    ) -> Result<(), Conflict> {
        self.ports.weights.fill(None);
        self.ports.activations.fill(None);
        self.ports.sums.fill(None);
        for (index, (part, start)) in self.parts.iter().zip(starts).enumerate().skip(first) {
            if start.load > cycle && start.vector > cycle {
                break;
            }
            for (column, port) in (0..part.columns).zip(&mut self.ports.weights) {
                let Some(step) = cycle.checked_sub(start.load + column) else { break };
                if step < part.rows {
                    let row = part.rows - 1 - step;
                    let word = self.payload.weight(part.group, part.held_by(column), part.k_of(row));
                    put(port, Weight { fold: index, row: row as usize, word }, Conflict::WeightPort)?;
                }
            }
            for (row, port) in (0..part.rows).zip(&mut self.ports.activations) {
                let Some(vector) = cycle.checked_sub(start.vector + row) else { break };
                if vector < part.vectors {
                    let word = self.payload.activation(part.group, part.vector + vector, part.k_of(row));
                    put(port, Activation { fold: index, vector, word }, Conflict::ActivationPort)?;
                }
            }
            for (column, port) in (0..part.columns).zip(&mut self.ports.sums) {
                let Some(vector) = cycle.checked_sub(start.vector + column) else { break };
                if vector < part.vectors {
                    let sum = top(self.payload, self.join, part, vector, column, accumulators)?;
                    put(port, PartialSum { fold: index, vector, sum }, Conflict::ColumnTop)?;
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
                moving: pe.activation.map(|activation| (activation.fold, activation.vector)),
                held: pe.active.map(|weight| weight.fold),
                shadow: pe.shadow.map(|weight| weight.fold),
                sum: pe.sum.map(|sum| self.payload.lane(sum.sum, 0)),
                out: None,
            });
        }
    }

    /// One clock edge: every PE, from the last to the first, so that neighbours still hold the values
    /// of this cycle.
    fn clock(&mut self) -> Result<(), Conflict> {
        let Self { payload, double_buffer, parts, rows, columns, .. } = *self;
        let (mut newest_load, mut oldest_sum) = (None, None);
        for row in (0..rows).rev() {
            for column in (0..columns).rev() {
                let at = row * columns + column;
                let (others, pe) = self.pes.split_at_mut(at);
                let pe = &mut pe[0];
                let (weight, load, sum) = if row == 0 {
                    let weight = self.ports.weights[column];
                    (weight, weight.map(|weight| weight.fold), self.ports.sums[column])
                } else {
                    let above = &mut others[at - columns];
                    let weight = if above.load.is_some() { above.link.take() } else { None };
                    (weight, above.load, above.sum)
                };
                let activation =
                    if column == 0 { self.ports.activations[row] } else { others[at - 1].activation };
                pe.sum = match (activation, sum) {
                    (Some(activation), Some(sum)) => {
                        if activation.vector == 0 && double_buffer {
                            pe.active = pe.shadow.take();
                            self.writes.active += 1;
                        }
                        Some(multiply(payload, pe.active, row, activation, sum)?)
                    }
                    (None, Some(sum)) if row < parts[sum.fold].rows as usize => {
                        return Err(Conflict::Misaligned);
                    }
                    (_, sum) => sum,
                };
                pe.activation = activation;
                pe.load = load;
                if load.is_some() {
                    shift(pe, double_buffer, row, weight, &mut self.writes)?;
                    newest_load = newest_load.max(load);
                }
                if let Some(sum) = sum {
                    oldest_sum = Some(oldest_sum.map_or(sum.fold, |oldest: usize| oldest.min(sum.fold)));
                }
            }
        }
        match (newest_load, oldest_sum) {
            (Some(load), Some(sum)) if !double_buffer && load > sum => Err(Conflict::NotDrained),
            _ => Ok(()),
        }
    }
}

/// The MAC of one PE.
fn multiply<P: Payload>(
    payload: &P,
    active: Option<Weight<P::Weight>>,
    row: usize,
    activation: Activation<P::Activation>,
    sum: PartialSum<P::Sum>,
) -> Result<PartialSum<P::Sum>, Conflict> {
    if (activation.fold, activation.vector) != (sum.fold, sum.vector) {
        return Err(Conflict::Misaligned);
    }
    match active {
        Some(weight) if weight.fold == sum.fold && weight.row == row => {
            Ok(PartialSum { sum: payload.step(sum.sum, activation.word, weight.word), ..sum })
        }
        _ => Err(Conflict::WeightMissing),
    }
}

/// The weight chain moves down by one PE.
fn shift<A, W, S>(
    pe: &mut Pe<A, W, S>,
    double_buffer: bool,
    row: usize,
    weight: Option<Weight<W>>,
    writes: &mut WeightWrites,
) -> Result<(), Conflict> {
    let chain = if double_buffer { &mut pe.shadow } else { &mut pe.active };
    writes.shadow += u64::from(weight.is_some());
    if let Some(old) = std::mem::replace(chain, weight) {
        if old.row > row {
            put(&mut pe.link, old, Conflict::WeightLost)?;
            writes.link += 1;
        } else if double_buffer {
            return Err(Conflict::WeightLost);
        }
    }
    Ok(())
}

/// Runs an array's parts of a layer. `starts` says when each enters, in order.
///
/// # Errors
/// When these starts make two values meet, overwrite a register that is needed or read too early.
pub(super) fn weight_stationary<P: Payload>(
    schedule: &Schedule,
    control: &Control,
    starts: &[Start],
    parts: &[Part],
    payload: &P,
    observe: &mut dyn FnMut(Arrival<P::Output>),
    mut watch: Option<&mut Watch<'_, P::Output>>,
) -> Result<ArrayRun<P::Output>, Violation> {
    let (rows, columns) = (schedule.rows as usize, schedule.columns as usize);
    let empty = Pe { load: None, shadow: None, link: None, active: None, activation: None, sum: None };
    let mut machine = Machine {
        payload,
        double_buffer: control.double_buffer,
        join: schedule.join,
        parts,
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
    let mut accumulators = Accumulators::new(schedule.gemm.outputs() as usize, control.accumulator_latency);
    let expected: u64 = parts.iter().map(|part| part.outputs(part.vectors)).sum();
    let edge = schedule.rows.max(schedule.columns);
    let (mut cycle, mut first) = (0, 0);
    loop {
        accumulators.begin(cycle, observe);
        if accumulators.retired() == expected {
            break;
        }
        for column in 0..columns {
            if let Some(sum) = machine.pes[(rows - 1) * columns + column].sum {
                let part = parts[sum.fold];
                for (lane, address) in part.accumulators(sum.vector, column as u64).enumerate() {
                    let lane = payload.lane(sum.sum, lane);
                    match schedule.join {
                        Join::PerFold => {
                            accumulators.enter(payload, cycle, address, part.first_of_outputs, lane)?;
                        }
                        Join::Chained => accumulators.replace(payload, address, lane),
                    }
                }
            }
        }
        while starts.get(first).zip(parts.get(first)).is_some_and(|(start, part)| {
            start.vector + part.vectors + edge < cycle && start.load + part.rows + edge < cycle
        }) {
            first += 1;
        }
        let at = |conflict| Violation { cycle, conflict };
        machine.feed(cycle, first, starts, &accumulators).map_err(at)?;
        machine.clock().map_err(at)?;
        if let Some(watch) = watch.as_deref_mut() {
            machine.show(cycle, watch);
        }
        cycle += 1;
    }
    let (cycles, outputs) = accumulators.finish();
    Ok(ArrayRun { cycles, outputs, weight_writes: machine.writes })
}
