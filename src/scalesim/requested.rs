//! Read SRAM of USER mode: a window that slides over the prefetch sequence, and the stalls of sliding it.

use super::addresses::Addresses;
use super::memory::Accesses;
use super::prefetch::{Cursor, Sequence};

/// A buffer is managed in hundredths.
const LINES: u64 = 100;

/// The window moved on more often than is counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct TooManyLines;

/// Where an address lies in the sequence. Lines are counted on over the wraps of the sequence, from 1.
#[derive(Debug)]
enum Lines {
    /// Addresses that occur once: the line of the first pass.
    Unique(Vec<u32>),
    /// Windows that overlap: the newest line that entered the SRAM's window; 0 = none.
    Newest { lines: Vec<u32>, cursor: Cursor },
}

/// One operand's SRAM.
#[derive(Debug)]
pub(super) struct RequestedBuffer {
    sequence: Sequence,
    packing: Packing,
    lines: Lines,
    /// Lines of the window.
    active: u64,
    /// Lines that the window moves by.
    step: u64,
    /// Lines before the window.
    before: u64,
    /// Cycles and words of fetching half a buffer.
    prefetch_cycles: u64,
    prefetch_words: u64,
    dram: Accesses,
}

/// How the sequence is cut into lines: by words that are not padding.
#[derive(Clone, Copy, Debug)]
struct Packing {
    words_per_line: u64,
    /// Lines of the whole sequence; the last holds what is left, possibly nothing.
    lines: u64,
    rest: u64,
}

impl Packing {
    /// Calls `enter` with every address of a line and moves the cursor behind it.
    fn walk(
        self,
        line: u64,
        sequence: &Sequence,
        cursor: &mut Cursor,
        addresses: &impl Addresses,
        mut enter: impl FnMut(usize),
    ) {
        let last = (line - 1) % self.lines == self.lines - 1;
        let mut words = if last { self.rest } else { self.words_per_line };
        while words > 0 {
            if let Some(address) = sequence.next(cursor, addresses) {
                enter(address);
                words -= 1;
            }
        }
        if last {
            // What is left is padding.
            *cursor = Cursor::default();
        }
    }
}

impl RequestedBuffer {
    pub(super) fn new(
        addresses: &impl Addresses,
        sequence: Sequence,
        bytes: u64,
        bandwidth: u64,
    ) -> Result<Self, TooManyLines> {
        let words_per_line = bytes.div_ceil(LINES);
        let active_words = bytes.div_ceil(2);
        let prefetch_words = bytes - active_words;
        let present = addresses.present();
        let packing =
            Packing { words_per_line, lines: present / words_per_line + 1, rest: present % words_per_line };
        let active = packing.lines.min(active_words.div_ceil(words_per_line));
        let fetched = active_words.div_ceil(bandwidth).min(sequence.len().div_ceil(bandwidth));
        let prefetch_cycles = prefetch_words.div_ceil(bandwidth);
        let (mut lines, mut cursor) = (vec![0; addresses.extent()], Cursor::default());
        let unique = addresses.unique();
        for line in 1..=if unique { packing.lines } else { active } {
            let number = u32::try_from(line).map_err(|_| TooManyLines)?;
            packing.walk(line, &sequence, &mut cursor, addresses, |address| lines[address] = number);
        }
        Ok(Self {
            sequence,
            packing,
            lines: if unique { Lines::Unique(lines) } else { Lines::Newest { lines, cursor } },
            active,
            step: (packing.lines - active).min(prefetch_words.div_ceil(words_per_line)),
            before: 0,
            prefetch_cycles,
            prefetch_words: prefetch_cycles * bandwidth,
            // The first read is in cycle 0.
            dram: Accesses { start: -(fetched as i64), stop: -1, count: fetched * bandwidth },
        })
    }

    #[inline]
    fn holds(&self, address: usize) -> bool {
        match &self.lines {
            Lines::Unique(lines) => {
                // From the window's first line to this one, around the end of the sequence.
                let behind =
                    u64::from(lines[address]) + self.packing.lines - 1 - self.before % self.packing.lines;
                behind % self.packing.lines < self.active
            }
            Lines::Newest { lines, .. } => u64::from(lines[address]) > self.before,
        }
    }

    /// Reads one word in cycle `now`, `offset` cycles late; returns the offset after it.
    #[inline]
    pub(super) fn read(
        &mut self,
        now: i64,
        mut offset: i64,
        address: usize,
        addresses: &impl Addresses,
    ) -> Result<i64, TooManyLines> {
        while !self.holds(address) {
            self.prefetch(addresses)?;
            let late = self.dram.stop - (now + offset);
            // Counted twice if late, and subtracted if early.
            offset += late;
            if late > 0 {
                offset += late;
            }
        }
        Ok(offset)
    }

    fn prefetch(&mut self, addresses: &impl Addresses) -> Result<(), TooManyLines> {
        if let Lines::Newest { lines, cursor } = &mut self.lines {
            let entered = self.before + self.active;
            for line in entered + 1..=entered + self.step {
                let number = u32::try_from(line).map_err(|_| TooManyLines)?;
                self.packing.walk(line, &self.sequence, cursor, addresses, |address| lines[address] = number);
            }
        }
        self.before += self.step;
        self.dram.count += self.prefetch_words;
        self.dram.stop += self.prefetch_cycles as i64 + 1;
        Ok(())
    }

    /// What crossed DRAM.
    pub(super) fn finish(self) -> Accesses {
        self.dram
    }
}
