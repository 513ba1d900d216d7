//! Designs × networks → points, with accuracy, Pareto fronts and what they say.
//!
//! Knows the models to its left and compares their results. Must not know files of reports,
//! terminals or plots.

mod accuracy;
mod conditions;
mod cost_table;
mod design_point;
mod evaluate;
mod execute;
mod execution;
mod findings;
mod pareto;
mod point;
mod pricing;
mod published;
mod scalesim;
mod simulate;
mod stepping;
mod sweep;
mod what_would_help;

pub use crate::functional::Engine;
pub use accuracy::{Interval95, newcombe, wilson};
pub use conditions::TimedRequest;
pub use cost_table::{
    AreaCosts, CostRow, CostTable, DesignCosts, LeftOut, MemoryCosts, PairCosts, SramFitRow, TechnologyCosts,
    cost_table,
};
pub use design_point::{Axes, Best, Budget, CostAxis, DesignPoint, Sample, network_size};
pub use evaluate::{Design, EvaluateError, Evaluation, Progress, Subject, evaluate};
pub use execute::{ExecuteError, Keep, Origin, Request, Run, RunLayer, execute};
pub use execution::{ExecutedLayer, Execution, Trained, plans};
pub use findings::findings;
pub use pareto::pareto_front;
pub use point::{
    Accuracy, Checksums, Cost, FrameworkAgreement, MeasuredAccuracy, Outcome, PartialArea, Point, Range,
    Regime,
};
pub use pricing::{PricingError, energy};
pub use published::{PublishedAccuracy, Standing, published, published_baselines, unjoinable};
pub use scalesim::{
    ComparedLayer, NotForScaleSim, ScaleSimComparison, compare_with_scalesim, scalesim_layers,
};
pub use simulate::{
    CYCLE_CAUSES, Roofline, SimulatedLayer, SimulatedTotals, Simulation, SimulationError, TimingModel,
    simulate, simulate_stepped,
};
pub use stepping::SteppingError;
pub use sweep::{
    MODEL_VERSION, Metrics, Objective, PointResult, PointSpec, PublishedTop1, Requirement, Resolved, Status,
    Sweep, SweepError, Workbench, front_of,
};
pub use what_would_help::{RequestCycles, WhatWouldHelp, what_would_help};
