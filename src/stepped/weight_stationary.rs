//! The weight-stationary array. Activations move right, partial sums and weights down. The swap of shadow to active
//! travels with a fold's first vector.
//!
//! Registers of a kind lie side by side, row by row: all of them move at once, and all PEs multiply in one loop. The
//! phases of a cycle are functions of their own for the compiler too: together they need more registers than there are.

use std::ops::Range;

use crate::mapping::{Join, Schedule};

use super::ArrayRun;
use super::accumulator::{Accumulators, Arrival};
use super::control::{Control, Start};
use super::held::Held;
use super::part::Part;
use super::payload::Payload;
use super::registers::Moving;
use super::tag::Tag;
use super::violation::{Conflict, Violation};
use super::watch::{PeState, Watch};

struct Machine<'a, P: Payload> {
    payload: &'a P,
    double_buffer: bool,
    join: Join,
    parts: &'a [Part],
    rows: u64,
    columns: usize,
    /// What no PE multiplies with.
    idle: P::Activation,
    held: Held<P::Weight>,
    moving: Moving<P::Activation>,
    sums: Moving<P::Sum>,
    /// All bits where a vector meets a sum in this cycle.
    meets: Vec<u32>,
}

/// Where on an edge a fold is that enters its first position `elapsed` cycles ago, one position further every cycle, for
/// `length` cycles each.
#[inline]
fn entering(elapsed: u64, length: u64, extent: u64) -> Range<u64> {
    let end = extent.min(elapsed + 1);
    (elapsed + 1).saturating_sub(length).min(end)..end
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
    /// Everything that moves moves by one PE.
    #[inline(never)]
    fn shift(&mut self) {
        let Self { columns, .. } = *self;
        self.moving.shift();
        for tag in self.moving.tags_mut().iter_mut().step_by(columns) {
            *tag = Tag::NOTHING; // What left the row above.
        }
        self.sums.shift();
        self.held.shift();
    }

    /// What the parts `first..` put on the edges in `cycle`.
    #[inline(never)]
    fn feed(
        &mut self,
        cycle: u64,
        first: usize,
        starts: &[Start],
        accumulators: &Accumulators<P::Output>,
    ) -> Result<(), Conflict> {
        let Self { payload, join, columns, .. } = *self;
        for (index, (part, start)) in self.parts.iter().zip(starts).enumerate().skip(first) {
            if start.load > cycle && start.vector > cycle {
                break;
            }
            if let Some(elapsed) = cycle.checked_sub(start.load) {
                let loading = entering(elapsed, part.rows, part.columns);
                if !loading.is_empty() {
                    // The last row's operand is the first one.
                    let rows = part.rows + loading.start - 1 - elapsed..;
                    let operands = loading.zip(rows).map(|(column, row)| {
                        let (first, channels) = part.held(column, row);
                        (column as usize, row, payload.weight(first, channels))
                    });
                    self.held.feed(index, (part.rows, part.columns), operands)?;
                }
            }
            let Some(elapsed) = cycle.checked_sub(start.vector) else { continue };
            let activations = entering(elapsed, part.vectors, self.rows).map(|row| {
                let (vector, at) = (elapsed - row, row as usize * columns);
                if row < part.rows {
                    let word = payload.activation(part.moving(vector, row));
                    Ok((at, Tag::new(index, vector), word))
                } else {
                    Ok((at, Tag::passing(index, vector), self.idle))
                }
            });
            self.moving.fill(Conflict::ActivationPort, activations)?;
            if elapsed == 0 {
                self.held.begin_swap((part.rows, part.columns));
            }
            let sums = entering(elapsed, part.vectors, columns as u64).map(|column| {
                let (vector, at) = (elapsed - column, column as usize);
                if column < part.columns {
                    let sum = top(payload, join, part, vector, column, accumulators)?;
                    Ok((at, Tag::new(index, vector), sum))
                } else {
                    Ok((at, Tag::passing(index, vector), payload.zero()))
                }
            });
            self.sums.fill(Conflict::ColumnTop, sums)?;
        }
        Ok(())
    }

    /// What left the bottom registers enters the accumulators.
    #[inline(never)]
    fn retire(&self, accumulators: &mut Accumulators<P::Output>) -> Result<(), Conflict> {
        let bottom = self.sums.tags().len() - self.columns..;
        let bottom = self.sums.tags()[bottom.clone()].iter().zip(&self.sums.words()[bottom]);
        for ((tag, &sum), column) in bottom.zip(0..) {
            let Some((fold, vector)) = tag.get() else { continue };
            let part = &self.parts[fold];
            for (lane, address) in part.accumulators(vector, column).enumerate() {
                let lane = self.payload.lane(sum, lane);
                match self.join {
                    Join::PerFold => {
                        accumulators.enter(self.payload, address, part.first_of_outputs, lane)?
                    }
                    Join::Chained => accumulators.replace(self.payload, address, lane),
                }
            }
        }
        Ok(())
    }

    /// The registers of every PE.
    fn show(&self, cycle: u64, watch: &mut Watch<'_, P::Output>) {
        for (at, (moving, sum)) in self.moving.tags().iter().zip(self.sums.tags()).enumerate() {
            let (held, shadow) = self.held.folds(at);
            watch(PeState {
                cycle,
                row: at / self.columns,
                column: at % self.columns,
                moving: moving.get(),
                held,
                shadow,
                sum: sum.is_used().then(|| self.payload.lane(self.sums.words()[at], 0)),
                out: None,
            });
        }
    }

    /// The MACs of all PEs, with what their registers get in this cycle.
    #[inline(never)]
    fn multiply(&mut self) -> Result<(), Conflict> {
        self.held.swap();
        // A loop without branches over all PEs; which of them is wrong is searched for where one is.
        let mut wrong = 0;
        let tags = self.moving.tags().iter().zip(self.sums.tags()).zip(&self.held.active.tags);
        for (((moving, &sum), &active), meets) in tags.zip(&mut self.meets) {
            let met = moving.multiplies(sum);
            wrong |= moving.differs(sum) | met & moving.misses(active);
            *meets = met as u32;
        }
        if wrong != 0 {
            return Err(self.conflict());
        }
        let (moving, held) = (self.moving.words(), &self.held.active.words);
        self.payload.step_all(self.sums.words_mut(), moving, held, &self.meets);
        Ok(())
    }

    /// What is wrong in the last PE that something is wrong in.
    fn conflict(&self) -> Conflict {
        let tags = self.moving.tags().iter().zip(self.sums.tags()).zip(&self.held.active.tags);
        let conflict = |((moving, &sum), &active): ((&Tag, &Tag), &Tag)| {
            if moving.differs(sum) != 0 {
                return Some(Conflict::Misaligned);
            }
            (moving.multiplies(sum) & moving.misses(active) != 0).then_some(Conflict::WeightMissing)
        };
        tags.rev().find_map(conflict).unwrap_or(Conflict::Misaligned)
    }

    /// One clock edge, behind the one that shifts.
    fn clock(&mut self) -> Result<(), Conflict> {
        self.multiply()?;
        self.held.load()?;
        if self.double_buffer {
            return Ok(());
        }
        let oldest_sum = self.sums.tags().iter().filter_map(|sum| sum.get()).map(|(fold, _)| fold).min();
        match (self.held.newest_load(), oldest_sum) {
            (Some(load), Some(sum)) if load > sum => Err(Conflict::NotDrained),
            _ => Ok(()),
        }
    }
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
    observe: &mut impl FnMut(Arrival<P::Output>),
    mut watch: Option<&mut Watch<'_, P::Output>>,
) -> Result<ArrayRun<P::Output>, Violation> {
    let (rows, columns) = (schedule.rows as usize, schedule.columns as usize);
    let idle = payload.activation(0..0);
    let mut machine = Machine {
        payload,
        double_buffer: control.double_buffer,
        join: schedule.join,
        parts,
        rows: schedule.rows,
        columns,
        idle,
        held: Held::new(rows, columns, control.double_buffer, payload.weight(0..0, 0)),
        moving: Moving::new(rows * columns, 1, idle),
        sums: Moving::new(rows * columns, columns, payload.zero()),
        meets: vec![0; rows * columns],
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
        let at = |conflict| Violation { cycle, conflict };
        machine.retire(&mut accumulators).map_err(at)?;
        while starts.get(first).zip(parts.get(first)).is_some_and(|(start, part)| {
            (start.vector + part.vectors).max(start.load + part.rows) + edge <= cycle + 1
        }) {
            first += 1;
        }
        machine.shift();
        machine.feed(cycle, first, starts, &accumulators).map_err(at)?;
        machine.clock().map_err(at)?;
        if let Some(watch) = watch.as_deref_mut() {
            machine.show(cycle, watch);
        }
        cycle += 1;
    }
    let (cycles, outputs) = accumulators.finish();
    Ok(ArrayRun { cycles, outputs, weight_writes: machine.held.writes })
}
