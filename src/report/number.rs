//! Numbers for people: a few significant digits in a unit that the header fixes.

use crate::explore::Range;

/// What stands in a cell without a value.
pub const NOTHING: &str = "—";

/// `value` with `digits` significant digits, never an exponent; integer digits are all kept.
pub fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return NOTHING.into();
    }
    let digits = digits.max(1) as i64;
    // Formatting rounds, so the exponent is read after it: 9.996 has exponent 1 in three digits.
    let scientific = format!("{value:.*e}", (digits - 1) as usize);
    let exponent: i64 = scientific.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    let decimals = (digits - 1 - exponent).clamp(0, 20) as usize;
    if value == 0.0 { "0".into() } else { format!("{value:.decimals$}") }
}

/// A range times `scale` as `typical (low–high)`, three significant digits.
pub fn range(range: Range, scale: f64) -> String {
    let [typical, low, high] = [range.typical, range.low, range.high].map(|v| significant(v * scale, 3));
    format!("{typical} ({low}–{high})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_significant_digits_and_no_exponent() {
        let cases = [
            (0.0, 3, "0"),
            (1.0, 3, "1.00"),
            (9.994, 3, "9.99"),
            (9.996, 3, "10.0"),
            (0.000_123_45, 3, "0.000123"),
            (-12.345, 3, "-12.3"),
            (1234.5, 3, "1234"),
            (1_234_567.0, 4, "1234567"),
            (99.96, 3, "100"),
            (5.0, 0, "5"),
            (f64::NAN, 3, "—"),
            (f64::INFINITY, 3, "—"),
        ];
        for (value, digits, text) in cases {
            assert_eq!(significant(value, digits), text, "{value} in {digits} digits");
        }
    }

    #[test]
    fn a_range_names_its_ends() {
        let r = Range { low: 4.5e5, typical: 1e6, high: 2.25e6 };
        assert_eq!(range(r, 1e-6), "1.00 (0.450–2.25)");
    }
}
