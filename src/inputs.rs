//! What a user calls a design or a network, and what that is: shipped names, files, folders, environment.
//!
//! Knows where files are looked for and which file names which. Must not know a command line or what is done
//! with the inputs.

mod execution;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cost::{Action, Technology, unknown_technology};
use crate::explore::{self, Design, Subject, Trained};
use crate::hardware::{self, Accelerator};
use crate::scalesim::Configuration;
use crate::source::{SourceError, SourceFile, natural_order};
use crate::workload::{self, EvaluationReference, EvaluationSet, ParameterSource, Params, Workload};

pub use execution::{ImageSource, Values, samples, values};

/// Why an input cannot be used; printed as one message.
pub type Failure = Box<dyn std::error::Error>;

/// Folder that replaces `workloads/` beside the current directory.
pub const WORKLOADS_VARIABLE: &str = "SYSTOLAB_WORKLOADS";

/// The designs of these names, files and folders; all shipped ones when there is none. `warn` hears what an
/// imported configuration says that designs cannot.
///
/// # Errors
/// When a name is neither, a file is not valid, or two designs cannot stand in one table.
pub fn designs(named: &[String], warn: impl Fn(&str)) -> Result<Vec<Design>, Failure> {
    if named.is_empty() {
        return hardware::SHIPPED
            .iter()
            .map(|(name, text)| Ok(design(&SourceFile::embedded(embedded_name(name), text))?))
            .collect();
    }
    let mut designs = Vec::new();
    for name in named {
        if let Some((name, text)) = hardware::SHIPPED.iter().find(|(shipped, _)| shipped == name) {
            designs.push(design(&SourceFile::embedded(embedded_name(name), text))?);
            continue;
        }
        let names = || hardware::SHIPPED.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let files = toml_files(Path::new(name)).map_err(|error| {
            format!("--hw {name}: {error}; expected a file, a folder or a shipped design: {}", names())
        })?;
        for file in files {
            let source = SourceFile::read(&file)?;
            let imported = file.extension().is_some_and(|extension| extension == "cfg");
            designs.push(design(&if imported { imported_design(&source, &warn)? } else { source })?);
        }
    }
    unique(designs.iter().map(|design| design.accelerator.name()), "design")?;
    one_technology_per_name(&designs)?;
    Ok(designs)
}

/// Energies are compared where their technologies have one name, so that name must mean one file.
fn one_technology_per_name(designs: &[Design]) -> Result<(), Failure> {
    let mut seen: BTreeMap<&str, &Design> = BTreeMap::new();
    for design in designs {
        let name = design.technology.name();
        let first = *seen.entry(name).or_insert(design);
        if first.technology_sha256 != design.technology_sha256 {
            let [first, second] = [first, design].map(|design| design.accelerator.name());
            return Err(format!(
                "`{first}` and `{second}` have different technologies that are both named `{name}`; their energies are \
                 not comparable, so give one of the files another `name`"
            )
            .into());
        }
    }
    Ok(())
}

/// SCALE-Sim's configuration as a design file of the same name.
fn imported_design(file: &SourceFile, warn: impl Fn(&str)) -> Result<SourceFile, SourceError> {
    let configuration = Configuration::parse(file)?;
    for warning in &configuration.warnings {
        warn(&format!("warning: {warning}"));
    }
    Ok(SourceFile::embedded(file.path(), &configuration.design_toml(&file.stem())))
}

/// Where a network's file was found.
enum Found {
    File(PathBuf),
    /// Compiled in: name and text.
    Shipped(&'static str, &'static str),
}

/// The networks of these names, files and folders with their trained values; those of `workloads/` when there
/// is none.
///
/// # Errors
/// When a name is neither, or a file or a trace is not valid.
pub fn subjects(named: &[String]) -> Result<Vec<Subject>, Failure> {
    let mut sets = BTreeMap::new();
    let mut found = Vec::new();
    let folder = workloads_folder()?;
    if !named.is_empty() {
        for name in named {
            found.extend(find(name)?);
        }
    } else if folder.is_dir() {
        found.extend(toml_files(&folder)?.into_iter().map(Found::File));
    } else {
        found.extend(workload::SHIPPED.iter().map(|(name, text)| Found::Shipped(name, text)));
    }
    let subjects: Vec<Subject> = found
        .into_iter()
        .map(|found| match found {
            Found::File(path) => subject(&path, Workload::read(&path)?, &mut sets),
            Found::Shipped(name, text) => Ok(costs_only(name, text, &folder)?),
        })
        .collect::<Result<_, Failure>>()?;
    let subjects = once(subjects);
    unique(subjects.iter().map(|subject| subject.workload.name()), "network")?;
    Ok(subjects)
}

/// A network that two folders have is one network.
fn once(subjects: Vec<Subject>) -> Vec<Subject> {
    let mut seen = std::collections::BTreeSet::new();
    let mut is_new =
        |workload: &Workload| seen.insert((workload.name().to_owned(), workload.sha256().to_owned()));
    subjects.into_iter().filter(|subject| is_new(&subject.workload)).collect()
}

/// One network with its file; None for one that is compiled in, whose trace is nowhere.
///
/// # Errors
/// As for [`workload_named`].
pub fn workload_with_file(name: &str) -> Result<(Workload, Option<PathBuf>), Failure> {
    match one(find(name)?, "--workload", name)? {
        Found::File(path) => Ok((Workload::read(&path)?, Some(path))),
        Found::Shipped(name, text) => {
            Ok((Workload::parse(&SourceFile::embedded(embedded_name(name), text))?, None))
        }
    }
}

/// The text of a design's file: a shipped name or a file.
///
/// # Errors
/// When it is neither.
pub fn design_file(name: &str) -> Result<SourceFile, Failure> {
    if let Some((name, text)) = hardware::SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        return Ok(SourceFile::embedded(embedded_name(name), text));
    }
    let names = || hardware::SHIPPED.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    SourceFile::read(Path::new(name))
        .map_err(|error| format!("{error}; expected a file or a shipped design: {}", names()).into())
}

/// The text of a network's file.
///
/// # Errors
/// When it is neither a name nor one file.
pub fn workload_file(name: &str) -> Result<SourceFile, Failure> {
    match one(find(name)?, "--workload", name)? {
        Found::File(path) => Ok(SourceFile::read(&path)?),
        Found::Shipped(name, text) => Ok(SourceFile::embedded(embedded_name(name), text)),
    }
}

/// The design of one name or file.
///
/// # Errors
/// As for [`designs`], and when the name is a folder of several.
pub fn design_named(name: &str, warn: impl Fn(&str)) -> Result<Design, Failure> {
    one(designs(&[name.to_owned()], warn)?, "--hw", name)
}

/// The network of one name or file.
///
/// # Errors
/// When the name is neither, the file is not valid, or the name is a folder of several.
pub fn workload_named(name: &str) -> Result<Workload, Failure> {
    Ok(workload_with_file(name)?.0)
}

/// The only one.
fn one<T>(mut found: Vec<T>, option: &str, name: &str) -> Result<T, Failure> {
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(only),
        (_, others) => Err(format!("{option} {name}: {} files; expected exactly one", others + 1).into()),
    }
}

fn find(name: &str) -> Result<Vec<Found>, Failure> {
    let folder = workloads_folder()?;
    let in_folder = folder.join(format!("{name}.toml"));
    if in_folder.is_file() {
        return Ok(vec![Found::File(in_folder)]);
    }
    if let Some((name, text)) = workload::SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        return Ok(vec![Found::Shipped(name, text)]);
    }
    let files = toml_files(Path::new(name)).map_err(|error| {
        format!(
            "--workload {name}: {error}; expected a file, a folder or the name of a network in {}",
            folder.display()
        )
    })?;
    Ok(files.into_iter().map(Found::File).collect())
}

/// The folder may be missing, unless it was asked for.
fn workloads_folder() -> Result<PathBuf, Failure> {
    let Some(folder) = std::env::var_os(WORKLOADS_VARIABLE).map(PathBuf::from) else {
        return Ok(PathBuf::from("workloads"));
    };
    if folder.is_dir() {
        return Ok(folder);
    }
    Err(format!(
        "{WORKLOADS_VARIABLE}: {}: no such folder; expected systolab's `workloads` folder",
        folder.display()
    )
    .into())
}

fn embedded_name(name: &str) -> String {
    format!("{name}.toml (shipped)")
}

/// A file, or the TOML files of a folder in the order of their names, `width4` before `width16`.
fn toml_files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return if path.exists() { Ok(vec![path.to_owned()]) } else { Err("no such file or folder".into()) };
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(|error| format!("cannot read: {error}"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(|error| format!("cannot read: {error}"))?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml") && file.is_file());
    files.sort_by_cached_key(|file| natural_order(&file.to_string_lossy()));
    if files.is_empty() { Err("no .toml file in this folder".into()) } else { Ok(files) }
}

fn unique<'a>(names: impl Iterator<Item = &'a str>, what: &str) -> Result<(), Failure> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(format!(
                "two {what}s are named `{name}`; names tell rows apart, so give one of them another `name`"
            )
            .into());
        }
    }
    Ok(())
}

/// A design with the technology that it names.
///
/// # Errors
/// When either file is not valid, or the technology lacks the design's DRAM part.
pub fn design(file: &SourceFile) -> Result<Design, SourceError> {
    let accelerator = Accelerator::parse(file)?;
    let technology_file = technology(file, &accelerator)?;
    let technology = Technology::parse(&technology_file)?;
    let part = accelerator.dram().part();
    if technology.area_only().is_none() && technology.energy(&Action::DramBit(part.to_owned())).is_err() {
        let known: Vec<String> = technology
            .entries()
            .filter_map(
                |(action, _)| if let Action::DramBit(part) = action { Some(part.clone()) } else { None },
            )
            .collect();
        let message = format!(
            "technology `{}` has no DRAM part `{part}`; it has {} (add `energy.dram.{part}` to a technology file of your own)",
            technology.name(),
            known.join(", ")
        );
        return Err(file.error(accelerator.dram().part_span(), message));
    }
    Ok(Design { technology_sha256: technology.sha256().to_owned(), technology, accelerator })
}

/// The shipped families that have energies, then those of the designs that are not among them.
pub(super) fn technologies(designs: &[Design]) -> Result<Vec<Technology>, Failure> {
    let mut technologies: Vec<Technology> = crate::cost::SHIPPED_TECHNOLOGIES
        .iter()
        .map(|(name, text)| Technology::parse(&SourceFile::embedded(embedded_name(name), text)))
        .collect::<Result<_, _>>()?;
    technologies.retain(|technology| technology.area_only().is_none());
    for design in designs {
        if technologies.iter().all(|known| known.sha256() != design.technology_sha256) {
            technologies.push(design.technology.clone());
        }
    }
    Ok(technologies)
}

/// A shipped family, or a file that the design names.
fn technology(design: &SourceFile, accelerator: &Accelerator) -> Result<SourceFile, SourceError> {
    let shipped = crate::cost::SHIPPED_TECHNOLOGIES;
    if let Some((name, text)) = shipped.iter().find(|(name, _)| *name == accelerator.technology()) {
        return Ok(SourceFile::embedded(embedded_name(name), text));
    }
    let Some(path) = accelerator.technology_file() else {
        let message = unknown_technology(accelerator.technology());
        return Err(design.error(accelerator.technology_span(), message));
    };
    SourceFile::read(path).map_err(|error| design.error(accelerator.technology_span(), error.to_string()))
}

fn subject(
    file: &Path,
    workload: Workload,
    sets: &mut BTreeMap<PathBuf, Arc<EvaluationSet>>,
) -> Result<Subject, Failure> {
    if let Some(missing) = missing(&workload) {
        let notes = vec![format!("costs only: no such file: {}", missing.display())];
        return Ok(Subject { workload, trained: None, notes });
    }
    let trained = match (workload.parameters(), workload.evaluation()) {
        (ParameterSource::Trace(trace), Some(evaluation)) => {
            let params = Params::read(trace, workload.network())
                .map_err(|error| named_by(file, "parameters.trace", error))?;
            Some(trained(file, &workload, params, evaluation, sets)?)
        }
        (ParameterSource::Model, Some(evaluation)) => {
            let params = workload.model().ok_or("a model without its values")?.params().clone();
            Some(trained(file, &workload, params, evaluation, sets)?)
        }
        (ParameterSource::Trace(trace), None) => {
            Params::read(trace, workload.network())
                .map_err(|error| named_by(file, "parameters.trace", error))?;
            None
        }
        (ParameterSource::Model | ParameterSource::None, _) => None,
    };
    let notes = match (&trained, workload.parameters()) {
        (Some(_), _) => vec![],
        (None, ParameterSource::Trace(_)) => vec!["no evaluation set: costs only".to_owned()],
        (None, ParameterSource::Model) => vec!["imported, no evaluation set: costs only".to_owned()],
        (None, ParameterSource::None) => vec![without_trace(&workload)],
    };
    Ok(Subject { workload, trained, notes })
}

/// The trace or the evaluation set, if it is named and not there: what a network costs can be said without.
fn missing(workload: &Workload) -> Option<&Path> {
    let trace = match workload.parameters() {
        ParameterSource::Trace(trace) => Some(trace.as_path()),
        ParameterSource::Model | ParameterSource::None => None,
    };
    let set = workload.evaluation().map(|evaluation| evaluation.path.as_path());
    [trace, set].into_iter().flatten().find(|path| !path.exists())
}

/// What a row says whose network has no trained values of its own.
fn without_trace(workload: &Workload) -> String {
    if explore::published(workload).is_empty() {
        "no trace: costs only".to_owned()
    } else {
        "no trace: not executed".to_owned()
    }
}

fn costs_only(name: &str, text: &str, folder: &Path) -> Result<Subject, SourceError> {
    let workload = Workload::parse(&SourceFile::embedded(embedded_name(name), text))?;
    if *workload.parameters() == ParameterSource::None {
        let notes = vec![without_trace(&workload)];
        return Ok(Subject { workload, trained: None, notes });
    }
    let note = format!(
        "costs only: traces not found in {}; run beside the repository's `workloads` folder or set {WORKLOADS_VARIABLE} to it",
        folder.display()
    );
    Ok(Subject { workload, trained: None, notes: vec![note] })
}

/// An error of a file that a network's file names.
fn named_by(file: &Path, key: &str, error: impl std::error::Error) -> Failure {
    format!("{}: `{key}`: {error}", file.display()).into()
}

fn trained(
    file: &Path,
    workload: &Workload,
    params: Params,
    evaluation: &EvaluationReference,
    sets: &mut BTreeMap<PathBuf, Arc<EvaluationSet>>,
) -> Result<Trained, Failure> {
    let image = workload.network().image().shape;
    let classes = workload.network().output().shape.elements();
    let images = match sets.get(&evaluation.path) {
        Some(set) if set.fits(image, classes) => Arc::clone(set),
        _ => {
            let set = Arc::new(
                EvaluationSet::read(&evaluation.path, image, classes)
                    .map_err(|error| named_by(file, "evaluation.set", error))?,
            );
            sets.insert(evaluation.path.clone(), Arc::clone(&set));
            set
        }
    };
    let framework_predictions = evaluation
        .predictions
        .as_ref()
        .map(|path| images.read_predictions(path))
        .transpose()
        .map_err(|error| named_by(file, "evaluation.predictions", error))?;
    Ok(Trained { params, images, normalization: evaluation.normalization.clone(), framework_predictions })
}
