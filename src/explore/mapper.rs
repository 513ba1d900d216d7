//! Which mapping a request gets: what it is chosen for, and how hard is looked.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cost::{CostError, energy};
use crate::hardware::Accelerator;
use crate::mapping::{self, Candidate, LayerMapping, MappedLayer, MappingError, Search, map_workload_with};
use crate::timing::time_layer;
use crate::workload::{Network, Workload};

use super::evaluate::Design;
use super::pricing::{PricingError, memories};

/// What a mapping is chosen for, layer by layer, each as if it ran alone with its weights in DRAM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MappingObjective {
    /// Fewest cycles.
    #[default]
    Latency,
    /// Least modelled energy (typical).
    Energy,
    /// Least product of both.
    Edp,
}

impl MappingObjective {
    /// Whether it is what requests are mapped for where nothing else is said.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for MappingObjective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Latency => "latency",
            Self::Energy => "energy",
            Self::Edp => "edp",
        })
    }
}

/// Which tilings of a layer are considered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mapper {
    /// Likely ones. For latency they are judged by estimates of their cycles, and the best of a layer of few steps
    /// by timing them; else by timing and pricing all.
    #[default]
    Default,
    /// All on a grid of nested tiles, timed and priced one by one; slow.
    Exhaustive,
}

impl fmt::Display for Mapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Default => "default",
            Self::Exhaustive => "exhaustive",
        })
    }
}

impl fmt::Display for MappingPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by the {} mapper", self.objective, self.mapper)
    }
}

/// How a request is mapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MappingPolicy {
    /// What for.
    pub objective: MappingObjective,
    /// How hard is looked.
    pub mapper: Mapper,
}

/// For energy and its product with time, mappings are left out that take so many times the cycles of the
/// fastest seen.
const SLOWER_THAN_FASTEST: u64 = 4;

/// The array's part of every layer that is executed, mapped as a request of one image is costed: the f32 layers at the
/// end are the host's and have no say in it.
pub fn map_executed(
    workload: &Workload,
    accelerator: &Accelerator,
) -> Result<Vec<Option<MappedLayer>>, MappingError> {
    let costed = map_network(workload.costed_network(), accelerator, 1)?;
    let mut layers: Vec<_> = costed.into_iter().map(|layer| layer.array).collect();
    layers.resize(workload.network().layers().len(), None);
    Ok(layers)
}

/// Maps a network for a request of `batch` images as requests are mapped where nothing else is said;
/// [`mapping::map_network_with`] takes another search.
pub fn map_network(
    network: &Network,
    accelerator: &Accelerator,
    batch: u64,
) -> Result<Vec<LayerMapping>, MappingError> {
    mapping::map_network_with(
        network,
        accelerator,
        batch,
        &mut Search::Shortlisted(&mut timed(network, accelerator)),
    )
}

/// Cycles of a candidate alone.
fn timed(network: &Network, accelerator: &Accelerator) -> impl FnMut(&Candidate<'_>) -> Option<f64> {
    move |candidate| {
        Some(time_layer(network, candidate.layer, candidate.mapping, accelerator).cycles.0 as f64)
    }
}

/// Maps a request of `batch` images.
pub fn map(
    design: &Design,
    workload: &Workload,
    batch: u64,
    policy: MappingPolicy,
) -> Result<Vec<LayerMapping>, PricingError> {
    let accelerator = &design.accelerator;
    let refused = |error| PricingError::mapping(design, workload, error);
    let MappingPolicy { objective, mapper } = policy;
    if policy == MappingPolicy::default() {
        let mut judge = timed(workload.costed_network(), accelerator);
        let mut search = Search::Shortlisted(&mut judge);
        return map_workload_with(workload, accelerator, batch, &mut search).map_err(refused);
    }
    let mut unpriced: Option<CostError> = None;
    let mut fastest: Option<((usize, u64), u64)> = None;
    let memories = memories(accelerator);
    let mut judge = |candidate: &Candidate<'_>| -> Option<f64> {
        // Candidates of one layer (and batch) follow each other.
        let subject = (candidate.layer, candidate.mapping.transport.pixels);
        let best = fastest.filter(|(last, _)| *last == subject).map(|(_, cycles)| cycles);
        let hopeless = best.is_some_and(|best| match objective {
            MappingObjective::Latency => candidate.least_cycles >= best,
            MappingObjective::Energy | MappingObjective::Edp => {
                candidate.least_cycles > best.saturating_mul(SLOWER_THAN_FASTEST)
            }
        });
        if hopeless {
            return None;
        }
        let timing = time_layer(workload.costed_network(), candidate.layer, candidate.mapping, accelerator);
        let cycles = timing.cycles.0;
        debug_assert!(
            cycles >= candidate.least_cycles,
            "{cycles} cycles, at least {}",
            candidate.least_cycles
        );
        fastest = Some((subject, best.map_or(cycles, |best| best.min(cycles))));
        if objective == MappingObjective::Latency {
            return Some(cycles as f64);
        }
        let energy = match energy(&timing.counters, &memories, &design.technology, 0.0) {
            Ok(energy) => energy.total().typical(),
            Err(error) => {
                unpriced = unpriced.take().or(Some(error));
                return None;
            }
        };
        Some(if objective == MappingObjective::Edp { energy * cycles as f64 } else { energy })
    };
    let mut search = match mapper {
        Mapper::Default => Search::Likely(&mut judge),
        Mapper::Exhaustive => Search::Nested(&mut judge),
    };
    let mapped = map_workload_with(workload, accelerator, batch, &mut search);
    match unpriced {
        Some(error) => Err(PricingError::cost(design, workload, error)),
        None => mapped.map_err(refused),
    }
}
