//! A network whose layers and edges somebody else has decided.
//!
//! Knows that edges are written before they are read; must not know the model that it is imported from.

use std::collections::BTreeSet;

use crate::workload::layer::{Layer, Operation};

use super::bounds::{MAX_LAYERS, check_elements, check_shape};
use super::{Edge, EdgeId, Network, NetworkError};

impl Network {
    /// An imported network: the image and, per layer, what it does and the edge it writes.
    pub(in super::super) fn imported(
        image: Edge,
        layers: Vec<(Edge, EdgeId, Operation)>,
    ) -> Result<Self, NetworkError> {
        let mut network = Self { edges: vec![image], layers: vec![], quantizers: vec![] };
        let mut names = BTreeSet::from([network.edges[0].name.clone()]);
        check_shape(&network.edges[0].name, network.edges[0].shape)?;
        let mut elements = network.edges[0].shape.elements();
        let fail = |layer: &str, message: &str| {
            Err(NetworkError { layer: layer.to_owned(), message: message.to_owned() })
        };
        if layers.len() > MAX_LAYERS {
            return fail(&layers[MAX_LAYERS].0.name, "one layer too many; at most 4096 are accepted");
        }
        for (edge, input, operation) in layers {
            let name = edge.name.clone();
            check_shape(&name, edge.shape)?;
            elements += edge.shape.elements();
            check_elements(&name, "all tensors up to its output", &[elements])?;
            if name.is_empty() || !names.insert(name.clone()) {
                return fail(&name, "its name is empty or already taken; names must be unique");
            }
            let output = EdgeId(network.edges.len());
            if input >= output || operation.second_input().is_some_and(|edge| edge >= output) {
                return fail(&name, "reads an edge that is written later");
            }
            network.edges.push(edge);
            network.layers.push(Layer { name, input, output, operation });
        }
        Ok(network)
    }
}
