//! Picojoules with the range their sources allow.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

/// Largest energy of one action that a technology file may state: 1 µJ.
const MAX_PJ_PER_ACTION: f64 = 1e6;

/// An energy in picojoules: lowest, typical and highest value the sources allow.
///
/// Finite, and 0 ≤ low ≤ typical ≤ high. Ranges add bound by bound: uncertainties of different
/// actions are taken as fully correlated, which never understates the range of a sum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EnergyRange {
    low: f64,
    typical: f64,
    high: f64,
}

impl EnergyRange {
    /// No energy.
    pub const ZERO: Self = Self { low: 0.0, typical: 0.0, high: 0.0 };

    /// The energy of one action: each bound above 0 and at most 10^6 pJ, low ≤ typical ≤ high.
    /// An action that costs nothing is excluded with a reason, not given as zero.
    pub(super) fn per_action(low: f64, typical: f64, high: f64) -> Result<Self, String> {
        for (name, pj) in [("low", low), ("typical", typical), ("high", high)] {
            if !(pj > 0.0 && pj <= MAX_PJ_PER_ACTION) {
                return Err(format!(
                    "{name} energy is {pj} pJ: expected more than 0 and at most {MAX_PJ_PER_ACTION} pJ"
                ));
            }
        }
        if low > typical {
            return Err(format!("low energy {low} pJ is above the typical {typical} pJ"));
        }
        if typical > high {
            return Err(format!("typical energy {typical} pJ is above the high {high} pJ"));
        }
        Ok(Self { low, typical, high })
    }

    /// A range with these bounds.
    #[cfg(test)]
    pub(crate) fn of(low: f64, typical: f64, high: f64) -> Self {
        Self { low, typical, high }
    }

    /// Lowest energy in pJ.
    pub fn low(self) -> f64 {
        self.low
    }

    /// Typical energy in pJ.
    pub fn typical(self) -> f64 {
        self.typical
    }

    /// Highest energy in pJ.
    pub fn high(self) -> f64 {
        self.high
    }

    /// The energy of `factor` such actions, for example a count, or 1 / images.
    ///
    /// # Panics
    /// If `factor` is negative or not finite.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        assert!(
            factor.is_finite() && factor >= 0.0,
            "an energy is scaled by a finite count, not by {factor}"
        );
        Self { low: self.low * factor, typical: self.typical * factor, high: self.high * factor }
    }

    /// `typical` with low and high as shares of it, which stand around 1.
    pub(super) fn around(typical: f64, least_share: f64, greatest_share: f64) -> Self {
        Self { low: typical * least_share.min(1.0), typical, high: typical * greatest_share.max(1.0) }
    }

    /// The smallest range around both ranges with this typical value, which is moved into it if need be.
    pub(super) fn spanning(self, other: Self, typical: f64) -> Self {
        let (low, high) = (self.low.min(other.low), self.high.max(other.high));
        Self { low, typical: typical.clamp(low, high), high }
    }
}

impl Add for EnergyRange {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            low: self.low + other.low,
            typical: self.typical + other.typical,
            high: self.high + other.high,
        }
    }
}

impl AddAssign for EnergyRange {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for EnergyRange {
    fn sum<I: Iterator<Item = Self>>(ranges: I) -> Self {
        ranges.fold(Self::ZERO, Add::add)
    }
}

/// A count as a factor: exact up to 2^53, beyond that within one part in 10^16.
#[expect(clippy::cast_precision_loss, reason = "the rounding is stated and far below any range")]
pub(super) fn factor(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_energy_per_action_is_positive_finite_bounded_and_ordered() {
        for (low, typical, high) in [
            (f64::NAN, 1.0, 2.0),
            (1.0, f64::INFINITY, f64::INFINITY),
            (-1.0, 1.0, 2.0),
            (0.0, 1.0, 2.0),
            (1.0, 2.0, 1e7),
            (2.0, 1.0, 3.0),
            (1.0, 3.0, 2.0),
        ] {
            assert!(EnergyRange::per_action(low, typical, high).is_err(), "{low} {typical} {high}");
        }
    }

    #[test]
    fn ranges_add_and_scale_bound_by_bound() {
        let range = EnergyRange::per_action(1.0, 2.0, 4.0).unwrap();
        let total: EnergyRange = [range.times(2.0), range].into_iter().sum();
        assert_eq!((total.low(), total.typical(), total.high()), (3.0, 6.0, 12.0));
        assert_eq!(range.times(0.0), EnergyRange::ZERO);
    }

    #[test]
    #[should_panic(expected = "finite count")]
    fn an_energy_is_not_scaled_by_nan() {
        let _ = EnergyRange::ZERO.times(f64::NAN);
    }
}
