//! What a layer moves between DRAM, the vector unit and the activation scratchpad, and the room it needs.

use crate::hardware::Accelerator;
use crate::workload::{EdgeId, Layer, Network};

use super::footprint::Footprint;

/// Where a tensor is while a layer reads or writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Whole in the activation scratchpad.
    OnChip,
    /// In DRAM; tiles of it pass through the activation scratchpad.
    Dram,
}

/// The activation side of a layer: everything but its weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transport {
    /// Elements of the input that pixels touch.
    pub footprint: Footprint,
    /// Pixels walked: output pixels × batch; input pixels × batch for a global pool.
    pub pixels: u64,
    /// Where the input is.
    pub input: Place,
    /// Stored bits of an input element.
    pub input_bits: u64,
    /// Operand bits of the copy that quantizing on read makes.
    pub copy_bits: Option<u64>,
    /// Where the shortcut is, and the stored bits of an element.
    pub shortcut: Option<(Place, u64)>,
    /// Where the output goes.
    pub output: Place,
    /// Stored bits of an output element.
    pub output_bits: u64,
    /// Bytes of a DRAM burst.
    pub burst_bytes: u64,
    /// Output channels of all groups.
    pub channels: u64,
    /// When output elements are complete.
    pub results: Results,
}

/// When output elements are complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Results {
    /// So many with every pixel walked.
    PerPixel(u64),
    /// So many with the last pixel of an image.
    PerImage(u64),
}

impl Transport {
    /// A layer's transport when `place` says where each tensor is.
    pub fn of(
        layer: &Layer,
        network: &Network,
        accelerator: &Accelerator,
        batch: u64,
        place: impl Fn(EdgeId) -> Place,
    ) -> Self {
        let bits = |edge| u64::from(network.stored_format(edge).bits());
        let footprint = Footprint::of(layer, network);
        let shortcut = layer.operation.second_input();
        let output = network.edge(layer.output).shape;
        let results = if layer.operation.is_per_image() {
            Results::PerImage(output.channels as u64)
        } else {
            Results::PerPixel(output.channels as u64)
        };
        Self {
            pixels: footprint.pixels() * batch,
            input: place(layer.input),
            input_bits: bits(layer.input),
            copy_bits: network
                .quantizes_on_read(layer)
                .map(|quantizer| u64::from(network.quantizer(quantizer).grid.format().bits())),
            shortcut: shortcut.map(|edge| (place(edge), bits(edge))),
            output: place(layer.output),
            output_bits: bits(layer.output),
            burst_bytes: accelerator.dram().burst_bytes(),
            channels: output.channels as u64,
            results,
            footprint,
        }
    }

    /// Output elements that the pixels `from..to` complete.
    pub fn outputs(&self, from: u64, to: u64) -> u64 {
        match self.results {
            Results::PerPixel(elements) => (to - from) * elements,
            Results::PerImage(elements) => {
                let images = |pixels: u64| pixels / self.footprint.pixels();
                (images(to) - images(from)) * elements
            }
        }
    }

    /// Output elements that any `tile` consecutive pixels complete at most.
    pub fn most_outputs(&self, tile: u64) -> u64 {
        match self.results {
            Results::PerPixel(elements) => tile * elements,
            Results::PerImage(elements) => tile.div_ceil(self.footprint.pixels()) * elements,
        }
    }

    /// Bytes of the activation scratchpad in use while `held` input elements (of all tiles that have room
    /// at once) are there and `staged` results wait, besides tensors that are on chip whole. What is
    /// quantized on read passes through on its way to its copy and takes no room of its own.
    pub fn working_bytes(&self, held: u64, staged: u64) -> u64 {
        let input = match (self.copy_bits, self.input) {
            (Some(copy_bits), _) => copy_bits,
            (None, Place::Dram) => self.input_bits,
            (None, Place::OnChip) => 0,
        };
        let shortcut = match self.shortcut {
            Some((Place::Dram, bits)) => bits,
            _ => 0,
        };
        let output = if self.output == Place::Dram { self.output_bits } else { 0 };
        let all = [held * input, staged * shortcut, staged * output].map(|bits| bits.div_ceil(8));
        all.iter().sum()
    }

    /// Bits that cross DRAM at least: input, shortcut and output, each once.
    pub fn dram_bits(&self) -> u64 {
        let input = match self.input {
            Place::Dram => self.footprint.until(self.pixels) * self.input_bits,
            Place::OnChip => 0,
        };
        input + self.result_bits()
    }

    /// Bits of shortcut and output that cross DRAM.
    pub(super) fn result_bits(&self) -> u64 {
        let mut bits = 0;
        let results = self.outputs(0, self.pixels);
        if let Some((Place::Dram, shortcut_bits)) = self.shortcut {
            bits += results * shortcut_bits;
        }
        if self.output == Place::Dram {
            bits += results * self.output_bits;
        }
        bits
    }
}

/// The largest number from 1 to `limit` for which `fits`, which must be monotone, holds.
pub(super) fn largest(limit: u64, fits: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut low, mut high) = (0, limit);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    (low > 0).then_some(low)
}
