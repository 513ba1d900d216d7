//! Registers of one kind, one per PE, row by row, side by side in memory.

use std::ops::Range;

use super::tag::Tag;
use super::violation::Conflict;

/// Values that stay, with whose they are.
pub(super) struct Registers<W> {
    pub(super) tags: Vec<Tag>,
    pub(super) words: Vec<W>,
}

impl<W: Copy> Registers<W> {
    pub(super) fn new(count: usize, word: W) -> Self {
        Self { tags: vec![Tag::NOTHING; count], words: vec![word; count] }
    }
}

/// Registers that all move together, by as many PEs every cycle: they lie at the end of a longer piece of memory and move
/// by beginning earlier, until they are copied to the end again.
pub(super) struct Moving<W> {
    registers: Registers<W>,
    count: usize,
    by: usize,
    start: usize,
}

impl<W: Copy> Moving<W> {
    pub(super) fn new(count: usize, by: usize, word: W) -> Self {
        let spare = (count / 2).max(4 * by);
        Self { registers: Registers::new(count + spare, word), count, by, start: spare }
    }

    /// All values move; the first registers are empty then.
    pub(super) fn shift(&mut self) {
        let Self { registers: Registers { tags, words }, count, by, start } = self;
        if *start < *by {
            let end = tags.len() - *count;
            tags.copy_within(*start..*start + *count, end);
            words.copy_within(*start..*start + *count, end);
            *start = end;
        }
        *start -= *by;
        tags[*start..*start + *by].fill(Tag::NOTHING);
    }

    fn all(&self) -> Range<usize> {
        self.start..self.start + self.count
    }

    pub(super) fn tags(&self) -> &[Tag] {
        &self.registers.tags[self.all()]
    }

    pub(super) fn words(&self) -> &[W] {
        &self.registers.words[self.all()]
    }

    pub(super) fn tags_mut(&mut self) -> &mut [Tag] {
        let all = self.all();
        &mut self.registers.tags[all]
    }

    pub(super) fn words_mut(&mut self) -> &mut [W] {
        let all = self.all();
        &mut self.registers.words[all]
    }

    /// Tags, and their words.
    pub(super) fn both_mut(&mut self) -> (&mut [Tag], &mut [W]) {
        let all = self.all();
        (&mut self.registers.tags[all.clone()], &mut self.registers.words[all])
    }

    /// Fills registers that must be free.
    #[inline]
    pub(super) fn fill(
        &mut self,
        conflict: Conflict,
        values: impl Iterator<Item = Result<(usize, Tag, W), Conflict>>,
    ) -> Result<(), Conflict> {
        let (tags, words) = self.both_mut();
        for value in values {
            let (at, tag, word) = value?;
            if tags[at].is_valid() {
                return Err(conflict);
            }
            (tags[at], words[at]) = (tag, word);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    #[test]
    fn values_move_and_leave_at_the_end() {
        let mut moving = Moving::new(6, 2, 0);
        for cycle in 0..20 {
            moving.shift();
            for at in 0..2 {
                let mut put =
                    |word| moving.fill(Conflict::ColumnTop, iter::once(Ok((at, Tag::new(0, cycle), word))));
                assert_eq!(put(cycle), Ok(()));
                assert_eq!(put(99), Err(Conflict::ColumnTop));
            }
            let expected = |at: usize| cycle.checked_sub(at as u64 / 2).map(|then| (0, then));
            for (at, (tag, &word)) in moving.tags().iter().zip(moving.words()).enumerate() {
                assert_eq!(tag.get(), expected(at));
                assert!(tag.get().is_none_or(|(_, then)| then == word));
            }
        }
    }
}
