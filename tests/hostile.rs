//! Does every hostile model get a clear error, without a panic, a hang or memory without bounds?

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod model_builder;

use std::path::Path;

use rten_onnx::onnx::{
    AttributeProto, DataLocation, DataType, GraphProto, ModelProto, StringStringEntryProto, TensorProto,
};
use systolab::workload::{ImportOptions, ImportedModel};

use model_builder::{floats, ints, node, text, value};

fn bytes(name: &str, dims: &[i64], values: &[i32]) -> TensorProto {
    TensorProto {
        dims: dims.to_vec(),
        data_type: Some(DataType::INT8),
        int32_data: values.to_vec(),
        name: text(name),
        ..TensorProto::default()
    }
}

/// A convolution on int8, all that it needs.
fn model() -> ModelProto {
    let inputs = ["x", "xs", "z", "w", "ws", "wz", "ys", "z"];
    let graph = GraphProto {
        node: vec![node("QLinearConv", &inputs, "y", vec![ints("pads", &[1, 1, 1, 1])])],
        initializer: vec![
            floats("xs", &[], &[0.5]),
            floats("ws", &[2], &[0.5, 0.25]),
            floats("ys", &[], &[1.0]),
            bytes("z", &[], &[3]),
            bytes("wz", &[2], &[0, 0]),
            bytes("w", &[2, 1, 3, 3], &[1; 18]),
        ],
        input: vec![value("x", DataType::INT8, &[1, 1, 4, 4])],
        output: vec![value("y", DataType::INT8, &[1, 2, 4, 4])],
        ..GraphProto::default()
    };
    ModelProto { graph: Some(graph), ..ModelProto::default() }
}

fn import(model: &ModelProto) -> Result<ImportedModel, String> {
    let bytes = model.write_buf().unwrap();
    ImportedModel::parse(Path::new("m.onnx"), &bytes, ImportOptions::default())
        .map_err(|error| error.to_string())
}

type Edit = fn(&mut GraphProto);

#[test]
fn wrong_models_are_refused_by_node_operator_and_reason() {
    assert_eq!(import(&model()).unwrap().network().layers().len(), 1);
    let cases: &[(&str, Edit)] = &[
        ("it depends on its own output: the graph has a cycle", |graph| {
            graph.node.push(node("Relu", &["b"], "a", vec![]));
            graph.node.push(node("Relu", &["a"], "b", vec![]));
        }),
        ("its input `w` is neither the graph's input, an initializer nor a node's output", |graph| {
            graph.initializer.pop();
        }),
        ("node `n` (QLinearConv): pads [1, -1, 1, 1]; expected four numbers from 0", |graph| {
            graph.node[0].attribute = vec![ints("pads", &[1, -1, 1, 1])];
        }),
        ("pads [9223372036854775807", |graph| {
            graph.node[0].attribute = vec![ints("pads", &[i64::MAX, 1, 1, 1])];
        }),
        ("strides [0, 1]; expected two numbers from 1", |graph| {
            graph.node[0].attribute = vec![ints("strides", &[0, 1])];
        }),
        ("attribute `fused_activation` is not understood", |graph| {
            graph.node[0].attribute = vec![ints("fused_activation", &[1])];
        }),
        ("scale `xs` is NaN; a scale is finite and greater than 0", |graph| {
            graph.initializer[0] = floats("xs", &[], &[f32::NAN]);
        }),
        ("scale `ys` is 0; a scale is finite and greater than 0", |graph| {
            graph.initializer[2] = floats("ys", &[], &[0.0]);
        }),
        ("the ratio of its scales leaves f32's range", |graph| {
            graph.initializer[0] = floats("xs", &[], &[1e30]);
            graph.initializer[2] = floats("ys", &[], &[1e-30]);
        }),
        ("3 weight scales; expected one, or one per output channel (2)", |graph| {
            graph.initializer[1] = floats("ws", &[3], &[1.0, 1.0, 1.0]);
        }),
        ("initializer `w`: shape [4294967296, 4294967296]; at most", |graph| {
            graph.initializer[5].dims = vec![1 << 32, 1 << 32];
        }),
        ("initializer `w`: shape [-1]", |graph| graph.initializer[5].dims = vec![-1]),
        ("initializer `w`: 18 stored values; its shape needs 100000000", |graph| {
            graph.initializer[5].dims = vec![100_000_000];
        }),
        ("initializer `w`: value 128 is no int8", |graph| graph.initializer[5].int32_data[0] = 128),
        ("initializer `w`: element type FLOAT16; expected FLOAT, INT8", |graph| {
            graph.initializer[5].data_type = Some(DataType::FLOAT16);
        }),
        ("initializer `w`: external data `../w.bin` is not in the model's folder", |graph| {
            let entry = StringStringEntryProto { key: text("location"), value: text("../w.bin") };
            let tensor = &mut graph.initializer[5];
            (tensor.data_location, tensor.external_data) = (Some(DataLocation::EXTERNAL), vec![entry]);
        }),
        ("input has shape [Some(1), Some(1), Some(-4), Some(4)]", |graph| {
            graph.input[0] = value("x", DataType::INT8, &[1, 1, -4, 4]);
        }),
        ("at most 8 dimensions and", |graph| {
            graph.input[0] = value("x", DataType::INT8, &[1, 1 << 40, 1 << 40, 4]);
        }),
        ("shape [2, 1, 4, 4]; expected [1, channels, height, width]", |graph| {
            graph.input[0] = value("x", DataType::INT8, &[2, 1, 4, 4]);
        }),
        ("its input is int8, but its zero point uint8", |graph| {
            graph.initializer[3].data_type = Some(DataType::UINT8);
        }),
        ("node `n` (LSTM): this operator is not supported", |graph| {
            graph.node.push(node("LSTM", &["y"], "h", vec![]));
        }),
        ("its output `y` is already written elsewhere", |graph| {
            graph.node.push(node("Relu", &["x"], "y", vec![]));
        }),
        ("expected exactly one graph input", |graph| {
            graph.input.push(value("x2", DataType::INT8, &[1, 1, 4, 4]));
        }),
        ("a 3×3 kernel does not fit its padded 1×1 input", |graph| {
            graph.input[0] = value("x", DataType::INT8, &[1, 1, 1, 1]);
            graph.node[0].attribute = vec![];
        }),
        ("group = 3, 1 input channels and weights [2, 1, 3, 3] do not fit together", |graph| {
            graph.node[0].attribute =
                vec![AttributeProto { name: text("group"), i: Some(3), ..AttributeProto::default() }];
        }),
    ];
    for (expected, edit) in cases {
        let mut model = model();
        edit(model.graph.as_mut().unwrap());
        let error = import(&model).map(|model| format!("{:?}", model.lowerings())).unwrap_err();
        assert!(error.starts_with("m.onnx: ") && error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn truncated_models_and_other_files_are_refused() {
    let whole = model().write_buf().unwrap();
    for length in 0..whole.len() {
        let result = ImportedModel::parse(Path::new("m.onnx"), &whole[..length], ImportOptions::default());
        assert!(result.is_err(), "{length} of {} bytes", whole.len());
    }
    for other in [&b"not a model"[..], &[0xff; 64], b"PK\x03\x04"] {
        assert!(ImportedModel::parse(Path::new("m.onnx"), other, ImportOptions::default()).is_err());
    }
}

/// Graphs within graphs, and types within types, as deep as would overflow a stack.
#[test]
fn deep_nesting_is_refused() {
    let wrap = |content: &[u8], field: u8| {
        let mut message = vec![field << 3 | 2];
        let mut length = content.len();
        while length >= 0x80 {
            message.push(length as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend(content);
        message
    };
    let (mut graph, mut kind) = (vec![], vec![]);
    for _ in 0..3_000 {
        graph = wrap(&wrap(&wrap(&graph, 6), 5), 1);
        kind = wrap(&wrap(&kind, 1), 4);
    }
    for graph in [graph, wrap(&wrap(&kind, 2), 11)] {
        let error = ImportedModel::parse(Path::new("m.onnx"), &wrap(&graph, 7), ImportOptions::default())
            .unwrap_err();
        assert!(error.to_string().contains("too deep"), "{error}");
    }
}
