//! Whose value a register holds, in one word, so that the tags of all PEs are compared at once.

/// Of a moving operand or a sum: its fold and vector. Of a stationary operand: its fold and, as long as it
/// is on its way, its row. Zero where a register holds nothing that is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tag(u64);

/// Not of a vector in a row, or a sum in a column, that the fold does not use.
const USED: u64 = 1 << 63;
const VALID: u64 = 1 << 62;
const NUMBER: u64 = u32::MAX as u64;

impl Tag {
    pub(super) const NOTHING: Self = Self(0);

    /// `number`: the vector, or the row of a stationary operand that is on its way to it.
    #[inline]
    pub(super) fn new(fold: usize, number: u64) -> Self {
        debug_assert!((fold as u64) < 1 << 30 && number <= NUMBER);
        Self(USED | VALID | (fold as u64) << 32 | number)
    }

    /// Of a vector in a row, or a sum in a column, that its fold does not use: nothing is multiplied.
    #[inline]
    pub(super) fn passing(fold: usize, vector: u64) -> Self {
        Self(Self::new(fold, vector).0 & !USED)
    }

    /// Whether it is not [`Self::NOTHING`].
    #[inline]
    pub(super) fn is_valid(self) -> bool {
        self != Self::NOTHING
    }

    /// Whether it is neither [`Self::NOTHING`] nor passing.
    #[inline]
    pub(super) fn is_used(self) -> bool {
        self.used() != 0
    }

    /// All bits where it is.
    #[inline]
    pub(super) fn used(self) -> u64 {
        (self.0.cast_signed() >> 63).cast_unsigned()
    }

    /// Fold and number of a register that holds a value that is used.
    #[inline]
    pub(super) fn get(self) -> Option<(usize, u64)> {
        let fold = (self.0 & !(USED | VALID)) >> 32;
        self.is_used().then_some((fold as usize, self.0 & NUMBER))
    }

    /// All bits where a sum is multiplied with this vector, if they belong together.
    #[inline]
    pub(super) fn multiplies(self, sum: Self) -> u64 {
        Self(self.0 & sum.0).used()
    }

    /// Zero where a sum belongs to this vector, or there is neither.
    #[inline]
    pub(super) fn differs(self, sum: Self) -> u64 {
        (self.0 ^ sum.0) & !USED
    }

    /// Zero where a stationary operand is of this vector's fold and not on its way any more.
    #[inline]
    pub(super) fn misses(self, stationary: Self) -> u64 {
        (self.0 & !NUMBER) ^ stationary.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_say_whose_a_value_is() {
        let (vector, passing, none) = (Tag::new(3, 7), Tag::passing(3, 7), Tag::NOTHING);
        assert_eq!((vector.get(), passing.get(), none.get()), (Some((3, 7)), None, None));
        assert!(vector.is_valid() && passing.is_valid() && !none.is_valid());
        for (moving, sum) in [(passing, vector), (vector, passing), (none, none)] {
            assert_eq!((moving.multiplies(sum), moving.differs(sum)), (0, 0));
        }
        assert_eq!((vector.multiplies(vector), vector.differs(vector)), (u64::MAX, 0));
        for other in [Tag::new(3, 8), Tag::new(4, 7), none] {
            assert!(vector.differs(other) != 0 && other.differs(vector) != 0 && passing.differs(other) != 0);
        }
    }

    #[test]
    fn a_vector_is_multiplied_with_what_is_of_its_fold_and_in_its_row() {
        let (vector, none) = (Tag::new(3, 7), Tag::NOTHING);
        assert_eq!(vector.misses(Tag::new(3, 0)), 0);
        for other in [Tag::new(3, 1), Tag::new(2, 0), none] {
            assert!(vector.misses(other) != 0);
        }
    }
}
