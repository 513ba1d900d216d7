//! One layer as SCALE-Sim sees it: a convolution without padding, or a matrix product in its place.

/// Of each extent of a layer.
pub(super) const MAX_EXTENT: u64 = 1 << 24;
/// Of output pixels and of window elements, which have tables.
const MAX_TABLE: u64 = 1 << 26;
/// Of one layer; keeps every count within 64 bits and every quotient as Python rounds it.
const MAX_MACS: u64 = 1 << 46;

/// A convolution whose border windows may be partial. Every extent is positive, its MACs are bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    name: String,
    shape: Shape,
}

/// Extents of a convolution without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Input rows, padding included by whoever wrote the file.
    pub ifmap_height: u64,
    /// Input columns.
    pub ifmap_width: u64,
    /// Window rows.
    pub filter_height: u64,
    /// Window columns.
    pub filter_width: u64,
    /// Input channels.
    pub channels: u64,
    /// Output channels.
    pub filters: u64,
    /// Step between windows, vertically.
    pub stride_height: u64,
    /// Step between windows, horizontally.
    pub stride_width: u64,
}

impl Shape {
    /// A\[m×k\] · B\[k×n\]: one window per row of A.
    pub fn matrix_product(m: u64, n: u64, k: u64) -> Self {
        Self {
            ifmap_height: m,
            ifmap_width: k,
            filter_height: 1,
            filter_width: k,
            channels: 1,
            filters: n,
            stride_height: 1,
            stride_width: 1,
        }
    }
}

impl Layer {
    /// Checks the extents; the error says which is wrong.
    pub fn new(name: String, shape: Shape) -> Result<Self, String> {
        for (what, extent) in [
            ("IFMAP height", shape.ifmap_height),
            ("IFMAP width", shape.ifmap_width),
            ("filter height", shape.filter_height),
            ("filter width", shape.filter_width),
            ("channels", shape.channels),
            ("number of filters", shape.filters),
            ("stride height", shape.stride_height),
            ("stride width", shape.stride_width),
        ] {
            if !(1..=MAX_EXTENT).contains(&extent) {
                return Err(format!("{what} {extent}: expected 1 to {MAX_EXTENT}"));
            }
        }
        for (what, filter, ifmap) in [
            ("height", shape.filter_height, shape.ifmap_height),
            ("width", shape.filter_width, shape.ifmap_width),
        ] {
            if filter > ifmap {
                return Err(format!("filter {what} {filter} is larger than the IFMAP's {ifmap}"));
            }
        }
        let layer = Self { name, shape };
        let product =
            |factors: &[u64]| factors.iter().fold(1u64, |product, factor| product.saturating_mul(*factor));
        let pixels = product(&[layer.ofmap_height(), layer.ofmap_width()]);
        let window = product(&[shape.filter_height, shape.filter_width, shape.channels]);
        for (what, count, limit) in [
            ("output pixels", pixels, MAX_TABLE),
            ("elements of a window", window, MAX_TABLE),
            ("MACs", product(&[pixels, window, shape.filters]), MAX_MACS),
            ("IFMAP elements", product(&[shape.ifmap_height, shape.ifmap_width, shape.channels]), 1 << 32),
        ] {
            if count > limit {
                return Err(format!("more than {limit} {what}"));
            }
        }
        Ok(layer)
    }

    /// Name in the topology; reports do not print it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Extents.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Rows of windows: ceil((I − F + S) / S), a partial window at the border included.
    pub fn ofmap_height(&self) -> u64 {
        windows(self.shape.ifmap_height, self.shape.filter_height, self.shape.stride_height)
    }

    /// Columns of windows.
    pub fn ofmap_width(&self) -> u64 {
        windows(self.shape.ifmap_width, self.shape.filter_width, self.shape.stride_width)
    }

    /// Output pixels, M.
    pub fn pixels(&self) -> u64 {
        self.ofmap_height() * self.ofmap_width()
    }

    /// Output channels, N.
    pub fn filters(&self) -> u64 {
        self.shape.filters
    }

    /// Elements of a window, K.
    pub fn window(&self) -> u64 {
        self.shape.filter_height * self.shape.filter_width * self.shape.channels
    }

    /// M·N·K, taps outside the input included.
    pub fn macs(&self) -> u64 {
        self.pixels() * self.filters() * self.window()
    }
}

fn windows(input: u64, filter: u64, stride: u64) -> u64 {
    (input - filter + stride).div_ceil(stride)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_windows_count() {
        for (input, filter, stride, expected) in
            [(224, 7, 2, 110), (224, 11, 4, 55), (5, 1, 10, 2), (8, 8, 3, 1)]
        {
            assert_eq!(windows(input, filter, stride), expected);
        }
    }

    #[test]
    fn products_that_overflow_are_refused() {
        let huge = Shape::matrix_product(MAX_EXTENT, MAX_EXTENT, MAX_EXTENT);
        assert_eq!(Layer::new("a".to_owned(), huge).unwrap_err(), format!("more than {MAX_MACS} MACs"));
        let shape = Shape { stride_width: 0, ..Shape::matrix_product(1, 1, 1) };
        assert_eq!(Layer::new("a".to_owned(), shape).unwrap_err(), "stride width 0: expected 1 to 16777216");
    }
}
