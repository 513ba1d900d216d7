//! Executed images as a table and as JSON.

use serde_json::{Value, json};

use crate::explore::{Engine, ExecutedLayer, Interval95, MeasuredAccuracy, Origin, Run, RunLayer, wilson};

use super::error::ReportError;
use super::number::significant;
use super::table::Table;

/// The version of the object's form; keys are added within a version, never renamed.
const SCHEMA_VERSION: u32 = 1;
/// Classes of so many images are listed below the table; JSON has all.
const LISTED: usize = 16;

/// One row per layer. Of synthetic networks, nothing that depends on values.
pub fn run_table(run: &Run) -> Table {
    let headers = [
        "layer",
        "op",
        "output per image",
        "stored",
        "engine",
        "order kept (k per fold)",
        "static bound",
        "bits needed",
        "largest accumulator",
        "overflows",
        "MACs with a zero operand (%)",
    ];
    let rows = run.layers.iter().map(|layer| {
        let optional = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
        let array = layer.array.as_ref();
        let seen = array.filter(|_| run.origin == Origin::Trace);
        vec![
            layer.name.clone(),
            layer.op.to_owned(),
            format!("{}×{}×{}", layer.shape.height, layer.shape.width, layer.shape.channels),
            layer.stored.clone(),
            engine(array).to_owned(),
            optional(array.and_then(|array| array.k_per_fold).map(|k| k as u64)),
            optional(seen.and_then(|array| array.static_bound)),
            optional(seen.and_then(|array| array.bits_needed).map(u64::from)),
            optional(seen.and_then(|array| array.largest_accumulator)),
            optional(seen.filter(|array| array.static_bound.is_some()).map(|array| array.overflows)),
            layer.zero_operand_macs.map_or_else(String::new, |macs| {
                significant(100.0 * macs.zero as f64 / macs.all.max(1) as f64, 3)
            }),
        ]
    });
    let images = run.predictions.len();
    Table {
        title: format!(
            "{} on {}, {images} image{} ({})",
            run.workload,
            run.hardware,
            if images == 1 { "" } else { "s" },
            run.images
        ),
        headers: headers.map(str::to_owned).to_vec(),
        rows: rows.collect(),
        notes: notes(run),
    }
}

fn engine(array: Option<&ExecutedLayer>) -> &'static str {
    array.map_or("vector unit", |array| array.engine.name())
}

fn notes(run: &Run) -> Vec<String> {
    let mut notes = Vec::new();
    if let Origin::Synthetic(seed) = run.origin {
        notes.push(format!(
            "synthetic parameters of seed {seed}: the network has no trace, so values mean nothing and neither accuracy nor anything else that depends on them is given"
        ));
    }
    let used = |engine| {
        run.layers.iter().filter_map(|layer| layer.array.as_ref()).any(|array| array.engine == engine)
    };
    if used(Engine::Ordered) {
        notes.push(
            "ordered: these weights can overflow a register, so the definition runs, addition by addition"
                .to_owned(),
        );
    }
    if used(Engine::Portable) {
        notes.push(
            "portable: no fast kernel takes this layer here, so plain loops run; bits are the same"
                .to_owned(),
        );
    }
    if run.origin != Origin::Trace {
        return notes;
    }
    let arrays = || run.layers.iter().filter_map(|layer| layer.array.as_ref());
    let needed = arrays().filter_map(|array| array.bits_needed).max();
    if let (Some(needed), Some(have)) = (needed, arrays().filter_map(|array| array.accumulator_bits).min()) {
        notes.push(format!(
            "accumulators of {needed} bits hold every sum of these weights, whatever the activations; the design has {have}"
        ));
    }
    if let Some((correct, interval)) = accuracy(run) {
        notes.push(format!(
            "top-1 {} % ({correct} of {}; 95 % interval {}–{} %)",
            significant(interval.estimate, 4),
            run.predictions.len(),
            significant(interval.low, 4),
            significant(interval.high, 4)
        ));
    }
    let class = |class: &Option<usize>| class.map_or_else(|| "none".to_owned(), |class| class.to_string());
    let listed: Vec<String> = run.predictions.iter().take(LISTED).map(class).collect();
    let more = if run.predictions.len() > LISTED { ", …" } else { "" };
    notes.push(format!("top-1 class from image {} on: {}{more}", run.first, listed.join(", ")));
    notes
}

fn accuracy(run: &Run) -> Option<(u64, Interval95)> {
    let correct = run.correct?;
    let measured = MeasuredAccuracy {
        evaluation_set: run.images.clone(),
        evaluation_set_sha256: run.images_sha256.clone(),
        correct,
        images: run.predictions.len() as u64,
        framework: None,
    };
    Some((correct, wilson(&measured)?))
}

/// The run as JSON, with the classes of all images.
pub fn run_json(run: &Run, tool_version: &str) -> Result<String, ReportError> {
    let (values, seed) = match run.origin {
        Origin::Trace => ("trace", None),
        Origin::Synthetic(seed) => ("synthetic", Some(seed)),
    };
    let trained = run.origin == Origin::Trace;
    let top1 = accuracy(run).map(|(correct, interval)| {
        json!({
            "correct": correct,
            "images": run.predictions.len(),
            "percent": interval.estimate,
            "low_percent": interval.low,
            "high_percent": interval.high,
        })
    });
    let object = json!({
        "schema_version": SCHEMA_VERSION,
        "tool_version": tool_version,
        "hardware": run.hardware,
        "workload": run.workload,
        "parameters": values,
        "seed": seed,
        "images": { "source": run.images, "first": run.first, "count": run.predictions.len() },
        "top1": top1,
        "predictions": trained.then_some(&run.predictions),
        "layers": run.layers.iter().map(|layer| layer_json(layer, trained)).collect::<Vec<_>>(),
        "sha256": {
            "design": run.hardware_sha256,
            "network": run.workload_sha256,
            "trace": run.trace_sha256,
            "images": run.images_sha256,
        },
    });
    Ok(serde_json::to_string_pretty(&object)? + "\n")
}

fn layer_json(layer: &RunLayer, trained: bool) -> Value {
    let array = layer.array.as_ref();
    let seen = array.filter(|_| trained);
    json!({
        "name": layer.name,
        "op": layer.op,
        "output": [layer.shape.height, layer.shape.width, layer.shape.channels],
        "stored": layer.stored,
        "engine": engine(array),
        "k_per_fold": array.and_then(|array| array.k_per_fold),
        "static_bound": seen.and_then(|array| array.static_bound),
        "bits_needed": seen.and_then(|array| array.bits_needed),
        "largest_accumulator": seen.and_then(|array| array.largest_accumulator),
        "overflows": seen.filter(|array| array.static_bound.is_some()).map(|array| array.overflows),
        "accumulator_bits": array.and_then(|array| array.accumulator_bits),
        "macs": layer.zero_operand_macs.map(|macs| macs.all),
        "zero_operand_macs": layer.zero_operand_macs.map(|macs| macs.zero),
    })
}

/// One line for the metadata of the run's tensors: what made them.
pub fn run_about(run: &Run, tool_version: &str) -> String {
    let values = match run.origin {
        Origin::Trace => format!("trace {}", run.trace_sha256),
        Origin::Synthetic(seed) => format!("synthetic values of seed {seed}"),
    };
    format!(
        "{tool_version}: {} on {} ({values}), images from {} on ({})",
        run.workload, run.hardware, run.first, run.images
    )
}
