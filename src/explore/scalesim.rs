//! SCALE-Sim's numbers for a network of ours, beside our own.

use crate::hardware::{Accelerator, Dataflow};
use crate::scalesim::{self, Bandwidth, Configuration, LayerReport, ScaleSimError, Shape, Sram, run_layer};
use crate::workload::{Convolution, FeatureMap, Layer, Network, Operation, Size, Window, Workload};

use super::evaluate::Design;
use super::point::Regime;
use super::simulate::{SimulatedLayer, Simulation, SimulationError, simulate};

/// Why SCALE-Sim has no numbers for a network.
#[derive(Debug, thiserror::Error)]
pub enum NotForScaleSim {
    /// SCALE-Sim has no such thing.
    #[error("layer `{layer}`: SCALE-Sim has no {what}; choose another --timing")]
    Feature {
        /// The layer.
        layer: String,
        /// What it lacks.
        what: &'static str,
    },
    /// More than one image.
    #[error("--batch {batch}: SCALE-Sim has no batch; expected 1")]
    Batch {
        /// Images asked for.
        batch: u64,
    },
    /// An extent or a product of extents is too large.
    #[error("layer `{layer}`: {message}")]
    Extent {
        /// The layer.
        layer: String,
        /// What is too large.
        message: String,
    },
    /// It would crash, or too much is asked for.
    #[error(transparent)]
    Run(#[from] ScaleSimError),
}

/// A request timed by SCALE-Sim 3.0.0 and by our own model.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaleSimComparison {
    /// What SCALE-Sim would be given as configuration.
    pub configuration: Configuration,
    /// The design's clock, which SCALE-Sim does not have.
    pub frequency_hz: u64,
    /// Ours.
    pub ours: Simulation,
    /// Layers that SCALE-Sim has, in execution order.
    pub layers: Vec<ComparedLayer>,
}

/// One layer in both models.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparedLayer {
    /// Ours.
    pub ours: SimulatedLayer,
    /// SCALE-Sim's columns of one group.
    pub scalesim: LayerReport,
}

impl ComparedLayer {
    /// SCALE-Sim's total cycles over all groups, which it would be given one by one.
    pub fn scalesim_cycles(&self) -> u64 {
        self.scalesim.memory.cycles * self.ours.groups
    }

    /// Words that SCALE-Sim reads from DRAM over all groups.
    pub fn scalesim_dram_reads(&self) -> u64 {
        (self.scalesim.memory.ifmap_dram.count + self.scalesim.memory.filter_dram.count) * self.ours.groups
    }

    /// Words that SCALE-Sim writes to DRAM over all groups.
    pub fn scalesim_dram_writes(&self) -> u64 {
        self.scalesim.memory.ofmap_dram.count * self.ours.groups
    }
}

/// Times a network as SCALE-Sim does, in CALC mode, on the design's first dataflow. Padding is entered as
/// larger inputs, groups one by one; pooling, the vector unit, lanes and further arrays are not there.
pub fn compare_with_scalesim(
    design: &Design,
    workload: &Workload,
    batch: u64,
    regime: Regime,
) -> Result<ScaleSimComparison, SimulationError> {
    if batch != 1 {
        return Err(NotForScaleSim::Batch { batch }.into());
    }
    let configuration = configuration(&design.accelerator);
    let ours = simulate(design, workload, batch, regime)?;
    let on_array = ours.layers.iter().filter(|layer| layer.groups > 0);
    let layers = scalesim_layers(workload.network())?
        .iter()
        .zip(on_array)
        .map(|(layer, ours)| {
            Ok(ComparedLayer { ours: ours.clone(), scalesim: run_layer(layer, &configuration)? })
        })
        .collect::<Result<_, NotForScaleSim>>()?;
    let frequency_hz = design.accelerator.frequency_hz();
    Ok(ScaleSimComparison { configuration, frequency_hz, ours, layers })
}

/// What a design is to SCALE-Sim.
fn configuration(accelerator: &Accelerator) -> Configuration {
    let array = accelerator.array();
    // One word is one byte, and sizes are whole kilobytes.
    let kilobytes = |bytes: u64| (bytes / 1024).max(1) * 1024;
    Configuration {
        run_name: accelerator.name().to_owned(),
        rows: array.rows(),
        cols: array.cols(),
        dataflow: match array.dataflows()[0] {
            Dataflow::Ws => scalesim::Dataflow::WeightStationary,
            Dataflow::Os => scalesim::Dataflow::OutputStationary,
            Dataflow::Is => scalesim::Dataflow::InputStationary,
        },
        sram: Sram {
            ifmap_bytes: kilobytes(accelerator.activation().bytes()),
            filter_bytes: kilobytes(accelerator.weight().bytes()),
            ofmap_bytes: kilobytes(accelerator.accumulator().bytes()),
        },
        bandwidth: Bandwidth::Calculated,
        warnings: Vec::new(),
    }
}

/// One group of every layer that runs on the array, as SCALE-Sim would be given it.
pub fn scalesim_layers(network: &Network) -> Result<Vec<scalesim::Layer>, NotForScaleSim> {
    network
        .layers()
        .iter()
        .filter_map(|layer| match &layer.operation {
            Operation::Convolution(convolution) => Some(scalesim_layer(network, layer, convolution)),
            _ => None,
        })
        .collect()
}

/// One group of a layer, its input as large as its windows reach.
fn scalesim_layer(
    network: &Network,
    layer: &Layer,
    convolution: &Convolution,
) -> Result<scalesim::Layer, NotForScaleSim> {
    let Window { kernel, stride, dilation, .. } = convolution.window;
    if dilation != (Size { height: 1, width: 1 }) {
        return Err(NotForScaleSim::Feature { layer: layer.name.clone(), what: "dilation" });
    }
    let FeatureMap { height, width, channels } = network.edge(layer.output).shape;
    let extent = |extent: usize| extent as u64;
    let shape = Shape {
        ifmap_height: extent((height - 1) * stride.height + kernel.height),
        ifmap_width: extent((width - 1) * stride.width + kernel.width),
        filter_height: extent(kernel.height),
        filter_width: extent(kernel.width),
        channels: extent(network.edge(layer.input).shape.channels / convolution.groups),
        filters: extent(channels / convolution.groups),
        stride_height: extent(stride.height),
        stride_width: extent(stride.width),
    };
    scalesim::Layer::new(layer.name.clone(), shape)
        .map_err(|message| NotForScaleSim::Extent { layer: layer.name.clone(), message })
}
