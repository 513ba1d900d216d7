//! The DRAM channel.
//!
//! Knows `[dram]` of a design file; must not know what is transferred.

use std::ops::Range;

use crate::source::{SourceError, SourceFile};

use super::check::{integer, text};
use super::rational::Rational;
use super::raw::RawDram;

const MIN_BYTES_PER_S: i64 = 1_000_000;
const MAX_BYTES_PER_S: i64 = 1_000_000_000_000_000;
const MAX_LATENCY_CYCLES: i64 = 1_000_000;
const MAX_BURST_BYTES: i64 = 65_536;
/// Slower channels are a slip of the pen.
const MAX_CYCLES_PER_BYTE: u128 = 4096;
/// Efficiencies are whole millionths.
const EFFICIENCY_UNIT: u32 = 1_000_000;

/// One DRAM channel, which serves transfers one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dram {
    part: String,
    part_span: Range<usize>,
    bytes_per_cycle: Rational,
    latency_cycles: u64,
    burst_bytes: u64,
}

impl Dram {
    pub(super) fn double_bandwidth(&mut self) {
        let rate = self.bytes_per_cycle;
        // Twice a positive fraction is one.
        self.bytes_per_cycle = Rational::new(2 * rate.numerator(), rate.denominator()).unwrap_or(rate);
    }

    pub(super) fn new(file: &SourceFile, raw: &RawDram, frequency_hz: u64) -> Result<Self, SourceError> {
        let bytes_per_s: u64 = integer(file, &raw.bytes_per_s, MIN_BYTES_PER_S..=MAX_BYTES_PER_S)?;
        let efficiency = *raw.efficiency.get_ref();
        let millionths = millionths(efficiency).ok_or_else(|| {
            let message = format!(
                "{efficiency}: expected a decimal above 0 and at most 1 with at most 6 digits after the point"
            );
            file.error(raw.efficiency.span(), message)
        })?;
        let burst_bytes: u64 = integer(file, &raw.burst_bytes, 1..=MAX_BURST_BYTES)?;
        if !burst_bytes.is_power_of_two() {
            let message = format!("{burst_bytes}: expected a power of two from 1 to {MAX_BURST_BYTES}");
            return Err(file.error(raw.burst_bytes.span(), message));
        }
        let bytes_per_cycle = Rational::new(
            u128::from(bytes_per_s) * u128::from(millionths),
            u128::from(frequency_hz) * u128::from(EFFICIENCY_UNIT),
        );
        let slowest = |rate: &Rational| rate.numerator() * MAX_CYCLES_PER_BYTE >= rate.denominator();
        let bytes_per_cycle = bytes_per_cycle.filter(slowest).ok_or_else(|| {
            let message =
                format!("expected a sustained rate of at least 1/{MAX_CYCLES_PER_BYTE} byte per cycle");
            file.error(raw.bytes_per_s.span(), message)
        })?;
        Ok(Self {
            part: text(file, &raw.part)?.to_owned(),
            part_span: raw.part.span(),
            bytes_per_cycle,
            latency_cycles: integer(file, &raw.latency_cycles, 0..=MAX_LATENCY_CYCLES)?,
            burst_bytes,
        })
    }

    /// The part's name, as technology files call it.
    pub fn part(&self) -> &str {
        &self.part
    }

    /// Where the design file names the part, for errors about it.
    pub fn part_span(&self) -> Range<usize> {
        self.part_span.clone()
    }

    /// Sustained rate: nominal bandwidth times efficiency over the array's clock, exactly.
    pub fn bytes_per_cycle(&self) -> Rational {
        self.bytes_per_cycle
    }

    /// Cycles in which the channel is occupied by `bytes` at the least.
    pub fn least_cycles(&self, bytes: u128) -> u64 {
        let (numerator, denominator) = (self.bytes_per_cycle.numerator(), self.bytes_per_cycle.denominator());
        u64::try_from((bytes * denominator).div_ceil(numerator)).unwrap_or(u64::MAX)
    }

    /// Cycles of the array's clock from a transfer's end on the channel to its data being usable.
    pub fn latency_cycles(&self) -> u64 {
        self.latency_cycles
    }

    /// Every contiguous run is rounded up to whole bursts of this size, a power of two.
    pub fn burst_bytes(&self) -> u64 {
        self.burst_bytes
    }
}

/// The decimal n / 10^6, 1 ≤ n ≤ 10^6, whose nearest f64 is `efficiency`. Division rounds correctly, so
/// comparing afterwards proves that nothing was lost.
fn millionths(efficiency: f64) -> Option<u32> {
    let unit = f64::from(EFFICIENCY_UNIT);
    let scaled = (efficiency * unit).round();
    ((1.0..=unit).contains(&scaled) && scaled / unit == efficiency).then_some(scaled as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::fixture::{SMALL, assert_refused, parse};

    #[test]
    fn efficiencies_are_exact_decimals() {
        for (efficiency, expected) in [(1.0, 1_000_000), (0.7, 700_000), (0.000001, 1), (0.123457, 123_457)] {
            assert_eq!(millionths(efficiency), Some(expected), "{efficiency}");
        }
        for efficiency in [0.0, -0.5, 1.000001, 0.0000001, 0.1234567, f64::NAN, f64::INFINITY] {
            assert_eq!(millionths(efficiency), None, "{efficiency}");
        }
        assert!((1..=EFFICIENCY_UNIT).all(|n| millionths(f64::from(n) / 1e6) == Some(n)));
    }

    #[test]
    fn bandwidth_is_an_exact_rational() {
        let rate = |from: &str, to: &str| {
            let rate = parse(&SMALL.replace(from, to)).unwrap().dram().bytes_per_cycle();
            (rate.numerator(), rate.denominator())
        };
        assert_eq!(rate("", ""), (224, 25)); // 12.8 · 0.7 = 8.96
        assert_eq!(rate("efficiency = 0.7", "efficiency = 1"), (64, 5));
        assert_eq!(rate("1_000_000_000\n", "3_000_000_000\n"), (224, 75));
        assert_eq!(rate("efficiency = 0.7", "efficiency = 0.123457"), (123_457, 78_125));
    }

    #[test]
    fn wrong_channels_are_refused_with_their_place() {
        assert_refused(&[
            ("\"LPDDR4\"", "\"\"", "`dram.part`: expected at least one character"),
            ("12_800_000_000", "999_999", "`dram.bytes_per_s`: 999999: expected 1000000 to 1000000000000000"),
            (
                "efficiency = 0.7",
                "efficiency = 1.1",
                "`dram.efficiency`: 1.1: expected a decimal above 0 and at most 1 with at most 6 digits",
            ),
            ("efficiency = 0.7", "efficiency = nan", "NaN: expected a decimal above 0"),
            (
                "latency_cycles = 100",
                "latency_cycles = -1",
                "`dram.latency_cycles`: -1: expected 0 to 1000000",
            ),
            (
                "burst_bytes = 64",
                "burst_bytes = 48",
                "`dram.burst_bytes`: 48: expected a power of two from 1 to 65536",
            ),
        ]);
    }
}
