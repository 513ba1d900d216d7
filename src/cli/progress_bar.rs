//! How far a long command is: a bar, on a terminal only.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of `length` steps; `counts` says what they are: `{pos} of {len} layers`.
pub(super) fn progress_bar(length: u64, counts: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(&format!("{{bar:30}} {counts}, {{per_sec}}, {{eta}} left"));
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
