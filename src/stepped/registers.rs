//! Registers of one kind, one per PE, row by row, side by side in memory.

use std::ops::Range;

use super::tag::Tag;

/// Registers that all move together, by as many PEs every cycle: they lie at the end of a longer piece of memory and move
/// by beginning earlier, until they are copied to the end again.
pub(super) struct Moving<W> {
    tags: Vec<Tag>,
    words: Vec<W>,
    count: usize,
    by: usize,
    start: usize,
}

impl<W: Copy> Moving<W> {
    pub(super) fn new(count: usize, by: usize, word: W) -> Self {
        let spare = count.max(4 * by);
        let all = count + spare;
        Self { tags: vec![Tag::NOTHING; all], words: vec![word; all], count, by, start: spare }
    }

    /// All values move; the first `by` registers are nobody's then.
    pub(super) fn shift(&mut self) {
        let Self { tags, words, count, by, start } = self;
        if *start < *by {
            let (values, end) = (*start..*start + *count, tags.len() - *count);
            tags.copy_within(values.clone(), end);
            words.copy_within(values, end);
            *start = end;
        }
        *start -= *by;
        tags[*start..*start + *by].fill(Tag::NOTHING);
    }

    #[inline]
    fn all(&self) -> Range<usize> {
        self.start..self.start + self.count
    }

    /// Tags, and their words.
    #[inline]
    pub(super) fn both(&self) -> (&[Tag], &[W]) {
        let all = self.all();
        (&self.tags[all.clone()], &self.words[all])
    }

    /// The same, to be changed.
    #[inline]
    pub(super) fn both_mut(&mut self) -> (&mut [Tag], &mut [W]) {
        let all = self.all();
        (&mut self.tags[all.clone()], &mut self.words[all])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_move_and_leave_at_the_end() {
        let mut moving = Moving::new(6, 2, 0);
        for cycle in 0..20 {
            moving.shift();
            let (tags, words) = moving.both_mut();
            for at in 0..2 {
                assert_eq!(tags[at], Tag::NOTHING);
                (tags[at], words[at]) = (Tag::new(0, cycle), cycle);
            }
            let expected = |at: usize| cycle.checked_sub(at as u64 / 2).map(|then| (0, then));
            let (tags, words) = moving.both();
            for (at, (tag, &word)) in tags.iter().zip(words).enumerate() {
                assert_eq!(tag.get(), expected(at));
                assert!(tag.get().is_none_or(|(_, then)| then == word));
            }
        }
    }
}
