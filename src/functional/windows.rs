//! Windows that slide over a feature map: which pixels each of them meets.

use std::iter::StepBy;
use std::ops::Range;

use crate::workload::{FeatureMap, Window};

/// The taps of one window that lie inside the image. However large a kernel is, only these are walked.
#[derive(Clone, Debug)]
pub(super) struct Taps {
    rows: StepBy<Range<usize>>,
    columns: StepBy<Range<usize>>,
    width: usize,
}

impl Taps {
    /// How many.
    pub(super) fn count(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// Their pixels, in (row, column) order.
    pub(super) fn pixels(&self) -> impl Iterator<Item = usize> + use<> {
        let Self { rows, columns, width } = self.clone();
        rows.flat_map(move |row| columns.clone().map(move |column| row * width + column))
    }
}

/// Calls `each(output pixel, taps)`.
pub(super) fn for_each_window(
    from: FeatureMap,
    to: FeatureMap,
    window: Window,
    mut each: impl FnMut(usize, Taps),
) {
    let Window { kernel, stride, dilation, padding } = window;
    for y in 0..to.height {
        let rows = inside(y * stride.height, kernel.height, dilation.height, padding.top, from.height);
        for x in 0..to.width {
            let columns = inside(x * stride.width, kernel.width, dilation.width, padding.left, from.width);
            each(y * to.width + x, Taps { rows: rows.clone(), columns, width: from.width });
        }
    }
}

/// Which positions below `extent` a window that begins at `start`, `before` of padding included, meets.
fn inside(
    start: usize,
    kernel: usize,
    dilation: usize,
    before: usize,
    extent: usize,
) -> StepBy<Range<usize>> {
    let skipped = before.saturating_sub(start).div_ceil(dilation);
    let first = (start + skipped * dilation).saturating_sub(before);
    let end = (start + (kernel - 1) * dilation + 1).saturating_sub(before).min(extent);
    (first..end.max(first)).step_by(dilation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Padding, Size};

    #[test]
    fn taps_are_those_of_the_definition() {
        let mut windows = 0;
        for (kernel, stride, dilation, before, after, extent) in [
            (3, 1, 1, 1, 1, 5),
            (3, 2, 2, 2, 0, 7),
            (2, 3, 3, 1, 2, 4),
            (4, 1, 1, 3, 3, 2),
            (1, 2, 1, 0, 0, 6),
            (2, 1, 3, 1, 1, 3), // a window between whose taps the image lies
        ] {
            let size = |height| Size { height, width: 1 };
            let window = Window {
                kernel: size(kernel),
                stride: size(stride),
                dilation: size(dilation),
                padding: Padding { top: before, bottom: after, ..Padding::default() },
            };
            let from = FeatureMap { height: extent, width: 3, channels: 1 };
            let Size { height, width } = window.output(from).unwrap();
            let to = FeatureMap { height, width, channels: 1 };
            for_each_window(from, to, window, |pixel, taps| {
                let (y, x) = (pixel / width, pixel % width);
                let rows = (0..kernel).map(|tap| y * stride + tap * dilation);
                let rows = rows.filter(|row| (before..before + extent).contains(row)).map(|row| row - before);
                let expected: Vec<usize> = rows.map(|row| row * 3 + x).collect();
                assert_eq!(taps.pixels().collect::<Vec<_>>(), expected, "{window:?}, {pixel}");
                assert_eq!(taps.count(), expected.len());
                windows += 1;
            });
        }
        assert!(windows > 50, "{windows}");
    }

    #[test]
    fn kernels_far_larger_than_the_image_are_walked_inside_it() {
        let size = Size { height: 1 << 16, width: 1 << 16 };
        let one = Size { height: 1, width: 1 };
        let padding = Padding { top: (1 << 16) - 2, left: (1 << 16) - 3, ..Padding::default() };
        let window = Window { kernel: size, stride: one, dilation: one, padding };
        let from = FeatureMap { height: 2, width: 3, channels: 1 };
        let to = FeatureMap { height: 1, width: 1, channels: 1 };
        for_each_window(from, to, window, |_, taps| {
            assert_eq!(taps.pixels().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        });
    }
}
