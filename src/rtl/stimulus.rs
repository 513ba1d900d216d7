//! A layer as what enters the ports cycle by cycle.

use std::collections::BTreeMap;

use crate::mapping::{Dataflow, Fold};
use crate::stepped::Start;

use super::datapath::Datapath;
use super::generated::Generated;
use super::layer::Layer;

/// Bits of a port, the lowest first.
struct Port(Vec<bool>);

impl Port {
    fn new(width: u64) -> Self {
        Self(vec![false; width as usize])
    }

    fn set(&mut self, at: u64, value: u16, bits: u8) {
        for bit in 0..bits {
            self.0[at as usize + usize::from(bit)] = value >> bit & 1 == 1;
        }
    }

    fn hex(&self) -> String {
        let digit = |bits: &[bool]| {
            let value = bits.iter().rev().fold(0, |value, &bit| value * 2 + u32::from(bit));
            char::from_digit(value, 16).unwrap_or('x')
        };
        self.0.chunks(4).rev().map(digit).collect()
    }
}

/// All ports in one cycle; of an output-stationary array `load` is the drain pulse, `swap` a fold's first
/// step and `first` its last.
struct Cycle {
    load: bool,
    held: Port,
    rows: Port,
    swap: bool,
    stream: Port,
    outputs: Port,
    first: bool,
    address: u64,
    /// The entry of the channels' parameters that the next cycle's outputs need.
    block: u64,
}

/// Writes a layer's folds on ports.
pub(super) struct Stimulus<'a> {
    generated: &'a Generated,
    layer: &'a Layer,
    path: &'a Datapath,
    pair: usize,
    cycles: Vec<Cycle>,
}

impl<'a> Stimulus<'a> {
    /// One line per cycle, behind those of the requantization. `blocks` says which entry of their parameters the outputs
    /// of a cycle need.
    pub(super) fn text(
        generated: &'a Generated,
        layer: &'a Layer,
        pair: usize,
        starts: &[Start],
        blocks: &BTreeMap<u64, u64>,
    ) -> Option<String> {
        let path = &generated.datapaths[pair];
        let mut stimulus = Self { generated, layer, path, pair, cycles: Vec::new() };
        for (fold, start) in layer.schedule.folds().zip(starts) {
            match generated.dataflow {
                Dataflow::Os => stimulus.output_fold(fold, start.vector),
                Dataflow::Ws | Dataflow::Is => stimulus.stationary_fold(fold, *start),
            }
        }
        for (&cycle, &block) in blocks {
            // Read in the cycle before; no output is there in the first cycle.
            stimulus.cycle(cycle - 1).block = block;
        }
        let mut text = if path.is_bf16() { "0 0 0 0 0\n".to_owned() } else { stimulus.requantization()? };
        text.extend(stimulus.cycles.iter().map(|cycle| stimulus.line(cycle)));
        Some(text)
    }

    fn line(&self, cycle: &Cycle) -> String {
        format!(
            "{:x} {:x} {} {} {:x} {} {} {:x} {:x} {:x}\n",
            self.pair,
            u8::from(cycle.load),
            cycle.held.hex(),
            cycle.rows.hex(),
            u8::from(cycle.swap),
            cycle.stream.hex(),
            cycle.outputs.hex(),
            u8::from(cycle.first),
            cycle.address,
            cycle.block
        )
    }

    /// What all channels share, then the parameters of every channel of every port. None where one has none.
    fn requantization(&self) -> Option<String> {
        let Self { generated, layer, .. } = *self;
        let requantization = layer.requantization.as_ref()?;
        let mut lines = String::new();
        let mut count = 0;
        for channel in 0..layer.schedule.gemm.groups * layer.schedule.gemm.n {
            let parameters = requantization.of_channel(channel as usize)?;
            for (port, entry) in generated.places(&layer.schedule, channel) {
                lines.push_str(&format!("{port} {entry} {parameters}\n"));
                count += 1;
            }
        }
        Some(format!("{} {count}\n{lines}", requantization.shared()))
    }

    fn cycle(&mut self, at: u64) -> &mut Cycle {
        let (stream, held, _, fields) = self.generated.widths();
        let Generated { rows, columns, .. } = *self.generated;
        let silent = || Cycle {
            load: false,
            held: Port::new(held * columns),
            rows: Port::new(rows),
            swap: false,
            stream: Port::new(stream * rows),
            outputs: Port::new(fields * columns),
            first: false,
            address: 0,
            block: 0,
        };
        let length = self.cycles.len().max(at as usize + 1);
        self.cycles.resize_with(length, silent);
        &mut self.cycles[at as usize]
    }

    /// k of a row (output-stationary: of a step) in one lane; None beside the fold's last k.
    fn k_of(&self, fold: Fold, row: u64, lane: u64) -> Option<u64> {
        let at = row * self.path.lanes.along_k() + lane;
        (at < fold.depth).then_some(fold.k + at)
    }

    /// Puts what stays (output-stationary: what moves down) of one row of k on the top edge.
    fn hold(&mut self, at: u64, fold: Fold, row: u64, across: u64) {
        let (layer, dataflow) = (self.layer, self.generated.dataflow);
        let (_, held_bits, _, _) = self.generated.widths();
        let bits = self.path.roles(dataflow).1.bits();
        let (lanes_k, lanes_n) = (self.path.lanes.along_k(), self.path.lanes.along_n());
        for position in 0..across {
            let (column, channel) = (position / lanes_n, position % lanes_n);
            for lane in 0..lanes_k {
                let Some(k) = self.k_of(fold, row, lane) else { continue };
                let value = match dataflow {
                    Dataflow::Is => layer.activation(fold.group, fold.m + position, k),
                    Dataflow::Ws | Dataflow::Os => layer.weight(fold.group, fold.n + position, k),
                };
                let place = column * held_bits + (channel * lanes_k + lane) * u64::from(bits);
                self.cycle(at).held.set(place, value, bits);
            }
        }
    }

    /// Puts a row's streamed operands of one vector (output-stationary: of one step) on the left edge.
    fn stream(&mut self, at: u64, fold: Fold, row: u64, k_row: u64, vector: u64) {
        let (layer, dataflow) = (self.layer, self.generated.dataflow);
        let (stream_bits, _, _, _) = self.generated.widths();
        let bits = self.path.roles(dataflow).0.bits();
        for lane in 0..self.path.lanes.along_k() {
            let value = match (self.k_of(fold, k_row, lane), dataflow) {
                (None, _) => layer.nothing(),
                (Some(k), Dataflow::Is) => layer.weight(fold.group, fold.n + vector, k),
                (Some(k), Dataflow::Ws | Dataflow::Os) => layer.activation(fold.group, fold.m + vector, k),
            };
            let place = row * stream_bits + lane * u64::from(bits);
            self.cycle(at).stream.set(place, value, bits);
        }
        self.cycle(at).rows.0[row as usize] = true;
    }

    /// Marks the columns and lanes that have an output.
    fn mark_outputs(&mut self, at: u64, across: u64) {
        let (_, _, _, fields) = self.generated.widths();
        let lanes = self.path.lanes.along_n();
        for position in 0..across {
            self.cycle(at).outputs.0[(position / lanes * fields + position % lanes) as usize] = true;
        }
    }

    fn stationary_fold(&mut self, fold: Fold, start: Start) {
        let view = self.layer.schedule.widest(fold);
        let across = if self.generated.dataflow == Dataflow::Is { fold.pixels } else { fold.channels };
        for step in 0..view.rows {
            self.cycle(start.load + step).load = true;
            self.hold(start.load + step, fold, view.rows - 1 - step, across);
        }
        let (stream_bits, _, _, _) = self.generated.widths();
        let used = (view.rows * stream_bits) as usize;
        for vector in 0..view.vectors {
            let at = start.vector + vector;
            for row in 0..view.rows {
                self.stream(at, fold, row, row, vector);
            }
            self.mark_outputs(at, across);
            let cycle = self.cycle(at);
            (cycle.swap, cycle.first, cycle.address) = (vector == 0, fold.is_first_of_outputs(), vector);
            // Rows that are not used must not add what happens to be on their wires.
            cycle.stream.0[used..].fill(true);
        }
    }

    fn output_fold(&mut self, fold: Fold, start: u64) {
        let view = self.layer.schedule.widest(fold);
        for step in 0..view.vectors {
            let at = start + step;
            self.hold(at, fold, step, fold.channels);
            for row in 0..view.rows {
                self.stream(at, fold, row, step, row);
            }
            self.mark_outputs(at, fold.channels);
            let cycle = self.cycle(at);
            (cycle.swap, cycle.first) = (step == 0, step + 1 == view.vectors);
        }
        let pulse = self.generated.control.pulse(start, view.vectors, view.rows, view.columns);
        self.cycle(pulse).load = true;
    }
}
