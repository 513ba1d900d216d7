//! A validation as a table and as JSON.

use serde_json::{Value as Json, json};

use crate::validate::{Comparison, FirstDifference, LayerOverflows, Place, Validation, Value};

use super::error::ReportError;
use super::number::significant;
use super::table::Table;

/// All bits are.
const EQUAL: &str = "equal";
/// Not all bits are equal, and none is further away than was allowed.
const WITHIN: &str = "within the tolerance";

/// The version of the object's form; keys are added within a version, never renamed.
const SCHEMA_VERSION: u32 = 1;

/// One row per compared tensor, and below it where the first difference was made.
pub fn validation_table(validation: &Validation) -> Table {
    let rows = validation.tensors.iter().map(|tensor| {
        let found = &tensor.comparison;
        let share = 100.0 * found.differing as f64 / found.elements.max(1) as f64;
        vec![
            tensor.name.clone(),
            result(found).to_owned(),
            found.elements.to_string(),
            found.differing.to_string(),
            significant(share, 3),
            if found.largest_difference.is_infinite() {
                "infinite".to_owned()
            } else {
                significant(found.largest_difference, 6)
            },
        ]
    });
    let mut notes = Vec::new();
    if !validation.not_given.is_empty() {
        notes.push(format!("not in the expected file: {}", validation.not_given.join(", ")));
    }
    match &validation.first {
        None if validation.tensors.iter().all(|tensor| result(&tensor.comparison) == EQUAL) => {
            notes.push(EQUAL.to_owned());
        }
        None => notes.push(WITHIN.to_owned()),
        Some(first) => notes.extend(difference_notes(first)),
    }
    let run = &validation.run;
    Table {
        title: format!(
            "{} on {} against expected values, {} image{} ({})",
            run.workload,
            run.hardware,
            run.predictions.len(),
            if run.predictions.len() == 1 { "" } else { "s" },
            run.images
        ),
        headers: ["tensor", "result", "elements", "differing", "share (%)", "largest difference"]
            .map(str::to_owned)
            .to_vec(),
        rows: rows.collect(),
        notes,
    }
}

fn result(found: &Comparison) -> &'static str {
    match found {
        Comparison { differing: 0, unequal: 0, .. } => EQUAL,
        Comparison { differing: 0, .. } => WITHIN,
        _ => "differs",
    }
}

fn difference_notes(first: &FirstDifference) -> Vec<String> {
    let mut notes = vec![format!(
        "first difference: `{}` {:?}: {} here, {} expected",
        first.name,
        first.index,
        text(first.ours),
        text(first.expected)
    )];
    if let Some(accumulator) = first.accumulator {
        notes.push(format!("accumulator before requantization: {}", text(accumulator)));
    }
    match &first.place {
        None => notes.push("made on the vector unit or on the host, not in the array".to_owned()),
        Some(place) => notes.push(place_text(place)),
    }
    notes.extend(first.overflows.iter().map(|layer| overflow_text(layer, first)));
    notes
}

fn overflow_text(overflows: &LayerOverflows, first: &FirstDifference) -> String {
    let LayerOverflows { layer, additions, partial_sum_bits, accumulator_bits, .. } = overflows;
    let one = *additions == 1;
    format!(
        "overflow: {additions} {} of `{layer}` left {} register and {} (partial sums of {partial_sum_bits} bits, accumulators \
         of {accumulator_bits}), which may be why `{}` differs",
        if one { "addition" } else { "additions" },
        if one { "its" } else { "their" },
        became(overflows),
        first.name
    )
}

fn became(overflows: &LayerOverflows) -> &'static str {
    if overflows.saturated { "saturated" } else { "wrapped" }
}

fn place_text(place: &Place) -> String {
    let Place { gemm, group, m, n, dataflow, fold, k_folds, array, row, column, cycle } = place;
    let row = row.map_or_else(String::new, |row| format!(" row {row},"));
    format!(
        "GEMM m = {m} of {}, n = {n} of {}, k = 0…{}, group {group} of {}; {dataflow}, last of {k_folds} folds along k: fold {fold}, array {array},{row} column {column}; accumulator readable in cycle {cycle} of the layer (operands always there)",
        gemm.m,
        gemm.n,
        gemm.k - 1,
        gemm.groups
    )
}

fn text(value: Value) -> String {
    let digits = usize::from(value.width()).div_ceil(4);
    let bits = format!("0x{:0digits$x}", value.bits());
    match value {
        Value::Integer(value, _) => format!("{value} ({bits})"),
        Value::Bf16(value) => format!("{value} ({bits})"),
        Value::F32(value) => format!("{value} ({bits})"),
    }
}

/// The validation as JSON.
pub fn validation_json(validation: &Validation, tool_version: &str) -> Result<String, ReportError> {
    let run = &validation.run;
    let tensors = validation.tensors.iter().map(|tensor| {
        let found = &tensor.comparison;
        let largest = found.largest_difference;
        json!({
            "name": tensor.name,
            "result": result(found),
            "elements": found.elements,
            "differing": found.differing,
            "unequal_bits": found.unequal,
            "largest_difference": largest.is_finite().then_some(largest),
        })
    });
    let object = json!({
        "schema_version": SCHEMA_VERSION,
        "tool_version": tool_version,
        "hardware": run.hardware,
        "workload": run.workload,
        "images": { "source": run.images, "first": run.first, "count": run.predictions.len() },
        "accepted": validation.first.is_none(),
        "tensors": tensors.collect::<Vec<_>>(),
        "not_given": validation.not_given,
        "first_difference": validation.first.as_ref().map(difference_json),
        "sha256": {
            "design": run.hardware_sha256,
            "network": run.workload_sha256,
            "trace": run.trace_sha256,
            "images": run.images_sha256,
        },
    });
    Ok(serde_json::to_string_pretty(&object)? + "\n")
}

fn difference_json(first: &FirstDifference) -> Json {
    let value = |value: Value| {
        let number = value.to_f64();
        json!({ "value": number.is_finite().then_some(number), "bits": value.bits(), "width": value.width() })
    };
    let place = first.place.as_ref().map(|place| {
        json!({
            "m": place.m,
            "n": place.n,
            "k": place.gemm.k,
            "group": place.group,
            "dataflow": place.dataflow.to_string(),
            "fold": place.fold,
            "k_folds": place.k_folds,
            "array": place.array,
            "row": place.row,
            "column": place.column,
            "cycle": place.cycle,
        })
    });
    json!({
        "tensor": first.name,
        "index": first.index,
        "ours": value(first.ours),
        "expected": value(first.expected),
        "accumulator": first.accumulator.map(value),
        "place": place,
        "overflows": first.overflows.iter().map(overflow_json).collect::<Vec<_>>(),
    })
}

fn overflow_json(layer: &LayerOverflows) -> Json {
    json!({
        "layer": layer.layer,
        "additions": layer.additions,
        "became": became(layer),
        "partial_sum_bits": layer.partial_sum_bits,
        "accumulator_bits": layer.accumulator_bits,
    })
}
