//! From a point to its files, its id and its result. Files that many points share are read once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use crate::explore::evaluate::{Design, Subject};
use crate::explore::pricing::Pricing;
use crate::explore::{MappingPolicy, Outcome, PricingError, Regime, published};
use crate::source::{SourceError, SourceFile, sha256_hex, unknown_value};
use crate::workload::{ParameterSource, Workload};

use super::key_path::{KeyPath, Root};
use super::point_result::{Metrics, PointResult, PublishedTop1, Status};
use super::point_spec::{PointSpec, REGIMES};
use super::{MODEL_VERSION, Objective};

/// Parsed designs and networks that are kept; beyond, all are dropped.
const MOST_KEPT: usize = 1024;

/// Reads a design with its technology.
pub(super) type LoadDesign = fn(&SourceFile) -> Result<Design, SourceError>;

/// A file before a point's values are written over it.
struct Base {
    file: SourceFile,
    /// None for a list of matrix products, which has no keys.
    table: Option<toml::Table>,
}

type Kept<T> = Mutex<BTreeMap<String, Result<Arc<T>, String>>>;

/// The base files of a sweep and what was made of them.
pub struct Workbench {
    load_design: LoadDesign,
    hardware: BTreeMap<String, Base>,
    workload: BTreeMap<String, Base>,
    designs: Kept<Design>,
    subjects: Kept<Subject>,
    traces: Kept<String>,
}

/// A point whose values were written over its files.
pub struct Resolved {
    id: String,
    spec: PointSpec,
    regime: Regime,
    design: Result<Arc<Design>, String>,
    subject: Result<Arc<Subject>, String>,
}

impl Workbench {
    /// Without any file.
    pub fn new(load_design: fn(&SourceFile) -> Result<Design, SourceError>) -> Self {
        Self {
            load_design,
            hardware: BTreeMap::new(),
            workload: BTreeMap::new(),
            designs: Mutex::default(),
            subjects: Mutex::default(),
            traces: Mutex::default(),
        }
    }

    /// Whether a base design has been added.
    pub fn has_hardware(&self, name: &str) -> bool {
        self.hardware.contains_key(name)
    }

    /// Whether a base network has been added.
    pub fn has_workload(&self, name: &str) -> bool {
        self.workload.contains_key(name)
    }

    /// Adds a base design under the name that points use.
    pub fn add_hardware(&mut self, name: &str, file: SourceFile) -> Result<(), String> {
        (self.load_design)(&file).map_err(|error| error.to_string())?;
        let base = Base::new(file)?;
        self.hardware.insert(name.to_owned(), base);
        Ok(())
    }

    /// Adds a base network under the name that points use.
    pub fn add_workload(&mut self, name: &str, file: SourceFile) -> Result<(), String> {
        Workload::parse(&file).map_err(|error| error.to_string())?;
        let base = Base::new(file)?;
        self.workload.insert(name.to_owned(), base);
        Ok(())
    }

    /// Writes a point's values over its files and hashes them.
    ///
    /// # Errors
    /// When the point cannot be named at all: an unknown base, a key path that leads nowhere, or an `id` that
    /// is another content's. A value that is not accepted is the point's own error, in its result.
    pub fn resolve(&self, spec: PointSpec) -> Result<Resolved, String> {
        let base = |bases: &BTreeMap<String, Base>, name: &str, what: &str| match bases.get(name) {
            Some(base) => Ok(base.table.clone()),
            None => Err(format!("unknown {what} `{name}`")),
        };
        let mut design_table = base(&self.hardware, &spec.hardware, "hardware")?;
        let mut network_table = base(&self.workload, &spec.workload, "workload")?;
        for (path, value) in &spec.set {
            let path = KeyPath::parse(path).map_err(|error| format!("`{path}`: {error}"))?;
            let value = toml::Value::try_from(value).map_err(|error| format!("`{path}`: {error}"))?;
            let table = match path.root() {
                Root::Hardware => &mut design_table,
                Root::Workload => &mut network_table,
            };
            let table = table.as_mut().ok_or_else(|| format!("`{path}`: a list of products has no keys"))?;
            path.set(table, &value)?;
        }
        let regime = match spec.regime.as_str() {
            "cold" => Regime::Cold,
            "steady" => Regime::Steady,
            other => return Err(format!("`regime`: {}", unknown_value(other, REGIMES))),
        };
        if !(1..=65_536).contains(&spec.batch) {
            return Err(format!("batch {}: expected 1 to 65536", spec.batch));
        }
        let (hardware, workload) = (&self.hardware[&spec.hardware], &self.workload[&spec.workload]);
        let (design_text, network_text) =
            (hardware.text(design_table.as_ref()), workload.text(network_table.as_ref()));
        let design = kept(&self.designs, &key(&hardware.file, &design_text), || {
            (self.load_design)(&SourceFile::embedded(hardware.file.path(), &design_text))
                .map_err(|error| hardware.message(Root::Hardware, &design_text, &error))
        });
        let subject = kept(&self.subjects, &key(&workload.file, &network_text), || {
            Workload::parse(&SourceFile::embedded(workload.file.path(), &network_text))
                .map(|workload| Subject { workload, trained: None, notes: vec![] })
                .map_err(|error| workload.message(Root::Workload, &network_text, &error))
        });
        let trace = match subject.as_ref().map(|subject| subject.workload.parameters()) {
            Ok(ParameterSource::Trace(path)) => self.trace(path),
            _ => String::new(),
        };
        // Keys in alphabetical order, as in the tables; numbers and strings as serde_json writes them.
        let mut canonical = json!({
            "batch": spec.batch,
            "design": hardware.content(design_table.as_ref()),
            "model_version": MODEL_VERSION,
            "regime": spec.regime,
            "technology": design.as_ref().map_or("", |design| &design.technology_sha256),
            "trace": trace,
            "workload": workload.content(network_table.as_ref()),
        });
        if !spec.objective.is_default() {
            canonical["objective"] = json!(spec.objective);
        }
        let mut id = sha256_hex(canonical.to_string().as_bytes());
        id.truncate(16);
        match &spec.id {
            Some(given) if *given != id => Err(format!(
                "point {given}: its content hashes to {id}: the design, the network, a file they name or \
                 systolab changed since the points were written; expand the sweep again"
            )),
            _ => Ok(Resolved { id, spec, regime, design, subject }),
        }
    }

    /// SHA-256 of a trace, read once; empty if it cannot be read.
    fn trace(&self, path: &Path) -> String {
        let read = || std::fs::read(path).map(|bytes| sha256_hex(&bytes)).map_err(|error| error.to_string());
        kept(&self.traces, &path.to_string_lossy(), read).map_or_else(|_| String::new(), |sha| (*sha).clone())
    }
}

/// Paths in a file start in its folder, so equal texts in two folders are two files.
fn key(file: &SourceFile, text: &str) -> String {
    format!("{}\0{text}", file.path().display())
}

fn kept<T>(kept: &Kept<T>, key: &str, make: impl FnOnce() -> Result<T, String>) -> Result<Arc<T>, String> {
    if let Some(known) = kept.lock().unwrap_or_else(PoisonError::into_inner).get(key) {
        return known.clone();
    }
    let made = make().map(Arc::new);
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= MOST_KEPT {
        kept.clear();
    }
    kept.insert(key.to_owned(), made.clone());
    made
}

impl Base {
    fn new(file: SourceFile) -> Result<Self, String> {
        let list = file.path().extension().is_some_and(|extension| extension == "csv");
        let table =
            if list { None } else { Some(file.parse::<toml::Table>().map_err(|error| error.to_string())?) };
        Ok(Self { file, table })
    }

    /// What a table says, as JSON; a list of products as its text.
    fn content(&self, table: Option<&toml::Table>) -> serde_json::Value {
        table.map_or_else(|| self.file.text().into(), |table| json!(table))
    }

    /// What is wrong with `text`, which a point made of this file: by key path, because its lines are nobody's.
    fn message(&self, root: Root, text: &str, error: &SourceError) -> String {
        match error {
            SourceError::Invalid { file, message, .. }
                if file.path() == self.file.path() && text != self.file.text() =>
            {
                match error.key() {
                    Some(key) => format!("`{}.{key}`: {message}", root.name()),
                    None => message.clone(),
                }
            }
            _ => error.to_string(),
        }
    }

    fn text(&self, table: Option<&toml::Table>) -> String {
        table.map_or_else(|| self.file.text().to_owned(), toml::Table::to_string)
    }
}

impl Resolved {
    /// The first 16 hex digits of the SHA-256 of everything the point's numbers depend on.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The point as one line of JSON carries it.
    pub fn spec(&self) -> PointSpec {
        PointSpec { id: Some(self.id.clone()), ..self.spec.clone() }
    }

    /// Why the point's files are not accepted, if they are not.
    pub fn invalid(&self) -> Option<&str> {
        let design = self.design.as_ref().err().map(String::as_str);
        design.or_else(|| self.subject.as_ref().err().map(String::as_str))
    }

    /// Computes the point.
    pub fn evaluate(&self) -> PointResult {
        let mut result = PointResult {
            id: self.id.clone(),
            status: Status::Error,
            hardware: self.spec.hardware.clone(),
            workload: self.spec.workload.clone(),
            set: self.spec.set.clone(),
            batch: self.spec.batch,
            regime: self.spec.regime.clone(),
            objective: self.spec.objective,
            family: String::new(),
            precision: String::new(),
            technology: String::new(),
            area_mm2: None,
            area_label: None,
            buffer_bytes: None,
            metrics: None,
            reason: None,
        };
        let (design, subject) = match (&self.design, &self.subject) {
            (Ok(design), Ok(subject)) => (design, subject),
            (Err(error), _) | (_, Err(error)) => {
                result.reason = Some(error.clone());
                return result;
            }
        };
        subject.workload.family().clone_into(&mut result.family);
        subject.workload.precision().clone_into(&mut result.precision);
        design.technology.name().clone_into(&mut result.technology);
        let accelerator = &design.accelerator;
        let scratchpads = [accelerator.activation(), accelerator.weight(), accelerator.accumulator()];
        result.buffer_bytes = Some(scratchpads.iter().map(|scratchpad| scratchpad.bytes()).sum());
        let pricing = Pricing {
            design,
            subject,
            policy: MappingPolicy { objective: self.spec.objective, ..MappingPolicy::default() },
        };
        let computed = self.compute(&pricing, &mut result);
        match computed {
            Ok(None) => result.status = Status::Ok,
            Ok(Some(broken)) => {
                result.status = Status::Excluded;
                result.reason = Some(broken);
            }
            Err(error) => result.reason = Some(error.to_string()),
        }
        result
    }

    /// Fills in the numbers; the limit that is broken, if one is. Limits on the design come first.
    fn compute(
        &self,
        pricing: &Pricing<'_>,
        result: &mut PointResult,
    ) -> Result<Option<String>, PricingError> {
        let unknown = Outcome::NotSupported(String::new());
        let point = pricing.point(self.regime, self.spec.batch, unknown)?;
        if let Some(area) = point.area {
            result.area_mm2 = Some(area.mm2.typical);
            result.area_label = Some(area.label);
        }
        let of_design = |metric| matches!(metric, Objective::AreaMm2 | Objective::BufferBytes);
        if let Some(broken) = self.broken(result, of_design) {
            return Ok(Some(broken));
        }
        let cost = pricing.cost(self.regime, self.spec.batch)?;
        let energy = cost.energy_per_image_pj;
        result.metrics = Some(Metrics {
            latency_s: cost.latency_s,
            energy_per_image_uj: energy.typical / 1e6,
            energy_low_uj: energy.low / 1e6,
            energy_high_uj: energy.high / 1e6,
            edp_uj_s: energy.typical / 1e6 * cost.latency_s,
            average_power_w: cost.average_power_w,
            utilization: cost.utilization,
            macs: point.macs,
            energy_excluded: cost.energy_excluded,
            published: published(&pricing.subject.workload)
                .into_iter()
                .map(|row| PublishedTop1 { citation: row.citation.clone(), top1_percent: row.top1_percent })
                .collect(),
        });
        Ok(self.broken(result, |metric| !of_design(metric)))
    }

    fn broken(&self, result: &PointResult, of: impl Fn(Objective) -> bool) -> Option<String> {
        let limits = self.spec.require.iter().filter(|requirement| of(requirement.metric));
        limits.into_iter().find_map(|limit| {
            let name = limit.metric.name();
            let Some(value) = result.value(limit.metric, 0) else {
                return Some(format!("{name} is not known"));
            };
            match (limit.max, limit.min) {
                (Some(max), _) if value > max => Some(format!("{name} {value} is above {max}")),
                (_, Some(min)) if value < min => Some(format!("{name} {value} is below {min}")),
                _ => None,
            }
        })
    }
}
