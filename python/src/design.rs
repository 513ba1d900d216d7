//! A hardware design.

use std::ffi::CString;
use std::path::PathBuf;
use std::sync::Mutex;

use pyo3::exceptions::PyUserWarning;
use pyo3::prelude::*;
use systolab::{explore, hardware, inputs};

use crate::error::{exception, text};

/// A hardware design with its technology: a shipped name, a design file or a SCALE-Sim configuration.
#[pyclass(frozen, module = "systolab")]
pub(crate) struct Design {
    pub(crate) design: explore::Design,
}

#[pymethods]
impl Design {
    #[new]
    fn new(py: Python<'_>, name: PathBuf) -> PyResult<Self> {
        let warnings = Mutex::new(Vec::new());
        let design = py.detach(|| {
            let warn = |warning: &str| {
                if let Ok(mut warnings) = warnings.lock() {
                    warnings.push(warning.trim_start_matches("warning: ").to_owned());
                }
            };
            inputs::design_named(&name.to_string_lossy(), warn).map_err(text)
        });
        for warning in warnings.into_inner().unwrap_or_default() {
            let warning = CString::new(warning).map_err(|error| exception(error.to_string()))?;
            PyErr::warn(py, &py.get_type::<PyUserWarning>(), &warning, 2)?;
        }
        Ok(Self { design: design.map_err(exception)? })
    }

    /// The name that tables show.
    #[getter]
    fn name(&self) -> &str {
        self.design.accelerator.name()
    }

    /// What the design says of itself.
    #[getter]
    fn description(&self) -> &str {
        self.design.accelerator.description()
    }

    /// Clock of the array.
    #[getter]
    fn frequency_hz(&self) -> u64 {
        self.design.accelerator.frequency_hz()
    }

    /// Name of the technology that its energies are from.
    #[getter]
    fn technology(&self) -> &str {
        self.design.technology.name()
    }

    /// SHA-256 of the design's file.
    #[getter]
    fn sha256(&self) -> &str {
        self.design.accelerator.sha256()
    }

    fn __repr__(&self) -> String {
        format!("<systolab.Design {}>", self.name())
    }
}

/// Names of the designs that are compiled in.
#[pyfunction]
pub(crate) fn shipped_designs() -> Vec<&'static str> {
    hardware::SHIPPED.iter().map(|(name, _)| *name).collect()
}
