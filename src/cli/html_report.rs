//! The HTML page of an evaluation or a simulation.

use crate::explore::{self, Design, Evaluation, MappingPolicy, PricingError, Regime, Simulation, Subject};
use crate::report::{self, MOST_POINTS, Page, ReportError};
use crate::workload::Workload;

use super::Failure;

/// Requests per design and network in an evaluation.
const REQUESTS: usize = 3;
/// Designs × networks that are shown layer by layer; beyond, only the first are.
const MOST_SIMULATIONS: usize = 500;

/// Fails before any work where the page would hold too much.
pub(super) fn check(designs: &[Design], subjects: &[Subject]) -> Result<(), ReportError> {
    let found = designs.len().saturating_mul(subjects.len()).saturating_mul(REQUESTS);
    if found > MOST_POINTS {
        return Err(ReportError::TooManyPoints { found, limit: MOST_POINTS });
    }
    Ok(())
}

/// The page of an evaluation: every network on every design that runs it, cold, batch 1, layer by layer.
pub(super) fn evaluation(
    designs: &[Design],
    subjects: &[Subject],
    policy: MappingPolicy,
    evaluation: &Evaluation,
    findings: &[String],
    energy_excluded: &[String],
) -> Result<String, Failure> {
    let mut simulations = Vec::new();
    let pairs = designs.iter().flat_map(|design| subjects.iter().map(move |subject| (design, subject)));
    for (design, subject) in pairs {
        if simulations.len() == MOST_SIMULATIONS {
            break;
        }
        match explore::simulate_by(design, &subject.workload, 1, Regime::Cold, policy) {
            Ok(simulation) => simulations.push(simulation),
            Err(PricingError::Mapping { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(report::html_page(&Page {
        title: "systolab: designs × networks",
        command: &command_line(),
        tool_version: env!("CARGO_PKG_VERSION"),
        points: &evaluation.points,
        findings,
        simulations: &simulations,
        cost_tables: &report::cost_tables(&explore::cost_table(designs)),
        energy_excluded,
        files: &[],
    })?)
}

/// The page of one simulation.
pub(super) fn simulation(
    design: &Design,
    workload: &Workload,
    simulation: &Simulation,
) -> Result<String, Failure> {
    let file = |what: &str, name: &str, sum: &str| [what, name, sum].map(str::to_owned);
    Ok(report::html_page(&Page {
        title: &format!("systolab: {} on {}", simulation.workload, simulation.hardware),
        command: &command_line(),
        tool_version: env!("CARGO_PKG_VERSION"),
        points: &[],
        findings: &[],
        simulations: std::slice::from_ref(simulation),
        cost_tables: &report::cost_tables(&explore::cost_table(std::slice::from_ref(design))),
        energy_excluded: &simulation.energy_excluded,
        files: &[
            file("design", &simulation.hardware, design.accelerator.sha256()),
            file("network", &simulation.workload, workload.sha256()),
            file("technology", design.technology.name(), &design.technology_sha256),
        ],
    })?)
}

/// The command as it was given, but for where the program lies.
fn command_line() -> String {
    let quoted = |argument: String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
        if !argument.is_empty() && argument.chars().all(plain) {
            argument
        } else {
            format!("'{}'", argument.replace('\'', "'\\''"))
        }
    };
    let arguments =
        std::env::args_os().skip(1).map(|argument| quoted(argument.to_string_lossy().into_owned()));
    std::iter::once("systolab".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}
