//! A layer that Verilog and stepped array run, with its operands.

use half::bf16;

use crate::mapping::{Gemm, Schedule};
use crate::numerics::OperandPair;
use crate::stepped::Loading;

use super::random::Random;
use super::requantization::Requantization;

/// Operands, k contiguous: activations `[group][m][k]` and weights `[group][n][k]`.
#[derive(Clone, Debug)]
pub enum Words {
    /// Of an integer pair.
    Integer {
        /// `[group][m][k]`.
        activations: Vec<i16>,
        /// `[group][n][k]`.
        weights: Vec<i16>,
    },
    /// Of (bf16,bf16).
    Bf16 {
        /// `[group][m][k]`.
        activations: Vec<bf16>,
        /// `[group][n][k]`.
        weights: Vec<bf16>,
    },
}

/// A layer.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The MACs that run it.
    pub pair: OperandPair,
    /// How it is cut.
    pub schedule: Schedule,
    /// When what stays is loaded.
    pub loading: Loading,
    /// Its operands.
    pub words: Words,
    /// Somebody else's finished sums, `[group][m][n]`, two's complement or bits of f32, that take the
    /// place of the stepped array's.
    pub sums: Option<Vec<u32>>,
    /// What makes stored integers of integer sums; None, and none are stored, in bf16.
    pub requantization: Option<Requantization>,
    /// Somebody else's stored integers, `[group][m][n]`, that take the place of those that numerics makes.
    pub stored: Option<Vec<i32>>,
}

impl Words {
    fn bits(&self, activation: bool, at: u64) -> u16 {
        match self {
            Self::Integer { activations, weights } => {
                (if activation { activations } else { weights })[at as usize] as u16
            }
            Self::Bf16 { activations, weights } => {
                (if activation { activations } else { weights })[at as usize].to_bits()
            }
        }
    }
}

impl Layer {
    /// A layer that loads just in time, with a random requantization.
    pub fn new(
        pair: OperandPair,
        schedule: Schedule,
        words: Words,
        sums: Option<Vec<u32>>,
        seed: u64,
    ) -> Self {
        let requantization = Random(seed).requantization(16, schedule.gemm.groups * schedule.gemm.n);
        Self { pair, schedule, loading: Loading::Latest, words, sums, requantization, stored: None }
    }

    /// An activation's bits.
    pub(super) fn activation(&self, group: u64, m: u64, k: u64) -> u16 {
        let Gemm { m: pixels, k: depth, .. } = self.schedule.gemm;
        self.words.bits(true, (group * pixels + m) * depth + k)
    }

    /// A weight's bits.
    pub(super) fn weight(&self, group: u64, n: u64, k: u64) -> u16 {
        let Gemm { n: channels, k: depth, .. } = self.schedule.gemm;
        self.words.bits(false, (group * channels + n) * depth + k)
    }

    /// Bits of an operand that adds nothing to any sum beside a weight of +0: in bf16 the product must be −0.
    pub(super) fn nothing(&self) -> u16 {
        match self.words {
            Words::Integer { .. } => 0,
            Words::Bf16 { .. } => 0x8000,
        }
    }
}
