//! A network, with its values from the first time that they are needed.

use std::path::PathBuf;
use std::sync::OnceLock;

use pyo3::prelude::*;
use systolab::inputs::{self, Values};
use systolab::workload;

use crate::error::{exception, text};

/// A network: a name in the workloads folder, a network file, an ONNX model or a list of matrix products.
#[pyclass(frozen, module = "systolab")]
pub(crate) struct Workload {
    pub(crate) workload: workload::Workload,
    pub(crate) file: Option<PathBuf>,
    values: OnceLock<Values>,
}

impl Workload {
    /// The network's values, read once.
    pub(crate) fn values(&self) -> Result<&Values, String> {
        if let Some(values) = self.values.get() {
            return Ok(values);
        }
        let values = inputs::values(&self.workload, self.file.as_deref()).map_err(text)?;
        Ok(self.values.get_or_init(|| values))
    }
}

#[pymethods]
impl Workload {
    #[new]
    fn new(py: Python<'_>, name: PathBuf) -> PyResult<Self> {
        let found = py.detach(|| inputs::workload_with_file(&name.to_string_lossy()).map_err(text));
        let (workload, file) = found.map_err(exception)?;
        Ok(Self { workload, file, values: OnceLock::new() })
    }

    /// The name that tables show.
    #[getter]
    fn name(&self) -> &str {
        self.workload.name()
    }

    /// Networks of one family may share an accuracy axis.
    #[getter]
    fn family(&self) -> &str {
        self.workload.family()
    }

    /// Label of the precision policy.
    #[getter]
    fn precision(&self) -> &str {
        self.workload.precision()
    }

    /// Names of the layers in the order of execution.
    #[getter]
    fn layers(&self) -> Vec<&str> {
        self.workload.network().layers().iter().map(|layer| layer.name.as_str()).collect()
    }

    /// Shape of one input image: height, width, channels.
    #[getter]
    fn input_shape(&self) -> (usize, usize, usize) {
        let shape = self.workload.network().image().shape;
        (shape.height, shape.width, shape.channels)
    }

    /// SHA-256 of the network's file.
    #[getter]
    fn sha256(&self) -> &str {
        self.workload.sha256()
    }

    fn __repr__(&self) -> String {
        format!("<systolab.Workload {}>", self.name())
    }
}

/// Names of the networks that are compiled in, without traces.
#[pyfunction]
pub(crate) fn shipped_workloads() -> Vec<&'static str> {
    workload::SHIPPED.iter().map(|(name, _)| *name).collect()
}
