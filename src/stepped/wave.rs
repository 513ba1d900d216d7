//! A control signal that goes through the array as a wave: it enters the top left PE and goes on right and down by one
//! PE every cycle, so that it is in a diagonal of PEs. Knows no operands.

/// The signal, and the rows and columns that it goes through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wave {
    /// The cycle in which it is in the top left PE.
    pub(super) entered: u64,
    pub(super) rows: u64,
    pub(super) columns: u64,
}

impl Wave {
    /// Whether it has left.
    #[inline]
    pub(super) fn is_over(&self, cycle: u64) -> bool {
        self.entered + self.rows + self.columns <= cycle + 1
    }

    /// The PEs that it is in, in an array of so many columns.
    #[inline]
    pub(super) fn pes(&self, cycle: u64, array_columns: usize) -> Diagonal {
        // 0 where it has not entered.
        let age = (cycle + 1).saturating_sub(self.entered);
        let (first, end) = (age.saturating_sub(self.rows), self.columns.min(age));
        if first >= end {
            return Diagonal { left: 0, row: 0, at: 0, up: 0 };
        }
        let row = (age - 1 - first) as u32;
        let up = array_columns as u32 - 1;
        Diagonal { left: (end - first) as u32, row, at: row * (up + 1) + first as u32, up }
    }
}

/// PEs from the bottom left to the top right: the position in the array, row by row, and the row.
pub(super) struct Diagonal {
    /// PEs left.
    left: u32,
    row: u32,
    at: u32,
    up: u32,
}

impl Iterator for Diagonal {
    type Item = (usize, usize);

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }

    #[inline]
    fn next(&mut self) -> Option<(usize, usize)> {
        self.left = self.left.checked_sub(1)?;
        let pe = (self.at as usize, self.row as usize);
        // Behind the last PE there may be no row.
        self.row = self.row.wrapping_sub(1);
        self.at = self.at.wrapping_sub(self.up);
        Some(pe)
    }
}

impl ExactSizeIterator for Diagonal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_is_in_every_pe_once_as_late_as_it_is_far() {
        let (rows, columns, array_columns) = (3, 4, 5);
        let wave = Wave { entered: 7, rows, columns };
        for cycle in 0..20 {
            let mut pes: Vec<_> = wave.pes(cycle, array_columns as usize).collect();
            pes.reverse();
            let far = |row: u64, column: u64| wave.entered + row + column == cycle;
            let expected: Vec<_> = (0..rows)
                .flat_map(|row| (0..columns).map(move |column| (row, column)))
                .filter(|&(row, column)| far(row, column))
                .map(|(row, column)| ((row * array_columns + column) as usize, row as usize))
                .collect();
            assert_eq!(pes, expected, "cycle {cycle}");
            assert_eq!(wave.is_over(cycle), cycle >= 7 + 3 + 4 - 1);
        }
    }
}
