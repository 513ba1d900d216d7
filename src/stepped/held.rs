//! The stationary operands of an array: three registers per PE, and the chain that loads them.
//!
//! `shadow` takes an operand from above, `link` keeps the shadow's previous one for the PE below, `active` is
//! multiplied with. Without double buffering, operands shift into `active` itself.

use std::collections::VecDeque;
use std::ops::{AddAssign, Range};

use super::registers::Registers;
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

/// A load signal: columns in which the chain moves, of one fold, in the row that it has moved down to since it entered.
#[derive(Clone, Debug)]
struct Loading {
    entered: u64,
    fold: usize,
    columns: Range<usize>,
}

/// All of them.
pub(super) struct Held<W> {
    double_buffer: bool,
    rows: usize,
    columns: usize,
    pub(super) shadow: Registers<W>,
    pub(super) active: Registers<W>,
    link: Registers<W>,
    /// What enters at the top.
    port: Registers<W>,
    /// Those on their way, the lowest first.
    loads: VecDeque<Loading>,
    cycle: u64,
    pub(super) writes: WeightWrites,
}

impl<W: Copy> Held<W> {
    pub(super) fn new(rows: usize, columns: usize, double_buffer: bool, word: W) -> Self {
        let registers = || Registers::new(rows * columns, word);
        Self {
            double_buffer,
            rows,
            columns,
            shadow: registers(),
            active: registers(),
            link: registers(),
            port: Registers::new(columns, word),
            loads: VecDeque::new(),
            cycle: 0,
            writes: WeightWrites::default(),
        }
    }

    /// Load signals move down by a row.
    pub(super) fn shift(&mut self) {
        self.cycle += 1;
        while self.loads.front().is_some_and(|load| self.cycle - load.entered >= self.rows as u64) {
            self.loads.pop_front();
        }
    }

    /// A fold's operands at the top of some columns, each for its row.
    pub(super) fn feed(
        &mut self,
        fold: usize,
        row: impl Fn(usize) -> u64,
        columns: Range<usize>,
        word: impl Fn(usize) -> W,
    ) -> Result<(), Conflict> {
        for column in columns.clone() {
            let tag = Tag::new(fold, row(column));
            self.port.put(column, tag, word(column), Conflict::WeightPort)?;
        }
        if !columns.is_empty() {
            self.loads.push_back(Loading { entered: self.cycle, fold, columns });
        }
        Ok(())
    }

    /// A fold's first vector makes the shadow register the active one.
    pub(super) fn swap(&mut self, at: usize) {
        (self.active.tags[at], self.active.words[at]) = (self.shadow.tags[at], self.shadow.words[at]);
        self.shadow.tags[at] = Tag::NOTHING;
        self.writes.active += 1;
    }

    /// The newest fold that is loaded in this cycle.
    pub(super) fn newest_load(&self) -> Option<usize> {
        self.loads.iter().map(|load| load.fold).max()
    }

    /// The chain moves down by one PE where it loads, from the bottom up: rows above still hold the values of before.
    pub(super) fn load(&mut self) -> Result<(), Conflict> {
        let Self { double_buffer, columns, shadow, active, link, port, loads, cycle, writes, .. } = self;
        let (double_buffer, columns) = (*double_buffer, *columns);
        let chain = if double_buffer { shadow } else { active };
        for Loading { entered, columns: range, .. } in loads {
            let row = (*cycle - *entered) as usize * columns;
            let here = row + range.start..row + range.end;
            let (tags_above, link_tags) = link.tags.split_at_mut(row);
            let (words_above, link_words) = link.words.split_at_mut(row);
            let (tags, words, travelled) = if row == 0 {
                (&mut port.tags[range.clone()], &port.words[range.clone()], 0)
            } else {
                let above = here.start - columns..here.end - columns;
                (&mut tags_above[above.clone()], &words_above[above], 1)
            };
            let (mut lost, mut linked, mut written) = (false, 0_u64, 0_u64);
            // A loop over tags alone, without branches, not even those that check counts no larger than a row.
            let pes = tags.iter_mut().zip(&mut chain.tags[here.clone()]).zip(&mut link_tags[range.clone()]);
            for ((entering, chain), link) in pes {
                let old = *chain;
                let goes_on = old.number() > 0;
                lost |= goes_on & link.is_valid() | double_buffer & old.is_valid() & !goes_on;
                *link = if goes_on { old } else { *link };
                *chain = entering.down(travelled);
                *entering = Tag::NOTHING;
                linked = linked.wrapping_add(u64::from(goes_on));
                written = written.wrapping_add(u64::from(chain.is_valid()));
            }
            if lost {
                return Err(Conflict::WeightLost);
            }
            writes.link += linked;
            writes.shadow += written;
            // A link is read in the cycle behind the one that writes it: what it held is not needed.
            link_words[range.clone()].copy_from_slice(&chain.words[here.clone()]);
            chain.words[here].copy_from_slice(words);
        }
        Ok(())
    }
}
