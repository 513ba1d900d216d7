//! One self-contained HTML page: everything it shows and the code that shows it, no network.
//!
//! Tables are written here; `html/page.js` sorts and filters them and draws the charts from the JSON
//! that stands in the page, with the vendored Chart.js. Texts from files are escaped wherever they go.

use std::collections::BTreeSet;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Serialize;

use super::points_json::{PointRecord, point_records};
use super::{ReportError, Rows, Table, points_table};
use crate::explore::{CYCLE_CAUSES, Point, Roofline, Simulation};

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");
/// Chart.js 4.5.1 as published on npm; its licence lies beside it.
const CHART: &str = include_str!("html/chart.js-4.5.1/chart.umd.min.js");

/// Characters of a cell that is not broken into lines.
const SHORT: usize = 34;

/// Points that one page holds: browsers sort and draw so many without delay.
pub const MOST_POINTS: usize = 5_000;

/// What a page shows.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// Heading.
    pub title: &'a str,
    /// The command that made it.
    pub command: &'a str,
    /// Version of the tool.
    pub tool_version: &'a str,
    /// Rows of the overview and points of the plots.
    pub points: &'a [Point],
    /// What the points say.
    pub findings: &'a [String],
    /// Layer by layer.
    pub simulations: &'a [Simulation],
    /// Tables of what single actions cost, with sources.
    pub cost_tables: &'a [Table],
    /// What the modelled energy leaves out.
    pub energy_excluded: &'a [String],
    /// Files behind the page besides those of the points: what they are, their names, their SHA-256.
    pub files: &'a [[String; 3]],
}

/// What the script reads.
#[derive(Serialize)]
struct Data<'a> {
    points: Vec<PointRecord<'a>>,
    simulations: Vec<SimulationRecord<'a>>,
}

#[derive(Serialize)]
struct SimulationRecord<'a> {
    title: String,
    /// Names of `cycles` of each layer.
    causes: [String; 7],
    /// Names of `energy_uj` of each layer.
    components: Vec<&'a str>,
    layers: Vec<LayerRecord<'a>>,
}

#[derive(Serialize)]
struct LayerRecord<'a> {
    name: &'a str,
    cycles: [i64; 7],
    energy_uj: Vec<f64>,
    /// None off the array.
    roofline: Option<RooflineRecord>,
}

#[derive(Serialize)]
struct RooflineRecord {
    /// None if the layer moves nothing over the DRAM channel.
    intensity_op_per_byte: Option<f64>,
    peak_gops: f64,
    attainable_gops: f64,
    reached_gops: f64,
}

impl RooflineRecord {
    fn new(roofline: Roofline) -> Self {
        Self {
            intensity_op_per_byte: roofline.intensity_op_per_byte,
            peak_gops: roofline.peak_ops_per_s / 1e9,
            attainable_gops: roofline.attainable_ops_per_s / 1e9,
            reached_gops: roofline.reached_ops_per_s / 1e9,
        }
    }
}

impl<'a> SimulationRecord<'a> {
    fn new(simulation: &'a Simulation) -> Self {
        let mut components: Vec<&str> = Vec::new();
        for (component, _) in simulation.layers.iter().flat_map(|layer| &layer.energy_pj) {
            if !components.contains(component) {
                components.push(*component);
            }
        }
        let layers = simulation.layers.iter().map(|layer| LayerRecord {
            name: &layer.name,
            cycles: layer.cycles_by_cause,
            energy_uj: components
                .iter()
                .map(|component| layer.energy_pj.iter().find(|(name, _)| name == component))
                .map(|found| found.map_or(0.0, |(_, range)| range.typical / 1e6))
                .collect(),
            roofline: layer.roofline.map(RooflineRecord::new),
        });
        let causes = CYCLE_CAUSES.map(|cause| cause.replace('_', " "));
        Self { title: simulation_title(simulation), causes, layers: layers.collect(), components }
    }
}

fn simulation_title(simulation: &Simulation) -> String {
    let Simulation { workload, hardware, regime, batch, .. } = simulation;
    format!("{workload} on {hardware}, {regime}, batch {batch}")
}

/// The page as one HTML document.
///
/// # Errors
/// When it would hold more than [`MOST_POINTS`], or a number is not finite.
pub fn html_page(page: &Page<'_>) -> Result<String, ReportError> {
    if page.points.len() > MOST_POINTS {
        return Err(ReportError::TooManyPoints { found: page.points.len(), limit: MOST_POINTS });
    }
    let data = Data {
        points: point_records(page.points)?,
        simulations: page.simulations.iter().map(SimulationRecord::new).collect(),
    };
    // Inside a script element only `<` could end it.
    let data = serde_json::to_string(&data)?.replace('<', "\\u003c");
    let chart = CHART.lines().filter(|line| !line.starts_with("//# sourceMappingURL"));
    let sections = sections(page);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:";
                title { (page.title) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (page.title) }
                (navigation(&sections))
                @for section in &sections { (section.markup()) }
                script type="application/json" id="data" { (PreEscaped(data)) }
                script { (PreEscaped(chart.collect::<Vec<_>>().join("\n"))) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    Ok(markup.into_string() + "\n")
}

/// A part of the page that can be gone to.
struct Section {
    id: &'static str,
    title: &'static str,
    content: Markup,
}

impl Section {
    fn markup(&self) -> Markup {
        html! { section id=(self.id) { h2 { (self.title) } (self.content) } }
    }
}

/// The parts for which there is something to show.
fn sections(page: &Page<'_>) -> Vec<Section> {
    let has_accuracy = page.points.iter().any(|point| point.accuracy.is_some());
    let findings = html! { @for finding in page.findings { p { (finding) } } };
    let costs = html! { @for table in page.cost_tables { (static_table(table)) } };
    let without_accuracy = html! { p { "No point has an accuracy: nothing to plot it against." } };
    let pareto = if has_accuracy { pareto() } else { without_accuracy };
    let sections = [
        (!page.findings.is_empty(), Section { id: "findings", title: "Findings", content: findings }),
        (!page.points.is_empty(), Section { id: "overview", title: "Overview", content: overview(page) }),
        (!page.points.is_empty(), Section { id: "pareto", title: "Pareto plots", content: pareto }),
        (!page.simulations.is_empty(), Section { id: "layers", title: "Layers", content: layers() }),
        (!page.cost_tables.is_empty(), Section { id: "costs", title: "Cost tables", content: costs }),
        (true, Section { id: "provenance", title: "Where it comes from", content: provenance(page) }),
    ];
    sections.into_iter().filter_map(|(shown, section)| shown.then_some(section)).collect()
}

fn navigation(sections: &[Section]) -> Markup {
    html! {
        nav aria-label="Sections" {
            @for section in sections { a href={ "#" (section.id) } { (section.title) } }
        }
    }
}

fn overview(page: &Page<'_>) -> Markup {
    let table = points_table(page.points, page.energy_excluded, Rows::All);
    html! {
        p { (table.title) }
        div class="controls" {
            label { "Rows with all these words (design, network, precision, regime …)"
                input id="overview-filter" type="search" size="40"; }
            span id="overview-count" class="dim" role="status" {}
        }
        div class="scroll" tabindex="0" role="region" aria-label="Overview" {
            table id="overview-table" class="sortable" {
                thead { tr { @for header in &table.headers {
                    th scope="col" { button type="button" { (header) } }
                } } }
                (body(&table))
            }
        }
        ul { @for note in &table.notes { li { (note) } } }
    }
}

fn pareto() -> Markup {
    html! {
        div class="controls" {
            label { "Points that may be compared" select id="pareto-set" {} }
            label { "Against" select id="pareto-cost" {} }
            fieldset { legend { "Axis" }
                label { input id="pareto-log" type="checkbox" checked; "logarithmic" } }
            fieldset id="pareto-designs" { legend { "Designs" } }
            fieldset id="pareto-precisions" { legend { "Precisions" } }
            button id="pareto-all" type="button" { "Show all" }
        }
        p id="pareto-note" class="dim" role="status" {}
        div class="chart" {
            canvas id="pareto-chart" tabindex="0" role="img"
                aria-label="Top-1 accuracy against cost; arrow keys go from point to point" {}
        }
        p class="dim" {
            "Hover over a point, or go from point to point with the arrow keys. A click (Enter) shows only its design \
             and precision, a click beside all points (Escape) everything. Lines: intervals of top-1."
        }
        div id="pareto-live" class="live" role="status" aria-live="polite" {}
        table id="pareto-front" {
            caption { "On the front" }
            thead { tr { th scope="col" { "design" } th scope="col" { "network" } th scope="col" { "precision" }
                th scope="col" { "top-1 (%)" } th scope="col" {} } }
            tbody {}
        }
    }
}

fn layers() -> Markup {
    html! {
        div class="controls" { label { "Network on design" select id="layers-of" {} } }
        p id="layers-note" class="dim" role="status" {}
        h3 { "Cycles by cause" }
        p class="dim" {
            "Waiting that the layer before paid for is negative here. Edge and lane waste: slots that the layer's shape \
             leaves empty."
        }
        div class="chart bars" { canvas id="cycles-chart" role="img" aria-label="Cycles of every layer by cause" {} }
        h3 { "Modelled energy by component (typical)" }
        div class="chart bars" {
            canvas id="energy-chart" role="img" aria-label="Modelled energy of every layer by component" {}
        }
        h3 { "Roofline" }
        p class="dim" {
            "Reached (filled) and attainable (hollow) rate of every layer on the array that moves operands over the DRAM \
             channel. A layer above its roof moved data while the layer before it ran."
        }
        div class="chart" {
            canvas id="roofline-chart" role="img" aria-label="Reached rate of every layer against operational intensity" {}
        }
    }
}

fn static_table(table: &Table) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="region" aria-label=(table.title) {
            table {
                caption { (table.title) }
                thead { tr { @for header in &table.headers { th scope="col" { (header) } } } }
                (body(table))
            }
        }
        @if !table.notes.is_empty() { ul { @for note in &table.notes { li { (note) } } } }
    }
}

fn body(table: &Table) -> Markup {
    let numeric = table.numeric_columns();
    html! {
        tbody { @for row in &table.rows { tr { @for (column, cell) in row.iter().enumerate() {
            @if numeric.contains(&column) { td class="number" { (cell) } }
            @else if cell.chars().count() <= SHORT { td class="short" { (cell) } }
            @else { td { (cell) } }
        } } } }
    }
}

fn provenance(page: &Page<'_>) -> Markup {
    html! {
        p { "Made by systolab " (page.tool_version) " with " code { (page.command) } }
        @if !page.energy_excluded.is_empty() {
            p { "Modelled energy leaves out: " (page.energy_excluded.join(", ")) "." }
        }
        (static_table(&checksums(page)))
        p class="dim" { "Charts: Chart.js 4.5.1 (MIT), © Chart.js Contributors." }
    }
}

/// SHA-256 of every file behind the page.
fn checksums(page: &Page<'_>) -> Table {
    let mut files: BTreeSet<[&str; 3]> =
        page.files.iter().map(|file| file.each_ref().map(String::as_str)).collect();
    for point in page.points {
        let sums = &point.checksums;
        files.insert(["design", &point.design, &sums.design]);
        files.insert(["network", &point.network, &sums.network]);
        files.insert(["trace", &point.network, &sums.trace]);
        files.insert(["technology", &point.technology, &sums.technology]);
        if let Some(accuracy) = point.measured() {
            files.insert(["evaluation set", &accuracy.evaluation_set, &accuracy.evaluation_set_sha256]);
        }
    }
    Table {
        title: "Files, by SHA-256".to_owned(),
        headers: ["file", "name", "SHA-256"].map(str::to_owned).to_vec(),
        rows: files
            .into_iter()
            .filter(|[.., sum]| !sum.is_empty())
            .map(|file| file.map(str::to_owned).to_vec())
            .collect(),
        notes: vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn page(points: &[Point]) -> String {
        let page = Page {
            title: "Designs × networks",
            command: "systolab evaluate --html",
            tool_version: "1.2.3",
            points,
            findings: &["A finding.".to_owned()],
            simulations: &[],
            cost_tables: &[],
            energy_excluded: &["clock tree".to_owned()],
            files: &[],
        };
        html_page(&page).unwrap()
    }

    #[test]
    fn the_same_points_give_the_same_bytes_and_nothing_is_fetched() {
        let points = samples::points();
        let html = page(&points);
        assert_eq!(page(&points), html);
        for fetched in ["src=\"", "href=\"http", "url(", "@import", "sourceMappingURL"] {
            assert!(!html.contains(fetched), "{fetched}");
        }
    }

    #[test]
    fn names_from_files_are_text() {
        let mut points = samples::points();
        points[0].network = "<script>alert(1)</script>".into();
        points[1].design = "</script><img src=x onerror=alert(1)>".into();
        let html = page(&points);
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(html.contains("\\u003cscript>alert(1)\\u003c/script>"));
        assert!(!html.contains("<script>alert") && !html.contains("<img"));
    }

    #[test]
    fn no_points_and_points_without_accuracy_are_pages_too() {
        assert!(!page(&[]).contains("id=\"overview\""));
        let mut points = samples::points();
        points.iter_mut().for_each(|point| point.accuracy = None);
        assert!(page(&points).contains("No point has an accuracy"));
    }

    #[test]
    fn too_many_points_are_refused() {
        let points = vec![samples::points().remove(0); MOST_POINTS + 1];
        let page = Page {
            title: "",
            command: "",
            tool_version: "",
            points: &points,
            findings: &[],
            simulations: &[],
            cost_tables: &[],
            energy_excluded: &[],
            files: &[],
        };
        assert!(matches!(html_page(&page), Err(ReportError::TooManyPoints { .. })));
    }
}
