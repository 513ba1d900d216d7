//! Costs: cycles and energy of a network on a design, and fronts of points.

use pyo3::prelude::*;
use systolab::explore::{self, Budget, Regime};
use systolab::report;
use systolab::workload::FloatLayers;

use crate::design::Design;
use crate::error::{exception, text};
use crate::workload::Workload;

/// So many rows, and what they are.
type LeftOut = (usize, &'static str);

/// `simulate`'s JSON.
#[pyfunction]
pub(crate) fn simulate(
    py: Python<'_>,
    design: &Design,
    workload: &Workload,
    batch: u64,
    cold: bool,
    timing: &str,
    skip_float: bool,
) -> PyResult<String> {
    let design = &design.design;
    let simulated = py.detach(|| {
        if !(1..=65_536).contains(&batch) {
            return Err(format!("batch {batch}: expected 1 to 65536"));
        }
        let skipped;
        let workload = if skip_float {
            skipped = workload.workload.clone().with_float_layers(FloatLayers::Skipped);
            &skipped
        } else {
            &workload.workload
        };
        let regime = if cold { Regime::Cold } else { Regime::Steady };
        let version = env!("CARGO_PKG_VERSION");
        match timing {
            "pipelined" => {
                let simulation = explore::simulate(design, workload, batch, regime).map_err(text)?;
                report::simulation_json(&simulation, version).map_err(text)
            }
            "stepped" => {
                let simulation =
                    explore::simulate_stepped(design, workload, batch, regime, || ()).map_err(text)?;
                report::simulation_json(&simulation, version).map_err(text)
            }
            "scalesim" => {
                let comparison =
                    explore::compare_with_scalesim(design, workload, batch, regime).map_err(text)?;
                report::scalesim_json(&comparison, version).map_err(text)
            }
            other => Err(format!("timing `{other}`: expected `pipelined`, `stepped` or `scalesim`")),
        }
    });
    simulated.map_err(exception)
}

/// Fronts of the points of a table, `source` in messages, as `pareto`'s JSON; how many were asked for and how many are
/// within the budget; what was left out and why.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "the Python half names them")]
pub(crate) fn pareto(
    py: Python<'_>,
    csv: &str,
    source: &str,
    max_energy_uj: Option<f64>,
    max_latency_us: Option<f64>,
    min_top1: Option<f64>,
    regime: &str,
    batch: u64,
) -> PyResult<(String, usize, usize, Vec<LeftOut>)> {
    let fronts = py.detach(|| {
        let file = report::read_points(csv).map_err(|error| format!("{source}:{error}"))?;
        let requested = file.of_request(regime, batch).map_err(|error| format!("{source}: {error}"))?;
        let budget = Budget { max_energy_uj, max_latency_us, min_top1 };
        let within: Vec<_> =
            requested.points.iter().filter(|point| budget.is_met_by(point)).cloned().collect();
        let json = report::Fronts::of(&within).to_json(env!("CARGO_PKG_VERSION")).map_err(text)?;
        Ok((json, requested.points.len(), within.len(), requested.left_out))
    });
    fronts.map_err(exception)
}
