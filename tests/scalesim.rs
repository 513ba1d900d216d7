//! Are SCALE-Sim's reports reproduced cell for cell?

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use systolab::scalesim::{Configuration, Topology, TopologyKind, run};
use systolab::source::SourceFile;

const REPORTS: [&str; 3] = ["COMPUTE_REPORT.csv", "BANDWIDTH_REPORT.csv", "DETAILED_ACCESS_REPORT.csv"];

fn cases(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{}: no case", folder.display());
    files
}

/// The texts of a case by name; `--- NAME` starts each.
fn sections(text: &str) -> BTreeMap<&str, String> {
    let mut sections = BTreeMap::new();
    for part in text.split("--- ").skip(1) {
        let (name, text) = part.split_once('\n').unwrap();
        sections.insert(name, text.to_owned());
    }
    sections
}

/// Reports in the order of [`REPORTS`], or the error.
fn ours(case: &BTreeMap<&str, String>) -> Result<[String; 3], String> {
    let configuration =
        Configuration::parse(&SourceFile::embedded("config.cfg", &case["config.cfg"])).unwrap();
    let (name, kind) = if case.contains_key("gemm.csv") {
        ("gemm.csv", TopologyKind::Gemm)
    } else {
        ("topology.csv", TopologyKind::Convolution)
    };
    let topology = Topology::parse(&SourceFile::embedded(name, &case[name]), kind).unwrap();
    let reports = run(&topology.layers, &configuration, || {}).map_err(|error| error.to_string())?;
    Ok([reports.compute, reports.bandwidth, reports.detailed_access])
}

/// Cells compared; every differing cell is a line of `wrong`.
fn compare(file: &Path, wrong: &mut Vec<String>) -> usize {
    let text = fs::read_to_string(file).unwrap();
    let case = sections(&text);
    let name = file.file_name().unwrap().to_string_lossy();
    let ours = match (ours(&case), case.get("ERROR")) {
        (Ok(reports), None) => reports,
        (Err(_), Some(_)) => return 0,
        (Ok(_), Some(error)) => {
            wrong.push(format!("{name}: runs, where SCALE-Sim raises {error}"));
            return 0;
        }
        (Err(error), None) => {
            wrong.push(format!("{name}: {error}"));
            return 0;
        }
    };
    let mut cells = 0;
    for (report, ours) in REPORTS.into_iter().zip(ours) {
        let expected = &case[report];
        if *expected == ours {
            cells += expected.lines().map(|line| line.split(", ").count()).sum::<usize>();
            continue;
        }
        for (expected, found) in expected.lines().zip(ours.lines()) {
            for (column, (expected, found)) in expected.split(", ").zip(found.split(", ")).enumerate() {
                if expected != found {
                    wrong.push(format!(
                        "{name}: {report}, column {column}: expected {expected}, found {found}"
                    ));
                }
            }
        }
        wrong.push(format!("{name}: {report} differs"));
    }
    cells
}

fn all_equal(folder: &Path) {
    let (mut wrong, mut cells) = (Vec::new(), 0);
    for file in cases(folder) {
        cells += compare(&file, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cells > 0);
}

#[test]
fn committed_reports_are_reproduced() {
    all_equal(Path::new("tests/goldens/scalesim"));
}

#[test]
fn live_reports_are_reproduced() {
    if let Some(oracles) = std::env::var_os("SYSTOLAB_ORACLES") {
        all_equal(&Path::new(&oracles).join("scalesim"));
    }
}
