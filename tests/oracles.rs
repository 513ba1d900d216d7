//! Do third-party programs compute the same values? Committed cases, and those under `$SYSTOLAB_ORACLES`.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stdout, reason = "counts are printed with --nocapture")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use systolab::cost::{SHIPPED_TECHNOLOGIES, Technology};
use systolab::explore::{Design, Keep, Origin, Request, Run, execute};
use systolab::hardware::{Accelerator, SHIPPED};
use systolab::source::SourceFile;
use systolab::tensor::{Data, Tensor, TensorFile};
use systolab::workload::{Samples, Workload};

const COMMITTED: &str = "tests/oracles/cases";

/// How a case's values must compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Rule {
    /// Every bit.
    Equal,
    /// The oracle computes in float: integers differ by 1 at most, where a sum lies near a tie, and
    /// rarely. Counted and printed.
    Near,
}

/// Share of elements that may differ by 1 under [`Rule::Near`].
const NEAR_SHARE: f64 = 0.01;

/// What a case's `case.toml` says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Case {
    oracle: String,
    rule: Option<Rule>,
    /// Keys of `model` in the network file, beside `onnx`.
    semantics: Option<String>,
    requantization: Option<String>,
    rounding: Option<String>,
    /// Each a table of the keys above: this would be wrong, and must show in the oracle's cases altogether.
    wrong: Vec<toml::Table>,
}

impl Case {
    /// A network file that names the case's model.
    fn network_file(&self, folder: &Path) -> PathBuf {
        let mut model = toml::Table::new();
        let onnx = fs::canonicalize(folder.join("model.onnx")).unwrap();
        model.insert("onnx".to_owned(), onnx.to_str().unwrap().into());
        let keys = [
            ("semantics", &self.semantics),
            ("requantization", &self.requantization),
            ("rounding", &self.rounding),
        ];
        for (key, value) in keys {
            if let Some(value) = value {
                model.insert(key.to_owned(), value.clone().into());
            }
        }
        let file = toml::Table::from_iter([
            ("schema_version".to_owned(), 1.into()),
            ("model".to_owned(), toml::Value::Table(model)),
        ]);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("oracle-{:?}.toml", std::thread::current().id()));
        fs::write(&path, toml::to_string(&file).unwrap()).unwrap();
        path
    }
}

/// Keys of `changes` instead of the case's.
fn changed(case: &toml::Table, changes: &toml::Table) -> Case {
    let mut table = case.clone();
    table.remove("rounding"); // belongs to the requantization that it stands beside
    table.extend(changes.clone());
    table.try_into().unwrap()
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    cases: usize,
    elements: usize,
    differences: usize,
}

/// Counts per oracle and rule, and per oracle and what would be wrong.
#[derive(Debug, Default)]
struct Tallies {
    right: BTreeMap<(String, Rule), Tally>,
    wrong: BTreeMap<(String, String), Tally>,
}

/// A shipped array with every pair of 4- and 8-bit integers.
fn design() -> Design {
    let (_, text) = SHIPPED.iter().find(|(name, _)| *name == "edge-32x32").unwrap();
    let mut table: toml::Table = toml::from_str(text).unwrap();
    let mut macs = Vec::new();
    for activation in ["int8", "uint8", "int4", "uint4"] {
        for weight in ["int8", "uint8", "int4", "uint4"] {
            macs.push(toml::toml! {
                activation = activation
                weight = weight
                lanes = { along = "k", count = 1 }
                partial_sum_bits = 32
                accumulator_bits = 32
            });
        }
    }
    table.insert("mac".to_owned(), toml::Value::Array(macs.into_iter().map(toml::Value::Table).collect()));
    let (name, technology) = SHIPPED_TECHNOLOGIES[0];
    let technology = SourceFile::embedded(name, technology);
    let text = toml::to_string(&table).unwrap();
    Design {
        accelerator: Accelerator::parse(&SourceFile::embedded("all-pairs.toml", &text)).unwrap(),
        technology: Technology::parse(&technology).unwrap(),
        technology_sha256: technology.sha256(),
    }
}

fn cases(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut cases: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.join("case.toml").is_file()).collect();
    cases.sort();
    assert!(!cases.is_empty(), "{}: no case", folder.display());
    cases
}

/// Elements as numbers, f32 by its bits.
fn numbers(data: &Data) -> Vec<i64> {
    match data {
        Data::I8(values) => values.iter().map(|&value| i64::from(value)).collect(),
        Data::U8(values) => values.iter().map(|&value| i64::from(value)).collect(),
        Data::U16(values) => values.iter().map(|&value| i64::from(value)).collect(),
        Data::I32(values) => values.iter().map(|&value| i64::from(value)).collect(),
        Data::Bf16(values) => values.iter().map(|value| i64::from(value.to_bits())).collect(),
        // Equal zeros have equal bits; nothing else that compares equal differs in bits.
        Data::F32(values) => values.iter().map(|value| i64::from((value + 0.0).to_bits())).collect(),
    }
}

/// Differing elements of one tensor, and the largest difference.
fn compare(case: &str, name: &str, ours: &Tensor, expected: &Tensor) -> (usize, i64) {
    let place = format!("{case}: tensor `{name}`");
    assert_eq!(ours.data().element_type(), expected.data().element_type(), "{place}: type");
    assert_eq!(ours.data().len(), expected.data().len(), "{place}: elements");
    let (ours, expected) = (numbers(ours.data()), numbers(expected.data()));
    let differences = ours.iter().zip(&expected).map(|(ours, expected)| (ours - expected).abs());
    let differing = differences.filter(|&difference| difference != 0);
    differing.fold((0, 0), |(count, largest), difference| (count + 1, difference.max(largest)))
}

/// Every tensor of a case as we compute it, and whether a name is one that we must have.
fn execute_case(name: &str, case: &Case, folder: &Path, design: &Design) -> (Run, Vec<String>) {
    let workload =
        Workload::read(&case.network_file(folder)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let model = workload.model().unwrap();
    let input = TensorFile::read(&folder.join("input.npz")).unwrap();
    let samples = Samples::of_model(&input, model).unwrap_or_else(|error| panic!("{name}: {error}"));
    let params = model.params();
    let request = Request { design, workload: &workload, params, origin: Origin::Trace, samples: &samples };
    let run = execute(request, Keep::Outputs, |_| ()).unwrap_or_else(|error| panic!("{name}: {error}"));
    (run, model.tensors().iter().map(|tensor| tensor.name.clone()).collect())
}

/// Elements compared, how many differ, and the largest difference, tensor by tensor.
fn compare_all(name: &str, case: &Case, folder: &Path, design: &Design) -> Vec<(String, usize, usize, i64)> {
    let (run, known) = execute_case(name, case, folder, design);
    let expected = TensorFile::read(&folder.join("expected.npz")).unwrap();
    let mut compared = Vec::new();
    for (tensor, expected) in expected.tensors() {
        let Some(ours) = run.tensors.get(tensor) else {
            assert!(!known.contains(tensor), "{name}: tensor `{tensor}` was not kept");
            continue; // an f32 tensor within a fused operator
        };
        let (differing, largest) = compare(name, tensor, ours, expected);
        compared.push((tensor.clone(), expected.data().len(), differing, largest));
    }
    assert!(!compared.is_empty(), "{name}: nothing to compare");
    compared
}

fn run(folder: &Path, design: &Design, tallies: &mut Tallies) {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let table: toml::Table = fs::read_to_string(folder.join("case.toml")).unwrap().parse().unwrap();
    let case: Case = table.clone().try_into().unwrap();
    let rule = case.rule.unwrap_or_else(|| panic!("{name}: no rule"));
    let tally = tallies.right.entry((case.oracle.clone(), rule)).or_default();
    tally.cases += 1;
    for (tensor, elements, differing, largest) in compare_all(&name, &case, folder, design) {
        tally.elements += elements;
        tally.differences += differing;
        match rule {
            Rule::Equal => assert_eq!(differing, 0, "{name}: tensor `{tensor}`: {differing} elements differ"),
            Rule::Near => assert!(largest <= 1, "{name}: tensor `{tensor}`: differs by {largest}"),
        }
    }
    for changes in &case.wrong {
        let label = toml::to_string(changes).unwrap().trim().replace('\n', ", ");
        let tally = tallies.wrong.entry((case.oracle.clone(), label)).or_default();
        tally.cases += 1;
        for (_, elements, differing, _) in compare_all(&name, &changed(&table, changes), folder, design) {
            tally.elements += elements;
            tally.differences += differing;
        }
    }
}

fn run_all(folder: &Path) {
    let design = design();
    let mut tallies = Tallies::default();
    for case in cases(folder) {
        run(&case, &design, &mut tallies);
    }
    for ((oracle, rule), Tally { cases, elements, differences }) in tallies.right {
        println!("{oracle}, {rule:?}: {cases} cases, {elements} elements, {differences} differ");
        assert!(differences as f64 <= NEAR_SHARE * elements as f64, "{oracle}: {differences} of {elements}");
    }
    for ((oracle, wrong), Tally { cases, elements, differences }) in tallies.wrong {
        println!(
            "{oracle}, wrong on purpose ({wrong}): {cases} cases, {elements} elements, {differences} differ"
        );
        assert!(differences > 0, "{oracle}: {wrong} shows in none of {elements} elements");
    }
}

#[test]
fn committed_cases_are_equal() {
    run_all(Path::new(COMMITTED));
}

#[test]
fn live_cases_are_equal() {
    match std::env::var_os("SYSTOLAB_ORACLES") {
        Some(folder) => run_all(Path::new(&folder)),
        None => println!("skipped: SYSTOLAB_ORACLES is not set; .ci/run makes and compares live cases"),
    }
}
