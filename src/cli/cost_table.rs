//! `systolab cost-table`: what a design's parts cost by themselves.

use crate::{explore, report};

use super::{Answer, Failure, Format, inputs, note, print};

/// Print cost tables: energy per MAC, per access and per operation, area, peak TOPS and TOPS/W
///
/// Every number has its range, its source and how far that can be trusted; what is left out is listed
/// with the reason. Rows that a design needs and its technology lacks are listed too, and exit with 1.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A design: shipped name, file or folder (repeatable; default: all shipped designs)
    #[arg(long, value_name = "DESIGN")]
    hw: Vec<String>,
    /// How the tables are printed; csv has one row per number
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    let costs = explore::cost_table(&inputs::designs(&arguments.hw, note)?);
    let version = env!("CARGO_PKG_VERSION");
    let joined = |text: fn(&report::Table) -> String| -> String {
        report::cost_tables(&costs).iter().map(text).collect::<Vec<_>>().join("\n")
    };
    print(&match arguments.format {
        Format::Table => joined(report::Table::to_text),
        Format::Markdown => joined(report::Table::to_markdown),
        Format::Csv => report::cost_table_csv(&costs, version)?,
        Format::Json => report::cost_table_json(&costs, version)?,
    })?;
    let mut answer = Answer::Yes;
    for design in costs.designs.iter().filter(|design| !design.lacks.is_empty()) {
        note(&format!(
            "{}: technology `{}` lacks {}; give each as `row`, `borrowed` or `derived`, or `excluded = \"reason\"`",
            design.name,
            design.technology,
            design.lacks.join(", ")
        ));
        answer = Answer::No;
    }
    Ok(answer)
}
