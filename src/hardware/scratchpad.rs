//! Scratchpads: the SRAM beside the array.

use crate::source::{SourceError, SourceFile, Spanned};

use super::check::integer;
use super::raw::RawScratchpad;

const MIN_BYTES: i64 = 1 << 10;
const MAX_BYTES: i64 = 4 << 30;
const MAX_WIDTH_BITS: i64 = 8192;

/// Whether a scratchpad may hold overlapping windows' rows once.
#[derive(Clone, Copy)]
pub(super) enum LineBuffer {
    /// The activation scratchpad: in a later version.
    Later,
    /// The other two: never.
    Never,
}

/// One scratchpad: banks of equal size, each a single SRAM macro.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scratchpad {
    bytes: u64,
    banks: u64,
    width_bits: u32,
    double_buffered: bool,
}

impl Scratchpad {
    pub(super) fn double_bytes(&mut self) {
        self.bytes *= 2;
    }

    pub(super) fn new(
        file: &SourceFile,
        raw: &RawScratchpad,
        line_buffer: LineBuffer,
    ) -> Result<Self, SourceError> {
        check_line_buffer(file, raw.line_buffer.as_ref(), line_buffer)?;
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
        Ok(Self { bytes, banks, width_bits, double_buffered: raw.double_buffered.unwrap_or(true) })
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

fn check_line_buffer(
    file: &SourceFile,
    value: Option<&Spanned<bool>>,
    line_buffer: LineBuffer,
) -> Result<(), SourceError> {
    match (value, line_buffer) {
        (Some(value), LineBuffer::Never) => {
            Err(file.error(value.span(), "a key of `[scratchpad.activation]` only; leave it out"))
        }
        (Some(value), LineBuffer::Later) if *value.get_ref() => {
            Err(file.error(value.span(), "`true`: not in this version; expected `false`"))
        }
        _ => Ok(()),
    }
}
