//! Designs × networks → points, with accuracy, Pareto fronts and what they say.
//!
//! Knows the models to its left and compares their results. Must not know files of reports,
//! terminals or plots.

mod accuracy;
mod array_layers;
mod conditions;
mod cost_table;
mod design_point;
mod evaluate;
mod execute;
mod execution;
mod findings;
mod golden_fold;
mod layer_weights;
mod mapper;
mod pareto;
mod point;
mod pricing;
mod published;
mod scalesim;
mod simulate;
mod stepping;
mod sweep;
mod what_would_help;
mod zero_operands;

pub use crate::functional::Engine;
pub use crate::mapping::{Dataflow, Join};
pub use accuracy::{Interval95, newcombe, wilson};
pub use array_layers::{ArrayLayer, ArrayOperands, StoredAs, array_layers};
pub use conditions::TimedRequest;
pub use cost_table::{
    AreaCosts, CostRow, CostTable, DesignCosts, LeftOut, MemoryCosts, PairCosts, SramFitRow, TechnologyCosts,
    cost_table,
};
pub use design_point::{Axes, Best, Budget, CostAxis, DesignPoint, Sample, network_size};
pub use evaluate::{Design, EvaluateError, Evaluation, Progress, Subject, evaluate, evaluate_by};
pub use execute::{ExecuteError, Keep, Origin, Request, Run, RunLayer, execute};
pub use execution::{ExecutedLayer, Execution, Trained, plans};
pub use findings::findings;
pub use golden_fold::{GoldenArray, GoldenFold, GoldenFoldError, GoldenLines, golden_fold};
pub use mapper::{Mapper, MappingObjective, MappingPolicy, map, map_executed, map_network};
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
    simulate, simulate_by, simulate_stepped, simulate_stepped_by,
};
pub use stepping::SteppingError;
pub use sweep::{
    MODEL_VERSION, Metrics, Objective, PointResult, PointSpec, PublishedTop1, Requirement, Resolved, Status,
    Sweep, SweepError, UnknownObjective, Workbench, front_of, sweep_schema,
};
pub use what_would_help::{RequestCycles, WhatWouldHelp, what_would_help};
pub use zero_operands::ZeroOperandMacs;
