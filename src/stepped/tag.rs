//! Whose value a register holds, in one word, so that the tags of all PEs are compared at once.

/// Of a moving operand or a sum: its fold and vector. Of a stationary operand: its fold and the rows that it still
/// has to go down. Zero where a register holds nothing that is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tag(u64);

const VALID: u64 = 1 << 63;
/// Of a vector in a row that its fold does not use: its sums pass.
const PASSING: u64 = 1 << 62;
const NUMBER: u64 = u32::MAX as u64;

impl Tag {
    pub(super) const NOTHING: Self = Self(0);

    /// `number`: the vector, or the rows to go.
    pub(super) fn new(fold: usize, number: u64) -> Self {
        debug_assert!((fold as u64) < 1 << 30 && number <= NUMBER);
        Self(VALID | (fold as u64) << 32 | number)
    }

    /// A vector in a row that its fold does not use.
    pub(super) fn passing(fold: usize, vector: u64) -> Self {
        Self(Self::new(fold, vector).0 | PASSING)
    }

    /// Whether it is not [`Self::NOTHING`].
    pub(super) fn is_valid(self) -> bool {
        self.0 & VALID != 0
    }

    pub(super) fn number(self) -> u64 {
        self.0 & NUMBER
    }

    /// Fold and number of a register that holds a value.
    pub(super) fn get(self) -> Option<(usize, u64)> {
        let fold = (self.0 & !VALID) >> 32;
        (self.0 & (VALID | PASSING) == VALID).then_some((fold as usize, self.number()))
    }

    /// So many rows further down, fewer than it still has to go.
    pub(super) fn down(self, rows: u64) -> Self {
        Self(self.0.wrapping_sub(rows & all_of(self.0)))
    }

    /// All bits where a sum is multiplied with this vector, if they belong together.
    pub(super) fn multiplies(self, sum: Self) -> u64 {
        all_of(sum.0) & !all_of(self.0 << 1)
    }

    /// Zero where there is no sum or it belongs to this vector.
    pub(super) fn differs(self, sum: Self) -> u64 {
        all_of(sum.0) & (self.0 ^ sum.0) & !PASSING
    }

    /// Zero where a stationary operand is of this vector's fold and in its row.
    pub(super) fn misses(self, stationary: Self) -> u64 {
        (self.0 & !NUMBER) ^ stationary.0
    }
}

/// The highest bit, everywhere.
fn all_of(bits: u64) -> u64 {
    (bits.cast_signed() >> 63).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_say_whose_a_value_is() {
        let (vector, passing, none) = (Tag::new(3, 7), Tag::passing(3, 7), Tag::NOTHING);
        assert_eq!((vector.get(), passing.get(), none.get()), (Some((3, 7)), None, None));
        let multiplies = [vector, passing].map(|moving| moving.multiplies(vector));
        assert_eq!((multiplies, vector.multiplies(none)), ([u64::MAX, 0], 0));
        assert!(vector.differs(vector) == 0 && passing.differs(vector) == 0 && vector.differs(none) == 0);
        assert!(vector.differs(Tag::new(3, 8)) != 0 && none.differs(vector) != 0);
        let arriving = Tag::new(3, 1);
        assert!(vector.misses(arriving) != 0 && vector.misses(arriving.down(1)) == 0);
        assert!(vector.misses(Tag::new(2, 0)) != 0 && vector.misses(none) != 0);
        assert_eq!(none.down(1), none);
    }
}
