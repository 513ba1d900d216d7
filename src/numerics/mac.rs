//! MAC units: how products become partial sums, and partial sums an accumulator.

use half::bf16;

use super::float_sum::{ExactSum, FloatRounding, PartialSumFormat, Round, Subnormals};
use super::format::OperandPair;

/// Canonical quiet NaN: the only NaN a bf16 MAC returns.
pub const CANONICAL_NAN: f32 = f32::from_bits(0x7fc0_0000);

/// Width of a two's-complement register in bits, 16 to 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegisterWidth(u8);

impl RegisterWidth {
    /// 16 bits.
    pub const NARROWEST: Self = Self(16);

    /// Accepts 16 to 32 bits.
    pub fn new(bits: u8) -> Option<Self> {
        (16..=32).contains(&bits).then_some(Self(bits))
    }

    /// Width in bits.
    #[inline]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Largest value: 2^(bits−1) − 1.
    pub fn max(self) -> i64 {
        (1 << (self.0 - 1)) - 1
    }

    /// Whether `value` is representable.
    #[inline]
    pub fn holds(self, value: i64) -> bool {
        self.wrap(value) == value
    }

    /// The low bits of `value`, sign-extended: two's-complement wrapping.
    #[inline]
    pub fn wrap(self, value: i64) -> i64 {
        let unused = 64 - u32::from(self.0);
        value.wrapping_shl(unused).wrapping_shr(unused)
    }

    /// Width that holds every value of magnitude up to `magnitude`: its bits and a sign.
    pub fn bits_for_magnitude(magnitude: u64) -> u32 {
        65 - magnitude.leading_zeros()
    }
}

/// What a register holds after an addition whose exact result it cannot hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Overflow {
    /// The low bits.
    #[default]
    Wrap,
    /// The nearest value that it can hold.
    Saturate,
}

impl Overflow {
    /// value + addend in a register; an exact result outside is counted.
    #[inline]
    pub fn add(self, register: RegisterWidth, value: i64, addend: i64, overflows: &mut u64) -> i64 {
        let exact = value + addend;
        if register.holds(exact) {
            return exact;
        }
        *overflows += 1;
        match self {
            Self::Wrap => register.wrap(exact),
            Self::Saturate => exact.clamp(-register.max() - 1, register.max()),
        }
    }
}

/// How the products of a PE's lanes along k join its partial sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LaneSum {
    /// One after the other.
    #[default]
    Serial,
    /// Summed from left to right first, as partial sums are, and then added.
    First,
    /// All at once: one rounding, or one overflow, of the exact sum.
    Block,
}

/// How the folds of one output join.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Join {
    /// Each fold sums from zero and is then added to the accumulator.
    #[default]
    PerFold,
    /// The accumulator's value enters the top of the next fold's column, and its sum replaces it.
    Chained,
}

/// When a bias of integers joins an accumulator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bias {
    /// After the last fold, outside the register, in 32 bits that wrap.
    #[default]
    AfterLastFold,
    /// Before the first fold: the accumulator starts with it.
    Preload,
}

/// Integer MAC: exact products, partial sums in the array and an accumulator behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntegerMac {
    /// Partial sums inside the array.
    pub partial_sum: RegisterWidth,
    /// Accumulator behind the array, to which each fold's sum is added.
    pub accumulator: RegisterWidth,
    /// Of both.
    pub overflow: Overflow,
    /// How lanes along k join the partial sum.
    pub lane_sum: LaneSum,
    /// When a bias joins the accumulator.
    pub bias: Bias,
}

impl IntegerMac {
    /// Registers that wrap, lanes one after the other, bias after the last fold.
    pub fn wrapping(partial_sum: RegisterWidth, accumulator: RegisterWidth) -> Self {
        let (lane_sum, bias) = (LaneSum::Serial, Bias::AfterLastFold);
        Self { partial_sum, accumulator, overflow: Overflow::Wrap, lane_sum, bias }
    }

    /// One PE in one step: the products of its lanes join the partial sum.
    #[inline]
    pub fn step(self, partial_sum: i64, activations: &[i16], weights: &[i16], overflows: &mut u64) -> i64 {
        let mut add = |sum, addend| self.overflow.add(self.partial_sum, sum, addend, overflows);
        let mut products = activations.iter().zip(weights).map(|(&a, &w)| i64::from(a) * i64::from(w));
        match self.lane_sum {
            LaneSum::Serial => products.fold(partial_sum, add),
            LaneSum::First => {
                let lanes = products.next().map(|first| products.fold(first, &mut add));
                lanes.map_or(partial_sum, |lanes| add(partial_sum, lanes))
            }
            LaneSum::Block => add(partial_sum, products.sum()),
        }
    }

    /// The same where registers wrap: then the order of lanes is the same, and sums modulo 2^32 are enough.
    #[inline]
    pub fn step_wrapping<const LANES: usize>(
        self,
        partial_sum: i32,
        activations: [i16; LANES],
        weights: [i16; LANES],
    ) -> i32 {
        debug_assert_eq!(self.overflow, Overflow::Wrap);
        let unused = 32 - u32::from(self.partial_sum.bits());
        let mut sum = partial_sum;
        for (activation, weight) in activations.iter().zip(&weights) {
            sum = sum.wrapping_add(i32::from(*activation) * i32::from(*weight));
        }
        sum << unused >> unused
    }
}

/// bfloat16 MAC with an f32 accumulator. The default has f32 partial sums, rounds to nearest even, keeps
/// subnormals and sums the lanes of a row serially.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bf16Mac {
    /// Format of partial sums inside the array.
    pub partial_sum: PartialSumFormat,
    /// Of every result.
    pub rounding: FloatRounding,
    /// Of operands and results.
    pub subnormals: Subnormals,
    /// How lanes along k join the partial sum.
    pub lane_sum: LaneSum,
}

impl Bf16Mac {
    /// Whether the processor's own f32 arithmetic computes it, product by product.
    pub fn is_native(self) -> bool {
        self == Self::default()
    }

    /// `partial_sum` + activation · weight. The product is exact in f32 unless it leaves f32's range,
    /// where it is rounded once; the sum is rounded once.
    #[inline]
    pub fn accumulate(self, partial_sum: f32, activation: bf16, weight: bf16) -> f32 {
        if self.is_native() {
            return partial_sum + activation.to_f32() * weight.to_f32();
        }
        self.round().add(partial_sum, self.product(activation, weight), self.partial_sum)
    }

    /// One PE in one step: the products of its lanes join the partial sum, which is canonical if it is NaN
    /// and the MAC is not [native](Self::is_native).
    pub fn step(self, partial_sum: f32, activations: &[bf16], weights: &[bf16]) -> f32 {
        let lanes = activations.iter().zip(weights);
        match self.lane_sum {
            LaneSum::Serial => lanes.fold(partial_sum, |sum, (&a, &w)| self.accumulate(sum, a, w)),
            LaneSum::First => {
                let products = lanes.map(|(&a, &w)| self.product(a, w));
                let add = |sum, addend| self.round().add(sum, addend, self.partial_sum);
                products.reduce(add).map_or(partial_sum, |lanes| add(partial_sum, lanes))
            }
            LaneSum::Block => {
                let mut sum = ExactSum::new();
                sum.add(partial_sum.into());
                for (&a, &w) in lanes {
                    sum.add(self.round().operand(a) * self.round().operand(w)); // 16 bits: exact in f64
                }
                self.round().narrow(sum.odd(), self.partial_sum)
            }
        }
    }

    /// A fold's sum joins the accumulator, in f32.
    pub fn join(self, accumulator: f32, fold: f32) -> f32 {
        if self.is_native() {
            return accumulator + self.canonical(fold);
        }
        self.round().add(accumulator, fold, PartialSumFormat::F32)
    }

    fn round(self) -> Round {
        Round { rounding: self.rounding, subnormals: self.subnormals }
    }

    /// activation · weight in f32: exact in its range, else rounded once.
    fn product(self, activation: bf16, weight: bf16) -> f32 {
        let exact = self.round().operand(activation) * self.round().operand(weight); // in f64
        self.round().narrow(exact, PartialSumFormat::F32)
    }

    /// What leaves a fold or the accumulator: NaN becomes the canonical quiet NaN. NaN persists through
    /// sums, so canonicalizing at the end equals canonicalizing every step.
    pub fn canonical(self, sum: f32) -> f32 {
        if sum.is_nan() { CANONICAL_NAN } else { sum }
    }
}

/// The MAC unit that executes a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MacSpec {
    /// Integer operands.
    Integer(IntegerMac),
    /// bfloat16 operands.
    Bf16(Bf16Mac),
}

/// Largest magnitudes that the weights of a layer and its activation format allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StaticBound {
    /// Of any partial sum inside one fold.
    pub partial_sum: u64,
    /// Of any accumulator value over all folds.
    pub accumulator: u64,
}

impl StaticBound {
    /// Σ|w|·max|a| over the weights of one output channel in the order of k, folds of `k_per_fold`.
    /// Prefixes of a sum of magnitudes are largest at its end.
    pub fn of_channel(weights: impl Iterator<Item = i32>, max_activation: i64, k_per_fold: usize) -> Self {
        let max_activation = max_activation.unsigned_abs();
        let (mut bound, mut fold, mut in_fold) = (Self::default(), 0, 0);
        for weight in weights {
            if in_fold == k_per_fold {
                (fold, in_fold) = (0, 0);
            }
            let magnitude = u64::from(weight.unsigned_abs()) * max_activation;
            fold += magnitude;
            in_fold += 1;
            bound.accumulator += magnitude;
            bound.partial_sum = bound.partial_sum.max(fold);
        }
        bound
    }

    /// The same for any weights of `pair` at contraction length `k`.
    pub fn of_formats(pair: OperandPair, k: u64, k_per_fold: u64) -> Option<Self> {
        let OperandPair::Integer { activation, weight } = pair else { return None };
        let product = (activation.max_magnitude() * weight.max_magnitude()).unsigned_abs();
        Some(Self { partial_sum: k.min(k_per_fold) * product, accumulator: k * product })
    }

    /// The same of accumulators that start with `bias`.
    pub fn preloaded(self, bias: i32) -> Self {
        Self { accumulator: self.accumulator + u64::from(bias.unsigned_abs()), ..self }
    }

    /// The larger of both, element by element.
    pub fn max(self, other: Self) -> Self {
        Self {
            partial_sum: self.partial_sum.max(other.partial_sum),
            accumulator: self.accumulator.max(other.accumulator),
        }
    }

    /// Whether no sum can leave its register: then any order gives the same integers.
    pub fn fits(self, mac: IntegerMac) -> bool {
        self.partial_sum <= mac.partial_sum.max().unsigned_abs()
            && self.accumulator <= mac.accumulator.max().unsigned_abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_wrap_in_twos_complement() {
        let width = RegisterWidth::new(16).unwrap();
        assert_eq!(width.wrap(32_767), 32_767);
        assert_eq!(width.wrap(32_768), -32_768);
        assert_eq!(width.wrap(-32_769), 32_767);
        assert!(width.holds(-32_768) && !width.holds(32_768));
        assert!(RegisterWidth::new(15).is_none() && RegisterWidth::new(33).is_none());
    }

    #[test]
    fn bits_needed_include_the_sign() {
        // K = 4608, uint8 × int8 of magnitude 127: 149,230,080 needs 29 bits.
        assert_eq!(RegisterWidth::bits_for_magnitude(4608 * 255 * 127), 29);
        assert_eq!(RegisterWidth::bits_for_magnitude(4608 * 15 * 7), 20);
        assert_eq!(RegisterWidth::bits_for_magnitude(0), 1);
        assert_eq!(RegisterWidth::bits_for_magnitude(32_767), 16);
        assert_eq!(RegisterWidth::bits_for_magnitude(32_768), 17);
    }

    #[test]
    fn the_static_bound_follows_folds() {
        let bound = StaticBound::of_channel([3, -4, 5].into_iter(), 10, 2);
        assert_eq!(bound, StaticBound { partial_sum: 70, accumulator: 120 });
    }

    #[test]
    fn order_decides_bf16_sums() {
        let sum = |products: &[(f32, f32)]| {
            products.iter().fold(0.0, |sum, &(a, w)| {
                Bf16Mac::default().accumulate(sum, bf16::from_f32(a), bf16::from_f32(w))
            })
        };
        let big = (4096.0, 4096.0); // 2^24
        let minus = (4096.0, -4096.0);
        let one = (1.0, 1.0);
        assert_eq!(sum(&[big, one, one, minus]), 0.0);
        assert_eq!(sum(&[one, one, big, minus]), 2.0);
        assert_eq!(sum(&[big, one, one, one]), 16_777_216.0);
        assert_eq!(sum(&[big, one]) + sum(&[one, one]), 16_777_218.0);
    }

    #[test]
    fn invalid_operations_give_the_canonical_nan() {
        let infinity = bf16::INFINITY;
        let sum = Bf16Mac::default().accumulate(f32::NEG_INFINITY, infinity, bf16::ONE);
        assert_eq!(Bf16Mac::default().canonical(sum).to_bits(), 0x7fc0_0000);
    }
}
