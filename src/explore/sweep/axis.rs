//! The values of one axis: a list, or a range by steps or by factors.

use crate::source::{SourceError, SourceFile, Spanned};

/// Values of one axis at most.
const MOST_VALUES: usize = 1_000_000;

/// Every value of an axis, at least one.
pub(super) fn axis_values(
    file: &SourceFile,
    axis: &Spanned<toml::Value>,
) -> Result<Vec<toml::Value>, SourceError> {
    let expected = "expected a list like [16, 32], { from = 16, to = 64, step = 16 } or { from = 16, to = 64, times = 2 }";
    let error = |message: &str| file.error(axis.span(), message);
    let values = match axis.get_ref() {
        toml::Value::Array(values) => values.clone(),
        toml::Value::Table(range) => {
            range_values(range).map_err(|message| error(&format!("{message}; {expected}")))?
        }
        _ => return Err(error(expected)),
    };
    if values.is_empty() {
        return Err(error(&format!("no value on this axis; {expected}")));
    }
    if values.len() > MOST_VALUES {
        return Err(error(&format!("more than {MOST_VALUES} values on one axis")));
    }
    if !values.iter().all(is_plain) {
        return Err(error("a value is a finite number, a string, true or false, or a list or table of them"));
    }
    Ok(values)
}

fn is_plain(value: &toml::Value) -> bool {
    match value {
        toml::Value::Float(number) => number.is_finite(),
        toml::Value::Datetime(_) => false,
        toml::Value::Array(elements) => elements.iter().all(is_plain),
        toml::Value::Table(table) => table.iter().all(|(_, value)| is_plain(value)),
        toml::Value::String(_) | toml::Value::Integer(_) | toml::Value::Boolean(_) => true,
    }
}

fn range_values(range: &toml::Table) -> Result<Vec<toml::Value>, String> {
    if let Some(key) = range.keys().find(|key| !["from", "to", "step", "times"].contains(&key.as_str())) {
        return Err(format!("unknown key `{key}`"));
    }
    let (Some(from), Some(to)) = (range.get("from"), range.get("to")) else {
        return Err("`from` and `to` are needed".to_owned());
    };
    let (by, factor) = match (range.get("step"), range.get("times")) {
        (Some(step), None) => (step, false),
        (None, Some(times)) => (times, true),
        _ => return Err("exactly one of `step` and `times` is needed".to_owned()),
    };
    if let (Some(from), Some(to), Some(by)) = (from.as_integer(), to.as_integer(), by.as_integer()) {
        if by < 1 || (factor && (by < 2 || from < 1)) {
            return Err(
                "`step` is at least 1, `times` at least 2, and `from` with `times` at least 1".to_owned()
            );
        }
        let next = |value: &i64| if factor { value.checked_mul(by) } else { value.checked_add(by) };
        let values = std::iter::successors(Some(from), next).take_while(|&value| value <= to);
        return Ok(values.take(MOST_VALUES + 1).map(toml::Value::Integer).collect());
    }
    let number = |value: &toml::Value| {
        value
            .as_float()
            .or_else(|| value.as_integer().map(|value| value as f64))
            .filter(|value| value.is_finite())
    };
    let (Some(from), Some(to), Some(by)) = (number(from), number(to), number(by)) else {
        return Err("`from`, `to` and `step` or `times` are finite numbers".to_owned());
    };
    if (!factor && by <= 0.0) || (factor && (by <= 1.0 || from <= 0.0)) {
        return Err("`step` is above 0, `times` above 1, and `from` with `times` above 0".to_owned());
    }
    // The last value may miss `to` by rounding.
    let last = to + to.abs() * 1e-12;
    let value = |i: usize| if factor { from * by.powf(i as f64) } else { from + by * i as f64 };
    let values = (0..=MOST_VALUES).map(value).take_while(|&value| value <= last);
    Ok(values.map(|value| toml::Value::Float(value.min(to))).collect())
}
