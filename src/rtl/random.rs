//! Random layers: edges, extremes, overflows and what lies where a rounding decides frequent.

use half::bf16;

use crate::mapping::{Dataflow, Gemm, Join, Schedule, Split};
use crate::numerics::{
    self, Activation, FixedPoint, FixedPointMultiplier, FixedPointRounding, IntegerFormat, OperandPair,
    PowerOfTwoShift, ShiftRounding, Signedness,
};
use crate::stepped::{Loading, Start};

use super::datapath::Datapath;
use super::generated::Generated;
use super::layer::{Layer, Words};
use super::requantization::Requantization;

/// SplitMix64.
pub(super) struct Random(pub(super) u64);

/// Kinds of integer operands.
const INTEGER_KINDS: u64 = 3;

/// Kinds of bf16 operands.
const FLOAT_KINDS: u64 = 9;

/// Ways to round: [`SHIFT_ROUNDINGS`], and fixed-point products twice and once.
const ROUNDINGS: u64 = SHIFT_ROUNDINGS.len() as u64 + 2;

const SHIFT_ROUNDINGS: [ShiftRounding; 5] = [
    ShiftRounding::HalfEven,
    ShiftRounding::HalfUp,
    ShiftRounding::HalfAway,
    ShiftRounding::Floor,
    ShiftRounding::TowardZero,
];

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
            // Of two magnitudes, so far apart that products end about the last bit of an f32 sum, of a bf16 sum: ties, and
            // ties that the least bits break.
            5 => self.far_below_one(11, 13),
            6 => self.far_below_one(3, 5),
            // Sums cancel, to nothing or but for the last bits.
            7 => bits & 0x8081 | 0x3f00,
            _ => bits,
        })
    }

    /// Bits of a bf16 from 1 to 2, or `least` to `most` octaves below; half of the significands are 1, the next, 1.5 or
    /// the last.
    fn far_below_one(&mut self, least: u64, most: u64) -> u16 {
        let exponent = 127 - if self.within(0, 1) == 0 { 0 } else { self.within(least, most) as u16 };
        let any = self.within(0, 0x7f) as u16;
        let significand = self.pick(&[any, any, any, any, 0, 1, 0x40, 0x7f]);
        let sign = self.pick(&[0, 0x8000]);
        sign | exponent << 7 | significand
    }

    /// For sums of `bits` bits, so that few are clamped and, if they are few, many lie halfway.
    pub(super) fn requantization(&mut self, bits: u8, channels: u64) -> Option<Requantization> {
        let rounding = self.within(0, ROUNDINGS - 1);
        self.requantization_with(rounding, bits, channels)
    }

    /// The same that rounds in a way, 0 to [`ROUNDINGS`] − 1.
    fn requantization_with(&mut self, rounding: u64, bits: u8, channels: u64) -> Option<Requantization> {
        let signedness = self.pick(&[Signedness::Signed, Signedness::Unsigned]);
        let output = IntegerFormat::new(signedness, self.pick(&[4, 8, 8])).unwrap_or(IntegerFormat::INT8);
        let range = (output.max() - output.min()) as u64;
        let middle = self.within(0, u64::from(bits));
        let shift = |random: &mut Self| random.within(middle.saturating_sub(2), middle + 1) as u8;
        let mut bias = || match self.within(0, 15) {
            0 => self.pick(&[i32::MIN, i32::MAX]),
            1..=4 => 0,
            _ => self.within(0, 2 << bits) as i32 - (1 << bits),
        };
        let biases = (0..channels).map(|_| bias()).collect();
        let zero_point = output.min() + self.within(0, range) as i32;
        // Below a ReLU no rounding shows.
        let activation = self.pick(&[Activation::Identity, Activation::Identity, Activation::Relu]);
        let factors = match SHIFT_ROUNDINGS.get(rounding as usize) {
            Some(&rounding) => {
                let shift = |_| PowerOfTwoShift::new(shift(self), rounding, output, zero_point, activation);
                numerics::Requantization::PowerOfTwoShift((0..channels).map(shift).collect::<Option<_>>()?)
            }
            None => {
                let product = if rounding + 1 == ROUNDINGS {
                    FixedPointRounding::Single(ShiftRounding::HalfUp)
                } else {
                    FixedPointRounding::Double
                };
                let mut multiplier = || {
                    // Short ones have ties.
                    let digits = self.pick(&[0, 0x3f00_0000, 0x3fff_ffff]);
                    let q31 = 1 << 30 | self.next() as i32 & digits;
                    FixedPointMultiplier::from_parts(q31, 2 - shift(self) as i8)
                };
                let multipliers = (0..channels).map(|_| multiplier()).collect::<Option<_>>()?;
                let grid = FixedPoint::new(product, output, zero_point, activation)?;
                numerics::Requantization::FixedPoint(grid, multipliers)
            }
        };
        Requantization::new(biases, factors).ok()
    }
}

impl Generated {
    /// Layers of up to three folds each way, of all pairs, kinds of operands and roundings in turn.
    pub fn random_layers(&self, cases: u64, seed: u64) -> impl Iterator<Item = Layer> {
        let mut random = Random(seed);
        // Few cases see other kinds from another seed.
        let first_turn = random.within(0, FLOAT_KINDS * ROUNDINGS - 1);
        (0..cases).map(move |case| {
            loop {
                let layer = self.random_layer(&mut random, case, first_turn);
                // Of arrays that are long one way, some take too many cycles.
                if let Ok(starts) = self.starts(&layer) {
                    break self.with_sums_at_steps(layer, &starts, &mut random);
                }
            }
        })
    }

    fn random_layer(&self, random: &mut Random, case: u64, first_turn: u64) -> Layer {
        let pairs = self.datapaths.len() as u64;
        let (path, turn) = (&self.datapaths[(case % pairs) as usize], first_turn + case / pairs);
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
        let layer = self.layer_of(path, gemm, (m_tile, n_tile), turn, random);
        Layer { loading: random.pick(&[Loading::Earliest, Loading::Latest]), ..layer }
    }

    /// A layer in one piece, m × n × k, with random operands of the last pair.
    pub fn example(&self, [m, n, k]: [u64; 3]) -> Layer {
        self.in_one_piece(&self.datapaths[self.datapaths.len() - 1], [m, n, k], 1)
    }

    /// A layer in one piece, with random operands of the first pair.
    pub fn layer(&self, m: u64, n: u64, k: u64, seed: u64) -> Layer {
        self.in_one_piece(&self.datapaths[0], [m, n, k], seed)
    }

    fn in_one_piece(&self, path: &Datapath, [m, n, k]: [u64; 3], seed: u64) -> Layer {
        let mut random = Random(seed);
        let turn = random.within(0, FLOAT_KINDS * ROUNDINGS - 1);
        self.layer_of(path, Gemm { m, n, k, groups: 1 }, (m, n), turn, &mut random)
    }

    /// Half of the channels get a bias that brings one of their sums to where the stored integer steps: the last before
    /// or the first behind it.
    fn with_sums_at_steps(&self, layer: Layer, starts: &[Start], random: &mut Random) -> Layer {
        let Gemm { m, n, groups, .. } = layer.schedule.gemm;
        if layer.pair == OperandPair::Bf16 {
            return layer;
        }
        let Some(mut requantization) = layer.requantization.clone() else { return layer };
        let Some(sums) = self.finished(&layer, starts) else { return layer };
        let (low, high) = requantization.limits();
        for channel in 0..groups * n {
            let pixel = random.within(0, m - 1);
            let sum = sums[((channel / n * m + pixel) * n + channel % n) as usize] as i32;
            if low < high && random.within(0, 1) == 0 {
                let stored = low + random.within(1, (high - low) as u64) as i32;
                let value = requantization.step_to(stored, channel as usize) - random.within(0, 1) as i32;
                requantization.set_bias(channel as usize, value.wrapping_sub(sum));
            }
        }
        Layer { requantization: Some(requantization), ..layer }
    }

    fn layer_of(
        &self,
        path: &Datapath,
        gemm: Gemm,
        (m_tile, n_tile): (u64, u64),
        turn: u64,
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
        let kind = turn % INTEGER_KINDS;
        let bits = if kind == 2 { 4 } else { 12 };
        let requantization = random.requantization_with(turn % ROUNDINGS, bits, gemm.groups * n);
        let words = match path.pair {
            OperandPair::Integer { activation, weight } => {
                let mut words = |count, format| (0..count).map(|_| random.integer(format, kind)).collect();
                Words::Integer { activations: words(counts.0, activation), weights: words(counts.1, weight) }
            }
            OperandPair::Bf16 => {
                let kind = turn % FLOAT_KINDS;
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
