//! Are reports reproducible, and do they say what the points say?

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

const FIXTURE: &str = "tests/goldens/cli/evaluate.in";

/// Energies are sums of a few components, added in another order here; and serde_json may read the
/// nearest number but one.
const RELATIVE: f64 = 1e-9;

/// Runs systolab in the fixture's folder and returns its stdout.
fn systolab(arguments: &[&str], threads: usize) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_systolab"))
        .args(arguments)
        .current_dir(FIXTURE)
        .env_remove("SYSTOLAB_WORKLOADS")
        .env("RAYON_NUM_THREADS", threads.to_string())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Evaluates the fixture into `out`: stdout, and the report's files by name.
fn evaluate(out: &Path, format: &str, threads: usize) -> (String, BTreeMap<String, String>) {
    let arguments = [
        &["evaluate", "--hw", "edge-32x32", "--hw", "datacenter-128x128", "--hw", "int8-only.toml"][..],
        &["--workload", "networks", "--workload", "untrained.toml", "--out", out.to_str().unwrap()],
        &["--format", format],
    ];
    let stdout = systolab(&arguments.concat(), threads);
    let files = fs::read_dir(out)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(path).unwrap())
        })
        .collect();
    (stdout, files)
}

#[test]
fn a_report_is_verified_against_the_one_that_lies_there() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    evaluate(&out, "table", 2);
    let verify = || {
        let output = Command::new(env!("CARGO_BIN_EXE_systolab"))
            .args(["evaluate", "--hw", "edge-32x32", "--hw", "datacenter-128x128", "--hw", "int8-only.toml"])
            .args(["--workload", "networks", "--workload", "untrained.toml", "--verify", "--out"])
            .arg(&out)
            .current_dir(FIXTURE)
            .env_remove("SYSTOLAB_WORKLOADS")
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = verify();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.ends_with("files compared, 0 differ\n"), "{text}");

    let points = fs::read_to_string(out.join("points.csv")).unwrap();
    let changed = points.replacen("edge-32x32,", "edge-33x32,", 1);
    fs::write(out.join("points.csv"), &changed).unwrap();
    let (code, text) = verify();
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("points.csv: differs from line 2 on"), "{text}");
    // Nothing was written.
    assert_eq!(fs::read_to_string(out.join("points.csv")).unwrap(), changed);
}

/// The rows of `points.csv`, by column.
fn rows(files: &BTreeMap<String, String>) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_reader(files["points.csv"].as_bytes()).deserialize().map(Result::unwrap).collect()
}

fn close(what: &str, left: f64, right: f64) {
    assert!((left - right).abs() <= RELATIVE * left.abs().max(right.abs()), "{what}: {left} and {right}");
}

#[test]
fn the_same_inputs_make_the_same_bytes_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let (stdout, first) = evaluate(&folder.path().join("a"), "table", 1);
    for (name, threads) in [("b", 1), ("c", 3), ("a", 3)] {
        let (again, files) = evaluate(&folder.path().join(name), "table", threads);
        assert_eq!(again, stdout);
        assert!(files == first, "{name} with {threads} threads differs");
    }
}

#[test]
fn a_report_has_its_documented_files_and_nothing_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let (_, files) = evaluate(&folder.path().join("out"), "table", 2);
    assert_eq!(
        files.keys().collect::<Vec<_>>(),
        [
            ".systolab-report",
            "accumulators.csv",
            "pareto-tiny-latency.svg",
            "pareto-tiny.svg",
            "points.csv",
            "points.json",
            "report.md"
        ]
    );
    let repository = std::env::current_dir().unwrap();
    for (name, text) in &files {
        for path in [folder.path(), &repository] {
            assert!(!text.contains(path.to_str().unwrap()), "{name} contains {}", path.display());
        }
        assert!(!has_date(text), "{name} contains a date");
    }
}

/// Whether there is a year, month and day as in 2001-12-31.
fn has_date(text: &str) -> bool {
    text.as_bytes().windows(10).any(|window| {
        window.iter().enumerate().all(|(index, byte)| match index {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
    })
}

#[test]
fn dates_are_seen() {
    assert!(has_date("made on 2001-12-31."));
    assert!(!has_date("resnet8-width16, 2001–2002"));
}

#[test]
fn stdout_is_the_file_of_that_format() {
    let folder = tempfile::tempdir().unwrap();
    for (format, file) in [("csv", "points.csv"), ("json", "points.json"), ("markdown", "report.md")] {
        let (stdout, files) = evaluate(&folder.path().join("out"), format, 2);
        assert_eq!(stdout, files[file], "{format}");
    }
}

#[test]
fn json_has_the_rows_of_the_csv() {
    let folder = tempfile::tempdir().unwrap();
    let (_, files) = evaluate(&folder.path().join("out"), "table", 2);
    let json: Value = serde_json::from_str(&files["points.json"]).unwrap();
    let points = json["points"].as_array().unwrap();
    let rows = rows(&files);
    assert_eq!(points.len(), rows.len());
    for (point, row) in points.iter().zip(&rows) {
        for (key, value) in point.as_object().unwrap() {
            match value {
                Value::Object(_) => continue,
                Value::Null => assert_eq!(row[key], "", "{key}"),
                Value::String(text) => assert_eq!(row[key], *text, "{key}"),
                number => close(key, row[key].parse().unwrap(), number.as_f64().unwrap()),
            }
        }
    }
}

#[test]
fn derived_columns_follow_from_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (_, files) = evaluate(&folder.path().join("out"), "table", 2);
    let rows = rows(&files);
    let mut checked = 0;
    for row in &rows {
        let number = |column: &str| -> f64 { row[column].parse().unwrap() };
        if row["latency_s"].is_empty() {
            assert!(row["note"].starts_with("not supported: pair ("), "{row:?}");
            continue;
        }
        let components: f64 = row
            .iter()
            .filter(|(column, value)| is_component(column) && !value.is_empty())
            .map(|(_, value)| value.parse::<f64>().unwrap())
            .sum();
        let energy = number("energy_per_image_uj");
        let per_s = number("images_per_s");
        close("energy of the components", components, energy);
        close("images per second", per_s, number("batch") / number("latency_s"));
        close("TOPS per W", number("tops_per_w"), 2.0 * number("macs") / (energy * 1e-6) / 1e12);
        close("average power", number("average_power_w"), energy * 1e-6 * per_s);
        assert!(number("energy_low_uj") <= energy && energy <= number("energy_high_uj"), "{row:?}");
        assert!((0.0..=1.0).contains(&number("utilization")), "{row:?}");
        if row["accuracy_kind"] == "measured" {
            let top1 = number("top1_percent");
            assert!(number("top1_low") <= top1 && top1 <= number("top1_high"), "{row:?}");
            assert_eq!(row["n"], "16");
        }
        checked += 1;
    }
    // Two designs run three networks and the third one of them, at three requests each.
    assert_eq!((rows.len(), checked), (23, 21));
}

fn is_component(column: &str) -> bool {
    column.starts_with("energy_")
        && column.ends_with("_uj")
        && !["energy_per_image_uj", "energy_low_uj", "energy_high_uj"].contains(&column)
}

#[test]
fn layers_of_a_simulation_add_up_to_its_totals() {
    for network in ["networks/tiny-4-bit.toml", "networks/tiny-bf16.toml", "untrained.toml"] {
        for request in [&["--cold"][..], &["--batch", "7"]] {
            let arguments = ["simulate", "--hw", "edge-32x32", "--workload", network, "--format", "json"];
            let json: Value =
                serde_json::from_str(&systolab(&[&arguments[..], request].concat(), 1)).unwrap();
            let (layers, totals) = (json["layers"].as_array().unwrap(), &json["totals"]);
            for part in layers.iter().chain([totals]) {
                let causes = part["cycles_by_cause"].as_object().unwrap();
                assert_eq!(causes.len(), 7);
                let sum: i64 = causes.values().map(|cycles| cycles.as_i64().unwrap()).sum();
                assert_eq!(Some(sum), part["cycles"].as_i64(), "{network}, cycles by cause");
            }
            for key in ["cycles", "compute_cycles", "stall_cycles", "macs"] {
                let sum: u64 = layers.iter().map(|layer| layer[key].as_u64().unwrap()).sum();
                assert_eq!(Some(sum), totals[key].as_u64(), "{network}, {key}");
            }
            for (key, total) in
                [("low", "energy_low_pj"), ("typical", "energy_pj"), ("high", "energy_high_pj")]
            {
                let sum: f64 = layers
                    .iter()
                    .flat_map(|layer| layer["energy_pj"].as_object().unwrap().values())
                    .map(|component| component[key].as_f64().unwrap())
                    .sum();
                close(total, sum, totals[total].as_f64().unwrap());
            }
            let images = json["batch"].as_f64().unwrap();
            let number = |key: &str| totals[key].as_f64().unwrap();
            close("energy per image", number("energy_per_image_pj") * images, number("energy_pj"));
            close("images per second", number("images_per_s") * number("latency_s"), images);
        }
    }
}

/// Counts of the layers times the prices of the cost table, multiplied here: what `simulate` and the
/// reference report say, of every network on every design that the report has in cold batch 1.
#[test]
fn action_counts_times_prices_are_the_energies_of_the_reference_report() {
    let reference = fs::read_to_string("reports/reference/points.csv").unwrap();
    let reference: Vec<BTreeMap<String, String>> =
        csv::Reader::from_reader(reference.as_bytes()).deserialize().map(Result::unwrap).collect();
    let run = |arguments: &[&str]| -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_systolab")).args(arguments).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let mut designs: BTreeMap<&str, BTreeMap<String, [f64; 3]>> = BTreeMap::new();
    let mut checked = 0;
    for row in reference.iter().filter(|row| row["regime"] == "cold" && !row["latency_s"].is_empty()) {
        let (design, network) = (row["design"].as_str(), row["network"].as_str());
        let prices = designs
            .entry(design)
            .or_insert_with(|| prices(&run(&["cost-table", "--hw", design, "--format", "json"])));
        let simulation =
            run(&["simulate", "--hw", design, "--workload", network, "--cold", "--format", "json"]);
        let mut energy_pj = [0.0; 3];
        for layer in simulation["layers"].as_array().unwrap() {
            for (action, count) in layer["actions"].as_object().unwrap() {
                for (sum, price) in energy_pj.iter_mut().zip(prices[action]) {
                    *sum += count.as_f64().unwrap() * price;
                }
            }
        }
        let columns = ["energy_low_uj", "energy_per_image_uj", "energy_high_uj"];
        for ((column, total), energy_pj) in
            columns.into_iter().zip(["energy_low_pj", "energy_pj", "energy_high_pj"]).zip(energy_pj)
        {
            close(
                &format!("{network} on {design}, {total}"),
                energy_pj,
                simulation["totals"][total].as_f64().unwrap(),
            );
            close(
                &format!("{network} on {design}, {column}"),
                energy_pj * 1e-6,
                row[column].parse().unwrap(),
            );
        }
        let latency_s = simulation["totals"]["latency_s"].as_f64().unwrap();
        close(&format!("latency of {network} on {design}"), latency_s, row["latency_s"].parse().unwrap());
        checked += 1;
    }
    assert!(checked > 80, "only {checked} rows");
}

/// Low, typical and high value of every key of a cost table of one design.
fn prices(table: &Value) -> BTreeMap<String, [f64; 3]> {
    let range = |row: &Value| ["low", "typical", "high"].map(|bound| row[bound].as_f64().unwrap());
    let rows = table["technologies"][0]["rows"].as_array().unwrap().iter();
    let mut prices: BTreeMap<String, [f64; 3]> =
        rows.map(|row| (row["key"].as_str().unwrap().to_owned(), range(row))).collect();
    for scratchpad in table["designs"][0]["scratchpads"].as_array().unwrap() {
        for access in ["read", "write"] {
            let name = format!("{}, {access}", scratchpad["name"].as_str().unwrap());
            prices.insert(name, range(&scratchpad[access]));
        }
    }
    prices
}

#[test]
fn simulate_and_evaluate_agree() {
    let folder = tempfile::tempdir().unwrap();
    let (_, files) = evaluate(&folder.path().join("out"), "table", 1);
    let arguments = ["simulate", "--hw", "edge-32x32", "--workload", "networks/tiny-4-bit.toml"];
    let arguments = [&arguments[..], &["--batch", "64", "--format", "json"]].concat();
    let json: Value = serde_json::from_str(&systolab(&arguments, 1)).unwrap();
    let rows = rows(&files);
    let row = rows
        .iter()
        .find(|row| row["design"] == "edge-32x32" && row["network"] == "tiny-4-bit" && row["batch"] == "64")
        .unwrap();
    let number = |key: &str| json["totals"][key].as_f64().unwrap();
    close("latency", row["latency_s"].parse().unwrap(), number("latency_s"));
    close("energy", row["energy_per_image_uj"].parse().unwrap(), number("energy_per_image_pj") * 1e-6);
    close("utilization", row["utilization"].parse().unwrap(), number("utilization"));
}

#[test]
fn simulate_writes_its_layers_as_tables_and_bars() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("layers");
    let arguments = ["simulate", "--hw", "edge-32x32", "--workload", "networks/tiny-4-bit.toml"];
    let out_arguments = ["--out", out.to_str().unwrap()];
    systolab(&[&arguments[..], &out_arguments, &["--format", "json"]].concat(), 1);
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    assert_eq!(read("simulation.json"), systolab(&[&arguments[..], &["--format", "json"]].concat(), 1));
    assert_eq!(read("layers.csv"), systolab(&[&arguments[..], &["--format", "csv"]].concat(), 1));
    for (name, texts) in [("cycles.svg", ["memory stall", "stem"]), ("energy.svg", ["multiplier", "stem"])] {
        let svg = read(name);
        assert!(texts.iter().all(|text| svg.contains(text)), "{name}");
    }
    assert!(read("roofline.svg").contains("op per DRAM byte"));
    let help = read("help.csv");
    let mut rows = csv::Reader::from_reader(help.as_bytes());
    let headers: Vec<String> = rows.headers().unwrap().iter().map(str::to_owned).collect();
    let changes = ["2× bandwidth", "2× buffers", "2× rows", "2× columns", "int4 lanes"];
    assert_eq!(headers, [&["layer", "cycles"][..], &changes].concat());
    let total = rows.records().map(Result::unwrap).last().unwrap();
    let json: Value = serde_json::from_str(&read("simulation.json")).unwrap();
    assert_eq!(total[1], json["totals"]["cycles"].to_string());
    assert!(total[2].parse::<f64>().unwrap() > 1.0, "a small network waits for DRAM: {help}");
}

#[test]
fn designs_of_different_technologies_share_no_plot() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = fs::read_to_string("hw-configs/edge-32x32.toml").unwrap();
    let other = shipped.replace("\"7nm\"", "\"45nm\"").replace("\"edge-32x32\"", "\"at-45nm\"");
    let design = folder.path().join("at-45nm.toml");
    fs::write(&design, other).unwrap();
    let out = folder.path().join("report");
    let designs = ["--hw", "edge-32x32", "--hw", design.to_str().unwrap()];
    let rest = ["--workload", "networks", "--out", out.to_str().unwrap()];
    let stdout = systolab(&[&["evaluate"], &designs[..], &rest[..]].concat(), 1);
    assert!(stdout.contains("share no plot: at-45nm in 45nm, edge-32x32 in 7nm."), "{stdout}");
    let plot = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    for (name, design, other) in
        [("pareto-tiny.svg", "at-45nm", "edge-32x32"), ("pareto-tiny.2.svg", "edge-32x32", "at-45nm")]
    {
        let svg = plot(name);
        assert!(svg.contains(design) && !svg.contains(other), "{name}");
    }
}

/// README's tables are the tool's own: each stands between a comment that says where it comes from and
/// `<!-- end -->`. `BLESS=1` rewrites them.
#[test]
fn readme_shows_what_the_tool_prints() {
    let readme = fs::read_to_string("README.md").unwrap();
    let mut expected = String::new();
    let mut rest = readme.as_str();
    let mut blocks = 0;
    while let Some((before, from)) = rest.split_once("<!-- ") {
        let (origin, block) = from.split_once(" -->\n").unwrap();
        let (_, after) = block.split_once("<!-- end -->").expect("a block ends");
        expected += &format!("{before}<!-- {origin} -->\n{}<!-- end -->", origin_of(origin));
        rest = after;
        blocks += 1;
    }
    expected += rest;
    if std::env::var_os("BLESS").is_some() {
        fs::write("README.md", &expected).unwrap();
    } else {
        assert!(readme == expected, "README.md is not what the tool prints; BLESS=1 rewrites it");
    }
    assert!(blocks >= 3);
    assert!(readme.contains("(reports/reference/pareto-resnet8-fashion-mnist.svg)"));
}

/// Cycles of a network's layers: of SCALE-Sim as it ran (`FOLDER/scalesim.csv`, by tests/oracles/scalesim/layers.py),
/// of its mode here, which must agree, and of our model.
fn three_ways(folder: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_systolab"));
    command.args(["simulate", "--hw", "edge-32x32", "--workload", "workloads/imagenet/resnet18-w8a8.toml"]);
    let output = command.args(["--timing", "scalesim", "--format", "json"]).output().unwrap();
    let ours: Value = serde_json::from_slice(&output.stdout).unwrap();
    let layers = ours["layers"].as_array().unwrap();
    let text = fs::read_to_string(format!("{folder}/scalesim.csv")).unwrap();
    let theirs: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    assert_eq!(theirs.len(), layers.len());
    let mut table = "| layer | M×N×K | SCALE-Sim 3.0.0 | `--timing scalesim` | ours, array alone | ours |\n\
                     | --- | --- | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    let mut sums = [0; 4];
    let number = |value: &Value| value.as_u64().unwrap();
    for (theirs, layer) in theirs.iter().zip(layers) {
        let count = |column: usize| theirs[column].parse::<u64>().unwrap();
        assert_eq!(theirs[0], layer["name"]);
        assert_eq!(count(3), number(&layer["cycles"]), "{}", theirs[0]);
        assert_eq!(count(25) + count(28), number(&layer["dram_read_bytes"]), "{}", theirs[0]);
        assert_eq!(count(31), number(&layer["dram_write_bytes"]), "{}", theirs[0]);
        let ours = &layer["ours"];
        let cells =
            [count(3), number(&layer["cycles"]), number(&ours["compute_cycles"]), number(&ours["cycles"])];
        let [m, n, k] = ["m", "n", "k"].map(|extent| number(&layer[extent]));
        let [a, b, c, d] = cells;
        table += &format!("| {} | {m}×{n}×{k} | {a} | {b} | {c} | {d} |\n", theirs[0]);
        for (sum, cell) in sums.iter_mut().zip(cells) {
            *sum += cell;
        }
    }
    let [a, b, c, d] = sums;
    table + &format!("| total |  | {a} | {b} | {c} | {d} |\n")
}

/// `$ systolab …[, first table]`, three ways to time a network, or a report, of which only the rows of one design.
fn origin_of(origin: &str) -> String {
    if let Some(folder) = origin.strip_suffix(", three ways") {
        return three_ways(folder);
    }
    if let Some(command) = origin.strip_prefix("$ systolab ") {
        let (command, first) = command.strip_suffix(", first table").map_or((command, false), |c| (c, true));
        let output = Command::new(env!("CARGO_BIN_EXE_systolab"))
            .args(command.split(' '))
            .env_remove("SYSTOLAB_WORKLOADS")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        return if first {
            text.split_inclusive("\n\n**").next().unwrap().replace("\n\n**", "\n")
        } else {
            text
        };
    }
    if let Some((report, title)) = origin.split_once(", table ") {
        let text = fs::read_to_string(report).unwrap();
        let from =
            text.find(&format!("**{title}**")).unwrap_or_else(|| panic!("{report} has no table {title}"));
        return text[from..].split_inclusive("\n\n**").next().unwrap().replace("\n\n**", "\n");
    }
    let (report, design) = origin.split_once(", ").unwrap();
    let other_design = |line: &&str| match line.strip_prefix("| ") {
        Some(row) => !["design ", "--- ", &format!("{design} ")].iter().any(|first| row.starts_with(first)),
        None => {
            line.starts_with("- ") && !line.starts_with("- (") && !line.starts_with(&format!("- {design},"))
        }
    };
    let text = fs::read_to_string(report).unwrap();
    text.split_inclusive('\n').filter(|line| !other_design(line)).collect()
}
