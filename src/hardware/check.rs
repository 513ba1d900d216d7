//! Checks that the sections of a design file share: ranges, texts, and numbers of later versions.

use std::ops::RangeInclusive;

use crate::source::{SourceError, SourceFile, Spanned};

/// An integer of the given range.
pub(super) fn integer<T: TryFrom<i64>>(
    file: &SourceFile,
    value: &Spanned<i64>,
    accepted: RangeInclusive<i64>,
) -> Result<T, SourceError> {
    let number = *value.get_ref();
    let converted = accepted.contains(&number).then(|| T::try_from(number).ok()).flatten();
    converted.ok_or_else(|| {
        let message = format!("{number}: expected {} to {}", accepted.start(), accepted.end());
        file.error(value.span(), message)
    })
}

/// A text that is not blank.
pub(super) fn text<'a>(file: &SourceFile, value: &'a Spanned<String>) -> Result<&'a str, SourceError> {
    match value.get_ref().as_str() {
        blank if blank.trim().is_empty() => {
            Err(file.error(value.span(), "expected at least one character that is not blank"))
        }
        text => Ok(text),
    }
}

/// Accepts 1; larger numbers are refused as of later versions.
pub(super) fn only_one(file: &SourceFile, value: Option<&Spanned<i64>>) -> Result<(), SourceError> {
    match value {
        Some(value) if *value.get_ref() > 1 => {
            Err(file.error(value.span(), format!("{}: not in this version; expected 1", value.get_ref())))
        }
        Some(value) if *value.get_ref() < 1 => {
            Err(file.error(value.span(), format!("{}: expected 1", value.get_ref())))
        }
        _ => Ok(()),
    }
}
