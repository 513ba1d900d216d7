//! How long the array takes for each layer of a network, stepped register by register.

use rayon::prelude::*;

use crate::hardware::Accelerator;
use crate::mapping::LayerMapping;
use crate::stepped::{Control, Violation, layer_cycles};
use crate::timing;
use crate::workload::Network;

/// PEs × cycles that are stepped at most: some hours on one core.
const MAX_STEPS: u128 = 1 << 41;

/// Why the array of a network cannot be stepped.
#[derive(Debug, thiserror::Error)]
pub enum SteppingError {
    /// More than is stepped.
    #[error(
        "stepping the array would take {steps} PE-cycles for the layers up to `{layer}`; at most {MAX_STEPS} are \
         stepped (use --timing pipelined, a smaller array or a smaller batch)"
    )]
    TooLong {
        /// The layer that exceeds the limit.
        layer: String,
        /// PEs × cycles up to it.
        steps: u128,
    },
    /// The array's control breaks its registers.
    #[error("layer `{layer}`: the stepped array is driven wrongly ({source}); this is a bug of systolab")]
    Violation {
        /// The layer.
        layer: String,
        /// What happened.
        source: Violation,
    },
    /// The closed form is wrong, or the stepped array.
    #[error(
        "layer `{layer}`: the stepped array takes {stepped} cycles and the closed form says {closed_form}; this is a \
         bug of systolab"
    )]
    Contradiction {
        /// The layer.
        layer: String,
        /// Cycles of the stepped array.
        stepped: u64,
        /// Cycles of the closed form.
        closed_form: u64,
    },
}

/// Cycles of the array per layer of the network; 0 off the array. `progress` is called after every layer.
pub(super) fn array_cycles(
    network: &Network,
    mapped: &[LayerMapping],
    accelerator: &Accelerator,
    progress: impl Fn() + Sync,
) -> Result<Vec<u64>, SteppingError> {
    let array = accelerator.array();
    let control = Control {
        accumulator_latency: array.accumulator_latency_cycles(),
        double_buffer: array.double_buffer(),
        drain: array.output_drain(),
    };
    let layers: Vec<_> = network.layers().iter().zip(mapped).collect();
    let mut steps = 0;
    for (layer, mapping) in &layers {
        let Some(mapped) = mapping.array else { continue };
        let cycles = timing::array_cycles(&mapped.tiling.schedule, array).0;
        steps += u128::from(array.rows() * array.cols() * array.count()) * u128::from(cycles);
        if steps > MAX_STEPS {
            return Err(SteppingError::TooLong { layer: layer.name.clone(), steps });
        }
    }
    layers
        .par_iter()
        .map(|(layer, mapping)| {
            let cycles = mapping.array.map_or(Ok(0), |mapped| {
                layer_cycles(&mapped.tiling.schedule, &control)
                    .map_err(|source| SteppingError::Violation { layer: layer.name.clone(), source })
            });
            progress();
            cycles
        })
        .collect()
}
