//! Are areas those of Yosys, and the family of technology files made of them?

use std::path::Path;

use systolab::cost::Technology;
use systolab::hardware::{Accelerator, SHIPPED};
use systolab::mapping::Dataflow;
use systolab::numerics::OperandPair;
use systolab::rtl::{Generated, Part, Tool};
use systolab::source::SourceFile;

use super::{SMALLER, design};

const OSU018: &str = "/usr/share/qflow/tech/osu018/osu018_stdcells.lib";

fn synthesis_is_there() -> bool {
    let missing = Tool::Yosys.version().err().map(|error| error.to_string());
    let no_cells = || (!Path::new(OSU018).exists()).then(|| "qflow-tech-osu018 is not installed".to_owned());
    let Some(missing) = missing.or_else(no_cells) else { return true };
    let required = std::env::var("SYSTOLAB_REQUIRED_TOOLS").unwrap_or_default();
    assert!(!required.contains("yosys"), "{missing}");
    eprintln!("skipped: {missing}");
    false
}

fn pair(activation: &str, weight: &str) -> OperandPair {
    OperandPair::new(activation.parse().unwrap(), weight.parse().unwrap()).unwrap()
}

#[test]
fn areas_are_those_of_yosys() {
    if !synthesis_is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let generated = Generated::new(&design("edge-16x16", &SMALLER), Dataflow::Ws).unwrap();
    let area = |format, bits, part| {
        let one = generated.with_pair(pair(format, format)).with_sum_bits(bits).unwrap();
        one.synthesize(part, Path::new(OSU018), folder.path()).unwrap().area
    };
    let pe = area("int8", 24, Part::Pe);
    // Yosys by hand gave 29,455 µm² for a PE without shadow and link registers.
    assert!((25_000.0..45_000.0).contains(&pe), "{pe}");
    // More bits, more area: a multiplexer of operand pairs once cost more than the MACs in some widths.
    let widths = [16, 20, 22, 24, 26, 32].map(|bits| area("int8", bits, Part::Macs));
    assert!(widths.is_sorted() && widths[5] < 1.3 * widths[0], "{widths:?}");
    // Two lanes of 4 bits.
    assert!(area("int4", 16, Part::Pe) < pe);
    assert!(widths[3] < pe);
    // Nine PEs and the skew registers.
    assert!(area("int8", 24, Part::Array) > 9.0 * pe);
}

const FAMILY: &str = "hw-configs/technology/osu018-yosys.toml";

/// One MAC of the pair, of one lane.
fn one_mac(activation: &str, weight: &str, bits: u8) -> Generated {
    let sums = if bits == 16 { "partial_sum = \"bf16\"" } else { "partial_sum = \"f32\"" };
    let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == "edge-16x16").unwrap();
    let start = text.find("[[mac]]").unwrap();
    let end = text.find("[scratchpad.activation]").unwrap();
    let mac = match activation {
        "bf16" => format!("{sums}\naccumulator = \"f32\"\nrounding = \"rne\"\nsubnormals = \"keep\""),
        _ => format!("partial_sum_bits = {bits}\naccumulator_bits = 32"),
    };
    let lanes = "lanes = { along = \"k\", count = 1 }";
    let text = format!(
        "{}[[mac]]\nactivation = \"{activation}\"\nweight = \"{weight}\"\n{lanes}\n{mac}\n\n{}",
        &text[..start],
        &text[end..]
    );
    let design = Accelerator::parse(&SourceFile::embedded("d.toml", &text)).unwrap();
    Generated::new(&design, Dataflow::Ws).unwrap()
}

/// A few rows of the family, made again; `BLESS=1` writes them all.
#[test]
fn the_familys_areas_are_made_again() {
    let text = std::fs::read_to_string(FAMILY).unwrap();
    let technology = Technology::parse(&SourceFile::embedded("osu018-yosys", &text)).unwrap();
    assert!(technology.mac_areas().count() >= 80);
    if !synthesis_is_there() {
        return;
    }
    if let Some(untested) = Tool::Yosys.version().unwrap().untested() {
        eprintln!("skipped: {untested}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let um2 = |activation: &str, weight: &str, bits: u8| {
        let mac = one_mac(activation, weight, bits);
        mac.synthesize(Part::Macs, Path::new(OSU018), folder.path()).unwrap().area.round()
    };
    let bless = std::env::var_os("BLESS").is_some();
    let sample = [("int8", "int8", 24), ("uint4", "int4", 16), ("uint8", "int4", 20), ("bf16", "bf16", 16)];
    let rows: Vec<(String, String, u8)> = technology
        .mac_areas()
        .filter_map(|(pair, bits, _)| Some((pair.activation().to_string(), pair.weight().to_string(), bits?)))
        .filter(|(activation, weight, bits)| bless || sample.contains(&(activation, weight, *bits)))
        .collect();
    assert!(rows.len() >= sample.len());
    let relative_to = um2("int8", "int8", 24);
    let mut new = text.clone();
    for (activation, weight, bits) in &rows {
        let found = um2(activation, weight, *bits);
        let key = format!("[area.mac.\"{activation},{weight},{bits}\".row]\num2 = ");
        let at = new.find(&key).unwrap() + key.len();
        let end = at + new[at..].find('\n').unwrap();
        new.replace_range(at..end, &format!("{found} # {:.2}", found / relative_to));
    }
    if bless {
        std::fs::write(FAMILY, &new).unwrap();
    } else {
        assert!(new == text, "{FAMILY}: other areas; `BLESS=1 cargo test --test rtl family` writes them");
    }
}

/// A design that names the family has areas of MACs, and no energy instead of zero.
#[test]
fn a_design_of_the_family_has_areas_and_no_energy() {
    let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == "edge-16x16").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let design = folder.path().join("d.toml");
    std::fs::write(&design, text.replace("technology = \"7nm\"", "technology = \"osu018-yosys\"")).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_systolab"));
        command.args(arguments).args(["--hw", design.to_str().unwrap()]).output().unwrap()
    };
    let table = run(&["cost-table", "--format", "csv"]);
    let said = String::from_utf8(table.stdout).unwrap();
    assert_eq!(table.status.code(), Some(0), "{}", String::from_utf8_lossy(&table.stderr));
    assert!(
        said.contains("area.mac.\"\"int8,int8,20\"\"") && said.contains("only ratios of MAC areas"),
        "{said}"
    );
    assert!(!said.contains(",pJ,"), "{said}");
    let refused = run(&["simulate", "--workload", "resnet8-width4-w8a8"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(said.contains("technology `osu018-yosys` has areas only, no energy"), "{said}");
}
