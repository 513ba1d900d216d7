//! How long does it take to map, time and price ResNet-50 on a design? `cargo bench --bench simulate`
//!
//! One core, everything in memory, nothing kept from one run to the next; an item is one request (cold,
//! batch 1). `simulate` is what the command does, layer by layer; `points` are cycles and energy of the
//! whole, on designs that all differ, by two threads.

#![allow(clippy::unwrap_used)]

use divan::Bencher;
use divan::counter::ItemsCount;
use systolab::cost::{SHIPPED_TECHNOLOGIES, Technology};
use systolab::explore::map_network;
use systolab::explore::{Design, Regime, energy, simulate};
use systolab::hardware::{Accelerator, SHIPPED};
use systolab::source::SourceFile;
use systolab::timing::time_network;
use systolab::workload::{self, Workload};

fn main() {
    divan::main();
}

fn text(shipped: &[(&str, &'static str)], name: &str) -> &'static str {
    shipped.iter().find(|(shipped, _)| *shipped == name).unwrap().1
}

fn design(text: &str) -> Design {
    let accelerator = Accelerator::parse(&SourceFile::embedded("d.toml", text)).unwrap();
    let technology =
        SourceFile::embedded("t.toml", self::text(&SHIPPED_TECHNOLOGIES, accelerator.technology()));
    Design {
        technology: Technology::parse(&technology).unwrap(),
        technology_sha256: technology.sha256(),
        accelerator,
    }
}

fn resnet50() -> Workload {
    Workload::parse(&SourceFile::embedded("n.toml", text(workload::SHIPPED, "resnet50-w8a8"))).unwrap()
}

#[divan::bench(args = SHIPPED.iter().map(|(name, _)| *name))]
fn one(bencher: Bencher<'_, '_>, name: &str) {
    let (design, workload) = (design(text(SHIPPED, name)), resnet50());
    bencher
        .counter(ItemsCount::new(1u32))
        .bench_local(|| simulate(&design, &workload, 1, Regime::Cold).unwrap());
}

/// Designs between the shipped edge and datacenter designs: rows, columns and scratchpads differ.
fn designs() -> Vec<Design> {
    let mut designs = Vec::new();
    for rows in [32, 48, 64, 96, 128] {
        for cols in [32, 40, 56, 64, 80, 96, 112, 128] {
            for kib in [512, 768, 1024, 1536, 2048] {
                let text = text(SHIPPED, "edge-32x32")
                    .replace("rows = 32", &format!("rows = {rows}"))
                    .replace("cols = 32", &format!("cols = {cols}"))
                    .replace("131_072", &format!("{}", kib * 1024));
                designs.push(design(&text));
            }
        }
    }
    designs
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn points(bencher: Bencher<'_, '_>) {
    let (designs, workload) = (designs(), resnet50());
    let network = workload.network();
    let point = |design: &Design| {
        let accelerator = &design.accelerator;
        let mapped = map_network(network, accelerator, 1).unwrap();
        energy(&time_network(network, &mapped, accelerator, Regime::Cold), design).unwrap()
    };
    bencher.counter(ItemsCount::new(designs.len())).bench_local(|| {
        std::thread::scope(|scope| {
            for half in designs.chunks(designs.len().div_ceil(2)) {
                scope.spawn(|| half.iter().for_each(|design| drop(divan::black_box(point(design)))));
            }
        });
    });
}
