//! Shapes of convolutions and matrix products, and how the model lays out their weights.

use super::super::Padding;
use super::super::layer::{FeatureMap, Size, Window, WindowKind};
use super::super::network::EdgeId;
use super::graph::Node;
use super::lowering::{Lowerer, Outcome};
use super::shapes;

/// Shapes of a convolution or matrix product and how its weights are laid out.
pub(super) struct Layout {
    pub(super) kind: WindowKind,
    pub(super) window: Window,
    pub(super) groups: usize,
    pub(super) output: FeatureMap,
    pub(super) dims: Vec<usize>,
    /// For every weight in the order [cout, kh, kw, cin/groups], its position in the model's tensor.
    pub(super) order: Vec<usize>,
    /// Axis of the model's weights along which output channels lie.
    pub(super) channel_axis: usize,
}

impl Layout {
    pub(super) fn weights<T: Copy>(&self, values: &[T]) -> Vec<T> {
        self.order.iter().map(|&position| values[position]).collect()
    }
}

/// Whether a matrix of weights is [n, k] instead of [k, n].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transposed {
    No,
    Yes,
}

pub(super) fn transposed(node: &Node) -> Transposed {
    if node.int("transB", 0) == 0 { Transposed::No } else { Transposed::Yes }
}

impl Lowerer<'_> {
    pub(super) fn check_gemm(&self, node: &Node) -> Outcome<()> {
        node.only(&["alpha", "beta", "transA", "transB"])?;
        let plain = node.float("alpha", 1.0) == 1.0 && node.float("beta", 1.0) == 1.0;
        if plain && node.int("transA", 0) == 0 {
            Ok(())
        } else {
            Err("expected alpha = beta = 1 and transA = 0".to_owned())
        }
    }

    pub(super) fn convolution_layout(
        &self,
        node: &Node,
        input: EdgeId,
        dims: &[usize],
        weights: &[usize],
    ) -> Outcome<Layout> {
        let (&[_, channels, _, _], &[out, depth, height, width]) = (dims, weights) else {
            return Err(format!("shapes {dims:?} and {weights:?}; expected those of a 2-D convolution"));
        };
        let map = self.edge(input).shape;
        let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
        let fits = groups > 0
            && channels == map.channels
            && [out, depth, height, width].iter().all(|&size| size > 0)
            && out.is_multiple_of(groups)
            && depth.checked_mul(groups) == Some(channels);
        if !fits {
            return Err(format!(
                "group = {groups}, {channels} input channels and weights {weights:?} do not fit together"
            ));
        }
        let window = shapes::window(node, map, Some([height, width]))?;
        let output = shapes::windowed(&window, map, out)?;
        let mut order = Vec::with_capacity(out * depth * height * width);
        for channel in 0..out {
            for tap in 0..height * width {
                order.extend((0..depth).map(|deep| (channel * depth + deep) * height * width + tap));
            }
        }
        Ok(Layout {
            kind: WindowKind::Convolution,
            window,
            groups,
            output,
            dims: vec![1, out, output.height, output.width],
            order,
            channel_axis: 0,
        })
    }

    pub(super) fn product_layout(
        &self,
        input: EdgeId,
        dims: &[usize],
        weights: &[usize],
        transposed: Transposed,
    ) -> Outcome<Layout> {
        let (&[rows, k], &[first, second]) = (dims, weights) else {
            return Err(format!("shapes {dims:?} and {weights:?}; expected two matrices"));
        };
        let (depth, n) = match transposed {
            Transposed::No => (first, second),
            Transposed::Yes => (second, first),
        };
        let map = self.edge(input).shape;
        if depth != k || n == 0 || map.elements() != rows * k {
            return Err(format!(
                "shapes {dims:?} and {weights:?} do not fit together; expected as many columns as the weights have rows"
            ));
        }
        // Rows of a matrix are pixels; a flattened feature map is one window.
        let flat = map.channels != k;
        if flat && rows != 1 {
            return Err(format!("shape {dims:?}; expected one row of a flattened tensor"));
        }
        let kernel = if flat { [map.height, map.width] } else { [1, 1] };
        let [height, width] = kernel;
        let one = Size { height: 1, width: 1 };
        let size = Size { height, width };
        let window = Window { kernel: size, stride: one, dilation: one, padding: Padding::default() };
        let mut order = Vec::with_capacity(n * k);
        for channel in 0..n {
            for tap in 0..height * width {
                order.extend((0..map.channels).map(|deep| {
                    let k = deep * height * width + tap;
                    match transposed {
                        Transposed::No => k * n + channel,
                        Transposed::Yes => channel * depth + k,
                    }
                }));
            }
        }
        Ok(Layout {
            kind: if rows == 1 { WindowKind::Linear } else { WindowKind::MatrixProduct },
            window,
            groups: 1,
            output: FeatureMap { height: rows, width: 1, channels: n },
            dims: vec![rows, n],
            order,
            channel_axis: match transposed {
                Transposed::No => 1,
                Transposed::Yes => 0,
            },
        })
    }
}
