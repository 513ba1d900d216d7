//! Tables of what precisions cost: ratios, shares, accumulators.

use super::answers::short;
use super::networks::interval;
use super::words::{percent, ratio, signed};
use crate::explore::{CYCLE_CAUSES, CostAxis, Range};
use crate::report::number::significant;
use crate::report::table::Table;
use crate::study::{Component, DesignStudy, contrasts, equal_costs, shares};

fn name(design: &DesignStudy) -> String {
    design.design.accelerator.name().to_owned()
}

fn of_axis(ratios: &[(CostAxis, Option<Range>)], axis: CostAxis) -> Option<Range> {
    ratios.iter().find(|(its, _)| *its == axis).and_then(|(_, ratio)| *ratio)
}

/// (c): what a precision saves against bf16 of the same size.
pub(super) fn precision_ratios(designs: &[DesignStudy]) -> Table {
    let rows = designs.iter().flat_map(|design| {
        contrasts(&design.networks, &design.own.prices).into_iter().map(move |contrast| {
            let of = |axis| ratio(of_axis(&contrast.ratios, axis));
            vec![
                name(design),
                design.networks[contrast.network].size.clone(),
                design.networks[contrast.network].precision.clone(),
                of(CostAxis::Quadratic),
                of(CostAxis::Linear),
                significant(contrast.mac_energy, 3),
                of(CostAxis::Energy),
                of(CostAxis::Latency),
                of(CostAxis::EnergyDelay),
                percent(design.utilization[contrast.network]),
                percent(design.utilization[contrast.of]),
            ]
        })
    });
    Table {
        title: "Cost over that of the bf16 network of the same size".into(),
        headers: [
            "design",
            "network",
            "precision",
            "quadratic",
            "linear",
            "MAC energy (input)",
            "energy (corners)",
            "latency",
            "energy-delay (corners)",
            "utilization",
            "bf16's",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows: rows.collect(),
        notes: vec![
            "The ratio of MAC energies comes from the technology file; what mapping, memory, edge and lane waste and \
             element-wise work make of it is the difference between that column and the ones after it."
                .into(),
        ],
    }
}

/// Pairs of exactly equal hardware-agnostic cost.
pub(super) fn equal_cost_pairs(designs: &[DesignStudy]) -> Table {
    let rows = designs.iter().flat_map(|design| {
        equal_costs(&design.networks, &design.own.prices).into_iter().map(move |pair| {
            let of = |axis| ratio(of_axis(&pair.ratios, axis));
            vec![
                name(design),
                pair.axis.name().to_owned(),
                short(design, pair.network),
                short(design, pair.of),
                signed(pair.difference.mean.estimate),
                interval(&pair.difference),
                of(CostAxis::Energy),
                of(CostAxis::Latency),
                of(CostAxis::EnergyDelay),
            ]
        })
    });
    Table {
        title: "Networks of exactly equal hardware-agnostic cost".into(),
        headers: [
            "design",
            "equal",
            "network",
            "over",
            "top-1 difference",
            "95 % t interval",
            "energy (corners)",
            "latency",
            "energy-delay (corners)",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows: rows.collect(),
        notes: vec![
            "A ratio above 1: the design charges more for the network than the paper's cost says.".into(),
        ],
    }
}

/// Where the energy goes, element-wise work in a column of its own.
pub(super) fn energy_shares(designs: &[DesignStudy]) -> Table {
    let components: Vec<Component> = Component::ALL
        .into_iter()
        .filter(|component| {
            designs
                .iter()
                .flat_map(|design| &design.own.prices)
                .any(|price| price.components().contains(component))
        })
        .collect();
    let mut headers = vec!["design".to_owned(), "network".to_owned(), "µJ per image".to_owned()];
    headers.extend(components.iter().map(ToString::to_string));
    let rows = designs.iter().flat_map(|design| {
        let components = &components;
        shares(&design.own.prices).into_iter().map(move |of| {
            let mut row = vec![
                name(design),
                design.networks[of.network].name(),
                significant(design.own.prices[of.network].of(CostAxis::Energy), 4),
            ];
            row.extend(components.iter().map(|component| {
                percent(of.shares.iter().find(|(its, _)| its == component).map_or(0.0, |(_, share)| *share))
            }));
            row
        })
    });
    Table {
        title: "Where the modelled energy goes (cold, typical prices)".into(),
        headers,
        rows: rows.collect(),
        notes: vec![],
    }
}

/// Where the cycles go, edge and lane waste, memory and element-wise work each in a column of its own.
pub(super) fn cycle_shares(designs: &[DesignStudy]) -> Table {
    let mut headers = vec!["design".to_owned(), "network".to_owned(), "latency (µs)".to_owned()];
    headers.extend(CYCLE_CAUSES.map(|cause| cause.replace('_', " ")));
    let rows = designs.iter().flat_map(|design| {
        (0..design.networks.len()).map(move |network| {
            let mut row = vec![
                name(design),
                design.networks[network].name(),
                significant(design.own.prices[network].of(CostAxis::Latency), 4),
            ];
            row.extend(design.cycle_shares[network].map(percent));
            row
        })
    });
    Table {
        title: "Where the cycles go (cold)".into(),
        headers,
        rows: rows.collect(),
        notes: vec![
            "Useful: all MACs at the peak rate of their operands. Edge waste: PEs that a fold leaves unused; lane waste: \
             lanes of PEs in use without an operand; vector bound: what instant element-wise work would save; memory \
             stall: the rest, negative where the layer before paid for it."
                .into(),
        ],
    }
}

/// Accumulators of other widths.
pub(super) fn accumulators(designs: &[DesignStudy]) -> Table {
    let mut headers = vec!["design".to_owned(), "network".to_owned(), "bits needed".to_owned()];
    let widths = designs.first().map_or(vec![], |design| design.accumulators.widths.to_vec());
    headers.extend(widths.iter().map(|bits| format!("µJ at {bits} bits")));
    let rows = designs.iter().flat_map(|design| {
        design.accumulators.rows.iter().map(move |row| {
            let energies = row.energy_uj.iter().zip(design.accumulators.widths).map(|(energy, bits)| {
                let narrow = if u32::from(bits) < row.bits_needed { " *" } else { "" };
                format!("{}{narrow}", significant(*energy, 4))
            });
            let mut cells =
                vec![name(design), design.networks[row.network].name(), row.bits_needed.to_string()];
            cells.extend(energies);
            cells
        })
    });
    Table {
        title: "Integer accumulators of other widths (cold, typical prices)".into(),
        headers,
        rows: rows.collect(),
        notes: vec![
            "* Narrower than what excludes an overflow for any image: the accuracy above was measured with the design's \
             own accumulators and need not hold."
                .into(),
        ],
    }
}
