//! SCALE-Sim's numbers for a network, beside ours.

use serde_json::json;

use crate::explore::{ComparedLayer, ScaleSimComparison};

use super::error::ReportError;
use super::number::significant;
use super::table::Table;

/// One row per layer that SCALE-Sim has, and one for all of them.
pub fn scalesim_table(comparison: &ScaleSimComparison) -> Table {
    let headers = [
        "layer",
        "m",
        "n",
        "k",
        "groups",
        "MACs",
        "SCALE-Sim cycles",
        "our array cycles",
        "our cycles",
        "SCALE-Sim utilization (%)",
        "our utilization (%)",
        "SCALE-Sim DRAM read (words)",
        "our DRAM read (B)",
        "SCALE-Sim DRAM write (words)",
        "our DRAM write (B)",
    ];
    let percent = |share: f64| significant(share * 100.0, 3);
    let pes = (comparison.configuration.rows * comparison.configuration.cols) as f64;
    let utilization = |macs: u64, cycles: u64| percent(macs as f64 / (pes * cycles as f64));
    let mut rows: Vec<Vec<String>> = comparison
        .layers
        .iter()
        .map(|layer| {
            let ours = &layer.ours;
            vec![
                ours.name.clone(),
                ours.m.to_string(),
                ours.n.to_string(),
                ours.k.to_string(),
                ours.groups.to_string(),
                ours.macs.to_string(),
                layer.scalesim_cycles().to_string(),
                ours.compute_cycles.to_string(),
                ours.cycles.to_string(),
                utilization(ours.macs, layer.scalesim_cycles()),
                percent(ours.utilization),
                layer.scalesim_dram_reads().to_string(),
                ours.dram_read_bytes.to_string(),
                layer.scalesim_dram_writes().to_string(),
                ours.dram_write_bytes.to_string(),
            ]
        })
        .collect();
    let sum = |count: fn(&ComparedLayer) -> u64| comparison.layers.iter().map(count).sum::<u64>();
    let (macs, cycles) = (sum(|layer| layer.ours.macs), sum(ComparedLayer::scalesim_cycles));
    let mut total = vec![String::new(); headers.len()];
    for (column, text) in [
        (0, "total".to_owned()),
        (5, macs.to_string()),
        (6, cycles.to_string()),
        (7, sum(|layer| layer.ours.compute_cycles).to_string()),
        (8, sum(|layer| layer.ours.cycles).to_string()),
        (9, utilization(macs, cycles)),
        (11, sum(ComparedLayer::scalesim_dram_reads).to_string()),
        (12, sum(|layer| layer.ours.dram_read_bytes).to_string()),
        (13, sum(ComparedLayer::scalesim_dram_writes).to_string()),
        (14, sum(|layer| layer.ours.dram_write_bytes).to_string()),
    ] {
        total[column] = text;
    }
    rows.push(total);
    let ours = &comparison.ours;
    Table {
        title: format!("{} on {}, timed by SCALE-Sim 3.0.0 and by systolab ({})", ours.workload, ours.hardware, ours.regime),
        headers: headers.map(str::to_owned).to_vec(),
        rows,
        notes: vec![given(comparison), "SCALE-Sim has no pooling, vector unit, padding (larger inputs are entered), groups (entered one by one), lanes, second array, bit width or energy".to_owned()],
    }
}

/// What SCALE-Sim is given.
fn given(comparison: &ScaleSimComparison) -> String {
    let configuration = &comparison.configuration;
    let sram = configuration.sram;
    format!(
        "SCALE-Sim: {}×{}, {}, CALC mode, SRAMs of {}, {} and {} kB",
        configuration.rows,
        configuration.cols,
        configuration.dataflow,
        sram.ifmap_bytes / 1024,
        sram.filter_bytes / 1024,
        sram.ofmap_bytes / 1024
    )
}

/// The names that `simulate` has for its own models, and what is SCALE-Sim's alone. Energy is absent.
pub fn scalesim_json(comparison: &ScaleSimComparison, tool_version: &str) -> Result<String, ReportError> {
    let pes = comparison.configuration.rows * comparison.configuration.cols;
    let utilization = |macs: u64, cycles: u64| macs as f64 / (pes as f64 * cycles as f64);
    let sum = |count: fn(&ComparedLayer) -> u64| comparison.layers.iter().map(count).sum::<u64>();
    let (macs, cycles) = (sum(|layer| layer.ours.macs), sum(ComparedLayer::scalesim_cycles));
    let layers: Vec<_> = comparison
        .layers
        .iter()
        .map(|layer| {
            let (ours, report) = (&layer.ours, &layer.scalesim);
            json!({
                "name": ours.name,
                "op": ours.op,
                "m": ours.m,
                "n": ours.n,
                "k": ours.k,
                "groups": ours.groups,
                "macs": ours.macs,
                "cycles": layer.scalesim_cycles(),
                "compute_cycles": layer.scalesim_cycles(),
                "stall_cycles": 0,
                "utilization": utilization(ours.macs, layer.scalesim_cycles()),
                "mapping_utilization": report.compute.mapping_efficiency / 100.0,
                "dram_read_bytes": layer.scalesim_dram_reads(),
                "dram_write_bytes": layer.scalesim_dram_writes(),
                "ours": { "cycles": ours.cycles, "compute_cycles": ours.compute_cycles },
            })
        })
        .collect();
    let document = json!({
        "schema_version": 1,
        "tool_version": tool_version,
        "hardware": comparison.ours.hardware,
        "workload": comparison.ours.workload,
        "timing": "scalesim",
        "batch": comparison.ours.batch,
        "regime": comparison.ours.regime.to_string(),
        "scalesim": given(comparison),
        "totals": {
            "cycles": cycles,
            "compute_cycles": cycles,
            "stall_cycles": 0,
            "latency_s": cycles as f64 / comparison.frequency_hz as f64,
            "images_per_s": comparison.frequency_hz as f64 / cycles as f64,
            "macs": macs,
            "utilization": utilization(macs, cycles),
        },
        "energy_excluded": ["everything (SCALE-Sim has no energy)"],
        "layers": layers,
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}
