//! Small pieces of a study's text.

use crate::explore::Range;
use crate::report::number::{NOTHING, significant};

/// Percentage points with a sign: `+0.10`, `−1.20`, `0.00`.
pub(super) fn signed(points: f64) -> String {
    let magnitude = format!("{:.2}", points.abs());
    match magnitude.as_str() {
        "0.00" => magnitude,
        _ if points < 0.0 => format!("−{magnitude}"),
        _ => format!("+{magnitude}"),
    }
}

pub(super) fn p_value(p: f64) -> String {
    if p < 0.0001 { "< 0.0001".into() } else { format!("{p:.4}") }
}

pub(super) fn bounds(low: f64, high: f64) -> String {
    format!("{low:.2}–{high:.2}")
}

/// `0.27 (0.24–0.31)`; one number where the range has no width. Never 1.00 of what is not 1: what is cheaper stays below.
pub(super) fn ratio(range: Option<Range>) -> String {
    let Some(Range { low, typical, high }) = range else { return NOTHING.into() };
    let [low, typical, high] = [low, typical, high].map(three_digits);
    if low == high { typical } else { format!("{typical} ({low}–{high})") }
}

fn three_digits(ratio: f64) -> String {
    #[expect(clippy::float_cmp, reason = "equal costs have a ratio of exactly 1")]
    let digits = if (ratio - 1.0).abs() < 0.005 && ratio != 1.0 { 4 } else { 3 };
    significant(ratio, digits)
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// `a, b and c`; `none` of nothing.
pub(super) fn list(items: impl IntoIterator<Item = String>) -> String {
    let mut items: Vec<String> = items.into_iter().collect();
    match items.pop() {
        None => "none".into(),
        Some(last) if items.is_empty() => last,
        Some(last) => format!("{} and {last}", items.join(", ")),
    }
}

/// `0.21` or `0.21–0.38`; near 1 with a third digit, since 1.0 says not on which side.
pub(super) fn ratio_span(values: impl Iterator<Item = f64>) -> String {
    span(values, |value| if (0.945..1.095).contains(&value) { 3 } else { 2 })
}

/// `21 %` or `0.52–3.8 %` of shares.
pub(super) fn percent_span(shares: impl Iterator<Item = f64>) -> String {
    format!("{} %", span(shares.map(|share| 100.0 * share), |_| 2))
}

fn span(values: impl Iterator<Item = f64>, digits: fn(f64) -> usize) -> String {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    let [low, high] = [low, high].map(|value| significant(value, digits(value)));
    if low == high { low } else { format!("{low}–{high}") }
}

#[cfg(test)]
mod tests {
    use super::{percent_span, ratio, ratio_span};
    use crate::explore::Range;

    #[test]
    fn a_corner_below_one_is_printed_below_one() {
        let range = Range { low: 0.9703, typical: 0.9861, high: 0.9987 };
        assert_eq!(ratio(Some(range)), "0.986 (0.970–0.9987)");
    }

    #[test]
    fn spans_tell_on_which_side_of_one_they_are() {
        assert_eq!(ratio_span([0.3123, 0.721].into_iter()), "0.31–0.72");
        assert_eq!(ratio_span([1.018, 1.0421].into_iter()), "1.02–1.04");
        assert_eq!(ratio_span([0.978, 2.04].into_iter()), "0.978–2.0");
        assert_eq!(ratio_span([1.0, 1.0].into_iter()), "1.00");
        assert_eq!(percent_span([0.0051, 0.0098].into_iter()), "0.51–0.98 %");
    }
}
