//! What more of one resource would save, by simulating the request again.

use crate::hardware::{Accelerator, Change};
use crate::timing::{NetworkTiming, Regime, time_network};
use crate::workload::Workload;

use super::evaluate::Design;
use super::mapper::{MappingPolicy, map};
use super::pricing::PricingError;

/// The cycles of a request on a design, and with more of each resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhatWouldHelp {
    /// As it is.
    pub now: RequestCycles,
    /// The change, and its cycles; None where the design would not change or cannot run the network.
    pub changes: Vec<(String, Option<RequestCycles>)>,
    /// Names of the layers.
    pub layers: Vec<String>,
}

/// Cycles of a request and of each of its layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestCycles {
    /// All of it.
    pub total: u64,
    /// Layer by layer; they add up.
    pub layers: Vec<u64>,
}

/// Simulates a request as it is and with every [`Change`], mapped anew each time.
pub fn what_would_help(
    design: &Design,
    workload: &Workload,
    batch: u64,
    regime: Regime,
    policy: MappingPolicy,
) -> Result<WhatWouldHelp, PricingError> {
    let timed = |accelerator: Accelerator| -> Result<NetworkTiming, PricingError> {
        let design = Design { accelerator, ..design.clone() };
        let mapped = map(&design, workload, batch, policy)?;
        Ok(time_network(workload.costed_network(), &mapped, &design.accelerator, regime))
    };
    let now = timed(design.accelerator.clone())?;
    let changes = Change::ALL.map(|change| {
        let changed = design.accelerator.changed(change);
        let timing = changed.and_then(|accelerator| timed(accelerator).ok());
        (change.to_string(), timing.as_ref().map(RequestCycles::of))
    });
    Ok(WhatWouldHelp {
        layers: now.layers.iter().map(|layer| layer.name.clone()).collect(),
        now: RequestCycles::of(&now),
        changes: changes.to_vec(),
    })
}

impl RequestCycles {
    fn of(timing: &NetworkTiming) -> Self {
        Self { total: timing.cycles.0, layers: timing.layers.iter().map(|layer| layer.cycles.0).collect() }
    }
}
