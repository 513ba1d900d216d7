//! Sweeps: on this machine's cores, or point by point for an engine.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use serde_json::json;
use systolab::explore::{Objective, PointResult, PointSpec};
use systolab::sweep::{self, Failed, PointFormats, Run, Summary};

use crate::error::{exception, text};

/// A sweep and the folder of its results, which nobody else can run on until it is closed.
#[pyclass(frozen)]
pub(crate) struct SweepRun {
    run: Mutex<Option<Run>>,
    objectives: Vec<Objective>,
}

impl SweepRun {
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Run) -> Result<T, String> + Send,
    ) -> PyResult<T> {
        let done = py.detach(|| {
            let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
            work(run.as_mut().ok_or("the sweep is closed")?)
        });
        done.map_err(exception)
    }
}

#[pymethods]
impl SweepRun {
    #[new]
    fn new(
        py: Python<'_>,
        sweep: PathBuf,
        out: PathBuf,
        objectives: Vec<String>,
        retry_failed: bool,
        most_points: u64,
    ) -> PyResult<Self> {
        let opened = py.detach(|| {
            let objectives: Vec<Objective> = objectives
                .iter()
                .map(|name| name.parse().map_err(|error| format!("objective `{name}`: {error}")))
                .collect::<Result<_, _>>()?;
            let (sweep, workbench) = sweep::load(&sweep).map_err(text)?;
            if sweep.points() > most_points {
                return Err(format!("{0} points; add most_points={0} to go on", sweep.points()));
            }
            let failed = if retry_failed { Failed::ComputedAgain } else { Failed::Kept };
            let run = Run::open(sweep, workbench, &out, failed).map_err(text)?;
            Ok(Self { run: Mutex::new(Some(run)), objectives })
        });
        opened.map_err(exception)
    }

    /// What in the folder is no result.
    fn warnings(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.with(py, |run| Ok(run.warnings().to_vec()))
    }

    /// Computes all that is missing on this machine's cores.
    fn compute(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |run| run.compute(|| ()).map_err(text))
    }

    /// The next points to compute, as lines of JSON; empty when there is none left.
    fn pending(&self, py: Python<'_>, most: usize) -> PyResult<Vec<String>> {
        self.with(py, |run| {
            let specs = run.pending(most).map_err(text)?;
            specs.iter().map(|spec| serde_json::to_string(spec).map_err(text)).collect()
        })
    }

    /// Keeps results, lines of JSON.
    fn record(&self, py: Python<'_>, results: Vec<String>) -> PyResult<()> {
        self.with(py, |run| {
            let results: Vec<PointResult> = results
                .iter()
                .map(|line| serde_json::from_str(line).map_err(text))
                .collect::<Result<_, _>>()?;
            run.record(&results).map_err(text)
        })
    }

    /// Writes points.csv and fronts.csv; what the sweep found, as JSON.
    fn write_tables(&self, py: Python<'_>) -> PyResult<String> {
        let objectives = &self.objectives;
        self.with(py, |run| {
            let summary = run.write_tables(objectives, PointFormats::Csv).map_err(text)?;
            Ok(json(&summary, objectives))
        })
    }

    /// Lets others run on the folder.
    fn close(&self, py: Python<'_>) {
        py.detach(|| *self.run.lock().unwrap_or_else(PoisonError::into_inner) = None);
    }
}

fn json(summary: &Summary, objectives: &[Objective]) -> String {
    let fronts = summary.fronts.iter().map(|front| {
        let first = front.first.iter().map(|row| {
            let mut object = serde_json::Map::new();
            let texts = [("id", &row.id), ("design", &row.design), ("network", &row.network)];
            for (name, value) in texts.into_iter().chain([("precision", &row.precision)]) {
                object.insert(name.to_owned(), value.as_str().into());
            }
            for (objective, value) in objectives.iter().zip(&row.values) {
                object.insert(objective.name().to_owned(), json!(value));
            }
            object
        });
        json!({
            "compared": front.compared,
            "points": front.points,
            "on_front": front.on_front,
            "first": first.collect::<Vec<_>>(),
        })
    });
    let failure =
        summary.first_failure.as_ref().map(|result| json!({ "id": result.id, "reason": result.reason }));
    let object = json!({
        "points": summary.points,
        "computed": summary.computed,
        "excluded": summary.excluded,
        "failed": summary.failed,
        "missing": summary.missing,
        "first_failure": failure,
        "fronts": fronts.collect::<Vec<_>>(),
    });
    object.to_string()
}

/// The results of points, lines of JSON both; every call reads the points' files anew.
#[pyfunction]
pub(crate) fn compute_points(py: Python<'_>, points: Vec<String>) -> PyResult<Vec<String>> {
    let results = py.detach(|| {
        let mut workbench = sweep::workbench();
        let compute = |line: &String| {
            let spec: PointSpec = serde_json::from_str(line).map_err(text)?;
            sweep::add_bases(&mut workbench, &spec).map_err(text)?;
            let result = workbench.resolve(spec)?.evaluate();
            serde_json::to_string(&result).map_err(text)
        };
        points.iter().map(compute).collect::<Result<_, String>>()
    });
    results.map_err(exception)
}
