//! A configuration as a design file: what SCALE-Sim says, and guesses for what it does not.

use super::configuration::{Bandwidth, Configuration};

/// Of the design; SCALE-Sim has cycles but no clock.
const FREQUENCY_HZ: u64 = 1_000_000_000;
/// Where SCALE-Sim computes the bandwidth that hides DRAM.
const BYTES_PER_S: u64 = 12_800_000_000;

impl Configuration {
    /// The text of a design file, every key with its origin. PEs as SCALE-Sim has them: weights are not
    /// double-buffered, and an output-stationary fold drains before the next begins.
    pub fn design_toml(&self, name: &str) -> String {
        let (bytes_per_s, origin) = match self.bandwidth {
            Bandwidth::Calculated => (BYTES_PER_S, "guess: CALC mode has no bandwidth"),
            Bandwidth::Requested { ifmap, filter, ofmap } => {
                let sum = (ifmap + filter + ofmap).saturating_mul(FREQUENCY_HZ);
                (sum, "USER mode: the words per cycle of all three operands, on one channel")
            }
        };
        let drain = match self.dataflow {
            super::Dataflow::OutputStationary => {
                "os_drain = \"blocking\" # SCALE-Sim: folds do not overlap\n"
            }
            super::Dataflow::WeightStationary | super::Dataflow::InputStationary => "",
        };
        let mac = |activation: &str| {
            format!(
                "[[mac]]\nactivation = \"{activation}\" # one word is one byte\nweight = \"int8\"\n\
                 lanes = {{ along = \"k\", count = 1 }} # SCALE-Sim: one MAC per PE\n\
                 partial_sum_bits = 32 # guess\naccumulator_bits = 32 # guess\n\n"
            )
        };
        let scratchpad = |name: &str, key: &str, bytes: u64| {
            format!("[scratchpad.{name}]\nbytes = {bytes} # {key}\nwidth_bits = 64 # guess\n\n")
        };
        [
            format!(
                "# Imported from a configuration of SCALE-Sim; \"guess\" marks what it does not say.\n\
                 schema_version = 1\nname = {name:?}\n\
                 description = \"SCALE-Sim: {rows}×{cols}, {dataflow}\"\n\
                 frequency_hz = {FREQUENCY_HZ} # guess\ntechnology = \"7nm\" # guess\n\n\
                 [array]\nrows = {rows} # ArrayHeight\ncols = {cols} # ArrayWidth\n\
                 dataflows = [\"{dataflow}\"] # Dataflow\n\
                 double_buffer = false # SCALE-Sim: weights wait for the fold before\n{drain}\n",
                rows = self.rows,
                cols = self.cols,
                dataflow = self.dataflow,
            ),
            mac("int8"),
            mac("uint8"),
            scratchpad("activation", "IfmapSramSzkB", self.sram.ifmap_bytes),
            scratchpad("weight", "FilterSramSzkB", self.sram.filter_bytes),
            scratchpad("accumulator", "OfmapSramSzkB", self.sram.ofmap_bytes),
            format!(
                "[dram]\npart = \"LPDDR4\" # guess\nbytes_per_s = {bytes_per_s} # {origin}\n\
                 efficiency = 1.0 # SCALE-Sim: no overhead\nlatency_cycles = 1 # SCALE-Sim: answers come after one cycle\n\
                 burst_bytes = 1 # SCALE-Sim: words\n\n\
                 [vector]\nlanes = {cols} # guess: one per column\nops_per_cycle = 1 # guess\n",
                cols = self.cols,
            ),
        ]
        .concat()
    }
}
