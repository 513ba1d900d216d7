//! Does every hostile model get a clear error, without a panic, a hang or memory without bounds?

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod model_builder;

use std::path::Path;

use rten_onnx::onnx::{
    AttributeProto, DataLocation, DataType, GraphProto, ModelProto, StringStringEntryProto, TensorProto,
};
use systolab::numerics::{RequantizationKind, ShiftRounding};
use systolab::workload::{ImportOptions, ImportedModel};

use model_builder::{bytes, floats, ints, node, text, value};

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

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: text(name), i: Some(value), ..AttributeProto::default() }
}

/// Every model that an edit makes, and its refusal.
fn refusals() -> Vec<(&'static str, String)> {
    let refusal = |&(expected, edit): &(&'static str, Edit)| {
        let mut model = model();
        edit(model.graph.as_mut().unwrap());
        let error = import(&model).map(|model| format!("{expected}: {:?}", model.lowerings())).unwrap_err();
        (expected, error)
    };
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
        ("input has shape [1, 1, -4, 4]; expected sizes from 1", |graph| {
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
        ("operators of domain `custom` are not supported; expected ai.onnx or com.microsoft", |graph| {
            graph.node[0].domain = text("custom");
        }),
        ("node `n` (QLinearConv): an input that it needs is left out", |graph| {
            graph.node[0].input[0] = String::new();
        }),
        ("its input `w` is not a quantized activation; expected integers", |graph| {
            graph.node[0].input[0] = "w".to_owned();
        }),
        ("its input `x` does not hold integers of at most 8 bits; expected", |graph| {
            graph.input[0] = value("x", DataType::FLOAT, &[1, 1, 4, 4]);
        }),
        ("the graph's input has type INT32; expected FLOAT, INT8 or UINT8", |graph| {
            graph.input[0] = value("x", DataType::INT32, &[1, 1, 4, 4]);
        }),
        ("its input `w` has type float; expected int8, uint8, int4 or uint4", |graph| {
            graph.initializer[5] = floats("w", &[2, 1, 3, 3], &[1.0; 18]);
        }),
        ("its bias has type float and shape [2]; expected int32, one per output channel (2)", |graph| {
            graph.node[0].input.push("ws".to_owned());
        }),
        ("auto_pad `HALF`; expected NOTSET, VALID, SAME_UPPER or SAME_LOWER", |graph| {
            let half =
                AttributeProto { name: text("auto_pad"), s: text("HALF"), ..AttributeProto::default() };
            graph.node[0].attribute = vec![half];
        }),
        ("blocked quantization (block_size) is not supported; expected one scale", |graph| {
            graph.node.push(node("DequantizeLinear", &["y", "ys", "z"], "d", vec![int("block_size", 16)]));
        }),
        ("2 zero points for 1 scales; expected one, or one per scale", |graph| {
            graph.node.push(node("DequantizeLinear", &["y", "ys", "wz"], "d", vec![]));
        }),
        ("an int32 tensor is not requantized by itself; expected QLinearConv", |graph| {
            graph.node = vec![
                node("ConvInteger", &["x", "w", "z", "wz"], "y", vec![]),
                node("DequantizeLinear", &["y", "ys"], "d", vec![]),
                node("QuantizeLinear", &["d", "ys", "z"], "q", vec![]),
            ];
        }),
        ("storage_order and a second output are not supported", |graph| {
            let attributes = vec![ints("kernel_shape", &[2, 2]), int("storage_order", 1)];
            graph.node.push(node("MaxPool", &["y"], "p", attributes));
        }),
        ("its windows has no tap inside the image; expected padding below the dilation", |graph| {
            let attributes = vec![
                ints("kernel_shape", &[2, 2]),
                ints("dilations", &[9, 9]),
                ints("pads", &[1, 1, 1, 1]),
                int("ceil_mode", 1),
            ];
            graph.input[0] = value("x", DataType::INT8, &[1, 1, 8, 8]);
            graph.node = vec![node("MaxPool", &["x"], "y", attributes)];
        }),
        ("its 65536×65536 windows have too many taps over all", |graph| {
            let attributes = vec![ints("kernel_shape", &[1 << 16; 2]), ints("pads", &[(1 << 16) - 1; 4])];
            graph.node.push(node("MaxPool", &["y"], "p", attributes));
        }),
        ("node `n` (QLinearAveragePool): expected channels_last = 0", |graph| {
            let attributes = vec![ints("kernel_shape", &[2, 2]), int("channels_last", 1)];
            graph.node.push(node("QLinearAveragePool", &["y", "ys", "z", "xs", "z"], "p", attributes));
        }),
        ("its input is int8, its output uint8; expected one type", |graph| {
            let zero = TensorProto { data_type: Some(DataType::UINT8), ..bytes("u", &[], &[3]) };
            graph.initializer.push(zero);
            let attributes = vec![ints("kernel_shape", &[2, 2])];
            graph.node.push(node("QLinearAveragePool", &["y", "ys", "z", "xs", "u"], "p", attributes));
        }),
        ("attribute `dilations` is not understood", |graph| {
            let attributes = vec![ints("kernel_shape", &[2, 2]), ints("dilations", &[2, 2])];
            graph.node.push(node("QLinearAveragePool", &["y", "ys", "z", "xs", "z"], "p", attributes));
        }),
        ("a sum or mean on its scales leaves the range of f32 or int32", |graph| {
            graph.initializer.push(floats("tiny", &[], &[1e-9]));
            let attributes = vec![ints("kernel_shape", &[2, 2])];
            graph.node.push(node("QLinearAveragePool", &["y", "ys", "z", "tiny", "z"], "p", attributes));
        }),
        ("ceil_mode lets reach beyond the padding is not supported in f32", |graph| {
            let attributes = vec![
                ints("kernel_shape", &[3, 3]),
                ints("strides", &[2, 2]),
                int("ceil_mode", 1),
                int("count_include_pad", 1),
            ];
            graph.node.extend([
                node("DequantizeLinear", &["y", "ys", "z"], "d", vec![]),
                node("AveragePool", &["d"], "p", attributes),
            ]);
        }),
        ("its padding reaches its 2×2 kernel; expected padding less than the kernel", |graph| {
            let attributes = vec![ints("kernel_shape", &[2, 2]), ints("pads", &[2, 2, 2, 2])];
            graph.node.push(node("MaxPool", &["y"], "p", attributes));
        }),
        ("kernel_shape is missing", |graph| graph.node.push(node("MaxPool", &["y"], "p", vec![]))),
        ("expected alpha = 1 and transA = 0", |graph| {
            let inputs = ["x", "xs", "z", "w", "ws", "wz", "", "ys", "z"];
            graph.node.push(node("QGemm", &inputs, "g", vec![int("transA", 1)]));
        }),
        ("expected two matrices", |graph| {
            graph.node =
                vec![node("QLinearMatMul", &["x", "xs", "z", "w", "ws", "wz", "ys", "z"], "g", vec![])];
        }),
        ("expected equal ones", |graph| {
            graph.node.push(node("QLinearAdd", &["x", "xs", "z", "y", "ys", "z", "ys", "z"], "s", vec![]));
        }),
        ("from [1, 2, 4, 4] to [1, 2, 5, 5]; expected", |graph| {
            let shape = TensorProto {
                dims: vec![4],
                data_type: Some(DataType::INT64),
                int64_data: vec![1, 2, 5, 5],
                name: text("shape"),
                ..TensorProto::default()
            };
            graph.initializer.push(shape);
            graph.node.push(node("Reshape", &["y", "shape"], "r", vec![]));
        }),
        ("no node of the graph computes anything from its input", |graph| graph.node.clear()),
    ];
    cases.iter().map(refusal).collect()
}

#[test]
fn wrong_models_are_refused_by_node_operator_and_reason() {
    assert_eq!(import(&model()).unwrap().network().layers().len(), 1);
    for (expected, error) in refusals() {
        assert!(error.starts_with("m.onnx: ") && error.contains(expected), "{expected}: {error}");
        // What would be accepted, unless what is wrong says it.
        let says =
            ["expected", "at most", "known:", "supported:", "is missing", "; a scale is", "its shape needs"];
        let clear = [
            "the graph has a cycle",
            "already written elsewhere",
            "is neither the graph's input, an initializer nor a node's output",
            "do not fit",
            "does not fit",
            "leaves f32's range",
            "is no int8",
            "is not in the model's folder",
            "no node of the graph computes",
            "but its zero point",
        ];
        assert!(says.iter().chain(&clear).any(|part| error.contains(part)), "{error}");
    }
}

const REFUSED: &str = "docs/refusals.md";

/// What a factor or a sum must be for a requantization of an import to take it.
fn requantization_refusals() -> Vec<String> {
    let import = |model: &ModelProto, requantization| {
        let options = ImportOptions { requantization, ..ImportOptions::default() };
        let bytes = model.write_buf().unwrap();
        ImportedModel::parse(Path::new("m.onnx"), &bytes, options).unwrap_err().to_string()
    };
    let mut thirds = model();
    thirds.graph.as_mut().unwrap().initializer[0] = floats("xs", &[], &[0.3]);
    let mut huge = model();
    huge.graph.as_mut().unwrap().initializer[0] = floats("xs", &[], &[4e12]);
    let mut steep = model();
    let graph = steep.graph.as_mut().unwrap();
    graph.initializer.push(floats("tiny", &[], &[1e-7]));
    graph.node.push(node("QLinearAdd", &["y", "ys", "z", "y", "ys", "z", "tiny", "z"], "s", vec![]));
    vec![
        import(&thirds, RequantizationKind::PowerOfTwoShift(ShiftRounding::HalfEven)),
        import(&huge, RequantizationKind::GemmlowpDouble),
        import(&steep, RequantizationKind::GemmlowpDouble),
    ]
}

#[test]
fn requantizations_say_which_scales_they_take() {
    let messages = requantization_refusals();
    assert!(messages[0].contains("pow2-shift takes 2^0, 2^-1, … 2^-31"), "{messages:?}");
    assert!(messages[1].contains("gemmlowp-double takes less than 2^30"), "{messages:?}");
    assert!(messages[2].contains("does not take"), "{messages:?}");
}

/// docs/refusals.md has every message of this file and of the command line's goldens.
#[test]
fn the_documentation_lists_what_is_refused() {
    let cell = |text: &str| text.replace('|', "\\|");
    let mut page = "# What is refused\n\n\
        Every message that the tests provoke, one per kind of mistake, as printed behind `error: `, without the lines that \
        show what a file says there. Exit code 2, and nothing is written. This page is made by `BLESS=1 cargo test --test hostile`.\n\n\
        ## ONNX models\n\n| message |\n| --- |\n"
        .to_owned();
    let models = refusals().into_iter().map(|(_, message)| message).chain(requantization_refusals());
    for message in models {
        page += &format!("| {} |\n", cell(&message));
    }
    page += "\n## Files and arguments\n\n| what is wrong | message |\n| --- | --- |\n";
    let goldens = std::fs::read_to_string("tests/goldens/cli/refusals.txt").unwrap();
    let mut rows = 0;
    for section in goldens.split("\n\n# ") {
        let what = section.trim_start_matches("# ").lines().next().unwrap();
        let mut lines = section.lines().skip_while(|line| !line.starts_with("error: "));
        let mut message = lines.next().and_then(|line| line.strip_prefix("error: ")).unwrap().to_owned();
        for more in lines.take_while(|line| line.starts_with("  -")) {
            message += &format!(" {}", more.trim());
        }
        page += &format!("| {} | {} |\n", cell(what), cell(&message));
        rows += 1;
    }
    assert!(rows > 100, "{rows}");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(REFUSED, &page).unwrap();
    }
    let committed = std::fs::read_to_string(REFUSED).unwrap_or_default();
    assert!(committed == page, "{REFUSED}: BLESS=1 rewrites it, after the command line's goldens");
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
