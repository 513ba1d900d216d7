//! What the array does for one image: every layer's tiles, operands and finished sums.

use half::bf16;

use crate::functional::{Activations, Executable};
use crate::mapping::MappedLayer;
use crate::tensor::{Data, Tensor};

use super::execute::{ExecuteError, Request};
use super::execution::plans;
use super::layer_weights::LayerWeights;
use super::mapper::map_network;

/// Operands of a layer, k contiguous: activations `[group][m][k]`, weights `[group][n][k]`.
#[derive(Clone, Debug, PartialEq)]
pub enum ArrayOperands {
    /// Of a pair of integers.
    Integer(Vec<i16>, Vec<i16>),
    /// Of (bf16,bf16).
    Bf16(Vec<bf16>, Vec<bf16>),
}

/// A layer on the array.
#[derive(Clone, Debug)]
pub struct ArrayLayer {
    /// Its name.
    pub name: String,
    /// How the mapper cuts it.
    pub mapped: MappedLayer,
    /// What is multiplied.
    pub operands: ArrayOperands,
    /// What the engine makes of it, `[group][m][n]`: two's complement of 32 bits or bits of f32. None where more
    /// than the array's sums is kept.
    pub sums: Option<Vec<u32>>,
}

/// The layers of the first image.
///
/// # Errors
/// When the design cannot run the network, or its execution fails.
pub fn array_layers(request: Request<'_>) -> Result<Vec<ArrayLayer>, ExecuteError> {
    let Request { design, workload, params, samples, .. } = request;
    let network = workload.network();
    let failed = |source| ExecuteError::Execution { network: workload.name().to_owned(), source };
    let mapped = map_network(network, &design.accelerator, 1).map_err(|source| ExecuteError::Mapping {
        network: workload.name().to_owned(),
        design: design.accelerator.name().to_owned(),
        source: Box::new(source),
    })?;
    let executable = Executable::new(network, params, &plans(&mapped)).map_err(failed)?;
    let mut workspace = executable.workspace();
    executable.run_in(&mut workspace, &samples.image(0)).map_err(failed)?;
    let accumulators = executable.accumulators(&workspace);
    let mut layers = Vec::new();
    for (index, (mapping, sums)) in mapped.iter().zip(accumulators).enumerate() {
        let Some(mapped) = mapping.array else { continue };
        let activations = executable.activations(&workspace, index);
        let operands = match (activations, LayerWeights::of(params, index)) {
            (Some(Activations::Integer(activations)), Some(LayerWeights::Integer(weights))) => {
                ArrayOperands::Integer(activations, weights.into_owned())
            }
            (Some(Activations::Bf16(activations)), Some(LayerWeights::Bf16(weights))) => {
                ArrayOperands::Bf16(activations, weights.to_vec())
            }
            _ => continue,
        };
        // Biases and what zero points add are in the accumulators of imported layers.
        let is_raw = params.imported_layer(index).is_none();
        let gemm = mapped.tiling.schedule.gemm;
        let sums = sums.filter(|_| is_raw).map(|sums| by_group(&sums, gemm.groups, gemm.n));
        layers.push(ArrayLayer { name: network.layers()[index].name.clone(), mapped, operands, sums });
    }
    Ok(layers)
}

/// NHWC as `[group][m][n]`.
fn by_group(sums: &Tensor, groups: u64, n: u64) -> Vec<u32> {
    let bits: Vec<u32> = match sums.data() {
        Data::I32(sums) => sums.iter().map(|&sum| sum as u32).collect(),
        Data::F32(sums) => sums.iter().map(|sum| sum.to_bits()).collect(),
        _ => vec![],
    };
    let (groups, n) = (groups as usize, n as usize);
    let pixels = bits.chunks_exact(groups * n);
    (0..groups)
        .flat_map(|group| pixels.clone().flat_map(move |pixel| &pixel[group * n..][..n]))
        .copied()
        .collect()
}
