//! Tables of what a study concludes, per design, under the design's own condition.

use super::networks::interval;
use super::words::{list, percent, ratio, signed};
use crate::explore::CostAxis;
use crate::report::number::NOTHING;
use crate::report::table::Table;
use crate::study::{Accuracy, AxisAnswer, DesignStudy, Height, Margin, Replacement};

/// Each design with each of its answers.
fn answers<'a>(
    designs: &'a [DesignStudy<'a>],
) -> impl Iterator<Item = (&'a DesignStudy<'a>, &'a AxisAnswer)> {
    designs.iter().flat_map(|design| design.own.axes.iter().map(move |answer| (design, answer)))
}

/// (a): what replaces each bf16 network.
pub(super) fn replacements(designs: &[DesignStudy]) -> Table {
    let row = |design: &DesignStudy, axis: CostAxis, replacement: &Replacement| {
        let mut row = vec![
            design.design.accelerator.name().to_owned(),
            axis.name().to_owned(),
            design.networks[replacement.of].name(),
        ];
        row.extend(match &replacement.by {
            None => [NOTHING, "not replaced", NOTHING, NOTHING, NOTHING].map(str::to_owned),
            Some(by) => [
                design.networks[by.network].name(),
                match by.accuracy {
                    Accuracy::Higher => "dominated".to_owned(),
                    Accuracy::HigherMean => "higher or equal mean, within noise".to_owned(),
                    Accuracy::LowerMean => "lower mean, within noise".to_owned(),
                },
                signed(by.difference.mean.estimate),
                interval(&by.difference),
                ratio(Some(by.ratio)),
            ],
        });
        row
    };
    let rows = answers(designs).flat_map(|(design, answer)| {
        answer.replacements_at_corners.iter().map(move |replacement| row(design, answer.axis, replacement))
    });
    Table {
        title: "Is there, for each bf16 network, a quantized one with lower cost and higher accuracy?".into(),
        headers: [
            "design",
            "cost",
            "bf16 network",
            "replaced by",
            "verdict",
            "top-1 difference",
            "95 % t interval",
            "cost ratio (corners)",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows: rows.collect(),
        notes: vec![
            "The replacement is cheaper at every low/high corner of the technology's prices; of those whose accuracy \
             compares best, the cheapest is named. \"Dominated\": the t interval over same seeds excludes zero; noise is \
             that of training seeds. Differences are means over the seeds that both have, in percentage points; intervals \
             are not corrected for their number, nor for the choice among candidates."
                .into(),
        ],
    }
}

/// (b): how far above other networks the mostly-4-bit curve passes.
pub(super) fn margins(designs: &[DesignStudy]) -> Table {
    let row = |design: &DesignStudy, axis: CostAxis, margin: &Margin| {
        vec![
            design.design.accelerator.name().to_owned(),
            axis.name().to_owned(),
            design.networks[margin.network].name(),
            signed(margin.logarithmic.typical),
            format!("{} to {}", signed(margin.low), signed(margin.high)),
            corner(margin.logarithmic),
            signed(margin.linear.typical),
            corner(margin.linear),
        ]
    };
    let rows = answers(designs).flat_map(|(design, answer)| {
        answer.best_curve.margins.iter().map(move |margin| row(design, answer.axis, margin))
    });
    Table {
        title: "How far above each network does the mostly-4-bit curve pass at the network's cost?".into(),
        headers: [
            "design",
            "cost",
            "network",
            "margin",
            "95 % bootstrap",
            "at the worst corner",
            "margin, linear",
            "linear, at the worst corner",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows: rows.collect(),
        notes: vec![format!(
            "Percentage points of mean top-1 over all runs. Between two of its widths the curve is taken as straight in \
             the logarithm of cost and, in the last two columns, as straight in cost. Bootstrap: {} replicates, images and \
             training runs drawn anew, typical prices; networks of other seeds are drawn apart. Networks beyond the curve's \
             ends have no margin; {NOTHING}: the worst corner leaves the network beyond them.",
            crate::study::REPLICATES
        )],
    }
}

fn corner(height: Height) -> String {
    height.at_corners.map_or(NOTHING.into(), signed)
}

/// The exact fronts of the means.
pub(super) fn fronts(designs: &[DesignStudy]) -> Table {
    let row = |(design, answer): (&DesignStudy, &AxisAnswer)| {
        let names = |networks: &[usize]| list(networks.iter().map(|network| short(design, *network)));
        vec![
            design.design.accelerator.name().to_owned(),
            answer.axis.name().to_owned(),
            names(&answer.best_curve.front),
        ]
    };
    Table {
        title: "Fronts of cost against mean top-1".into(),
        headers: ["design", "cost", "on the front, by ascending cost"].map(str::to_owned).to_vec(),
        rows: answers(designs).map(row).collect(),
        notes: vec![],
    }
}

/// How sure each network's place on the front is.
pub(super) fn front_probabilities(designs: &[DesignStudy]) -> Table {
    let axes: Vec<CostAxis> =
        designs.first().map_or(vec![], |design| design.own.axes.iter().map(|answer| answer.axis).collect());
    let mut headers = vec!["design".to_owned(), "network".to_owned()];
    headers.extend(axes.iter().map(|axis| axis.name().to_owned()));
    let rows = designs.iter().flat_map(|design| {
        let axes = &axes;
        (0..design.networks.len()).map(move |network| {
            let mut row = vec![design.design.accelerator.name().to_owned(), design.networks[network].name()];
            row.extend(axes.iter().map(|axis| {
                let answer = design.own.axis(*axis);
                answer.map_or(NOTHING.into(), |answer| percent(answer.best_curve.front_probability[network]))
            }));
            row
        })
    });
    Table {
        title: "Bootstrap probability of being on the front of cost against mean top-1".into(),
        headers,
        rows: rows.collect(),
        notes: vec![],
    }
}

/// `width4 bf16` of `resnet8-width4-bf16`.
pub(super) fn short(design: &DesignStudy, network: usize) -> String {
    let network = &design.networks[network];
    format!("{} {}", network.size.rsplit('-').next().unwrap_or(&network.size), network.precision)
}
