//! Convolution by its textbook loops: no im2col, no packing, no SIMD. Checks the engines.

use half::bf16;

use super::geometry::Geometry;

/// The operands of one output in the order of k: pairs of an input element (None: padding) and the
/// index of its weight in [cout, kh, kw, cin/groups].
fn taps(
    geometry: &Geometry,
    pixel_y: usize,
    pixel_x: usize,
    channel: usize,
) -> impl Iterator<Item = (Option<usize>, usize)> {
    let (input, window) = (geometry.input(), geometry.window());
    let (kernel, depth) = (window.kernel, geometry.in_channels_per_group());
    let group = channel / geometry.out_channels_per_group();
    let position = |out: usize, stride: usize, tap: usize, dilation: usize, before: usize, size: usize| {
        let at = (out * stride + tap * dilation) as i64 - before as i64;
        (0..size as i64).contains(&at).then_some(at as usize)
    };
    (0..kernel.height).flat_map(move |tap_y| {
        let y = position(
            pixel_y,
            window.stride.height,
            tap_y,
            window.dilation.height,
            window.padding.top,
            input.height,
        );
        (0..kernel.width).flat_map(move |tap_x| {
            let x = position(
                pixel_x,
                window.stride.width,
                tap_x,
                window.dilation.width,
                window.padding.left,
                input.width,
            );
            (0..depth).map(move |deep| {
                let element =
                    y.zip(x).map(|(y, x)| (y * input.width + x) * input.channels + group * depth + deep);
                (element, ((channel * kernel.height + tap_y) * kernel.width + tap_x) * depth + deep)
            })
        })
    })
}

fn outputs<'a, T: 'a>(
    geometry: &'a Geometry,
    value: impl Fn(usize, usize, usize) -> T + Copy + 'a,
) -> impl Iterator<Item = T> + 'a {
    let output = geometry.output();
    (0..output.height).flat_map(move |y| {
        (0..output.width).flat_map(move |x| (0..output.channels).map(move |channel| value(y, x, channel)))
    })
}

/// Exact sums, NHWC, of one image in NHWC and weights in [cout, kh, kw, cin/groups].
///
/// # Panics
/// When the slices do not have the geometry's sizes.
pub fn direct_integer(geometry: &Geometry, input: &[i16], weights: &[i8]) -> Vec<i64> {
    outputs(geometry, |y, x, channel| {
        taps(geometry, y, x, channel)
            .map(|(element, weight)| {
                element.map_or(0, |element| i64::from(input[element])) * i64::from(weights[weight])
            })
            .sum()
    })
    .collect()
}

/// bf16 sums with an f32 accumulator in strict k order, each fold of `k_per_fold` products summed from
/// +0 and then added; any NaN is the canonical one. Layouts as in [`direct_integer`].
///
/// # Panics
/// When the slices do not have the geometry's sizes.
pub fn direct_bf16(geometry: &Geometry, input: &[bf16], weights: &[bf16], k_per_fold: usize) -> Vec<f32> {
    outputs(geometry, |y, x, channel| {
        let (mut accumulator, mut fold) = (0f32, 0f32);
        for (k, (element, weight)) in taps(geometry, y, x, channel).enumerate() {
            if k > 0 && k % k_per_fold == 0 {
                accumulator += fold;
                fold = 0.0;
            }
            fold += element.map_or(0.0, |element| input[element].to_f32()) * weights[weight].to_f32();
        }
        accumulator += fold;
        if accumulator.is_nan() { f32::from_bits(0x7fc0_0000) } else { accumulator }
    })
    .collect()
}
