//! Is overflow named where it may be why values differ?

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod model_builder;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rten_onnx::onnx::{DataType, GraphProto, ModelProto};
use systolab::cost::{SHIPPED_TECHNOLOGIES, Technology};
use systolab::explore::{Design, Keep, Origin, Request, execute};
use systolab::hardware::{Accelerator, SHIPPED};
use systolab::report::{validation_json, validation_table};
use systolab::source::SourceFile;
use systolab::tensor::{Data, Tensor, TensorFile, safetensors_bytes};
use systolab::validate::{Layout, Tolerance, Validation, validate};
use systolab::workload::{Samples, Workload};

use model_builder::{bytes, floats, node, value};

/// Two products, `a` and `b`: the sums of `a` need 17 bits, those of `b` do not.
fn workload() -> Workload {
    let graph = GraphProto {
        node: vec![
            node("QLinearMatMul", &["x", "s", "z", "w", "s", "z", "wide", "z"], "a", vec![]),
            node("QLinearMatMul", &["a", "s", "z", "v", "s", "z", "s", "z"], "b", vec![]),
        ],
        initializer: vec![
            floats("s", &[], &[1.0]),
            floats("wide", &[], &[1024.0]),
            bytes("z", &[], &[0]),
            bytes("w", &[4, 2], &[127, 1, 127, 1, 127, 1, 127, 1]),
            bytes("v", &[2, 2], &[1, 0, 0, 1]),
        ],
        input: vec![value("x", DataType::INT8, &[1, 4])],
        output: vec![value("b", DataType::INT8, &[1, 2])],
        ..GraphProto::default()
    };
    let model = ModelProto { graph: Some(graph), ..ModelProto::default() };
    // Tests run at once.
    let name = format!("overflow-{:?}.onnx", std::thread::current().id());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, model.write_buf().unwrap()).unwrap();
    Workload::read(&path).unwrap()
}

fn design(bits: i64, overflow: &str) -> Design {
    let (_, text) = SHIPPED.iter().find(|(name, _)| *name == "edge-16x16").unwrap();
    let mut table: toml::Table = text.parse().unwrap();
    for mac in table["mac"].as_array_mut().unwrap() {
        let mac = mac.as_table_mut().unwrap();
        if mac.contains_key("partial_sum_bits") {
            mac.insert("partial_sum_bits".to_owned(), bits.into());
            mac.insert("accumulator_bits".to_owned(), bits.into());
            mac.insert("overflow".to_owned(), overflow.into());
        }
    }
    let text = toml::to_string(&table).unwrap();
    let (name, technology) = SHIPPED_TECHNOLOGIES[0];
    let technology = SourceFile::embedded(name, technology);
    Design {
        accelerator: Accelerator::parse(&SourceFile::embedded("d.toml", &text)).unwrap(),
        technology: Technology::parse(&technology).unwrap(),
        technology_sha256: technology.sha256(),
    }
}

fn file(tensors: BTreeMap<String, Tensor>) -> TensorFile {
    let bytes = safetensors_bytes(&tensors, ("source", "this test")).unwrap();
    TensorFile::parse(Path::new("file.safetensors"), bytes).unwrap()
}

/// The tensors that 32 bits give, of which a file has those of `given`, against a design.
fn against(design_of: &Design, given: &[&str]) -> Validation {
    let workload = workload();
    let model = workload.model().unwrap();
    let image = Tensor::new(vec![1, 4], Data::I8(vec![127; 4])).unwrap();
    let input = file(BTreeMap::from([("x".to_owned(), image)]));
    let samples = Samples::of_model(&input, model).unwrap();
    let request = |design| Request {
        design,
        workload: &workload,
        params: model.params(),
        origin: Origin::Trace,
        samples: &samples,
    };
    let wide = design(32, "wrap");
    let run = execute(request(&wide), Keep::OutputsAndAccumulators, |_| ()).unwrap();
    let given = run.tensors.into_iter().filter(|(name, _)| given.contains(&name.as_str()));
    let expected = file(given.collect());
    validate(request(design_of), &expected, Layout::Nhwc, Tolerance::default(), |_| ()).unwrap()
}

#[test]
fn the_differing_layer_says_what_its_registers_did() {
    for (overflow, became) in [("wrap", "wrapped"), ("saturate", "saturated")] {
        let validation = against(&design(16, overflow), &["a.accumulator", "a", "b"]);
        let first = validation.first.as_ref().unwrap();
        assert_eq!(first.name, "a.accumulator");
        let overflows: Vec<(&str, u64)> =
            first.overflows.iter().map(|layer| (layer.layer.as_str(), layer.additions)).collect();
        // 127·127 = 16129: the third and the fourth sum do not fit; wrapped, the third becomes small enough.
        let additions = if overflow == "wrap" { 1 } else { 2 };
        assert_eq!(overflows, [("a", additions)]);
        let text = validation_table(&validation).to_text();
        assert!(text.contains("of `a` left") && text.contains(became), "{text}");
        let json: serde_json::Value =
            serde_json::from_str(&validation_json(&validation, "0").unwrap()).unwrap();
        let found = &json["first_difference"]["overflows"][0];
        assert_eq!((&found["layer"], &found["became"]), (&"a".into(), &became.into()));
        assert_eq!((&found["additions"], &found["partial_sum_bits"]), (&additions.into(), &16.into()));
    }
}

#[test]
fn layers_that_were_not_compared_are_suspects_too() {
    let validation = against(&design(16, "wrap"), &["b"]);
    let first = validation.first.unwrap();
    assert_eq!(first.name, "b");
    assert_eq!(first.overflows.iter().map(|layer| &layer.layer).collect::<Vec<_>>(), ["a"]);
    // Nothing overflows, nothing differs.
    assert_eq!(against(&design(24, "wrap"), &["a.accumulator", "a", "b"]).first, None);
}
