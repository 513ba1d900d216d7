//! `systolab sweep run`: progress, and what came of it.

use std::path::Path;

use tabled::builder::Builder;
use tabled::settings::Style;

use crate::explore::{Objective, Sweep, Workbench};
use crate::sweep::{Failed, Front, PointFormats, Run, Summary};

use super::super::progress_bar::progress_bar;
use super::{Answer, Failure, note, print};

pub(super) fn run(
    sweep: Sweep,
    workbench: Workbench,
    out: &Path,
    objectives: &[Objective],
    failed: Failed,
    formats: PointFormats,
) -> Result<Answer, Failure> {
    let mut run = Run::open(sweep, workbench, out, failed)?;
    run.warnings().iter().for_each(|warning| note(warning));
    let bar = progress_bar(run.sweep().points(), "{pos} of {len} points");
    let computed = run.compute(|| bar.inc(1));
    bar.finish_and_clear();
    computed?;
    let summary = run.write_tables(objectives, formats)?;
    let answer = tell(&summary, out, objectives)?;
    if let Some(place) = summary.first_failure.and_then(|result| run.sweep().locate(&result)) {
        note(&place.to_string());
    }
    Ok(answer)
}

/// Prints the fronts and the counts. Answers no if a point failed or is missing.
pub(super) fn tell(summary: &Summary, out: &Path, objectives: &[Objective]) -> Result<Answer, Failure> {
    print(&summary.fronts.iter().map(|front| text(front, objectives)).collect::<String>())?;
    let Summary { points, computed, excluded, failed, missing, first_failure, .. } = summary;
    let missing_text = if *missing > 0 { format!(", {missing} missing") } else { String::new() };
    note(&format!(
        "{points} distinct points: {computed} computed, {excluded} beyond a limit, {failed} failed{missing_text}; \
         tables in {}",
        out.display()
    ));
    if let Some(first) = first_failure {
        note(&format!("first failure: {}: {}", first.id, first.reason.as_deref().unwrap_or_default()));
    }
    Ok(if *failed == 0 && *missing == 0 { Answer::Yes } else { Answer::No })
}

fn text(front: &Front, objectives: &[Objective]) -> String {
    let mut table = Builder::default();
    let names = objectives.iter().map(|objective| objective.name());
    table.push_record(["design", "network", "precision"].into_iter().chain(names));
    for row in &front.first {
        let values = row.values.iter().map(|value| value.map_or_else(String::new, |value| value.to_string()));
        let point = [&row.design, &row.network, &row.precision].map(String::clone);
        table.push_record(point.into_iter().chain(values));
    }
    let Front { compared, points, on_front, first } = front;
    let table = table.build().with(Style::rounded()).to_string();
    let more = match on_front - first.len() {
        0 => String::new(),
        more => format!("and {more} more in fronts.csv\n"),
    };
    format!("{on_front} of {points} points are on the front: {compared}\n{table}\n{more}")
}
