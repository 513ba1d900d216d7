//! Values: bit-exact execution, and comparison with somebody else's.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use systolab::explore::{self, Keep, Request};
use systolab::inputs::{self, ImageSource};
use systolab::tensor::{TensorFile, safetensors_bytes};
use systolab::validate::{Layout, Tolerance};
use systolab::{report, validate as comparison};

use crate::design::Design;
use crate::error::{exception, text};
use crate::workload::Workload;

/// Tensors from Python: a file's path, or the content of a safetensors file.
#[derive(FromPyObject)]
pub(crate) enum Tensors {
    Content(Vec<u8>),
    Path(PathBuf),
}

impl Tensors {
    /// `name` stands for a path in messages.
    fn read(self, name: &str) -> Result<TensorFile, String> {
        match self {
            Self::Content(bytes) => TensorFile::parse(Path::new(name), bytes).map_err(text),
            Self::Path(path) => TensorFile::read(&path).map_err(text),
        }
    }
}

/// Runs `work` on a request: the network's values, and images that were given or those from `first` to `end` − 1 of
/// the evaluation set.
fn on_samples<T>(
    design: &Design,
    workload: &Workload,
    images: Option<Tensors>,
    range: Option<(usize, usize)>,
    work: impl FnOnce(Request<'_>) -> Result<T, String>,
) -> Result<T, String> {
    let values = workload.values()?;
    let images = images.map(|images| images.read("images")).transpose()?;
    let source = match &images {
        Some(images) => ImageSource::Given(images),
        None => ImageSource::EvaluationSet(range.map(|(first, end)| first..end)),
    };
    let samples = inputs::samples(&workload.workload, workload.file.as_deref(), source).map_err(text)?;
    work(Request {
        design: &design.design,
        workload: &workload.workload,
        params: &values.params,
        origin: values.origin,
        samples: &samples,
    })
}

/// `execute`'s JSON and, as the content of a safetensors file, what was kept: `outputs` or `accumulators` too.
#[pyfunction]
pub(crate) fn execute<'py>(
    py: Python<'py>,
    design: &Design,
    workload: &Workload,
    images: Option<Tensors>,
    range: Option<(usize, usize)>,
    outputs: bool,
    accumulators: bool,
) -> PyResult<(String, Bound<'py, PyBytes>)> {
    let keep = match (outputs, accumulators) {
        (_, true) => Keep::OutputsAndAccumulators,
        (true, false) => Keep::Outputs,
        (false, false) => Keep::Classes,
    };
    let execute = |request: Request<'_>| {
        let run = explore::execute(request, keep, |_| ()).map_err(text)?;
        let version = env!("CARGO_PKG_VERSION");
        let about = report::run_about(&run, version);
        let tensors = safetensors_bytes(&run.tensors, ("systolab", &about)).map_err(text)?;
        Ok((report::run_json(&run, version).map_err(text)?, tensors))
    };
    let run = py.detach(|| on_samples(design, workload, images, range, execute));
    let (json, tensors) = run.map_err(exception)?;
    Ok((json, PyBytes::new(py, &tensors)))
}

/// `validate`'s JSON.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "the Python half names them")]
pub(crate) fn validate(
    py: Python<'_>,
    design: &Design,
    workload: &Workload,
    expected: Tensors,
    images: Option<Tensors>,
    range: Option<(usize, usize)>,
    layout: &str,
    max_ulp: Option<u64>,
    max_diff: Option<f64>,
) -> PyResult<String> {
    let validation = py.detach(|| {
        let layout = match layout {
            "nhwc" => Layout::Nhwc,
            "nchw" => Layout::Nchw,
            other => return Err(format!("layout `{other}`: expected `nhwc` or `nchw`")),
        };
        if max_diff.is_some_and(|difference| difference.is_nan() || difference < 0.0) {
            return Err("max_diff: expected a number from 0".to_owned());
        }
        let expected = expected.read("expected")?;
        let tolerance = Tolerance { max_ulp, max_diff };
        on_samples(design, workload, images, range, |request| {
            let validation =
                comparison::validate(request, &expected, layout, tolerance, |_| ()).map_err(text)?;
            report::validation_json(&validation, env!("CARGO_PKG_VERSION")).map_err(text)
        })
    });
    validation.map_err(exception)
}
