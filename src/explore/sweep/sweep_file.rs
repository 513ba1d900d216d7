//! The sweep file: base files, axes, zips, limits; and its points by index, never as a list.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Map;

use crate::explore::MappingObjective;
use crate::source::{SourceError, SourceFile, Spanned, of_unknown_key, schema_of, unknown_value};

use super::axis::axis_values;
use super::key_path::KeyPath;
use super::point_result::PointResult;
use super::point_spec::{PointSpec, REGIMES, Requirement};
use super::workbench::Workbench;

/// Points of a sweep at most.
const MOST_POINTS: u64 = 50_000_000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawSweep {
    #[schemars(extend("const" = 1))]
    schema_version: Spanned<i64>,
    #[schemars(schema_with = "one_or_more")]
    hardware: Spanned<toml::Value>,
    #[schemars(schema_with = "one_or_more")]
    workload: Spanned<toml::Value>,
    #[schemars(range(min = 1, max = 65536))]
    batch: Option<Spanned<i64>>,
    #[schemars(extend("enum" = ["cold", "steady"]))]
    regime: Option<Spanned<String>>,
    #[serde(default)]
    objective: MappingObjective,
    #[serde(default)]
    #[schemars(schema_with = "axes")]
    axes: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
    #[serde(default)]
    #[schemars(schema_with = "zips")]
    zip: Vec<Spanned<BTreeMap<Spanned<String>, Spanned<toml::Value>>>>,
    #[serde(default)]
    require: Vec<Spanned<Requirement>>,
}

fn one_or_more(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "array"], "items": { "type": "string" }, "minItems": 1 })
}

fn axes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "pattern": r"^(hardware|workload)\." },
        "additionalProperties": {
            "type": ["array", "object"],
            "minItems": 1,
            "properties": {
                "from": { "type": "number" },
                "to": { "type": "number" },
                "step": { "type": "number", "exclusiveMinimum": 0 },
                "times": { "type": "number", "exclusiveMinimum": 1 },
            },
            "additionalProperties": false,
            "required": ["from", "to"],
        },
    })
}

fn zips(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": axes(generator) })
}

/// The JSON Schema of sweep files.
pub fn schema() -> String {
    schema_of::<RawSweep>("systolab: sweep")
}

/// A sweep file that cannot be used, or a point of it that fails.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The file is no sweep: syntax, keys, types, values that cannot be enumerated.
    #[error(transparent)]
    File(#[from] SourceError),
    /// It has more points than any run takes.
    #[error(transparent)]
    TooManyPoints(SourceError),
    /// A key path leads nowhere in some base file; with the nearest name.
    #[error(transparent)]
    KeyPath(SourceError),
    /// A design or network refuses a value of an axis.
    #[error(transparent)]
    Value(SourceError),
}

/// Key paths that change together: `values[i][j]` is the i-th value of path j.
#[derive(Debug)]
struct Dimension {
    paths: Vec<(KeyPath, std::ops::Range<usize>)>,
    values: Vec<Vec<toml::Value>>,
}

/// A validated sweep file.
#[derive(Debug)]
pub struct Sweep {
    file: SourceFile,
    hardware: Vec<String>,
    workload: Vec<String>,
    batch: u64,
    regime: String,
    objective: MappingObjective,
    dimensions: Vec<Dimension>,
    require: Vec<Requirement>,
    points: u64,
}

impl Sweep {
    /// Validates a sweep file's text, without looking at its base files.
    pub fn parse(file: &SourceFile) -> Result<Self, SweepError> {
        let raw: RawSweep = file.parse()?;
        if *raw.schema_version.get_ref() != 1 {
            return Err(file.error(raw.schema_version.span(), "expected schema_version = 1").into());
        }
        let batch = match &raw.batch {
            None => 1,
            Some(batch) => u64::try_from(*batch.get_ref())
                .ok()
                .filter(|batch| (1..=65_536).contains(batch))
                .ok_or_else(|| file.error(batch.span(), "expected 1 to 65536"))?,
        };
        let regime = raw.regime.as_ref().map_or("cold", |regime| regime.get_ref());
        if let (Some(given), false) = (&raw.regime, REGIMES.contains(&regime)) {
            return Err(file.error(given.span(), unknown_value(regime, REGIMES)).into());
        }
        let mut dimensions = Vec::new();
        for zip in &raw.zip {
            dimensions.push(zipped(file, zip)?);
        }
        for (path, values) in &raw.axes {
            let values = axis_values(file, values)?.into_iter().map(|value| vec![value]).collect();
            dimensions.push(Dimension { paths: vec![key_path(file, path)?], values });
        }
        let mut seen: Vec<&KeyPath> = Vec::new();
        for (path, span) in dimensions.iter().flat_map(|dimension| &dimension.paths) {
            if seen.contains(&path) {
                return Err(file.error(span.clone(), "this key path has two axes").into());
            }
            seen.push(path);
        }
        for requirement in &raw.require {
            let Requirement { max, min, .. } = requirement.get_ref();
            let finite = max.iter().chain(min).all(|limit| limit.is_finite());
            if (max.is_none() && min.is_none()) || !finite {
                return Err(file.error(requirement.span(), "expected `max`, `min` or both, finite").into());
            }
        }
        let (hardware, workload) = (names(file, &raw.hardware)?, names(file, &raw.workload)?);
        let extents = dimensions.iter().map(|dimension| dimension.values.len());
        let points = extents
            .chain([hardware.len(), workload.len()])
            .try_fold(1u64, |product, extent| product.checked_mul(extent as u64))
            .filter(|&points| points <= MOST_POINTS)
            .ok_or_else(|| {
                SweepError::TooManyPoints(file.error_in_file(format!(
                    "more than {MOST_POINTS} points; shorten an axis or split the sweep"
                )))
            })?;
        let regime = regime.to_owned();
        let require = raw.require.into_iter().map(Spanned::into_inner).collect();
        let objective = raw.objective;
        let file = file.clone();
        Ok(Self { file, hardware, workload, batch, regime, objective, dimensions, require, points })
    }

    /// Base designs.
    pub fn hardware(&self) -> &[String] {
        &self.hardware
    }

    /// Base networks.
    pub fn workload(&self) -> &[String] {
        &self.workload
    }

    /// Points of the sweep; points of equal content count each.
    pub fn points(&self) -> u64 {
        self.points
    }

    /// The point at `index`, below [`Self::points`]: the last axis changes fastest, then zips, networks and
    /// designs slowest.
    pub fn point(&self, index: u64) -> PointSpec {
        let mut rest = index;
        let mut digit = |extent: usize| {
            let digit = (rest % extent as u64) as usize;
            rest /= extent as u64;
            digit
        };
        let digits: Vec<usize> =
            self.dimensions.iter().rev().map(|dimension| digit(dimension.values.len())).collect();
        let workload = self.workload[digit(self.workload.len())].clone();
        let hardware = self.hardware[digit(self.hardware.len())].clone();
        let mut set = Map::new();
        for (dimension, &at) in self.dimensions.iter().zip(digits.iter().rev()) {
            for ((path, _), value) in dimension.paths.iter().zip(&dimension.values[at]) {
                // Only finite numbers, strings, truth values and lists of them are accepted in a file.
                set.insert(path.to_string(), serde_json::to_value(value).unwrap_or_default());
            }
        }
        PointSpec {
            id: None,
            hardware,
            workload,
            set,
            batch: self.batch,
            regime: self.regime.clone(),
            objective: self.objective,
            require: self.require.clone(),
        }
    }

    /// Checks every key path against the base files: a path that no file knows is an error with the nearest
    /// name. Values that are not accepted are left for the points.
    pub fn check(&self, workbench: &Workbench) -> Result<(), SweepError> {
        for (path, span) in self.dimensions.iter().flat_map(|dimension| &dimension.paths) {
            for index in [0, self.points - 1] {
                let mut spec = self.point(index);
                spec.set.retain(|key, _| *key == path.to_string());
                let resolved = workbench
                    .resolve(spec)
                    .map_err(|message| SweepError::KeyPath(self.file.error(span.clone(), message)))?;
                if let Some((unknown, known)) = resolved.invalid().and_then(of_unknown_key) {
                    let nearest = known.iter().min_by_key(|name| strsim::levenshtein(name, unknown));
                    let suggestion = nearest.map_or_else(String::new, |nearest| {
                        format!("; did you mean `{}`?", path.with_key(unknown, nearest))
                    });
                    let message = format!("no key `{unknown}` there{suggestion}");
                    return Err(SweepError::KeyPath(self.file.error(span.clone(), message)));
                }
            }
        }
        Ok(())
    }

    /// A failed point's reason at the axis that it is about, if it is about one.
    pub fn locate(&self, result: &PointResult) -> Option<SweepError> {
        let (key, message) = result.reason.as_ref()?.strip_prefix('`')?.split_once("`: ")?;
        let mut paths = self.dimensions.iter().flat_map(|dimension| &dimension.paths);
        let (path, span) = paths.find(|(path, _)| path.covers(key))?;
        let value = result.set.get(&path.to_string())?.to_string();
        // Many messages begin with the value already.
        let message =
            if message.contains(&value) { message.to_owned() } else { format!("{value}: {message}") };
        Some(SweepError::Value(self.file.error(span.clone(), message)))
    }
}

fn key_path(
    file: &SourceFile,
    path: &Spanned<String>,
) -> Result<(KeyPath, std::ops::Range<usize>), SourceError> {
    let parsed = KeyPath::parse(path.get_ref()).map_err(|message| file.error(path.span(), message))?;
    Ok((parsed, path.span()))
}

fn names(file: &SourceFile, value: &Spanned<toml::Value>) -> Result<Vec<String>, SourceError> {
    let elements = match value.get_ref() {
        toml::Value::Array(elements) => elements.as_slice(),
        single => std::slice::from_ref(single),
    };
    let names: Option<Vec<String>> =
        elements.iter().map(|element| element.as_str().map(str::to_owned)).collect();
    names
        .filter(|names| !names.is_empty())
        .ok_or_else(|| file.error(value.span(), "expected a name or file, or a list of them, at least one"))
}

fn zipped(
    file: &SourceFile,
    zip: &Spanned<BTreeMap<Spanned<String>, Spanned<toml::Value>>>,
) -> Result<Dimension, SourceError> {
    let mut paths = Vec::new();
    let mut columns = Vec::new();
    for (path, values) in zip.get_ref() {
        paths.push(key_path(file, path)?);
        let column = axis_values(file, values)?;
        if columns.first().is_some_and(|first: &Vec<_>| first.len() != column.len()) {
            let message =
                format!("{} values; the others of this zip have {}", column.len(), columns[0].len());
            return Err(file.error(values.span(), message));
        }
        columns.push(column);
    }
    let Some(first) = columns.first() else {
        return Err(file.error(zip.span(), "an empty zip; expected key paths with lists of one length"));
    };
    let row = |at: usize| columns.iter().map(|column| column[at].clone()).collect();
    Ok(Dimension { values: (0..first.len()).map(row).collect(), paths })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Sweep, SweepError> {
        let head = "schema_version = 1\nhardware = \"edge-32x32\"\nworkload = [\"a\", \"b\"]\n";
        Sweep::parse(&SourceFile::embedded("s.toml", &format!("{head}{text}")))
    }

    #[test]
    fn the_product_of_all_axes_is_counted_and_enumerated() {
        let sweep = parse(
            "[axes]\n\"hardware.array.rows\" = [8, 16]\n\"hardware.frequency_hz\" = { from = 1, to = 8, times = 2 }\n\
             [[zip]]\n\"hardware.a\" = [1, 2, 3]\n\"hardware.b\" = { from = 10, to = 30, step = 10 }\n",
        )
        .unwrap();
        assert_eq!(sweep.points(), 2 * 3 * 2 * 4);
        let lines: std::collections::BTreeSet<String> =
            (0..48).map(|index| serde_json::to_string(&sweep.point(index)).unwrap()).collect();
        assert_eq!(lines.len(), 48);
        let last = sweep.point(47);
        assert_eq!(last.workload, "b");
        assert_eq!(
            serde_json::to_string(&last.set).unwrap(),
            "{\"hardware.a\":3,\"hardware.b\":30,\"hardware.array.rows\":16,\"hardware.frequency_hz\":8}"
        );
    }

    #[test]
    fn float_ranges_reach_their_end() {
        let sweep =
            parse("[axes]\n\"hardware.dram.efficiency\" = { from = 0.1, to = 0.7, step = 0.1 }\n").unwrap();
        assert_eq!(sweep.points(), 2 * 7);
    }

    #[test]
    fn bad_files_are_refused_where_they_are_bad() {
        for (text, expected) in [
            ("[axes]\n\"hardware.a\" = []", "s.toml:5:16: `axes.\"hardware.a\"`: no value on this axis"),
            ("[axes]\n\"array.a\" = [1]", "a key path starts with `hardware.` or `workload.`"),
            ("[axes]\n\"hardware.a\" = { from = 1, to = 2 }", "exactly one of `step` and `times`"),
            ("[axes]\n\"hardware.a\" = { from = 0, to = 2, times = 2 }", "`times` at least 2"),
            ("[axes]\n\"hardware.a\" = [nan]", "a value is a finite number"),
            ("[axes]\n\"hardware.a\" = { from = 0, to = 9000000, step = 1 }", "more than 1000000 values"),
            ("[axes]\n\"hardware.a\" = [1]\n[[zip]]\n\"hardware.a\" = [1]", "this key path has two axes"),
            (
                "[[zip]]\n\"hardware.a\" = [1]\n\"hardware.b\" = [1, 2]",
                "2 values; the others of this zip have 1",
            ),
            ("[[require]]\nmetric = \"area_mm2\"", "expected `max`, `min` or both"),
            ("[[require]]\nmetric = \"speed\"\nmax = 1", "unknown value `speed`: expected `latency_s`, "),
            ("regime = \"warm\"", "`regime`: unknown value `warm`: expected `cold` or `steady`"),
            ("objective = \"speed\"", "unknown value `speed`: expected `latency`, `energy` or `edp`"),
            ("objective = 3", "`objective`: 3: expected `latency`, `energy` or `edp`"),
            ("axis = 1", "unknown key `axis`"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let axis = |key: &str| format!("\"hardware.{key}\" = {{ from = 1, to = 1000, step = 1 }}\n");
        let huge = format!("[axes]\n{}{}{}", axis("a"), axis("b"), axis("c"));
        assert!(parse(&huge).unwrap_err().to_string().contains("more than 50000000 points"));
    }
}
