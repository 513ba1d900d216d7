//! Exact rates.

/// A positive fraction in lowest terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rational {
    numerator: u128,
    denominator: u128,
}

impl Rational {
    /// Reduces to lowest terms; None unless both are positive.
    pub fn new(numerator: u128, denominator: u128) -> Option<Self> {
        if numerator == 0 || denominator == 0 {
            return None;
        }
        let divisor = greatest_common_divisor(numerator, denominator);
        Some(Self { numerator: numerator / divisor, denominator: denominator / divisor })
    }

    /// Above the line, at least 1.
    pub fn numerator(self) -> u128 {
        self.numerator
    }

    /// Below the line, at least 1.
    pub fn denominator(self) -> u128 {
        self.denominator
    }
}

fn greatest_common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_in_lowest_terms() {
        let rate = Rational::new(12_800_000_000 * 700_000, 800_000_000 * 1_000_000).unwrap();
        assert_eq!((rate.numerator(), rate.denominator()), (56, 5));
        assert_eq!(Rational::new(0, 1), None);
        assert_eq!(Rational::new(1, 0), None);
    }
}
