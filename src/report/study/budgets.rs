//! Which design and network under a budget.

use crate::explore::{Best, Budget, DesignPoint};
use crate::report::number::significant;
use crate::report::table::Table;
use crate::study::BASELINE;

/// (d): round budgets around the bf16 networks, each as the flags of `systolab pareto`.
pub(super) fn budgets(points: &[DesignPoint]) -> Table {
    let mut rows = Vec::new();
    // One design's bf16 networks give the budgets; all designs compete under them.
    let first = points.first().map(|point| &point.design);
    let baseline: Vec<&DesignPoint> =
        points.iter().filter(|point| point.precision == BASELINE && Some(&point.design) == first).collect();
    let mut floors: Vec<f64> = baseline.iter().map(|point| point.top1.estimate.floor()).collect();
    floors.sort_by(f64::total_cmp);
    floors.dedup();
    for floor in floors {
        let budget = Budget { min_top1: Some(floor), ..Budget::default() };
        rows.extend(row(points, &format!("--min-top1 {floor}"), "least energy", budget, |best| best.energy));
        rows.extend(row(points, &format!("--min-top1 {floor}"), "least latency", budget, |best| {
            best.latency
        }));
    }
    let mut ceilings: Vec<f64> =
        baseline.iter().map(|point| two_digits_up(point.energy_uj.typical)).collect();
    ceilings.sort_by(f64::total_cmp);
    ceilings.dedup();
    for ceiling in ceilings {
        let budget = Budget { max_energy_uj: Some(ceiling), ..Budget::default() };
        rows.extend(row(points, &format!("--max-energy-uj {ceiling}"), "highest top-1", budget, |best| {
            best.top1
        }));
    }
    Table {
        title: "Which design and network under a budget?".into(),
        headers: ["budget", "wanted", "design", "network", "mean top-1 (%)", "energy (µJ)", "latency (µs)"]
            .map(str::to_owned)
            .to_vec(),
        rows,
        notes: vec![
            "`systolab pareto study-means.csv` with these flags says the same. Budgets are the bf16 networks' accuracies \
             and energies, rounded; energies and latencies are typical, cold, batch 1."
                .into(),
        ],
    }
}

fn row(
    points: &[DesignPoint],
    flags: &str,
    wanted: &str,
    budget: Budget,
    choose: for<'a> fn(&Best<'a>) -> &'a DesignPoint,
) -> Option<Vec<String>> {
    let met: Vec<&DesignPoint> = points.iter().filter(|point| budget.is_met_by(point)).collect();
    let best = choose(&Best::of(&met)?);
    Some(vec![
        flags.to_owned(),
        wanted.to_owned(),
        best.design.clone(),
        best.network.clone(),
        format!("{:.2}", best.top1.estimate),
        significant(best.energy_uj.typical, 3),
        significant(best.latency_s * 1e6, 3),
    ])
}

/// 17.38 → 18, 1.406 → 1.5.
fn two_digits_up(value: f64) -> f64 {
    let unit = 10f64.powf(value.log10().floor() - 1.0);
    // Back through decimal text: a unit of 0.1 is not exact.
    significant((value / unit).ceil() * unit, 2).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::two_digits_up;

    #[test]
    fn ceilings_have_two_digits() {
        for (value, up) in [(17.38, 18.0), (1.406, 1.5), (0.0512, 0.052), (99.5, 100.0), (20.0, 20.0)] {
            assert_eq!(two_digits_up(value).to_string(), up.to_string());
        }
    }
}
