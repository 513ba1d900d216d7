//! Which input elements a layer's output pixels touch.

use crate::workload::{Layer, Network, Size, Window};

/// How the input is walked while output pixels pass in (image, row, column) order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Pixels that are walked per image: those of the output; those of the input for a global pool.
    pixels: u64,
    width: u64,
    /// Elements of one input row: width × channels.
    row: u64,
    shape: Shape,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    /// Every pixel touches exactly its own channels.
    Pointwise { channels: u64 },
    /// Windows: input rows touched by the output rows before each.
    Rows { touched: Vec<u64>, span: Span, gaps: bool },
}

/// Input rows of a group of output rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    stride: u64,
    reach: u64,
}

impl Footprint {
    /// The footprint of a layer's first input.
    pub fn of(layer: &Layer, network: &Network) -> Self {
        let input = network.edge(layer.input).shape;
        let output = network.edge(layer.output).shape;
        let row = (input.width * input.channels) as u64;
        let pointwise = |pixels: usize, width: usize| Self {
            pixels: pixels as u64,
            width: width as u64,
            row,
            shape: Shape::Pointwise { channels: input.channels as u64 },
        };
        let Some(window) = layer.operation.window() else {
            return pointwise(input.height * input.width, input.width);
        };
        let one = |size: Size| size.height == 1 && size.width == 1;
        let padding = window.padding;
        if one(window.kernel)
            && one(window.stride)
            && [padding.top, padding.bottom, padding.left, padding.right] == [0; 4]
        {
            return pointwise(input.height * input.width, input.width);
        }
        let (touched, gaps) = touched_rows(&window, input.height, output.height);
        Self {
            pixels: (output.height * output.width) as u64,
            width: output.width as u64,
            row,
            shape: Shape::Rows {
                touched,
                span: Span {
                    stride: window.stride.height as u64,
                    reach: (window.dilation.height * (window.kernel.height - 1) + 1) as u64,
                },
                gaps,
            },
        }
    }

    /// Pixels walked per image.
    pub fn pixels(&self) -> u64 {
        self.pixels
    }

    /// Pixels per row of the walk.
    pub fn width(&self) -> u64 {
        self.width
    }

    /// Distinct elements that the first `pixels` of a batch touch, whole rows of the input.
    pub fn until(&self, pixels: u64) -> u64 {
        match &self.shape {
            Shape::Pointwise { channels } => pixels * channels,
            Shape::Rows { touched, .. } => {
                let (images, rest) = (pixels / self.pixels, pixels % self.pixels);
                let rows = usize::try_from(rest.div_ceil(self.width)).unwrap_or(usize::MAX);
                (images * touched[touched.len() - 1] + touched[rows]) * self.row
            }
        }
    }

    /// Elements that must be held for any `tile` consecutive pixels at once.
    pub fn window(&self, tile: u64) -> u64 {
        match &self.shape {
            Shape::Pointwise { channels } => tile * channels,
            Shape::Rows { touched, span, gaps } => {
                let image = touched[touched.len() - 1];
                let whole = (tile / self.pixels) * image;
                let rest = tile % self.pixels;
                if rest == 0 {
                    return whole * self.row;
                }
                // A tile that is not a whole number of rows may begin anywhere in one.
                let rows = if rest.is_multiple_of(self.width) {
                    rest / self.width
                } else {
                    (rest + self.width - 2) / self.width + 1
                };
                let reach = if *gaps { rows * span.reach } else { (rows - 1) * span.stride + span.reach };
                (whole + reach.min(image)) * self.row
            }
        }
    }

    /// Elements of one contiguous run when rows are skipped between runs.
    pub fn run(&self) -> Option<u64> {
        match &self.shape {
            Shape::Rows { gaps: true, .. } => Some(self.row),
            Shape::Pointwise { .. } | Shape::Rows { .. } => None,
        }
    }
}

/// Input rows touched before each output row (one entry more than rows), and whether rows are skipped.
fn touched_rows(window: &Window, in_rows: usize, out_rows: usize) -> (Vec<u64>, bool) {
    let (stride, dilation, top) = (window.stride.height, window.dilation.height, window.padding.top);
    let mut seen = vec![false; in_rows];
    // Windows move down: of the rows a dilation apart, those before the next one are done with.
    let mut next = vec![0; dilation.min(in_rows)];
    let mut touched = Vec::with_capacity(out_rows + 1);
    let mut count = 0;
    touched.push(0);
    for row in 0..out_rows {
        let above = top.saturating_sub(row * stride).div_ceil(dilation);
        let end = (row * stride + (window.kernel.height - 1) * dilation + 1).saturating_sub(top).min(in_rows);
        let first = (row * stride + above * dilation) - top;
        if first < end {
            let next = &mut next[first % dilation];
            let fresh = first.max(*next)..end;
            for at in fresh.step_by(dilation) {
                seen[at] = true;
                *next = at + dilation;
                count += 1;
            }
        }
        touched.push(count);
    }
    let first = seen.iter().position(|seen| *seen).unwrap_or(0);
    let last = seen.iter().rposition(|seen| *seen).unwrap_or(0);
    (touched, seen[first..=last].contains(&false))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::source::SourceFile;
    use crate::workload::Workload;

    fn network(height: usize, width: usize, convolution: &str) -> Workload {
        let text = format!(
            "schema_version = 1\ninput = {{ height = {height}, width = {width}, channels = 3 }}\n\
             precision = {{ default = \"w8a8\" }}\n[[layer]]\nname = \"a\"\n\
             conv2d = {{ out_channels = 4, {convolution} }}\n"
        );
        Workload::parse(&SourceFile::embedded("n.toml", &text)).unwrap()
    }

    /// Input rows that output pixels read, from the definition of a convolution.
    fn rows(
        window: &Window,
        in_rows: usize,
        out_width: usize,
        pixels: std::ops::Range<u64>,
    ) -> BTreeSet<usize> {
        let mut rows = BTreeSet::new();
        for pixel in pixels {
            for tap in 0..window.kernel.height {
                let row = (pixel as usize / out_width) * window.stride.height + tap * window.dilation.height;
                if row >= window.padding.top && row - window.padding.top < in_rows {
                    rows.insert(row - window.padding.top);
                }
            }
        }
        rows
    }

    #[test]
    fn rows_are_those_of_the_definition() {
        for convolution in [
            "kernel = [3, 3], padding = { top = 1, bottom = 1, left = 1, right = 1 }",
            "kernel = [3, 3], stride = [2, 2], padding = { top = 0, bottom = 1, left = 0, right = 1 }",
            "kernel = [1, 1], stride = [2, 2]",
            "kernel = [2, 1], stride = [3, 1]",
            "kernel = [2, 2], dilation = [3, 1]",
            "kernel = [9, 7]",
            "kernel = [3, 2], dilation = [2, 1], stride = [2, 1], padding = { top = 3, bottom = 3, left = 1, right = 0 }",
            "kernel = [3, 2], dilation = [4, 1], stride = [3, 1], padding = { top = 7, bottom = 5, left = 1, right = 0 }",
        ] {
            let workload = network(9, 7, convolution);
            let network = workload.network();
            let layer = &network.layers()[0];
            let footprint = Footprint::of(layer, network);
            let window = layer.operation.window().unwrap();
            let out = network.edge(layer.output).shape;
            let pixels = (out.height * out.width) as u64;
            assert_eq!(footprint.pixels(), pixels);
            let elements = |range| rows(&window, 9, out.width, range).len() as u64 * 7 * 3;
            for end in 0..=pixels {
                assert_eq!(footprint.until(end), elements(0..end), "{convolution}, {end} pixels");
            }
            assert_eq!(footprint.until(2 * pixels + 1), 2 * elements(0..pixels) + elements(0..1));
            for tile in 1..=pixels {
                let most =
                    (0..pixels).step_by(tile as usize).map(|m| elements(m..(m + tile).min(pixels))).max();
                assert!(footprint.window(tile) >= most.unwrap(), "{convolution}, tiles of {tile}");
            }
            let all = rows(&window, 9, out.width, 0..pixels);
            let skipped = all.len() <= all.last().unwrap() - all.first().unwrap();
            assert_eq!(footprint.run().is_some(), skipped, "{convolution}");
        }
    }

    #[test]
    fn a_pointwise_layer_touches_its_own_pixels() {
        let workload = network(4, 4, "kernel = [1, 1]");
        let footprint = Footprint::of(&workload.network().layers()[0], workload.network());
        assert_eq!((footprint.until(5), footprint.window(5), footprint.run()), (15, 15, None));
    }
}
