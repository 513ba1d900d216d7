//! Which tensors stay in the activation scratchpad from the layer that writes them to their last reader.
//!
//! Edges are decided in the order in which they are written. One stays when, at every layer of its
//! life, it fits beside the edges that stay already and the tiles that the layer wants to work with.
//! The image and the network's output always cross DRAM.

use crate::hardware::Accelerator;
use crate::workload::{EdgeId, Layer, Network};

use super::transport::{Place, Transport};

/// The tile that a layer wants to work with: pixels, and channels of their results at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) pixels: u64,
    pub(super) channels: u64,
}

/// Where every edge of a network is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Residency {
    places: Vec<Place>,
    /// Bytes of the activation scratchpad that edges on chip occupy at each layer.
    occupied: Vec<u64>,
}

impl Residency {
    /// Decides for every edge.
    pub(super) fn decide(
        network: &Network,
        accelerator: &Accelerator,
        batch: u64,
        wanted: &[Wanted],
    ) -> Self {
        let layers = network.layers();
        let mut places = vec![Place::Dram; network.edges().len()];
        let mut occupied = vec![0; layers.len()];
        let capacity = accelerator.activation().bytes();
        let buffers = accelerator.activation().buffers() as u64;
        for (writer, layer) in layers.iter().enumerate() {
            let edge = layer.output;
            let Some(last) = layers.iter().rposition(|reader| reads(reader, edge)) else { continue };
            let bits = network.edge(edge).shape.elements() as u64
                * batch
                * u64::from(network.stored_format(edge).bits());
            let bytes = bits.div_ceil(8);
            let fits = (writer..=last).all(|at| {
                let place = |other: EdgeId| if other == edge { Place::OnChip } else { places[other.index()] };
                let transport = Transport::of(&layers[at], network, accelerator, batch, place);
                let Wanted { pixels, channels } = wanted[at];
                let tile = pixels.min(transport.pixels);
                let held = transport.footprint.window(buffers * tile);
                let staged = buffers * tile * channels.min(transport.channels);
                let working = transport.working_bytes(held, staged);
                occupied[at] + bytes + working <= capacity
            });
            if fits {
                places[edge.index()] = Place::OnChip;
                for bytes_at in &mut occupied[writer..=last] {
                    *bytes_at += bytes;
                }
            }
        }
        Self { places, occupied }
    }

    /// Where an edge is.
    pub(super) fn place(&self, edge: EdgeId) -> Place {
        self.places[edge.index()]
    }

    /// Bytes of the activation scratchpad left for the tiles of the layer at `index`.
    pub(super) fn free_bytes(&self, index: usize, accelerator: &Accelerator) -> u64 {
        accelerator.activation().bytes() - self.occupied[index]
    }
}

fn reads(layer: &Layer, edge: EdgeId) -> bool {
    layer.input == edge || layer.operation.second_input() == Some(edge)
}
