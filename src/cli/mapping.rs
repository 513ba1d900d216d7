//! The flags that say how networks are mapped.

use clap::ValueEnum;

use crate::explore::{Mapper, MappingObjective, MappingPolicy};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Objective {
    /// Fewest cycles.
    #[default]
    Latency,
    /// Least modelled energy.
    Energy,
    /// Least product of both.
    Edp,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Search {
    /// Likely tiles; for latency judged by estimates.
    #[default]
    Default,
    /// All tiles of a grid, timed and priced one by one; slow.
    Exhaustive,
}

/// How networks are mapped.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct MappingFlags {
    /// What mappings are chosen for, layer by layer
    #[arg(long, value_enum, default_value_t)]
    objective: Objective,
    /// Which mappings are considered
    #[arg(long, value_enum, default_value_t)]
    mapper: Search,
}

impl MappingFlags {
    pub(super) fn policy(self) -> MappingPolicy {
        MappingPolicy {
            objective: match self.objective {
                Objective::Latency => MappingObjective::Latency,
                Objective::Energy => MappingObjective::Energy,
                Objective::Edp => MappingObjective::Edp,
            },
            mapper: match self.mapper {
                Search::Default => Mapper::Default,
                Search::Exhaustive => Mapper::Exhaustive,
            },
        }
    }
}
