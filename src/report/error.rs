//! What can go wrong while a report is rendered.

/// A report that could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A number is infinite or not a number, which no report may contain.
    #[error("{design}, {network}: {column} is not a finite number")]
    NotFinite {
        /// The design of the row.
        design: String,
        /// The network of the row.
        network: String,
        /// The column.
        column: String,
    },
    /// More points than a page can show.
    #[error(
        "HTML: {found} points; a page holds at most {limit} (evaluate fewer designs or networks, or take the fronts of \
         points.csv with `systolab pareto`)"
    )]
    TooManyPoints {
        /// Points given.
        found: usize,
        /// Points accepted.
        limit: usize,
    },
    /// The CSV could not be written.
    #[error("CSV: {0}")]
    Csv(String),
    /// The JSON could not be written.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The plot could not be drawn.
    #[error("plot: {0}")]
    Plot(String),
}
