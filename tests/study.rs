//! Does the committed study say what its points, and the networks' committed predictions, say?

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use systolab::cost::{SHIPPED_TECHNOLOGIES, Technology};
use systolab::explore::{self, Design, Outcome, Subject};
use systolab::hardware::{Accelerator, SHIPPED};
use systolab::source::SourceFile;
use systolab::workload::Workload;

const STUDY: &str = "reports/reference/study";
const NETWORKS: &str = "workloads/study";

type Row = BTreeMap<String, String>;

fn table(name: &str) -> Vec<Row> {
    let path = format!("{STUDY}/{name}");
    let mut reader = csv::Reader::from_path(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    reader.deserialize().map(Result::unwrap).collect()
}

fn number(row: &Row, column: &str) -> f64 {
    row[column].replace(['−', '+'], "").parse::<f64>().unwrap()
        * if row[column].starts_with('−') { -1.0 } else { 1.0 }
}

fn designs() -> Vec<Design> {
    let technologies: BTreeMap<&str, Technology> = SHIPPED_TECHNOLOGIES
        .iter()
        .map(|(name, text)| (*name, Technology::parse(&SourceFile::embedded(*name, text)).unwrap()))
        .collect();
    SHIPPED
        .iter()
        .map(|(name, text)| {
            let accelerator = Accelerator::parse(&SourceFile::embedded(*name, text)).unwrap();
            let technology = technologies[accelerator.technology()].clone();
            Design { technology_sha256: technology.sha256().to_owned(), technology, accelerator }
        })
        .collect()
}

fn close(what: &str, left: f64, right: f64) {
    assert!((left - right).abs() <= 1e-9 * left.abs().max(right.abs()), "{what}: {left} and {right}");
}

/// Costs of the whole study from today's models, without executing anything.
#[test]
fn its_costs_are_todays() {
    let mut subjects: Vec<Subject> = fs::read_dir(NETWORKS)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| Subject { workload: Workload::read(&path).unwrap(), trained: None, notes: vec![] })
        .collect();
    subjects.sort_by(|a, b| a.workload.name().cmp(b.workload.name()));
    let evaluation = explore::evaluate(&designs(), &subjects, |_| ()).unwrap();
    type Key = (String, String, String, String);
    let costs: BTreeMap<Key, &explore::Point> = evaluation
        .points
        .iter()
        .map(|p| ((p.design.clone(), p.network.clone(), p.regime.to_string(), p.batch.to_string()), p))
        .collect();
    let rows = table("points.csv");
    for row in &rows {
        let key =
            (row["design"].clone(), row["network"].clone(), row["regime"].clone(), row["batch"].clone());
        let point = costs.get(&key).unwrap_or_else(|| panic!("{key:?}: no such network today"));
        match &point.outcome {
            Outcome::NotSupported(_) => assert_eq!(row["latency_s"], "", "{key:?}"),
            Outcome::Runs(cost) => {
                close("latency", cost.latency_s, row["latency_s"].parse().unwrap());
                let energy = cost.energy_per_image_pj.typical / 1e6;
                close("energy", energy, row["energy_per_image_uj"].parse().unwrap());
            }
        }
        assert_eq!(row["network_sha256"], point.checksums.network, "{key:?}");
        assert_eq!(row["technology_sha256"], point.checksums.technology, "{key:?}");
    }
    let named: BTreeSet<&str> = rows.iter().map(|row| row["network"].as_str()).collect();
    for subject in &subjects {
        assert!(named.contains(subject.workload.name()), "{} is not in the study", subject.workload.name());
    }
}

/// Accuracies as one design executes them, by size, precision and seed.
fn top1(design: &str) -> BTreeMap<(String, String), BTreeMap<String, f64>> {
    let mut networks: BTreeMap<(String, String), BTreeMap<String, f64>> = BTreeMap::new();
    let cold = |row: &Row| row["regime"] == "cold" && row["batch"] == "1" && row["design"] == design;
    for row in table("points.csv").into_iter().filter(|row| cold(row) && row["accuracy_kind"] == "measured") {
        let (name, seed) = row["network"].rsplit_once("-seed").unwrap_or((&row["network"], "0"));
        let Some(size) = name.strip_suffix(&format!("-{}", row["precision"])) else { continue };
        let runs = networks.entry((size.to_owned(), row["precision"].clone())).or_default();
        runs.insert(seed.to_owned(), row["top1_percent"].parse().unwrap());
    }
    networks
}

/// The 97.5 % quantile of Student's t, from a printed table.
fn student(freedom: usize) -> f64 {
    [12.706, 4.303, 3.182, 2.776, 2.571][freedom - 1]
}

/// Mean and half width of the t interval of same-seed differences, and how many there are.
fn paired(of: &BTreeMap<String, f64>, minus: &BTreeMap<String, f64>) -> (f64, f64, usize) {
    let pairs: Vec<f64> = of.iter().filter_map(|(seed, top1)| Some(top1 - minus.get(seed)?)).collect();
    let n = pairs.len() as f64;
    let mean = pairs.iter().sum::<f64>() / n;
    let deviation = (pairs.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    (mean, student(pairs.len() - 1) * deviation / n.sqrt(), pairs.len())
}

#[test]
fn its_differences_are_those_of_its_points() {
    let top1 = top1(&table("study-means.csv")[0]["design"]);
    let rows = table("study-differences.csv");
    assert!(rows.len() >= 12, "{} rows", rows.len());
    for row in rows {
        let (of, minus) = row["precisions"].split_once(" − ").unwrap();
        let runs = |precision: &str| &top1[&(row["network"].clone(), precision.to_owned())];
        let (mean, half, pairs) = paired(runs(of), runs(minus));
        assert_eq!(row["seeds"], pairs.to_string());
        assert!((number(&row, "mean difference") - mean).abs() < 0.006, "{row:?}: {mean}");
        let verdict = match (mean - half > 0.0, mean + half < 0.0) {
            (true, _) => "higher",
            (_, true) => "lower",
            _ => "tie",
        };
        assert_eq!(row["verdict of the interval"], verdict, "{row:?}: {mean} ± {half}");
    }
}

/// The means, by design and network.
fn means() -> BTreeMap<(String, String), Row> {
    let rows = table("study-means.csv").into_iter();
    rows.map(|row| ((row["design"].clone(), row["network"].clone()), row)).collect()
}

#[test]
fn its_replacements_are_cheaper_and_as_accurate_as_it_says() {
    let means = means();
    let designs: BTreeSet<&String> = means.keys().map(|(design, _)| design).collect();
    let accuracies: BTreeMap<&String, _> = designs.into_iter().map(|design| (design, top1(design))).collect();
    let mut dominated = 0;
    for row in table("study-replacements.csv") {
        if row["verdict"] == "not replaced" {
            continue;
        }
        let of = |network: &str| &means[&(row["design"].clone(), row[network].clone())];
        let (cheap, bf16) = (of("replaced by"), of("bf16 network"));
        let [energy, latency] =
            ["energy_per_image_uj", "latency_s"].map(|column| number(cheap, column) / number(bf16, column));
        let ratio = match row["cost"].as_str() {
            "modelled energy per image" => energy,
            "latency" => latency,
            _ => energy * latency,
        };
        assert!(ratio < 1.0, "{row:?}: {ratio}");
        let runs = |network: &Row| {
            let size = network["network"].strip_suffix(&format!("-{}", network["precision"])).unwrap();
            &accuracies[&row["design"]][&(size.to_owned(), network["precision"].clone())]
        };
        let (mean, half, _) = paired(runs(cheap), runs(bf16));
        let verdict = match (mean - half > 0.0, mean >= 0.0) {
            (true, _) => "dominated",
            (false, true) => "higher or equal mean, within noise",
            (false, false) => "lower mean, within noise",
        };
        assert_eq!(row["verdict"], verdict, "{row:?}: {mean} ± {half}");
        dominated += usize::from(verdict == "dominated");
    }
    assert!(dominated > 0);
}

#[test]
fn equal_costs_are_equal() {
    let means = means();
    let rows = table("study-equal-cost.csv");
    // The paper's widths: mostly-4-bit at 4w costs bf16 at w in the quadratic cost, at 2w in the linear one.
    let expected = [("quadratic cost", "width16", "width4"), ("linear cost", "width8", "width4")];
    for (cost, network, of) in expected {
        let has = |row: &Row| {
            row["equal"] == cost
                && row["network"] == format!("{network} mostly-4-bit")
                && row["over"] == format!("{of} bf16")
        };
        assert!(rows.iter().any(has), "{cost} {network} {of}");
    }
    for row in rows {
        let of = |short: &str| {
            let (size, precision) = row[short].split_once(' ').unwrap();
            let name = format!("resnet8-{size}-{precision}");
            &means[&(row["design"].clone(), name)]
        };
        let column = if row["equal"] == "linear cost" { "cost_linear" } else { "cost_quadratic" };
        assert_eq!(of("network")[column], of("over")[column], "{row:?}");
    }
}

/// Mean top-1 of the mostly-4-bit curve at a cost: straight in the logarithm of cost, and in cost.
fn curve_at(curve: &[(f64, f64)], cost: f64) -> Option<[f64; 2]> {
    let pair = curve.windows(2).find(|pair| pair[0].0 <= cost && cost <= pair[1].0)?;
    let [(left, low), (right, high)] = [pair[0], pair[1]];
    let at = [(cost / left).log2() / (right / left).log2(), (cost - left) / (right - left)];
    Some(at.map(|at| low + at * (high - low)))
}

#[test]
fn its_margins_are_heights_above_the_curve_of_its_means() {
    let means = means();
    let cost = |row: &Row, axis: &str| match axis {
        "modelled energy per image" => number(row, "energy_per_image_uj"),
        "latency" => number(row, "latency_s"),
        _ => number(row, "energy_per_image_uj") * number(row, "latency_s"),
    };
    let mut margins: BTreeMap<(String, String, String), Row> = table("study-margins.csv")
        .into_iter()
        .map(|row| ((row["design"].clone(), row["cost"].clone(), row["network"].clone()), row))
        .collect();
    for axis in ["modelled energy per image", "latency", "energy-delay product"] {
        for ((design, network), mean) in means.iter().filter(|(_, row)| row["precision"] != "mostly-4-bit") {
            let of_curve =
                means.iter().filter(|((on, _), row)| on == design && row["precision"] == "mostly-4-bit");
            let mut curve: Vec<(f64, f64)> =
                of_curve.map(|(_, row)| (cost(row, axis), number(row, "top1_percent"))).collect();
            curve.sort_by(|a, b| a.0.total_cmp(&b.0));
            let row = margins.remove(&(design.clone(), axis.to_owned(), network.clone()));
            let Some(heights) = curve_at(&curve, cost(mean, axis)) else {
                assert_eq!(row, None, "{network} is beyond the curve's ends");
                continue;
            };
            let row = row.unwrap_or_else(|| panic!("{design}, {axis}: no margin over {network}"));
            for (column, height) in ["margin", "margin, linear"].iter().zip(heights) {
                let expected = height - number(mean, "top1_percent");
                assert!((number(&row, column) - expected).abs() < 0.006, "{row:?}: {expected}");
            }
        }
    }
    assert!(margins.is_empty(), "{margins:?}");
}
