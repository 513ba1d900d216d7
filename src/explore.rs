//! Designs × networks → points, with accuracy, Pareto fronts and what they say.
//!
//! Knows the models to its left and compares their results. Must not know files of reports,
//! terminals or plots.

mod accuracy;
mod findings;
mod pareto;
mod point;

pub use accuracy::{Interval95, newcombe, wilson};
pub use findings::findings;
pub use pareto::pareto_front;
pub use point::{Checksums, Cost, MeasuredAccuracy, Outcome, Point, Range, Regime};
