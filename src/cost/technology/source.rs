//! Errors of a technology file, each with its place, and the checks of single values.
//!
//! Must not know which tables there are.

use std::ops::RangeInclusive;

use crate::source::{SourceError, SourceFile, Spanned};

/// Nodes in nanometers that are not a slip of the pen.
const NODES_NM: RangeInclusive<u32> = 1..=1000;

/// The file being read.
#[derive(Clone, Copy)]
pub(super) struct TechnologySource<'a>(pub(super) &'a SourceFile);

impl TechnologySource<'_> {
    /// An error about the value at `at`.
    pub(super) fn error<T>(self, at: &Spanned<T>, message: String) -> SourceError {
        self.0.error(at.span(), message)
    }

    /// A text that must say something.
    pub(super) fn text<T>(self, key: &str, text: &str, at: &Spanned<T>) -> Result<String, SourceError> {
        if text.trim().is_empty() {
            return Err(self.error(at, format!("`{key}` is empty: expected a text")));
        }
        Ok(text.to_owned())
    }

    /// A node in nanometers.
    pub(super) fn node_nm<T>(self, key: &str, node_nm: u32, at: &Spanned<T>) -> Result<u32, SourceError> {
        if !NODES_NM.contains(&node_nm) {
            let (min, max) = (NODES_NM.start(), NODES_NM.end());
            return Err(self.error(at, format!("`{key}` is {node_nm}: expected {min} to {max} nm")));
        }
        Ok(node_nm)
    }
}
