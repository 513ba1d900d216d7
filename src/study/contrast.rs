//! What a precision saves, beside what its MACs alone would save: what mapping, memory and element-wise work
//! do to it.

use crate::cost::Component;
use crate::explore::{CostAxis, Range};

use super::paired_t::PairedDifference;
use super::price::Price;
use super::{BASELINE, CANDIDATE, TrainedNetwork};

/// A quantized network over the bf16 network of the same size.
#[derive(Clone, Debug, PartialEq)]
pub struct Contrast {
    /// Index of the quantized network.
    pub network: usize,
    /// Index of the bf16 network.
    pub of: usize,
    /// Energy of multipliers and adders, typical: an input, not a finding.
    pub mac_energy: f64,
    /// One ratio per axis, over all corners; None if the energies leave out different things.
    pub ratios: Vec<(CostAxis, Option<Range>)>,
}

/// Two networks of exactly the same hardware-agnostic cost.
#[derive(Clone, Debug, PartialEq)]
pub struct EqualCost {
    /// The cost that they share.
    pub axis: CostAxis,
    /// Index of the mostly-4-bit network.
    pub network: usize,
    /// Index of the bf16 or 8-bit network.
    pub of: usize,
    /// Its top-1 minus the other's.
    pub difference: PairedDifference,
    /// Energy, latency and their product, over the other's, over all corners.
    pub ratios: Vec<(CostAxis, Option<Range>)>,
}

/// Shares of a network's typical energy, by component.
#[derive(Clone, Debug, PartialEq)]
pub struct Shares {
    /// Index of the network.
    pub network: usize,
    /// 0 to 1, in report order; they add up to 1.
    pub shares: Vec<(Component, f64)>,
}

fn is_mac(component: Component) -> bool {
    matches!(component, Component::Multiplier | Component::MacAdder)
}

fn ratios(network: &Price, of: &Price, axes: &[CostAxis]) -> Vec<(CostAxis, Option<Range>)> {
    axes.iter().map(|axis| (*axis, network.ratio(of, *axis))).collect()
}

/// One entry per quantized network that has a bf16 network of its size.
pub fn contrasts(networks: &[TrainedNetwork], prices: &[Price]) -> Vec<Contrast> {
    let contrast = |network: usize| {
        let same_size =
            |of: &usize| networks[*of].size == networks[network].size && networks[*of].precision == BASELINE;
        let of = (0..networks.len()).find(same_size).filter(|of| *of != network)?;
        let mac = |price: &Price| price.component_pj(is_mac);
        Some(Contrast {
            network,
            of,
            mac_energy: mac(&prices[network]) / mac(&prices[of]),
            ratios: ratios(&prices[network], &prices[of], &CostAxis::ALL),
        })
    };
    (0..networks.len()).filter_map(contrast).collect()
}

/// All pairs of a mostly-4-bit network and another one with exactly its linear or quadratic cost.
pub fn equal_costs(networks: &[TrainedNetwork], prices: &[Price]) -> Vec<EqualCost> {
    const AXES: [CostAxis; 3] = [CostAxis::Energy, CostAxis::Latency, CostAxis::EnergyDelay];
    let mut pairs = Vec::new();
    for axis in [CostAxis::Linear, CostAxis::Quadratic] {
        for network in (0..networks.len()).filter(|&n| networks[n].precision == CANDIDATE) {
            for of in (0..networks.len()).filter(|&n| networks[n].precision != CANDIDATE) {
                #[expect(clippy::float_cmp, reason = "both are integers below 2^53")]
                let equal = prices[network].of(axis) == prices[of].of(axis);
                let difference = networks[network].difference(&networks[of]).filter(|_| equal);
                pairs.extend(difference.map(|difference| {
                    let ratios = ratios(&prices[network], &prices[of], &AXES);
                    EqualCost { axis, network, of, difference, ratios }
                }));
            }
        }
    }
    pairs
}

/// One entry per network.
pub fn shares(prices: &[Price]) -> Vec<Shares> {
    let of = |(network, price): (usize, &Price)| {
        let total = price.component_pj(|_| true);
        let share = |component| (component, price.component_pj(|its| its == component) / total);
        Shares { network, shares: price.components().into_iter().map(share).collect() }
    };
    prices.iter().enumerate().map(of).collect()
}
