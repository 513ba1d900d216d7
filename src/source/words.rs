//! What is said of a word that is none of the accepted ones: the value of a key, a key, or the value of an option.
//!
//! Knows the wording; must not know which words are accepted where.

use super::{SourceError, SourceFile, Spanned};

/// Accepted words as a sentence has them: "`a`, `b` or `c`".
pub(crate) fn any_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

/// A value that is none of the accepted words.
pub(crate) fn unknown_value<'a>(given: &str, accepted: impl IntoIterator<Item = &'a str>) -> String {
    format!("unknown value `{given}`: expected {}", any_of(accepted))
}

fn unknown_key<'a>(given: &str, accepted: impl IntoIterator<Item = &'a str>) -> String {
    format!("unknown key `{given}`: expected {}", any_of(accepted))
}

/// The unknown key that an error is about, and the accepted ones.
pub(crate) fn of_unknown_key(error: &str) -> Option<(&str, Vec<&str>)> {
    let (_, rest) = error.lines().next()?.split_once("unknown key `")?;
    let (given, accepted) = rest.split_once("`: expected ")?;
    Some((given, quoted(accepted)))
}

/// The parser's "unknown variant `x`, expected one of `a`, `b`" and "unknown field …" in the words of this file; None of
/// other messages.
pub(super) fn of_parser(message: &str) -> Option<String> {
    let (is_key, rest) = match message.strip_prefix("unknown field `") {
        Some(rest) => (true, rest),
        None => (false, message.strip_prefix("unknown variant `")?),
    };
    if let Some(given) = rest.strip_suffix("`, there are no fields") {
        return Some(format!("unknown key `{given}`: expected none"));
    }
    let (given, expected) = rest.rsplit_once("`, expected ")?;
    let accepted = quoted(expected);
    Some(if is_key { unknown_key(given, accepted) } else { unknown_value(given, accepted) })
}

/// The words between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

impl SourceFile {
    /// One of several named values, each with what it means.
    pub(crate) fn one_of<T: Copy>(
        &self,
        value: &Spanned<String>,
        accepted: &[(&str, T)],
    ) -> Result<T, SourceError> {
        let given = value.get_ref().as_str();
        let found = accepted.iter().find(|(name, _)| *name == given).map(|(_, meaning)| *meaning);
        found.ok_or_else(|| {
            self.error(value.span(), unknown_value(given, accepted.iter().map(|(name, _)| *name)))
        })
    }

    /// Accepts an absent value and one written value; the values of later versions are refused by name.
    pub fn only(
        &self,
        value: Option<&Spanned<String>>,
        accepted: &str,
        later: &[&str],
    ) -> Result<(), SourceError> {
        match value {
            Some(value) if later.contains(&value.get_ref().as_str()) => {
                let message = format!("`{}`: not in this version; expected `{accepted}`", value.get_ref());
                Err(self.error(value.span(), message))
            }
            Some(value) => self.one_of(value, &[(accepted, ())]),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parsers_words_are_ours() {
        for (theirs, ours) in [
            ("unknown variant `x`, expected `a`", "unknown value `x`: expected `a`"),
            ("unknown variant `x`, expected `a` or `b`", "unknown value `x`: expected `a` or `b`"),
            (
                "unknown variant `x`, expected one of `a`, `b`, `c`",
                "unknown value `x`: expected `a`, `b` or `c`",
            ),
            ("unknown field `x`, expected one of `a`, `b`, `c`", "unknown key `x`: expected `a`, `b` or `c`"),
            ("unknown field `x`, there are no fields", "unknown key `x`: expected none"),
            (
                "unknown field ``, expected `d``, expected `a` or `b`",
                "unknown key ``, expected `d``: expected `a` or `b`",
            ),
        ] {
            assert_eq!(of_parser(theirs).as_deref(), Some(ours));
        }
        assert_eq!(of_parser("invalid type: integer `1`, expected a string"), None);
    }

    #[test]
    fn an_unknown_key_is_read_back() {
        let error = format!("a.toml:1:1: `a.row`: {}\n  |\n", unknown_key("row", ["rows", "cols", "count"]));
        assert_eq!(of_unknown_key(&error), Some(("row", vec!["rows", "cols", "count"])));
        assert_eq!(of_unknown_key(&unknown_value("row", ["rows"])), None);
    }
}
