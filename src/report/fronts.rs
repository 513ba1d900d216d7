//! Pareto fronts of design points as tables, CSV and JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::ReportError;
use super::csv_text::csv_text;
use super::number::{range, significant};
use super::table::Table;
use crate::explore::{Axes, Best, CostAxis, DesignPoint, Range};

/// The fronts of points, one pair per set that may be compared: all designs together.
#[derive(Clone, Debug, PartialEq)]
pub struct Fronts<'a> {
    sets: Vec<Set<'a>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Set<'a> {
    axes: &'a Axes,
    /// How many points were compared.
    compared: usize,
    best: Best<'a>,
    /// On some front, by ascending energy.
    points: Vec<FrontPoint<'a>>,
}

#[derive(Clone, Debug, PartialEq)]
struct FrontPoint<'a> {
    point: &'a DesignPoint,
    /// Of energy against top-1.
    on_energy_front: bool,
    /// Of latency against top-1.
    on_latency_front: bool,
}

impl<'a> Fronts<'a> {
    /// The fronts of all comparable points among these.
    pub fn of(points: &'a [DesignPoint]) -> Self {
        let mut sets: BTreeMap<&Axes, Vec<&DesignPoint>> = BTreeMap::new();
        for point in points {
            sets.entry(&point.axes).or_default().push(point);
        }
        let sets = sets.into_iter().filter_map(|(axes, points)| Set::of(axes, &points)).collect();
        Self { sets }
    }

    /// One table per set; the best points stand below.
    pub fn tables(&self) -> Vec<Table> {
        self.sets.iter().map(Set::table).collect()
    }

    /// All points on a front.
    pub fn to_csv(&self) -> Result<String, ReportError> {
        let header = [
            "design",
            "network",
            "family",
            "precision",
            "accuracy_kind",
            "accuracy_source",
            "top1_percent",
            "top1_low",
            "top1_high",
            "batch",
            "regime",
            "latency_s",
            "energy_per_image_uj",
            "energy_low_uj",
            "energy_high_uj",
            "technology",
            "energy_excluded",
            "on_energy_front",
            "on_latency_front",
        ];
        let rows: Vec<Vec<String>> = self
            .sets
            .iter()
            .flat_map(|set| set.points.iter().map(|front| (set.axes, front)))
            .map(|(axes, FrontPoint { point, on_energy_front, on_latency_front })| {
                vec![
                    point.design.clone(),
                    point.network.clone(),
                    axes.family.clone(),
                    point.precision.clone(),
                    axes.accuracy_kind.clone(),
                    axes.accuracy_source.clone(),
                    point.top1.estimate.to_string(),
                    point.top1.low.to_string(),
                    point.top1.high.to_string(),
                    axes.batch.to_string(),
                    axes.regime.clone(),
                    point.latency_s.to_string(),
                    point.energy_uj.typical.to_string(),
                    point.energy_uj.low.to_string(),
                    point.energy_uj.high.to_string(),
                    axes.technology.clone(),
                    axes.energy_excluded.join("; "),
                    on_energy_front.to_string(),
                    on_latency_front.to_string(),
                ]
            })
            .collect();
        csv_text(&header.map(str::to_owned), &rows)
    }

    /// Names are added in later versions, never renamed.
    pub fn to_json(&self, tool_version: &str) -> Result<String, ReportError> {
        let document = json!({
            "schema_version": 1,
            "tool_version": tool_version,
            "sets": self.sets.iter().map(Set::json).collect::<Vec<_>>(),
        });
        Ok(serde_json::to_string_pretty(&document)? + "\n")
    }
}

impl<'a> Set<'a> {
    fn of(axes: &'a Axes, points: &[&'a DesignPoint]) -> Option<Self> {
        let best = Best::of(points)?;
        let [energy, latency] = [CostAxis::Energy, CostAxis::Latency].map(|cost| {
            let mut on = vec![false; points.len()];
            cost.front(points).into_iter().for_each(|index| on[index] = true);
            on
        });
        let mut on_front: Vec<FrontPoint> = points
            .iter()
            .zip(energy.into_iter().zip(latency))
            .filter(|(_, (energy, latency))| *energy || *latency)
            .map(|(point, (on_energy_front, on_latency_front))| FrontPoint {
                point,
                on_energy_front,
                on_latency_front,
            })
            .collect();
        on_front.sort_by(|a, b| a.point.energy_uj.typical.total_cmp(&b.point.energy_uj.typical));
        Some(Self { axes, compared: points.len(), best, points: on_front })
    }

    fn title(&self) -> String {
        let Axes { family, accuracy_kind, accuracy_source, technology, energy_excluded, regime, batch } =
            self.axes;
        let or_none = |text: &str| if text.is_empty() { "not stated".to_owned() } else { text.to_owned() };
        format!(
            "Pareto fronts of {} points: {}, accuracy {accuracy_kind} ({}), {regime}, batch {batch}. Technology: {}. \
             Modelled energy (excluded: {}).",
            self.compared,
            or_none(family),
            or_none(accuracy_source),
            or_none(technology),
            or_none(&energy_excluded.join(", "))
        )
    }

    fn table(&self) -> Table {
        let rows = self
            .points
            .iter()
            .map(|FrontPoint { point, on_energy_front, on_latency_front }| {
                let top1 = &point.top1;
                let interval = if top1.low < top1.high {
                    format!("{:.2} ({:.2}–{:.2})", top1.estimate, top1.low, top1.high)
                } else {
                    format!("{:.2}", top1.estimate)
                };
                let Range { low, typical, high } = point.energy_uj;
                let energy = if low < high { range(point.energy_uj, 1.0) } else { significant(typical, 3) };
                let mark = |on: bool| if on { "●" } else { "" }.to_owned();
                vec![
                    point.design.clone(),
                    point.network.clone(),
                    point.precision.clone(),
                    interval,
                    significant(point.latency_s * 1e6, 4),
                    energy,
                    mark(*on_energy_front),
                    mark(*on_latency_front),
                ]
            })
            .collect();
        let best = |what: &str, point: &DesignPoint| {
            format!(
                "{what}: {} on {} ({:.2} %, {} µJ, {} µs)",
                point.network,
                point.design,
                point.top1.estimate,
                significant(point.energy_uj.typical, 3),
                significant(point.latency_s * 1e6, 4)
            )
        };
        Table {
            title: self.title(),
            headers: [
                "design",
                "network",
                "precision",
                "top-1\n(%)",
                "latency\n(µs)",
                "modelled energy\nper image (µJ)",
                "energy\nfront",
                "latency\nfront",
            ]
            .map(str::to_owned)
            .to_vec(),
            rows,
            notes: vec![
                best("highest top-1", self.best.top1),
                best("least energy", self.best.energy),
                best("least latency", self.best.latency),
            ],
        }
    }

    fn json(&self) -> Value {
        let point = |point: &DesignPoint| {
            json!({
                "design": point.design,
                "network": point.network,
                "precision": point.precision,
                "top1_percent": point.top1.estimate,
                "top1_low": point.top1.low,
                "top1_high": point.top1.high,
                "latency_s": point.latency_s,
                "energy_per_image_uj": point.energy_uj.typical,
                "energy_low_uj": point.energy_uj.low,
                "energy_high_uj": point.energy_uj.high,
            })
        };
        let front = |on: fn(&FrontPoint) -> bool| -> Vec<Value> {
            self.points.iter().filter(|front| on(front)).map(|front| point(front.point)).collect()
        };
        json!({
            "family": self.axes.family,
            "accuracy_kind": self.axes.accuracy_kind,
            "accuracy_source": self.axes.accuracy_source,
            "technology": self.axes.technology,
            "energy_excluded": self.axes.energy_excluded,
            "regime": self.axes.regime,
            "batch": self.axes.batch,
            "points": self.compared,
            "best": {
                "top1": point(self.best.top1),
                "energy": point(self.best.energy),
                "latency": point(self.best.latency),
            },
            "energy_front": front(|front| front.on_energy_front),
            "latency_front": front(|front| front.on_latency_front),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn points() -> Vec<DesignPoint> {
        samples::points().iter().filter_map(DesignPoint::of).collect()
    }

    #[test]
    fn the_table_has_the_points_of_both_fronts_and_the_best() {
        let points = points();
        let table = Fronts::of(&points).tables().remove(0);
        // Latency is proportional to energy in these samples: both fronts are the same five of twelve.
        assert_eq!(table.rows.len(), 5);
        assert!(table.rows.iter().all(|row| row[0] == "edge-16x16-ws" && row[6] == "●" && row[7] == "●"));
        assert_eq!(
            table.notes[0],
            "highest top-1: resnet8-width16-bf16 on edge-16x16-ws (91.88 %, 9.80 µJ, 196.0 µs)"
        );
        assert!(table.notes[1].starts_with("least energy: resnet8-width8-mostly-4-bit on edge-16x16-ws"));
    }

    #[test]
    fn csv_is_read_back_as_points() {
        let points = points();
        let csv = Fronts::of(&points).to_csv().unwrap();
        assert_eq!(super::super::read_points(&csv).unwrap().points.len(), 5);
    }

    #[test]
    fn no_points_have_no_sets() {
        let fronts = Fronts::of(&[]);
        assert_eq!(fronts.tables(), []);
        assert!(fronts.to_json("1").unwrap().contains("\"sets\": []"));
    }
}
