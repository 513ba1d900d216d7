//! A simulation as a table and as JSON.

use serde_json::{Map, Value, json};

use crate::explore::{CYCLE_CAUSES, Range, Roofline, SimulatedLayer, Simulation, TimingModel, WhatWouldHelp};

use super::error::ReportError;
use super::number::significant;
use super::table::Table;

/// What a table of a simulation shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimulationColumns {
    /// What fits a wide terminal.
    Main,
    /// The cycles by cause too.
    All,
}

/// One row per layer and one for the request.
pub fn simulation_table(simulation: &Simulation, columns: SimulationColumns) -> Table {
    let headers = [
        "layer",
        "op",
        "m",
        "n",
        "k",
        "groups",
        "activation",
        "weight",
        "MACs",
        "cycles",
        "compute cycles",
        "stall cycles",
        "utilization (%)",
        "mapping utilization (%)",
        "energy (µJ)",
        "energy low (µJ)",
        "energy high (µJ)",
        "DRAM read (B)",
        "DRAM write (B)",
    ];
    let uj = |pj: f64| significant(pj * 1e-6, 4);
    let percent = |share: f64| significant(share * 100.0, 3);
    let mut rows: Vec<Vec<String>> = simulation
        .layers
        .iter()
        .map(|layer| {
            let energy = layer_energy(layer);
            vec![
                layer.name.clone(),
                layer.op.to_owned(),
                layer.m.to_string(),
                layer.n.to_string(),
                layer.k.to_string(),
                layer.groups.to_string(),
                layer.activation_format.clone(),
                layer.weight_format.clone(),
                layer.macs.to_string(),
                layer.cycles.to_string(),
                layer.compute_cycles.to_string(),
                layer.stall_cycles.to_string(),
                percent(layer.utilization),
                percent(layer.mapping_utilization),
                uj(energy.typical),
                uj(energy.low),
                uj(energy.high),
                layer.dram_read_bytes.to_string(),
                layer.dram_write_bytes.to_string(),
            ]
        })
        .collect();
    let totals = &simulation.totals;
    let mut total = vec![String::new(); headers.len()];
    for (column, text) in [
        (0, "total".to_owned()),
        (8, totals.macs.to_string()),
        (9, totals.cycles.to_string()),
        (10, totals.compute_cycles.to_string()),
        (11, totals.stall_cycles.to_string()),
        (12, percent(totals.utilization)),
        (14, uj(totals.energy_pj.typical)),
        (15, uj(totals.energy_pj.low)),
        (16, uj(totals.energy_pj.high)),
        (17, simulation.layers.iter().map(|layer| layer.dram_read_bytes).sum::<u64>().to_string()),
        (18, simulation.layers.iter().map(|layer| layer.dram_write_bytes).sum::<u64>().to_string()),
    ] {
        total[column] = text;
    }
    rows.push(total);
    let mut headers: Vec<String> = headers.map(str::to_owned).to_vec();
    if columns == SimulationColumns::All {
        headers.extend(CYCLE_CAUSES.map(|cause| format!("{} cycles", cause.replace('_', " "))));
        let causes = simulation.layers.iter().map(|layer| layer.cycles_by_cause);
        for (row, causes) in rows.iter_mut().zip(causes.chain([totals.cycles_by_cause])) {
            row.extend(causes.map(|cycles| cycles.to_string()));
        }
        headers.extend(
            ["operational intensity (op/B)", "attainable (Gop/s)", "reached (Gop/s)"].map(str::to_owned),
        );
        let rooflines = simulation.layers.iter().map(|layer| layer.roofline);
        for (row, roofline) in rows.iter_mut().zip(rooflines.chain([None])) {
            row.extend(roofline_cells(roofline.as_ref()));
        }
    }
    let shares: Vec<String> = CYCLE_CAUSES
        .iter()
        .zip(totals.cycles_by_cause)
        .map(|(cause, cycles)| {
            format!("{} {} %", cause.replace('_', " "), percent(cycles as f64 / totals.cycles as f64))
        })
        .collect();
    let mut notes = vec![
        format!(
            "latency {} µs, {} images/s, average power {} mW",
            significant(totals.latency_s * 1e6, 4),
            significant(totals.images_per_s, 4),
            significant(totals.average_power_w * 1e3, 4)
        ),
        format!("cycles by cause: {}", shares.join(", ")),
        format!("energy is modelled energy; left out: {}", simulation.energy_excluded.join("; ")),
    ];
    let bank_waits: u64 = simulation.layers.iter().map(|layer| layer.bank_wait_cycles).sum();
    if bank_waits > 0 {
        notes.insert(2, format!("of the memory stall, {bank_waits} cycles wait for banks of a scratchpad"));
    }
    notes.extend(simulation.energy_notes.iter().cloned());
    Table {
        title: format!(
            "{} on {}, {}, batch {}{}",
            simulation.workload,
            simulation.hardware,
            simulation.regime,
            simulation.batch,
            match simulation.timing {
                TimingModel::Pipelined => "",
                TimingModel::Stepped => ", array stepped register by register",
            }
        ),
        headers,
        rows,
        notes,
    }
}

/// Names are added in later versions, never renamed.
pub fn simulation_json(simulation: &Simulation, tool_version: &str) -> Result<String, ReportError> {
    let totals = &simulation.totals;
    let document = json!({
        "schema_version": 1,
        "tool_version": tool_version,
        "hardware": simulation.hardware,
        "workload": simulation.workload,
        "timing": simulation.timing.to_string(),
        "objective": simulation.policy.objective.to_string(),
        "mapper": simulation.policy.mapper.to_string(),
        "batch": simulation.batch,
        "regime": simulation.regime.to_string(),
        "totals": {
            "cycles": totals.cycles,
            "compute_cycles": totals.compute_cycles,
            "stall_cycles": totals.stall_cycles,
            "cycles_by_cause": causes_json(&totals.cycles_by_cause),
            "latency_s": totals.latency_s,
            "images_per_s": totals.images_per_s,
            "energy_pj": totals.energy_pj.typical,
            "energy_low_pj": totals.energy_pj.low,
            "energy_high_pj": totals.energy_pj.high,
            "energy_per_image_pj": totals.energy_per_image_pj,
            "average_power_w": totals.average_power_w,
            "macs": totals.macs,
            "utilization": totals.utilization,
        },
        "energy_excluded": simulation.energy_excluded,
        "energy_notes": simulation.energy_notes,
        "layers": simulation.layers.iter().map(|layer| layer_json(simulation, layer)).collect::<Vec<_>>(),
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn layer_json(simulation: &Simulation, layer: &SimulatedLayer) -> Value {
    let energy: Map<String, Value> = layer
        .energy_pj
        .iter()
        .map(|(component, range)| {
            (component.to_string(), json!({ "low": range.low, "typical": range.typical, "high": range.high }))
        })
        .collect();
    let actions: Map<String, Value> =
        simulation.actions(layer).into_iter().map(|(action, count)| (action, json!(count))).collect();
    json!({
        "name": layer.name,
        "op": layer.op,
        "m": layer.m,
        "n": layer.n,
        "k": layer.k,
        "groups": layer.groups,
        "activation_format": layer.activation_format,
        "weight_format": layer.weight_format,
        "macs": layer.macs,
        "cycles": layer.cycles,
        "compute_cycles": layer.compute_cycles,
        "stall_cycles": layer.stall_cycles,
        "cycles_by_cause": causes_json(&layer.cycles_by_cause),
        "bank_wait_cycles": layer.bank_wait_cycles,
        "roofline": layer.roofline.map(|roofline| json!({
            "intensity_op_per_byte": roofline.intensity_op_per_byte,
            "peak_ops_per_s": roofline.peak_ops_per_s,
            "attainable_ops_per_s": roofline.attainable_ops_per_s,
            "reached_ops_per_s": roofline.reached_ops_per_s,
        })),
        "utilization": layer.utilization,
        "mapping_utilization": layer.mapping_utilization,
        "energy_pj": energy,
        "dram_read_bytes": layer.dram_read_bytes,
        "dram_write_bytes": layer.dram_write_bytes,
        "actions": actions,
    })
}

/// Empty off the array; no intensity where nothing crosses DRAM.
fn roofline_cells(roofline: Option<&Roofline>) -> [String; 3] {
    let Some(roofline) = roofline else { return Default::default() };
    let giga = |ops: f64| significant(ops * 1e-9, 4);
    [
        roofline.intensity_op_per_byte.map_or_else(String::new, |intensity| significant(intensity, 4)),
        giga(roofline.attainable_ops_per_s),
        giga(roofline.reached_ops_per_s),
    ]
}

/// Cycles as they are, and how many times fewer with more of each resource: per layer and in all.
pub fn help_table(help: &WhatWouldHelp) -> Table {
    let mut headers = vec!["layer".to_owned(), "cycles".to_owned()];
    headers.extend(help.changes.iter().map(|(change, _)| change.clone()));
    let gain = |now: u64, then: Option<u64>| match then {
        Some(then) if then > 0 => significant(now as f64 / then as f64, 3),
        _ => String::new(),
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (index, (name, &now)) in help.layers.iter().zip(&help.now.layers).enumerate() {
        let mut row = vec![name.clone(), now.to_string()];
        let changes = help.changes.iter();
        row.extend(changes.map(|(_, cycles)| gain(now, cycles.as_ref().map(|cycles| cycles.layers[index]))));
        rows.push(row);
    }
    let mut total = vec!["total".to_owned(), help.now.total.to_string()];
    let changes = help.changes.iter();
    total.extend(changes.map(|(_, cycles)| gain(help.now.total, cycles.as_ref().map(|cycles| cycles.total))));
    rows.push(total);
    Table {
        title: "What would help: cycles now over cycles with more of one resource, mapped and simulated again"
            .to_owned(),
        headers,
        rows,
        notes: vec![
            "below 1: slower, as the mapper estimates and overlap is credited to the later layer; empty: no change, \
             or the changed design cannot run the network"
                .to_owned(),
        ],
    }
}

fn causes_json(causes: &[i64]) -> Map<String, Value> {
    CYCLE_CAUSES.iter().zip(causes).map(|(cause, cycles)| ((*cause).to_owned(), json!(cycles))).collect()
}

fn layer_energy(layer: &SimulatedLayer) -> Range {
    layer.energy_pj.iter().fold(Range { low: 0.0, typical: 0.0, high: 0.0 }, |sum, (_, range)| Range {
        low: sum.low + range.low,
        typical: sum.typical + range.typical,
        high: sum.high + range.high,
    })
}
