//! From layers in execution order to a network.
//!
//! Knows shapes and how they follow from each other; what they are rounded to is in `formats`. Must not know which
//! architecture asks for which layers.

use std::collections::BTreeSet;

use crate::numerics::{Activation, Signedness};
use crate::workload::layer::{
    Convolution, FeatureMap, Layer, Operands, Operation, Padding, Size, Window, WindowKind,
};
use crate::workload::precision::PrecisionPolicy;

use super::bounds::{MAX_LAYERS, check_elements, check_shape};
use super::{Edge, EdgeId, Network, NetworkError, Stored};

/// A convolution or linear layer before its precision is known.
#[derive(Clone, Debug)]
pub struct ConvolutionSpec {
    pub(in super::super) kind: WindowKind,
    /// None: as large as the input (linear).
    pub(in super::super) window: Option<Window>,
    pub(in super::super) out_channels: usize,
    pub(in super::super) groups: usize,
    pub(in super::super) shortcut: Option<EdgeId>,
    pub(in super::super) activation: Activation,
    /// Quantizer name; default `LAYER.input`.
    pub(in super::super) quantizer: Option<String>,
    /// Overrides the signedness that follows from the input.
    pub(in super::super) signed_input: Option<Signedness>,
}

/// Collects layers in execution order; every method checks what it adds.
#[derive(Debug)]
pub struct NetworkBuilder {
    network: Network,
    policy: PrecisionPolicy,
    specs: Vec<Option<ConvolutionSpec>>,
    /// Of all layers so far.
    weights: usize,
}

impl NetworkBuilder {
    /// A network on images of this shape.
    pub fn new(image: FeatureMap, policy: PrecisionPolicy) -> Result<Self, NetworkError> {
        let image = Edge {
            name: "image".to_owned(),
            shape: image,
            stored: Stored::F32,
            signedness: Signedness::Signed,
        };
        check_shape(&image.name, image.shape)?;
        Ok(Self {
            network: Network { edges: vec![image], layers: vec![], quantizers: vec![] },
            policy,
            specs: vec![],
            weights: 0,
        })
    }

    /// The edge before the first layer.
    pub fn image(&self) -> EdgeId {
        EdgeId(0)
    }

    /// The edge of that name.
    pub fn edge_named(&self, name: &str) -> Option<EdgeId> {
        self.network.edges.iter().position(|edge| edge.name == name).map(EdgeId)
    }

    /// Shape of an edge.
    pub fn shape(&self, edge: EdgeId) -> FeatureMap {
        self.network.edge(edge).shape
    }

    /// Adds a convolution or linear layer.
    pub fn convolution(
        &mut self,
        name: &str,
        input: EdgeId,
        spec: ConvolutionSpec,
    ) -> Result<EdgeId, NetworkError> {
        let fail = |message: String| NetworkError { layer: name.to_owned(), message };
        let from = self.network.edge(input).shape;
        let window = spec.window.unwrap_or(Window {
            kernel: Size { height: from.height, width: from.width },
            stride: Size { height: 1, width: 1 },
            dilation: Size { height: 1, width: 1 },
            padding: Padding::default(),
        });
        if spec.groups == 0
            || !from.channels.is_multiple_of(spec.groups)
            || !spec.out_channels.is_multiple_of(spec.groups)
        {
            return Err(fail(format!(
                "groups = {} must divide its {} input and {} output channels",
                spec.groups, from.channels, spec.out_channels
            )));
        }
        let output = positions(name, window, from)?;
        let shape = FeatureMap { height: output.height, width: output.width, channels: spec.out_channels };
        let weights =
            [window.kernel.height, window.kernel.width, from.channels / spec.groups, spec.out_channels];
        check_elements(name, "its weights", &weights)?;
        self.weights += weights.iter().product::<usize>();
        check_elements(name, "all weights up to its own", &[self.weights])?;
        if let Some(shortcut) = spec.shortcut {
            let other = self.network.edge(shortcut);
            if other.shape != shape {
                return Err(fail(format!(
                    "the shortcut `{}` is {}, but the layer's output is {}",
                    other.name,
                    shape_text(other.shape),
                    shape_text(shape)
                )));
            }
        }
        let signedness = match spec.activation {
            Activation::Relu => Signedness::Unsigned,
            Activation::Identity => Signedness::Signed,
        };
        let convolution = Convolution {
            kind: spec.kind,
            window,
            groups: spec.groups,
            operands: Operands::Bf16, // until the policy knows how many layers there are
            shortcut: spec.shortcut,
            activation: spec.activation,
            requantization: None,
        };
        self.add(name, input, Operation::Convolution(convolution), shape, signedness, Some(spec))
    }

    /// Adds a max pool. Padding is less than the kernel, so that every window has a tap inside the
    /// image; dilation is 1.
    pub fn max_pool(&mut self, name: &str, input: EdgeId, window: Window) -> Result<EdgeId, NetworkError> {
        let Window { kernel, padding, .. } = window;
        if padding.top.max(padding.bottom) >= kernel.height || padding.left.max(padding.right) >= kernel.width
        {
            let message = format!(
                "its padding must be less than its {}×{} kernel, or a window has no tap inside the image",
                kernel.height, kernel.width
            );
            return Err(NetworkError { layer: name.to_owned(), message });
        }
        let Edge { shape, signedness, .. } = *self.network.edge(input);
        let Size { height, width } = positions(name, window, shape)?;
        let shape = FeatureMap { height, width, channels: shape.channels };
        self.add(name, input, Operation::MaxPool(window), shape, signedness, None)
    }

    /// Adds a global average pool.
    pub fn global_average_pool(&mut self, name: &str, input: EdgeId) -> Result<EdgeId, NetworkError> {
        let Edge { shape, signedness, .. } = *self.network.edge(input);
        let shape = FeatureMap { height: 1, width: 1, channels: shape.channels };
        self.add(name, input, Operation::GlobalAveragePool, shape, signedness, None)
    }

    fn add(
        &mut self,
        name: &str,
        input: EdgeId,
        operation: Operation,
        shape: FeatureMap,
        signedness: Signedness,
        spec: Option<ConvolutionSpec>,
    ) -> Result<EdgeId, NetworkError> {
        if name.is_empty() || self.edge_named(name).is_some() {
            let message = "its name is empty or already taken; names must be unique".to_owned();
            return Err(NetworkError { layer: name.to_owned(), message });
        }
        check_shape(name, shape)?;
        let edges: usize = self.network.edges.iter().map(|edge| edge.shape.elements()).sum();
        check_elements(name, "all tensors up to its output", &[edges + shape.elements()])?;
        if self.network.layers.len() == MAX_LAYERS {
            let message = format!("one layer too many; at most {MAX_LAYERS} are accepted");
            return Err(NetworkError { layer: name.to_owned(), message });
        }
        let output = EdgeId(self.network.edges.len());
        self.network.edges.push(Edge { name: name.to_owned(), shape, stored: Stored::F32, signedness });
        self.network.layers.push(Layer { name: name.to_owned(), input, output, operation });
        self.specs.push(spec);
        Ok(output)
    }

    /// Applies the precision policy and decides what every edge is rounded to.
    pub fn finish(mut self) -> Result<Network, NetworkError> {
        let on_array = self.specs.iter().flatten().count();
        let unknown = |layer: &str, message: &str| NetworkError {
            layer: layer.to_owned(),
            message: message.to_owned(),
        };
        if on_array == 0 {
            return Err(unknown("", "a network needs at least one convolution or linear layer"));
        }
        let on_array_names: BTreeSet<&str> = self
            .network
            .layers
            .iter()
            .zip(&self.specs)
            .filter(|(_, spec)| spec.is_some())
            .map(|(layer, _)| layer.name.as_str())
            .collect();
        if let Some(name) = self.policy.layers.keys().find(|name| !on_array_names.contains(name.as_str())) {
            return Err(unknown(
                name,
                "named in the precision policy, but no convolution or linear layer has this name",
            ));
        }
        self.network.apply(&self.policy, &self.specs)?;
        Ok(self.network)
    }
}

fn positions(layer: &str, window: Window, input: FeatureMap) -> Result<Size, NetworkError> {
    window.output(input).ok_or_else(|| NetworkError {
        layer: layer.to_owned(),
        message: format!(
            "a {}×{} kernel does not fit its padded {}×{} input",
            window.kernel.height, window.kernel.width, input.height, input.width
        ),
    })
}

fn shape_text(shape: FeatureMap) -> String {
    format!("{}×{}×{}", shape.height, shape.width, shape.channels)
}
