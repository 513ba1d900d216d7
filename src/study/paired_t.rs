//! Differences of pairs, and how sure their mean is.

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::explore::Interval95;

/// The mean of paired differences with Student's t interval: pairs that share a training seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedDifference {
    /// How many pairs.
    pub pairs: usize,
    /// Mean and, from two pairs on, its two-sided 95 % interval; without, the mean thrice.
    pub mean: Interval95,
    /// Standard deviation of the differences; None for one pair.
    pub deviation: Option<f64>,
    /// Two-sided p of a zero mean; None for one pair.
    pub p: Option<f64>,
}

impl PairedDifference {
    /// None without a pair.
    pub fn of(differences: &[f64]) -> Option<Self> {
        let pairs = differences.len();
        let mean = mean(differences)?;
        let Some(deviation) = deviation(differences) else {
            return Some(Self {
                pairs,
                mean: Interval95 { low: mean, estimate: mean, high: mean },
                deviation: None,
                p: None,
            });
        };
        let freedom = (pairs - 1) as f64;
        // statrs refuses a freedom that is not positive; two pairs have one degree.
        let student = StudentsT::new(0.0, 1.0, freedom).ok()?;
        let error = deviation / (pairs as f64).sqrt();
        let half = student.inverse_cdf(0.975) * error;
        let p = if error > 0.0 {
            2.0 * student.cdf(-(mean / error).abs())
        } else if mean == 0.0 {
            1.0
        } else {
            0.0
        };
        let mean = Interval95 { low: mean - half, estimate: mean, high: mean + half };
        Some(Self { pairs, mean, deviation: Some(deviation), p: Some(p) })
    }

    /// Whether the interval is there and excludes zero: the difference is more than training noise.
    pub fn excludes_zero(&self) -> bool {
        self.p.is_some() && self.mean.excludes_zero()
    }
}

/// None without a value.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Of a sample, with n − 1; None for fewer than two values.
pub(super) fn deviation(values: &[f64]) -> Option<f64> {
    let center = mean(values).filter(|_| values.len() >= 2)?;
    let squares: f64 = values.iter().map(|value| (value - center).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Student's sleep data (The probable error of a mean, Biometrika 6, 1908), soporific 2 − 1: t = 4.0621,
    /// p = 0.002833, interval 0.7001 to 2.4599, as every textbook has them.
    #[test]
    fn students_sleep_data() {
        let first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
        let second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
        let differences: Vec<f64> = second.iter().zip(first).map(|(b, a)| b - a).collect();
        let difference = PairedDifference::of(&differences).unwrap();
        assert!((difference.mean.estimate - 1.58).abs() < 1e-12);
        assert!((difference.mean.low - 0.7001142).abs() < 1e-6);
        assert!((difference.mean.high - 2.4598858).abs() < 1e-6);
        assert!((difference.p.unwrap() - 0.002_832_89).abs() < 1e-7);
        assert!(difference.excludes_zero());
    }

    #[test]
    fn one_pair_says_nothing_of_noise() {
        let difference = PairedDifference::of(&[2.0]).unwrap();
        assert_eq!((difference.p, difference.deviation), (None, None));
        assert!(!difference.excludes_zero());
        assert_eq!(PairedDifference::of(&[]), None);
    }

    #[test]
    fn equal_differences_have_no_width() {
        assert_eq!(PairedDifference::of(&[0.0, 0.0, 0.0]).unwrap().p, Some(1.0));
        assert!(!PairedDifference::of(&[0.0, 0.0]).unwrap().excludes_zero());
        assert_eq!(PairedDifference::of(&[1.0, 1.0]).unwrap().p, Some(0.0));
    }
}
