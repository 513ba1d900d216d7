//! What a fold has at one port at an edge of the array: in every cycle one value, until there is none left. Addresses are
//! counted, not calculated anew.

use std::ops::Range;

use super::tag::Tag;
use super::violation::Conflict;

/// Values to come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stream {
    left: u64,
    /// Whose the next one is.
    next: Tag,
    /// From one number to the next: 1, or -1 modulo 2^32.
    step: u32,
}

impl Stream {
    /// `count` values with numbers from that of `first` up.
    #[inline]
    pub(super) fn ascending(count: u64, first: Tag) -> Self {
        Self { left: count, next: first, step: 1 }
    }

    /// `count` values with numbers from that of `first` down.
    #[inline]
    pub(super) fn descending(count: u64, first: Tag) -> Self {
        Self { left: count, next: first, step: u32::MAX }
    }

    /// Another fold's values begin in this cycle.
    ///
    /// # Errors
    /// `conflict`, where others are still to come.
    #[inline]
    pub(super) fn begin(&mut self, next: Self, conflict: Conflict) -> Result<(), Conflict> {
        if self.left > 0 {
            return Err(conflict);
        }
        *self = next;
        Ok(())
    }

    /// Whose value enters in this cycle.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Tag> {
        self.left = self.left.checked_sub(1)?;
        let tag = self.next;
        self.next.number = tag.number.wrapping_add(self.step);
        Some(tag)
    }
}

/// Values to come, and where their operands are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Port {
    pub(super) values: Stream,
    /// The first operand of the next value, how many it has, and how many the values behind it.
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) count_behind: usize,
    /// From one value to the next, modulo 2^64: behind the last one there may be none.
    pub(super) step: usize,
}

impl Port {
    /// Another fold's values begin in this cycle.
    ///
    /// # Errors
    /// `conflict`, where others are still to come.
    #[inline]
    pub(super) fn begin(&mut self, next: Self, conflict: Conflict) -> Result<(), Conflict> {
        self.values.begin(next.values, conflict)?;
        *self = next;
        Ok(())
    }

    /// Whose value enters in this cycle, and its operands.
    #[inline]
    pub(super) fn next(&mut self) -> Option<(Tag, Range<usize>)> {
        let tag = self.values.next()?;
        let operands = self.first..self.first + self.count;
        self.first = self.first.wrapping_add(self.step);
        self.count = self.count_behind;
        Some((tag, operands))
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    #[test]
    fn values_come_one_by_one_and_are_not_cut_short() {
        let mut stream = Stream::default();
        assert_eq!(stream.next(), None);
        let three = Stream::descending(3, Tag::new(5, 2));
        assert_eq!(stream.begin(three, Conflict::WeightPort), Ok(()));
        assert_eq!(stream.next(), Some(Tag::new(5, 2)));
        let other = Stream::ascending(2, Tag::new(6, 0));
        assert_eq!(stream.begin(other, Conflict::WeightPort), Err(Conflict::WeightPort));
        let rest: Vec<_> = iter::from_fn(|| stream.next()).collect();
        assert_eq!(rest, [Tag::new(5, 1), Tag::new(5, 0)]);
        assert_eq!(stream.begin(other, Conflict::WeightPort), Ok(()));
        let others: Vec<_> = iter::from_fn(|| stream.next()).collect();
        assert_eq!(others, [Tag::new(6, 0), Tag::new(6, 1)]);
    }
}
