//! Nodes in an order in which every input is known, and their attributes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rten_onnx::onnx::{AttributeProto, ModelProto, NodeProto, ValueInfoProto};

use super::ImportError;
use super::reader::{self, Constant, Values};

/// Nodes of a graph.
const MAX_NODES: usize = 1 << 16;
/// Messages within messages: a node's subgraphs are not read.
const MAX_NESTING: usize = 12;

/// A node, checked no further than that its inputs exist.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) operator: String,
    pub(super) domain: String,
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    attributes: Vec<AttributeProto>,
}

/// A model's main graph.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) path: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) nodes: Vec<Node>,
    pub(super) constants: BTreeMap<String, Constant>,
    pub(super) input: ValueInfoProto,
    pub(super) outputs: Vec<String>,
    /// Where initializers lie that are not in the model.
    pub(super) external_files: BTreeSet<String>,
    consumers: BTreeMap<String, Vec<usize>>,
}

impl Node {
    fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attributes.iter().find(|attribute| attribute.name.as_deref() == Some(name))
    }

    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).and_then(|attribute| attribute.i).unwrap_or(default)
    }

    pub(super) fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).and_then(|attribute| attribute.f).unwrap_or(default)
    }

    pub(super) fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|attribute| attribute.ints.as_slice())
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.attribute(name).and_then(|attribute| attribute.s.as_deref())
    }

    /// The tensor of an attribute.
    pub(super) fn tensor(&self, name: &str, folder: &Path) -> Option<Result<Constant, String>> {
        let tensor = self.attribute(name)?.t.as_ref()?;
        Some(reader::constant(tensor, folder))
    }

    /// Refuses attributes that are not in `known`.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), String> {
        let names = self.attributes.iter().filter_map(|attribute| attribute.name.as_deref());
        match names.into_iter().find(|name| !known.contains(name)) {
            Some(name) => {
                Err(format!("attribute `{name}` is not understood; {}", expected_attributes(known)))
            }
            None => Ok(()),
        }
    }

    /// An input's name; None when it is left out.
    pub(super) fn input(&self, index: usize) -> Option<&str> {
        self.inputs.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    pub(super) fn output(&self) -> &str {
        self.outputs.first().map_or("", String::as_str)
    }
}

fn expected_attributes(known: &[&str]) -> String {
    if known.is_empty() { "expected none".to_owned() } else { format!("known: {}", known.join(", ")) }
}

impl Graph {
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ImportError> {
        let fail = |message: String| ImportError::File { path: path.to_owned(), message };
        check_messages(bytes, MAX_NESTING)
            .map_err(|reason| fail(format!("not a complete ONNX model: {reason}")))?;
        let model = ModelProto::parse_buf(bytes)
            .map_err(|error| fail(format!("not a complete ONNX model: {error}")))?;
        let graph = model.graph.ok_or_else(|| fail("not an ONNX model: it has no graph".to_owned()))?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        if graph.node.len() > MAX_NODES {
            return Err(fail(format!("{} nodes; at most {MAX_NODES} are accepted", graph.node.len())));
        }
        let mut constants = BTreeMap::new();
        let mut external_files = BTreeSet::new();
        for tensor in &graph.initializer {
            let name = tensor.name.clone().unwrap_or_default();
            let constant = reader::constant(tensor, &folder)
                .map_err(|message| fail(format!("initializer `{name}`: {message}")))?;
            external_files.extend(reader::external_file(tensor).map(str::to_owned));
            if constants.insert(name.clone(), constant).is_some() {
                return Err(fail(format!("two initializers are named `{name}`")));
            }
        }
        let mut inputs = graph
            .input
            .into_iter()
            .filter(|input| input.name.as_ref().is_none_or(|name| !constants.contains_key(name)));
        let (Some(input), None) = (inputs.next(), inputs.next()) else {
            return Err(fail("expected exactly one graph input that is not an initializer".to_owned()));
        };
        let outputs = graph.output.iter().filter_map(|output| output.name.clone()).collect();
        let input_name = input.name.clone().unwrap_or_default();
        let mut protos = Vec::with_capacity(graph.node.len());
        for proto in graph.node {
            if proto.op_type.as_deref() != Some("Constant") {
                protos.push(proto);
                continue;
            }
            let name = proto.output.first().cloned().unwrap_or_default();
            let constant = constant_node(&proto, &folder)
                .map_err(|message| fail(format!("node `{name}` (Constant): {message}")))?;
            if name == input_name || constants.insert(name.clone(), constant).is_some() {
                return Err(fail(format!("two tensors are named `{name}`")));
            }
        }
        let nodes = sorted(path, protos, &constants, &input_name)?;
        let mut consumers: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, node) in nodes.iter().enumerate() {
            for name in &node.inputs {
                consumers.entry(name.clone()).or_default().push(index);
            }
        }
        Ok(Self {
            path: path.to_owned(),
            folder,
            nodes,
            constants,
            input,
            outputs,
            external_files,
            consumers,
        })
    }

    pub(super) fn error(&self, node: &Node, message: impl Into<String>) -> ImportError {
        ImportError::Node {
            path: self.path.clone(),
            node: node.name.clone(),
            operator: node.operator.clone(),
            message: message.into(),
        }
    }

    /// The one node that reads a tensor; None when there are several or the tensor is an output.
    pub(super) fn only_consumer(&self, tensor: &str) -> Option<usize> {
        match self.consumers.get(tensor)?[..] {
            [only] if !self.outputs.iter().any(|output| output == tensor) => Some(only),
            _ => None,
        }
    }
}

/// The tensor of a Constant node.
fn constant_node(node: &NodeProto, folder: &Path) -> Result<Constant, String> {
    let [attribute] = &node.attribute[..] else { return Err("expected one attribute".to_owned()) };
    let one = |values| Ok(Constant { dims: vec![], values });
    match (attribute.name.as_deref(), &attribute.t) {
        (Some("value"), Some(tensor)) => reader::constant(tensor, folder),
        (Some("value_float"), _) => one(Values::F32(vec![attribute.f.unwrap_or(0.0)])),
        (Some("value_int"), _) => one(Values::I64(vec![attribute.i.unwrap_or(0)])),
        (Some("value_floats"), _) => {
            Ok(Constant { dims: vec![attribute.floats.len()], values: Values::F32(attribute.floats.clone()) })
        }
        (Some("value_ints"), _) => {
            Ok(Constant { dims: vec![attribute.ints.len()], values: Values::I64(attribute.ints.clone()) })
        }
        (name, _) => Err(format!(
            "attribute {name:?}; expected value, value_float, value_floats, value_int or value_ints"
        )),
    }
}

/// Nodes in an order in which inputs come first; that of the file where it is one.
fn sorted(
    path: &Path,
    protos: Vec<NodeProto>,
    constants: &BTreeMap<String, Constant>,
    input: &str,
) -> Result<Vec<Node>, ImportError> {
    let refuse = |node: &Node, message: String| ImportError::Node {
        path: path.to_owned(),
        node: node.name.clone(),
        operator: node.operator.clone(),
        message,
    };
    let mut nodes: Vec<Option<Node>> = Vec::with_capacity(protos.len());
    let mut writers: BTreeMap<String, usize> = BTreeMap::new();
    for proto in protos {
        let first = proto.output.first().cloned().unwrap_or_default();
        let node = Node {
            name: proto.name.filter(|name| !name.is_empty()).unwrap_or(first),
            operator: proto.op_type.unwrap_or_default(),
            domain: proto.domain.unwrap_or_default(),
            inputs: proto.input,
            outputs: proto.output,
            attributes: proto.attribute,
        };
        for output in node.outputs.iter().filter(|output| !output.is_empty()) {
            let taken = output == input || constants.contains_key(output);
            if taken || writers.insert(output.clone(), nodes.len()).is_some() {
                return Err(refuse(&node, format!("its output `{output}` is already written elsewhere")));
            }
        }
        nodes.push(Some(node));
    }
    // What each node waits for, and who waits for each.
    let mut waiting = vec![0usize; nodes.len()];
    let mut waiters: Vec<Vec<usize>> = vec![vec![]; nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        let Some(node) = node else { continue };
        let names: BTreeSet<&String> = node.inputs.iter().filter(|name| !name.is_empty()).collect();
        for name in names {
            if let Some(&writer) = writers.get(name) {
                waiting[index] += 1;
                waiters[writer].push(index);
            } else if name != input && !constants.contains_key(name) {
                let message = format!(
                    "its input `{name}` is neither the graph's input, an initializer nor a node's output"
                );
                return Err(refuse(node, message));
            }
        }
    }
    let mut ready: BTreeSet<usize> = (0..nodes.len()).filter(|&index| waiting[index] == 0).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(index) = ready.pop_first() {
        order.extend(nodes[index].take());
        for &waiter in &waiters[index] {
            waiting[waiter] -= 1;
            if waiting[waiter] == 0 {
                ready.insert(waiter);
            }
        }
    }
    match nodes.iter().flatten().next() {
        Some(node) => Err(refuse(node, "it depends on its own output: the graph has a cycle".to_owned())),
        None => Ok(order),
    }
}

/// The messages of a model's file.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    Sequence,
    Shape,
    /// Without messages in it.
    Flat,
}

impl Message {
    /// What a field of it holds, as onnx.proto says.
    fn within(self, field: u64) -> Option<Self> {
        Some(match (self, field) {
            (Self::Model, 7) | (Self::Attribute, 6) => Self::Graph,
            (Self::Graph, 1) => Self::Node,
            (Self::Node, 5) => Self::Attribute,
            (Self::Graph | Self::Attribute, 5) => Self::Tensor,
            (Self::Graph, 11..=13) => Self::ValueInfo,
            (Self::ValueInfo, 2) | (Self::Sequence, 1) => Self::Type,
            (Self::Type, 1) => Self::TensorType,
            (Self::Type, 4) => Self::Sequence,
            (Self::TensorType, 2) => Self::Shape,
            (Self::Model, 8 | 14) | (Self::Tensor, 13) | (Self::Shape, 1) => Self::Flat,
            _ => return None,
        })
    }
}

/// Whether a list of numbers, one after the other, ends with its last number.
fn is_whole(message: Message, field: u64, mut content: &[u8]) -> bool {
    match (message, field) {
        (Message::Tensor, 1 | 5 | 7) | (Message::Attribute, 8) => {
            while !content.is_empty() {
                let Some((_, rest)) = varint(content) else { return false };
                content = rest;
            }
            true
        }
        (Message::Tensor, 4) | (Message::Attribute, 7) => content.len().is_multiple_of(4),
        (Message::Tensor, 10) => content.len().is_multiple_of(8),
        _ => true,
    }
}

/// Checks what the messages' reader takes on trust: that every length ends within its message, since it
/// allocates before it reads; that lists are whole, since it does not stop at their end; and that messages
/// are not nested deeper than `limit`, since it recurses.
fn check_messages(bytes: &[u8], limit: usize) -> Result<(), &'static str> {
    let mut open = vec![(bytes, Message::Model, 0)];
    while let Some((mut bytes, message, depth)) = open.pop() {
        if depth > limit {
            return Err("messages within messages too deep");
        }
        while !bytes.is_empty() {
            let (field, content, rest) = next_field(bytes).ok_or("a field ends outside its message")?;
            bytes = rest;
            if !content.is_none_or(|content| is_whole(message, field, content)) {
                return Err("a list of numbers ends within a number");
            }
            if let (Some(within), Some(content)) = (message.within(field), content) {
                open.push((content, within, depth + 1));
            }
        }
    }
    Ok(())
}

/// A field's number, its content if it has a length, and the bytes after it.
type Field<'a> = (u64, Option<&'a [u8]>, &'a [u8]);

fn next_field(bytes: &[u8]) -> Option<Field<'_>> {
    let (key, rest) = varint(bytes)?;
    match key & 7 {
        0 => Some((key >> 3, None, varint(rest)?.1)),
        1 => Some((key >> 3, None, rest.get(8..)?)),
        2 => {
            let (length, rest) = varint(rest)?;
            let length = usize::try_from(length).ok()?;
            Some((key >> 3, Some(rest.get(..length)?), &rest[length..]))
        }
        5 => Some((key >> 3, None, rest.get(4..)?)),
        _ => None,
    }
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * index as u32)?;
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}
