//! What happened, counted: the only thing cost accounting reads from timing.

use std::collections::BTreeMap;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use crate::numerics::OperandPair;

macro_rules! count {
    ($(#[$documentation:meta])* $name:ident) => {
        $(#[$documentation])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl Add for $name {
            type Output = Self;

            /// Panics instead of wrapping silently.
            fn add(self, other: Self) -> Self {
                Self(self.0.checked_add(other.0).expect(concat!(stringify!($name), " counter overflow")))
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
                values.fold(Self(0), Add::add)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

count! {
    /// Clock cycles of the accelerator.
    Cycles
}
count! {
    /// Multiply-accumulates. 1 MAC = 2 ops.
    Macs
}
count! {
    /// Single additions.
    Additions
}
count! {
    /// Words of a scratchpad's `width_bits`.
    Words
}
count! {
    /// Bits written into registers.
    Bits
}
count! {
    /// Bytes on the DRAM channel, after rounding each contiguous run up to whole bursts.
    Bytes
}
count! {
    /// Element-wise operations of the vector unit.
    Operations
}

/// The adder that performs an accumulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Adder {
    /// Two's complement of this width in bits.
    Integer(u8),
    /// IEEE single.
    F32,
}

/// An element-wise operation of the vector unit, all in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VectorOperation {
    /// int32 accumulator to f32.
    Convert,
    /// f32 multiplication (requantization multiplier, average).
    Multiply,
    /// f32 addition (bias, residual, pooling sum).
    Add,
    /// Comparison with zero (ReLU) or with another element (max pool).
    Compare,
    /// Scaling, clipping and rounding to an integer grid.
    Quantize,
    /// Rounding to bfloat16.
    Round,
}

/// Accesses of one scratchpad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accesses {
    /// Words read.
    pub reads: Words,
    /// Words written.
    pub writes: Words,
}

impl AddAssign for Accesses {
    fn add_assign(&mut self, other: Self) {
        self.reads += other.reads;
        self.writes += other.writes;
    }
}

/// Action counts of one layer or of a whole network, for one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Multiplications in the array, padding taps included.
    pub macs: BTreeMap<OperandPair, Macs>,
    /// MAC slots (rows · cols · lanes · array cycles) in which no MAC was performed.
    pub idle_macs: BTreeMap<OperandPair, Macs>,
    /// One addition per MAC at partial-sum width, and one per accumulator update at accumulator width.
    pub additions: BTreeMap<Adder, Additions>,
    /// Bits written into PE registers: activations, partial sums, weight chain.
    pub register_bits: Bits,
    /// Activation scratchpad.
    pub activation: Accesses,
    /// Weight scratchpad.
    pub weight: Accesses,
    /// Accumulator scratchpad.
    pub accumulator: Accesses,
    /// Vector-unit operations by kind.
    pub vector: BTreeMap<VectorOperation, Operations>,
    /// Bytes read from DRAM.
    pub dram_read: Bytes,
    /// Bytes written to DRAM.
    pub dram_write: Bytes,
}

impl AddAssign<&Counters> for Counters {
    fn add_assign(&mut self, other: &Counters) {
        add_by_key(&mut self.macs, &other.macs);
        add_by_key(&mut self.idle_macs, &other.idle_macs);
        add_by_key(&mut self.additions, &other.additions);
        self.register_bits += other.register_bits;
        self.activation += other.activation;
        self.weight += other.weight;
        self.accumulator += other.accumulator;
        add_by_key(&mut self.vector, &other.vector);
        self.dram_read += other.dram_read;
        self.dram_write += other.dram_write;
    }
}

fn add_by_key<K: Copy + Ord, V: Copy + Default + AddAssign>(
    into: &mut BTreeMap<K, V>,
    from: &BTreeMap<K, V>,
) {
    for (key, value) in from {
        *into.entry(*key).or_default() += *value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "Words counter overflow")]
    fn a_counter_does_not_wrap() {
        let _ = Words(u64::MAX) + Words(1);
    }

    #[test]
    fn counters_of_layers_add_up_by_key() {
        let mut total = Counters::default();
        for operations in [3, 4] {
            let mut layer = Counters::default();
            layer.vector.insert(VectorOperation::Add, Operations(operations));
            layer.dram_read = Bytes(10);
            total += &layer;
        }
        assert_eq!(total.vector[&VectorOperation::Add], Operations(7));
        assert_eq!(total.dram_read, Bytes(20));
    }
}
