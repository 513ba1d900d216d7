//! Does the command line do what it says, and refuse what it must?
//!
//! What it does: `tests/goldens/cli/*.trycmd`, run in the folder `NAME.in`. What it refuses: one row of
//! [`REFUSALS`] per bad input, its messages in `tests/goldens/cli/refusals.txt`.
//! `BLESS=1 cargo test --test cli` rewrites the expected output of both.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

const FIXTURE: &str = "tests/goldens/cli/evaluate.in";
const REFUSED: &str = "tests/goldens/cli/refusals.txt";

fn blessing() -> bool {
    std::env::var_os("BLESS").is_some()
}

#[test]
fn commands_print_what_they_printed() {
    if blessing() && std::env::var_os("TRYCMD").is_none() {
        // trycmd is told to rewrite through its own variable, which only another process can be given.
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "commands_print_what_they_printed"])
            .env("TRYCMD", "overwrite")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    trycmd::TestCases::new()
        .register_bin("systolab", Path::new(env!("CARGO_BIN_EXE_systolab")))
        .env("COLUMNS", "100") // the width that help is wrapped to
        .case("tests/goldens/cli/*.trycmd");
}

#[test]
fn committed_schemas_are_those_of_the_types() {
    for kind in ["hardware", "workload", "technology", "sweep"] {
        let output = Command::new(env!("CARGO_BIN_EXE_systolab")).args(["schema", kind]).output().unwrap();
        let path = format!("docs/schemas/{kind}.schema.json");
        if blessing() {
            fs::create_dir_all("docs/schemas").unwrap();
            fs::write(&path, &output.stdout).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed.as_bytes() == output.stdout, "{path}: BLESS=1 rewrites it");
    }
}

/// A change to a copy of the fixture that makes it bad.
enum Edit {
    Nothing,
    /// File, text that occurs in it, what to put there.
    Replace(&'static str, &'static str, &'static str),
    Create(&'static str, &'static str),
    Remove(&'static str),
    /// File, bytes that are left.
    Truncate(&'static str, usize),
    Tensors(&'static str, fn(&mut Tensors)),
}

const PARETO: &str = "pareto points.csv --out report";
const POINTS: &str = "points.csv";
macro_rules! points_header {
    () => {
        "design,network,precision,top1_percent,latency_s,energy_per_image_uj\n"
    };
}

/// The tensors of a file: type, shape, bytes.
type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

struct Refusal {
    what: &'static str,
    arguments: &'static str,
    edit: Edit,
}

const fn refusal(what: &'static str, arguments: &'static str, edit: Edit) -> Refusal {
    Refusal { what, arguments, edit }
}

const EVALUATE: &str =
    "evaluate --hw int8-only.toml --hw edge-32x32 --workload networks/tiny-4-bit.toml --out report";
const LIST: &str = "simulate --hw int8-only.toml --workload wrong.csv";
const SCALESIM: &str = "scalesim --config scale.cfg --topology net.csv --out report";
const CONFIGURATION: &str = "scale.cfg";
const TOPOLOGY: &str = "net.csv";
const DESIGN: &str = "int8-only.toml";
const NETWORK: &str = "networks/tiny-4-bit.toml";
const TECHNOLOGY: &str = "technology.toml";
const TRACE: &str = "networks/tiny-4-bit.safetensors";
const IMAGES: &str = "networks/images.safetensors";
const PREDICTIONS: &str = "networks/tiny-4-bit.predictions";

/// What must be refused with exit code 2, one message and nothing written.
const REFUSALS: &[Refusal] = &[
    // Files that are not there, and folders.
    refusal("missing design", "evaluate --hw none.toml --workload networks --out report", Edit::Nothing),
    refusal("missing design, simulate", "simulate --hw none --workload untrained.toml", Edit::Nothing),
    refusal(
        "array stepped for days",
        "simulate --hw tpuv1-like --workload resnet50-w8a8 --batch 256 --timing stepped",
        Edit::Nothing,
    ),
    refusal("missing network", "evaluate --hw int8-only.toml --workload none --out report", Edit::Nothing),
    refusal("missing network, simulate", "simulate --hw edge-32x32 --workload none.toml", Edit::Nothing),
    refusal(
        "two networks where one is expected",
        "simulate --hw edge-32x32 --workload networks",
        Edit::Nothing,
    ),
    refusal(
        "folder without networks",
        "evaluate --workload empty --out report",
        Edit::Create("empty/a.txt", ""),
    ),
    refusal("missing technology file", EVALUATE, Edit::Remove(TECHNOLOGY)),
    refusal("missing predictions", EVALUATE, Edit::Remove(PREDICTIONS)),
    refusal(
        "two designs of one name",
        "evaluate --hw int8-only.toml --hw int8-only.toml --out report",
        Edit::Nothing,
    ),
    refusal(
        "two networks of one name",
        "evaluate --workload untrained.toml --workload networks --out report",
        Edit::Replace("untrained.toml", "tiny-untrained", "tiny-bf16"),
    ),
    // SCALE-Sim's files.
    refusal("missing configuration", SCALESIM, Edit::Remove(CONFIGURATION)),
    refusal("missing topology", SCALESIM, Edit::Remove(TOPOLOGY)),
    refusal(
        "configuration without a section",
        SCALESIM,
        Edit::Replace(CONFIGURATION, "[run_presets]", "[run]"),
    ),
    refusal(
        "malformed configuration",
        SCALESIM,
        Edit::Replace(CONFIGURATION, "ArrayHeight : 8", "ArrayHeight 8"),
    ),
    refusal(
        "configuration with a key twice",
        SCALESIM,
        Edit::Replace(CONFIGURATION, "ArrayHeight", "ArrayWidth"),
    ),
    refusal("configuration without a key", SCALESIM, Edit::Replace(CONFIGURATION, "ArrayHeight : 8\n", "")),
    refusal(
        "array of SCALE-Sim too large",
        SCALESIM,
        Edit::Replace(CONFIGURATION, "ArrayHeight : 8", "ArrayHeight : 99999"),
    ),
    refusal("unknown interface bandwidth", SCALESIM, Edit::Replace(CONFIGURATION, "CALC", "AUTO")),
    refusal(
        "sparsity",
        SCALESIM,
        Edit::Replace(CONFIGURATION, "SparsitySupport : false", "SparsitySupport : true"),
    ),
    refusal(
        "custom layout",
        SCALESIM,
        Edit::Replace(CONFIGURATION, "IfmapCustomLayout : False", "IfmapCustomLayout : True"),
    ),
    refusal(
        "Ramulator",
        SCALESIM,
        Edit::Replace(CONFIGURATION, "UseRamulatorTrace : False", "UseRamulatorTrace : True"),
    ),
    refusal(
        "SRAM that fills twice in a cycle",
        SCALESIM,
        Edit::Replace(CONFIGURATION, "ArrayWidth : 8", "ArrayWidth : 2048"),
    ),
    refusal(
        "topology without a stride",
        SCALESIM,
        Edit::Replace(TOPOLOGY, "13, 13, 3, 3, 10, 20, 2,", "13, 13, 3, 3, 10, 20"),
    ),
    refusal("topology that is not a number", SCALESIM, Edit::Replace(TOPOLOGY, "9, 9, 3,", "9, nine, 3,")),
    refusal("filter larger than its input", SCALESIM, Edit::Replace(TOPOLOGY, "9, 9, 3,", "9, 2, 3,")),
    refusal(
        "layer whose size overflows",
        SCALESIM,
        Edit::Replace(TOPOLOGY, "9, 9, 3, 3, 16, 24", "16777216, 16777216, 3, 3, 16777216, 24"),
    ),
    refusal(
        "layer too long to simulate",
        SCALESIM,
        Edit::Replace(TOPOLOGY, "9, 9, 3, 3, 16, 24", "4000, 4000, 1, 1, 16, 100000"),
    ),
    refusal(
        "wrong configuration as a design",
        "simulate --hw scale.cfg --workload untrained.toml",
        Edit::Replace(CONFIGURATION, "Dataflow : ws\n", ""),
    ),
    refusal(
        "wrong topology as a workload",
        "simulate --hw edge-32x32 --workload net.csv",
        Edit::Replace(TOPOLOGY, "9, 9, 3,", "9, 2, 3,"),
    ),
    refusal(
        "report with SCALE-Sim's timing",
        "simulate --hw edge-32x32 --workload net.csv --timing scalesim --out report",
        Edit::Nothing,
    ),
    refusal(
        "batch with SCALE-Sim's timing",
        "simulate --hw edge-32x32 --workload net.csv --timing scalesim --batch 2",
        Edit::Nothing,
    ),
    refusal("topology without layers", SCALESIM, Edit::Create(TOPOLOGY, "Layer name\n")),
    refusal(
        "foreign output folder of SCALE-Sim's reports",
        "scalesim --config scale.cfg --topology net.csv --out networks",
        Edit::Nothing,
    ),
    // Designs.
    refusal(
        "another technology under a shipped name",
        EVALUATE,
        Edit::Replace(TECHNOLOGY, "name = \"fixture-7nm\"", "name = \"7nm\""),
    ),
    refusal("malformed design", EVALUATE, Edit::Replace(DESIGN, "[array]", "[array")),
    refusal("empty design", EVALUATE, Edit::Truncate(DESIGN, 0)),
    refusal("unknown key in a design", EVALUATE, Edit::Replace(DESIGN, "rows = 8", "rows = 8\nheight = 8")),
    refusal("missing key in a design", EVALUATE, Edit::Replace(DESIGN, "rows = 8\n", "")),
    refusal("array without rows", EVALUATE, Edit::Replace(DESIGN, "rows = 8", "rows = 0")),
    refusal("absurd array", EVALUATE, Edit::Replace(DESIGN, "cols = 8", "cols = 1_000_000_000_000")),
    refusal("negative size", EVALUATE, Edit::Replace(DESIGN, "bytes = 16_384", "bytes = -1")),
    refusal("scratchpad without bytes", EVALUATE, Edit::Replace(DESIGN, "bytes = 16_384", "bytes = 0")),
    refusal("efficiency above 1", EVALUATE, Edit::Replace(DESIGN, "efficiency = 0.7", "efficiency = 70.0")),
    refusal("unknown dataflow", EVALUATE, Edit::Replace(DESIGN, "[\"ws\"]", "[\"rs\"]")),
    refusal(
        "drain of a dataflow that is not listed",
        EVALUATE,
        Edit::Replace(DESIGN, "[\"ws\"]", "[\"ws\"]\nos_drain = \"blocking\""),
    ),
    refusal(
        "pixels and lanes on the columns",
        EVALUATE,
        Edit::Replace(
            DESIGN,
            "[\"ws\"]\n\n[[mac]]\nactivation = \"uint8\"\nweight = \"int8\"\nlanes = { along = \"k\", count = 1 }",
            "[\"is\"]\n\n[[mac]]\nactivation = \"uint8\"\nweight = \"int8\"\nlanes = { along = \"n\", count = 2 }",
        ),
    ),
    refusal(
        "lanes on another axis",
        EVALUATE,
        Edit::Replace(DESIGN, "lanes = { along = \"k\", count = 1 }", "lanes = { along = \"m\", count = 1 }"),
    ),
    refusal("too many arrays", EVALUATE, Edit::Replace(DESIGN, "cols = 8", "cols = 8\ncount = 65")),
    refusal(
        "unknown overflow",
        EVALUATE,
        Edit::Replace(DESIGN, "partial_sum_bits = 24", "partial_sum_bits = 24\noverflow = \"clip\""),
    ),
    refusal(
        "unknown bias",
        EVALUATE,
        Edit::Replace(DESIGN, "partial_sum_bits = 24", "partial_sum_bits = 24\nbias = \"first\""),
    ),
    refusal(
        "preloaded bias as Verilog",
        "rtl emit --hw int8-only.toml --out verilog",
        Edit::Replace(DESIGN, "partial_sum_bits = 24", "partial_sum_bits = 24\nbias = \"preload\""),
    ),
    refusal(
        "chain of two formats",
        EVALUATE,
        Edit::Replace(DESIGN, "partial_sum_bits = 24", "partial_sum_bits = 24\njoin = \"chained\""),
    ),
    refusal("later schema", EVALUATE, Edit::Replace(DESIGN, "schema_version = 1", "schema_version = 2")),
    refusal("unknown technology", EVALUATE, Edit::Replace(DESIGN, "\"technology.toml\"", "\"5nm\"")),
    refusal(
        "unknown DRAM part",
        "evaluate --hw int8-only.toml --workload untrained.toml --out report",
        Edit::Replace(DESIGN, "LPDDR4", "HBM9"),
    ),
    // Technologies.
    refusal(
        "unknown key in a technology",
        EVALUATE,
        Edit::Replace(TECHNOLOGY, "node_nm = 7", "node_nm = 7\nvoltage = 0.7"),
    ),
    refusal(
        "technology without a needed row",
        "evaluate --hw int8-only.toml --workload untrained.toml --out report",
        Edit::Replace(
            TECHNOLOGY,
            "[energy.multiplier.\"uint8,int8\".derived]",
            "[energy.multiplier.\"uint7,int8\".derived]",
        ),
    ),
    refusal(
        "technology without a needed row, simulate",
        "simulate --hw int8-only.toml --workload untrained.toml",
        Edit::Replace(
            TECHNOLOGY,
            "[energy.multiplier.\"uint8,int8\".derived]",
            "[energy.multiplier.\"uint7,int8\".derived]",
        ),
    ),
    refusal(
        "unknown base of a technology",
        EVALUATE,
        Edit::Replace(TECHNOLOGY, "schema_version = 1", "schema_version = 1\nbase = \"5nm\""),
    ),
    refusal(
        "technology based on itself",
        "cost-table --hw int8-only.toml",
        Edit::Replace(TECHNOLOGY, "schema_version = 1", "schema_version = 1\nbase = \"technology.toml\""),
    ),
    refusal("negative energy", EVALUATE, Edit::Replace(TECHNOLOGY, "pj = 0.07\n", "pj = -0.07\n")),
    // Networks.
    refusal("malformed network", EVALUATE, Edit::Replace(NETWORK, "height = 6", "height =")),
    refusal("unknown key in a network", EVALUATE, Edit::Replace(NETWORK, "family =", "familly =")),
    refusal("unknown layer operation", EVALUATE, Edit::Replace(NETWORK, "linear = {", "lstm = {")),
    refusal("later layer operation", EVALUATE, Edit::Replace(NETWORK, "linear = {", "relu = {")),
    refusal(
        "max pool with a window outside the image",
        EVALUATE,
        Edit::Replace(
            NETWORK,
            "linear = {",
            "max_pool = { kernel = [2, 2], stride = [2, 2], padding = { left = 2 } } #",
        ),
    ),
    refusal(
        "unknown depth",
        "evaluate --workload deep.toml --out report",
        Edit::Create(
            "deep.toml",
            "schema_version = 1\n[generator.resnet]\ndepth = 51\nvariant = \"v1.5\"\nclasses = 9\n\
             input = { height = 8, width = 8, channels = 3 }\npadding = \"same\"\n[precision]\ndefault = \"w8a8\"\n",
        ),
    ),
    refusal(
        "family of other shapes",
        "evaluate --workload odd.toml --out report",
        Edit::Create(
            "odd.toml",
            "schema_version = 1\narch_family = \"pre-activation\"\n[generator.resnet]\ndepth = 50\n\
             variant = \"v1.5\"\nclasses = 9\ninput = { height = 8, width = 8, channels = 3 }\n\
             padding = \"same\"\n[precision]\ndefault = \"w8a8\"\n",
        ),
    ),
    refusal(
        "layer without channels",
        EVALUATE,
        Edit::Replace(NETWORK, "out_channels = 4", "out_channels = 0"),
    ),
    refusal(
        "absurd layer",
        EVALUATE,
        Edit::Replace(NETWORK, "out_features = 3", "out_features = 9_000_000_000_000_000_000"),
    ),
    refusal(
        "kernel larger than its input",
        EVALUATE,
        Edit::Replace(NETWORK, "kernel = [3, 3]", "kernel = [9, 9]"),
    ),
    refusal("unknown precision", EVALUATE, Edit::Replace(NETWORK, "\"w4a4\"", "\"w1a4\"")),
    refusal(
        "unknown requantization",
        EVALUATE,
        Edit::Replace(NETWORK, "[precision]", "[precision]\nrequantization = \"float\""),
    ),
    refusal(
        "trace of another requantization",
        EVALUATE,
        Edit::Replace(NETWORK, "[precision]", "[precision]\nrequantization = \"f32-rne\""),
    ),
    refusal(
        "requantization without sums of integers",
        EVALUATE,
        Edit::Replace(
            NETWORK,
            "default = \"w4a4\"\nfirst = \"w8a8\"\nlast = \"w8a8\"",
            "default = \"bf16\"\nrequantization = \"f32-rne\"",
        ),
    ),
    refusal(
        "rounding without a requantization that has a choice",
        EVALUATE,
        Edit::Replace(NETWORK, "[precision]", "[precision]\nrounding = \"half-up\""),
    ),
    refusal("deviation of zero", EVALUATE, Edit::Replace(NETWORK, "std = [64.0]", "std = [0.0]")),
    refusal(
        "mean of another channel count",
        EVALUATE,
        Edit::Replace(NETWORK, "mean = [127.5]", "mean = [1.0, 2.0]"),
    ),
    refusal(
        "design without the network's operand pairs",
        "simulate --hw int8-only.toml --workload networks/tiny-4-bit.toml",
        Edit::Nothing,
    ),
    // Lists of matrix products.
    refusal("list without formats", LIST, Edit::Create("wrong.csv", "layer,m,n,k\na,1,1,1\n")),
    refusal("list without header", LIST, Edit::Create("wrong.csv", "a,1,1,1,1,int8,int8\n")),
    refusal(
        "list without products",
        LIST,
        Edit::Create("wrong.csv", "layer,m,n,k,groups,activation,weight\n"),
    ),
    refusal(
        "list with a missing field",
        LIST,
        Edit::Create("wrong.csv", "layer,m,n,k,groups,activation,weight\na,1,1,1,int8,int8\n"),
    ),
    refusal(
        "list with a wrong extent",
        LIST,
        Edit::Create("wrong.csv", "layer,m,n,k,groups,activation,weight\na,8,8,-8,1,int8,int8\n"),
    ),
    refusal(
        "list with an unknown format",
        LIST,
        Edit::Create("wrong.csv", "layer,m,n,k,groups,activation,weight\n# a\na,8,8,8,1,int8,fp8\n"),
    ),
    refusal(
        "list with a half-float pair",
        LIST,
        Edit::Create("wrong.csv", "layer,m,n,k,groups,activation,weight\na,8,8,8,1,bf16,int8\n"),
    ),
    refusal(
        "list with a name taken twice",
        LIST,
        Edit::Create(
            "wrong.csv",
            "layer,m,n,k,groups,activation,weight\na,8,8,8,1,int8,int8\na,8,8,8,1,int8,int8\n",
        ),
    ),
    refusal(
        "list with a huge matrix",
        LIST,
        Edit::Create(
            "wrong.csv",
            "layer,m,n,k,groups,activation,weight\na,16777216,8,16777216,1,int8,int8\n",
        ),
    ),
    // Execution.
    refusal(
        "execution of matrix products",
        "execute --hw edge-32x32 --workload products.csv",
        Edit::Create("products.csv", "layer,m,n,k,groups,activation,weight\na,8,8,8,1,int8,int8\n"),
    ),
    refusal(
        "execution on a design without the network's operand pairs",
        "execute --hw int8-only.toml --workload networks/tiny-4-bit.toml --out values.safetensors",
        Edit::Nothing,
    ),
    refusal(
        "execution without a trace",
        "execute --hw edge-32x32 --workload resnet8-width4-w8a8",
        Edit::Nothing,
    ),
    refusal(
        "samples that are no range",
        "execute --hw edge-32x32 --workload untrained.toml --samples 5..5",
        Edit::Nothing,
    ),
    refusal(
        "samples of no set",
        "execute --hw edge-32x32 --workload untrained.toml --samples 0..5",
        Edit::Nothing,
    ),
    refusal(
        "samples beyond the set",
        "execute --hw edge-32x32 --workload networks/tiny-bf16.toml --samples 9..17",
        Edit::Nothing,
    ),
    refusal(
        "missing images",
        "execute --hw edge-32x32 --workload untrained.toml --input none.npz",
        Edit::Nothing,
    ),
    refusal(
        "pixels without normalization",
        "execute --hw int8-only.toml --workload untrained.toml --input networks/images.safetensors",
        Edit::Nothing,
    ),
    refusal(
        "images that are a trace",
        "execute --hw edge-32x32 --workload networks/tiny-bf16.toml --input networks/tiny-bf16.safetensors",
        Edit::Nothing,
    ),
    refusal(
        "truncated array",
        "execute --hw edge-32x32 --workload untrained.toml --input images.npz",
        Edit::Create("images.npz", "PK\u{3}\u{4}"),
    ),
    refusal(
        "values over somebody's file",
        "execute --hw edge-32x32 --workload networks/tiny-bf16.toml --out networks/tiny-bf16.safetensors",
        Edit::Nothing,
    ),
    refusal(
        "values into a missing folder",
        "execute --hw edge-32x32 --workload networks/tiny-bf16.toml --out none/values.safetensors",
        Edit::Nothing,
    ),
    // Traces.
    refusal("truncated trace", EVALUATE, Edit::Truncate(TRACE, 1000)),
    refusal("empty trace", EVALUATE, Edit::Truncate(TRACE, 0)),
    refusal(
        "trace of another shape",
        EVALUATE,
        Edit::Tensors(TRACE, |tensors| {
            tensors.get_mut("body.weight").unwrap().1 = vec![4, 3, 4, 3];
        }),
    ),
    refusal(
        "trace of another type",
        EVALUATE,
        Edit::Tensors(TRACE, |tensors| {
            tensors.get_mut("body.weight").unwrap().0 = Dtype::U8;
        }),
    ),
    refusal(
        "trace of a type nothing uses",
        EVALUATE,
        Edit::Tensors(TRACE, |tensors| {
            tensors.insert("fc.bias".to_owned(), (Dtype::F64, vec![3], vec![0; 24]));
        }),
    ),
    refusal(
        "4-bit weight of 8",
        EVALUATE,
        Edit::Tensors(TRACE, |tensors| {
            tensors.get_mut("body.weight").unwrap().2[5] = 8;
        }),
    ),
    refusal(
        "trace without a tensor",
        EVALUATE,
        Edit::Tensors(TRACE, |tensors| {
            tensors.remove("body.bias");
        }),
    ),
    refusal(
        "trace with a tensor too many",
        EVALUATE,
        Edit::Tensors(TRACE, |tensors| {
            tensors.insert("head.bias".to_owned(), (Dtype::F32, vec![1], vec![0; 4]));
        }),
    ),
    refusal(
        "scale that is not a number",
        EVALUATE,
        Edit::Tensors(TRACE, |tensors| {
            tensors.get_mut("body.input.scale").unwrap().2 = f32::NAN.to_le_bytes().to_vec();
        }),
    ),
    refusal(
        "scale of zero",
        EVALUATE,
        Edit::Tensors(TRACE, |tensors| {
            tensors.get_mut("body.input.scale").unwrap().2 = vec![0; 4];
        }),
    ),
    refusal(
        "infinite multiplier",
        EVALUATE,
        Edit::Tensors(TRACE, |tensors| {
            tensors.get_mut("fc.multiplier").unwrap().2[4..8].copy_from_slice(&f32::INFINITY.to_le_bytes());
        }),
    ),
    // Evaluation sets and predictions.
    refusal(
        "images of another shape",
        EVALUATE,
        Edit::Tensors(IMAGES, |tensors| {
            tensors.get_mut("images").unwrap().1 = vec![16, 4, 9, 1];
        }),
    ),
    refusal(
        "images of another type",
        EVALUATE,
        Edit::Tensors(IMAGES, |tensors| {
            tensors.get_mut("images").unwrap().0 = Dtype::I8;
        }),
    ),
    refusal(
        "one label too few",
        EVALUATE,
        Edit::Tensors(IMAGES, |tensors| {
            tensors.insert("labels".to_owned(), (Dtype::U8, vec![15], vec![0; 15]));
        }),
    ),
    refusal(
        "label beyond the classes",
        EVALUATE,
        Edit::Tensors(IMAGES, |tensors| {
            tensors.get_mut("labels").unwrap().2[7] = 3;
        }),
    ),
    refusal(
        "no labels",
        EVALUATE,
        Edit::Tensors(IMAGES, |tensors| {
            tensors.remove("labels");
        }),
    ),
    refusal(
        "no images",
        EVALUATE,
        Edit::Tensors(IMAGES, |tensors| {
            tensors.insert("images".to_owned(), (Dtype::U8, vec![0, 6, 6, 1], vec![]));
            tensors.insert("labels".to_owned(), (Dtype::U8, vec![0], vec![]));
        }),
    ),
    refusal("truncated images", EVALUATE, Edit::Truncate(IMAGES, 700)),
    refusal("one prediction too few", EVALUATE, Edit::Truncate(PREDICTIONS, 15)),
    // Golden vectors of a fold.
    refusal(
        "a fold without a format",
        "execute --hw edge-32x32 --workload networks/tiny-4-bit.toml --out fold --dump-fold body:0",
        Edit::Nothing,
    ),
    refusal(
        "a fold of a pool",
        "execute --hw edge-32x32 --workload networks/tiny-4-bit.toml --out fold --dump-fold pool:0 --format memh",
        Edit::Nothing,
    ),
    refusal(
        "a fold that is not there",
        "execute --hw edge-32x32 --workload networks/tiny-4-bit.toml --out fold --dump-fold body:9 --format memh",
        Edit::Nothing,
    ),
    refusal(
        "a fold without a layer",
        "execute --hw edge-32x32 --workload networks/tiny-4-bit.toml --out fold --dump-fold 7 --format memh",
        Edit::Nothing,
    ),
    refusal(
        "memh without a fold",
        "execute --hw edge-32x32 --workload networks/tiny-4-bit.toml --format memh",
        Edit::Nothing,
    ),
    refusal("quantized without samples", "import onnx none.onnx --out q --quantize w8a8", Edit::Nothing),
    // Tables of points.
    refusal("missing table of points", "pareto points.csv", Edit::Nothing),
    refusal(
        "points without latency",
        PARETO,
        Edit::Create(POINTS, "design,network,precision,top1_percent\n"),
    ),
    refusal(
        "a point's energy is none",
        PARETO,
        Edit::Create(POINTS, concat!(points_header!(), "a,b,c,9,1,NaN\n")),
    ),
    refusal(
        "a point without a design",
        PARETO,
        Edit::Create(POINTS, concat!(points_header!(), ",b,c,9,1,2\n")),
    ),
    refusal("no point", PARETO, Edit::Create(POINTS, points_header!())),
    refusal("an endless budget", "pareto points.csv --max-energy-uj inf", Edit::Nothing),
    // Output folders.
    refusal(
        "failure after the output folder was checked",
        "evaluate --hw int8-only.toml --workload untrained.toml --out deep/er/report",
        Edit::Replace(DESIGN, "LPDDR4", "HBM9"),
    ),
    refusal("output without a name", "evaluate --workload networks --out . --force", Edit::Nothing),
    refusal("output under a file", "evaluate --workload networks --out int8-only.toml/report", Edit::Nothing),
    refusal("output is a file", "evaluate --workload networks --out int8-only.toml", Edit::Nothing),
    refusal("output is somebody else's folder", "evaluate --workload networks --out networks", Edit::Nothing),
];

#[test]
fn without_trace_or_images_costs_are_given_and_the_reason() {
    for missing in [TRACE, IMAGES] {
        let folder = tempfile::tempdir().unwrap();
        copy(Path::new(FIXTURE), folder.path());
        fs::remove_file(folder.path().join(missing)).unwrap();
        let output = systolab(folder.path(), &format!("{EVALUATE} --format csv"));
        assert_eq!(output.status.code(), Some(0), "{missing}: {}", String::from_utf8_lossy(&output.stderr));
        let points = String::from_utf8(output.stdout).unwrap();
        assert!(points.contains("costs only: no such file: "), "{missing}: {points}");
        assert!(points.contains(missing.rsplit('/').next().unwrap()), "{missing}: {points}");
    }
}

#[test]
fn bad_input_is_refused_and_nothing_is_written() {
    let mut messages = String::new();
    for Refusal { what, arguments, edit } in REFUSALS {
        let folder = tempfile::tempdir().unwrap();
        copy(Path::new(FIXTURE), folder.path());
        edit.apply(folder.path());
        let before = files(folder.path());
        let output = systolab(folder.path(), arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{what}: {message}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "{what}");
        assert!(files(folder.path()) == before, "{what}: files were changed");
        write!(messages, "# {what}\n$ systolab {arguments}\n{message}\n").unwrap();
    }
    if blessing() {
        fs::write(REFUSED, &messages).unwrap();
    }
    let expected = fs::read_to_string(REFUSED).unwrap_or_default();
    let (expected, actual) = (sections(&expected), sections(&messages));
    for (what, actual) in &actual {
        let expected = expected.get(what).copied().unwrap_or("nothing yet; BLESS=1 adds it\n");
        assert!(expected == *actual, "{what}\nexpected: {expected}\nfound: {actual}");
    }
    assert_eq!(expected.len(), actual.len(), "{REFUSED} has a message of no row; BLESS=1 removes it");
}

#[test]
fn a_foreign_folder_is_replaced_when_forced_and_ours_always() {
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(FIXTURE), folder.path());
    fs::create_dir(folder.path().join("report")).unwrap();
    fs::write(folder.path().join("report/thesis.tex"), "years of work").unwrap();
    assert_eq!(systolab(folder.path(), EVALUATE).status.code(), Some(2));
    assert_eq!(systolab(folder.path(), &format!("{EVALUATE} --force")).status.code(), Some(0));
    assert!(!folder.path().join("report/thesis.tex").exists());
    fs::write(folder.path().join("report/stale.svg"), "").unwrap();
    assert_eq!(systolab(folder.path(), EVALUATE).status.code(), Some(0));
    assert!(!folder.path().join("report/stale.svg").exists());
}

#[test]
fn executed_values_are_written_by_layer_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(FIXTURE), folder.path());
    let run = |arguments: &str| {
        let output = systolab(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let execute = "execute --hw edge-32x32 --workload networks/tiny-4-bit.toml";
    run(&format!("{execute} --out all.safetensors"));
    run(&format!("{execute} --samples 4..6 --out some.safetensors --accumulators"));
    run(&format!("{execute} --samples 4..6 --out some.safetensors --accumulators"));
    let (all, some) = (
        fs::read(folder.path().join("all.safetensors")).unwrap(),
        fs::read(folder.path().join("some.safetensors")).unwrap(),
    );
    let (all, some) = (SafeTensors::deserialize(&all).unwrap(), SafeTensors::deserialize(&some).unwrap());
    let mut names = all.names();
    names.sort_unstable();
    assert_eq!(names, ["body", "fc", "image", "pool", "stem"]);
    assert_eq!(some.len(), 5 + 3);
    for (name, dtype, shape) in [
        ("image", Dtype::I8, &[16, 6, 6, 1][..]),
        ("stem", Dtype::U8, &[16, 6, 6, 4]),
        ("body", Dtype::BF16, &[16, 2, 2, 4]),
        ("pool", Dtype::U8, &[16, 4]),
        ("fc", Dtype::F32, &[16, 3]),
    ] {
        let (whole, part) = (all.tensor(name).unwrap(), some.tensor(name).unwrap());
        assert_eq!((whole.dtype(), whole.shape()), (dtype, shape), "{name}");
        let bytes = whole.data().len() / 16;
        assert!(part.data() == &whole.data()[4 * bytes..6 * bytes], "{name}: other bits in another batch");
    }
    let accumulators = some.tensor("fc.accumulator").unwrap();
    assert_eq!((accumulators.dtype(), accumulators.shape()), (Dtype::I32, &[2, 3][..]));
}

impl Edit {
    fn apply(&self, folder: &Path) {
        match self {
            Self::Nothing => {}
            Self::Replace(file, from, to) => {
                let text = fs::read_to_string(folder.join(file)).unwrap();
                assert!(text.contains(from), "{file} does not contain {from}");
                fs::write(folder.join(file), text.replacen(from, to, 1)).unwrap();
            }
            Self::Create(file, text) => {
                let file = folder.join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            Self::Remove(file) => fs::remove_file(folder.join(file)).unwrap(),
            Self::Truncate(file, length) => {
                let bytes = fs::read(folder.join(file)).unwrap();
                fs::write(folder.join(file), &bytes[..*length]).unwrap();
            }
            Self::Tensors(file, edit) => edit_tensors(&folder.join(file), *edit),
        }
    }
}

fn edit_tensors(path: &Path, edit: fn(&mut Tensors)) {
    let bytes = fs::read(path).unwrap();
    let mut tensors: Tensors = SafeTensors::deserialize(&bytes)
        .unwrap()
        .iter()
        .map(|(name, view)| (name.to_owned(), (view.dtype(), view.shape().to_vec(), view.data().to_vec())))
        .collect();
    edit(&mut tensors);
    let views = tensors
        .iter()
        .map(|(name, (dtype, shape, data))| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn systolab(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_systolab"))
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .env_remove("SYSTOLAB_WORKLOADS")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn copy(from: &Path, to: &Path) {
    for (file, bytes) in files(from) {
        let path = to.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// Every file under `folder` with its content; an empty folder counts as one.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let paths: Vec<PathBuf> = fs::read_dir(&next).unwrap().map(|entry| entry.unwrap().path()).collect();
        if paths.is_empty() {
            found.insert(next.strip_prefix(folder).unwrap().to_owned(), vec![]);
        }
        for path in paths {
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// From `# what` to the command and its message.
fn sections(text: &str) -> BTreeMap<&str, &str> {
    text.strip_prefix("# ")
        .into_iter()
        .flat_map(|text| text.split("\n# "))
        .filter_map(|section| section.split_once('\n'))
        .map(|(what, section)| (what, section.trim_end()))
        .collect()
}
