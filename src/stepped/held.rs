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

use std::collections::VecDeque;
use std::ops::AddAssign;

use super::registers::{Moving, Registers};
use super::tag::Tag;
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

/// All of them.
pub(super) struct Held<W> {
    double_buffer: bool,
    rows: usize,
    columns: usize,
    /// Operands in their rows; without double buffering none.
    shadow: Vec<(Tag, W)>,
    /// What is multiplied with.
    pub(super) active: Registers<W>,
    /// What is on its way: in shadows in this cycle, and in links.
    shadows: Chain<W>,
    links: Chain<W>,
    /// The oldest first.
    loads: VecDeque<Load>,
    /// Where the first vectors of folds are; the oldest first.
    swaps: VecDeque<Wave>,
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
            shadow: vec![(Tag::NOTHING, word); rows * columns],
            active: Registers::new(rows * columns, word),
            shadows: chain(),
            links: chain(),
            loads: VecDeque::new(),
            swaps: VecDeque::new(),
            cycle: 0,
            writes: WeightWrites::default(),
        }
    }

    /// Operands on their way and what moves them move; a load is over where its last signal has left all rows.
    pub(super) fn shift(&mut self) {
        self.cycle += 1;
        let (cycle, rows) = (self.cycle, self.rows as u64);
        while self.loads.front().is_some_and(|load| Wave { rows, ..load.last }.is_over(cycle)) {
            self.loads.pop_front();
        }
        while self.swaps.front().is_some_and(|swap| swap.is_over(self.cycle)) {
            self.swaps.pop_front();
        }
        if !self.loads.is_empty() {
            std::mem::swap(&mut self.shadows, &mut self.links);
            self.shadows.registers.shift();
        }
    }

    /// The operands that a fold of `rows` rows and `columns` columns has at the top of some columns: column, row, words.
    #[inline]
    pub(super) fn feed(
        &mut self,
        fold: usize,
        (rows, columns): (u64, u64),
        operands: impl Iterator<Item = (usize, u64, W)>,
    ) -> Result<(), Conflict> {
        if self.loads.back().is_none_or(|load| load.fold < fold) {
            let first = Wave { entered: self.cycle, rows: self.rows as u64, columns };
            let last = Wave { entered: self.cycle + rows - 1, rows, columns };
            self.loads.push_back(Load { fold, first, last });
        }
        let mut count = 0;
        let operands = operands.map(|(column, row, word)| {
            count += 1;
            Ok((column, Tag::new(fold, row), word))
        });
        self.shadows.registers.fill(Conflict::WeightPort, operands)?;
        self.shadows.count += count;
        Ok(())
    }

    /// The first vector of a fold of `rows` rows and `columns` columns enters in this cycle.
    pub(super) fn begin_swap(&mut self, (rows, columns): (u64, u64)) {
        if self.double_buffer {
            self.swaps.push_back(Wave { entered: self.cycle, rows, columns });
        }
    }

    /// Where a fold's first vector is, the shadow register becomes the active one.
    pub(super) fn swap(&mut self) {
        let Self { shadow, active: Registers { tags, words }, .. } = self;
        let (shadow, tags, words) = (&mut shadow[..], &mut tags[..], &mut words[..]);
        for swap in &self.swaps {
            let pes = swap.pes(self.cycle, self.columns);
            self.writes.active += pes.len() as u64;
            for (at, _) in pes {
                let (tag, word) = &mut shadow[at];
                (tags[at], words[at]) = (std::mem::take(tag), *word);
            }
        }
    }

    /// The newest fold that is loaded in this cycle.
    pub(super) fn newest_load(&self) -> Option<usize> {
        self.loads.back().map(|load| load.fold)
    }

    /// First load signals overwrite what is in shadows, last ones leave there what is on its way.
    #[inline(never)]
    pub(super) fn load(&mut self) -> Result<(), Conflict> {
        let (tags, words) = self.shadows.registers.both_mut();
        let shadow = &mut self.shadow[..];
        self.writes.link += self.links.count;
        self.writes.shadow += self.shadows.count;
        let mut landed = 0;
        for load in &self.loads {
            for (at, _) in load.first.pes(self.cycle, self.columns) {
                if !self.double_buffer {
                    self.active.tags[at] = Tag::NOTHING;
                } else if shadow[at].0.is_valid() {
                    return Err(Conflict::WeightLost);
                }
            }
            for (at, row) in load.last.pes(self.cycle, self.columns) {
                if std::mem::take(&mut tags[at]) != Tag::new(load.fold, row as u64) {
                    continue;
                }
                landed += 1;
                let (tag, word) = (Tag::new(load.fold, 0), words[at]);
                if self.double_buffer {
                    shadow[at] = (tag, word);
                } else {
                    (self.active.tags[at], self.active.words[at]) = (tag, word);
                }
            }
        }
        self.shadows.count -= landed;
        Ok(())
    }

    /// The folds whose operands a PE has in its active and its shadow register.
    pub(super) fn folds(&self, at: usize) -> (Option<usize>, Option<usize>) {
        let fold = |tag: Tag| tag.get().map(|(fold, _)| fold);
        let (active, passing) = (fold(self.active.tags[at]), fold(self.shadows.registers.tags()[at]));
        if self.double_buffer {
            (active, fold(self.shadow[at].0).or(passing))
        } else {
            (active.or(passing), None)
        }
    }
}
