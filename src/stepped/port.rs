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
    /// `count` values, of which `first` is the first one; numbers go up, or down.
    #[inline]
    pub(super) fn new(count: u64, first: Tag, up: bool) -> Self {
        Self { left: count, next: first, step: if up { 1 } else { u32::MAX } }
    }

    /// Whose value enters in this cycle.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Tag> {
        self.left = self.left.checked_sub(1)?;
        let tag = self.next;
        self.next.number = tag.number.wrapping_add(self.step);
        Some(tag)
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
}

/// Where the operands of values are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Addresses {
    /// The first one of the next value, how many that value has, and how many the ones behind it.
    pub(super) start: usize,
    pub(super) count: usize,
    pub(super) count_behind: usize,
    /// From one value to the next, modulo 2^64: behind the last one there may be none.
    pub(super) step: usize,
}

impl Addresses {
    /// Those of the next value.
    #[inline]
    pub(super) fn next(&mut self) -> Range<usize> {
        let operands = self.start..self.start + self.count;
        self.start = self.start.wrapping_add(self.step);
        self.count = self.count_behind;
        operands
    }
}

/// The accumulators that a vector's sum goes to when it leaves a column.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Landing {
    /// The one of the first lane, how many there are and how far from each other.
    pub(super) first: usize,
    pub(super) lanes: usize,
    pub(super) lane_stride: usize,
    /// From one vector to the next, modulo 2^64.
    pub(super) vector_stride: usize,
    /// Whether they start anew.
    pub(super) starts_anew: bool,
}

impl Landing {
    /// The next vector's.
    #[inline]
    pub(super) fn advance(&mut self) {
        self.first = self.first.wrapping_add(self.vector_stride);
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
        assert_eq!(stream.begin(Stream::new(3, Tag::new(5, 2), false), Conflict::WeightPort), Ok(()));
        let other = Stream::new(1, Tag::new(6, 0), true);
        assert_eq!(stream.next(), Some(Tag::new(5, 2)));
        assert_eq!(stream.begin(other, Conflict::WeightPort), Err(Conflict::WeightPort));
        let rest: Vec<_> = iter::from_fn(|| stream.next()).collect();
        assert_eq!(rest, [Tag::new(5, 1), Tag::new(5, 0)]);
        assert_eq!(stream.begin(other, Conflict::WeightPort), Ok(()));
    }

    #[test]
    fn addresses_are_counted_down_to_the_first() {
        let mut addresses = Addresses { start: 4, count: 1, count_behind: 2, step: 2_usize.wrapping_neg() };
        assert_eq!([addresses.next(), addresses.next(), addresses.next()], [4..5, 2..4, 0..2]);
    }
}
