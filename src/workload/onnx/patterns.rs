//! What stands between an operator and the QuantizeLinear of its result.

use super::graph::{Graph, Node};

/// An operator whose only reader, perhaps after Relu and Clip, is a QuantizeLinear.
pub(super) struct Quantized {
    /// Positions of the nodes that become part of the operator, the QuantizeLinear last.
    pub(super) nodes: Vec<usize>,
    /// Limits of the real value.
    pub(super) low: f32,
    pub(super) high: f32,
}

/// The QuantizeLinear that reads a tensor and nobody else does.
pub(super) fn quantized(graph: &Graph, tensor: &str) -> Option<Quantized> {
    let mut found = Quantized { nodes: vec![], low: f32::NEG_INFINITY, high: f32::INFINITY };
    let mut tensor = tensor;
    loop {
        let index = graph.only_consumer(tensor)?;
        let node = &graph.nodes[index];
        if node.input(0) != Some(tensor) || !matches!(node.domain.as_str(), "" | "ai.onnx" | "com.microsoft")
        {
            return None;
        }
        found.nodes.push(index);
        match node.operator.as_str() {
            "QuantizeLinear" => return Some(found),
            "Relu" => found.clip(0.0, f32::INFINITY),
            "Clip" => {
                let (low, high) = clip_limits(graph, node)?;
                found.clip(low, high);
            }
            _ => return None,
        }
        tensor = node.output();
    }
}

impl Quantized {
    fn clip(&mut self, low: f32, high: f32) {
        (self.low, self.high) = (self.low.max(low).min(high), self.high.max(low).min(high));
    }
}

/// Limits of a Clip: attributes until operator set 6, constant inputs since. None where they are not known
/// or in the wrong order.
pub(super) fn clip_limits(graph: &Graph, node: &Node) -> Option<(f32, f32)> {
    let limit = |index: usize, attribute: &str, default: f32| match node.input(index) {
        None => Some(node.float(attribute, default)),
        Some(name) => match graph.constants.get(name)?.floats()? {
            [limit] => Some(*limit),
            _ => None,
        },
    };
    let (low, high) = (limit(1, "min", f32::NEG_INFINITY)?, limit(2, "max", f32::INFINITY)?);
    (low <= high).then_some((low, high))
}
