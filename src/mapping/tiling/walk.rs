//! The steps of a layer that does not run on the array.
//!
//! Knows tiles of pixels; must not know folds.

use crate::mapping::schedule::pieces;
use crate::mapping::transport::{Place, Transport};

use super::step::{Buffer, Step};
use super::transfer::Transfer;

impl Transport {
    /// The steps of a layer that does not run on the array, in tiles of `tile` pixels.
    pub fn steps(&self, tile: u64) -> impl Iterator<Item = Step> {
        pieces(0, self.pixels, tile).map(move |(from, pixels)| {
            let to = from + pixels;
            let elements = self.fresh(from, to);
            let outputs = self.outputs(from, to);
            Step {
                input: self.input_transfer(elements),
                walked: elements,
                outputs,
                stored: if self.output == Place::Dram {
                    Transfer::run(outputs * self.output_bits, self.burst_bytes)
                } else {
                    Transfer::default()
                },
                input_buffer: Buffer::Next,
                output_buffer: Buffer::Next,
                ..Step::default()
            }
        })
    }
}
