//! The three report files, character for character.

use rayon::prelude::*;

use super::compute::{ComputeColumns, compute_columns};
use super::configuration::Configuration;
use super::error::ScaleSimError;
use super::layer::Layer;
use super::memory::{Accesses, MemoryColumns, memory_columns};
use super::python_float::repr;

const COMPUTE_HEADER: &str = "LayerID, Total Cycles (incl. prefetch), Total Cycles, Stall Cycles, Overall Util %, \
                              Mapping Efficiency %, Compute Util %,\n";
const BANDWIDTH_HEADER: &str = "LayerID, Avg IFMAP SRAM BW, Avg FILTER SRAM BW, Avg OFMAP SRAM BW, \
                                Avg IFMAP DRAM BW, Avg FILTER DRAM BW, Avg OFMAP DRAM BW,\n";
const DETAILED_ACCESS_HEADER: &str = "LayerID, \
     SRAM IFMAP Start Cycle, SRAM IFMAP Stop Cycle, SRAM IFMAP Reads, \
     SRAM Filter Start Cycle, SRAM Filter Stop Cycle, SRAM Filter Reads, \
     SRAM OFMAP Start Cycle, SRAM OFMAP Stop Cycle, SRAM OFMAP Writes, \
     DRAM IFMAP Start Cycle, DRAM IFMAP Stop Cycle, DRAM IFMAP Reads, \
     DRAM Filter Start Cycle, DRAM Filter Stop Cycle, DRAM Filter Reads, \
     DRAM OFMAP Start Cycle, DRAM OFMAP Stop Cycle, DRAM OFMAP Writes,\n";

/// All columns of one layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerReport {
    /// In closed form.
    pub compute: ComputeColumns,
    /// From serving every demand.
    pub memory: MemoryColumns,
    macs: u64,
    pes: u64,
}

/// Text of the report files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reports {
    /// COMPUTE_REPORT.csv.
    pub compute: String,
    /// BANDWIDTH_REPORT.csv.
    pub bandwidth: String,
    /// DETAILED_ACCESS_REPORT.csv.
    pub detailed_access: String,
}

/// Runs one layer.
pub fn run_layer(layer: &Layer, configuration: &Configuration) -> Result<LayerReport, ScaleSimError> {
    let memory = memory_columns(layer, configuration)?;
    Ok(LayerReport {
        compute: compute_columns(layer, configuration),
        memory,
        macs: layer.macs(),
        pes: configuration.rows * configuration.cols,
    })
}

/// Runs all layers; `progress` is called after each.
pub fn run(
    layers: &[Layer],
    configuration: &Configuration,
    progress: impl Fn() + Sync,
) -> Result<Reports, ScaleSimError> {
    let layers: Vec<LayerReport> = layers
        .par_iter()
        .map(|layer| {
            let report = run_layer(layer, configuration);
            progress();
            report
        })
        .collect::<Result<_, _>>()?;
    let file = |header: &str, columns: fn(&LayerReport) -> Vec<String>| {
        layers.iter().enumerate().fold(header.to_owned(), |text, (id, layer)| {
            format!("{text}{id}, {},\n", columns(layer).join(", "))
        })
    };
    Ok(Reports {
        compute: file(COMPUTE_HEADER, LayerReport::compute),
        bandwidth: file(BANDWIDTH_HEADER, LayerReport::bandwidth),
        detailed_access: file(DETAILED_ACCESS_HEADER, LayerReport::detailed_access),
    })
}

impl LayerReport {
    /// Index of the last cycle with the time before the first and after the last, which DRAM takes.
    pub fn cycles_with_prefetch(&self) -> i64 {
        let MemoryColumns { ifmap_dram, filter_dram, ofmap_dram, .. } = self.memory;
        ofmap_dram.stop - ifmap_dram.start.min(filter_dram.start)
    }

    /// In percent.
    pub fn overall_utilization(&self) -> f64 {
        (self.macs * 100) as f64 / (u128::from(self.memory.cycles) * u128::from(self.pes)) as f64
    }

    fn compute(&self) -> Vec<String> {
        vec![
            self.cycles_with_prefetch().to_string(),
            self.memory.cycles.to_string(),
            self.memory.stalls.to_string(),
            repr(self.overall_utilization()),
            repr(self.compute.mapping_efficiency),
            repr(self.compute.compute_utilization),
        ]
    }

    fn bandwidth(&self) -> Vec<String> {
        let sram = |count: u64| repr(count as f64 / self.memory.cycles as f64);
        let dram =
            |accesses: Accesses| repr(accesses.count as f64 / (accesses.stop - accesses.start + 1) as f64);
        vec![
            sram(self.compute.ifmap_reads),
            sram(self.compute.filter_reads),
            sram(self.compute.ofmap_writes),
            dram(self.memory.ifmap_dram),
            dram(self.memory.filter_dram),
            dram(self.memory.ofmap_dram),
        ]
    }

    fn detailed_access(&self) -> Vec<String> {
        let sram = |(start, stop): (i64, i64), count| Accesses { start, stop, count };
        [
            sram(self.memory.ifmap_sram, self.compute.ifmap_reads),
            sram(self.memory.filter_sram, self.compute.filter_reads),
            sram(self.memory.ofmap_sram, self.compute.ofmap_writes),
            self.memory.ifmap_dram,
            self.memory.filter_dram,
            self.memory.ofmap_dram,
        ]
        .into_iter()
        .flat_map(|Accesses { start, stop, count }| {
            [repr(start as f64), repr(stop as f64), count.to_string()]
        })
        .collect()
    }
}
