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
//! finds on its way there. The signals between them do nothing else than to keep the sets moving.

use std::collections::VecDeque;
use std::ops::{AddAssign, Range};

use super::registers::{Moving, Registers};
use super::tag::Tag;
use super::violation::Conflict;

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

/// A fold's load signals, on their way since the first one entered column 0, as many as the fold has rows. They enter
/// the columns one after the other.
struct Load {
    fold: usize,
    entered: u64,
    signals: u64,
    columns: u64,
}

impl Load {
    /// PEs that the signal is in that entered `number` cycles behind the first one, if it is among the first `rows`
    /// rows: row and column.
    #[inline]
    fn signal(&self, cycle: u64, number: u64, rows: u64) -> impl Iterator<Item = (usize, usize)> + use<> {
        // Behind the signal's entry into column 0, counted from 1; 0 where it has not entered.
        let age = (cycle + 1 - self.entered).saturating_sub(number);
        let columns = age.saturating_sub(rows)..self.columns.min(age);
        columns.map(move |column| ((age - 1 - column) as usize, column as usize))
    }

    /// Whether none is left in an array of so many rows.
    #[inline]
    fn is_over(&self, cycle: u64, rows: u64) -> bool {
        self.entered + self.signals + self.columns + rows <= cycle + 2
    }
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
            cycle: 0,
            writes: WeightWrites::default(),
        }
    }

    /// Operands on their way and load signals move.
    pub(super) fn shift(&mut self) {
        self.cycle += 1;
        while self.loads.front().is_some_and(|load| load.is_over(self.cycle, self.rows as u64)) {
            self.loads.pop_front();
        }
        if !self.loads.is_empty() {
            std::mem::swap(&mut self.shadows, &mut self.links);
            self.shadows.registers.shift();
        }
    }

    /// The operands that a fold of `rows` rows and `columns` columns has at the top of some columns, each with its row.
    pub(super) fn feed(
        &mut self,
        fold: usize,
        (rows, columns): (u64, u64),
        at: Range<usize>,
        operand: impl Fn(usize) -> (u64, W),
    ) -> Result<(), Conflict> {
        if self.loads.back().is_none_or(|load| load.fold < fold) {
            self.loads.push_back(Load { fold, entered: self.cycle, signals: rows, columns });
        }
        self.shadows.count += at.len() as u64;
        let (tags, words) = self.shadows.registers.both_mut();
        let top = tags[at.clone()].iter_mut().zip(&mut words[at.clone()]);
        for ((tag, word), column) in top.zip(at) {
            if tag.is_valid() {
                return Err(Conflict::WeightPort);
            }
            let (row, operand) = operand(column);
            (*tag, *word) = (Tag::new(fold, row), operand);
        }
        Ok(())
    }

    /// A fold's first vector makes the shadow register the active one.
    pub(super) fn swap(&mut self, at: usize) {
        let (tag, word) = &mut self.shadow[at];
        (self.active.tags[at], self.active.words[at]) = (std::mem::take(tag), *word);
        self.writes.active += 1;
    }

    /// The newest fold that is loaded in this cycle.
    pub(super) fn newest_load(&self) -> Option<usize> {
        self.loads.back().map(|load| load.fold)
    }

    /// First load signals overwrite what is in shadows, last ones leave there what is on its way.
    #[inline(never)]
    pub(super) fn load(&mut self) -> Result<(), Conflict> {
        let (tags, words) = self.shadows.registers.both_mut();
        self.writes.link += self.links.count;
        self.writes.shadow += self.shadows.count;
        for load in &self.loads {
            for (row, column) in load.signal(self.cycle, 0, self.rows as u64) {
                let at = row * self.columns + column;
                if !self.double_buffer {
                    self.active.tags[at] = Tag::NOTHING;
                } else if self.shadow[at].0.is_valid() {
                    return Err(Conflict::WeightLost);
                }
            }
            for (row, column) in load.signal(self.cycle, load.signals - 1, load.signals) {
                let at = row * self.columns + column;
                if std::mem::take(&mut tags[at]) != Tag::new(load.fold, row as u64) {
                    continue;
                }
                self.shadows.count -= 1;
                let (tag, word) = (Tag::new(load.fold, 0), words[at]);
                if self.double_buffer {
                    self.shadow[at] = (tag, word);
                } else {
                    (self.active.tags[at], self.active.words[at]) = (tag, word);
                }
            }
        }
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
