//! How far is the model from what others published? docs/published-figures.md, written by `BLESS=1`.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Deserialize;
use systolab::cost::{SHIPPED_TECHNOLOGIES, Technology};
use systolab::explore::{Design, Regime, Simulation, cost_table, simulate};
use systolab::hardware::Accelerator;
use systolab::report::number::significant;
use systolab::scalesim::{Bandwidth, Configuration, Dataflow, Layer, Shape, Sram, run_layer};
use systolab::source::SourceFile;
use systolab::workload::Workload;

const FOLDER: &str = "docs/published-figures";
const PAGE: &str = "docs/published-figures.md";
/// The commit that holds the designs and ranges, before anything was compared with them.
const DESIGNS_COMMIT: &str = "a735679";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Figures {
    figure: Vec<Figure>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Figure {
    name: String,
    kind: Kind,
    published: f64,
    unit: String,
    standing: String,
    source: String,
    metric: Option<Metric>,
    design: Option<PathBuf>,
    activation: Option<String>,
    weight: Option<String>,
    dataflow: Option<String>,
    batch: Option<u64>,
    #[serde(rename = "peak_tops")]
    peak_tops: Option<f64>,
    workload: Option<PathBuf>,
    #[serde(default)]
    workloads: Vec<PathBuf>,
    #[serde(default)]
    batches: Vec<u64>,
    #[serde(default)]
    axis: Vec<Axis>,
    /// Why there is no number of ours.
    reason: Option<String>,
    /// Why the ratio is what it is; written once it was seen.
    why: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Bound,
    Identity,
    Prediction,
    OutOfModel,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Metric {
    PeakTops,
    WeightBoundTops,
    ImagesPerSAtPeak,
    MsAtPeak,
    TopsPerWOfMacs,
    ScalesimCycles,
    ImagesPerS,
    LatencyMs,
    Cycles,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Axis {
    keys: Vec<String>,
    values: Vec<Vec<toml::Value>>,
}

/// Smallest and largest value of ours, and over how many combinations.
struct Ours {
    low: f64,
    high: f64,
    ran: usize,
    refused: usize,
}

fn design(file: &SourceFile) -> Design {
    let accelerator = Accelerator::parse(file).unwrap_or_else(|error| panic!("{error}"));
    let (name, text) =
        SHIPPED_TECHNOLOGIES.iter().find(|(name, _)| *name == accelerator.technology()).unwrap();
    let technology = SourceFile::embedded(*name, text);
    Design {
        accelerator,
        technology: Technology::parse(&technology).unwrap(),
        technology_sha256: technology.sha256(),
    }
}

fn read(path: &Path) -> SourceFile {
    SourceFile::read(&Path::new(FOLDER).join(path)).unwrap_or_else(|error| panic!("{error}"))
}

fn workload(path: &Path) -> Workload {
    Workload::parse(&read(path)).unwrap_or_else(|error| panic!("{error}"))
}

/// Texts of the design with every combination of the axes' values.
fn variants(figure: &Figure) -> Vec<String> {
    let text = read(figure.design.as_ref().unwrap());
    let mut tables: Vec<toml::Table> = vec![text.text().parse().unwrap()];
    for axis in &figure.axis {
        tables = tables
            .iter()
            .flat_map(|table| {
                axis.values.iter().map(|values| {
                    let mut table = table.clone();
                    for (key, value) in axis.keys.iter().zip(values) {
                        set(&mut table, key, value);
                    }
                    table
                })
            })
            .collect();
    }
    tables.iter().map(|table| toml::to_string(table).unwrap()).collect()
}

fn set(table: &mut toml::Table, path: &str, value: &toml::Value) {
    match path.split_once('.') {
        Some((first, rest)) => set(table[first].as_table_mut().unwrap(), rest, value),
        None => *table.get_mut(path).unwrap_or_else(|| panic!("{path}: no such key")) = value.clone(),
    }
}

fn predicted(figure: &Figure, value: fn(&Simulation) -> f64) -> Ours {
    let workloads: Vec<Workload> = figure.workloads.iter().map(|path| workload(path)).collect();
    let values: Vec<Option<f64>> = variants(figure)
        .par_iter()
        .flat_map_iter(|text| {
            let design = design(&SourceFile::embedded("variant.toml", text));
            workloads
                .iter()
                .flat_map(|workload| figure.batches.iter().map(move |batch| (workload, *batch)))
                .map(|(workload, batch)| {
                    simulate(&design, workload, batch, Regime::Steady).ok().map(|request| value(&request))
                })
                .collect::<Vec<_>>()
        })
        .collect();
    let ran: Vec<f64> = values.iter().flatten().copied().collect();
    assert!(!ran.is_empty(), "{}: no combination runs", figure.name);
    let (low, high) =
        ran.iter().fold((f64::INFINITY, 0f64), |(low, high), value| (low.min(*value), high.max(*value)));
    Ours { low, high, ran: ran.len(), refused: values.len() - ran.len() }
}

/// Operations of one image: 2 per MAC.
fn operations(path: &Path) -> f64 {
    let shipped = design(&read(Path::new("../../hw-configs/edge-32x32.toml")));
    2.0 * simulate(&shipped, &workload(path), 1, Regime::Cold).unwrap().totals.macs as f64
}

fn scalesim_cycles(figure: &Figure) -> f64 {
    let dataflow = match figure.dataflow.as_deref() {
        Some("os") => Dataflow::OutputStationary,
        Some("ws") => Dataflow::WeightStationary,
        _ => Dataflow::InputStationary,
    };
    let configuration = Configuration {
        run_name: "mnk".to_owned(),
        rows: 32,
        cols: 32,
        dataflow,
        sram: Sram { ifmap_bytes: 65536, filter_bytes: 65536, ofmap_bytes: 65536 },
        bandwidth: Bandwidth::Requested { ifmap: 10, filter: 10, ofmap: 10 },
        warnings: vec![],
    };
    let layer = Layer::new("mnk".to_owned(), Shape::matrix_product(256, 128, 256)).unwrap();
    run_layer(&layer, &configuration).unwrap().memory.cycles as f64
}

fn ours(figure: &Figure) -> Ours {
    let one = |value: f64| Ours { low: value, high: value, ran: 1, refused: 0 };
    let file = || read(figure.design.as_ref().unwrap());
    let pair = || {
        let costs = cost_table(&[design(&file())]);
        let wanted = match (&figure.activation, &figure.weight) {
            (Some(activation), Some(weight)) => format!("{activation},{weight}"),
            _ => costs.designs[0].pairs[0].pair.clone(),
        };
        costs.designs[0].pairs.iter().find(|pair| pair.pair == wanted).unwrap().clone()
    };
    match figure.metric.unwrap() {
        Metric::PeakTops => one(pair().peak_tops),
        Metric::TopsPerWOfMacs => {
            let range = pair().peak_tops_per_w.unwrap();
            Ours { low: range.low, high: range.high, ran: 1, refused: 0 }
        }
        Metric::WeightBoundTops => {
            // Every weight byte serves one MAC per request of the batch.
            let table: toml::Table = file().text().parse().unwrap();
            let bytes_per_s = table["dram"]["bytes_per_s"].as_integer().unwrap();
            one((2.0 * figure.batch.unwrap() as f64 * bytes_per_s as f64 * 1e-12).min(pair().peak_tops))
        }
        Metric::ImagesPerSAtPeak => {
            one(figure.peak_tops.unwrap() * 1e12 / operations(figure.workload.as_ref().unwrap()))
        }
        Metric::MsAtPeak => {
            one(operations(figure.workload.as_ref().unwrap()) / (figure.peak_tops.unwrap() * 1e9))
        }
        Metric::ScalesimCycles => one(scalesim_cycles(figure)),
        Metric::ImagesPerS => predicted(figure, |request| request.totals.images_per_s),
        Metric::LatencyMs => predicted(figure, |request| request.totals.latency_s * 1e3),
        Metric::Cycles => predicted(figure, |request| request.totals.cycles as f64),
    }
}

/// Whether predictions are computed again: thousands of simulations, a minute on one core.
fn thorough() -> bool {
    ["BLESS", "SYSTOLAB_PUBLISHED"].iter().any(|variable| std::env::var_os(variable).is_some())
}

/// Our column and the ratio of what was published to it.
fn compared(figure: &Figure, ours: &Ours) -> (String, String) {
    let number = |value: f64| significant(value, 4);
    let published = figure.published;
    let ratio = |value: f64| significant(published / value, 3);
    match figure.kind {
        Kind::Identity => (number(ours.high), ratio(ours.high)),
        Kind::Bound => {
            // Times have a least value, rates a largest.
            let least = figure.metric == Some(Metric::MsAtPeak);
            let (sign, end) = if least { ("≥", ours.low) } else { ("≤", ours.high) };
            let kept = if least { published >= end } else { published <= end };
            assert!(kept, "{}: {published} is beyond the bound {end}", figure.name);
            (format!("{sign} {}", number(end)), ratio(end))
        }
        Kind::Prediction => {
            let place = if published < ours.low {
                "below"
            } else if published > ours.high {
                "above"
            } else {
                "inside"
            };
            let refused = match ours.refused {
                0 => String::new(),
                refused => format!(", {refused} cannot run"),
            };
            (
                format!("{}–{} ({} designs{refused})", number(ours.low), number(ours.high), ours.ran),
                format!("{place}; {}–{}", ratio(ours.high), ratio(ours.low)),
            )
        }
        Kind::OutOfModel => unreachable!("has no number of ours"),
    }
}

/// Our column and the ratio as they stand on the page.
fn on_the_page(figure: &Figure, committed: &str) -> (String, String) {
    let row = format!("| {} | prediction |", figure.name);
    let row = committed.lines().find(|line| line.starts_with(&row)).expect("a row per figure");
    let cells: Vec<&str> = row.split(" | ").collect();
    (cells[4].to_owned(), cells[5].to_owned())
}

fn page(committed: &str) -> String {
    let text = fs::read_to_string(Path::new(FOLDER).join("figures.toml")).unwrap();
    let figures: Figures = toml::from_str(&text).unwrap();
    let mut page = format!(
        "# Published figures\n\n\
         What others published, beside what this model says, without fitting: designs, their sources and the ranges of\n\
         what the sources do not say ([published-figures](published-figures)) stand since commit `{DESIGNS_COMMIT}`, before\n\
         the first comparison; only the reasons were written after it. No row was dropped.\n\n\
         - *identity*: arithmetic that must agree.\n\
         - *bound*: what was published must not be beyond it.\n\
         - *prediction*: the interval over every combination of the unknown keys, of the networks and of the batches that fit\n  \
         the source; steady requests.\n\
         - *out of model*: no number of ours, and why.\n\n\
         Ratios are published ÷ ours. `BLESS=1 cargo test --test published` rewrites this page; `cargo test` computes bounds\n\
         and identities again, with `SYSTOLAB_PUBLISHED=1` predictions too.\n\n\
         | figure | kind | published | standing | ours | published ÷ ours | why |\n\
         | --- | --- | ---: | --- | ---: | ---: | --- |\n"
    );
    for figure in &figures.figure {
        let Figure { name, published, unit, standing, source, kind, .. } = figure;
        let (kind, (ours, ratio), why) = match kind {
            Kind::OutOfModel => ("out of model", ("—".to_owned(), "—".to_owned()), &figure.reason),
            Kind::Bound => ("bound", compared(figure, &ours(figure)), &figure.why),
            Kind::Identity => ("identity", compared(figure, &ours(figure)), &figure.why),
            Kind::Prediction if thorough() => ("prediction", compared(figure, &ours(figure)), &figure.why),
            Kind::Prediction => ("prediction", on_the_page(figure, committed), &figure.why),
        };
        let why = why.as_deref().unwrap_or_else(|| panic!("{name}: a row needs a reason"));
        writeln!(
            page,
            "| {name} | {kind} | {published} {unit} | {standing}: {source} | {ours} | {ratio} | {why} |"
        )
        .unwrap();
    }
    page
}

#[test]
fn the_page_shows_what_the_model_says() {
    let committed = fs::read_to_string(PAGE).unwrap();
    let page = page(&committed);
    if std::env::var_os("BLESS").is_some() {
        fs::write(PAGE, &page).unwrap();
    } else {
        assert!(committed == page, "{PAGE} is outdated; BLESS=1 rewrites it");
    }
}
