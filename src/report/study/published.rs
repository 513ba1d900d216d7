//! Others' accuracies with simulated costs.

use super::words::signed;
use crate::explore::{Outcome, Standing};
use crate::report::number::significant;
use crate::report::table::Table;
use crate::study::PublishedCurve;

/// One row per design, source and network.
pub(super) fn published(curves: &[PublishedCurve]) -> Table {
    let rows = curves.iter().flat_map(|curve| {
        curve.points.iter().filter_map(move |published| {
            let Outcome::Runs(cost) = &published.point.outcome else { return None };
            let accuracy = published.accuracy;
            let standing = match accuracy.standing {
                Standing::Authors => "authors",
                Standing::ThirdParty => "third party",
                Standing::SecondHand => "second-hand",
            };
            Some(vec![
                curve.design.to_owned(),
                curve.source.clone(),
                standing.to_owned(),
                published.point.network.clone(),
                significant(accuracy.top1_percent, 4),
                signed(published.minus_baseline),
                significant(cost.energy_per_image_pj.typical / 1e6, 4),
                significant(cost.latency_s * 1e6, 4),
            ])
        })
    });
    Table {
        title: "Published ImageNet accuracies with simulated costs (cold, batch 1)".into(),
        headers: [
            "design",
            "source",
            "standing",
            "network",
            "top-1 (%)",
            "minus own baseline",
            "energy (µJ)",
            "latency (µs)",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows: rows.collect(),
        notes: vec![
            "Recipes and baselines differ: only differences to the same source's baseline can be compared, and curves \
             of two sources never. Sources without a baseline of their own are left out."
                .into(),
        ],
    }
}
