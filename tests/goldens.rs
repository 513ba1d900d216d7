//! Does bit-exact execution still give the classes it gave, and those the training framework predicted?

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use systolab::explore::map_network;
use systolab::explore::plans;
use systolab::functional::Executable;
use systolab::hardware::{Accelerator, SHIPPED};
use systolab::source::{SourceFile, sha256_hex};
use systolab::workload::{EvaluationReference, EvaluationSet, ParameterSource, Params, Workload};

const FOLDERS: [&str; 2] = ["workloads", "workloads/study"];
const RUNS: &str = "workloads/training/runs";

/// 500 of the 10,000 images: all would take longer than a test may.
const FIRST: usize = 7;
const STRIDE: usize = 20;

/// The framework sums bf16 products and normalizes in another order of f32 operations, so a near tie
/// between two classes may fall the other way.
const MAY_DIFFER: usize = 1;

struct Trained {
    workload: Workload,
    trace: PathBuf,
    evaluation: EvaluationReference,
    predictions: PathBuf,
}

/// Every network that states the training framework's predictions.
fn trained() -> Vec<Trained> {
    let mut files: Vec<PathBuf> = FOLDERS
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    let trained: Vec<Trained> = files
        .iter()
        .map(|file| Workload::read(file).unwrap())
        .filter_map(|workload| {
            let ParameterSource::Trace(trace) = workload.parameters().clone() else { return None };
            let evaluation = workload.evaluation()?.clone();
            let predictions = evaluation.predictions.clone()?;
            Some(Trained { workload, trace, evaluation, predictions })
        })
        .collect();
    assert!(!trained.is_empty(), "no network states predictions");
    trained
}

/// The first run of a network has two names: as a default, and as one of the study's.
fn log_of(workload: &Workload) -> PathBuf {
    let run = workload.name().strip_suffix("-seed0").unwrap_or(workload.name());
    Path::new(RUNS).join(format!("{run}.json"))
}

#[test]
fn execution_predicts_what_the_training_framework_predicted() {
    let (name, text) = SHIPPED.iter().find(|(name, _)| *name == "edge-32x32").unwrap();
    let accelerator = Accelerator::parse(&SourceFile::embedded(*name, text)).unwrap();
    let mut read: Option<(PathBuf, EvaluationSet)> = None;
    for Trained { workload, trace, evaluation, .. } in trained() {
        let network = workload.network();
        let path = fs::canonicalize(&evaluation.path).unwrap();
        if read.as_ref().is_none_or(|(known, _)| *known != path) {
            let classes = network.output().shape.elements();
            let set = EvaluationSet::read(&path, network.image().shape, classes).unwrap();
            read = Some((path, set));
        }
        let (_, images) = read.as_ref().unwrap();
        let framework = images.read_predictions(&evaluation.predictions.unwrap()).unwrap();
        let params = Params::read(&trace, network).unwrap();
        let plans = plans(&map_network(network, &accelerator, 1).unwrap());
        let executable = Executable::new(network, &params, &plans).unwrap();
        let differing: Vec<usize> = (FIRST..images.len())
            .into_par_iter()
            .step_by(STRIDE)
            .map_init(
                || executable.workspace(),
                |workspace, index| {
                    let image = evaluation.normalization.apply(images.image(index));
                    let class = executable.run_in(workspace, &image).unwrap().top1().unwrap();
                    (class != usize::from(framework[index])).then_some(index)
                },
            )
            .flatten()
            .collect();
        assert!(differing.len() <= MAY_DIFFER, "{}: images {differing:?}", workload.name());
    }
}

#[test]
fn traces_and_predictions_are_those_of_the_recorded_training_runs() {
    for Trained { workload, trace, predictions, .. } in trained() {
        let run = log_of(&workload);
        let run: serde_json::Value = serde_json::from_slice(&fs::read(&run).unwrap()).unwrap();
        for (file, key) in [(trace, "trace_sha256"), (predictions, "predictions_sha256")] {
            assert_eq!(
                Some(sha256_hex(&fs::read(&file).unwrap()).as_str()),
                run[key].as_str(),
                "{} and {key} of its training run",
                file.display()
            );
        }
    }
}

#[test]
fn every_recorded_training_run_has_its_network() {
    let names: Vec<String> = trained().iter().map(|trained| trained.workload.name().to_owned()).collect();
    for entry in fs::read_dir(RUNS).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            assert!(names.contains(&name), "{}: no network states its predictions", path.display());
        }
    }
}

#[test]
fn networks_state_what_their_training_run_recorded() {
    for Trained { workload, .. } in trained() {
        let run = log_of(&workload);
        let run: serde_json::Value = serde_json::from_slice(&fs::read(&run).unwrap()).unwrap();
        let training = workload.training();
        assert_eq!(training.map(|training| training.seed), run["seed"].as_u64(), "{}", workload.name());
        assert_eq!(
            training.and_then(|training| training.train_top1_percent),
            run["train_top1_percent_first_10000"].as_f64(),
            "{}",
            workload.name()
        );
    }
}
