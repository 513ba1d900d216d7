//! Seeded values for networks without trained ones: to execute and to measure speed, never accuracy.
//!
//! Only integer operations and correctly rounded f32 ones, so that every platform makes the same bits.

use half::bf16;

use crate::numerics::{Activation, FixedPointMultiplier, OperandFormat, OutputGrid, RequantizationKind};

use super::imported_params::ImportedParams;
use super::layer::{Convolution, Layer, Operands, Operation, WindowKind};
use super::network::{Network, Stored};
use super::params::{LayerParams, Params, Weights};
use super::requantized_layer::{Factors, requantized_layer};

/// Activations are quantized as if bounded by this many standard deviations.
const ACTIVATION_BOUND: f32 = 4.0;
/// Weights reach their format's largest value at this many standard deviations.
const WEIGHT_BOUND: f32 = 3.0;
/// Gain of a layer with a shortcut, so that sums along a deep trunk stay in range.
const RESIDUAL_GAIN: f32 = 0.25;
/// Stream of the image; layers use those before it.
const IMAGE_STREAM: u64 = u64::MAX;

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). Not a crate: it is a few lines, and its stream can
/// never change under a committed result.
struct Random(u64);

impl Random {
    /// One stream per tensor, so that a tensor does not depend on those before it.
    fn new(seed: u64, stream: u64) -> Self {
        let mut mixed = Self(seed);
        Self(mixed.next() ^ Self(stream).next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Nearly normal with mean 0 and deviation 1: the centered sum of four 16-bit uniform numbers
    /// (Irwin and Hall), times √3. Never beyond ±3.47.
    fn normal(&mut self) -> f32 {
        let bits = self.next();
        let sum: i32 = [0, 16, 32, 48].iter().map(|&at| (bits >> at & 0xffff) as i32).sum();
        (sum - 2 * 0xffff) as f32 / 65536.0 * 3f32.sqrt()
    }
}

impl Params {
    /// Synthetic values of a network: the same network and seed give the same bits everywhere.
    ///
    /// Weights are nearly normal: on their integer grid with the largest value at 3 standard deviations, or
    /// bfloat16 with deviation 1/√K. Activation scales are those of a bound of 4. Multipliers make a layer's
    /// output have a deviation near 1 (¼ beside a shortcut), varied by a sixteenth per channel; biases have
    /// deviation ⅛. Nothing is learned: outputs mean nothing. None for a list of matrix products, which has
    /// shapes only.
    pub fn synthetic(network: &Network, seed: u64) -> Option<Self> {
        let scales: Vec<f32> =
            network.quantizers().iter().map(|quantizer| quantizer.grid.scale(ACTIVATION_BOUND)).collect();
        let layers = (0..).zip(network.layers()).map(|(index, layer)| match &layer.operation {
            Operation::Convolution(Convolution { kind: WindowKind::MatrixProduct, .. }) => None,
            Operation::Convolution(convolution) => {
                let kernel = convolution.window.kernel;
                let cin = network.edge(layer.input).shape.channels / convolution.groups;
                let k = kernel.height * kernel.width * cin;
                let step = match convolution.operands {
                    Operands::Integer { quantizer, .. } => 1.0 / scales[quantizer.index()],
                    Operands::Affine { .. } => return None,
                    Operands::Bf16 => 1.0,
                };
                let channels = network.edge(layer.output).shape.channels;
                // A sum of k products has the variance k · E[a²] · E[w²].
                let input_deviation = (k as f32 * mean_square(network, layer)).sqrt() / step;
                let random = |tensor| Random::new(seed, 3 * index + tensor);
                let values = values(convolution, k, channels, input_deviation, random);
                let Some(kind) = convolution.requantization else { return Some((Some(values), None)) };
                let grid = network.output_grid(layer, convolution.activation)?;
                let Stored::Grid(stored) = network.edge(layer.output).stored else { return None };
                Some((None, Some(requantized(values, kind, scales[stored.index()], grid)?)))
            }
            Operation::MaxPool(_) | Operation::GlobalAveragePool => Some((None, None)),
            // An imported network brings its values.
            Operation::MaxPoolLookup(_)
            | Operation::AveragePool(..)
            | Operation::QuantizedAdd(_)
            | Operation::Lookup
            | Operation::Float(_) => None,
        });
        let (layers, integers) = layers.collect::<Option<Vec<_>>>()?.into_iter().unzip();
        Some(Self::unread(layers, integers, scales))
    }
}

/// The same values for sums that become integers in one step: the factor is f32(multiplier · scale), for shifts the
/// power of two at or below it; the bias is a whole number of the sums' units.
fn requantized(
    values: LayerParams,
    kind: RequantizationKind,
    scale: f32,
    grid: OutputGrid,
) -> Option<ImportedParams> {
    let units = values.bias.iter().zip(&values.multiplier).map(|(bias, multiplier)| bias / multiplier);
    let bias = units.map(|units| units.round() as i32).collect();
    let ratios: Vec<f32> = values.multiplier.iter().map(|multiplier| multiplier * scale).collect();
    let factors = match kind {
        RequantizationKind::F32Rne => Factors::F32(ratios),
        RequantizationKind::GemmlowpDouble | RequantizationKind::TfliteSingle(_) => {
            let multiplier = |ratio: f32| FixedPointMultiplier::new(ratio.into());
            Factors::FixedPoint(ratios.into_iter().map(multiplier).collect::<Option<_>>()?)
        }
        RequantizationKind::PowerOfTwoShift(_) => {
            let shift =
                |ratio: f32| (0..31u8).find(|&shift| ratio >= 2f32.powi(-i32::from(shift))).unwrap_or(31);
            Factors::Shifts(ratios.into_iter().map(shift).collect())
        }
    };
    requantized_layer(values.weights, bias, kind, factors, grid)
}

/// A normalized image for a network, NHWC: nearly normal values with deviation 1.
pub fn synthetic_image(network: &Network, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed, IMAGE_STREAM);
    (0..network.image().shape.elements()).map(|_| random.normal()).collect()
}

/// About what a layer's input has, for normal values of deviation 1 behind it.
fn mean_square(network: &Network, layer: &Layer) -> f32 {
    match network.layers().iter().find(|before| before.output == layer.input).map(|before| &before.operation)
    {
        Some(Operation::Convolution(Convolution { activation: Activation::Relu, .. })) => 0.5,
        Some(Operation::MaxPool(_)) => 2.5, // of nine independent values after a ReLU
        Some(Operation::GlobalAveragePool) => 0.2, // the mean of max(x, 0) is 0.4
        Some(_) | None => 1.0,
    }
}

fn values(
    convolution: &Convolution,
    k: usize,
    channels: usize,
    input_deviation: f32,
    random: impl Fn(u64) -> Random,
) -> LayerParams {
    let mut weight = random(0);
    let (weights, deviation) = match convolution.weight_format() {
        OperandFormat::Integer(format) => {
            let largest = format.max() as f32;
            let deviation = largest / WEIGHT_BOUND;
            let integer = |normal: f32| (normal * deviation).clamp(-largest, largest).round() as i8;
            (Weights::Integer((0..k * channels).map(|_| integer(weight.normal())).collect()), deviation)
        }
        OperandFormat::Bf16 => {
            let deviation = 1.0 / (k as f32).sqrt();
            let value = |normal: f32| bf16::from_f32(normal * deviation);
            (Weights::Bf16((0..k * channels).map(|_| value(weight.normal())).collect()), deviation)
        }
    };
    let gain = if convolution.shortcut.is_some() { RESIDUAL_GAIN } else { 1.0 };
    let multiplier = gain / (input_deviation * deviation);
    let (mut multipliers, mut biases) = (random(1), random(2));
    LayerParams {
        weights,
        multiplier: (0..channels).map(|_| multiplier * (1.0 + multipliers.normal() / 16.0)).collect(),
        bias: (0..channels).map(|_| biases.normal() / 8.0).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Workload;
    use super::*;
    use crate::source::SourceFile;

    #[test]
    fn numbers_are_splitmix64_and_nearly_normal() {
        // Reference output for seed 1234567 of the authors' algorithm, as Rosetta Code lists it.
        let mut random = Random(1_234_567);
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([random.next(), random.next(), random.next()], expected);
        let values: Vec<f64> = (0..100_000).map(|_| f64::from(random.normal())).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let square = values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 0.02 && (square - 1.0).abs() < 0.02, "mean {mean}, mean square {square}");
    }

    #[test]
    fn a_seed_gives_its_own_values_on_their_grids() {
        let (_, text) =
            super::super::SHIPPED.iter().find(|(name, _)| *name == "resnet50-mostly-4-bit").unwrap();
        let workload = Workload::parse(&SourceFile::embedded("n.toml", text)).unwrap();
        let [first, again, other] =
            [1, 1, 2].map(|seed| Params::synthetic(workload.network(), seed).unwrap());
        let mut layers = 0;
        for index in 0..workload.network().layers().len() {
            assert_eq!(first.layer(index), again.layer(index));
            let (Some(one), Some(two)) = (first.layer(index), other.layer(index)) else { continue };
            assert_ne!(one.weights, two.weights);
            let Weights::Integer(weights) = &one.weights else { panic!("integers expected") };
            let largest: i8 = if layers == 0 || layers == 53 { 127 } else { 7 };
            let magnitude = weights.iter().map(|weight| weight.unsigned_abs()).max().unwrap();
            assert!((largest.unsigned_abs() / 4 * 3..=largest.unsigned_abs()).contains(&magnitude));
            layers += 1;
        }
        assert_eq!(layers, 54);
        assert_ne!(synthetic_image(workload.network(), 1), synthetic_image(workload.network(), 2));
    }
}
