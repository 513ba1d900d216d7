//! What a sweep found: points.csv, fronts.csv, counts and fronts on the terminal.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use crate::explore::{Objective, PointResult, Status, front_of};

use super::folder::{ResultFolder, number, write_whole};
use super::{Answer, Failure, note, print};

/// Points of one front that are printed; fronts.csv has all.
const MOST_PRINTED: usize = 20;

/// Columns of points.csv before the key paths: evaluate's names where they mean the same.
const COLUMNS: [&str; 27] = [
    "design",
    "network",
    "family",
    "precision",
    "accuracy_kind",
    "accuracy_source",
    "top1_percent",
    "batch",
    "regime",
    "latency_s",
    "energy_per_image_uj",
    "energy_low_uj",
    "energy_high_uj",
    "edp_uj_s",
    "average_power_w",
    "utilization",
    "area_mm2",
    "area_label",
    "buffer_bytes",
    "macs",
    "note",
    "citation",
    "technology",
    "energy_excluded",
    "id",
    "status",
    "hardware",
];

/// Points that may be compared: the index of a point's accuracy and its costs.
#[derive(Default)]
struct Comparable {
    members: Vec<(u64, usize)>,
    costs: Vec<f64>,
}

#[derive(Default)]
struct Counts {
    ok: u64,
    excluded: u64,
    failed: u64,
    first_failure: Option<String>,
}

/// Writes the tables of `expected` (default: all results, by id) beside the results and prints the fronts.
///
/// Answers no if a point failed or is missing.
pub(super) fn write(
    folder: &ResultFolder,
    out: &Path,
    expected: Option<Vec<u64>>,
    objectives: &[Objective],
) -> Result<Answer, Failure> {
    let mut seen = BTreeSet::new();
    let mut ids = expected.unwrap_or_else(|| folder.ids());
    ids.retain(|id| seen.insert(*id));
    let missing = ids.iter().filter(|id| folder.status(**id).is_none()).count();
    let mut counts = Counts::default();
    let mut groups: BTreeMap<String, Comparable> = BTreeMap::new();
    let mut failure: Option<Failure> = None;
    write_whole(&out.join("points.csv"), |file| {
        let mut writer = csv::Writer::from_writer(io::BufWriter::new(file));
        let paths = folder.key_paths().iter().map(String::as_str);
        writer.write_record(COLUMNS.into_iter().chain(["workload", "tool_version"]).chain(paths))?;
        let read = folder.each(ids.iter().copied(), |result| {
            counts.add(&result);
            compare(&result, objectives, &mut groups);
            for source in 0..result.metrics.as_ref().map_or(1, |metrics| metrics.published.len().max(1)) {
                writer.write_record(row(&result, source, folder.key_paths()))?;
            }
            Ok(())
        });
        failure = read.err();
        writer.flush()
    })?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    fronts(folder, out, objectives, &groups)?;
    let Counts { ok, excluded, failed, first_failure } = counts;
    let missing_text = if missing > 0 { format!(", {missing} missing") } else { String::new() };
    note(&format!(
        "{} distinct points: {ok} computed, {excluded} beyond a limit, {failed} failed{missing_text}; tables in {}",
        ids.len(),
        out.display()
    ));
    if let Some(first) = first_failure {
        note(&format!("first failure: {first}"));
    }
    Ok(if failed == 0 && missing == 0 { Answer::Yes } else { Answer::No })
}

impl Counts {
    fn add(&mut self, result: &PointResult) {
        match result.status {
            Status::Ok => self.ok += 1,
            Status::Excluded => self.excluded += 1,
            Status::Error => {
                self.failed += 1;
                let reason = result.reason.as_deref().unwrap_or_default();
                self.first_failure.get_or_insert_with(|| format!("{}: {reason}", result.id));
            }
        }
    }
}

/// Without top-1, points of one network are compared, whatever its precision; with it, points of one family
/// and one source of the accuracy.
fn compare(result: &PointResult, objectives: &[Objective], groups: &mut BTreeMap<String, Comparable>) {
    let (Status::Ok, Some(metrics)) = (result.status, &result.metrics) else { return };
    let by_accuracy = objectives.contains(&Objective::Top1Percent);
    let sources = if by_accuracy { metrics.published.len() } else { 1 };
    for source in 0..sources {
        let costs: Option<Vec<f64>> = objectives
            .iter()
            .map(|&objective| result.value(objective, source).map(|value| objective.cost(value)))
            .collect();
        let Some(costs) = costs else { continue };
        let subject = if by_accuracy {
            format!("{}, top-1 of {}", result.family, metrics.published[source].citation)
        } else {
            result.workload.clone()
        };
        let mut key = format!("{subject}; {}, batch {}, {}", result.regime, result.batch, result.technology);
        if let (true, Some(label)) = (objectives.contains(&Objective::AreaMm2), &result.area_label) {
            key.push_str(&format!("; area: {label}"));
        }
        key.push_str(&format!("; energy without {}", metrics.energy_excluded.join(", ")));
        let group = groups.entry(key).or_default();
        group.members.extend(number(&result.id).map(|id| (id, source)));
        group.costs.extend(costs);
    }
}

/// Prints each group's front and writes all of them to fronts.csv.
fn fronts(
    folder: &ResultFolder,
    out: &Path,
    objectives: &[Objective],
    groups: &BTreeMap<String, Comparable>,
) -> Result<(), Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = objectives.iter().map(|objective| objective.name());
    writer.write_record(
        ["compared", "id", "design", "network", "precision"].into_iter().chain(names.clone()),
    )?;
    let mut text = String::new();
    for (key, group) in groups {
        let front = front_of(&group.costs, objectives.len());
        text.push_str(&format!(
            "{} of {} points are on the front: {key}\n",
            front.len(),
            group.members.len()
        ));
        let mut table = tabled::builder::Builder::default();
        table.push_record(["design", "network", "precision"].into_iter().chain(names.clone()));
        for (position, &index) in front.iter().enumerate() {
            let (id, source) = group.members[index];
            folder.each(std::iter::once(id), |result| {
                let values: Vec<String> = objectives
                    .iter()
                    .map(|&objective| {
                        result.value(objective, source).map_or_else(String::new, |v| v.to_string())
                    })
                    .collect();
                let point = [result.design(), result.network(), result.precision.clone()];
                writer.write_record([key, &result.id].into_iter().chain(&point).chain(&values))?;
                if position < MOST_PRINTED {
                    table.push_record(point.into_iter().chain(values));
                }
                Ok(())
            })?;
        }
        text.push_str(&table.build().with(tabled::settings::Style::rounded()).to_string());
        text.push('\n');
        if front.len() > MOST_PRINTED {
            text.push_str(&format!("and {} more in fronts.csv\n", front.len() - MOST_PRINTED));
        }
    }
    let bytes = writer.into_inner().map_err(|error| error.to_string())?;
    write_whole(&out.join("fronts.csv"), |file| io::Write::write_all(file, &bytes))?;
    print(&text)
}

fn row(result: &PointResult, source: usize, key_paths: &BTreeSet<String>) -> Vec<String> {
    let number =
        |objective| result.value(objective, source).map_or_else(String::new, |value| value.to_string());
    let metrics = result.metrics.as_ref();
    let published = metrics.and_then(|metrics| metrics.published.get(source));
    let accuracy = |text: &str| published.map_or_else(String::new, |_| text.to_owned());
    let of_metrics = |value: fn(&crate::explore::Metrics) -> String| metrics.map_or_else(String::new, value);
    let status = match result.status {
        Status::Ok => "ok",
        Status::Excluded => "excluded",
        Status::Error => "error",
    };
    let mut row = vec![
        result.design(),
        result.network(),
        result.family.clone(),
        result.precision.clone(),
        accuracy("published"),
        accuracy("published"),
        number(Objective::Top1Percent),
        result.batch.to_string(),
        result.regime.clone(),
        number(Objective::LatencyS),
        number(Objective::EnergyPerImageUj),
        of_metrics(|metrics| metrics.energy_low_uj.to_string()),
        of_metrics(|metrics| metrics.energy_high_uj.to_string()),
        number(Objective::EdpUjS),
        number(Objective::AveragePowerW),
        number(Objective::Utilization),
        number(Objective::AreaMm2),
        result.area_label.clone().unwrap_or_default(),
        number(Objective::BufferBytes),
        of_metrics(|metrics| metrics.macs.to_string()),
        result.reason.clone().unwrap_or_default(),
        published.map_or_else(String::new, |published| published.citation.clone()),
        result.technology.clone(),
        of_metrics(|metrics| metrics.energy_excluded.join("; ")),
        result.id.clone(),
        status.to_owned(),
        result.hardware.clone(),
        result.workload.clone(),
        env!("CARGO_PKG_VERSION").to_owned(),
    ];
    row.extend(key_paths.iter().map(|path| match result.set.get(path) {
        None => String::new(),
        Some(value) => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    }));
    row
}
