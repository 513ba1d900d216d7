//! A layer played on the stepped array: what the Verilog is fed, and the sums that must appear.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::mapping::{Dataflow, Gemm, Schedule};
use crate::numerics::{Bf16Mac, IntegerMac, MacSpec};
use crate::stepped::{
    Arrival, Bf16Payload, IntegerPayload, LanePayload, Operands, Payload, PeState, Start, Violation, Watch,
    run_observed, run_watched,
};

use super::datapath::Datapath;
use super::generated::Generated;
use super::layer::{Layer, Words};
use super::stimulus::Stimulus;
use super::wave::Wave;

/// Cycles of a layer that are simulated: their ports are held in memory.
const MAX_CYCLES: u64 = 60_000;

/// What the testbench reads, and what it must count.
pub(super) struct Play {
    pub(super) stimulus: String,
    /// Lines of cycle, port and value, in the order of cycles and ports.
    pub(super) sums: String,
    /// The same of requantized sums; empty for bf16.
    pub(super) stored: String,
    pub(super) outputs: u64,
    pub(super) stored_outputs: u64,
    pub(super) cycles: u64,
    pub(super) bits_per_sum: u64,
    pub(super) schedule: Schedule,
}

impl Play {
    /// The files that the testbench reads where it is run without arguments: name and text.
    pub(super) fn files(&self) -> [(&'static str, &str); 3] {
        [("stimulus.txt", &self.stimulus), ("sums.txt", &self.sums), ("stored.txt", &self.stored)]
    }
}

/// Why a layer cannot be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlayError {
    /// The array has no such MACs.
    #[error("pair {0} is not in the Verilog")]
    Pair(String),
    /// Another dataflow, size or number of lanes.
    #[error("its schedule is of another array")]
    Schedule,
    /// A fold needs more accumulators than there are.
    #[error("a fold streams {vectors} vectors; expected at most {most}")]
    Vectors {
        /// Of the fold.
        vectors: u64,
        /// Accumulators of a column.
        most: u64,
    },
    /// More than is simulated.
    #[error("it takes {cycles} cycles; at most {MAX_CYCLES} are simulated")]
    Cycles {
        /// Of the layer.
        cycles: u64,
    },
    /// More parameters of channels than a column remembers.
    #[error("its channels are {blocks} blocks; expected at most {most}")]
    Blocks {
        /// Blocks of channels, each as wide as the array; input-stationary: channels.
        blocks: u64,
        /// Entries of a column's memory.
        most: u64,
    },
    /// Operands of another pair, or numbers that are not part of the formats.
    #[error("its operands are not those of its pair")]
    Operands,
    /// All ports use the same entry of their parameters.
    #[error("outputs of two blocks of channels leave in cycle {cycle}; this is a bug of systolab")]
    Meeting {
        /// The cycle.
        cycle: u64,
    },
    /// The stepped array.
    #[error("the stepped array is driven wrongly ({0}); this is a bug of systolab")]
    Violation(#[from] Violation),
}

impl PlayError {
    /// Whether the layer is sound but not for this array.
    pub fn is_limit(&self) -> bool {
        !matches!(self, Self::Operands | Self::Meeting { .. } | Self::Violation(_))
    }
}

/// A sum that becomes readable.
struct Sum {
    cycle: u64,
    output: usize,
    bits: u32,
}

impl Generated {
    /// What the testbench reads to play a layer, and expects of it: files beside those of [`Self::files`].
    ///
    /// # Errors
    /// When the layer is not one of this array.
    pub fn layer_files(&self, layer: &Layer) -> Result<Vec<(String, String)>, PlayError> {
        let play = self.play(layer)?;
        Ok(play.files().map(|(name, text)| (name.to_owned(), text.to_owned())).into())
    }

    /// Plays a layer on the stepped array.
    pub(super) fn play(&self, layer: &Layer) -> Result<Play, PlayError> {
        let pair = self.pairs().position(|pair| pair == layer.pair);
        let pair = pair.ok_or_else(|| PlayError::Pair(layer.pair.to_string()))?;
        let path = &self.datapaths[pair];
        let schedule = layer.schedule;
        let array = (self.dataflow, self.rows, self.columns, path.lanes, 1);
        if array != (schedule.dataflow, schedule.rows, schedule.columns, schedule.lanes, schedule.arrays) {
            return Err(PlayError::Schedule);
        }
        let vectors = schedule.folds().map(|fold| schedule.widest(fold).vectors).max().unwrap_or(0);
        if self.dataflow != Dataflow::Os && vectors > self.depth() {
            return Err(PlayError::Vectors { vectors, most: self.depth() });
        }
        let starts = self.starts(layer)?;
        let blocks = schedule.gemm.groups * self.blocks_of_a_group(&schedule);
        if blocks > self.depth() && !path.is_bf16() {
            return Err(PlayError::Blocks { blocks, most: self.depth() });
        }
        let (mut sums, cycles) = self.sums(layer, path, &starts, None)?;
        if let Some(finished) = &layer.sums {
            replace_finished(&mut sums, finished)?;
        }
        let place = |sum: &Sum| (sum.cycle, self.port(&schedule, sum.output));
        sums.sort_by_key(place);
        let line = |sum: &Sum| {
            let (cycle, port) = place(sum);
            format!("{cycle} {port} {:08x}\n", sum.bits)
        };
        let outputs = sums.len() as u64;
        let (stored, blocks) = if path.is_bf16() { Default::default() } else { self.stored(layer, &sums)? };
        let stimulus = Stimulus::text(self, layer, pair, &starts, &blocks).ok_or(PlayError::Operands)?;
        Ok(Play {
            stimulus,
            sums: sums.iter().map(line).collect(),
            stored,
            outputs,
            stored_outputs: if path.is_bf16() { 0 } else { outputs },
            cycles,
            bits_per_sum: path.accumulator_bits(),
            schedule,
        })
    }

    /// What the testbench reads of a layer: its requantization, then one line per cycle with the ports.
    ///
    /// # Errors
    /// When the layer is not one of this array.
    pub fn stimulus(&self, layer: &Layer) -> Result<String, PlayError> {
        Ok(self.play(layer)?.stimulus)
    }

    /// Registers of the stepped array in some cycles of a layer.
    ///
    /// # Errors
    /// When the layer is not one of this array.
    pub fn wave(&self, layer: &Layer, cycles: Range<u64>) -> Result<Wave, PlayError> {
        let path = self.datapaths.iter().find(|path| path.pair == layer.pair);
        let path = path.ok_or_else(|| PlayError::Pair(layer.pair.to_string()))?;
        let starts = self.starts(layer)?;
        let mut wave = Wave::new(self.rows, self.columns, cycles);
        self.sums(layer, path, &starts, Some(&mut |state| wave.record(state)))?;
        Ok(wave)
    }

    /// When folds begin, if all of them end early enough.
    pub(super) fn starts(&self, layer: &Layer) -> Result<Vec<Start>, PlayError> {
        let starts = self.control.starts(&layer.schedule, layer.loading);
        let vectors =
            layer.schedule.folds().map(|fold| layer.schedule.widest(fold).vectors).max().unwrap_or(0);
        let cycles = starts.last().map_or(0, |start| start.vector) + vectors;
        if cycles > MAX_CYCLES { Err(PlayError::Cycles { cycles }) } else { Ok(starts) }
    }

    /// Bits of the finished sums, `[group][m][n]`; None where operands are not those of the layer's pair.
    pub(super) fn finished(&self, layer: &Layer, starts: &[Start]) -> Option<Vec<u32>> {
        let Gemm { m, n, groups, .. } = layer.schedule.gemm;
        let path = self.datapaths.iter().find(|path| path.pair == layer.pair)?;
        let (sums, _) = self.sums(layer, path, starts, None).ok()?;
        let last = last_of_each(&sums, (groups * m * n) as usize).ok()?;
        Some(last.into_iter().map(|index| sums[index].bits).collect())
    }

    /// Every sum that becomes readable, and the cycles of the layer.
    fn sums(
        &self,
        layer: &Layer,
        path: &Datapath,
        starts: &[Start],
        watch: Option<&mut Watch<'_, u32>>,
    ) -> Result<(Vec<Sum>, u64), PlayError> {
        let schedule = &layer.schedule;
        match (&layer.words, path.mac) {
            (Words::Integer { activations, weights }, MacSpec::Integer(mac)) => {
                Ok(self.integers(schedule, starts, (activations, weights), mac, watch)?)
            }
            (Words::Bf16 { activations, weights }, MacSpec::Bf16(mac)) => {
                Ok(self.floats(schedule, starts, (activations, weights), mac, watch)?)
            }
            _ => Err(PlayError::Operands),
        }
    }

    fn integers(
        &self,
        schedule: &Schedule,
        starts: &[Start],
        (activations, weights): (&[i16], &[i16]),
        mac: IntegerMac,
        watch: Option<&mut Watch<'_, u32>>,
    ) -> Result<(Vec<Sum>, u64), Violation> {
        let (m, n, k) = (schedule.gemm.m, schedule.gemm.n, schedule.gemm.k);
        let operands = Operands { activations, weights, m, n, k };
        let bits = |sum: i64| sum as u32;
        match (schedule.lanes.along_n(), schedule.lanes.along_k()) {
            (1, 1) => self.step(schedule, starts, &LanePayload::<1> { operands, mac }, bits, watch),
            (1, 2) => self.step(schedule, starts, &LanePayload::<2> { operands, mac }, bits, watch),
            (1, _) => self.step(schedule, starts, &IntegerPayload::<1> { operands, mac }, bits, watch),
            (2..=4, _) => self.step(schedule, starts, &IntegerPayload::<4> { operands, mac }, bits, watch),
            _ => self.step(schedule, starts, &IntegerPayload::<64> { operands, mac }, bits, watch),
        }
    }

    fn floats(
        &self,
        schedule: &Schedule,
        starts: &[Start],
        (activations, weights): (&[half::bf16], &[half::bf16]),
        mac: Bf16Mac,
        watch: Option<&mut Watch<'_, u32>>,
    ) -> Result<(Vec<Sum>, u64), Violation> {
        let (m, n, k) = (schedule.gemm.m, schedule.gemm.n, schedule.gemm.k);
        let operands = Operands { activations, weights, m, n, k };
        match schedule.lanes.along_n() {
            1 => self.step(schedule, starts, &Bf16Payload::<1> { operands, mac }, f32::to_bits, watch),
            2..=4 => self.step(schedule, starts, &Bf16Payload::<4> { operands, mac }, f32::to_bits, watch),
            _ => self.step(schedule, starts, &Bf16Payload::<64> { operands, mac }, f32::to_bits, watch),
        }
    }

    fn step<P: Payload>(
        &self,
        schedule: &Schedule,
        starts: &[Start],
        payload: &P,
        bits: impl Fn(P::Output) -> u32,
        watch: Option<&mut Watch<'_, u32>>,
    ) -> Result<(Vec<Sum>, u64), Violation> {
        let mut sums = Vec::new();
        let observe = &mut |Arrival { cycle, output, sum }| sums.push(Sum { cycle, output, bits: bits(sum) });
        let run = match watch {
            None => run_observed(schedule, &self.control, starts, payload, observe),
            Some(watch) => {
                let watch = &mut |state: PeState<P::Output>| {
                    let PeState { cycle, row, column, moving, held, shadow, sum, out } = state;
                    let (sum, out) = (sum.map(&bits), out.map(&bits));
                    watch(PeState { cycle, row, column, moving, held, shadow, sum, out });
                };
                run_watched(schedule, &self.control, starts, payload, observe, Some(watch))
            }
        };
        let cycles = run?.cycles;
        Ok((sums, cycles))
    }

    /// The column of an output.
    fn column(&self, schedule: &Schedule, output: usize) -> u64 {
        let (m, n) = (output as u64 / schedule.gemm.n % schedule.gemm.m, output as u64 % schedule.gemm.n);
        match schedule.dataflow {
            Dataflow::Is => m % schedule.m_tile % self.columns,
            Dataflow::Ws | Dataflow::Os => place_of(schedule, n).0,
        }
    }

    /// The port at which an output is read: a column and a lane.
    fn port(&self, schedule: &Schedule, output: usize) -> u64 {
        let (_, _, _, fields) = self.widths();
        let n = output as u64 % schedule.gemm.n;
        let lane = if schedule.dataflow == Dataflow::Is { 0 } else { place_of(schedule, n).1 };
        self.column(schedule, output) * fields + lane
    }

    /// How many blocks of channels a group has, each of which uses every port once.
    fn blocks_of_a_group(&self, schedule: &Schedule) -> u64 {
        match schedule.dataflow {
            Dataflow::Is => schedule.gemm.n,
            Dataflow::Ws | Dataflow::Os => {
                let (n, tile) = (schedule.gemm.n, schedule.n_tile);
                n.div_ceil(tile) * tile.div_ceil(schedule.channels_per_fold())
            }
        }
    }

    /// The ports that a channel (of all groups) leaves at, and where they remember its parameters.
    pub(super) fn places(&self, schedule: &Schedule, channel: u64) -> Vec<(u64, u64)> {
        let (_, _, _, fields) = self.widths();
        let (group, n) = (channel / schedule.gemm.n, channel % schedule.gemm.n);
        let first = group * self.blocks_of_a_group(schedule);
        match schedule.dataflow {
            Dataflow::Is => (0..self.columns).map(|column| (column * fields, first + n)).collect(),
            Dataflow::Ws | Dataflow::Os => {
                let (tile, across) = (schedule.n_tile, schedule.channels_per_fold());
                let block = n / tile * tile.div_ceil(across) + n % tile / across;
                let (column, lane) = place_of(schedule, n);
                vec![(column * fields + lane, first + block)]
            }
        }
    }

    /// Requantized sums behind the registers that align the columns, and which block of channels they are of, by cycle.
    fn stored(&self, layer: &Layer, sums: &[Sum]) -> Result<(String, BTreeMap<u64, u64>), PlayError> {
        let (mut lines, mut blocks) = (Vec::with_capacity(sums.len()), BTreeMap::new());
        let gemm = layer.schedule.gemm;
        let requantization = layer.requantization.as_ref().ok_or(PlayError::Operands)?;
        let finished = match &layer.stored {
            Some(stored) => last_of_each(sums, stored.len())?,
            None => vec![],
        };
        let finished: BTreeMap<usize, i32> =
            finished.into_iter().zip(layer.stored.iter().flatten().copied()).collect();
        for (index, sum) in sums.iter().enumerate() {
            let channel = sum.output as u64 / (gemm.m * gemm.n) * gemm.n + sum.output as u64 % gemm.n;
            let value = match finished.get(&index) {
                Some(&stored) => stored,
                None => {
                    let value = requantization.requantize(sum.bits as i32, channel as usize);
                    value.ok_or(PlayError::Operands)?
                }
            };
            let cycle = sum.cycle + self.columns - 1 - self.column(&layer.schedule, sum.output);
            lines.push((cycle, self.port(&layer.schedule, sum.output), value as u32 & 0x3ff));
            let block = self.places(&layer.schedule, channel)[0].1;
            if blocks.insert(cycle, block).is_some_and(|other| other != block) {
                return Err(PlayError::Meeting { cycle });
            }
        }
        lines.sort_unstable();
        Ok((
            lines.iter().map(|(cycle, port, value)| format!("{cycle} {port} {value:03x}\n")).collect(),
            blocks,
        ))
    }
}

/// Column and lane that make channel n of a group, where channels lie along the columns.
fn place_of(schedule: &Schedule, n: u64) -> (u64, u64) {
    let along = n % schedule.n_tile % schedule.channels_per_fold();
    (along / schedule.lanes.along_n(), along % schedule.lanes.along_n())
}

/// Where each output becomes readable for the last time.
fn last_of_each(sums: &[Sum], outputs: usize) -> Result<Vec<usize>, PlayError> {
    let mut last: Vec<Option<usize>> = vec![None; outputs];
    for (index, sum) in sums.iter().enumerate() {
        let last = last.get_mut(sum.output).ok_or(PlayError::Operands)?;
        if last.is_none_or(|last| sums[last].cycle < sum.cycle) {
            *last = Some(index);
        }
    }
    last.into_iter().collect::<Option<_>>().ok_or(PlayError::Operands)
}

/// Puts somebody else's sums there.
fn replace_finished(sums: &mut [Sum], finished: &[u32]) -> Result<(), PlayError> {
    for (index, &bits) in last_of_each(sums, finished.len())?.into_iter().zip(finished) {
        sums[index].bits = bits;
    }
    Ok(())
}
