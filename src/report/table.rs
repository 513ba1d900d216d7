//! One table, three renderings: printed, Markdown and CSV.

use tabled::builder::Builder;
use tabled::settings::formatting::AlignmentStrategy;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};

use super::ReportError;
use super::csv_text::csv_text;

/// A table of text. Headers carry units; a line break in a header is a space outside the printed form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// What the table shows, with what must be known to read it.
    pub title: String,
    /// One header per column.
    pub headers: Vec<String>,
    /// Rows, each with one cell per column.
    pub rows: Vec<Vec<String>>,
    /// Sentences below the table.
    pub notes: Vec<String>,
}

impl Table {
    /// The table as it is printed: title, box, notes.
    pub fn to_text(&self) -> String {
        let mut builder = Builder::default();
        builder.push_record(&self.headers);
        for row in &self.rows {
            builder.push_record(row);
        }
        let mut table = builder.build();
        table.with(Style::rounded()).with(AlignmentStrategy::PerLine);
        for column in self.numeric_columns() {
            table.modify(Columns::one(column), Alignment::right());
        }
        let notes: String = self.notes.iter().map(|note| format!("{note}\n")).collect();
        format!("{}\n{table}\n{notes}", self.title)
    }

    /// The table as GitHub-flavored Markdown: bold title, pipe table, notes as a list.
    pub fn to_markdown(&self) -> String {
        let numeric = self.numeric_columns();
        let rule = (0..self.headers.len()).map(|c| if numeric.contains(&c) { "---:" } else { "---" });
        let line = |cells: &[String]| -> String {
            let cells: Vec<String> = cells.iter().map(|cell| one_line(cell).replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let mut text = format!("**{}**\n\n{}", one_line(&self.title), line(&self.headers));
        text.push_str(&format!("| {} |\n", rule.collect::<Vec<_>>().join(" | ")));
        text.extend(self.rows.iter().map(|row| line(row)));
        if !self.notes.is_empty() {
            text.push('\n');
            text.extend(self.notes.iter().map(|note| format!("- {}\n", one_line(note))));
        }
        text
    }

    /// Headers and rows as CSV; CSV has no place for title and notes.
    pub fn to_csv(&self) -> Result<String, ReportError> {
        let headers: Vec<String> = self.headers.iter().map(|header| one_line(header)).collect();
        csv_text(&headers, &self.rows)
    }

    /// Columns whose cells all start like a number, or are empty: aligned right.
    pub(super) fn numeric_columns(&self) -> Vec<usize> {
        let numeric = |cell: &str| {
            matches!(cell, "" | super::number::NOTHING)
                || cell.trim_start_matches(['-', '−', '+']).starts_with(|c: char| c.is_ascii_digit())
        };
        let column_is = |c: &usize| {
            let mut cells = self.rows.iter().filter_map(|row| row.get(*c));
            !self.rows.is_empty() && cells.all(|cell| numeric(cell))
        };
        (0..self.headers.len()).filter(column_is).collect()
    }
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table {
            title: "Energy".into(),
            headers: vec!["design".into(), "energy\n(µJ)".into()],
            rows: vec![vec!["a|b".into(), "1.5 (1–2)".into()], vec!["c, d".into(), "—".into()]],
            notes: vec!["Modelled.".into()],
        }
    }

    #[test]
    fn prints_a_box() {
        let text = "\
Energy
╭────────┬───────────╮
│ design │    energy │
│        │      (µJ) │
├────────┼───────────┤
│ a|b    │ 1.5 (1–2) │
│ c, d   │         — │
╰────────┴───────────╯
Modelled.
";
        assert_eq!(table().to_text(), text);
    }

    #[test]
    fn markdown_escapes_pipes_and_aligns_numbers() {
        let text = "\
**Energy**

| design | energy (µJ) |
| --- | ---: |
| a\\|b | 1.5 (1–2) |
| c, d | — |

- Modelled.
";
        assert_eq!(table().to_markdown(), text);
    }

    #[test]
    fn csv_quotes_commas() {
        assert_eq!(table().to_csv().unwrap(), "design,energy (µJ)\na|b,1.5 (1–2)\n\"c, d\",—\n");
    }

    #[test]
    fn a_table_without_rows_is_a_header() {
        let empty = Table { rows: Vec::new(), notes: Vec::new(), ..table() };
        assert_eq!(empty.to_csv().unwrap(), "design,energy (µJ)\n");
        assert!(empty.to_text().contains("design"));
    }
}
