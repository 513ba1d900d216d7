//! Read SRAM of CALC mode: a set that forgets everything when it is full, and never makes the array wait.

use super::addresses::Addresses;
use super::memory::Accesses;

/// Words per cycle of the first fill.
const FIRST_FILL_BANDWIDTH: i64 = 10;
/// A buffer is managed in hundredths; half of them are active.
const SETS: u64 = 100;

/// Two fills were completed in one cycle.
#[derive(Clone, Copy, Debug)]
pub(super) struct TwoFills;

/// Cycles over which a fill's requests run.
#[derive(Clone, Copy, Debug)]
struct Requests {
    first: i64,
    last: i64,
}

/// One operand's SRAM.
#[derive(Debug)]
pub(super) struct CalculatedBuffer {
    per_set: u64,
    capacity: u64,
    /// One bit per address.
    held: Vec<u64>,
    /// Words of `held` that are not zero.
    touched: Vec<usize>,
    count: u64,
    first_read: Option<i64>,
    /// Requests of the next fill; None before the first.
    next: Option<Requests>,
    dram: Accesses,
}

impl CalculatedBuffer {
    pub(super) fn new(addresses: &impl Addresses, bytes: u64) -> Self {
        let per_set = bytes / SETS;
        Self {
            per_set,
            capacity: SETS / 2 * per_set,
            held: vec![0; addresses.extent().div_ceil(64)],
            touched: Vec::new(),
            count: 0,
            first_read: None,
            next: None,
            dram: Accesses::default(),
        }
    }

    /// Reads one word in cycle `now`.
    #[inline]
    pub(super) fn read(&mut self, now: i64, address: usize) -> Result<(), TwoFills> {
        let (word, bit) = (address / 64, 1 << (address % 64));
        let held = self.held[word];
        if held & bit != 0 {
            return Ok(());
        }
        if held == 0 {
            self.touched.push(word);
        }
        self.held[word] = held | bit;
        self.count += 1;
        self.first_read.get_or_insert(now);
        if self.count == self.capacity { self.filled(now) } else { Ok(()) }
    }

    fn filled(&mut self, now: i64) -> Result<(), TwoFills> {
        let requests = match self.next {
            None => self.before_first_read(self.first_read.unwrap_or(now), self.capacity),
            Some(requests) => requests,
        };
        self.fetch(requests)?;
        self.next = Some(Requests { first: requests.last + 1, last: now });
        for word in self.touched.drain(..) {
            self.held[word] = 0;
        }
        self.count = 0;
        Ok(())
    }

    /// Requests that end two cycles before the read.
    fn before_first_read(&self, read: i64, words: u64) -> Requests {
        let last = read - 2;
        Requests { first: last - (words as i64 + FIRST_FILL_BANDWIDTH - 1) / FIRST_FILL_BANDWIDTH + 1, last }
    }

    /// Answers come one cycle after the requests.
    fn fetch(&mut self, requests: Requests) -> Result<(), TwoFills> {
        if requests.last < requests.first {
            return Err(TwoFills);
        }
        if self.dram.count == 0 {
            self.dram.start = requests.first + 1;
        }
        self.dram.stop = requests.last + 1;
        self.dram.count += self.count;
        Ok(())
    }

    /// What crossed DRAM, once the layer is done.
    pub(super) fn finish(mut self) -> Result<Accesses, TwoFills> {
        let requests = self.next.unwrap_or_else(|| {
            // Here it forgets when the first read was.
            self.before_first_read(0, self.count.div_ceil(self.per_set) * self.per_set)
        });
        self.fetch(requests)?;
        Ok(self.dram)
    }
}
