//! Accuracies that others published for networks of the same shapes and bits.
//!
//! Recipes, padding and baselines differ between sources: points of two sources are never one curve,
//! and only the difference to the same source's baseline means something.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::workload::{ArchFamily, Architecture, Bits, FeatureMap, PrecisionPolicy, Workload};

/// One row per published number; what the columns mean stands at its top.
const TABLE: &str = include_str!("../../workloads/published-accuracy.csv");
/// What ImageNet networks take and give.
const IMAGE: FeatureMap = FeatureMap { height: 224, width: 224, channels: 3 };
const CLASSES: usize = 1000;
/// Bits of a floating-point operand in the table.
const FLOAT: u8 = 32;
/// Bits of a bfloat16 operand in the table.
const BF16: u8 = 16;

/// How a published number is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Standing {
    /// Read where its authors published it.
    #[serde(rename = "authors")]
    Authors,
    /// Measured and published by somebody else.
    #[serde(rename = "third party")]
    ThirdParty,
    /// Quoted by others; not read in the paper.
    #[serde(rename = "second-hand")]
    SecondHand,
}

/// A published number: whose, for what, and how it is known.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PublishedAccuracy {
    /// Whose number it is.
    pub citation: String,
    /// Where it was read.
    pub read_in: String,
    /// How it is known.
    pub standing: Standing,
    #[serde(deserialize_with = "family")]
    arch_family: Option<ArchFamily>,
    /// Depth of the ResNet.
    pub depth: usize,
    weight_bits: Option<u8>,
    activation_bits: Option<u8>,
    first_layer_bits: Option<u8>,
    last_layer_bits: Option<u8>,
    /// How the network was trained or quantized.
    pub method: String,
    /// ImageNet top-1 in percent.
    pub top1_percent: f64,
    /// Top-1 in percent of the same source's unquantized network.
    pub baseline_percent: Option<f64>,
    /// What else matters; may be empty.
    pub note: String,
}

/// Bits of a network whose inner layers all have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct UniformBits {
    weight: u8,
    activation: u8,
    first: u8,
    last: u8,
}

impl UniformBits {
    /// None where layers differ otherwise, or an end has different weights and activations.
    fn of(policy: &PrecisionPolicy) -> Option<Self> {
        let bits = |bits: Bits| match bits {
            Bits::Bf16 => (BF16, BF16),
            Bits::Integer { weight, activation } => (weight, activation),
        };
        let (weight, activation) = bits(policy.default);
        let end = |end: Option<Bits>| {
            let (weight, activation) = bits(end.unwrap_or(policy.default));
            (weight == activation).then_some(weight)
        };
        let (first, last) = (end(policy.first)?, end(policy.last)?);
        policy.layers.is_empty().then_some(Self { weight, activation, first, last })
    }
}

impl PublishedAccuracy {
    /// What a point with this accuracy is called: two sources never have the same name.
    pub fn source(&self) -> String {
        let standing = match self.standing {
            Standing::Authors | Standing::ThirdParty => "",
            Standing::SecondHand => ", second-hand",
        };
        let label = self.label().map(|label| format!(", {label}")).unwrap_or_default();
        format!("{}, {}{standing}{label}", self.citation, self.method)
    }

    /// What must be said because the network is not exactly the published one.
    pub fn label(&self) -> Option<&'static str> {
        (self.arch_family == Some(ArchFamily::PreActivation)).then_some("pre-activation accuracy, v1 shapes")
    }

    /// Whether this is a 32-bit network: an accuracy to compare with, never a bfloat16 point.
    pub fn is_float_baseline(&self) -> bool {
        self.weight_bits == Some(FLOAT) && self.activation_bits == Some(FLOAT)
    }

    /// Why no network of this program can have this accuracy.
    fn unjoinable(&self) -> Option<&'static str> {
        if self.is_float_baseline() {
            return Some("a 32-bit baseline is a line to compare with, not a point");
        }
        if self.arch_family.is_none() {
            return Some("its source does not say whether it is v1, v1.5 or pre-activation");
        }
        match self.uniform_bits() {
            None => Some("its layers' bits differ or are not all stated"),
            Some(bits)
                if [bits.weight, bits.activation].iter().any(|bits| !matches!(bits, 2..=8 | &BF16)) =>
            {
                Some("operands have 2 to 8 bits or are bfloat16 here")
            }
            Some(_) => None,
        }
    }

    fn uniform_bits(&self) -> Option<UniformBits> {
        Some(UniformBits {
            weight: self.weight_bits?,
            activation: self.activation_bits?,
            first: self.first_layer_bits?,
            last: self.last_layer_bits?,
        })
    }

    /// Pre-activation networks have the shapes of v1.
    fn is_of(&self, architecture: Architecture) -> bool {
        let family = match (architecture.family, self.arch_family) {
            (ArchFamily::V1, Some(ArchFamily::PreActivation)) => true,
            (family, published) => published == Some(family),
        };
        #[allow(clippy::float_cmp, reason = "the unmodified width is written as 1")]
        let width = architecture.width_multiplier == 1.0;
        family && width && self.depth == architecture.depth
    }
}

/// The published accuracies of a network of these shapes and bits, in the table's order.
pub fn published(workload: &Workload) -> Vec<&'static PublishedAccuracy> {
    let Some(bits) = workload.policy().and_then(UniformBits::of) else { return vec![] };
    let rows = of_shape(workload).filter(|row| row.unjoinable().is_none());
    rows.filter(|row| row.uniform_bits() == Some(bits)).collect()
}

/// The 32-bit networks of these shapes: accuracies to draw as lines.
pub fn published_baselines(workload: &Workload) -> Vec<&'static PublishedAccuracy> {
    of_shape(workload).filter(|row| row.is_float_baseline()).collect()
}

/// Rows that are no network's accuracy here, and why.
pub fn unjoinable() -> Vec<(&'static PublishedAccuracy, &'static str)> {
    ROWS.iter().filter_map(|row| Some((row, row.unjoinable()?))).collect()
}

fn of_shape(workload: &Workload) -> impl Iterator<Item = &'static PublishedAccuracy> {
    let network = workload.network();
    let imagenet = network.image().shape == IMAGE && network.output().shape.elements() == CLASSES;
    let architecture = workload.architecture().filter(|_| imagenet);
    ROWS.iter().filter(move |row| architecture.is_some_and(|architecture| row.is_of(architecture)))
}

static ROWS: LazyLock<Vec<PublishedAccuracy>> = LazyLock::new(|| {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(TABLE.as_bytes());
    reader.deserialize().collect::<Result<_, _>>().expect("the compiled-in table is read by a test")
});

fn family<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<ArchFamily>, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name.is_empty() {
        return Ok(None);
    }
    ArchFamily::named(&name)
        .map(Some)
        .ok_or_else(|| serde::de::Error::custom(format!("unknown architecture family `{name}`")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::source::SourceFile;

    fn workload(depth: usize, variant: &str, precision: &str, more: &str) -> Workload {
        let text = format!(
            "schema_version = 1\n[generator.resnet]\ndepth = {depth}\nvariant = \"{variant}\"\nclasses = 1000\n\
             input = {{ height = 224, width = 224, channels = 3 }}\npadding = \"same\"\n{more}\n\
             [precision]\n{precision}\n"
        );
        Workload::parse(&SourceFile::embedded("n.toml", &text)).unwrap()
    }

    const MIXED: &str = "default = \"w4a4\"\nfirst = \"w8a8\"\nlast = \"w8a8\"";

    fn top1(workload: &Workload) -> Vec<(f64, Standing)> {
        published(workload).iter().map(|row| (row.top1_percent, row.standing)).collect()
    }

    #[test]
    fn a_network_has_the_accuracies_of_its_own_shapes_and_bits() {
        use Standing::{Authors, SecondHand};
        for (depth, variant, precision, expected) in [
            (50, "v1.5", "default = \"bf16\"", vec![(76.65, Authors)]),
            (50, "v1.5", "default = \"w8a8\"", vec![(77.43, Authors)]),
            (50, "v1.5", MIXED, vec![(77.09, Authors)]),
            (50, "v1.5", "default = \"w4a4\"", vec![]),
            (50, "v1", "default = \"w8a8\"", vec![(76.8, SecondHand), (77.58, Authors)]),
            (50, "v1", MIXED, vec![(76.7, SecondHand), (77.6, SecondHand), (74.24, Authors)]),
            (50, "v1", "default = \"bf16\"", vec![]),
            (18, "v1.5", "default = \"w8a8\"", vec![(71.1, SecondHand), (71.56, Authors)]),
            (152, "v1.5", "default = \"w8a8\"", vec![]),
        ] {
            assert_eq!(
                top1(&workload(depth, variant, precision, "")),
                expected,
                "{depth} {variant} {precision}"
            );
        }
    }

    #[test]
    fn other_networks_have_none() {
        let w8a8 = "default = \"w8a8\"";
        assert_eq!(top1(&workload(50, "v1.5", w8a8, "width_multiplier = 0.5")), []);
        assert_eq!(top1(&workload(50, "v1.5", "default = \"w8a8\"\nlayers = { fc = \"w4a4\" }", "")), []);
        assert_eq!(
            top1(&workload(50, "v1.5", "default = \"w4a4\"\nfirst = \"w8a4\"\nlast = \"w8a8\"", "")),
            []
        );
    }

    #[test]
    fn every_source_of_a_network_has_a_name_of_its_own() {
        for depth in [18, 34, 50, 101, 152] {
            for precision in ["default = \"bf16\"", "default = \"w8a8\"", MIXED] {
                for variant in ["v1", "v1.5"] {
                    let workload = workload(depth, variant, precision, "");
                    let rows = published(&workload);
                    let names: BTreeSet<String> = rows.iter().map(|row| row.source()).collect();
                    assert_eq!(names.len(), rows.len(), "{depth} {variant} {precision}");
                }
            }
        }
    }

    #[test]
    fn rows_that_belong_to_no_network_say_why() {
        let rows = unjoinable();
        let count = |text: &str| rows.iter().filter(|(_, reason)| reason.contains(text)).count();
        let baselines = ROWS.iter().filter(|row| row.is_float_baseline()).count();
        assert_eq!(count("32-bit baseline"), baselines);
        assert_eq!(count("layers' bits"), 18); // HAWQ-V3's mixtures
        let joined = ROWS.len() - rows.len();
        assert_eq!(joined, 3 + 27 + 4); // AQT, LSQ, HAWQ-V3's uniform networks
        let w8a8 = workload(50, "v1", "default = \"w8a8\"", "");
        let lines: Vec<f64> = published_baselines(&w8a8).iter().map(|row| row.top1_percent).collect();
        assert_eq!(lines, [76.9, 77.72]);
    }
}
