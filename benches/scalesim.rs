//! How long do SCALE-Sim's columns of ResNet-50 take on one core? `cargo bench --bench scalesim [FILTER]`
//!
//! `compute`: the columns in closed form, all 54 layers on 32×32. `memory`: the columns that serve every demand, with
//! 64 kB SRAMs, in CALC mode and in USER mode at 10 words per cycle.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use divan::Bencher;
use systolab::explore::scalesim_layers;
use systolab::scalesim::{Bandwidth, Configuration, Dataflow, Layer, Sram, compute_columns, memory_columns};
use systolab::workload::Workload;

const DATAFLOWS: [Dataflow; 3] =
    [Dataflow::WeightStationary, Dataflow::OutputStationary, Dataflow::InputStationary];
const CALC: Bandwidth = Bandwidth::Calculated;
const USER: Bandwidth = Bandwidth::Requested { ifmap: 10, filter: 10, ofmap: 10 };

fn main() {
    divan::main();
}

fn resnet50() -> Vec<Layer> {
    scalesim_layers(Workload::read(Path::new("workloads/resnet50-w8a8.toml")).unwrap().network()).unwrap()
}

fn configuration(dataflow: Dataflow, bandwidth: Bandwidth) -> Configuration {
    Configuration {
        run_name: "bench".to_owned(),
        rows: 32,
        cols: 32,
        dataflow,
        sram: Sram { ifmap_bytes: 65536, filter_bytes: 65536, ofmap_bytes: 65536 },
        bandwidth,
        warnings: vec![],
    }
}

#[divan::bench(args = DATAFLOWS)]
fn compute(bencher: Bencher<'_, '_>, dataflow: Dataflow) {
    let (layers, configuration) = (resnet50(), configuration(dataflow, CALC));
    bencher.bench(|| layers.iter().map(|layer| compute_columns(layer, &configuration).cycles).sum::<u64>());
}

#[divan::bench(args = DATAFLOWS, sample_count = 5, sample_size = 1)]
fn memory_calc(bencher: Bencher<'_, '_>, dataflow: Dataflow) {
    memory(bencher, &configuration(dataflow, CALC));
}

#[divan::bench(args = DATAFLOWS, sample_count = 5, sample_size = 1)]
fn memory_user(bencher: Bencher<'_, '_>, dataflow: Dataflow) {
    memory(bencher, &configuration(dataflow, USER));
}

fn memory(bencher: Bencher<'_, '_>, configuration: &Configuration) {
    let layers = resnet50();
    bencher.bench(|| {
        layers.iter().map(|layer| memory_columns(layer, configuration).unwrap().cycles).sum::<u64>()
    });
}
