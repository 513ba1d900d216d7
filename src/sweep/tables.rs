//! What a sweep found: the table of points, fronts.csv, counts and the first points of every front.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::explore::{Objective, PointResult, Status, front_of};

use super::error::FolderError;
use super::folder::{ResultFolder, number, write_whole};
use super::point_table::{Cell, columns, rows};

/// Points of one front that a summary has; fronts.csv has all.
const MOST_SUMMARIZED: usize = 20;

/// Points that may be compared: the index of a point's accuracy and its costs.
#[derive(Default)]
struct Comparable {
    members: Vec<(u64, usize)>,
    costs: Vec<f64>,
}

/// What a sweep found, in short.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Distinct points.
    pub points: usize,
    /// Of these: with costs.
    pub computed: u64,
    /// Of these: beyond a limit of the sweep.
    pub excluded: u64,
    /// Of these: without costs.
    pub failed: u64,
    /// Of these: without a result.
    pub missing: usize,
    /// Id of the first failed point and its reason.
    pub first_failure: Option<PointResult>,
    /// One per group of points that may be compared.
    pub fronts: Vec<Front>,
}

/// The front of points that may be compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Front {
    /// What they have in common.
    pub compared: String,
    /// How many they are.
    pub points: usize,
    /// How many of them are on the front.
    pub on_front: usize,
    /// The first of these.
    pub first: Vec<FrontRow>,
}

/// A point on a front.
#[derive(Clone, Debug, PartialEq)]
pub struct FrontRow {
    /// The point.
    pub id: String,
    /// Its design.
    pub design: String,
    /// Its network.
    pub network: String,
    /// Precision of the network.
    pub precision: String,
    /// Its value of each objective.
    pub values: Vec<Option<f64>>,
}

/// Files that the table of points is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointFormats {
    /// points.csv.
    Csv,
    /// points.csv and results.parquet.
    #[cfg(feature = "parquet")]
    CsvAndParquet,
}

impl PointFormats {
    /// points.csv and results.parquet.
    ///
    /// # Errors
    /// When this library was built without the feature `parquet`.
    pub fn with_parquet() -> Result<Self, FolderError> {
        #[cfg(feature = "parquet")]
        let formats = Ok(Self::CsvAndParquet);
        #[cfg(not(feature = "parquet"))]
        let formats = Err(FolderError::NoParquet);
        formats
    }
}

/// Writes the tables of `expected` (default: all results, by id) beside the results.
///
/// # Errors
/// When results changed meanwhile or a table cannot be written; the one that was there then still is.
pub fn write_tables(
    folder: &ResultFolder,
    out: &Path,
    expected: Option<Vec<u64>>,
    objectives: &[Objective],
    formats: PointFormats,
) -> Result<Summary, FolderError> {
    let mut seen = BTreeSet::new();
    let mut ids = expected.unwrap_or_else(|| folder.ids());
    ids.retain(|id| seen.insert(*id));
    let missing = ids.iter().filter(|id| folder.status(**id).is_none()).count();
    let mut summary = Summary { points: ids.len(), missing, ..Summary::default() };
    let mut groups: BTreeMap<String, Comparable> = BTreeMap::new();
    let path = out.join("points.csv");
    write_whole(&path, |file| {
        let mut writer = csv::Writer::from_writer(file);
        let names = columns(folder.key_paths()).map(|(name, _)| name);
        writer.write_record(names).map_err(FolderError::write(&path))?;
        folder.each(ids.iter().copied(), |result| {
            summary.add(&result);
            compare(&result, objectives, &mut groups);
            rows(&result, folder.key_paths()).try_for_each(|row| {
                writer.write_record(row.iter().map(Cell::to_string)).map_err(FolderError::write(&path))
            })
        })?;
        writer.flush().map_err(FolderError::write(&path))
    })?;
    summary.fronts = write_fronts(folder, out, objectives, &groups)?;
    match formats {
        PointFormats::Csv => {}
        #[cfg(feature = "parquet")]
        PointFormats::CsvAndParquet => super::parquet_file::write(folder, out, &ids)?,
    }
    Ok(summary)
}

impl Summary {
    fn add(&mut self, result: &PointResult) {
        match result.status {
            Status::Ok => self.computed += 1,
            Status::Excluded => self.excluded += 1,
            Status::Error => {
                self.failed += 1;
                self.first_failure.get_or_insert_with(|| result.clone());
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

/// Writes every group's front to fronts.csv; the first points of each.
fn write_fronts(
    folder: &ResultFolder,
    out: &Path,
    objectives: &[Objective],
    groups: &BTreeMap<String, Comparable>,
) -> Result<Vec<Front>, FolderError> {
    let path = out.join("fronts.csv");
    let mut fronts = Vec::new();
    write_whole(&path, |file| {
        let mut writer = csv::Writer::from_writer(file);
        let names = objectives.iter().map(|objective| objective.name());
        writer
            .write_record(
                ["compared", "id", "design", "network", "precision", "objective"].into_iter().chain(names),
            )
            .map_err(FolderError::write(&path))?;
        for (compared, group) in groups {
            let front = front_of(&group.costs, objectives.len());
            let mut first = Vec::new();
            for &index in &front {
                let (id, source) = group.members[index];
                folder.each(std::iter::once(id), |result| {
                    let row = front_row(&result, source, objectives);
                    let objective = result.objective.to_string();
                    let texts = [compared, &row.id, &row.design, &row.network, &row.precision, &objective]
                        .map(String::clone);
                    let values =
                        row.values.iter().map(|value| value.map_or_else(String::new, |v| v.to_string()));
                    writer
                        .write_record(texts.into_iter().chain(values))
                        .map_err(FolderError::write(&path))?;
                    if first.len() < MOST_SUMMARIZED {
                        first.push(row);
                    }
                    Ok(())
                })?;
            }
            let (points, on_front) = (group.members.len(), front.len());
            fronts.push(Front { compared: compared.clone(), points, on_front, first });
        }
        writer.flush().map_err(FolderError::write(&path))
    })?;
    Ok(fronts)
}

fn front_row(result: &PointResult, source: usize, objectives: &[Objective]) -> FrontRow {
    FrontRow {
        id: result.id.clone(),
        design: result.design(),
        network: result.network(),
        precision: result.precision.clone(),
        values: objectives.iter().map(|&objective| result.value(objective, source)).collect(),
    }
}
