//! What would it cost the shipped designs if the layout of their scratchpads were counted? docs/banks.md, written by
//! `BLESS=1`.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use systolab::explore::map_network;
use systolab::hardware::{Accelerator, SHIPPED};
use systolab::source::SourceFile;
use systolab::timing::{NetworkTiming, Regime, time_network};
use systolab::workload::Workload;

const PAGE: &str = "docs/banks.md";
const NETWORKS: [&str; 3] = ["resnet50-w8a8", "resnet50-w4a4", "resnet50-bf16"];

/// A shipped design with one layout for its tensors and one for weights and sums; None where that is refused.
fn design(text: &str, tensors: &str, others: &str) -> Option<Accelerator> {
    let mut table: toml::Table = text.parse().unwrap();
    let scratchpads = table["scratchpad"].as_table_mut().unwrap();
    for (name, layout) in [("activation", tensors), ("weight", others), ("accumulator", others)] {
        let scratchpad = scratchpads[name].as_table_mut().unwrap();
        scratchpad.insert("layout".into(), layout.into());
    }
    Accelerator::parse(&SourceFile::embedded("d.toml", &toml::to_string(&table).unwrap())).ok()
}

fn time(network: &Workload, design: &Accelerator) -> Option<NetworkTiming> {
    let mapped = map_network(network.costed_network(), design, 1).ok()?;
    Some(time_network(network.costed_network(), &mapped, design, Regime::Cold))
}

fn page() -> String {
    let mut page = String::from(
        "# What banks cost\n\nWritten by `BLESS=1 cargo test --test banks`; the test fails where the page is stale. Cold requests of \
         one image, cycles over\nthose with `layout = \"ideal\"`, which the shipped designs leave at its default. `spread`: bandwidth \
         alone, all three\nscratchpads. `pixels`: bank conflicts of the tensors (docs/formats.md), the other two spread. –: not counted \
         for\nthe design's dataflows.\n\n| design | network | spread | pixels | waits of the worst layer, pixels |\n|---|---|--:|--:|---|\n",
    );
    for (name, text) in SHIPPED {
        for network_name in NETWORKS {
            let path = Path::new("workloads").join(format!("{network_name}.toml"));
            let network = Workload::parse(&SourceFile::read(&path).unwrap()).unwrap();
            let time_with = |tensors, others| time(&network, &design(text, tensors, others)?);
            let Some(ideal) = time_with("ideal", "ideal") else { continue };
            let over =
                |timing: &NetworkTiming| format!("{:.3}", timing.cycles.0 as f64 / ideal.cycles.0 as f64);
            let spread = time_with("spread", "spread").unwrap();
            let pixels = time_with("pixels", "spread");
            let worst = pixels.as_ref().map_or("–".to_owned(), |timing| {
                let worst = timing.layers.iter().max_by_key(|layer| layer.bank_waits).unwrap();
                match worst.bank_waits.0 {
                    0 => "none".to_owned(),
                    waits => {
                        format!("{}: {waits} beside {} of the array", worst.name, worst.compute_cycles.0)
                    }
                }
            });
            let pixels = pixels.map_or("–".to_owned(), |timing| over(&timing));
            writeln!(page, "| {name} | {network_name} | {} | {pixels} | {worst} |", over(&spread)).unwrap();
        }
    }
    page
}

#[test]
fn the_page_is_todays() {
    let page = page();
    if std::env::var_os("BLESS").is_some() {
        fs::write(PAGE, &page).unwrap();
    }
    assert_eq!(fs::read_to_string(PAGE).unwrap_or_default(), page, "BLESS=1 cargo test --test banks");
}
