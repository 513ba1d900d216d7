//! Designs × networks → points, with accuracy, Pareto fronts and what they say.
//!
//! Knows the models to its left and compares their results. Must not know files of reports,
//! terminals or plots.

mod point;

pub use point::{Checksums, Cost, MeasuredAccuracy, Outcome, Point, Range, Regime};
