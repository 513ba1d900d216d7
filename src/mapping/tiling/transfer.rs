//! What crosses the DRAM channel, in bits and in whole bursts.
//!
//! Knows contiguous runs of tensors; must not know when they are moved.

use std::ops::AddAssign;

use crate::mapping::transport::{Place, Transport};

/// What crosses the DRAM channel at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfer {
    /// Bits, packed.
    pub bits: u64,
    /// Bytes on the channel: every contiguous run is rounded up to whole bursts.
    pub bytes: u64,
}

impl Transfer {
    /// One contiguous run.
    pub fn run(bits: u64, burst_bytes: u64) -> Self {
        Self::runs(1, bits, burst_bytes)
    }

    /// `count` runs of `bits` each.
    pub fn runs(count: u64, bits: u64, burst_bytes: u64) -> Self {
        let bytes = bits.div_ceil(8).next_multiple_of(burst_bytes);
        Self { bits: count * bits, bytes: count * bytes }
    }
}

impl AddAssign for Transfer {
    fn add_assign(&mut self, more: Self) {
        self.bits += more.bits;
        self.bytes += more.bytes;
    }
}

impl Transport {
    /// Elements of the input that the pixels `from..to` touch and earlier pixels did not.
    pub fn fresh(&self, from: u64, to: u64) -> u64 {
        self.footprint.until(to) - self.footprint.until(from)
    }

    /// These elements in DRAM.
    pub fn input_transfer(&self, elements: u64) -> Transfer {
        match (self.input, self.footprint.run()) {
            (Place::OnChip, _) => Transfer::default(),
            (Place::Dram, Some(run)) => {
                Transfer::runs(elements / run, run * self.input_bits, self.burst_bytes)
            }
            (Place::Dram, None) => Transfer::run(elements * self.input_bits, self.burst_bytes),
        }
    }

    /// `channels` of some pixels in DRAM: one run when they are all channels.
    pub(super) fn pixel_transfer(&self, pixels: u64, channels: u64, bits: u64) -> Transfer {
        if channels == self.channels {
            Transfer::run(pixels * channels * bits, self.burst_bytes)
        } else {
            Transfer::runs(pixels, channels * bits, self.burst_bytes)
        }
    }
}
