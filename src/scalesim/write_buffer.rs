//! OFMAP SRAM of both modes: words queue in lines, half the buffer drains at a time.

use std::collections::VecDeque;

use super::memory::Accesses;

/// Lines that wait to be drained, all padded alike.
#[derive(Clone, Copy, Debug)]
struct Lines {
    count: u64,
    padding: u64,
}

#[derive(Debug)]
pub(super) struct WriteBuffer {
    /// Words per line and cycle.
    width: u64,
    drain: u64,
    /// Below this much free space the buffer drains.
    threshold: i64,
    /// Never less than what is free: padding that was written counts as freed.
    free: i64,
    waiting: VecDeque<Lines>,
    /// Words in the line that is being filled.
    line: u64,
    drain_end: i64,
    dram: Accesses,
}

impl WriteBuffer {
    pub(super) fn new(bytes: u64, width: u64) -> Self {
        let drain = bytes - bytes.div_ceil(2);
        Self {
            width,
            drain,
            threshold: (bytes - drain) as i64,
            free: bytes as i64,
            waiting: VecDeque::new(),
            line: 0,
            drain_end: 0,
            dram: Accesses::default(),
        }
    }

    /// Writes `words` from cycle `now` on; returns the cycle in which the last one is taken.
    #[inline]
    pub(super) fn write(&mut self, mut now: i64, mut words: u64) -> i64 {
        while words > 0 {
            // As many as change nothing but the queue.
            let floor = if now < self.drain_end { 1 } else { self.threshold };
            let quiet = words.min(u64::try_from(self.free - floor).unwrap_or(0));
            self.append(quiet);
            words -= quiet;
            if words == 0 {
                break;
            }
            self.append(1);
            words -= 1;
            if now < self.drain_end {
                if self.free <= 0 {
                    now = self.drain_end;
                }
            } else if self.free < self.threshold {
                self.close_line();
                self.drain(now);
            }
        }
        now
    }

    fn append(&mut self, words: u64) {
        self.free -= words as i64;
        self.line += words;
        if self.line >= self.width {
            let full = Lines { count: self.line / self.width, padding: 0 };
            self.line %= self.width;
            self.wait(full);
        }
    }

    fn wait(&mut self, lines: Lines) {
        match self.waiting.back_mut() {
            Some(last) if last.padding == lines.padding => last.count += lines.count,
            _ => self.waiting.push_back(lines),
        }
    }

    fn close_line(&mut self) {
        if self.line > 0 {
            let padding = self.width - self.line;
            self.line = 0;
            self.wait(Lines { count: 1, padding });
        }
    }

    fn drain(&mut self, now: i64) {
        let limit = self.drain.div_ceil(self.width);
        let (mut drained, mut padding) = (0, 0);
        while let Some(lines) = self.waiting.front_mut().filter(|_| drained < limit) {
            let taken = lines.count.min(limit - drained);
            lines.count -= taken;
            padding = lines.padding;
            drained += taken;
            if lines.count == 0 {
                self.waiting.pop_front();
            }
        }
        // Only the padding of the last line is known to be padding.
        let words = drained * self.width - padding;
        if self.dram.count == 0 {
            self.dram.start = now;
        }
        self.drain_end = now + drained as i64 - 1;
        self.dram.start = self.dram.start.min(now);
        self.dram.stop = self.dram.stop.max(self.drain_end);
        self.dram.count += words;
        self.free += words as i64;
    }

    /// Drains what is left, from the last write's cycle on.
    pub(super) fn finish(mut self, last_write: i64) -> Accesses {
        self.close_line();
        let mut now = last_write;
        while !self.waiting.is_empty() {
            self.drain(now);
            now = self.drain_end + 1;
        }
        self.dram
    }
}
