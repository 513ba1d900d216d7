//! A network's static facts: edges, layers, quantizers and where each tensor is rounded.

use std::collections::BTreeSet;

use crate::numerics::{
    Activation, Grid, IntegerFormat, OperandFormat, OperandPair, OutputGrid, QuantizerKind,
    RequantizationKind, Signedness, StoredFormat,
};

use super::layer::{Convolution, FeatureMap, Layer, Operands, Operation, Padding, Size, Window, WindowKind};
use super::precision::{Bits, PrecisionPolicy, ResidualFormat};

/// Elements that all edges, and all weights, may have: bounds memory before anything is allocated.
pub(super) const MAX_ELEMENTS: u64 = 1 << 28;
pub(super) const MAX_LAYERS: usize = 4096;

/// Index of an edge. Edge 0 is the image; layer i writes edge i + 1. In a list of independent layers
/// layer i reads edge 2i and writes edge 2i + 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeId(pub(super) usize);

impl EdgeId {
    /// Position among the network's edges.
    pub fn index(self) -> usize {
        self.0
    }
}

/// Index of a quantizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuantizerId(pub(super) usize);

impl QuantizerId {
    /// Position among the network's quantizers.
    pub fn index(self) -> usize {
        self.0
    }
}

/// A named grid; its scale is a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantizer {
    /// Unique name; prefix of its scale in a trace.
    pub name: String,
    /// Kind and format.
    pub grid: Grid,
}

/// What an edge is rounded to at its point of storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stored {
    /// All readers take it on this grid; or it is the residual stream's, and readers quantize it again.
    Grid(QuantizerId),
    /// Readers differ or have no quantizer: the default residual format.
    Bf16,
    /// Nobody reads it: the network's output. Or a float operator of an import does.
    F32,
    /// Integers that its layer has requantized; their scale and zero point are its layer's parameters.
    Integer(IntegerFormat),
    /// Accumulators as they are.
    Int32,
}

/// A tensor between layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// `image`, or the name of the layer that writes it.
    pub name: String,
    /// Shape per image.
    pub shape: FeatureMap,
    /// Rounding at the point of storage.
    pub stored: Stored,
    /// Whether values can be negative.
    pub signedness: Signedness,
}

/// A validated network: acyclic, every shape positive and bounded, every name unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    edges: Vec<Edge>,
    layers: Vec<Layer>,
    quantizers: Vec<Quantizer>,
}

/// Why layers do not form a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("layer `{layer}`: {message}")]
pub struct NetworkError {
    /// The layer that cannot be added.
    pub layer: String,
    /// What is wrong and what would be accepted.
    pub message: String,
}

impl Network {
    /// Edges; the first is the image, the last the output.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Layers in execution order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Quantizers.
    pub fn quantizers(&self) -> &[Quantizer] {
        &self.quantizers
    }

    /// An edge.
    pub fn edge(&self, id: EdgeId) -> &Edge {
        &self.edges[id.0]
    }

    /// A quantizer.
    pub fn quantizer(&self, id: QuantizerId) -> &Quantizer {
        &self.quantizers[id.0]
    }

    /// The image.
    pub fn image(&self) -> &Edge {
        &self.edges[0]
    }

    /// The network's output.
    pub fn output(&self) -> &Edge {
        &self.edges[self.edges.len() - 1]
    }

    /// Format in which an edge is stored: bits in scratchpads and DRAM.
    pub fn stored_format(&self, id: EdgeId) -> StoredFormat {
        match self.edge(id).stored {
            Stored::Grid(quantizer) => {
                StoredFormat::Operand(OperandFormat::Integer(self.quantizer(quantizer).grid.format()))
            }
            Stored::Bf16 => StoredFormat::Operand(OperandFormat::Bf16),
            Stored::F32 => StoredFormat::F32,
            Stored::Integer(format) => StoredFormat::Operand(OperandFormat::Integer(format)),
            Stored::Int32 => StoredFormat::Int32,
        }
    }

    /// Whether a layer's integer operand must be quantized when it reads its input.
    pub fn quantizes_on_read(&self, layer: &Layer) -> Option<QuantizerId> {
        match &layer.operation {
            Operation::Convolution(Convolution { operands: Operands::Integer { quantizer, .. }, .. }) => {
                (self.edge(layer.input).stored != Stored::Grid(*quantizer)).then_some(*quantizer)
            }
            _ => None,
        }
    }
}

/// A convolution or matrix product that has nothing to do with other layers.
#[derive(Clone, Debug)]
pub(super) struct IndependentLayer {
    pub(super) name: String,
    pub(super) kind: WindowKind,
    pub(super) input: FeatureMap,
    pub(super) window: Window,
    pub(super) output: FeatureMap,
    pub(super) groups: usize,
    pub(super) pair: OperandPair,
}

impl IndependentLayer {
    /// Name of the edge that it reads, and of that edge's quantizer.
    pub(super) fn operand_name(&self) -> String {
        operand_name(&self.name)
    }
}

/// Name of the edge that an independent layer reads, and of that edge's quantizer.
pub(super) fn operand_name(layer: &str) -> String {
    format!("{layer}.input")
}

/// A convolution or linear layer before its precision is known.
#[derive(Clone, Debug)]
pub struct ConvolutionSpec {
    pub(super) kind: WindowKind,
    /// None: as large as the input (linear).
    pub(super) window: Option<Window>,
    pub(super) out_channels: usize,
    pub(super) groups: usize,
    pub(super) shortcut: Option<EdgeId>,
    pub(super) activation: Activation,
    /// Quantizer name; default `LAYER.input`.
    pub(super) quantizer: Option<String>,
    /// Overrides the signedness that follows from the input.
    pub(super) signed_input: Option<Signedness>,
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
        let mut position = 0;
        for index in 0..self.network.layers.len() {
            let Some(spec) = &self.specs[index] else { continue };
            let name = self.network.layers[index].name.clone();
            let bits = self.policy.bits(&name, position, on_array);
            position += 1;
            let operands = match bits {
                Bits::Bf16 => Operands::Bf16,
                Bits::Integer { weight, activation } => {
                    let input = self.network.edge(self.network.layers[index].input);
                    let signedness = match self.policy.quantizer {
                        QuantizerKind::AqtLegacy => spec.signed_input.unwrap_or(input.signedness),
                        QuantizerKind::AqtV2 => Signedness::Signed, // AQT v2 has no unsigned grids
                    };
                    let carrier_bits = self.policy.carrier_bits.unwrap_or(0);
                    let grid = IntegerFormat::new(signedness, activation)
                        .and_then(|format| Grid::new(self.policy.quantizer, format))
                        .map(|grid| grid.carried_in(carrier_bits));
                    let weight = IntegerFormat::new(Signedness::Signed, weight)
                        .map(|format| format.widened_to(carrier_bits));
                    let (Some(grid), Some(weight)) = (grid, weight) else {
                        return Err(unknown(&name, "operands have 2 to 8 bits"));
                    };
                    let quantizer = spec.quantizer.clone().unwrap_or_else(|| format!("{name}.input"));
                    let quantizer = self.network.intern(&name, quantizer, grid)?;
                    Operands::Integer { quantizer, weight }
                }
            };
            if let Operation::Convolution(convolution) = &mut self.network.layers[index].operation {
                convolution.operands = operands;
            }
        }
        self.network.assign_stored_formats(&self.policy)?;
        if let Some(kind) = self.policy.requantization {
            self.network.assign_requantization(kind);
        }
        Ok(self.network)
    }
}

impl Network {
    /// An imported network: the image and, per layer, what it does and the edge it writes.
    pub(super) fn imported(
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

    /// What a design is asked to run: without the float layers at the end, which are left to the host.
    pub fn without_last_float_layers(&self) -> Self {
        let is_float = |layer: &Layer| matches!(layer.operation, Operation::Float(_));
        let kept = self.layers.iter().rposition(|layer| !is_float(layer)).map_or(0, |last| last + 1);
        Self {
            edges: self.edges[..=kept].to_vec(),
            layers: self.layers[..kept].to_vec(),
            quantizers: self.quantizers.clone(),
        }
    }

    /// Layers that run in f32 and not on the array.
    pub fn float_layers(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter().filter(|layer| matches!(layer.operation, Operation::Float(_)))
    }

    /// Layers with checked extents and unique names, each with an edge of its own to read; its result is
    /// stored in the format of its first operand, as the operand of whatever comes next.
    pub(super) fn independent(independent: Vec<IndependentLayer>) -> Self {
        let mut network = Self { edges: vec![], layers: vec![], quantizers: vec![] };
        for layer in independent {
            let operand = layer.operand_name();
            let IndependentLayer { name, kind, input: from, window, output: to, groups, pair } = layer;
            let (operands, stored, signedness) = match pair {
                OperandPair::Bf16 => (Operands::Bf16, Stored::Bf16, Signedness::Signed),
                OperandPair::Integer { activation, weight } => {
                    let quantizer = QuantizerId(network.quantizers.len());
                    let grid = Grid::legacy(activation);
                    network.quantizers.push(Quantizer { name: operand.clone(), grid });
                    let operands = Operands::Integer { quantizer, weight };
                    (operands, Stored::Grid(quantizer), activation.signedness())
                }
            };
            let input = EdgeId(network.edges.len());
            let output = EdgeId(network.edges.len() + 1);
            for (name, shape) in [(operand, from), (name.clone(), to)] {
                network.edges.push(Edge { name, shape, stored, signedness });
            }
            let operation = Operation::Convolution(Convolution {
                kind,
                window,
                groups,
                operands,
                shortcut: None,
                activation: Activation::Identity,
                requantization: None,
            });
            network.layers.push(Layer { name, input, output, operation });
        }
        network
    }

    fn intern(&mut self, layer: &str, name: String, grid: Grid) -> Result<QuantizerId, NetworkError> {
        match self.quantizers.iter().position(|quantizer| quantizer.name == name) {
            Some(index) if self.quantizers[index].grid == grid => Ok(QuantizerId(index)),
            Some(index) => Err(NetworkError {
                layer: layer.to_owned(),
                message: format!(
                    "quantizer `{name}` is {} elsewhere and {} here; layers that share one need the same grid",
                    self.quantizers[index].grid.format(),
                    grid.format()
                ),
            }),
            None => {
                self.quantizers.push(Quantizer { name, grid });
                Ok(QuantizerId(self.quantizers.len() - 1))
            }
        }
    }

    /// An edge whose readers all name one quantizer is stored on its grid; one read on different grids
    /// or by a reader without a quantizer in the residual format; one that nobody reads in f32.
    fn assign_stored_formats(&mut self, policy: &PrecisionPolicy) -> Result<(), NetworkError> {
        let mut readers: Vec<BTreeSet<Option<QuantizerId>>> = vec![BTreeSet::new(); self.edges.len()];
        for layer in &self.layers {
            let quantizer = match &layer.operation {
                Operation::Convolution(convolution) => {
                    if let Some(shortcut) = convolution.shortcut {
                        readers[shortcut.0].insert(None);
                    }
                    match convolution.operands {
                        Operands::Integer { quantizer, .. } => Some(quantizer),
                        Operands::Affine { .. } | Operands::Bf16 => None,
                    }
                }
                _ => None,
            };
            readers[layer.input.0].insert(quantizer);
        }
        for (index, readers) in readers.into_iter().enumerate() {
            self.edges[index].stored = match readers.iter().collect::<Vec<_>>()[..] {
                [] => Stored::F32,
                [Some(quantizer)] => Stored::Grid(*quantizer),
                _ => self.residual(index, policy)?,
            };
        }
        Ok(())
    }

    /// Sums of integers that are stored on a grid become its integers in one step, unless a shortcut, a real number,
    /// is added before.
    fn assign_requantization(&mut self, kind: RequantizationKind) {
        let Self { layers, edges, .. } = self;
        for layer in layers.iter_mut() {
            let Operation::Convolution(convolution) = &mut layer.operation else { continue };
            let sums_integers = matches!(convolution.operands, Operands::Integer { .. });
            let on_grid = matches!(edges[layer.output.0].stored, Stored::Grid(_));
            if sums_integers && on_grid && convolution.shortcut.is_none() {
                convolution.requantization = Some(kind);
            }
        }
    }

    /// The integers that a layer with a requantization puts out.
    pub(super) fn output_grid(&self, layer: &Layer, activation: Activation) -> Option<OutputGrid> {
        let Stored::Grid(id) = self.edge(layer.output).stored else { return None };
        let grid = self.quantizer(id).grid;
        let (low, high) = grid.limits();
        let low = match activation {
            Activation::Identity => low as i32, // limits are integers of at most 8 bits
            Activation::Relu => 0,
        };
        Some(OutputGrid { format: grid.format(), zero_point: 0, limits: (low, high as i32) })
    }

    /// The residual format of an edge; on a grid, one of its own, named `EDGE.stored`.
    fn residual(&mut self, edge: usize, policy: &PrecisionPolicy) -> Result<Stored, NetworkError> {
        let ResidualFormat::Integer(format) = policy.residual else { return Ok(Stored::Bf16) };
        let name = self.edges[edge].name.clone();
        let grid = Grid::new(policy.quantizer, format).ok_or_else(|| NetworkError {
            layer: name.clone(),
            message: format!("its quantizer has no grid of {format}"),
        })?;
        Ok(Stored::Grid(self.intern(&name, format!("{name}.stored"), grid)?))
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

fn check_shape(layer: &str, shape: FeatureMap) -> Result<(), NetworkError> {
    check_elements(layer, "its output", &[shape.height, shape.width, shape.channels])
}

fn check_elements(layer: &str, what: &str, sizes: &[usize]) -> Result<(), NetworkError> {
    let elements = sizes.iter().try_fold(1u64, |product, &size| product.checked_mul(size as u64));
    match elements {
        Some(1..=MAX_ELEMENTS) => Ok(()),
        _ => Err(NetworkError {
            layer: layer.to_owned(),
            message: format!("{what} would have {sizes:?} elements; from 1 to {MAX_ELEMENTS} are accepted"),
        }),
    }
}
