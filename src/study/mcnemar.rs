//! Two classifiers on the same images: McNemar's exact test, and Holm's correction for several tests.

use statrs::distribution::{Binomial, DiscreteCDF};

/// Images that exactly one of two networks classifies correctly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discordance {
    /// Only the first.
    pub first_only: u64,
    /// Only the second.
    pub second_only: u64,
}

impl Discordance {
    /// Per image, whether each network is right.
    pub fn of(first: &[bool], second: &[bool]) -> Self {
        let count = |only: fn(bool, bool) -> bool| {
            first.iter().zip(second).filter(|(first, second)| only(**first, **second)).count() as u64
        };
        Self {
            first_only: count(|first, second| first && !second),
            second_only: count(|first, second| !first && second),
        }
    }

    /// Two-sided exact p of equal accuracies (McNemar 1947, Psychometrika 12:153, with the binomial tail).
    pub fn p(self) -> f64 {
        let (fewer, all) = (self.first_only.min(self.second_only), self.first_only + self.second_only);
        // A probability of one half is always accepted.
        Binomial::new(0.5, all).map_or(1.0, |tail| (2.0 * tail.cdf(fewer)).min(1.0))
    }
}

/// Holm's adjusted p values, in the order given (Holm 1979, Scand. J. Statist. 6:65): below 0.05, the test
/// stands though all of them were made.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut largest = 0.0f64;
    for (rank, &index) in order.iter().enumerate() {
        largest = largest.max(((p.len() - rank) as f64 * p[index]).min(1.0));
        adjusted[index] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bin(13, ½): P(X ≤ 2) = (1 + 13 + 78) / 8192, by hand.
    #[test]
    fn the_exact_tail() {
        let test = Discordance { first_only: 2, second_only: 11 };
        assert!((test.p() - 2.0 * 92.0 / 8192.0).abs() < 1e-12);
        assert_eq!(Discordance { first_only: 5, second_only: 5 }.p(), 1.0);
        assert_eq!(Discordance { first_only: 0, second_only: 0 }.p(), 1.0);
    }

    #[test]
    fn only_disagreement_counts() {
        let test = Discordance::of(&[true, true, false, false], &[true, false, true, false]);
        assert_eq!(test, Discordance { first_only: 1, second_only: 1 });
    }

    /// By hand: 0.01·4, then max with 0.02·3, 0.03·2, 0.04·1.
    #[test]
    fn holm_steps_down() {
        let adjusted = holm(&[0.04, 0.01, 0.03, 0.02]);
        for (adjusted, expected) in adjusted.into_iter().zip([0.06, 0.04, 0.06, 0.06]) {
            assert!((adjusted - expected).abs() < 1e-12);
        }
        assert!(holm(&[]).is_empty());
    }
}
