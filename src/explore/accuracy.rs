//! How sure a measured accuracy is, and a difference of two.

use super::MeasuredAccuracy;

/// The 97.5 % quantile of the standard normal distribution: two-sided 95 % intervals.
const Z: f64 = 1.959_963_984_540_054;

/// An estimate with its 95 % confidence interval, in percent (a difference: in percentage points).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval95 {
    /// Lower end.
    pub low: f64,
    /// The measured value.
    pub estimate: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval95 {
    /// Whether zero lies outside: for a difference, whether it exceeds noise.
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// Top-1 accuracy in percent with its Wilson score interval (Wilson 1927, JASA 22:209).
///
/// `None` when no image was evaluated or the counts contradict each other.
pub fn wilson(accuracy: &MeasuredAccuracy) -> Option<Interval95> {
    if accuracy.images == 0 || accuracy.correct > accuracy.images {
        return None;
    }
    let n = accuracy.images as f64;
    let p = accuracy.correct as f64 / n;
    let center = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 100.0 / (1.0 + Z * Z / n);
    Some(Interval95 {
        low: ((center - half) * scale).max(0.0),
        estimate: 100.0 * accuracy.correct as f64 / n,
        high: ((center + half) * scale).min(100.0),
    })
}

/// `a − b` in percentage points, with Newcombe's hybrid score interval: the two Wilson intervals
/// combined as if errors were independent (Newcombe 1998, Stat. Med. 17:873, method 10).
///
/// The method assumes independent samples. Two networks that ran the same images usually err on
/// the same ones, so that their difference varies less: there the interval is conservative, too wide.
pub fn newcombe(a: &MeasuredAccuracy, b: &MeasuredAccuracy) -> Option<Interval95> {
    let (a, b) = (wilson(a)?, wilson(b)?);
    let estimate = a.estimate - b.estimate;
    Some(Interval95 {
        low: estimate - (a.estimate - a.low).hypot(b.high - b.estimate),
        estimate,
        high: estimate + (a.high - a.estimate).hypot(b.estimate - b.low),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(correct: u64, images: u64) -> MeasuredAccuracy {
        MeasuredAccuracy {
            evaluation_set: "set".into(),
            correct,
            images,
            framework: None,
            evaluation_set_sha256: String::new(),
        }
    }

    fn assert_close(got: f64, want: f64, tolerance: f64) {
        assert!((got - want).abs() < tolerance, "{got} is not {want}");
    }

    /// The worked example 56/70 − 48/80 of Newcombe 1998.
    #[test]
    fn newcombe_reproduces_the_published_example() {
        let d = newcombe(&measured(56, 70), &measured(48, 80)).unwrap();
        assert_close(d.estimate, 20.0, 1e-9);
        assert_close(d.low, 5.24, 0.005);
        assert_close(d.high, 33.39, 0.005);
        assert!(d.excludes_zero());
    }

    /// Counts at the edge: 5/56 − 0/29 and 10/10 − 0/10 of Newcombe 1998.
    #[test]
    fn newcombe_stays_inside_its_range_at_the_edge() {
        let d = newcombe(&measured(5, 56), &measured(0, 29)).unwrap();
        assert_close(d.low, -3.81, 0.005);
        assert_close(d.high, 19.26, 0.005);
        let d = newcombe(&measured(10, 10), &measured(0, 10)).unwrap();
        assert_close(d.low, 60.75, 0.005);
        assert_close(d.high, 100.0, 1e-9);
    }

    #[test]
    fn newcombe_is_antisymmetric() {
        let (a, b) = (measured(9099, 10_000), measured(9010, 10_000));
        let (ab, ba) = (newcombe(&a, &b).unwrap(), newcombe(&b, &a).unwrap());
        assert_close(ab.low, -ba.high, 1e-9);
        assert_close(ab.high, -ba.low, 1e-9);
    }

    /// Newcombe 1998, Stat. Med. 17:857 (single proportions): 81/263 and 0/20.
    #[test]
    fn wilson_reproduces_published_examples() {
        let w = wilson(&measured(81, 263)).unwrap();
        assert_close(w.low, 25.53, 0.005);
        assert_close(w.high, 36.62, 0.005);
        let w = wilson(&measured(0, 20)).unwrap();
        assert_close(w.low, 0.0, 1e-9);
        assert_close(w.high, 16.11, 0.005);
    }

    #[test]
    fn nothing_evaluated_has_no_interval() {
        assert_eq!(wilson(&measured(0, 0)), None);
        assert_eq!(wilson(&measured(2, 1)), None);
        assert_eq!(newcombe(&measured(1, 2), &measured(0, 0)), None);
    }
}
