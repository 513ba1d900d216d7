//! The weight-stationary array. Activations move right, partial sums and weights down. The swap of shadow to active
//! travels with a fold's first vector.
//!
//! Registers of a kind lie side by side, row by row: all of them move at once, and all PEs multiply in one loop. The
//! phases of a cycle are functions of their own for the compiler too: together they need more registers than there are.

use crate::mapping::{Join, Schedule};

use super::ArrayRun;
use super::accumulator::{Accumulators, Destination};
use super::control::{Control, Start};
use super::held::Held;
use super::part::Part;
use super::payload::Payload;
use super::port::{Port, Stream};
use super::registers::Moving;
use super::tag::{FoldTag, Tag};
use super::violation::{Conflict, Violation};
use super::watch::{PeState, Watch};

struct Machine<'a, P: Payload> {
    payload: &'a P,
    double_buffer: bool,
    join: Join,
    parts: &'a [Part],
    columns: usize,
    held: Held<P::Weight>,
    moving: Moving<P::Activation>,
    sums: Moving<P::Sum>,
    /// At the left of every row, and at the top of every column.
    moving_ports: Vec<Port>,
    sum_ports: Vec<Stream>,
    /// Of the next sum that leaves a column, if it is of the same fold as the one before: whose it is and where it goes.
    destinations: Vec<(Tag, Destination)>,
    /// All bits where a vector meets a sum in this cycle.
    meets: Vec<u32>,
}

/// What enters at the top of a column where folds are chained: what is preloaded, or the sum of the folds before.
fn resumed<P: Payload>(
    payload: &P,
    part: &Part,
    vector: u64,
    column: u64,
    accumulators: &Accumulators<'_, P::Output>,
) -> Result<P::Sum, Conflict> {
    let addresses = part.destination(vector, column).addresses();
    if part.first_of_outputs {
        let preloaded = addresses.map(|address| payload.preload(address)).collect::<Option<Vec<_>>>();
        return Ok(preloaded.map_or_else(|| payload.zero(), |sums| payload.resume(sums.into_iter())));
    }
    let before = addresses.map(|address| accumulators.read(address));
    let before = before.collect::<Option<Vec<_>>>().ok_or(Conflict::NotReadable)?;
    Ok(payload.resume(before.into_iter()))
}

/// Sets all bits of `meets` where a vector is multiplied for a sum, none elsewhere. Zero if nothing is wrong in any PE: a
/// loop without branches, so which one is wrong has to be searched for.
fn meet(moving: &[Tag], sums: &[Tag], held: &[FoldTag], meets: &mut [u32]) -> u32 {
    let mut wrong = 0;
    for (((moving, &sum), &held), meets) in moving.iter().zip(sums).zip(held).zip(meets) {
        *meets = moving.fold.multiplies(sum.fold);
        wrong |= moving.differs(sum) | *meets & moving.fold.misses(held);
    }
    wrong
}

impl<P: Payload> Machine<'_, P> {
    /// Everything that moves moves by one PE.
    #[inline(never)]
    fn shift(&mut self) {
        self.moving.shift();
        self.sums.shift();
        self.held.shift();
    }

    /// What the folds from `first` on begin with at the edges in `cycle`: one port of each edge, a position further every
    /// cycle.
    #[inline(never)]
    fn begin(&mut self, cycle: u64, first: usize, starts: &[Start]) -> Result<(), Conflict> {
        let parts = self.parts;
        for fold in first..parts.len() {
            let (part, start) = (&parts[fold], starts[fold]);
            if start.load > cycle && start.vector > cycle {
                break;
            }
            if part.vectors == 0 {
                continue; // Another array's alone.
            }
            if let Some(column) = cycle.checked_sub(start.load).filter(|&column| column < part.columns) {
                self.held.begin(column, part, fold)?;
            }
            let Some(position) = cycle.checked_sub(start.vector) else { continue };
            if position == 0 {
                self.held.begin_swap((part.rows, part.columns));
            }
            if let Some(port) = self.moving_ports.get_mut(position as usize) {
                port.begin(part.row_port(fold, position), Conflict::ActivationPort)?;
            }
            if let Some(port) = self.sum_ports.get_mut(position as usize) {
                port.begin(part.vectors_of(fold, position < part.columns), Conflict::ColumnTop)?;
            }
        }
        Ok(())
    }

    /// What is at the ports enters.
    #[inline(never)]
    fn feed(&mut self, accumulators: &Accumulators<'_, P::Output>) -> Result<(), Conflict> {
        let Self { payload, columns, .. } = *self;
        self.held.feed(payload);
        let (tags, words) = self.moving.both_mut();
        let mut at = 0;
        for port in &mut self.moving_ports {
            // Where there is nothing, not what left the row above.
            tags[at] = Tag::NOTHING;
            if let Some((tag, operands)) = port.next() {
                (tags[at], words[at]) = (tag, payload.activation(operands));
            }
            at += columns;
        }
        let (tags, words) = self.sums.both_mut();
        for (port, (tag, word)) in self.sum_ports.iter_mut().zip(tags.iter_mut().zip(words.iter_mut())) {
            (*tag, *word) = (port.next().unwrap_or(Tag::NOTHING), payload.zero());
        }
        if self.join == Join::Chained {
            for (column, (tag, word)) in tags[..columns].iter().zip(words).enumerate() {
                if let Some((fold, vector)) = tag.get() {
                    *word = resumed(payload, &self.parts[fold], vector, column as u64, accumulators)?;
                }
            }
        }
        Ok(())
    }

    /// What left the bottom registers enters the accumulators.
    #[inline(never)]
    fn retire(&mut self, accumulators: &mut Accumulators<'_, P::Output>) -> Result<(), Conflict> {
        let (tags, sums) = self.sums.both();
        let bottom = tags.len() - self.columns..;
        let (tags, sums) = (&tags[bottom.clone()], &sums[bottom]);
        for (column, (expected, destination)) in self.destinations.iter_mut().enumerate() {
            let tag = tags[column];
            let Some((fold, vector)) = tag.get() else { continue };
            if *expected != tag {
                *destination = self.parts[fold].destination(vector, column as u64);
            }
            for lane in 0..destination.lanes {
                let (address, sum) = (destination.address(lane), self.payload.lane(sums[column], lane));
                match self.join {
                    Join::PerFold => {
                        accumulators.enter(self.payload, address, destination.starts_anew, sum)?
                    }
                    Join::Chained => accumulators.replace(self.payload, address, sum),
                }
            }
            *expected = tag.after();
            destination.advance();
        }
        Ok(())
    }

    /// The registers of every PE.
    fn show(&self, cycle: u64, watch: &mut Watch<'_, P::Output>) {
        let ((moving, _), (tags, sums)) = (self.moving.both(), self.sums.both());
        for (at, (moving, (tag, &sum))) in moving.iter().zip(tags.iter().zip(sums)).enumerate() {
            let (held, shadow) = self.held.folds(at);
            watch(PeState {
                cycle,
                row: at / self.columns,
                column: at % self.columns,
                moving: moving.get(),
                held,
                shadow,
                sum: tag.get().map(|_| self.payload.lane(sum, 0)),
                out: None,
            });
        }
    }

    /// The MACs of all PEs, with what their registers get in this cycle.
    #[inline(never)]
    fn multiply(&mut self) -> Result<(), Conflict> {
        self.held.swap();
        let (moving, activations) = self.moving.both();
        let (tags, sums) = self.sums.both_mut();
        let held = &self.held.active;
        if meet(moving, tags, &held.folds, &mut self.meets) != 0 {
            return Err(self.conflict());
        }
        self.payload.step_all(sums, activations, &held.words, &self.meets);
        Ok(())
    }

    /// What is wrong in the last PE that something is wrong in.
    fn conflict(&self) -> Conflict {
        let tags = self.moving.both().0.iter().zip(self.sums.both().0).zip(&self.held.active.folds);
        let conflict = |((moving, &sum), &held): ((&Tag, &Tag), &FoldTag)| {
            if moving.differs(sum) != 0 {
                return Some(Conflict::Misaligned);
            }
            (moving.fold.multiplies(sum.fold) & moving.fold.misses(held) != 0)
                .then_some(Conflict::WeightMissing)
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
        let oldest_sum = self.sums.both().0.iter().filter_map(|tag| tag.fold.get()).min();
        match (self.held.newest_load(), oldest_sum) {
            (Some(load), Some(sum)) if load > sum => Err(Conflict::NotDrained),
            _ => Ok(()),
        }
    }
}

/// Runs an array's parts of a layer. `starts` says when each enters, in order.
///
/// # Errors
/// When these starts make two values meet, or overwrite a register that is needed or read one too early.
pub(super) fn weight_stationary<P: Payload>(
    schedule: &Schedule,
    control: &Control,
    starts: &[Start],
    parts: &[Part],
    payload: &P,
    accumulators: &mut Accumulators<'_, P::Output>,
    mut watch: Option<&mut Watch<'_, P::Output>>,
) -> Result<ArrayRun, Violation> {
    let (rows, columns) = (schedule.rows as usize, schedule.columns as usize);
    let idle = payload.activation(0..0);
    let mut machine = Machine {
        payload,
        double_buffer: control.double_buffer,
        join: schedule.join,
        parts,
        columns,
        held: Held::new(rows, columns, control.double_buffer, payload.weight(0..0, 0)),
        moving: Moving::new(rows * columns, 1, idle),
        sums: Moving::new(rows * columns, columns, payload.zero()),
        moving_ports: vec![Port::default(); rows],
        sum_ports: vec![Stream::default(); columns],
        destinations: vec![Default::default(); columns],
        meets: vec![0; rows * columns],
    };
    accumulators.begin_array();
    let expected: u64 = parts.iter().map(|part| part.outputs(part.vectors)).sum();
    let edge = schedule.rows.max(schedule.columns);
    let (mut cycle, mut first) = (0, 0);
    loop {
        accumulators.begin(cycle);
        if accumulators.have(expected) {
            break;
        }
        let at = |conflict| Violation { cycle, conflict };
        machine.retire(accumulators).map_err(at)?;
        while starts.get(first).is_some_and(|start| start.load.max(start.vector) + edge <= cycle) {
            first += 1;
        }
        machine.shift();
        machine.begin(cycle, first, starts).map_err(at)?;
        machine.feed(accumulators).map_err(at)?;
        machine.clock().map_err(at)?;
        if let Some(watch) = watch.as_deref_mut() {
            machine.show(cycle, watch);
        }
        cycle += 1;
    }
    Ok(ArrayRun { cycles: accumulators.last_readable(), weight_writes: machine.held.writes })
}
