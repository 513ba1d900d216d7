//! Points and tables as text: printed, Markdown, CSV, JSON and SVG.
//!
//! Knows points and how they are written. Must not know models, where files lie, or terminals:
//! every function returns its text.

mod columns;
mod cost_table;
mod csv_text;
mod error;
mod executions;
mod fronts;
mod golden_files;
mod html;
pub mod number;
mod plot;
mod points_csv;
mod points_file;
mod points_json;
mod points_table;
mod run;
#[cfg(test)]
mod samples;
mod scalesim;
mod simulation;
mod study;
mod table;
mod validation;

pub use cost_table::{cost_table_csv, cost_table_json, cost_tables};
pub use error::ReportError;
pub use executions::executions_table;
pub use fronts::Fronts;
pub use golden_files::golden_files;
pub use html::{MOST_POINTS, Page, html_page};
pub use plot::{MOST_PANELS, ParetoPlot, cycle_bars, energy_bars, pareto_plots, roofline, tornado_plot};
pub use points_csv::points_csv;
pub use points_file::{NoSuchPoint, PointsFile, PointsFileError, RequestedPoints, read_points};
pub use points_json::points_json;
pub use points_table::{Rows, points_table};
pub use run::{run_about, run_json, run_table};
pub use scalesim::{scalesim_json, scalesim_table};
pub use simulation::{SimulationColumns, help_table, simulation_json, simulation_table};
pub use study::study_files;
pub use table::Table;
pub use validation::{validation_json, validation_table};
