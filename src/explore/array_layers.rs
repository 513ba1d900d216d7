//! What the array does for one image: every layer's tiles, operands and finished sums.

use half::bf16;

use crate::functional::{Activations, Executable};
use crate::mapping::{Gemm, MappedLayer};
use crate::numerics::Requantization;
use crate::tensor::{Data, Tensor};
use crate::workload::{AffineConvolution, ImportedParams};

use super::execute::{ExecuteError, Request};
use super::execution::executed_plans;
use super::layer_weights::LayerWeights;
use super::mapper::map_executed;

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
    /// What the engine makes of it, `[group][m][n]`: two's complement of 32 bits or bits of f32. None where weights
    /// have zero points, whose share of a sum depends on the activations.
    pub sums: Option<Vec<u32>>,
    /// None where the layer stores no integers, or weights have zero points.
    pub stored_as: Option<StoredAs>,
}

/// What makes stored integers of an imported layer's sums.
#[derive(Clone, Debug)]
pub struct StoredAs {
    /// Added to the sums of every output channel, `[group][n]`: the bias and what the activations' zero point adds.
    pub biases: Vec<i32>,
    /// Of the results, by output channel.
    pub requantization: Requantization,
}

/// The layers of the first image.
///
/// # Errors
/// When the design cannot run the network, or its execution fails.
pub fn array_layers(request: Request<'_>) -> Result<Vec<ArrayLayer>, ExecuteError> {
    let Request { design, workload, params, samples, .. } = request;
    let network = workload.network();
    let failed = |source| ExecuteError::Execution { network: workload.name().to_owned(), source };
    let mapped = map_executed(workload, &design.accelerator).map_err(|source| ExecuteError::Mapping {
        network: workload.name().to_owned(),
        design: design.accelerator.name().to_owned(),
        source: Box::new(source),
    })?;
    let executable = Executable::new(network, params, &executed_plans(&mapped)).map_err(failed)?;
    let mut workspace = executable.workspace();
    executable.run_in(&mut workspace, &samples.image(0)).map_err(failed)?;
    let accumulators = executable.accumulators(&workspace);
    let mut layers = Vec::new();
    for (index, (mapped, sums)) in mapped.into_iter().zip(accumulators).enumerate() {
        let Some(mapped) = mapped else { continue };
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
        let gemm = mapped.tiling.schedule.gemm;
        let sums = sums.map(|sums| by_group(&sums, gemm.groups, gemm.n));
        let (sums, stored_as) = match params.imported_layer(index) {
            Some(ImportedParams::Convolution(affine)) => raw(affine, sums, gemm),
            _ => (sums, None),
        };
        let name = network.layers()[index].name.clone();
        layers.push(ArrayLayer { name, mapped, operands, sums, stored_as });
    }
    Ok(layers)
}

/// What of an imported layer the array does: sums without bias and what zero points add, and what comes behind it.
fn raw(
    affine: &AffineConvolution,
    sums: Option<Vec<u32>>,
    gemm: Gemm,
) -> (Option<Vec<u32>>, Option<StoredAs>) {
    if affine.weight_zero_points.iter().any(|&zero_point| zero_point != 0) {
        return (None, None);
    }
    let biases = affine.folded_bias(gemm.k as usize);
    let outputs_of_a_group = (gemm.m * gemm.n) as usize;
    let raw = sums.map(|mut sums| {
        for (output, sum) in sums.iter_mut().enumerate() {
            let channel = output / outputs_of_a_group * gemm.n as usize + output % gemm.n as usize;
            *sum = sum.wrapping_sub(biases[channel].cast_unsigned());
        }
        sums
    });
    let stored_as = |requantization| StoredAs { biases, requantization };
    (raw, affine.requantization.clone().map(stored_as))
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
