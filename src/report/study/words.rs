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

/// `0.27 (0.24–0.31)`; one number where the range has no width.
pub(super) fn ratio(range: Option<Range>) -> String {
    let Some(Range { low, typical, high }) = range else { return NOTHING.into() };
    let [low, typical, high] = [low, typical, high].map(|ratio| significant(ratio, 3));
    if low == high { typical } else { format!("{typical} ({low}–{high})") }
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

/// `0.21` or `0.21–0.38`.
pub(super) fn span(values: impl Iterator<Item = f64> + Clone) -> String {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    let [low, high] = [low, high].map(|v| significant(v, 2));
    if low == high { low } else { format!("{low}–{high}") }
}
