//! Where the elements of an operand lie, from 0; the file's offsets change no number of the reports.

use super::layer::{Layer, Shape};

/// Addresses of an operand's elements.
pub(super) trait Addresses {
    /// The address of a window element of a pixel, or of a filter; None outside the input.
    fn at(&self, outer: u64, element: u64) -> Option<usize>;

    /// Number of addresses there can be.
    fn extent(&self) -> usize;

    /// Pairs of outer index and element that have an address.
    fn present(&self) -> u64;

    /// Whether no two pairs share an address.
    fn unique(&self) -> bool;
}

/// NHWC: pixels of overlapping windows share addresses.
#[derive(Debug)]
pub(super) struct Ifmap {
    pixels: Vec<Place>,
    taps: Vec<Place>,
    height: u32,
    width: u32,
    extent: usize,
    present: u64,
    /// Whether every tap of every window lies inside the input.
    inside: bool,
    /// Whether windows do not overlap.
    unique: bool,
}

/// A vertical and a horizontal position, and the address it contributes.
#[derive(Clone, Copy, Debug)]
struct Place {
    y: u32,
    x: u32,
    address: u32,
}

impl Ifmap {
    /// The caller has checked the sizes.
    pub(super) fn new(layer: &Layer) -> Self {
        let Shape { ifmap_height, ifmap_width, filter_height, filter_width, channels, .. } = layer.shape();
        let Shape { stride_height, stride_width, .. } = layer.shape();
        let place = |y: u64, x: u64, channel: u64| Place {
            y: y as u32,
            x: x as u32,
            address: ((y * ifmap_width + x) * channels + channel) as u32,
        };
        let pixels = (0..layer.ofmap_height())
            .flat_map(|y| (0..layer.ofmap_width()).map(move |x| (y, x)))
            .map(|(y, x)| place(y * stride_height, x * stride_width, 0))
            .collect();
        let taps = (0..filter_height)
            .flat_map(|y| (0..filter_width).map(move |x| (y, x)))
            .flat_map(|(y, x)| (0..channels).map(move |channel| place(y, x, channel)))
            .collect();
        let rows = inside(layer.ofmap_height(), stride_height, filter_height, ifmap_height);
        let cols = inside(layer.ofmap_width(), stride_width, filter_width, ifmap_width);
        let present = rows * cols * channels;
        Self {
            pixels,
            taps,
            height: ifmap_height as u32,
            width: ifmap_width as u32,
            extent: (ifmap_height * ifmap_width * channels) as usize,
            present,
            inside: present == layer.pixels() * layer.window(),
            unique: (filter_height <= stride_height || layer.ofmap_height() == 1)
                && (filter_width <= stride_width || layer.ofmap_width() == 1),
        }
    }
}

/// Taps inside the input along one axis, over all windows.
fn inside(windows: u64, stride: u64, taps: u64, input: u64) -> u64 {
    (0..windows).map(|window| input.saturating_sub(window * stride).min(taps)).sum()
}

impl Addresses for Ifmap {
    #[inline]
    fn at(&self, outer: u64, element: u64) -> Option<usize> {
        let (pixel, tap) = (self.pixels[outer as usize], self.taps[element as usize]);
        let inside = self.inside || (pixel.y + tap.y < self.height && pixel.x + tap.x < self.width);
        inside.then(|| pixel.address as usize + tap.address as usize)
    }

    fn extent(&self) -> usize {
        self.extent
    }

    fn present(&self) -> u64 {
        self.present
    }

    fn unique(&self) -> bool {
        self.unique
    }
}

/// Filter after filter.
#[derive(Debug)]
pub(super) struct Filters {
    window: u64,
    filters: u64,
}

impl Filters {
    pub(super) fn new(layer: &Layer) -> Self {
        Self { window: layer.window(), filters: layer.filters() }
    }
}

impl Addresses for Filters {
    #[inline]
    fn at(&self, outer: u64, element: u64) -> Option<usize> {
        Some((outer * self.window + element) as usize)
    }

    fn extent(&self) -> usize {
        (self.filters * self.window) as usize
    }

    fn present(&self) -> u64 {
        self.filters * self.window
    }

    fn unique(&self) -> bool {
        true
    }
}
