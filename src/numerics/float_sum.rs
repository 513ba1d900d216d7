//! One rounding of an exact sum: to which format, in which direction, what becomes of tiny results.
//!
//! Everything is computed, whatever the processor's floating-point mode. An exact value travels as an f64
//! rounded to odd: with at least two bits more than the target it decides every later rounding as the
//! exact value would (Boldo and Melquiond, IEEE Trans. Computers 57:462, 2008).

use half::bf16;

use super::mac::CANONICAL_NAN;

/// Direction in which a floating-point result is rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FloatRounding {
    /// To nearest, ties to even.
    #[default]
    NearestEven,
    /// Toward zero.
    TowardZero,
    /// An inexact result to the neighbor whose last bit is 1.
    Odd,
}

/// What becomes of magnitudes below 2^−126.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subnormals {
    /// IEEE 754: gradual underflow.
    #[default]
    Keep,
    /// Zero of their sign: operands, and every result that is tiny before rounding.
    Flush,
}

/// Format of a partial sum; both have f32's exponents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartialSumFormat {
    /// 24 significant bits.
    #[default]
    F32,
    /// 8 significant bits.
    Bf16,
}

/// f32's and bfloat16's least normal number.
const LEAST_NORMAL: f64 = f32::MIN_POSITIVE as f64;

impl PartialSumFormat {
    fn significand_bits(self) -> i32 {
        match self {
            Self::F32 => 24,
            Self::Bf16 => 8,
        }
    }

    fn largest(self) -> f64 {
        match self {
            Self::F32 => f32::MAX.into(),
            Self::Bf16 => bf16::MAX.into(),
        }
    }
}

/// How results are rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Round {
    pub(super) rounding: FloatRounding,
    pub(super) subnormals: Subnormals,
}

impl Round {
    /// An operand as it enters.
    pub(super) fn operand(self, value: bf16) -> f64 {
        match self.subnormals {
            Subnormals::Flush if value.to_f64().abs() < LEAST_NORMAL => 0f64.copysign(value.to_f64()),
            _ => value.to_f64(),
        }
    }

    /// Rounds `odd`, an exact value rounded to odd, once. NaN becomes the canonical one.
    pub(super) fn narrow(self, odd: f64, format: PartialSumFormat) -> f32 {
        if odd.is_nan() {
            return CANONICAL_NAN;
        }
        if odd.is_infinite() || odd == 0.0 {
            return odd as f32;
        }
        if self.subnormals == Subnormals::Flush && odd.abs() < LEAST_NORMAL {
            return 0f32.copysign(odd as f32);
        }
        let result = if odd.abs() < LEAST_NORMAL {
            self.to_multiple(odd, -126 - (format.significand_bits() - 1))
        } else {
            self.to_significand(odd, format.significand_bits())
        };
        if result.abs() <= format.largest() {
            return (result as f32).copysign(odd as f32); // exact; an underflow keeps its sign
        }
        let overflow = match self.rounding {
            FloatRounding::NearestEven => f64::INFINITY,
            FloatRounding::TowardZero | FloatRounding::Odd => format.largest(),
        };
        overflow.copysign(odd) as f32
    }

    /// Rounds to so many significant bits. A carry out of the significand enters the exponent.
    fn to_significand(self, value: f64, significand_bits: i32) -> f64 {
        let dropped = 53 - significand_bits;
        let (bits, unit) = (value.to_bits(), 1u64 << dropped);
        let rest = bits & (unit - 1);
        let truncated = bits - rest;
        let last = truncated >> dropped & 1;
        f64::from_bits(match self.rounding {
            FloatRounding::NearestEven => (bits + (unit / 2 - 1 + last)) & !(unit - 1),
            FloatRounding::TowardZero => truncated,
            FloatRounding::Odd => truncated | u64::from(rest != 0) << dropped,
        })
    }

    /// Rounds to a multiple of 2^`last`.
    fn to_multiple(self, value: f64, last: i32) -> f64 {
        let scaled = times_power_of_two(value, -last); // exact
        let truncated = scaled.trunc();
        let rounded = match self.rounding {
            FloatRounding::NearestEven => scaled.round_ties_even(),
            FloatRounding::TowardZero => truncated,
            FloatRounding::Odd if truncated != scaled && truncated % 2.0 == 0.0 => {
                truncated + 1f64.copysign(scaled)
            }
            FloatRounding::Odd => truncated,
        };
        times_power_of_two(rounded, last)
    }

    /// a + b, once rounded.
    pub(super) fn add(self, a: f32, b: f32, format: PartialSumFormat) -> f32 {
        self.narrow(odd_sum(a.into(), b.into()), format)
    }
}

/// The exponent of a normal f64.
fn exponent(value: f64) -> i32 {
    (value.to_bits() >> 52 & 0x7ff) as i32 - 1023
}

/// Exact while the result is a normal f64.
fn times_power_of_two(value: f64, exponent: i32) -> f64 {
    let half = exponent / 2; // 2^exponent itself may be beyond f64
    let power = |exponent: i32| f64::from_bits(((exponent + 1023) as u64) << 52);
    value * power(half) * power(exponent - half)
}

/// a + b rounded to odd.
pub(super) fn odd_sum(a: f64, b: f64) -> f64 {
    let sum = a + b;
    if !sum.is_finite() {
        return sum;
    }
    // Knuth's TwoSum: sum + error = a + b exactly.
    let b_part = sum - a;
    let error = (a - (sum - b_part)) + (b - b_part);
    if error == 0.0 || sum.to_bits() & 1 == 1 {
        return sum;
    }
    // Toward the exact value; away from zero if it is larger in magnitude.
    let away = (error > 0.0) == (sum > 0.0);
    f64::from_bits(if away { sum.to_bits() + 1 } else { sum.to_bits() - 1 })
}

/// The exact sum of products of bfloat16 and an f32, as a fixed-point number: 2^−266 is the least product,
/// 65 of the largest stay below 2^264.
#[derive(Clone, Debug)]
pub(super) struct ExactSum {
    /// Two's complement, least significant word first; bit 0 weighs 2^[`LAST`].
    words: [u64; 9],
    /// What infinities and NaN make of it; 0 while all terms are finite.
    special: f64,
    /// Whether all terms are −0.
    negative_zero: bool,
}

const LAST: i32 = -268;

impl ExactSum {
    pub(super) fn new() -> Self {
        Self { words: [0; 9], special: 0.0, negative_zero: true }
    }

    /// Adds a finite f64 of at most 53 bits whose last bit weighs at least 2^`LAST`, an infinity or NaN.
    pub(super) fn add(&mut self, term: f64) {
        self.negative_zero &= term == 0.0 && term.is_sign_negative();
        if !term.is_finite() {
            self.special += term;
            return;
        }
        if term == 0.0 {
            return;
        }
        // A bfloat16 product has 16 significant bits, an f32 24: 30 bits below the leading one are enough.
        let last = exponent(term) - 30;
        let mut significand = times_power_of_two(term.abs(), -last) as u64;
        let mut shift = last - LAST;
        while shift < 0 {
            significand >>= 1; // zeros
            shift += 1;
        }
        let (word, bit) = ((shift / 64) as usize, shift % 64);
        let wide = u128::from(significand) << bit;
        let mut addend = [0u64; 9];
        addend[word] = wide as u64;
        if word + 1 < addend.len() {
            addend[word + 1] = (wide >> 64) as u64;
        }
        if term < 0.0 {
            negate(&mut addend);
        }
        let mut carry = false;
        for (word, addend) in self.words.iter_mut().zip(addend) {
            let (sum, first) = word.overflowing_add(addend);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *word = sum;
            carry = first || second;
        }
    }

    /// The sum rounded to odd; +0 if it is zero, unless all terms are −0.
    pub(super) fn odd(mut self) -> f64 {
        if self.special != 0.0 {
            return self.special;
        }
        let negative = self.words[8] >> 63 == 1;
        if negative {
            negate(&mut self.words);
        }
        let Some(top) = self.words.iter().rposition(|&word| word != 0) else {
            return if self.negative_zero { -0.0 } else { 0.0 };
        };
        let highest = top as i32 * 64 + 63 - self.words[top].leading_zeros() as i32;
        // 53 bits from the highest down, the rest ORed into the last.
        let last = highest - 52;
        let bit = |at: i32| at >= 0 && self.words[at as usize / 64] >> (at % 64) & 1 == 1;
        let kept = (last..=highest).rev().fold(0u64, |bits, at| bits << 1 | u64::from(bit(at)));
        let rest = (0..last).any(bit);
        let magnitude = times_power_of_two((kept | u64::from(rest)) as f64, last + LAST);
        if negative { -magnitude } else { magnitude }
    }
}

fn negate(words: &mut [u64; 9]) {
    let mut carry = true;
    for word in words {
        let (negated, overflow) = (!*word).overflowing_add(u64::from(carry));
        *word = negated;
        carry = overflow;
    }
}
