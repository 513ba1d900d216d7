//! `systolab rtl synth`: cells and area by Yosys.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;

use serde_json::json;

use crate::hardware::Accelerator;
use crate::report::Table;
use crate::rtl::{Generated, Part, Synthesized, Tool, Version};

use super::super::work_folder::WorkFolder;
use super::super::{Failure, Format, note, print};
use super::{OneArray, tested};

/// Cells and area of the MACs, of a PE and of the array, one operand pair at a time, by Yosys
///
/// Area only: nothing is timed, and a bf16 MAC has no pipeline register. Accumulators and scratchpads are memories and
/// are left out.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    of: OneArray,
    /// A library of cells with areas: of Debian's qflow-tech-osu018,
    /// /usr/share/qflow/tech/osu018/osu018_stdcells.lib
    #[arg(long, value_name = "FILE")]
    liberty: PathBuf,
    /// Widths of integer partial sums instead of the design's, 16 to 32
    #[arg(long, value_name = "BITS", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(16..=32))]
    sum_bits: Vec<u8>,
    /// Also the whole array, which takes minutes for large ones
    #[arg(long)]
    array: bool,
    /// Keep Verilog, scripts and Yosys's statistics in this folder: a new one, or one of an earlier run
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// How the table is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Of what there is no area.
const LEFT_OUT: &str =
    "area-driven, no timing constraint; accumulators, scratchpads and control are left out";

/// One operand pair, one width of partial sums.
struct Areas {
    pair: String,
    sum_bits: u64,
    parts: Vec<(&'static str, Synthesized)>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (design, generated) = arguments.of.generate()?;
    let liberty = &arguments.liberty;
    File::open(liberty).map_err(|error| format!("--liberty {}: cannot read: {error}", liberty.display()))?;
    let version = tested(Tool::Yosys)?;
    let areas = areas(arguments, &generated)?;
    let title = format!("{}, dataflow {}: {version}", design.name(), generated.dataflow());
    print(&match arguments.format {
        Format::Table => table(title, arguments, &areas).to_text(),
        Format::Markdown => table(title, arguments, &areas).to_markdown(),
        Format::Csv => table(title, arguments, &areas).to_csv()?,
        Format::Json => json(arguments, &design, &generated, &version, &areas)?,
    })
}

fn areas(arguments: &Arguments, generated: &Generated) -> Result<Vec<Areas>, Failure> {
    let folder = WorkFolder::new(arguments.keep.as_deref(), "synth")?;
    let parts = [("MACs", Part::Macs), ("PE", Part::Pe), ("array", Part::Array)];
    let parts = &parts[..if arguments.array { 3 } else { 2 }];
    let mut all = Vec::new();
    for pair in generated.pairs() {
        let one = generated.with_pair(pair);
        let widths: BTreeSet<u8> = arguments.sum_bits.iter().copied().collect();
        let mut arrays: Vec<_> =
            widths.into_iter().filter_map(|bits| one.clone().with_sum_bits(bits)).collect();
        // bf16 has one width.
        arrays.dedup();
        if arrays.is_empty() {
            arrays.push(one);
        }
        for array in arrays {
            let sum_bits = array.sum_bits();
            let found = parts.iter().map(|&(name, part)| {
                note(&format!("{pair}, {sum_bits} bit: {name}…"));
                let folder = folder.path().join(format!("{pair}-{sum_bits}-{name}"));
                Ok((name, array.synthesize(part, &arguments.liberty, &folder)?))
            });
            let parts = found.collect::<Result<_, Failure>>()?;
            all.push(Areas { pair: pair.to_string(), sum_bits, parts });
        }
    }
    Ok(all)
}

fn table(title: String, arguments: &Arguments, areas: &[Areas]) -> Table {
    let mut headers = vec!["pair".to_owned(), "partial sum (bit)".to_owned()];
    let parts = areas.first().map_or(&[][..], |areas| &areas.parts);
    headers.extend(parts.iter().flat_map(|(name, _)| [format!("{name}: cells"), format!("{name}: area")]));
    let row = |areas: &Areas| {
        let cells = areas.parts.iter().flat_map(|(_, of)| [of.cells.to_string(), format!("{:.0}", of.area)]);
        [areas.pair.clone(), areas.sum_bits.to_string()].into_iter().chain(cells).collect()
    };
    Table {
        title,
        headers,
        rows: areas.iter().map(row).collect(),
        notes: vec![format!("area in the unit of {}", arguments.liberty.display()), LEFT_OUT.to_owned()],
    }
}

fn json(
    arguments: &Arguments,
    design: &Accelerator,
    generated: &Generated,
    version: &Version,
    areas: &[Areas],
) -> Result<String, Failure> {
    let row = |areas: &Areas| {
        let part =
            |(name, of): &(&str, Synthesized)| json!({ "part": name, "cells": of.cells, "area": of.area });
        json!({
            "pair": areas.pair,
            "partial_sum_bits": areas.sum_bits,
            "parts": areas.parts.iter().map(part).collect::<Vec<_>>(),
        })
    };
    let document = json!({
        "schema_version": 1,
        "tool_version": env!("CARGO_PKG_VERSION"),
        "hardware": { "name": design.name(), "sha256": design.sha256() },
        "dataflow": generated.dataflow().to_string(),
        "synthesized_by": version.to_string(),
        "liberty": arguments.liberty.display().to_string(),
        "note": LEFT_OUT,
        "areas": areas.iter().map(row).collect::<Vec<_>>(),
    });
    Ok(serde_json::to_string_pretty(&document).map_err(|error| error.to_string())? + "\n")
}
