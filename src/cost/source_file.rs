//! Errors of a technology file, each with its place.

use std::ops::RangeInclusive;

use toml::Spanned;

use super::CostError;

/// Nodes in nanometers that are not a slip of the pen.
const NODES_NM: RangeInclusive<u32> = 1..=1000;

/// The file being read, by the name that errors call it.
#[derive(Clone, Copy)]
pub(super) struct SourceFile<'a> {
    pub(super) name: &'a str,
}

impl SourceFile<'_> {
    /// An error about the value at `at`.
    pub(super) fn error<T>(self, at: &Spanned<T>, message: String) -> CostError {
        CostError::TechnologyFile { file: self.name.to_owned(), span: Some(at.span()), message }
    }

    /// Broken TOML, an unknown key, a missing key or a value of the wrong type.
    pub(super) fn toml(self, error: &toml::de::Error) -> CostError {
        let message = error.message().to_owned();
        CostError::TechnologyFile { file: self.name.to_owned(), span: error.span(), message }
    }

    /// A text that must say something.
    pub(super) fn text<T>(self, key: &str, text: &str, at: &Spanned<T>) -> Result<String, CostError> {
        if text.trim().is_empty() {
            return Err(self.error(at, format!("`{key}` is empty: expected a text")));
        }
        Ok(text.to_owned())
    }

    /// A node in nanometers.
    pub(super) fn node_nm<T>(self, key: &str, node_nm: u32, at: &Spanned<T>) -> Result<u32, CostError> {
        if !NODES_NM.contains(&node_nm) {
            let (min, max) = (NODES_NM.start(), NODES_NM.end());
            return Err(self.error(at, format!("`{key}` is {node_nm}: expected {min} to {max} nm")));
        }
        Ok(node_nm)
    }
}
