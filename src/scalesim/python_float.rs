//! Floats as Python prints them: `repr` of CPython, which numpy's `str` agrees with.

/// The shortest digits that read back as the same number, in Python's notation.
pub(super) fn repr(value: f64) -> String {
    // Rust finds the same shortest digits but changes to exponents elsewhere.
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..16).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => format!("{value:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::repr;

    #[test]
    fn notation_is_pythons() {
        for (value, expected) in [
            (0.0, "0.0"),
            (-42.0, "-42.0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e-4, "0.0001"),
            (9.5e-5, "9.5e-05"),
            (1e-5, "1e-05"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (100.0, "100.0"),
        ] {
            assert_eq!(repr(value), expected);
        }
    }
}
