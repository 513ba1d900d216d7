//! Scratchpads: the SRAM beside the array.
//!
//! Knows one table of `[scratchpad]` of a design file; must not know what is stored when.

use crate::source::{SourceError, SourceFile, Spanned};

use super::check::integer;
use super::dataflow::Dataflow;
use super::raw::RawScratchpad;

const MIN_BYTES: i64 = 1 << 10;
const MAX_BYTES: i64 = 4 << 30;
const MAX_WIDTH_BITS: i64 = 8192;

/// What a scratchpad holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contents {
    /// Tensors.
    Activations,
    /// Anything else.
    Other,
}

/// Where a scratchpad's words lie, and with it how many of them its banks serve in a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layout {
    /// Not said: whatever the arrays take in a cycle is served in one.
    Ideal,
    /// What the arrays take in a cycle lies spread evenly over the banks, a word of each per cycle.
    Spread,
    /// A pixel's channels begin a word of their own, pixels follow each other row by row, and a word lies in bank
    /// address mod banks.
    Pixels,
}

impl Layout {
    /// All, by their names in a design file.
    pub(super) const NAMED: [(&str, Self); 3] =
        [("ideal", Self::Ideal), ("spread", Self::Spread), ("pixels", Self::Pixels)];
}

/// One scratchpad: banks of equal size, each a single SRAM macro.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scratchpad {
    bytes: u64,
    banks: u64,
    width_bits: u32,
    double_buffered: bool,
    layout: Layout,
}

impl Scratchpad {
    pub(super) fn double_bytes(&mut self) {
        self.bytes *= 2;
    }

    pub(super) fn new(
        file: &SourceFile,
        raw: &RawScratchpad,
        contents: Contents,
    ) -> Result<Self, SourceError> {
        check_line_buffer(file, raw.line_buffer.as_ref(), contents)?;
        let bytes: u64 = integer(file, &raw.bytes, MIN_BYTES..=MAX_BYTES)?;
        let width_bits: u32 = integer(file, &raw.width_bits, 8..=MAX_WIDTH_BITS)?;
        if !width_bits.is_multiple_of(8) {
            let message = format!("{width_bits}: expected a multiple of 8");
            return Err(file.error(raw.width_bits.span(), message));
        }
        let banks: u64 = raw.banks.as_ref().map_or(Ok(1), |banks| integer(file, banks, 1..=MAX_BYTES))?;
        let word_bytes = u64::from(width_bits) / 8;
        if !bytes.is_multiple_of(banks * word_bytes) {
            let span = raw.banks.as_ref().map_or_else(|| raw.width_bits.span(), Spanned::span);
            let message = format!(
                "{bytes} bytes in {banks} banks of {width_bits}-bit words: expected a whole number of words per \
                 bank, so that {banks} · {word_bytes} divides {bytes}"
            );
            return Err(file.error(span, message));
        }
        let double_buffered = raw.double_buffered.unwrap_or(true);
        Ok(Self { bytes, banks, width_bits, double_buffered, layout: layout(file, raw, contents)? })
    }

    /// Capacity of all banks, both halves of a double buffer included.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Number of banks, at least 1.
    pub fn banks(&self) -> u64 {
        self.banks
    }

    /// Bits of one access of one bank.
    pub fn width_bits(&self) -> u32 {
        self.width_bits
    }

    /// Where words lie.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Capacity of one bank, a whole number of words.
    pub fn bytes_per_bank(&self) -> u64 {
        self.bytes / self.banks
    }

    /// Capacity for one tile: half of a double-buffered scratchpad.
    pub fn tile_bytes(&self) -> u64 {
        if self.double_buffered { self.bytes / 2 } else { self.bytes }
    }

    /// Tiles that have room at once: two in a double-buffered scratchpad.
    pub fn buffers(&self) -> usize {
        if self.double_buffered { 2 } else { 1 }
    }

    /// Whether one half is filled or drained while the array uses the other.
    pub fn double_buffered(&self) -> bool {
        self.double_buffered
    }
}

fn layout(file: &SourceFile, raw: &RawScratchpad, contents: Contents) -> Result<Layout, SourceError> {
    let Some(name) = &raw.layout else { return Ok(Layout::Ideal) };
    match (file.one_of(name, &Layout::NAMED)?, contents) {
        (Layout::Pixels, Contents::Other) => {
            let message =
                "`pixels`: a layout of `[scratchpad.activation]` only; expected `ideal` or `spread`";
            Err(file.error(name.span(), message))
        }
        (layout, _) => Ok(layout),
    }
}

/// Other dataflows take operands of many pixels at once, whose banks depend on where rows end.
pub(super) fn check_layout(
    file: &SourceFile,
    name: Option<&Spanned<String>>,
    layout: Layout,
    dataflows: &[Dataflow],
) -> Result<(), SourceError> {
    match name {
        Some(name) if layout == Layout::Pixels && dataflows != [Dataflow::Ws] => {
            let message = "`pixels`: bank conflicts are counted for `dataflows = [\"ws\"]` only; expected `ideal` or `spread`";
            Err(file.error(name.span(), message))
        }
        _ => Ok(()),
    }
}

fn check_line_buffer(
    file: &SourceFile,
    value: Option<&Spanned<bool>>,
    contents: Contents,
) -> Result<(), SourceError> {
    match (value, contents) {
        (Some(value), Contents::Other) => {
            Err(file.error(value.span(), "a key of `[scratchpad.activation]` only; leave it out"))
        }
        (Some(value), Contents::Activations) if *value.get_ref() => {
            Err(file.error(value.span(), "`true`: not in this version; expected `false`"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::fixture::{SMALL, assert_refused, parse};

    #[test]
    fn wrong_scratchpads_are_refused_with_their_place() {
        assert_refused(&[
            (
                "bytes = 65536",
                "bytes = 1023",
                "`scratchpad.activation.bytes`: 1023: expected 1024 to 4294967296",
            ),
            (
                "bytes = 65536",
                "bytes = 65536\nline_buffer = true",
                "`scratchpad.activation.line_buffer`: `true`: not in this version",
            ),
            (
                "banks = 4",
                "line_buffer = false",
                "`scratchpad.weight.line_buffer`: a key of `[scratchpad.activation]` only",
            ),
            (
                "banks = 4",
                "banks = 3",
                "`scratchpad.weight.banks`: 32768 bytes in 3 banks of 128-bit words: expected a whole number of words per bank",
            ),
            ("banks = 4", "banks = 0", "`scratchpad.weight.banks`: 0: expected 1 to"),
            (
                "banks = 4",
                "banks = 4\nlayout = \"pixels\"",
                "`scratchpad.weight.layout`: `pixels`: a layout of `[scratchpad.activation]` only; expected `ideal` or `spread`",
            ),
            (
                "banks = 4",
                "banks = 4\nlayout = \"rows\"",
                "unknown value `rows`: expected `ideal`, `spread` or `pixels`",
            ),
            (
                "width_bits = 128",
                "width_bits = 12",
                "`scratchpad.weight.width_bits`: 12: expected a multiple of 8",
            ),
            ("width_bits = 128", "width_bits = 16384", "16384: expected 8 to 8192"),
        ]);
    }

    #[test]
    fn conflicts_between_pixels_are_counted_for_one_dataflow() {
        let pixels = SMALL.replacen("bytes = 65536", "bytes = 65536\nlayout = \"pixels\"", 1);
        assert_eq!(parse(&pixels).unwrap().activation().layout(), Layout::Pixels);
        let error = parse(&pixels.replace("[\"ws\"]", "[\"ws\", \"os\"]")).unwrap_err().to_string();
        assert!(
            error.contains("`scratchpad.activation.layout`: `pixels`: bank conflicts are counted for"),
            "{error}"
        );
    }
}
