//! What moves a ratio of costs: one choice or one group of prices at a time.

use crate::cost::EnergyRange;
use crate::explore::CostAxis;

use super::price::Price;

/// A ratio with everything typical, and with one thing after the other moved.
#[derive(Clone, Debug, PartialEq)]
pub struct Tornado {
    /// Which cost.
    pub axis: CostAxis,
    /// Under the design's own condition, every price typical.
    pub center: f64,
    /// The widest first.
    pub bars: Vec<Bar>,
}

/// One thing moved.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What moved.
    pub what: String,
    /// The lowest ratio.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

impl Tornado {
    /// The ratio of two networks' costs: every component's prices at their lowest and highest values, then
    /// each choice that `choices` names, with the ratio it leads to.
    pub fn of(network: &Price, of: &Price, axis: CostAxis, choices: Vec<(String, f64)>) -> Self {
        let center = network.of(axis) / of.of(axis);
        let bounds: [fn(EnergyRange) -> f64; 2] = [EnergyRange::low, EnergyRange::high];
        let component = |component| {
            let [a, b] = bounds.map(|bound| network.ratio_with(of, axis, component, bound));
            bar(format!("{component}, lowest to highest price"), &[center, a, b])
        };
        let components = network.components().into_iter().map(component);
        let choices = choices.into_iter().map(|(what, ratio)| bar(what, &[center, ratio]));
        let mut bars: Vec<Bar> = components.chain(choices).filter(|bar| bar.high > bar.low).collect();
        bars.sort_by(|a, b| (b.high - b.low).total_cmp(&(a.high - a.low)));
        Self { axis, center, bars }
    }
}

fn bar(what: String, ratios: &[f64]) -> Bar {
    let (low, high) =
        ratios.iter().fold((f64::MAX, f64::MIN), |(low, high), ratio| (low.min(*ratio), high.max(*ratio)));
    Bar { what, low, high }
}
