//! Action counts under the names that a cost table prices them by.

use crate::timing::{Accesses, Counters};

use super::{Action, Component};

/// Every action that occurred, by its key in a technology file, how often; words of a scratchpad by its
/// name, then `read` or `write`. Bits of a DRAM channel are those of whole bursts.
pub fn action_counts(counters: &Counters, dram_part: &str) -> Vec<(String, u64)> {
    let mut counts: Vec<(String, u64)> = Vec::new();
    counts.extend(counters.macs.iter().map(|(pair, macs)| (Action::Multiply(*pair).to_string(), macs.0)));
    counts.extend(
        counters
            .additions
            .iter()
            .map(|(adder, additions)| (Action::Accumulate(*adder).to_string(), additions.0)),
    );
    counts.push((Action::RegisterBit.to_string(), counters.register_bits.0));
    for (component, Accesses { reads, writes }) in [
        (Component::ActivationScratchpad, counters.activation),
        (Component::WeightScratchpad, counters.weight),
        (Component::AccumulatorScratchpad, counters.accumulator),
    ] {
        counts.push((format!("{component}, read"), reads.0));
        counts.push((format!("{component}, write"), writes.0));
    }
    counts.extend(
        counters.vector.iter().map(|(operation, count)| (Action::Vector(*operation).to_string(), count.0)),
    );
    let dram_bits = 8 * (counters.dram_read.0 + counters.dram_write.0);
    counts.push((Action::DramBit(dram_part.to_owned()).to_string(), dram_bits));
    counts.retain(|(_, count)| *count > 0);
    counts
}
