//! Golden vectors of a fold as files for `$readmemh`, with what they are in JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::explore::{Dataflow, GoldenArray, GoldenFold, GoldenLines, Join};

use super::error::ReportError;

/// The version of the object's form; keys are added within a version, never renamed.
const SCHEMA_VERSION: u32 = 1;

/// File names and contents.
pub fn golden_files(golden: &GoldenFold, tool_version: &str) -> Result<Vec<(String, String)>, ReportError> {
    let mut files = Vec::new();
    let mut arrays = Vec::new();
    for (index, array) in golden.arrays.iter().enumerate() {
        let named = memories(golden, array);
        let describe = |(name, lines, about): &(&str, &GoldenLines, &str)| {
            let file = format!("array{index}-{name}.memh");
            let entry = json!({
                "file": file,
                "field_bits": lines.field_bits,
                "fields_per_line": lines.lines.first().map_or(0, Vec::len),
                "lines": lines.lines.len(),
                "order": about,
            });
            ((*name).to_owned(), entry)
        };
        let memories: serde_json::Map<String, Value> = named.iter().map(describe).collect();
        arrays.push(json!({
            "m": array.m,
            "n": array.n,
            "pixels": array.view.pixels,
            "channels": array.view.channels,
            "rows": array.view.rows,
            "columns": array.view.columns,
            "vectors": array.view.vectors,
            "memories": memories,
        }));
        for (name, lines, about) in named {
            files.push((format!("array{index}-{name}.memh"), memh(lines, about)));
        }
    }
    let GoldenFold { gemm, fold, .. } = golden;
    let [activation, weight, partial_sum, accumulator, output] = &golden.formats;
    let [design, network, trace] = &golden.sha256;
    let about = json!({
        "schema_version": SCHEMA_VERSION,
        "tool_version": tool_version,
        "hardware": golden.hardware,
        "workload": golden.workload,
        "image": golden.image,
        "layer": golden.layer,
        "fold": golden.index,
        "folds": golden.folds,
        "dataflow": golden.dataflow.to_string(),
        "join": match golden.join {
            Join::PerFold => "per-fold",
            Join::Chained => "chained",
        },
        "lanes_along_k": golden.lanes[0],
        "lanes_along_n": golden.lanes[1],
        "gemm": { "m": gemm.m, "n": gemm.n, "k": gemm.k, "groups": gemm.groups },
        "group": fold.group,
        "k": fold.k,
        "depth": fold.depth,
        "formats": {
            "activation": activation,
            "weight": weight,
            "partial_sum": partial_sum,
            "accumulator": accumulator,
            "output": output,
        },
        "arrays": arrays,
        "sha256": { "design": design, "network": network, "trace": trace },
    });
    files.push(("fold.json".to_owned(), serde_json::to_string_pretty(&about)? + "\n"));
    Ok(files)
}

/// Name, content and order of the lines.
fn memories<'a>(
    golden: &GoldenFold,
    array: &'a GoldenArray,
) -> Vec<(&'static str, &'a GoldenLines, &'static str)> {
    const LOAD: &str = "one row of the array per line in load order, the last row first; first column lowest";
    const FEED: &str = "one vector per line in feed order; first row lowest";
    let (weights, activations, sums) = match golden.dataflow {
        Dataflow::Ws => (LOAD, FEED, "one vector per line in feed order; first column lowest"),
        Dataflow::Is => (FEED, LOAD, "one vector per line in feed order; first column lowest"),
        Dataflow::Os => (
            "one step per line in feed order; first column lowest",
            "one step per line in feed order; first row lowest",
            "one row of the array per line in drain order, the last row first; first column lowest",
        ),
    };
    let mut memories = vec![
        ("weights", &array.weights, weights),
        ("activations", &array.activations, activations),
        ("partial-sums", &array.partial_sums, sums),
        ("accumulators", &array.accumulators, sums),
    ];
    memories.extend(array.outputs.as_ref().map(|outputs| ("outputs", outputs, sums)));
    memories
}

/// One hexadecimal word per line, the first field in its lowest bits.
fn memh(lines: &GoldenLines, about: &str) -> String {
    let bits = usize::from(lines.field_bits);
    let mut text = format!("// {about}; fields of {bits} bits\n");
    for fields in &lines.lines {
        let mut word = vec![false; (fields.len() * bits).next_multiple_of(4)];
        for (at, field) in fields.iter().enumerate() {
            for bit in 0..bits {
                word[at * bits + bit] = field >> bit & 1 == 1;
            }
        }
        for digit in word.chunks(4).rev() {
            let value = digit.iter().rev().fold(0, |value, &bit| value << 1 | u8::from(bit));
            let _ = write!(text, "{value:x}"); // writing to a String cannot fail
        }
        text.push('\n');
    }
    text
}
