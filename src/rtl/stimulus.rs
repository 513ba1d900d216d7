//! A layer as what enters the ports cycle by cycle, and as the sums that must appear.

use crate::mapping::{Dataflow, Gemm, Schedule, Split};
use crate::numerics::{IntegerFormat, Join};
use crate::stepped::{Arrival, Control, IntegerPayload, Loading, Operands, Start, Violation, run_observed};

use super::generated::{Datapath, Generated};

/// A layer with its operands; k contiguous, `[group][m][k]` and `[group][n][k]`.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) pair: usize,
    pub(super) gemm: Gemm,
    pub(super) loading: Loading,
    pub(super) activations: Vec<i16>,
    pub(super) weights: Vec<i16>,
}

/// What the testbench reads, and what it must count.
pub(super) struct Play {
    pub(super) stimulus: String,
    pub(super) expected: String,
    pub(super) outputs: u64,
    pub(super) cycles: u64,
    pub(super) schedule: Schedule,
}

/// Bits of a port, the lowest first.
struct Port(Vec<bool>);

impl Port {
    fn new(width: u64) -> Self {
        Self(vec![false; width as usize])
    }

    fn set(&mut self, at: u64, value: i16, format: IntegerFormat) {
        for bit in 0..u64::from(format.bits()) {
            self.0[(at + bit) as usize] = value >> bit & 1 == 1;
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

/// All ports in one cycle.
struct Cycle {
    load: bool,
    held: Port,
    rows: Port,
    swap: bool,
    stream: Port,
    outputs: Port,
    first: bool,
    address: u64,
}

impl Generated {
    fn schedule(&self, path: &Datapath, gemm: Gemm) -> Schedule {
        Schedule {
            gemm,
            dataflow: self.dataflow,
            rows: self.rows,
            columns: self.columns,
            lanes: path.lanes,
            arrays: 1,
            split: Split::Channels,
            m_tile: gemm.m,
            n_tile: gemm.n,
            join: Join::PerFold,
        }
    }

    /// Plays a case on the stepped array.
    pub(super) fn play(&self, case: &Case) -> Result<Play, Violation> {
        let path = &self.datapaths[case.pair];
        let schedule = self.schedule(path, case.gemm);
        let control = Control {
            accumulator_latency: self.latency,
            double_buffer: true,
            drain: crate::mapping::OutputDrain::Overlapped,
        };
        let starts = control.starts(&schedule, case.loading);
        let Gemm { m, n, k, .. } = case.gemm;
        let operands = Operands { activations: &case.activations, weights: &case.weights, m, n, k };
        let mut arrivals = Vec::new();
        let observe = &mut |arrival| arrivals.push(arrival);
        let mac = path.mac;
        let run = match path.lanes.along_n() {
            1 => run_observed(&schedule, &control, &starts, &IntegerPayload::<1> { operands, mac }, observe),
            2..=4 => {
                run_observed(&schedule, &control, &starts, &IntegerPayload::<4> { operands, mac }, observe)
            }
            _ => run_observed(&schedule, &control, &starts, &IntegerPayload::<64> { operands, mac }, observe),
        }?;
        Ok(Play {
            stimulus: self.stimulus(case, &schedule, &starts),
            expected: self.expected(&schedule, &arrivals),
            outputs: arrivals.len() as u64,
            cycles: run.cycles,
            schedule,
        })
    }

    /// Lines of cycle, port and value, in the order of cycles and ports.
    fn expected(&self, schedule: &Schedule, arrivals: &[Arrival<i64>]) -> String {
        let (_, _, _, fields) = self.widths();
        let lanes = schedule.lanes.along_n();
        let port = |output: usize| {
            let (n, m) = (output as u64 % schedule.gemm.n, output as u64 / schedule.gemm.n % schedule.gemm.m);
            match schedule.dataflow {
                Dataflow::Is => m % self.columns * fields,
                Dataflow::Ws | Dataflow::Os => n / lanes % self.columns * fields + n % lanes,
            }
        };
        let mut lines: Vec<_> = arrivals
            .iter()
            .map(|arrival| (arrival.cycle, port(arrival.output), arrival.sum as u32))
            .collect();
        lines.sort_unstable();
        lines.iter().map(|(cycle, port, value)| format!("{cycle} {port} {value:08x}\n")).collect()
    }

    fn stimulus(&self, case: &Case, schedule: &Schedule, starts: &[Start]) -> String {
        let (stream_bits, held_bits, _, fields) = self.widths();
        let path = &self.datapaths[case.pair];
        let (streamed, held) = path.roles(self.dataflow);
        let Gemm { m, n, k, .. } = case.gemm;
        let activation = |group: u64, i: u64, l: u64| case.activations[((group * m + i) * k + l) as usize];
        let weight = |group: u64, j: u64, l: u64| case.weights[((group * n + j) * k + l) as usize];
        let (lanes_k, lanes_n) = (path.lanes.along_k(), path.lanes.along_n());
        let folds: Vec<_> = schedule.folds().collect();
        let end = folds.iter().zip(starts).map(|(&fold, start)| start.vector + schedule.widest(fold).vectors);
        let mut cycles: Vec<Cycle> = (0..end.max().unwrap_or(0))
            .map(|_| Cycle {
                load: false,
                held: Port::new(held_bits * self.columns),
                rows: Port::new(self.rows),
                swap: false,
                stream: Port::new(stream_bits * self.rows),
                outputs: Port::new(fields * self.columns),
                first: false,
                address: 0,
            })
            .collect();
        for (&fold, start) in folds.iter().zip(starts) {
            let view = schedule.widest(fold);
            let across = if self.dataflow == Dataflow::Is { fold.pixels } else { fold.channels };
            let k_of = |row: u64, lane: u64| {
                Some(row * lanes_k + lane).filter(|&at| at < fold.depth).map(|at| fold.k + at)
            };
            for step in 0..view.rows {
                let cycle = &mut cycles[(start.load + step) as usize];
                cycle.load = true;
                let row = view.rows - 1 - step;
                for position in 0..across {
                    let (column, channel) = (position / lanes_n, position % lanes_n);
                    for lane in 0..lanes_k {
                        let Some(at) = k_of(row, lane) else { continue };
                        let value = match self.dataflow {
                            Dataflow::Is => activation(fold.group, fold.m + position, at),
                            Dataflow::Ws | Dataflow::Os => weight(fold.group, fold.n + position, at),
                        };
                        let bit = (channel * lanes_k + lane) * u64::from(held.bits());
                        cycle.held.set(column * held_bits + bit, value, held);
                    }
                }
            }
            for vector in 0..view.vectors {
                let cycle = &mut cycles[(start.vector + vector) as usize];
                (cycle.swap, cycle.first, cycle.address) = (vector == 0, fold.is_first_of_outputs(), vector);
                for row in 0..view.rows {
                    cycle.rows.0[row as usize] = true;
                    for lane in 0..lanes_k {
                        let Some(at) = k_of(row, lane) else { continue };
                        let value = match self.dataflow {
                            Dataflow::Is => weight(fold.group, fold.n + vector, at),
                            Dataflow::Ws | Dataflow::Os => activation(fold.group, fold.m + vector, at),
                        };
                        let bit = lane * u64::from(streamed.bits());
                        cycle.stream.set(row * stream_bits + bit, value, streamed);
                    }
                }
                // Rows that are not used must not add what happens to be on their wires.
                for bit in view.rows * stream_bits..self.rows * stream_bits {
                    cycle.stream.0[bit as usize] = true;
                }
                for position in 0..across {
                    cycle.outputs.0[(position / lanes_n * fields + position % lanes_n) as usize] = true;
                }
            }
        }
        let line = |cycle: &Cycle| {
            format!(
                "{:x} {:x} {} {} {:x} {} {} {:x} {:x}\n",
                case.pair,
                u8::from(cycle.load),
                cycle.held.hex(),
                cycle.rows.hex(),
                u8::from(cycle.swap),
                cycle.stream.hex(),
                cycle.outputs.hex(),
                u8::from(cycle.first),
                cycle.address
            )
        };
        cycles.iter().map(line).collect()
    }
}
