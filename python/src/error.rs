//! One Python exception with the command line's texts.

use std::fmt::Display;

use pyo3::PyErr;
use pyo3::exceptions::PyException;

pyo3::create_exception!(
    systolab,
    SystolabError,
    PyException,
    "What systolab could not do: what, where, and what would be accepted; the text of the command line."
);

/// What crosses the border while the GIL is released: texts, because they can go to any thread.
pub(crate) fn text(error: impl Display) -> String {
    error.to_string()
}

/// The exception of a text.
pub(crate) fn exception(text: String) -> PyErr {
    SystolabError::new_err(text)
}
