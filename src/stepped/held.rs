//! The stationary operands of an array: three registers per PE, and the chain that loads them.
//!
//! `shadow` takes an operand from above, `link` keeps the shadow's previous one for the PE below, `active` is
//! multiplied with. Without double buffering, operands shift into `active` itself.
//!
//! An operand on its way is in a shadow in one cycle, in the link beside it in the next, and then in the shadow below.
//! All of them move at once, so those in shadows and those in links are kept as two sets that change roles: in every
//! cycle one set moves down by a row, from links into shadows, and the other becomes that of the links where it lies.
//! What moves them is a load signal that enters with each operand and goes down by a row every cycle. A fold's first
//! signal is the only one that may find another fold's operand in a shadow; the last one leaves in every row what it
//! finds on its way there. The signals between them do nothing else than to keep the sets moving. Behind them a fold's
//! first vector goes the same way, and makes the shadow register the active one.

use std::ops::AddAssign;

use super::part::Part;
use super::payload::Payload;
use super::port::Port;
use super::registers::Moving;
use super::tag::FoldTag;
use super::violation::Conflict;
use super::wave::Wave;

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

/// A fold's load signals, as many as the fold has rows: they enter one after the other.
struct Load {
    fold: usize,
    first: Wave,
    last: Wave,
}

/// A set of operands on their way, and how many they are.
struct Chain<W> {
    registers: Moving<W>,
    count: u64,
}

/// Operands that are in their rows, one per PE, and the folds that they belong to.
pub(super) struct Resting<W> {
    pub(super) folds: Vec<FoldTag>,
    pub(super) words: Vec<W>,
}

impl<W: Copy> Resting<W> {
    fn new(count: usize, word: W) -> Self {
        Self { folds: vec![FoldTag::NOTHING; count], words: vec![word; count] }
    }
}

/// All of them.
pub(super) struct Held<W> {
    double_buffer: bool,
    rows: usize,
    columns: usize,
    /// In shadows; without double buffering none.
    shadow: Resting<W>,
    /// What is multiplied with.
    pub(super) active: Resting<W>,
    /// What is on its way: in shadows in this cycle, and in links.
    shadows: Chain<W>,
    links: Chain<W>,
    /// At the top of every column, and how many channels it has.
    ports: Vec<(Port, usize)>,
    /// The oldest first.
    loads: Vec<Load>,
    /// Where the first vectors of folds are; the oldest first.
    swaps: Vec<Wave>,
    cycle: u64,
    pub(super) writes: WeightWrites,
}

impl<W: Copy> Held<W> {
    pub(super) fn new(rows: usize, columns: usize, double_buffer: bool, word: W) -> Self {
        let chain = || Chain { registers: Moving::new(rows * columns, columns, word), count: 0 };
        Self {
            double_buffer,
            rows,
            columns,
            shadow: Resting::new(rows * columns, word),
            active: Resting::new(rows * columns, word),
            shadows: chain(),
            links: chain(),
            ports: vec![Default::default(); columns],
            loads: Vec::new(),
            swaps: Vec::new(),
            cycle: 0,
            writes: WeightWrites::default(),
        }
    }

    /// Operands on their way and what moves them move; a load is over where its last signal has left all rows.
    pub(super) fn shift(&mut self) {
        self.cycle += 1;
        let (cycle, rows) = (self.cycle, self.rows as u64);
        while self.loads.first().is_some_and(|load| Wave { rows, ..load.last }.is_over(cycle)) {
            self.loads.remove(0);
        }
        while self.swaps.first().is_some_and(|swap| swap.is_over(self.cycle)) {
            self.swaps.remove(0);
        }
        if !self.loads.is_empty() {
            std::mem::swap(&mut self.shadows, &mut self.links);
            self.shadows.registers.shift();
        }
    }

    /// A fold's operands begin to enter at the top of a column.
    pub(super) fn begin(&mut self, column: u64, part: &Part, fold: usize) -> Result<(), Conflict> {
        if column == 0 {
            let (entered, columns) = (self.cycle, part.columns);
            let first = Wave { entered, rows: self.rows as u64, columns };
            let last = Wave { entered: entered + part.rows - 1, rows: part.rows, columns };
            self.loads.push(Load { fold, first, last });
        }
        let (next, next_channels) = part.column_port(fold, column);
        let (port, channels) = &mut self.ports[column as usize];
        port.begin(next, Conflict::WeightPort)?;
        *channels = next_channels;
        Ok(())
    }

    /// What is at the ports enters.
    pub(super) fn feed<P: Payload<Weight = W>>(&mut self, payload: &P) {
        if self.loads.is_empty() {
            return;
        }
        let (tags, words) = self.shadows.registers.both_mut();
        let registers = tags.iter_mut().zip(words);
        for ((port, channels), (tag, word)) in self.ports.iter_mut().zip(registers) {
            if let Some((next, operands)) = port.next() {
                (*tag, *word) = (next, payload.weight(operands, *channels));
                self.shadows.count += 1;
            }
        }
    }

    /// The first vector of a fold of `rows` rows and `columns` columns enters in this cycle.
    pub(super) fn begin_swap(&mut self, (rows, columns): (u64, u64)) {
        if self.double_buffer {
            self.swaps.push(Wave { entered: self.cycle, rows, columns });
        }
    }

    /// Where a fold's first vector is, the shadow register becomes the active one.
    pub(super) fn swap(&mut self) {
        let (from, to) = (&mut self.shadow.folds[..], &mut self.active.folds[..]);
        let (words_from, words_to) = (&self.shadow.words[..], &mut self.active.words[..]);
        for swap in &self.swaps {
            let pes = swap.pes(self.cycle, self.columns);
            self.writes.active += pes.len() as u64;
            for (at, _) in pes {
                to[at] = std::mem::take(&mut from[at]);
                words_to[at] = words_from[at];
            }
        }
    }

    /// The newest fold that is loaded in this cycle.
    pub(super) fn newest_load(&self) -> Option<usize> {
        self.loads.last().map(|load| load.fold)
    }

    /// First load signals overwrite what is in shadows, last ones leave there what is on its way.
    #[inline(never)]
    pub(super) fn load(&mut self) -> Result<(), Conflict> {
        let resting = if self.double_buffer { &mut self.shadow } else { &mut self.active };
        let (folds, words) = (&mut resting.folds[..], &mut resting.words[..]);
        let (moving, moving_words) = self.shadows.registers.both_mut();
        self.writes.link += self.links.count;
        self.writes.shadow += self.shadows.count;
        let mut landed = 0;
        for load in &self.loads {
            for (at, _) in load.first.pes(self.cycle, self.columns) {
                if self.double_buffer && folds[at].is_valid() {
                    return Err(Conflict::WeightLost);
                }
                folds[at] = FoldTag::NOTHING;
            }
            let fold = FoldTag::new(load.fold);
            for (at, row) in load.last.pes(self.cycle, self.columns) {
                let tag = std::mem::take(&mut moving[at]);
                if (tag.fold, tag.number) == (fold, row as u32) {
                    landed += 1;
                    (folds[at], words[at]) = (fold, moving_words[at]);
                }
            }
        }
        self.shadows.count -= landed;
        Ok(())
    }

    /// The folds whose operands a PE has in its active and its shadow register.
    pub(super) fn folds(&self, at: usize) -> (Option<usize>, Option<usize>) {
        let passing = self.shadows.registers.both().0[at].fold.get();
        let active = self.active.folds[at].get();
        if self.double_buffer {
            (active, self.shadow.folds[at].get().or(passing))
        } else {
            (active.or(passing), None)
        }
    }
}
