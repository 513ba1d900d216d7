//! What accumulators can and did hold, per executed layer.

use crate::explore::Execution;

use super::table::Table;

/// One row per execution and layer on the array.
pub fn executions_table(executions: &[Execution]) -> Table {
    let headers = [
        "network",
        "designs",
        "layer",
        "order_kept_k_per_fold",
        "static_bound",
        "bits_needed",
        "largest_accumulator",
        "overflows",
    ];
    let optional = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
    let rows = executions.iter().flat_map(|execution| {
        execution.layers.iter().map(move |layer| {
            vec![
                execution.network.clone(),
                execution.designs.join(" "),
                layer.name.clone(),
                optional(layer.k_per_fold.map(|k| k as u64)),
                optional(layer.static_bound),
                optional(layer.bits_needed.map(u64::from)),
                optional(layer.largest_accumulator),
                layer.overflows.to_string(),
            ]
        })
    });
    Table {
        title: "Accumulators of every executed layer".to_owned(),
        headers: headers.map(str::to_owned).to_vec(),
        rows: rows.collect(),
        notes: vec![],
    }
}
