//! One timed request priced under several conditions: technology, DRAM part, cost of idle MAC slots.

use crate::cost::{CostError, EnergyRows, Technology, energy_rows};
use crate::timing::{NetworkTiming, Regime, time_network_by_cause};
use crate::workload::Workload;

use super::evaluate::Design;
use super::mapper::{MappingPolicy, map};
use super::pricing::{PricingError, memories};
use super::simulate::{CYCLE_CAUSES, sum_by_cause};

/// A batch-1 request of a network on a design, timed.
#[derive(Clone, Debug)]
pub struct TimedRequest<'a> {
    design: &'a Design,
    timing: NetworkTiming,
    cycles_by_cause: [i64; CYCLE_CAUSES.len()],
}

impl<'a> TimedRequest<'a> {
    /// Fails if the design cannot run the network.
    pub fn new(
        design: &'a Design,
        workload: &Workload,
        policy: MappingPolicy,
        regime: Regime,
    ) -> Result<Self, PricingError> {
        let mapped = map(design, workload, 1, policy)?;
        let network = workload.costed_network();
        let (timing, causes) = time_network_by_cause(network, &mapped, &design.accelerator, regime);
        Ok(Self { design, timing, cycles_by_cause: sum_by_cause(&causes) })
    }

    /// First DRAM command to last output written, in seconds.
    pub fn latency_s(&self) -> f64 {
        self.timing.cycles.0 as f64 / self.design.accelerator.frequency_hz() as f64
    }

    /// Σ(MACs / peak) / cycles, 0 to 1.
    pub fn utilization(&self) -> f64 {
        self.timing.utilization()
    }

    /// Shares of the cycles by cause, in the order of [`CYCLE_CAUSES`]; they add up to 1.
    pub fn cycle_shares(&self) -> [f64; CYCLE_CAUSES.len()] {
        self.cycles_by_cause.map(|cycles| cycles as f64 / self.timing.cycles.0 as f64)
    }

    /// Modelled energy with another technology's table, another DRAM part's energy per bit (its bandwidth
    /// stays the design's) and idle MAC slots that cost a share of a MAC.
    pub fn energy_rows(
        &self,
        technology: &Technology,
        dram_part: &str,
        idle_fraction: f64,
    ) -> Result<EnergyRows, CostError> {
        let mut memories = memories(&self.design.accelerator);
        dram_part.clone_into(&mut memories.dram_part);
        energy_rows(&self.timing.counters, &memories, technology, idle_fraction)
    }
}
