//! The hardware-agnostic costs of "Pareto-Optimal Quantized ResNet Is Mostly 4-bit" (arXiv 2105.03536),
//! as AQT's `compute_cost_utils.py` defines them.
//!
//! Only multiplications of convolutions and matrix products count, padding taps included, per image.
//! MACs and weights are those of the layer's groups, as in PokeBNN (arXiv 2112.00133). An operand
//! that is not quantized counts as 16 bits.

use super::CostError;

/// What the costs see of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgnosticLayer {
    /// Multiplications per image.
    pub macs: u64,
    /// Number of weights; 0 if both operands are activations.
    pub weights: u64,
    /// Activation width in bits, 1 to 16.
    pub activation_bits: u8,
    /// Width of the other operand in bits, 1 to 16.
    pub weight_bits: u8,
}

/// Σ MACs · P, where P is the wider operand's width rounded up to 4, 8 or 16 bits.
pub fn linear(layers: impl IntoIterator<Item = AgnosticLayer>) -> Result<u64, CostError> {
    sum("linear", layers, |layer| {
        let width = match layer.activation_bits.max(layer.weight_bits) {
            ..=4 => 4,
            5..=8 => 8,
            _ => 16,
        };
        layer.macs.checked_mul(width)
    })
}

/// Σ MACs · activation bits · weight bits, also known as ACE and BOPS.
pub fn quadratic(layers: impl IntoIterator<Item = AgnosticLayer>) -> Result<u64, CostError> {
    sum("quadratic", layers, |layer| {
        layer.macs.checked_mul(u64::from(layer.activation_bits) * u64::from(layer.weight_bits))
    })
}

/// Σ weights · weight bits: bits of all weights.
pub fn memory(layers: impl IntoIterator<Item = AgnosticLayer>) -> Result<u64, CostError> {
    sum("memory", layers, |layer| layer.weights.checked_mul(u64::from(layer.weight_bits)))
}

fn sum(
    name: &'static str,
    layers: impl IntoIterator<Item = AgnosticLayer>,
    cost: impl Fn(AgnosticLayer) -> Option<u64>,
) -> Result<u64, CostError> {
    layers.into_iter().try_fold(0u64, |total, layer| {
        for (operand, bits) in [("activation", layer.activation_bits), ("weight", layer.weight_bits)] {
            if !(1..=16).contains(&bits) {
                return Err(CostError::OperandBits { operand, bits });
            }
        }
        cost(layer).and_then(|cost| total.checked_add(cost)).ok_or(CostError::Overflow(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(macs: u64, weights: u64, activation_bits: u8, weight_bits: u8) -> AgnosticLayer {
        AgnosticLayer { macs, weights, activation_bits, weight_bits }
    }

    fn costs(layers: &[AgnosticLayer]) -> (u64, u64, u64) {
        let layers = || layers.iter().copied();
        (quadratic(layers()).unwrap(), linear(layers()).unwrap(), memory(layers()).unwrap())
    }

    /// Values of AQT's compute_cost_utils_test.py: quadratic, linear, memory.
    #[test]
    fn single_layers_equal_aqt() {
        for (case, expected) in [
            (layer(16, 16, 16, 16), (4_096, 256, 256)),
            (layer(16, 16, 8, 8), (1_024, 128, 128)),
            (layer(27_648, 432, 16, 16), (7_077_888, 442_368, 6_912)),
            (layer(3_456, 432, 16, 16), (884_736, 55_296, 6_912)),
            (layer(663_552, 1_296, 16, 16), (169_869_312, 10_616_832, 20_736)),
            (layer(27_648, 432, 2, 4), (221_184, 110_592, 1_728)),
            (layer(8, 0, 16, 16), (2_048, 128, 0)),
            (layer(8, 0, 8, 8), (512, 64, 0)),
            (layer(8, 0, 8, 4), (256, 64, 0)),
        ] {
            assert_eq!(costs(&[case]), expected, "{case:?}");
        }
    }

    /// Cost over bfloat16 cost, as numerator 1 and a denominator: quadratic, linear, memory.
    #[test]
    fn ratios_to_bfloat16_equal_aqt() {
        for ((activation_bits, weight_bits), ratio) in [
            ((8, 8), (4, 2, 2)),
            ((4, 4), (16, 4, 4)),
            ((8, 4), (8, 2, 4)),
            ((16, 4), (4, 1, 4)),
            ((2, 4), (32, 4, 4)),
            ((2, 2), (64, 4, 8)),
        ] {
            let (quadratic, linear, memory) = costs(&[layer(1, 1, activation_bits, weight_bits)]);
            assert_eq!(
                (256 / quadratic, 16 / linear, 16 / memory),
                ratio,
                "a{activation_bits} w{weight_bits}"
            );
        }
    }

    /// Values of AQT's resnet_cost_test.py at 224×224; the linear ones follow from the definition.
    #[test]
    fn resnet50_equals_aqt() {
        const MACS: u64 = 4_089_184_256;
        const WEIGHTS: u64 = 25_502_912;
        for ((activation_bits, weight_bits), expected) in [
            ((16, 16), (1_046_831_169_536, 65_426_948_096, 408_046_592)),
            ((16, 8), (523_415_584_768, 65_426_948_096, 204_023_296)),
            ((16, 4), (261_707_792_384, 65_426_948_096, 102_011_648)),
            ((8, 8), (261_707_792_384, 32_713_474_048, 204_023_296)),
            ((4, 4), (65_426_948_096, 16_356_737_024, 102_011_648)),
            ((2, 4), (32_713_474_048, 16_356_737_024, 102_011_648)),
        ] {
            assert_eq!(costs(&[layer(MACS, WEIGHTS, activation_bits, weight_bits)]), expected);
        }
        let first = layer(118_013_952, 9_408, 8, 8);
        let last = layer(2_048_000, 2_048_000, 8, 8);
        let inner = layer(MACS - first.macs - last.macs, WEIGHTS - first.weights - last.weights, 4, 4);
        assert_eq!(costs(&[first, inner, last]), (71_189_921_792, 16_836_984_832, 110_241_280));
    }

    #[test]
    fn linear_rounds_the_wider_operand_up_to_4_8_or_16_bits() {
        for (bits, width) in [(1, 4), (4, 4), (5, 8), (8, 8), (9, 16), (16, 16)] {
            assert_eq!(linear([layer(10, 0, 1, bits)]), Ok(10 * width));
        }
    }

    #[test]
    fn other_widths_and_overflow_are_errors() {
        let error = CostError::OperandBits { operand: "activation", bits: 0 };
        assert_eq!(memory([layer(1, 1, 0, 8)]), Err(error));
        let error = CostError::OperandBits { operand: "weight", bits: 17 };
        assert_eq!(linear([layer(1, 1, 8, 17)]), Err(error));
        assert_eq!(quadratic([layer(u64::MAX, 1, 2, 2)]), Err(CostError::Overflow("quadratic")));
        assert_eq!(memory([layer(1, u64::MAX, 2, 1); 2]), Err(CostError::Overflow("memory")));
    }
}
