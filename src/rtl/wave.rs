//! Registers of the stepped array over some cycles: as a waveform (VCD) and as a picture of the wavefront (SVG).

use std::io::Write;
use std::ops::Range;

use maud::html;
use vcd::{TimescaleUnit, Value, VarType, Writer};

use crate::stepped::PeState;

/// Bits of a fold's and of a vector's number in a waveform.
const NUMBER_BITS: u32 = 32;
/// Pixels of a PE in a picture.
const PE: usize = 14;
/// Pictures of arrays in a row.
const PER_ROW: usize = 6;
/// Fill colors of folds, in turn; white where nothing moves. Okabe and Ito's palette, fit for color blindness.
const FOLDS: [&str; 4] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7"];

/// The array in some cycles.
#[derive(Clone, Debug)]
pub struct Wave {
    rows: usize,
    columns: usize,
    cycles: Range<u64>,
    /// Cycle by cycle, PE by PE.
    states: Vec<PeState<u32>>,
}

impl Wave {
    pub(super) fn new(rows: u64, columns: u64, cycles: Range<u64>) -> Self {
        Self { rows: rows as usize, columns: columns as usize, cycles, states: vec![] }
    }

    pub(super) fn record(&mut self, state: PeState<u32>) {
        if self.cycles.contains(&state.cycle) {
            self.states.push(state);
        }
    }

    /// Cycles that were recorded; fewer than asked for where the layer ends before.
    pub fn recorded(&self) -> usize {
        self.states.len() / (self.rows * self.columns)
    }

    /// Writes a VCD: per PE a scope `pe_ROW_COLUMN` with the registers that move, hold and sum, `x` where they hold
    /// nothing. A cycle is a nanosecond; values are those at its end.
    ///
    /// # Errors
    /// When `to` does.
    pub fn write_vcd(&self, to: &mut impl Write) -> std::io::Result<()> {
        let mut writer = Writer::new(to);
        writer.timescale(1, TimescaleUnit::NS)?;
        writer.add_module("array")?;
        let names = ["fold", "vector", "held_fold", "shadow_fold", "sum", "out"];
        let mut wires = Vec::new();
        for row in 0..self.rows {
            for column in 0..self.columns {
                writer.add_module(&format!("pe_{row}_{column}"))?;
                for name in names {
                    wires.push(writer.add_var(VarType::Wire, NUMBER_BITS, name, None)?);
                }
                writer.upscope()?;
            }
        }
        writer.upscope()?;
        writer.enddefinitions()?;
        let mut before: Vec<Option<Option<u32>>> = vec![None; wires.len()];
        for states in self.states.chunks(self.rows * self.columns) {
            writer.timestamp(states[0].cycle)?;
            for (pe, state) in states.iter().enumerate() {
                let number = |fold: usize| fold as u32;
                let values = [
                    state.moving.map(|(fold, _)| number(fold)),
                    state.moving.map(|(_, vector)| vector as u32),
                    state.held.map(number),
                    state.shadow.map(number),
                    state.sum,
                    state.out,
                ];
                for (index, value) in (pe * names.len()..).zip(values) {
                    if before[index] != Some(value) {
                        before[index] = Some(value);
                        writer.change_vector(wires[index], bits(value))?;
                    }
                }
            }
        }
        writer.timestamp(self.cycles.start + self.recorded() as u64)
    }

    /// The array in every recorded cycle: PEs that hold a moving operand are filled in their fold's color, darker with
    /// every second vector (output-stationary: step).
    pub fn to_svg(&self) -> String {
        let (step_x, step_y) = (self.columns * PE + 3 * PE, self.rows * PE + 3 * PE);
        let frames = self.recorded();
        let width = frames.clamp(1, PER_ROW) * step_x + PE;
        let height = frames.div_ceil(PER_ROW) * step_y + PE;
        let frame = |index: usize, states: &[PeState<u32>]| {
            let (left, top) = (index % PER_ROW * step_x + PE, index / PER_ROW * step_y + 2 * PE);
            html! {
                text x=(left) y=(top - 4) font-size="11" font-family="sans-serif" { "cycle " (states[0].cycle) }
                rect x=(left) y=(top) width=(self.columns * PE) height=(self.rows * PE) fill="url(#grid)" {}
                @for state in states {
                    @if let Some((fold, vector)) = state.moving {
                        rect x=(left + state.column * PE) y=(top + state.row * PE) width=(PE - 1) height=(PE - 1)
                            fill=(FOLDS[fold % FOLDS.len()])
                            fill-opacity=(if vector % 2 == 1 { "0.6" } else { "1" }) {}
                    }
                }
            }
        };
        let frames = self.states.chunks(self.rows * self.columns).enumerate();
        html! {
            svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height)
                viewBox=(format!("0 0 {width} {height}")) {
                pattern id="grid" width=(PE) height=(PE) patternUnits="userSpaceOnUse" {
                    rect width=(PE - 1) height=(PE - 1) fill="#ffffff" stroke="#888888" stroke-width="0.5" {}
                }
                rect width=(width) height=(height) fill="#ffffff" {}
                @for (index, states) in frames { (frame(index, states)) }
            }
        }
        .into_string()
    }
}

/// The highest bit first.
fn bits(value: Option<u32>) -> impl Iterator<Item = Value> {
    (0..NUMBER_BITS).rev().map(move |bit| match value {
        None => Value::X,
        Some(value) if value >> bit & 1 == 1 => Value::V1,
        Some(_) => Value::V0,
    })
}
