//! Options that take one of some words, and what is said of others: the same as of keys in files.
//!
//! Knows clap; must not know which words an option takes.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};

use crate::source::unknown_value;

/// Parses one of several words, each with what it means.
#[derive(Clone)]
pub(super) struct OneOf<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Clone + Send + Sync + 'static> TypedValueParser for OneOf<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, Error> {
        let found = self.0.iter().find(|(word, _)| *word == value);
        found.map(|(_, meaning)| meaning.clone()).ok_or_else(|| {
            let mut error = Error::new(ErrorKind::InvalidValue).with_cmd(command);
            if let Some(argument) = argument {
                error.insert(ContextKind::InvalidArg, ContextValue::String(argument.to_string()));
            }
            let given = value.to_string_lossy().into_owned();
            error.insert(ContextKind::InvalidValue, ContextValue::String(given));
            let words = self.0.iter().map(|(word, _)| (*word).to_owned()).collect();
            error.insert(ContextKind::ValidValue, ContextValue::Strings(words));
            error
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(|(word, _)| PossibleValue::new(*word))))
    }
}

/// What is said of a value that is none of the words of its option; None of other errors.
pub(super) fn unknown_word(error: &Error) -> Option<String> {
    let (
        Some(ContextValue::String(option)),
        Some(ContextValue::String(given)),
        Some(ContextValue::Strings(words)),
    ) = (
        error.get(ContextKind::InvalidArg),
        error.get(ContextKind::InvalidValue),
        error.get(ContextKind::ValidValue),
    )
    else {
        return None;
    };
    let one = error.kind() == ErrorKind::InvalidValue && !given.is_empty() && !words.is_empty();
    one.then(|| format!("{option}: {}", unknown_value(given, words.iter().map(String::as_str))))
}
