//! Whose value a register holds, in words of 32 bits, so that those of many PEs are compared at once.

/// The fold that a value belongs to; zero where a register holds nothing that is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FoldTag(u32);

/// Not of a vector in a row, or a sum in a column, that the fold does not use.
const USED: u32 = 1 << 31;
const VALID: u32 = 1 << 30;

impl FoldTag {
    pub(super) const NOTHING: Self = Self(0);

    #[inline]
    pub(super) fn new(fold: usize) -> Self {
        debug_assert!((fold as u64) < u64::from(VALID));
        Self(USED | VALID | fold as u32)
    }

    /// Of a vector in a row, or a sum in a column, that its fold does not use: nothing is multiplied.
    #[inline]
    pub(super) fn passing(fold: usize) -> Self {
        Self(Self::new(fold).0 & !USED)
    }

    /// Whether it is not [`Self::NOTHING`].
    #[inline]
    pub(super) fn is_valid(self) -> bool {
        self != Self::NOTHING
    }

    /// The fold of a value that is used.
    #[inline]
    pub(super) fn get(self) -> Option<usize> {
        (self.0 & USED != 0).then_some((self.0 & !(USED | VALID)) as usize)
    }

    /// All bits where a sum is multiplied with this vector, if they belong together.
    #[inline]
    pub(super) fn multiplies(self, sum: Self) -> u32 {
        ((self.0 & sum.0).cast_signed() >> 31).cast_unsigned()
    }

    /// Zero where a sum is of this vector's fold, or there is neither.
    #[inline]
    pub(super) fn differs(self, sum: Self) -> u32 {
        (self.0 ^ sum.0) & !USED
    }

    /// Zero where a stationary operand is of this vector's fold; of a vector that is used.
    #[inline]
    pub(super) fn misses(self, stationary: Self) -> u32 {
        self.0 ^ stationary.0
    }
}

/// A fold, and the number of a value in it: of a moving operand or a sum its vector, of a stationary operand on its way
/// the row that it goes to. Zero where there is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) fold: FoldTag,
    pub(super) number: u32,
}

impl Tag {
    pub(super) const NOTHING: Self = Self { fold: FoldTag::NOTHING, number: 0 };

    #[inline]
    pub(super) fn new(fold: usize, number: u64) -> Self {
        debug_assert!(number <= u64::from(u32::MAX));
        Self { fold: FoldTag::new(fold), number: number as u32 }
    }

    /// As [`FoldTag::passing`].
    #[inline]
    pub(super) fn passing(fold: usize, vector: u64) -> Self {
        Self { fold: FoldTag::passing(fold), ..Self::new(fold, vector) }
    }

    /// Of the next number.
    #[inline]
    pub(super) fn after(self) -> Self {
        Self { number: self.number.wrapping_add(1), ..self }
    }

    /// Zero where a sum belongs to this vector, or there is neither.
    #[inline]
    pub(super) fn differs(self, sum: Self) -> u32 {
        self.fold.differs(sum.fold) | self.number ^ sum.number
    }

    /// Fold and number of a value that is used.
    #[inline]
    pub(super) fn get(self) -> Option<(usize, u64)> {
        self.fold.get().map(|fold| (fold, self.number.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_say_whose_a_value_is() {
        let (vector, passing, none) = (Tag::new(3, 7), Tag::passing(3, 7), Tag::NOTHING);
        assert_eq!((vector.get(), passing.get(), none.get()), (Some((3, 7)), None, None));
        assert_eq!((vector.differs(vector), vector.differs(passing), none.differs(none)), (0, 0, 0));
        assert!(vector.differs(vector.after()) != 0 && passing.differs(vector.after()) != 0);
        let (vector, passing, none) = (vector.fold, passing.fold, none.fold);
        assert!(vector.is_valid() && passing.is_valid() && !none.is_valid());
        for (moving, sum) in [(passing, vector), (vector, passing), (none, none)] {
            assert_eq!((moving.multiplies(sum), moving.differs(sum)), (0, 0));
        }
        assert_eq!((vector.multiplies(vector), vector.differs(vector)), (u32::MAX, 0));
        for other in [FoldTag::new(4), none] {
            assert!(vector.differs(other) != 0 && other.differs(vector) != 0 && passing.differs(other) != 0);
        }
    }

    #[test]
    fn a_vector_is_multiplied_with_what_is_of_its_fold() {
        let vector = FoldTag::new(3);
        assert_eq!(vector.misses(FoldTag::new(3)), 0);
        for other in [FoldTag::new(2), FoldTag::NOTHING] {
            assert!(vector.misses(other) != 0);
        }
    }
}
