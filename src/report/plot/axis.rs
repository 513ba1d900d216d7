//! Axis ranges and ticks.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

/// A span of values, the ticks inside it and how values become pixels.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) range: Range<f64>,
    pub(super) ticks: Vec<f64>,
    /// Decimals that tell the ticks apart, where the axis is linear.
    pub(super) decimals: usize,
    /// What is proportional to pixels: the value or its logarithm.
    scale: fn(f64) -> f64,
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (first, last): (i32, i32)) -> i32 {
        let [low, value, high] = [self.range.start, *value, self.range.end].map(self.scale);
        first + ((value - low) / (high - low) * f64::from(last - first)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// A logarithmic axis over positive values, with room on both sides; ticks at 1, 2 and 5 times powers
/// of ten, or at powers of ten alone beyond three decades.
pub(super) fn logarithmic(values: impl Iterator<Item = f64>) -> Axis {
    let (low, high) = extremes(values);
    // A single value still gets an axis: a factor of two to each side.
    let widen = if high / low < 2.0 { 2.0 } else { 1.8 };
    let range = low / widen..high * widen;
    let steps: &[i32] = if range.end / range.start > 1e3 { &[1] } else { &[1, 2, 5] };
    let decades = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
    let ticks = decades
        // A tick parsed from its decimal form is the number nearest to it: 0.2, never 0.2 plus rounding.
        .flat_map(|decade| {
            steps.iter().filter_map(move |step| format!("{step}e{decade}").parse::<f64>().ok())
        })
        .filter(|tick| range.contains(tick))
        .collect();
    Axis { range, ticks, decimals: 0, scale: f64::ln }
}

/// A linear axis with a margin of a twelfth on both sides and at most eight round ticks.
pub(super) fn linear(values: impl Iterator<Item = f64>) -> Axis {
    let (low, high) = extremes(values);
    let margin = ((high - low) / 12.0).max(0.05);
    let range = low - margin..high + margin;
    let span = range.end - range.start;
    let mut exponent = span.log10().floor() as i32 - 2;
    let (step, decimals) = loop {
        let base = 10f64.powi(exponent);
        if let Some(factor) = [1.0, 2.0, 5.0].into_iter().find(|factor| span / (factor * base) <= 8.0) {
            break (factor * base, (-exponent).max(0) as usize);
        }
        exponent += 1;
    };
    let numbers = (range.start / step).ceil() as i64..=(range.end / step).floor() as i64;
    let ticks = numbers.map(|n| n as f64 * step).collect();
    Axis { range, ticks, decimals, scale: std::convert::identity }
}

fn extremes(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithmic_ticks_are_one_two_five() {
        assert_eq!(logarithmic([0.72, 18.6].into_iter()).ticks, [0.5, 1.0, 2.0, 5.0, 10.0, 20.0]);
        assert_eq!(logarithmic([1.0, 1e4].into_iter()).ticks, [1.0, 10.0, 100.0, 1e3, 1e4]);
    }

    #[test]
    fn one_value_has_an_axis() {
        let axis = logarithmic([3.0].into_iter());
        assert_eq!((axis.range, axis.ticks), (1.5..6.0, vec![2.0, 5.0]));
        let axis = linear([90.0].into_iter());
        assert!(axis.range.contains(&90.0) && axis.ticks.len() > 2);
    }

    #[test]
    fn linear_ticks_are_round() {
        let axis = linear([89.0, 92.4].into_iter());
        assert_eq!((axis.ticks, axis.decimals), (vec![89.0, 89.5, 90.0, 90.5, 91.0, 91.5, 92.0, 92.5], 1));
    }
}
