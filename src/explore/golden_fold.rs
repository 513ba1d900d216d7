//! Golden vectors of one fold: what enters an array, in which order, and what must leave it.

use std::iter;
use std::ops::Range;

use half::bf16;

use crate::functional::{Activations, Executable};
use crate::mapping::{Dataflow, Fold, Gemm, Join, Schedule, Split, View};
use crate::numerics::{MacSpec, PartialSumFormat};
use crate::source::any_of;
use crate::stepped::{Bf16Payload, IntegerPayload, Operands, Payload, Preloaded};
use crate::tensor::Data;

use super::execute::{ExecuteError, Request};
use super::execution::executed_plans;
use super::layer_weights::LayerWeights;
use super::mapper::map_executed;

/// Lines of equally wide fields, the first field in the lowest bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoldenLines {
    /// Bits of a field.
    pub field_bits: u8,
    /// The fields of every line.
    pub lines: Vec<Vec<u32>>,
}

/// One array's part of a fold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoldenArray {
    /// First pixel of the part.
    pub m: u64,
    /// First output channel of the part, in its group.
    pub n: u64,
    /// What the array uses of its rows and columns, and how many vectors stream.
    pub view: View,
    /// Rows in load order, the last row first, where weights are stationary; else in feed order.
    pub weights: GoldenLines,
    /// The same of activations.
    pub activations: GoldenLines,
    /// What leaves the bottom row: by vector; output-stationary: by row, the last first.
    pub partial_sums: GoldenLines,
    /// What the accumulators then hold: bias and what zero points add only where that is preloaded.
    pub accumulators: GoldenLines,
    /// What is stored, where this fold is the last of its outputs.
    pub outputs: Option<GoldenLines>,
}

/// One fold of a layer of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoldenFold {
    /// Design name.
    pub hardware: String,
    /// Network name.
    pub workload: String,
    /// SHA-256 of design, network and trace; the last is empty for synthetic values.
    pub sha256: [String; 3],
    /// Position of the image in its set.
    pub image: usize,
    /// The layer.
    pub layer: String,
    /// Position among the layer's folds.
    pub index: u64,
    /// Folds of the layer.
    pub folds: u64,
    /// The layer's GEMM.
    pub gemm: Gemm,
    /// What is computed.
    pub fold: Fold,
    /// What stays in the PEs.
    pub dataflow: Dataflow,
    /// How the folds of an output join.
    pub join: Join,
    /// Lanes of a PE along k, and along n.
    pub lanes: [u64; 2],
    /// Formats of activations, weights, partial sums, accumulators and stored outputs.
    pub formats: [String; 5],
    /// One per array that has something to do.
    pub arrays: Vec<GoldenArray>,
}

/// Why a fold has no golden vectors.
#[derive(Debug, thiserror::Error)]
pub enum GoldenFoldError {
    /// The network cannot be executed.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// No such layer on the array.
    #[error("`{layer}`: no such layer on the array; expected {known}")]
    Layer {
        /// What was asked for.
        layer: String,
        /// Layers on the array, as a sentence has them.
        known: String,
    },
    /// No such fold.
    #[error("`{layer}` has no fold {fold}; expected 0 to {last}")]
    Fold {
        /// The layer.
        layer: String,
        /// What was asked for.
        fold: u64,
        /// The last there is.
        last: u64,
    },
}

/// Executes the first image of a request and takes fold `index` of a layer apart.
pub fn golden_fold(request: Request<'_>, layer: &str, index: u64) -> Result<GoldenFold, GoldenFoldError> {
    let Request { design, workload, params, samples, .. } = request;
    let network = workload.network();
    let mapped =
        map_executed(workload, &design.accelerator).map_err(|source| request.cannot_be_mapped(source))?;
    let position = network.layers().iter().position(|known| known.name == layer);
    let Some((position, mapping)) = position.and_then(|at| Some((at, mapped[at]?))) else {
        let layers = network.layers().iter().zip(&mapped);
        let known = layers.filter(|(_, mapping)| mapping.is_some()).map(|(layer, _)| layer.name.as_str());
        return Err(GoldenFoldError::Layer { layer: layer.to_owned(), known: any_of(known) });
    };
    let schedule = mapping.tiling.schedule;
    let folds = schedule.folds().count() as u64;
    let Some(fold) = schedule.folds().nth(usize::try_from(index).unwrap_or(usize::MAX)) else {
        return Err(GoldenFoldError::Fold { layer: layer.to_owned(), fold: index, last: folds - 1 });
    };

    let failed = |source| ExecuteError::Execution { network: workload.name().to_owned(), source };
    let executable = Executable::new(network, params, &executed_plans(&mapped)).map_err(failed)?;
    let mut workspace = executable.workspace();
    executable.run_in(&mut workspace, &samples.image(0)).map_err(failed)?;
    let operands = executable.activations(&workspace, position).zip(LayerWeights::of(params, position));
    let edge = network.layers()[position].output;
    let stored = network.stored_format(edge);
    let edges = executable.edges(&workspace);
    let outputs = Outputs { data: edges[edge.index()].data(), channels: network.edge(edge).shape.channels };

    let Gemm { m, n, k, .. } = schedule.gemm;
    let pair = mapping.pair;
    let operand_bits = [pair.activation().bits(), pair.weight().bits()];
    let golden =
        |sum_bits| Golden { schedule, fold, operand_bits, sum_bits, outputs, output_bits: stored.bits() };
    let (arrays, sums) = match (operands, mapping.plan.mac) {
        (
            Some((Activations::Integer(activations), LayerWeights::Integer(weights))),
            MacSpec::Integer(mac),
        ) => {
            let operands = Operands { activations: &activations, weights: &weights, m, n, k };
            let bits = [mac.partial_sum.bits(), mac.accumulator.bits()];
            let payload = IntegerPayload::<1> { operands, mac };
            let arrays = match executable.preloaded(position) {
                Some(bias) => {
                    let load = |&bias: &i32| mac.overflow.add(mac.accumulator, 0, bias.into(), &mut 0);
                    let bias: Vec<i64> = bias.iter().map(load).collect();
                    golden(bits).arrays(operands, &Preloaded { payload, bias: &bias, m, n })
                }
                None => golden(bits).arrays(operands, &payload),
            };
            (arrays, bits.map(|bits| format!("int{bits}")))
        }
        (Some((Activations::Bf16(activations), LayerWeights::Bf16(weights))), MacSpec::Bf16(mac)) => {
            let operands = Operands { activations: &activations, weights, m, n, k };
            let (bits, name) = match mac.partial_sum {
                PartialSumFormat::F32 => (32, "f32"),
                PartialSumFormat::Bf16 => (16, "bf16"),
            };
            let arrays = golden([bits, 32]).arrays(operands, &Bf16Payload::<1> { operands, mac });
            (arrays, [name.to_owned(), "f32".to_owned()])
        }
        _ => unreachable!("the network was executed with this plan"),
    };
    let [partial_sum, accumulator] = sums;
    Ok(GoldenFold {
        hardware: design.accelerator.name().to_owned(),
        workload: workload.name().to_owned(),
        sha256: [design.accelerator.sha256(), workload.sha256(), params.sha256()].map(str::to_owned),
        image: samples.first(),
        layer: layer.to_owned(),
        index,
        folds,
        gemm: schedule.gemm,
        fold,
        dataflow: schedule.dataflow,
        join: schedule.join,
        lanes: [schedule.lanes.along_k(), schedule.lanes.along_n()],
        formats: [
            pair.activation().to_string(),
            pair.weight().to_string(),
            partial_sum,
            accumulator,
            stored.to_string(),
        ],
        arrays,
    })
}

/// A value as the low bits of a register of some width.
trait Bits: Copy {
    fn bits(self, width: u8) -> u32;
}

fn low_bits(value: i64, width: u8) -> u32 {
    (value & ((1 << width) - 1)) as u32 // at most 32 bits
}

impl Bits for i16 {
    fn bits(self, width: u8) -> u32 {
        low_bits(self.into(), width)
    }
}

impl Bits for i64 {
    fn bits(self, width: u8) -> u32 {
        low_bits(self, width)
    }
}

impl Bits for bf16 {
    fn bits(self, _: u8) -> u32 {
        self.to_bits().into()
    }
}

impl Bits for f32 {
    /// Of a bf16 partial sum, which an f32 holds: its upper half.
    fn bits(self, width: u8) -> u32 {
        self.to_bits() >> (32 - width)
    }
}

/// The stored outputs of one image, NHWC.
#[derive(Clone, Copy)]
struct Outputs<'a> {
    data: &'a Data,
    channels: usize,
}

impl Outputs<'_> {
    fn bits(self, pixel: u64, channel: u64, width: u8) -> u32 {
        let at = pixel as usize * self.channels + channel as usize;
        match self.data {
            Data::I8(values) => low_bits(values[at].into(), width),
            Data::U8(values) => values[at].into(),
            Data::U16(values) => values[at].into(),
            Data::I32(values) => low_bits(values[at].into(), width),
            Data::Bf16(values) => values[at].bits(width),
            Data::F32(values) => values[at].bits(width),
        }
    }
}

/// What all lines of a fold depend on.
struct Golden<'a> {
    schedule: Schedule,
    fold: Fold,
    /// Of activations and weights.
    operand_bits: [u8; 2],
    /// Of partial sums and accumulators.
    sum_bits: [u8; 2],
    outputs: Outputs<'a>,
    output_bits: u8,
}

impl Golden<'_> {
    fn arrays<T: Bits, P: Payload<Output: Bits>>(
        &self,
        operands: Operands<'_, T>,
        payload: &P,
    ) -> Vec<GoldenArray> {
        let (mut m, mut n) = (self.fold.m, self.fold.n);
        let views = self.schedule.views(self.fold);
        let array = |view: View| {
            let array = self.array(m, n, view, operands, payload);
            match self.schedule.split {
                Split::Channels => n += view.channels,
                Split::Pixels => m += view.pixels,
            }
            array
        };
        views.map(array).collect()
    }

    fn array<T: Bits, P: Payload<Output: Bits>>(
        &self,
        m: u64,
        n: u64,
        view: View,
        operands: Operands<'_, T>,
        payload: &P,
    ) -> GoldenArray {
        let (group, lanes) = (self.fold.group, self.schedule.lanes);
        // Registers beyond the fold's operands hold 0.
        let of = |values: &[T], row: Option<u64>, k: u64, bits: u8| match row {
            Some(row) if k < self.fold.k + self.fold.depth => {
                values[(row * operands.k + k) as usize].bits(bits)
            }
            _ => 0,
        };
        let [activation_bits, weight_bits] = self.operand_bits;
        let pixel = |at: u64| (at < view.pixels).then_some(group * operands.m + m + at);
        let channel = |at: u64| (at < view.channels).then_some(group * operands.n + n + at);
        // The lanes of one PE: one activation per k, one weight per output channel and k.
        let steps =
            |step: u64| (0..lanes.along_k()).map(move |lane| self.fold.k + step * lanes.along_k() + lane);
        let activation = |at, step| -> Vec<u32> {
            steps(step).map(|k| of(operands.activations, pixel(at), k, activation_bits)).collect()
        };
        let weight = |at: u64, step| -> Vec<u32> {
            let channels = at * lanes.along_n()..(at + 1) * lanes.along_n();
            let of_channel = |at| steps(step).map(move |k| of(operands.weights, channel(at), k, weight_bits));
            channels.flat_map(of_channel).collect()
        };
        // Sums leave by line and column: in each, (pixel, channel) lane by lane.
        let columns = |at: u64| -> Vec<(u64, u64)> {
            match self.schedule.dataflow {
                Dataflow::Ws | Dataflow::Os => {
                    (0..view.columns * lanes.along_n()).map(|channel| (at, channel)).collect()
                }
                Dataflow::Is => (0..view.columns).map(|pixel| (pixel, at)).collect(),
            }
        };
        let (rows, columns_used) = (0..view.rows, 0..view.columns);
        let line = |places: std::ops::Range<u64>, of: &dyn Fn(u64) -> Vec<u32>| places.flat_map(of).collect();
        let feed = 0..view.vectors;
        let (weights, activations, sums): (Vec<Vec<u32>>, Vec<Vec<u32>>, Vec<u64>) = match self
            .schedule
            .dataflow
        {
            Dataflow::Ws => (
                rows.clone()
                    .rev()
                    .map(|row| line(columns_used.clone(), &|column| weight(column, row)))
                    .collect(),
                feed.clone().map(|vector| line(rows.clone(), &|row| activation(vector, row))).collect(),
                feed.collect(),
            ),
            Dataflow::Is => (
                feed.clone().map(|vector| line(rows.clone(), &|row| weight(vector, row))).collect(),
                rows.clone()
                    .rev()
                    .map(|row| line(columns_used.clone(), &|column| activation(column, row)))
                    .collect(),
                feed.collect(),
            ),
            Dataflow::Os => (
                feed.clone().map(|step| line(columns_used.clone(), &|column| weight(column, step))).collect(),
                feed.map(|step| line(rows.clone(), &|row| activation(row, step))).collect(),
                rows.rev().collect(),
            ),
        };
        let at_outputs = |bits: u8, value: &dyn Fn(u64, u64) -> u32| GoldenLines {
            field_bits: bits,
            lines: sums
                .iter()
                .map(|&line| {
                    let exists =
                        |&(pixel, channel): &(u64, u64)| pixel < view.pixels && channel < view.channels;
                    let value = |at: (u64, u64)| if exists(&at) { value(m + at.0, n + at.1) } else { 0 };
                    columns(line).into_iter().map(value).collect()
                })
                .collect(),
        };
        let [sum_bits, accumulator_bits] = self.sum_bits;
        let is_last = self.fold.k + self.fold.depth == self.schedule.gemm.k;
        let channel_of = |n: u64| group * operands.n + n;
        GoldenArray {
            m,
            n,
            view,
            weights: GoldenLines { field_bits: weight_bits, lines: weights },
            activations: GoldenLines { field_bits: activation_bits, lines: activations },
            partial_sums: at_outputs(sum_bits, &|m, n| self.sums(payload, m, n).0.bits(sum_bits)),
            accumulators: at_outputs(accumulator_bits, &|m, n| {
                self.sums(payload, m, n).1.bits(accumulator_bits)
            }),
            outputs: is_last.then(|| {
                at_outputs(self.output_bits, &|m, n| self.outputs.bits(m, channel_of(n), self.output_bits))
            }),
        }
    }

    /// The fold's sum of one output, and what its accumulator then holds.
    fn sums<P: Payload>(&self, payload: &P, m: u64, n: u64) -> (P::Output, P::Output) {
        let (group, end) = (self.fold.group, self.fold.k + self.fold.depth);
        let (per_fold, lanes) = (self.schedule.k_per_fold(), self.schedule.lanes.along_k());
        let chained = self.schedule.join == Join::Chained && self.schedule.dataflow != Dataflow::Os;
        let Gemm { m: pixels, n: channels, k: depth, .. } = self.schedule.gemm;
        let of = |row: u64, k: &Range<u64>| (row * depth + k.start) as usize..(row * depth + k.end) as usize;
        let fold = |before: Option<P::Output>, k: u64| {
            let start = before.filter(|_| chained);
            let mut sum = start.map_or_else(|| payload.zero(), |before| payload.resume(iter::once(before)));
            let depth_end = end.min(k + per_fold);
            for k in (k..depth_end).step_by(lanes as usize) {
                let k = k..depth_end.min(k + lanes);
                sum = payload.step(
                    sum,
                    payload.activation(of(group * pixels + m, &k)),
                    payload.weight(of(group * channels + n, &k), 1),
                );
            }
            let sum = payload.lane(sum, 0);
            (sum, if chained { payload.store(sum) } else { payload.join(before, sum) })
        };
        let preloaded = payload.preload(((group * pixels + m) * channels + n) as usize);
        let earlier =
            (0..self.fold.k).step_by(per_fold as usize).fold(preloaded, |before, k| Some(fold(before, k).1));
        fold(earlier, self.fold.k)
    }
}
