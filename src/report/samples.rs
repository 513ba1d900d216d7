//! Realistic points for the tests of this module.

use crate::explore::{
    Accuracy, Checksums, Cost, FrameworkAgreement, MeasuredAccuracy, Outcome, Point, Range, Regime,
};

/// A cold batch-1 point of a trained network over 10000 images.
pub(super) fn point(design: &str, width: u32, precision: &str, energy_uj: f64, correct: u64) -> Point {
    let range = |uj: f64| Range { low: uj * 0.6e6, typical: uj * 1e6, high: uj * 1.7e6 };
    let cost = Cost {
        latency_s: energy_uj * 2e-5,
        images_per_s: 50_000.0 / energy_uj,
        energy_per_image_pj: range(energy_uj),
        energy_by_component_pj: vec![
            ("multiplier".into(), range(energy_uj * 0.25)),
            ("DRAM".into(), range(energy_uj * 0.75)),
        ],
        energy_excluded: vec!["clock tree".into()],
        energy_notes: Vec::new(),
        average_power_w: 0.05,
        tops_per_w: 0.5,
        utilization: 0.25,
    };
    Point {
        design: design.into(),
        technology: "7nm".into(),
        area: None,
        network: format!("resnet8-width{width}-{precision}"),
        family: "resnet8".into(),
        precision: precision.into(),
        accuracy: Some(Accuracy::Measured(MeasuredAccuracy {
            evaluation_set: "fashion-mnist-test".into(),
            evaluation_set_sha256: "b5".into(),
            correct,
            images: 10_000,
            framework: Some(FrameworkAgreement { correct: correct + 1, differing: 7 }),
        })),
        batch: 1,
        regime: Regime::Cold,
        outcome: Outcome::Runs(cost),
        macs: 1_000_000,
        cost_linear: 8_000_000,
        cost_quadratic: 64_000_000,
        cost_memory_bits: 80_000,
        notes: Vec::new(),
        checksums: Checksums {
            design: "d1".into(),
            network: "e2".into(),
            trace: "f3".into(),
            technology: "a4".into(),
        },
    }
}

/// Two designs × two widths × three precisions.
pub(super) fn points() -> Vec<Point> {
    let mut points = Vec::new();
    for (design, factor) in [("edge-16x16-ws", 1.0), ("tpu-like-128x128", 1.9)] {
        for (width, precision, energy_uj, correct) in [
            (8, "bf16", 2.9, 9021),
            (8, "w8a8", 1.21, 9015),
            (8, "mostly-4-bit", 0.72, 8963),
            (16, "bf16", 9.8, 9188),
            (16, "w8a8", 3.7, 9179),
            (16, "mostly-4-bit", 1.95, 9142),
        ] {
            points.push(point(design, width, precision, energy_uj * factor, correct));
        }
    }
    points
}

/// The same point, refused by its design.
pub(super) fn unsupported(mut point: Point) -> Point {
    point.outcome = Outcome::NotSupported("not supported: pair (uint4,int4)".into());
    point
}
