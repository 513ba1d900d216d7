//! Which operands meet in a convolution: windows of an image as rows of K operands (im2col).

use std::ops::Range;

use crate::workload::{Convolution, FeatureMap, Window};

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

    /// Writes the windows of `pixels` in one group as rows of `row_length` ≥ K operands. Padding taps
    /// and elements from K on are zero. `input` is NHWC of one image.
    pub(super) fn gather<T: Copy, U: Copy + Default>(
        &self,
        input: &[T],
        group: usize,
        pixels: Range<usize>,
        row_length: usize,
        rows: &mut Vec<U>,
        operand: impl Fn(T) -> U,
    ) {
        let Window { kernel, stride, dilation, padding } = self.window;
        let channels = self.in_channels_per_group();
        rows.clear();
        rows.resize(pixels.len() * row_length, U::default());
        for (pixel, row) in pixels.zip(rows.chunks_exact_mut(row_length)) {
            let (out_y, out_x) = (pixel / self.output.width, pixel % self.output.width);
            for tap_y in 0..kernel.height {
                let y = (out_y * stride.height + tap_y * dilation.height).checked_sub(padding.top);
                let Some(y) = y.filter(|&y| y < self.input.height) else { continue };
                for tap_x in 0..kernel.width {
                    let x = (out_x * stride.width + tap_x * dilation.width).checked_sub(padding.left);
                    let Some(x) = x.filter(|&x| x < self.input.width) else { continue };
                    let from = (y * self.input.width + x) * self.input.channels + group * channels;
                    let to = (tap_y * kernel.width + tap_x) * channels;
                    let taps = row[to..to + channels].iter_mut();
                    for (tap, &value) in taps.zip(&input[from..from + channels]) {
                        *tap = operand(value);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Padding, Size};

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
        let mut rows = vec![];
        geometry.gather(&values, 1, 0..4, 5, &mut rows, |value| value);
        assert_eq!(
            rows,
            [0, 0, 3, 4, 0, 7, 8, 0, 0, 0, 0, 0, 11, 12, 0, 15, 16, 0, 0, 0] // padding left, then right
        );
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
