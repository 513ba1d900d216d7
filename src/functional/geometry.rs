//! Which operands meet in a convolution: windows of an image as rows of K operands (im2col).

use std::ops::Range;

use crate::workload::{Convolution, FeatureMap, Padding, Size, Window};

/// Shapes of one convolution over one image. K runs (kernel_h, kernel_w, cin) inside one group, cin
/// fastest; pixels run (h, w).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    input: FeatureMap,
    output: FeatureMap,
    window: Window,
    groups: usize,
}

impl Geometry {
    /// None when the window does not fit its input, an extent is 0, or `groups` does not divide the
    /// channels.
    pub fn new(input: FeatureMap, out_channels: usize, window: Window, groups: usize) -> Option<Self> {
        let Window { kernel, stride, dilation, .. } = window;
        let extents = [
            kernel.height,
            kernel.width,
            stride.height,
            stride.width,
            dilation.height,
            dilation.width,
            input.height,
            input.width,
            input.channels,
            out_channels,
            groups,
        ];
        if extents.contains(&0)
            || !input.channels.is_multiple_of(groups)
            || !out_channels.is_multiple_of(groups)
        {
            return None;
        }
        let size = window.output(input)?;
        let output = FeatureMap { height: size.height, width: size.width, channels: out_channels };
        Some(Self { input, output, window, groups })
    }

    pub(super) fn of_layer(input: FeatureMap, output: FeatureMap, convolution: &Convolution) -> Option<Self> {
        Self::new(input, output.channels, convolution.window, convolution.groups)
            .filter(|geometry| geometry.output == output)
    }

    /// Shape of the input.
    pub fn input(&self) -> FeatureMap {
        self.input
    }

    /// Shape of the output.
    pub fn output(&self) -> FeatureMap {
        self.output
    }

    /// Geometry of the sliding window.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Groups of channels that do not see each other.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// K: operands per dot product.
    pub fn k(&self) -> usize {
        self.window.kernel.height * self.window.kernel.width * self.in_channels_per_group()
    }

    /// Output pixels.
    pub fn pixels(&self) -> usize {
        self.output.height * self.output.width
    }

    /// Input channels of one group.
    pub fn in_channels_per_group(&self) -> usize {
        self.input.channels / self.groups
    }

    /// Output channels of one group: N.
    pub fn out_channels_per_group(&self) -> usize {
        self.output.channels / self.groups
    }

    /// The windows of `pixels` in one group as rows of `row_length` ≥ K operands: a part of `input`,
    /// which is NHWC of one image, where they already stand there, else gathered into `rows`. Padding taps
    /// are `zero`; elements from K on have any value.
    pub(super) fn rows<'a, T: Copy>(
        &self,
        input: &'a [T],
        group: usize,
        pixels: &Range<usize>,
        row_length: usize,
        zero: T,
        rows: &'a mut Vec<T>,
    ) -> &'a [T] {
        let one = Size { height: 1, width: 1 };
        let Window { kernel, stride, padding, .. } = self.window;
        let in_place = kernel == one && stride == one && padding == Padding::default() && self.groups == 1;
        if in_place && row_length == self.k() {
            return &input[pixels.start * row_length..pixels.end * row_length];
        }
        rows.resize(pixels.len() * row_length, zero);
        for (pixel, row) in pixels.clone().zip(rows.chunks_exact_mut(row_length)) {
            self.gather(input, group, pixel, zero, row, <[T]>::copy_from_slice);
        }
        rows
    }

    /// The same with rows of K operands of another type; padding taps are the default operand.
    pub(super) fn rows_as<'a, T: Copy, U: Copy + Default>(
        &self,
        input: &[T],
        group: usize,
        pixels: &Range<usize>,
        convert: impl Fn(T) -> U,
        rows: &'a mut Vec<U>,
    ) -> &'a [U] {
        let zero = U::default();
        rows.resize(pixels.len() * self.k(), zero);
        for (pixel, row) in pixels.clone().zip(rows.chunks_exact_mut(self.k())) {
            self.gather(input, group, pixel, zero, row, |row, input| {
                for (operand, &value) in row.iter_mut().zip(input) {
                    *operand = convert(value);
                }
            });
        }
        rows
    }

    /// All windows, `[group][pixel][k]`.
    pub(super) fn all_rows<T: Copy>(&self, input: &[T], zero: T) -> Vec<T> {
        let of_group = |group| {
            let mut rows = vec![];
            self.rows(input, group, &(0..self.pixels()), self.k(), zero, &mut rows).to_vec()
        };
        (0..self.groups).flat_map(of_group).collect()
    }

    /// Writes one window to the first K elements of `row`, run by run.
    fn gather<T, U: Copy>(
        &self,
        input: &[T],
        group: usize,
        pixel: usize,
        zero: U,
        row: &mut [U],
        copy: impl Fn(&mut [U], &[T]),
    ) {
        let Window { kernel, stride, dilation, padding } = self.window;
        let channels = self.in_channels_per_group();
        // Neighboring taps of one window row are neighbors in memory, and then one run.
        let taps_per_run = if self.groups == 1 && dilation.width == 1 { kernel.width } else { 1 };
        // Columns and rows count in the padded image.
        let top = pixel / self.output.width * stride.height;
        let left = pixel % self.output.width * stride.width;
        let columns = padding.left..padding.left + self.input.width;
        for tap_y in 0..kernel.height {
            let y = (top + tap_y * dilation.height).checked_sub(padding.top);
            let y = y.filter(|&y| y < self.input.height);
            for tap_x in (0..kernel.width).step_by(taps_per_run) {
                let run = &mut row[(tap_y * kernel.width + tap_x) * channels..][..taps_per_run * channels];
                let start = left + tap_x * dilation.width;
                let end = start + taps_per_run;
                let (first, last) = (start.max(columns.start), end.min(columns.end));
                let (Some(y), true) = (y, first < last) else {
                    run.fill(zero);
                    continue;
                };
                let from =
                    (y * self.input.width + first - padding.left) * self.input.channels + group * channels;
                let inside = (first - start) * channels..(last - start) * channels;
                run[..inside.start].fill(zero);
                run[inside.end..].fill(zero);
                copy(&mut run[inside.clone()], &input[from..from + inside.len()]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_become_rows_with_cin_fastest() {
        let input = FeatureMap { height: 2, width: 2, channels: 4 };
        let window = Window {
            kernel: Size { height: 1, width: 2 },
            stride: Size { height: 1, width: 2 },
            dilation: Size { height: 1, width: 1 },
            padding: Padding { top: 0, bottom: 0, left: 1, right: 1 },
        };
        let geometry = Geometry::new(input, 2, window, 2).unwrap();
        assert_eq!((geometry.k(), geometry.pixels(), geometry.out_channels_per_group()), (4, 4, 1));
        let values: Vec<i16> = (1..=16).collect();
        let (mut rows, mut other) = (vec![], vec![]);
        let rows = geometry.rows(&values, 1, &(0..4), 4, -1, &mut rows);
        let (left, right) = ([-1, -1], [-1, -1]); // padding
        let expected = [left, [3, 4], [7, 8], right, left, [11, 12], [15, 16], right];
        assert_eq!(rows, expected.as_flattened());
        // Longer rows keep what was there.
        other.resize(20, 9);
        let rows = geometry.rows(&values, 1, &(0..4), 5, -1, &mut other);
        assert_eq!(rows.chunks(5).map(|row| row[4]).collect::<Vec<_>>(), [9; 4]);
        let first: Vec<i16> = rows.chunks(5).flat_map(|row| row[..4].to_vec()).collect();
        assert_eq!(first, expected.as_flattened());
    }

    #[test]
    fn impossible_shapes_are_refused() {
        let input = FeatureMap { height: 2, width: 2, channels: 4 };
        let one = Size { height: 1, width: 1 };
        let window = Window { kernel: one, stride: one, dilation: one, padding: Padding::default() };
        assert!(Geometry::new(input, 4, window, 3).is_none());
        assert!(Geometry::new(input, 4, window, 0).is_none());
        assert!(
            Geometry::new(input, 4, Window { kernel: Size { height: 3, width: 1 }, ..window }, 1).is_none()
        );
    }
}
