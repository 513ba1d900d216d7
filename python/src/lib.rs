//! The native half of the Python package: designs, networks and what is asked of them.
//!
//! Results travel as JSON, the same that the command line prints, and tensors as safetensors; the Python half makes
//! dicts and arrays of them. Every call that works releases the GIL. Knows Python and the library's inputs and
//! requests. Must not know what a number means.

mod design;
mod error;
mod execution;
mod simulation;
mod sweep;
mod workload;

use std::ffi::OsString;

use pyo3::prelude::*;

use error::SystolabError;

/// Runs the command line on `argv`, whose first element is the program's name, and returns its exit code.
#[pyfunction]
fn run(py: Python<'_>, argv: Vec<OsString>) -> u8 {
    py.detach(|| systolab::cli::run(argv))
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("SystolabError", module.py().get_type::<SystolabError>())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<design::Design>()?;
    module.add_class::<workload::Workload>()?;
    module.add_class::<sweep::SweepRun>()?;
    module.add_function(wrap_pyfunction!(run, module)?)?;
    module.add_function(wrap_pyfunction!(design::shipped_designs, module)?)?;
    module.add_function(wrap_pyfunction!(workload::shipped_workloads, module)?)?;
    module.add_function(wrap_pyfunction!(simulation::simulate, module)?)?;
    module.add_function(wrap_pyfunction!(simulation::pareto, module)?)?;
    module.add_function(wrap_pyfunction!(execution::execute, module)?)?;
    module.add_function(wrap_pyfunction!(execution::validate, module)?)?;
    module.add_function(wrap_pyfunction!(sweep::compute_points, module)?)?;
    Ok(())
}
