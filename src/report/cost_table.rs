//! The cost table: printed, Markdown, CSV (one row per number) and JSON.

use serde_json::{Value, json};

use super::ReportError;
use super::csv_text::csv_text;
use super::number::{NOTHING, range, significant};
use super::table::Table;
use crate::explore::{
    AreaCosts, CostRow, CostTable, DesignCosts, LeftOut, MemoryCosts, PairCosts, Range, SramFitRow,
    TechnologyCosts,
};

/// The tables to read: MAC units, scratchpads, areas, then per technology its rows and power laws, and
/// what the designs lack.
pub fn cost_tables(costs: &CostTable) -> Vec<Table> {
    let mut tables = vec![mac_table(costs), memory_table(costs), area_table(costs)];
    for technology in &costs.technologies {
        tables.push(row_table(technology));
        tables.push(fit_table(technology));
    }
    tables.push(lacks_table(costs));
    tables.retain(|table| !table.rows.is_empty());
    tables
}

fn headers<const N: usize>(headers: [&str; N]) -> Vec<String> {
    headers.map(str::to_owned).into()
}

fn mac_table(costs: &CostTable) -> Table {
    let energy = |row: &Option<CostRow>| or_nothing(row.as_ref().map(|row| &row.value));
    let rows = costs.designs.iter().flat_map(|design| {
        design.pairs.iter().map(move |pair| {
            vec![
                design.name.clone(),
                design.technology.clone(),
                pair.pair.clone(),
                pair.lanes.to_string(),
                energy(&pair.multiplier),
                energy(&pair.adder),
                or_nothing(pair.mac_pj.as_ref()),
                energy(&pair.mac_um2),
                significant(pair.peak_tops, 4),
                or_nothing(pair.peak_tops_per_w.as_ref()),
                or_nothing(pair.peak_tops_per_w_with_registers.as_ref()),
                standings([&pair.multiplier, &pair.adder]),
            ]
        })
    });
    let without_area = costs.designs.iter().filter(|design| design.area.is_none()).map(|design| {
        format!("{}: technology `{}` has no source for any area", design.name, design.technology)
    });
    Table {
        title: "MAC units. Energy per MAC: multiplier, and adder at partial-sum width. Peak at full use of the \
                array; 1 MAC = 2 operations."
            .into(),
        headers: headers([
            "design",
            "technology",
            "activation,weight",
            "lanes",
            "multiplier\n(pJ)",
            "adder\n(pJ)",
            "MAC\n(pJ)",
            "MAC\n(µm²)",
            "peak\n(TOPS)",
            "peak TOPS/W\n(MAC only)",
            "peak TOPS/W\n(MAC and PE registers)",
            "standing\n(multiplier; adder)",
        ]),
        rows: rows.collect(),
        notes: [
            "not in the energy of a MAC: the accumulator update, one per fold and output; the weight chain, once per \
             fold"
                .into(),
            "PE registers: one activation and a lane's share of the partial sum written per MAC".into(),
            "µm²: a multiplier and a 32-bit adder, without registers and wires".into(),
        ]
        .into_iter()
        .chain(without_area)
        .collect(),
    }
}

fn memory_table(costs: &CostTable) -> Table {
    let mut notes = Vec::new();
    let mut rows = Vec::new();
    for design in &costs.designs {
        for memory in &design.memories {
            let energy = |row: &Option<CostRow>| or_nothing(row.as_ref().map(|row| &row.value));
            let fit = |access| own_fit(costs, design, memory, access).map_or(NOTHING.into(), fitted);
            rows.push(vec![
                design.name.clone(),
                memory.name.to_owned(),
                memory.banks.to_string(),
                memory.bytes_per_bank.to_string(),
                memory.width_bits.to_string(),
                energy(&memory.read),
                energy(&memory.write),
                fit("read"),
                fit("write"),
                standings([&memory.read, &memory.write]),
            ]);
            let derivation = memory.read.as_ref().and_then(|row| row.derivation.as_ref());
            notes.extend(derivation.map(|text| format!("{}, {}: {text}", design.name, memory.name)));
        }
    }
    Table {
        title: "Scratchpads. Energy per access of one word of one bank; beside it the power law of its width, with \
                the law's largest error over the tabulated macros."
            .into(),
        headers: headers([
            "design",
            "scratchpad",
            "banks",
            "bytes\nper bank",
            "word\n(bits)",
            "read\n(pJ)",
            "write\n(pJ)",
            "read, power law\n(pJ)",
            "write, power law\n(pJ)",
            "standing\n(read; write)",
        ]),
        rows,
        notes,
    }
}

/// The law of the memory's own width, and its energy at the memory's size.
fn own_fit<'a>(
    costs: &'a CostTable,
    design: &DesignCosts,
    memory: &MemoryCosts,
    access: &str,
) -> Option<(f64, &'a SramFitRow)> {
    let technology = costs.technologies.iter().find(|known| known.sha256 == design.technology_sha256)?;
    let fits = &technology.sram_fits;
    let fit = fits.iter().find(|fit| fit.width_bits == memory.width_bits && fit.access == access)?;
    let kib = memory.bytes_per_bank as f64 / 1024.0;
    Some((fit.pj_at_1_kib * kib.powf(fit.exponent), fit))
}

fn fitted((pj, fit): (f64, &SramFitRow)) -> String {
    format!("{} (off by up to {} %)", significant(pj, 3), significant(fit.max_error * 100.0, 3))
}

fn area_table(costs: &CostTable) -> Table {
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    for design in &costs.designs {
        let Some(area) = &design.area else { continue };
        for (part, mm2) in &area.parts_mm2 {
            rows.push(vec![design.name.clone(), part.clone(), value(mm2)]);
        }
        rows.push(vec![design.name.clone(), area.label.clone(), value(&area.total_mm2)]);
        notes.push(format!("{}, left out: {}", design.name, list(&area.left_out)));
        notes.extend(area.notes.iter().map(|note| format!("{}, {note}", design.name)));
    }
    Table {
        title: "Area of the parts that have a source. Integer pairs of a PE share the largest of its integer MAC \
                units."
            .into(),
        headers: headers(["design", "part", "area\n(mm²)"]),
        rows,
        notes,
    }
}

fn row_table(technology: &TechnologyCosts) -> Table {
    let mut sources: Vec<String> = Vec::new();
    let mut rows = Vec::new();
    for row in &technology.rows {
        let mut source = row.source.clone();
        if let Some(derivation) = &row.derivation {
            source = format!("{derivation} — {source}");
        }
        let index = sources.iter().position(|known| *known == source).unwrap_or_else(|| {
            sources.push(source);
            sources.len() - 1
        });
        rows.push(vec![
            row.key.clone(),
            value(&row.value),
            row.unit.to_owned(),
            row.standing.clone(),
            format!("[{}]", index + 1),
        ]);
    }
    let sources = sources.iter().enumerate().map(|(index, source)| format!("[{}] {source}", index + 1));
    let left_out = format!("left out: {}", list(&technology.left_out));
    Table {
        title: format!("Rows of {} ({} nm) that these designs use.", technology.name, technology.node_nm),
        headers: headers(["key", "value", "unit", "standing", "source"]),
        rows,
        notes: sources.chain([left_out]).collect(),
    }
}

fn fit_table(technology: &TechnologyCosts) -> Table {
    let row = |fit: &SramFitRow| {
        vec![
            fit.width_bits.to_string(),
            fit.access.to_owned(),
            fit.macros.to_string(),
            significant(fit.pj_at_1_kib, 4),
            significant(fit.exponent, 4),
            significant(fit.max_error * 100.0, 3),
            significant(fit.rms_error * 100.0, 3),
        ]
    };
    Table {
        title: format!(
            "Scratchpads of {}: least-squares power laws, pJ = a · (bytes / 1024)^b, against the tabulated macros.",
            technology.name
        ),
        headers: headers([
            "word\n(bits)",
            "access",
            "macros",
            "a\n(pJ)",
            "b",
            "largest error\n(%)",
            "rms error\n(%)",
        ]),
        rows: technology.sram_fits.iter().map(row).collect(),
        notes: vec![
            "the model interpolates between macros; `energy.sram.method = \"fit\"` in a technology file takes the law"
                .into(),
        ],
    }
}

fn lacks_table(costs: &CostTable) -> Table {
    let rows = costs.designs.iter().flat_map(|design| {
        design.lacks.iter().map(|key| vec![design.name.clone(), design.technology.clone(), key.clone()])
    });
    Table {
        title: "Rows that a design needs and its technology neither gives nor excludes.".into(),
        headers: headers(["design", "technology", "lacks"]),
        rows: rows.collect(),
        notes: Vec::new(),
    }
}

fn list(left_out: &[LeftOut]) -> String {
    let items: Vec<String> =
        left_out.iter().map(|LeftOut { what, reason }| format!("{what} ({reason})")).collect();
    items.join("; ")
}

fn standings<const N: usize>(rows: [&Option<CostRow>; N]) -> String {
    let standings = rows.map(|row| row.as_ref().map_or(NOTHING, |row| row.standing.as_str()));
    standings.join("; ")
}

fn or_nothing(range: Option<&Range>) -> String {
    range.map_or_else(|| NOTHING.into(), value)
}

/// A range, or one number where its bounds are equal.
fn value(bounds: &Range) -> String {
    if bounds.low == bounds.high { significant(bounds.typical, 3) } else { range(*bounds, 1.0) }
}

const CSV_HEADER: [&str; 14] = [
    "design",
    "technology",
    "item",
    "quantity",
    "unit",
    "low",
    "typical",
    "high",
    "standing",
    "source",
    "derivation",
    "tool_version",
    "design_sha256",
    "technology_sha256",
];

/// One row per number; a key that a design lacks is a row of quantity `lacks`, what is left out one of
/// quantity `left out` with its reason as the derivation. Columns are added, never renamed.
pub fn cost_table_csv(costs: &CostTable, tool_version: &str) -> Result<String, ReportError> {
    let mut csv = Csv { tool_version, rows: Vec::new() };
    for design in &costs.designs {
        let mut of = Owner {
            design: &design.name,
            design_sha256: &design.sha256,
            technology: &design.technology,
            technology_sha256: &design.technology_sha256,
            csv: &mut csv,
        };
        for pair in &design.pairs {
            of.pair(pair);
        }
        for memory in &design.memories {
            let item = format!(
                "{}: {} x {} B x {} bits",
                memory.name, memory.banks, memory.bytes_per_bank, memory.width_bits
            );
            for (quantity, row) in [("read", &memory.read), ("write", &memory.write)] {
                of.row(&item, quantity, row.as_ref());
            }
        }
        if let Some(area) = &design.area {
            for (part, mm2) in &area.parts_mm2 {
                of.value(part, "area", "mm²", mm2);
            }
            of.value(&area.label, "area", "mm²", &area.total_mm2);
            for LeftOut { what, reason } in &area.left_out {
                of.text(what, "left out of area", reason);
            }
        }
        for key in &design.lacks {
            of.text(key, "lacks", "");
        }
    }
    for technology in &costs.technologies {
        let mut of = Owner {
            design: "",
            design_sha256: "",
            technology: &technology.name,
            technology_sha256: &technology.sha256,
            csv: &mut csv,
        };
        for row in &technology.rows {
            of.row(&row.key, "row", Some(row));
        }
        for fit in &technology.sram_fits {
            let item = format!("{} of {} bits", fit.access, fit.width_bits);
            let exactly = |value| Range { low: value, typical: value, high: value };
            of.value(&item, "power law at 1 KiB", "pJ", &exactly(fit.pj_at_1_kib));
            of.value(&item, "power law exponent", "", &exactly(fit.exponent));
            of.value(&item, "power law largest error", "1", &exactly(fit.max_error));
            of.value(&item, "power law rms error", "1", &exactly(fit.rms_error));
        }
        for LeftOut { what, reason } in &technology.left_out {
            of.text(what, "left out", reason);
        }
    }
    csv_text(&headers(CSV_HEADER), &csv.rows)
}

struct Csv<'a> {
    tool_version: &'a str,
    rows: Vec<Vec<String>>,
}

/// Whose numbers the next rows are.
struct Owner<'a, 'b> {
    design: &'a str,
    design_sha256: &'a str,
    technology: &'a str,
    technology_sha256: &'a str,
    csv: &'a mut Csv<'b>,
}

impl Owner<'_, '_> {
    fn pair(&mut self, pair: &PairCosts) {
        let item = &pair.pair;
        self.row(item, "multiplier", pair.multiplier.as_ref());
        self.row(item, "adder", pair.adder.as_ref());
        for (quantity, unit, value) in [
            ("MAC energy", "pJ", &pair.mac_pj),
            ("PE registers per MAC", "pJ", &pair.registers_pj),
            ("peak, MAC only", "TOPS/W", &pair.peak_tops_per_w),
            ("peak, MAC and PE registers", "TOPS/W", &pair.peak_tops_per_w_with_registers),
        ] {
            if let Some(value) = value {
                self.value(item, quantity, unit, value);
            }
        }
        self.row(item, "MAC area", pair.mac_um2.as_ref());
        let peak = Range { low: pair.peak_tops, typical: pair.peak_tops, high: pair.peak_tops };
        self.value(item, "peak", "TOPS", &peak);
    }

    fn row(&mut self, item: &str, quantity: &str, row: Option<&CostRow>) {
        if let Some(row) = row {
            let provenance =
                [row.standing.as_str(), row.source.as_str(), row.derivation.as_deref().unwrap_or("")];
            self.push(item, quantity, row.unit, bounds(&row.value), provenance);
        }
    }

    fn value(&mut self, item: &str, quantity: &str, unit: &str, value: &Range) {
        self.push(item, quantity, unit, bounds(value), ["", "", ""]);
    }

    fn text(&mut self, item: &str, quantity: &str, text: &str) {
        self.push(item, quantity, "", Default::default(), ["", "", text]);
    }

    fn push(
        &mut self,
        item: &str,
        quantity: &str,
        unit: &str,
        [low, typical, high]: [String; 3],
        [standing, source, derivation]: [&str; 3],
    ) {
        let cells = [
            self.design,
            self.technology,
            item,
            quantity,
            unit,
            &low,
            &typical,
            &high,
            standing,
            source,
            derivation,
            self.csv.tool_version,
            self.design_sha256,
            self.technology_sha256,
        ];
        self.csv.rows.push(headers(cells));
    }
}

fn bounds(range: &Range) -> [String; 3] {
    [range.low, range.typical, range.high].map(|bound| bound.to_string())
}

/// Everything the tables show, with full sources. Names are added, never renamed.
pub fn cost_table_json(costs: &CostTable, tool_version: &str) -> Result<String, ReportError> {
    let document = json!({
        "schema_version": 1,
        "tool_version": tool_version,
        "designs": costs.designs.iter().map(design_json).collect::<Vec<_>>(),
        "technologies": costs.technologies.iter().map(technology_json).collect::<Vec<_>>(),
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn design_json(design: &DesignCosts) -> Value {
    let pair = |pair: &PairCosts| {
        json!({
            "pair": pair.pair,
            "lanes": pair.lanes,
            "multiplier": pair.multiplier.as_ref().map(row_json),
            "adder": pair.adder.as_ref().map(row_json),
            "mac_pj": pair.mac_pj.map(range_json),
            "pe_registers_pj": pair.registers_pj.map(range_json),
            "mac_area": pair.mac_um2.as_ref().map(row_json),
            "peak_tops": pair.peak_tops,
            "peak_tops_per_w_mac_only": pair.peak_tops_per_w.map(range_json),
            "peak_tops_per_w_mac_and_pe_registers": pair.peak_tops_per_w_with_registers.map(range_json),
        })
    };
    let memory = |memory: &MemoryCosts| {
        json!({
            "name": memory.name,
            "banks": memory.banks,
            "bytes_per_bank": memory.bytes_per_bank,
            "width_bits": memory.width_bits,
            "read": memory.read.as_ref().map(row_json),
            "write": memory.write.as_ref().map(row_json),
        })
    };
    let area = |area: &AreaCosts| {
        let part = |(part, mm2): &(String, Range)| json!({ "part": part, "mm2": range_json(*mm2) });
        json!({
            "label": area.label,
            "total_mm2": range_json(area.total_mm2),
            "parts": area.parts_mm2.iter().map(part).collect::<Vec<_>>(),
            "left_out": left_out_json(&area.left_out),
            "notes": area.notes,
        })
    };
    json!({
        "name": design.name,
        "sha256": design.sha256,
        "technology": design.technology,
        "technology_sha256": design.technology_sha256,
        "pairs": design.pairs.iter().map(pair).collect::<Vec<_>>(),
        "scratchpads": design.memories.iter().map(memory).collect::<Vec<_>>(),
        "area": design.area.as_ref().map(area),
        "lacks": design.lacks,
    })
}

fn technology_json(technology: &TechnologyCosts) -> Value {
    let fit = |fit: &SramFitRow| {
        json!({
            "width_bits": fit.width_bits,
            "access": fit.access,
            "macros": fit.macros,
            "pj_at_1_kib": fit.pj_at_1_kib,
            "exponent": fit.exponent,
            "largest_relative_error": fit.max_error,
            "rms_relative_error": fit.rms_error,
        })
    };
    json!({
        "name": technology.name,
        "sha256": technology.sha256,
        "node_nm": technology.node_nm,
        "description": technology.description,
        "rows": technology.rows.iter().map(row_json).collect::<Vec<_>>(),
        "sram_power_laws": technology.sram_fits.iter().map(fit).collect::<Vec<_>>(),
        "left_out": left_out_json(&technology.left_out),
    })
}

fn row_json(row: &CostRow) -> Value {
    json!({
        "key": row.key,
        "unit": row.unit,
        "low": row.value.low,
        "typical": row.value.typical,
        "high": row.value.high,
        "standing": row.standing,
        "source": row.source,
        "derivation": row.derivation,
    })
}

fn range_json(range: Range) -> Value {
    json!({ "low": range.low, "typical": range.typical, "high": range.high })
}

fn left_out_json(left_out: &[LeftOut]) -> Vec<Value> {
    left_out.iter().map(|LeftOut { what, reason }| json!({ "what": what, "reason": reason })).collect()
}
