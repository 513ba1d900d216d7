//! The points as a table to read.

use std::collections::BTreeSet;

use super::number::{NOTHING, range, significant};
use super::table::Table;
use crate::explore::{Accuracy, MeasuredAccuracy, Outcome, Point, Regime, wilson};

/// Which points a printed table shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// One image per request, weights starting in DRAM.
    ColdBatch1,
    /// Every regime and batch, each in a column.
    All,
}

/// The points, with the components that the modelled energy leaves out in the title.
pub fn points_table(points: &[Point], energy_excluded: &[String], rows: Rows) -> Table {
    let shown: Vec<&Point> = points
        .iter()
        .filter(|p| match rows {
            Rows::ColdBatch1 => p.regime == Regime::Cold && p.batch == 1,
            Rows::All => true,
        })
        .collect();
    let footnotes: Vec<&String> =
        shown.iter().flat_map(|p| &p.notes).collect::<BTreeSet<_>>().into_iter().collect();
    let columns: Vec<&Column> = COLUMNS.iter().filter(|column| column.shown(rows, &shown)).collect();
    Table {
        title: title(energy_excluded, rows, &shown),
        headers: columns.iter().map(|column| column.header.into()).collect(),
        rows: shown
            .iter()
            .map(|point| columns.iter().map(|column| column.text(point, &footnotes)).collect())
            .collect(),
        notes: footnotes
            .iter()
            .enumerate()
            .map(|(index, note)| format!("({}) {note}", index + 1))
            .chain(energy_notes(&shown))
            .chain(area_notes(&shown))
            .collect(),
    }
}

fn title(energy_excluded: &[String], rows: Rows, shown: &[&Point]) -> String {
    let rows = match rows {
        Rows::ColdBatch1 => "cold, batch 1",
        Rows::All => "all regimes and batches",
    };
    let excluded = if energy_excluded.is_empty() {
        "nothing excluded".into()
    } else {
        format!("excluded: {}", energy_excluded.join(", "))
    };
    let accuracy = if shown.iter().any(|point| point.published().is_some()) {
        "Measured accuracy with its 95 % interval, published accuracy as published"
    } else {
        "Accuracy with its 95 % interval"
    };
    format!("Designs × networks, {rows}. Modelled energy ({excluded}). {accuracy}.")
}

struct Column {
    header: &'static str,
    visible: Visible,
    content: Content,
}

/// What a column holds.
enum Content {
    /// A text of the point alone.
    Cell(fn(&Point) -> String),
    /// Why the design cannot run the network, and numbers of the notes below the table.
    Notes,
}

/// When a column is shown.
enum Visible {
    Always,
    WithAllRows,
    WhenFilled,
}

impl Column {
    const fn always(header: &'static str, cell: fn(&Point) -> String) -> Self {
        Self { header, visible: Visible::Always, content: Content::Cell(cell) }
    }

    fn text(&self, point: &Point, footnotes: &[&String]) -> String {
        match &self.content {
            Content::Cell(cell) => cell(point),
            Content::Notes => note(point, footnotes),
        }
    }

    fn shown(&self, rows: Rows, points: &[&Point]) -> bool {
        match self.visible {
            Visible::Always => true,
            Visible::WithAllRows => rows == Rows::All,
            Visible::WhenFilled => points.iter().any(|p| match &self.content {
                Content::Cell(cell) => !cell(p).is_empty(),
                Content::Notes => !p.notes.is_empty() || matches!(p.outcome, Outcome::NotSupported(_)),
            }),
        }
    }
}

const COLUMNS: [Column; 16] = [
    Column::always("design", |p| p.design.clone()),
    Column::always("network", |p| p.network.clone()),
    Column::always("precision", |p| p.precision.clone()),
    Column {
        header: "regime",
        visible: Visible::WithAllRows,
        content: Content::Cell(|p| p.regime.to_string()),
    },
    Column {
        header: "batch",
        visible: Visible::WithAllRows,
        content: Content::Cell(|p| p.batch.to_string()),
    },
    Column::always("top-1\n(%)", top1),
    Column::always("accuracy", accuracy),
    Column {
        header: "framework top-1\n(differing)",
        visible: Visible::WhenFilled,
        content: Content::Cell(framework),
    },
    Column::always("latency\n(µs)", |p| cost(p, |c| significant(c.latency_s * 1e6, 4))),
    Column::always("images/s", |p| cost(p, |c| significant(c.images_per_s, 4))),
    Column::always("modelled energy\nper image (µJ)", |p| cost(p, |c| range(c.energy_per_image_pj, 1e-6))),
    Column::always("average\npower (mW)", |p| cost(p, |c| significant(c.average_power_w * 1e3, 3))),
    Column::always("TOPS/W\n(workload)", |p| cost(p, |c| significant(c.tops_per_w, 3))),
    Column::always("utilization\n(%)", |p| cost(p, |c| significant(c.utilization * 100.0, 3))),
    Column { header: "area\n(mm²)", visible: Visible::WhenFilled, content: Content::Cell(area) },
    Column { header: "note", visible: Visible::WhenFilled, content: Content::Notes },
];

/// Per design, where the energy of a memory is an estimate.
fn energy_notes(points: &[&Point]) -> BTreeSet<String> {
    let notes = points.iter().filter_map(|point| match &point.outcome {
        Outcome::Runs(cost) => Some((&point.design, &cost.energy_notes)),
        Outcome::NotSupported(_) => None,
    });
    notes.flat_map(|(design, notes)| notes.iter().map(move |note| format!("{design}, {note}"))).collect()
}

fn note(point: &Point, footnotes: &[&String]) -> String {
    let reason = match &point.outcome {
        Outcome::Runs(_) => None,
        Outcome::NotSupported(reason) => Some(reason.clone()),
    };
    let numbers = footnotes
        .iter()
        .enumerate()
        .filter(|(_, note)| point.notes.contains(note))
        .map(|(index, _)| format!("({})", index + 1));
    reason.into_iter().chain(numbers).collect::<Vec<_>>().join(" ")
}

fn cost(point: &Point, text: fn(&crate::explore::Cost) -> String) -> String {
    match &point.outcome {
        Outcome::Runs(cost) => text(cost),
        Outcome::NotSupported(_) => NOTHING.into(),
    }
}

/// The area of what has a source; which parts that is stands below the table.
fn area(point: &Point) -> String {
    point.area.as_ref().map_or_else(String::new, |area| range(area.mm2, 1.0))
}

fn area_notes(points: &[&Point]) -> BTreeSet<String> {
    let areas = points.iter().filter_map(|point| Some((&point.design, point.area.as_ref()?)));
    areas.map(|(design, area)| format!("{design}, area: {}", area.label)).collect()
}

fn top1(point: &Point) -> String {
    match &point.accuracy {
        Some(Accuracy::Measured(accuracy)) => wilson(accuracy).map_or_else(
            || NOTHING.into(),
            |top1| format!("{:.2} ({:.2}–{:.2})", top1.estimate, top1.low, top1.high),
        ),
        Some(Accuracy::Published(accuracy)) => format!("{:.2}", accuracy.top1_percent),
        None => NOTHING.into(),
    }
}

/// The training framework's own top-1 on the same images, and for how many its prediction differs.
fn framework(point: &Point) -> String {
    match point.measured() {
        Some(MeasuredAccuracy { framework: Some(framework), images, .. }) => {
            format!("{:.2} ({})", 100.0 * framework.correct as f64 / *images as f64, framework.differing)
        }
        _ => String::new(),
    }
}

fn accuracy(point: &Point) -> String {
    match &point.accuracy {
        Some(Accuracy::Measured(accuracy)) if wilson(accuracy).is_some() => {
            format!("measured n={}", accuracy.images)
        }
        Some(Accuracy::Published(_)) => "published".into(),
        Some(Accuracy::Measured(_)) | None => NOTHING.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{point, points, unsupported};
    use super::*;

    #[test]
    fn prints_a_row_to_read() {
        let table =
            points_table(&[point("edge", 8, "w8a8", 2.0, 9099)], &["clock tree".into()], Rows::ColdBatch1);
        assert_eq!(
            table.title,
            "Designs × networks, cold, batch 1. Modelled energy (excluded: clock tree). Accuracy with its 95 % \
             interval."
        );
        assert_eq!(
            table.rows,
            [[
                "edge",
                "resnet8-width8-w8a8",
                "w8a8",
                "90.99 (90.41–91.54)",
                "measured n=10000",
                "91.00 (7)",
                "40.00",
                "25000",
                "2.00 (1.20–3.40)",
                "50.0",
                "0.500",
                "25.0"
            ]]
        );
        assert_eq!(table.headers.len(), table.rows[0].len());
    }

    #[test]
    fn an_unsupported_row_says_why() {
        let table = points_table(&[unsupported(point("edge", 8, "w4a4", 2.0, 9099))], &[], Rows::ColdBatch1);
        assert_eq!(table.headers.last().unwrap(), "note");
        assert_eq!(table.rows[0].last().unwrap(), "not supported: pair (uint4,int4)");
        assert_eq!(table.rows[0][6], "—");
    }

    #[test]
    fn notes_stand_once_below_the_table() {
        let mut noted = points();
        for point in &mut noted[..2] {
            point.notes = vec!["array too large".into()];
        }
        let table = points_table(&noted, &[], Rows::ColdBatch1);
        assert_eq!(table.notes, ["(1) array too large"]);
        assert_eq!(table.rows[1].last().unwrap(), "(1)");
        assert_eq!(table.rows[2].last().unwrap(), "");
    }

    #[test]
    fn other_regimes_are_shown_when_asked() {
        let mut all = points();
        all[0].regime = Regime::Steady;
        all[1].batch = 64;
        assert_eq!(points_table(&all, &[], Rows::ColdBatch1).rows.len(), 10);
        let table = points_table(&all, &[], Rows::All);
        assert_eq!(table.rows.len(), 12);
        assert_eq!(table.rows[0][3..5], ["steady", "1"]);
        assert_eq!(table.rows[1][3..5], ["cold", "64"]);
    }

    #[test]
    fn no_points_are_an_empty_table() {
        assert!(points_table(&[], &[], Rows::ColdBatch1).rows.is_empty());
    }
}
