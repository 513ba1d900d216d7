//! What Pareto fronts, plots and budgets need to know of a row, whoever wrote it.

use super::accuracy::{Interval95, wilson};
use super::pareto::pareto_front;
use super::{Accuracy, Outcome, Point, Range};

/// A network on a design that has both a cost and an accuracy.
#[derive(Clone, Debug, PartialEq)]
pub struct DesignPoint {
    /// Design name.
    pub design: String,
    /// Network name.
    pub network: String,
    /// Precision policy label.
    pub precision: String,
    /// What it may be compared with.
    pub axes: Axes,
    /// Top-1 in percent; low and high equal the estimate where no interval is known.
    pub top1: Interval95,
    /// What the interval of top-1 comes from.
    pub sample: Sample,
    /// Modelled energy per image in µJ.
    pub energy_uj: Range,
    /// First DRAM command to last output written, whole batch, in seconds.
    pub latency_s: f64,
    /// AQT's linear cost, if known.
    pub cost_linear: Option<f64>,
    /// AQT's quadratic cost, if known.
    pub cost_quadratic: Option<f64>,
}

/// What an accuracy was measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// Not known.
    Unknown,
    /// So many images, by one network: a Wilson interval.
    Images(u64),
    /// So many training runs of one network, of which this is the mean: Student's t interval.
    TrainingRuns(u64),
}

/// Points are compared only where all of this agrees.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Axes {
    /// Networks of one family may share an accuracy axis.
    pub family: String,
    /// `measured`, `published` or `user`.
    pub accuracy_kind: String,
    /// What it was measured on, who published it, or where the user has it from.
    pub accuracy_source: String,
    /// Technology of the modelled energy.
    pub technology: String,
    /// What the modelled energy leaves out.
    pub energy_excluded: Vec<String>,
    /// `cold` or `steady`.
    pub regime: String,
    /// Images per request.
    pub batch: u64,
}

impl DesignPoint {
    /// None if the design does not run the network, or nothing is known of its accuracy.
    pub fn of(point: &Point) -> Option<Self> {
        let Outcome::Runs(cost) = &point.outcome else { return None };
        let (kind, source, top1, sample) = match point.accuracy.as_ref()? {
            Accuracy::Measured(accuracy) => {
                let sample = Sample::Images(accuracy.images);
                ("measured", accuracy.evaluation_set.clone(), wilson(accuracy)?, sample)
            }
            Accuracy::Published(accuracy) => {
                let estimate = accuracy.top1_percent;
                let top1 = Interval95 { low: estimate, estimate, high: estimate };
                ("published", accuracy.citation.clone(), top1, Sample::Unknown)
            }
        };
        let Range { low, typical, high } = cost.energy_per_image_pj;
        Some(Self {
            design: point.design.clone(),
            network: point.network.clone(),
            precision: point.precision.clone(),
            axes: Axes {
                family: point.family.clone(),
                accuracy_kind: kind.to_owned(),
                accuracy_source: source,
                technology: point.technology.clone(),
                energy_excluded: cost.energy_excluded.clone(),
                regime: point.regime.to_string(),
                batch: point.batch,
            },
            top1,
            sample,
            energy_uj: Range { low: low / 1e6, typical: typical / 1e6, high: high / 1e6 },
            latency_s: cost.latency_s,
            cost_linear: Some(point.cost_linear as f64),
            cost_quadratic: Some(point.cost_quadratic as f64),
        })
    }

    /// The network's name without its precision: what networks of equal size share.
    pub fn network_size(&self) -> &str {
        network_size(&self.network, &self.precision)
    }
}

/// A network's name without its training seed and its precision: what networks of equal size share.
pub fn network_size<'a>(network: &'a str, precision: &str) -> &'a str {
    let network = without_seed(network);
    network.strip_suffix(precision).and_then(|name| name.strip_suffix('-')).unwrap_or(network)
}

/// `net-w8a8` of `net-w8a8-seed3`.
pub(super) fn without_seed(network: &str) -> &str {
    named_seed(network).map_or(network, |(name, _)| name)
}

/// The training seed at the end of a network's name; the first run of a network has none there.
pub(super) fn seed_of(network: &str) -> &str {
    named_seed(network).map_or("", |(_, seed)| seed)
}

fn named_seed(network: &str) -> Option<(&str, &str)> {
    let is_number = |seed: &str| !seed.is_empty() && seed.bytes().all(|byte| byte.is_ascii_digit());
    network.rsplit_once("-seed").filter(|(_, seed)| is_number(seed))
}

/// What accuracy is traded for; less of it is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CostAxis {
    /// Modelled energy per image (typical) in µJ.
    Energy,
    /// Latency of the whole request in µs.
    Latency,
    /// Modelled energy per image times latency of the request, in µJ·µs.
    EnergyDelay,
    /// AQT's linear cost per image, in millions.
    Linear,
    /// AQT's quadratic cost per image, in millions.
    Quadratic,
}

impl CostAxis {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Energy, Self::Latency, Self::EnergyDelay, Self::Linear, Self::Quadratic];

    /// A point's cost; NaN where it is not known.
    pub fn of(self, point: &DesignPoint) -> f64 {
        let (energy_uj, latency_us) = (point.energy_uj.typical, point.latency_s * 1e6);
        match self {
            Self::Energy => energy_uj,
            Self::Latency => latency_us,
            Self::EnergyDelay => energy_uj * latency_us,
            Self::Linear => point.cost_linear.unwrap_or(f64::NAN) / 1e6,
            Self::Quadratic => point.cost_quadratic.unwrap_or(f64::NAN) / 1e6,
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Energy => "modelled energy per image",
            Self::Latency => "latency",
            Self::EnergyDelay => "energy-delay product",
            Self::Linear => "linear cost",
            Self::Quadratic => "quadratic cost",
        }
    }

    /// What it is counted in.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Energy => "µJ",
            Self::Latency => "µs",
            Self::EnergyDelay => "µJ·µs",
            Self::Linear => "10⁶ MAC·bits",
            Self::Quadratic => "10⁶ MAC·bits²",
        }
    }

    /// Whether modelled energy is part of it.
    pub fn has_energy(self) -> bool {
        matches!(self, Self::Energy | Self::EnergyDelay)
    }

    /// Whether it is the same on every design.
    pub fn is_hardware_agnostic(self) -> bool {
        matches!(self, Self::Linear | Self::Quadratic)
    }

    /// Indices of the points on the front of this cost against top-1, by ascending cost.
    pub fn front(self, points: &[&DesignPoint]) -> Vec<usize> {
        pareto_front(points, |point| (self.of(point), point.top1.estimate))
    }
}

/// Limits that a design point has to keep; None is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Budget {
    /// Largest modelled energy per image (typical) in µJ.
    pub max_energy_uj: Option<f64>,
    /// Largest latency in µs.
    pub max_latency_us: Option<f64>,
    /// Smallest top-1 (estimate) in percent.
    pub min_top1: Option<f64>,
}

impl Budget {
    /// Whether the point keeps every limit.
    pub fn is_met_by(&self, point: &DesignPoint) -> bool {
        self.max_energy_uj.is_none_or(|limit| point.energy_uj.typical <= limit)
            && self.max_latency_us.is_none_or(|limit| point.latency_s * 1e6 <= limit)
            && self.min_top1.is_none_or(|limit| point.top1.estimate >= limit)
    }
}

/// The extremes of some points. Ties go to the point that is better in what is named next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Best<'a> {
    /// Highest top-1; then least energy, then least latency.
    pub top1: &'a DesignPoint,
    /// Least energy; then highest top-1, then least latency.
    pub energy: &'a DesignPoint,
    /// Least latency; then highest top-1, then least energy.
    pub latency: &'a DesignPoint,
}

impl<'a> Best<'a> {
    /// None if there is no point.
    pub fn of(points: &[&'a DesignPoint]) -> Option<Self> {
        let least = |key: fn(&DesignPoint) -> [f64; 3]| {
            points.iter().copied().min_by(|a, b| {
                let ordered = key(a).into_iter().zip(key(b)).map(|(a, b)| a.total_cmp(&b));
                ordered.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
            })
        };
        Some(Self {
            top1: least(|p| [-p.top1.estimate, p.energy_uj.typical, p.latency_s])?,
            energy: least(|p| [p.energy_uj.typical, -p.top1.estimate, p.latency_s])?,
            latency: least(|p| [p.latency_s, -p.top1.estimate, p.energy_uj.typical])?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(design: &str, top1: f64, energy_uj: f64, latency_us: f64) -> DesignPoint {
        DesignPoint {
            design: design.into(),
            network: "net-w8a8".into(),
            precision: "w8a8".into(),
            axes: Axes {
                family: "net".into(),
                accuracy_kind: "user".into(),
                accuracy_source: String::new(),
                technology: "7nm".into(),
                energy_excluded: vec![],
                regime: "cold".into(),
                batch: 1,
            },
            top1: Interval95 { low: top1, estimate: top1, high: top1 },
            sample: Sample::Unknown,
            energy_uj: Range { low: energy_uj, typical: energy_uj, high: energy_uj },
            latency_s: latency_us * 1e-6,
            cost_linear: None,
            cost_quadratic: None,
        }
    }

    #[test]
    fn limits_include_their_ends() {
        let at = point("a", 90.0, 2.0, 30.0);
        let limits = |energy, latency, top1| Budget {
            max_energy_uj: Some(energy),
            max_latency_us: Some(latency),
            min_top1: Some(top1),
        };
        assert!(limits(2.0, 30.0, 90.0).is_met_by(&at));
        assert!(Budget::default().is_met_by(&at));
        for broken in [limits(1.9, 30.0, 90.0), limits(2.0, 29.0, 90.0), limits(2.0, 30.0, 90.1)] {
            assert!(!broken.is_met_by(&at), "{broken:?}");
        }
    }

    #[test]
    fn ties_go_to_the_next_objective() {
        let points =
            [point("slow", 90.0, 1.0, 9.0), point("fast", 90.0, 1.0, 3.0), point("big", 91.0, 5.0, 3.0)];
        let best = Best::of(&points.iter().collect::<Vec<_>>()).unwrap();
        let names = [best.top1, best.energy, best.latency].map(|point| point.design.as_str());
        assert_eq!(names, ["big", "fast", "big"]);
        assert_eq!(Best::of(&[]), None);
    }

    #[test]
    fn networks_of_one_size_share_a_name() {
        for network in ["net-width4-w8a8", "net-width4-w8a8-seed3", "net-width4-w8a8-seed12"] {
            assert_eq!(network_size(network, "w8a8"), "net-width4", "{network}");
        }
        assert_eq!(network_size("net-seed", "w8a8"), "net-seed");
        assert_eq!(network_size("net-seedling-w8a8", "w8a8"), "net-seedling");
    }

    #[test]
    fn fronts_differ_by_cost() {
        let points = [point("a", 90.0, 1.0, 9.0), point("b", 90.0, 2.0, 3.0), point("c", 91.0, 5.0, 12.0)];
        let points: Vec<_> = points.iter().collect();
        assert_eq!(CostAxis::Energy.front(&points), [0, 2]);
        assert_eq!(CostAxis::Latency.front(&points), [1, 2]);
    }
}
