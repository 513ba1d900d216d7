//! Random layers: edges, extremes and overflows frequent.

use half::bf16;

use crate::mapping::{Dataflow, Gemm, Join, Schedule, Split};
use crate::numerics::{
    self, Activation, FixedPoint, FixedPointMultiplier, FixedPointRounding, IntegerFormat, OperandPair,
    PowerOfTwoShift, ShiftRounding, Signedness,
};
use crate::stepped::Loading;

use super::datapath::Datapath;
use super::generated::Generated;
use super::layer::{Layer, Words};
use super::requantization::Requantization;

/// SplitMix64.
pub(super) struct Random(pub(super) u64);

/// Kinds of bf16 operands.
const FLOAT_KINDS: u64 = 6;

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.within(0, choices.len() as u64 - 1) as usize]
    }

    /// An integer of a kind: an extreme, any value, a small one.
    fn integer(&mut self, format: IntegerFormat, kind: u64) -> i16 {
        let (low, high) = (i64::from(format.min()), i64::from(format.max()));
        let value = match kind {
            0 => self.pick(&[low, high]),
            1 => low + self.within(0, (high - low) as u64) as i64,
            _ => self.within(0, 3) as i64 + low.max(-2),
        };
        value as i16
    }

    /// A bf16 of a kind, 0 to [`FLOAT_KINDS`] − 1.
    fn float(&mut self, kind: u64) -> bf16 {
        let bits = self.next() as u16;
        bf16::from_bits(match kind {
            // Of one magnitude, of many.
            0 => bits & 0x807f | 0x3f80,
            1 => bits & 0x87ff | 0x3c00,
            // Of many and two bits long: sums often lie halfway.
            2 => bits & 0x87c0 | 0x3c00,
            // Products and sums about the least normal number.
            3 => bits & 0x83ff | 0x1c00,
            // Zeros, infinities, the least, the largest.
            4 => self.pick(&[0, 0x8000, 0x7f80, 0xff80, 1, 0x8001, 0x7f7f, 0xff7f, 0x3f80]),
            _ => bits,
        })
    }

    /// For sums of `bits` bits, so that few are clamped and, if they are few, many lie halfway.
    pub(super) fn requantization(&mut self, bits: u8, channels: u64) -> Option<Requantization> {
        let signedness = self.pick(&[Signedness::Signed, Signedness::Unsigned]);
        let output = IntegerFormat::new(signedness, self.pick(&[4, 8, 8])).unwrap_or(IntegerFormat::INT8);
        let range = (output.max() - output.min()) as u64;
        let roundings = [
            ShiftRounding::HalfEven,
            ShiftRounding::HalfUp,
            ShiftRounding::HalfAway,
            ShiftRounding::Floor,
            ShiftRounding::TowardZero,
        ];
        let middle = self.within(0, u64::from(bits));
        let shift = |random: &mut Self| random.within(middle.saturating_sub(2), middle + 1) as u8;
        let once = FixedPointRounding::Single(ShiftRounding::HalfUp);
        let fixed_point = self.within(0, 2) == 0;
        let product = self.pick(&[FixedPointRounding::Double, once]);
        let rounding = self.pick(&roundings);
        let mut bias = || match self.within(0, 15) {
            0 => self.pick(&[i32::MIN, i32::MAX]),
            1..=4 => 0,
            _ => self.within(0, 2 << bits) as i32 - (1 << bits),
        };
        let biases = (0..channels).map(|_| bias()).collect();
        let zero_point = output.min() + self.within(0, range) as i32;
        let activation = self.pick(&[Activation::Identity, Activation::Relu]);
        let factors = if fixed_point {
            let mut multiplier = || {
                let q31 = 1 << 30 | if self.within(0, 2) == 0 { 0 } else { (self.next() >> 34) as i32 };
                FixedPointMultiplier::from_parts(q31, 2 - shift(self) as i8)
            };
            let multipliers = (0..channels).map(|_| multiplier()).collect::<Option<_>>()?;
            let grid = FixedPoint::new(product, output, zero_point, activation)?;
            numerics::Requantization::FixedPoint(grid, multipliers)
        } else {
            let shift = |_| PowerOfTwoShift::new(shift(self), rounding, output, zero_point, activation);
            numerics::Requantization::PowerOfTwoShift((0..channels).map(shift).collect::<Option<_>>()?)
        };
        Requantization::new(biases, factors).ok()
    }
}

impl Generated {
    /// Layers of up to three folds each way, of all pairs in turn.
    pub fn random_layers(&self, cases: u64, seed: u64) -> impl Iterator<Item = Layer> {
        let mut random = Random(seed);
        (0..cases).map(move |case| {
            loop {
                let layer = self.random_layer(&mut random, case);
                // Of arrays that are long one way, some take too many cycles.
                if self.starts(&layer).is_ok() {
                    break layer;
                }
            }
        })
    }

    fn random_layer(&self, random: &mut Random, case: u64) -> Layer {
        let path = &self.datapaths[(case % self.datapaths.len() as u64) as usize];
        let (lanes_k, lanes_n) = (path.lanes.along_k(), path.lanes.along_n());
        let streamed = |random: &mut Random| random.within(1, 2 * (self.rows + self.columns));
        let columns = |random: &mut Random| random.within(1, 2 * self.columns * lanes_n + 1);
        let rows = 3 * self.rows * lanes_k;
        let (m, n, k) = match self.dataflow {
            Dataflow::Ws => (streamed(random), columns(random), random.within(1, rows)),
            Dataflow::Is => (columns(random), streamed(random), random.within(1, rows)),
            Dataflow::Os => (random.within(1, 3 * self.rows), columns(random), random.within(1, rows)),
        };
        let gemm = Gemm { m, n, k, groups: random.within(1, 2) };
        let mut tile = |extent| if random.within(0, 1) == 0 { extent } else { random.within(1, extent) };
        let (m_tile, n_tile) = (tile(m), tile(n));
        let layer = self.layer_of(path, gemm, (m_tile, n_tile), random);
        Layer { loading: random.pick(&[Loading::Earliest, Loading::Latest]), ..layer }
    }

    /// A layer in one piece, m × n × k, with random operands of the last pair.
    pub fn example(&self, [m, n, k]: [u64; 3]) -> Layer {
        let path = &self.datapaths[self.datapaths.len() - 1];
        self.layer_of(path, Gemm { m, n, k, groups: 1 }, (m, n), &mut Random(1))
    }

    /// A layer in one piece, with random operands of the first pair.
    pub fn layer(&self, m: u64, n: u64, k: u64, seed: u64) -> Layer {
        self.layer_of(&self.datapaths[0], Gemm { m, n, k, groups: 1 }, (m, n), &mut Random(seed))
    }

    fn layer_of(
        &self,
        path: &Datapath,
        gemm: Gemm,
        (m_tile, n_tile): (u64, u64),
        random: &mut Random,
    ) -> Layer {
        let Gemm { m, n, k, .. } = gemm;
        let schedule = Schedule {
            gemm,
            dataflow: self.dataflow,
            rows: self.rows,
            columns: self.columns,
            lanes: path.lanes,
            arrays: 1,
            split: Split::Channels,
            m_tile,
            n_tile,
            join: Join::PerFold,
        };
        let counts = (gemm.groups * m * k, gemm.groups * n * k);
        let kind = random.within(0, 2);
        let requantization = random.requantization(if kind == 2 { 4 } else { 12 }, gemm.groups * n);
        let words = match path.pair {
            OperandPair::Integer { activation, weight } => {
                let mut words = |count, format| (0..count).map(|_| random.integer(format, kind)).collect();
                Words::Integer { activations: words(counts.0, activation), weights: words(counts.1, weight) }
            }
            OperandPair::Bf16 => {
                let kind = random.within(0, FLOAT_KINDS - 1);
                let mut words = |count| (0..count).map(|_| random.float(kind)).collect();
                Words::Bf16 { activations: words(counts.0), weights: words(counts.1) }
            }
        };
        Layer {
            pair: path.pair,
            schedule,
            loading: Loading::Latest,
            words,
            sums: None,
            stored: None,
            requantization,
        }
    }
}
