//! What operands and edges are rounded to: a precision policy applied to layers.
//!
//! Knows who reads an edge, on which grid; must not know shapes or values.

use std::collections::BTreeSet;

use crate::numerics::{
    Activation, Grid, IntegerFormat, OutputGrid, QuantizerKind, RequantizationKind, Signedness,
};
use crate::workload::layer::{Layer, Operands, Operation};
use crate::workload::precision::{Bits, PrecisionPolicy, ResidualFormat};

use super::builder::ConvolutionSpec;
use super::{Network, NetworkError, Quantizer, QuantizerId, Stored};

impl Network {
    /// Applies a policy to layers of which those with a spec run on the array.
    pub(super) fn apply(
        &mut self,
        policy: &PrecisionPolicy,
        specs: &[Option<ConvolutionSpec>],
    ) -> Result<(), NetworkError> {
        self.assign_operands(policy, specs)?;
        self.assign_stored_formats(policy)?;
        if let Some(kind) = policy.requantization {
            self.assign_requantization(kind);
        }
        Ok(())
    }

    fn assign_operands(
        &mut self,
        policy: &PrecisionPolicy,
        specs: &[Option<ConvolutionSpec>],
    ) -> Result<(), NetworkError> {
        let on_array = specs.iter().flatten().count();
        let mut position = 0;
        for (index, spec) in specs.iter().enumerate() {
            let Some(spec) = spec else { continue };
            let name = self.layers[index].name.clone();
            let bits = policy.bits(&name, position, on_array);
            position += 1;
            let operands = match bits {
                Bits::Bf16 => Operands::Bf16,
                Bits::Integer { weight, activation } => {
                    let input = self.edge(self.layers[index].input);
                    let signedness = match policy.quantizer {
                        QuantizerKind::AqtLegacy => spec.signed_input.unwrap_or(input.signedness),
                        QuantizerKind::AqtV2 => Signedness::Signed, // AQT v2 has no unsigned grids
                    };
                    let carrier_bits = policy.carrier_bits.unwrap_or(0);
                    let grid = IntegerFormat::new(signedness, activation)
                        .and_then(|format| Grid::new(policy.quantizer, format))
                        .map(|grid| grid.carried_in(carrier_bits));
                    let weight = IntegerFormat::new(Signedness::Signed, weight)
                        .map(|format| format.widened_to(carrier_bits));
                    let (Some(grid), Some(weight)) = (grid, weight) else {
                        let message = "operands have 2 to 8 bits".to_owned();
                        return Err(NetworkError { layer: name, message });
                    };
                    let quantizer = spec.quantizer.clone().unwrap_or_else(|| format!("{name}.input"));
                    let quantizer = self.intern(&name, quantizer, grid)?;
                    Operands::Integer { quantizer, weight }
                }
            };
            if let Operation::Convolution(convolution) = &mut self.layers[index].operation {
                convolution.operands = operands;
            }
        }
        Ok(())
    }

    /// The quantizer of that name, on that grid.
    fn intern(&mut self, layer: &str, name: String, grid: Grid) -> Result<QuantizerId, NetworkError> {
        match self.quantizers.iter().position(|quantizer| quantizer.name == name) {
            Some(index) if self.quantizers[index].grid == grid => Ok(QuantizerId(index)),
            Some(index) => Err(NetworkError {
                layer: layer.to_owned(),
                message: format!(
                    "quantizer `{name}` is {} elsewhere and {} here; layers that share one need the same grid",
                    self.quantizers[index].grid.format(),
                    grid.format()
                ),
            }),
            None => {
                self.quantizers.push(Quantizer { name, grid });
                Ok(QuantizerId(self.quantizers.len() - 1))
            }
        }
    }

    /// An edge whose readers all name one quantizer is stored on its grid; one read on different grids
    /// or by a reader without a quantizer in the residual format; one that nobody reads in f32.
    fn assign_stored_formats(&mut self, policy: &PrecisionPolicy) -> Result<(), NetworkError> {
        let mut readers: Vec<BTreeSet<Option<QuantizerId>>> = vec![BTreeSet::new(); self.edges.len()];
        for layer in &self.layers {
            let quantizer = match &layer.operation {
                Operation::Convolution(convolution) => {
                    if let Some(shortcut) = convolution.shortcut {
                        readers[shortcut.0].insert(None);
                    }
                    match convolution.operands {
                        Operands::Integer { quantizer, .. } => Some(quantizer),
                        Operands::Affine { .. } | Operands::Bf16 => None,
                    }
                }
                _ => None,
            };
            readers[layer.input.0].insert(quantizer);
        }
        for (index, readers) in readers.into_iter().enumerate() {
            self.edges[index].stored = match readers.iter().collect::<Vec<_>>()[..] {
                [] => Stored::F32,
                [Some(quantizer)] => Stored::Grid(*quantizer),
                _ => self.residual(index, policy)?,
            };
        }
        Ok(())
    }

    /// Sums of integers that are stored on a grid become its integers in one step, unless a shortcut, a real number,
    /// is added before.
    fn assign_requantization(&mut self, kind: RequantizationKind) {
        let Self { layers, edges, .. } = self;
        for layer in layers.iter_mut() {
            let Operation::Convolution(convolution) = &mut layer.operation else { continue };
            let sums_integers = matches!(convolution.operands, Operands::Integer { .. });
            let on_grid = matches!(edges[layer.output.0].stored, Stored::Grid(_));
            if sums_integers && on_grid && convolution.shortcut.is_none() {
                convolution.requantization = Some(kind);
            }
        }
    }

    /// The integers that a layer with a requantization puts out.
    pub(in super::super) fn output_grid(&self, layer: &Layer, activation: Activation) -> Option<OutputGrid> {
        let Stored::Grid(id) = self.edge(layer.output).stored else { return None };
        let grid = self.quantizer(id).grid;
        let (low, high) = grid.limits();
        let low = match activation {
            Activation::Identity => low as i32, // limits are integers of at most 8 bits
            Activation::Relu => 0,
        };
        Some(OutputGrid { format: grid.format(), zero_point: 0, limits: (low, high as i32) })
    }

    /// The residual format of an edge; on a grid, one of its own, named `EDGE.stored`.
    fn residual(&mut self, edge: usize, policy: &PrecisionPolicy) -> Result<Stored, NetworkError> {
        let ResidualFormat::Integer(format) = policy.residual else { return Ok(Stored::Bf16) };
        let name = self.edges[edge].name.clone();
        let grid = Grid::new(policy.quantizer, format).ok_or_else(|| NetworkError {
            layer: name.clone(),
            message: format!("its quantizer has no grid of {format}"),
        })?;
        Ok(Stored::Grid(self.intern(&name, format!("{name}.stored"), grid)?))
    }
}
