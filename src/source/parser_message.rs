//! What the parser says, in a user's words and with what to write instead.
//!
//! Knows the parser's messages; must not know which keys there are.

use super::words;

/// Units of memory sizes and their bytes.
const UNITS: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

/// `string "24": expected a whole number; write 24 without quotes` of serde's `invalid type: string "24", expected
/// i64`; its fields are keys, its variants values; other messages as they are.
pub(super) fn plain(message: &str) -> String {
    if let Some(unknown) = words::of_parser(message) {
        return unknown;
    }
    if let Some(key) = message.strip_prefix("missing field ") {
        return format!("missing key {key}");
    }
    let kinds = ["invalid type: ", "invalid value: "];
    let rest = kinds.iter().find_map(|kind| message.strip_prefix(kind));
    let Some((found, expected)) = rest.and_then(|rest| rest.split_once(", expected ")) else {
        return message.to_owned();
    };
    let number = match expected {
        "i64" | "i32" => Some("a whole number"),
        "u64" | "u32" | "usize" => Some("a whole number from 0"),
        "f64" | "f32" => Some("a number"),
        _ => None,
    };
    let hint = number.and_then(|_| hint(found)).map_or_else(String::new, |hint| format!("; write {hint}"));
    format!("{found}: expected {}{hint}", number.unwrap_or(expected))
}

/// What to write instead of something that is meant as a number.
fn hint(found: &str) -> Option<String> {
    if let Some(number) = found.strip_prefix("floating point `").and_then(|rest| rest.strip_suffix(".0`")) {
        return Some(number.to_owned());
    }
    let text = found.strip_prefix("string \"")?.strip_suffix('"')?.trim();
    if text.parse::<f64>().is_ok() {
        return Some(format!("{text} without quotes"));
    }
    let (unit, bytes) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
    let count: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
    Some(format!("{}, the number of bytes", count.checked_mul(*bytes)?))
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn numbers_in_other_clothes() {
        for (message, expected) in [
            (
                "invalid type: string \"24\", expected i64",
                "string \"24\": expected a whole number; write 24 without quotes",
            ),
            (
                "invalid type: string \"96 KiB\", expected i64",
                "string \"96 KiB\": expected a whole number; write 98304, the number of bytes",
            ),
            (
                "invalid type: floating point `24.0`, expected usize",
                "floating point `24.0`: expected a whole number from 0; write 24",
            ),
            ("invalid value: integer `-1`, expected u64", "integer `-1`: expected a whole number from 0"),
            ("invalid type: string \"many\", expected f64", "string \"many\": expected a number"),
            (
                "invalid type: string \"18446744073709551615 GiB\", expected i64",
                "string \"18446744073709551615 GiB\": expected a whole number",
            ),
            ("invalid type: integer `1`, expected a string", "integer `1`: expected a string"),
            ("unknown field `row`, expected `rows`", "unknown key `row`: expected `rows`"),
            ("missing field `rows`", "missing key `rows`"),
            ("string values must be quoted", "string values must be quoted"),
        ] {
            assert_eq!(plain(message), expected);
        }
    }
}
