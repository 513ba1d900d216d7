//! What a network costs under one condition, and how sure a ratio of two costs is.

use std::collections::{BTreeMap, BTreeSet};

use crate::cost::{Component, EnergyRange, EnergyRows, Exclusion};
use crate::explore::{CostAxis, Range};

/// Halvings of a bracket: more than an f64 has bits.
const HALVINGS: usize = 64;

/// One network's cost on one design under one condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    latency_s: f64,
    cost_linear: f64,
    cost_quadratic: f64,
    /// pJ, by what one row of the technology file prices.
    rows: BTreeMap<(Component, String), EnergyRange>,
    exclusions: BTreeSet<Exclusion>,
}

impl Price {
    /// Latency in seconds, AQT's costs, and energy row by row.
    pub fn new(latency_s: f64, cost_linear: u64, cost_quadratic: u64, energy: EnergyRows) -> Self {
        let EnergyRows { rows, exclusions } = energy;
        Self {
            latency_s,
            cost_linear: cost_linear as f64,
            cost_quadratic: cost_quadratic as f64,
            rows,
            exclusions,
        }
    }

    /// The cost with every row at its typical value: in the axis' unit.
    pub fn of(&self, axis: CostAxis) -> f64 {
        let energy_uj = || self.energy_pj(|_, energy| energy.typical()) / 1e6;
        match axis {
            CostAxis::Energy => energy_uj(),
            CostAxis::Latency => self.latency_s * 1e6,
            CostAxis::EnergyDelay => energy_uj() * self.latency_s * 1e6,
            CostAxis::Linear => self.cost_linear / 1e6,
            CostAxis::Quadratic => self.cost_quadratic / 1e6,
        }
    }

    /// Typical energy in pJ of the components that `which` names.
    pub fn component_pj(&self, which: impl Fn(Component) -> bool) -> f64 {
        self.energy_pj(|component, energy| if which(component) { energy.typical() } else { 0.0 })
    }

    /// The components that have energy.
    pub fn components(&self) -> BTreeSet<Component> {
        self.rows.keys().map(|(component, _)| *component).collect()
    }

    /// This cost over another's: lowest and highest over all corners, where each row of the technology file
    /// is at its lowest or its highest value, the same for both networks. None if their energies leave out
    /// different things.
    pub fn ratio(&self, other: &Self, axis: CostAxis) -> Option<Range> {
        let typical = self.of(axis) / other.of(axis);
        if !axis.has_energy() {
            return Some(Range { low: typical, typical, high: typical });
        }
        if self.exclusions != other.exclusions {
            return None;
        }
        let delay = |price: &Self| if axis == CostAxis::EnergyDelay { price.latency_s } else { 1.0 };
        let factor = delay(self) / delay(other);
        let high = self.highest_energy_ratio(other) * factor;
        let low = factor / other.highest_energy_ratio(self);
        Some(Range { low: low.min(typical), typical, high: high.max(typical) })
    }

    /// This cost over another's with one component's rows at a bound, the others typical.
    pub fn ratio_with(
        &self,
        other: &Self,
        axis: CostAxis,
        component: Component,
        bound: fn(EnergyRange) -> f64,
    ) -> f64 {
        let energy = |price: &Self| {
            price.energy_pj(|of, energy| if of == component { bound(energy) } else { energy.typical() })
        };
        let delay = |price: &Self| if axis == CostAxis::EnergyDelay { price.latency_s } else { 1.0 };
        energy(self) * delay(self) / (energy(other) * delay(other))
    }

    fn energy_pj(&self, value: impl Fn(Component, EnergyRange) -> f64) -> f64 {
        self.rows.iter().map(|((component, _), energy)| value(*component, *energy)).sum()
    }

    /// The highest ratio of energies over all corners. A ratio r is exceeded at some corner if this energy
    /// minus r times the other's is positive there; that difference is largest where each row is at the
    /// bound that makes its own part largest.
    fn highest_energy_ratio(&self, other: &Self) -> f64 {
        let keys: BTreeSet<_> = self.rows.keys().chain(other.rows.keys()).collect();
        let of = |price: &Self, key| price.rows.get(key).copied().unwrap_or_default();
        let rows: Vec<[EnergyRange; 2]> =
            keys.into_iter().map(|key| [of(self, key), of(other, key)]).collect();
        let exceeded = |ratio: f64| {
            let part =
                |[a, b]: &[EnergyRange; 2]| (a.low() - ratio * b.low()).max(a.high() - ratio * b.high());
            rows.iter().map(part).sum::<f64>() > 0.0
        };
        let (mut below, mut above) = (
            self.energy_pj(|_, energy| energy.low()) / other.energy_pj(|_, energy| energy.high()),
            self.energy_pj(|_, energy| energy.high()) / other.energy_pj(|_, energy| energy.low()),
        );
        for _ in 0..HALVINGS {
            let middle = below.midpoint(above);
            if exceeded(middle) { below = middle } else { above = middle }
        }
        above
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range([low, typical, high]: [f64; 3]) -> EnergyRange {
        EnergyRange::of(low, typical, high)
    }

    fn price(latency_s: f64, rows: &[[f64; 3]]) -> Price {
        let rows =
            (0..).zip(rows).map(|(key, row): (u32, _)| ((Component::Dram, key.to_string()), range(*row)));
        Price::new(latency_s, 1, 1, EnergyRows { rows: rows.collect(), exclusions: BTreeSet::new() })
    }

    #[test]
    fn what_both_share_does_not_widen_their_ratio() {
        // All energy in one row: its uncertainty cancels.
        let ratio = price(1.0, &[[1.0, 2.0, 8.0]]).ratio(&price(1.0, &[[2.0, 4.0, 16.0]]), CostAxis::Energy);
        let ratio = ratio.unwrap();
        for bound in [ratio.low, ratio.typical, ratio.high] {
            assert!((bound - 0.5).abs() < 1e-12, "{bound}");
        }
    }

    #[test]
    fn energies_that_leave_out_different_things_have_no_ratio() {
        let mut partial = price(1.0, &[[1.0, 1.0, 1.0]]);
        partial.exclusions.insert(Exclusion { what: "clock".into(), reason: "none".into() });
        let whole = price(1.0, &[[1.0, 1.0, 1.0]]);
        assert_eq!(partial.ratio(&whole, CostAxis::Energy), None);
        assert!(partial.ratio(&whole, CostAxis::Latency).is_some());
    }

    proptest! {
        // Against all 2^n corners. A row's bounds are counts times one price, so both networks' bounds have
        // the same proportions.
        #[test]
        fn the_range_is_that_of_all_corners(
            rows in prop::collection::vec((0.1f64..9.0, 0.1f64..9.0, 0.1f64..1.0, 1.0f64..9.0), 1..7),
            latencies in (0.1f64..3.0, 0.1f64..3.0),
        ) {
            let row = |count: f64, low: f64, high: f64| [count * low, count, count * high];
            let one: Vec<_> = rows.iter().map(|&(a, _, low, high)| row(a, low, high)).collect();
            let two: Vec<_> = rows.iter().map(|&(_, b, low, high)| row(b, low, high)).collect();
            let ratio = price(latencies.0, &one).ratio(&price(latencies.1, &two), CostAxis::EnergyDelay).unwrap();
            let corners = (0..1usize << rows.len()).map(|corner| {
                let at = |rows: &[[f64; 3]]| -> f64 {
                    rows.iter().enumerate().map(|(i, row)| row[2 * (corner >> i & 1)]).sum()
                };
                at(&one) * latencies.0 / (at(&two) * latencies.1)
            });
            let (low, high) = corners.fold((f64::MAX, 0f64), |(low, high), r| (low.min(r), high.max(r)));
            prop_assert!((ratio.low / low - 1.0).abs() < 1e-9, "{} {low}", ratio.low);
            prop_assert!((ratio.high / high - 1.0).abs() < 1e-9, "{} {high}", ratio.high);
        }
    }
}
