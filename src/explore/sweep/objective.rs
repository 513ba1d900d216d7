//! What points are compared by, and exact fronts in any number of objectives.

use std::cmp::Ordering;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::explore::pareto_front;
use crate::source::any_of;

/// A number that every costed point has, or has where its sources give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Seconds for the whole request; less is better.
    LatencyS,
    /// Modelled energy per image (typical) in µJ; less is better.
    EnergyPerImageUj,
    /// Energy per image × latency in µJ·s; less is better.
    EdpUjS,
    /// Area of the parts that have a source in mm²; less is better.
    AreaMm2,
    /// Average power in W; less is better.
    AveragePowerW,
    /// Share of the MAC slots that are used, 0 to 1; more is better.
    Utilization,
    /// Bytes of all scratchpads; less is better.
    BufferBytes,
    /// Top-1 in percent, as published; more is better.
    Top1Percent,
}

/// A word that names no objective.
#[derive(Debug, thiserror::Error)]
#[error("expected {}", any_of(Objective::NAMED.iter().map(|(word, _)| *word)))]
pub struct UnknownObjective;

impl FromStr for Objective {
    type Err = UnknownObjective;

    fn from_str(text: &str) -> Result<Self, UnknownObjective> {
        let named = Self::NAMED.iter().find(|(word, _)| *word == text);
        named.map(|(_, objective)| *objective).ok_or(UnknownObjective)
    }
}

impl Objective {
    /// All of them, by their words in options.
    pub(crate) const NAMED: [(&str, Self); 8] = [
        ("latency", Self::LatencyS),
        ("energy", Self::EnergyPerImageUj),
        ("edp", Self::EdpUjS),
        ("area", Self::AreaMm2),
        ("power", Self::AveragePowerW),
        ("utilization", Self::Utilization),
        ("buffer", Self::BufferBytes),
        ("top1", Self::Top1Percent),
    ];

    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::LatencyS,
        Self::EnergyPerImageUj,
        Self::EdpUjS,
        Self::AreaMm2,
        Self::AveragePowerW,
        Self::Utilization,
        Self::BufferBytes,
        Self::Top1Percent,
    ];

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::LatencyS => "latency_s",
            Self::EnergyPerImageUj => "energy_per_image_uj",
            Self::EdpUjS => "edp_uj_s",
            Self::AreaMm2 => "area_mm2",
            Self::AveragePowerW => "average_power_w",
            Self::Utilization => "utilization",
            Self::BufferBytes => "buffer_bytes",
            Self::Top1Percent => "top1_percent",
        }
    }

    /// The value turned so that less is better.
    pub fn cost(self, value: f64) -> f64 {
        match self {
            Self::Utilization | Self::Top1Percent => -value,
            _ => value,
        }
    }
}

/// Indices of the points that no other point is at least as good as in all costs and better in one, ordered
/// by their costs. Less is better; `points` holds `dimensions` costs per point. Equal points stay together;
/// a point with a NaN is never on the front.
///
/// Two costs take a sort and a scan. More compare every point, in the order of its costs, with the front so
/// far: exact as well, as whatever beats a point comes before it.
pub fn front_of(points: &[f64], dimensions: usize) -> Vec<usize> {
    let count = points.len().checked_div(dimensions).unwrap_or(0);
    let row = |index: usize| &points[index * dimensions..(index + 1) * dimensions];
    if dimensions == 2 {
        let rows: Vec<[f64; 2]> = (0..count).map(|index| [row(index)[0], row(index)[1]]).collect();
        return pareto_front(&rows, |&[a, b]| (a, -b));
    }
    let mut order: Vec<usize> =
        (0..count).filter(|&index| row(index).iter().all(|cost| !cost.is_nan())).collect();
    let compare = |a: &[f64], b: &[f64]| {
        let costs = a.iter().zip(b).map(|(a, b)| a.partial_cmp(b).unwrap_or(Ordering::Equal));
        costs.fold(Ordering::Equal, Ordering::then)
    };
    order.sort_by(|&a, &b| compare(row(a), row(b)));
    let mut front: Vec<usize> = Vec::new();
    for candidate in order {
        let point = row(candidate);
        let beaten = front.iter().any(|&other| {
            let other = row(other);
            other.iter().zip(point).all(|(other, cost)| other <= cost)
                && other.iter().zip(point).any(|(other, cost)| other < cost)
        });
        if !beaten {
            front.push(candidate);
        }
    }
    front
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_the_definition_in_any_dimension(dimensions in 1usize..5, raw in prop::collection::vec(0u8..5, 0..120)) {
            let points: Vec<f64> = raw[..raw.len() / dimensions * dimensions].iter().map(|&v| f64::from(v)).collect();
            let rows: Vec<&[f64]> = points.chunks(dimensions).collect();
            let beats = |a: &[f64], b: &[f64]| a != b && a.iter().zip(b).all(|(a, b)| a <= b);
            let expected: Vec<usize> =
                (0..rows.len()).filter(|&i| !rows.iter().any(|other| beats(other, rows[i]))).collect();
            let mut found = front_of(&points, dimensions);
            found.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn nan_is_never_on_a_front() {
        assert_eq!(front_of(&[1.0, 2.0, f64::NAN, 0.0, 3.0, 3.0], 3), [1]);
        assert_eq!(front_of(&[], 2), [0; 0]);
    }
}
