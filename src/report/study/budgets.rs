//! Which design and network under a budget.

use crate::explore::{Best, Budget, DesignPoint};
use crate::report::number::significant;
use crate::report::table::Table;
use crate::study::BASELINE;

/// (d): the bf16 networks' own accuracies and energies as budgets, each as the flags of `systolab pareto`.
pub(super) fn budgets(points: &[DesignPoint]) -> Table {
    let mut rows = Vec::new();
    // One design's bf16 networks give the budgets; all designs compete under them.
    let first = points.first().map(|point| &point.design);
    let baseline: Vec<&DesignPoint> =
        points.iter().filter(|point| point.precision == BASELINE && Some(&point.design) == first).collect();
    let mut floors: Vec<f64> = baseline.iter().map(|point| hundredths_down(point.top1.estimate)).collect();
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
        baseline.iter().map(|point| four_digits_up(point.energy_uj.typical)).collect();
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
        notes: vec![format!(
            "`systolab pareto study-means.csv` with these flags says the same. Budgets are the mean accuracies (rounded \
                 down to 0.01 points) and the energies (rounded up to four digits) of the bf16 networks on {}, so that each \
                 of them meets its own there; energies and latencies are typical, cold, batch 1.",
            first.map_or("", |design| design.as_str())
        )],
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

/// 92.428 → 92.42.
fn hundredths_down(percent: f64) -> f64 {
    // Through decimal text: 0.01 is not exact, and 92.42 must stay itself.
    let rounded: f64 = format!("{percent:.2}").parse().unwrap_or(percent);
    let down = if rounded > percent + 1e-9 { rounded - 0.01 } else { rounded };
    format!("{down:.2}").parse().unwrap_or(down)
}

/// 17.381 → 17.39.
fn four_digits_up(value: f64) -> f64 {
    let unit = 10f64.powf(value.log10().floor() - 3.0);
    // Back through decimal text: a unit of 0.01 is not exact.
    significant((value / unit).ceil() * unit, 4).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::{four_digits_up, hundredths_down};

    #[test]
    fn every_network_meets_its_own_budget() {
        for (value, up) in [(17.381, 17.39), (1.406, 1.406), (0.051_201, 0.05121), (99.999, 100.0)] {
            assert_eq!(four_digits_up(value).to_string(), up.to_string());
        }
        for (value, down) in [(92.428, 92.42), (92.42, 92.42), (88.0, 88.0), (93.176_666, 93.17)] {
            assert_eq!(hundredths_down(value).to_string(), down.to_string());
        }
    }
}
