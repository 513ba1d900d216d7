//! ONNX shapes as feature maps, and the geometry of windows.

use rten_onnx::onnx::{DataType, ValueInfoProto};

use super::super::layer::{FeatureMap, Padding, Size, Window};
use super::graph::Node;

/// Kernels, strides, dilations, pads: as far as their reach cannot overflow.
const MAX_EXTENT: i64 = 1 << 16;

/// A graph input's shape with a batch of 1, and its element type.
pub(super) fn of_input(input: &ValueInfoProto) -> Result<(Vec<usize>, DataType), String> {
    let tensor = input.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let tensor = tensor.ok_or("the graph's input is not a tensor; expected FLOAT, INT8 or UINT8")?;
    let shape = tensor
        .shape
        .as_ref()
        .ok_or("the graph's input has no shape; expected [1, channels, height, width] or [rows, columns]")?;
    let sizes: Vec<Option<i64>> = shape.dim.iter().map(|dim| dim.dim_value).collect();
    let mut dims = Vec::with_capacity(sizes.len());
    for (index, size) in sizes.iter().enumerate() {
        match (index, size) {
            // A symbolic batch is 1.
            (0, None | Some(0 | -1)) => dims.push(1),
            (_, Some(size)) if *size > 0 => dims.push(*size),
            _ => {
                let size = |size: &Option<i64>| size.map_or_else(|| "?".to_owned(), |size| size.to_string());
                let sizes: Vec<String> = sizes.iter().map(size).collect();
                return Err(format!(
                    "the graph's input has shape [{}]; expected sizes from 1, of which only the batch may be symbolic (?)",
                    sizes.join(", ")
                ));
            }
        }
    }
    let dims = super::reader::dims(&dims)?;
    feature_map(&dims)?;
    Ok((dims, tensor.elem_type.unwrap_or(DataType(0))))
}

/// [1, channels, height, width] as it is; [rows, channels] as so many pixels.
pub(super) fn feature_map(dims: &[usize]) -> Result<FeatureMap, String> {
    match *dims {
        [1, channels, height, width] => Ok(FeatureMap { height, width, channels }),
        [rows, channels] => Ok(FeatureMap { height: rows, width: 1, channels }),
        _ => Err(format!("shape {dims:?}; expected [1, channels, height, width] or [rows, columns]")),
    }
}

/// The geometry that a node's attributes give over an input; `kernel` where the weights tell it.
pub(super) fn window(node: &Node, input: FeatureMap, kernel: Option<[usize; 2]>) -> Result<Window, String> {
    let pair = |name: &str| -> Result<Option<[usize; 2]>, String> {
        let Some(values) = node.ints(name) else { return Ok(None) };
        match *values {
            [height, width] if [height, width].iter().all(|size| (1..=MAX_EXTENT).contains(size)) => {
                Ok(Some([height as usize, width as usize]))
            }
            _ => Err(format!("{name} {values:?}; expected two numbers from 1 to {MAX_EXTENT}")),
        }
    };
    let given = pair("kernel_shape")?;
    let kernel = match (given, kernel) {
        (Some(given), Some(kernel)) if given != kernel => {
            return Err(format!("kernel_shape {given:?}, but its weights have {kernel:?}"));
        }
        (given, kernel) => kernel.or(given).ok_or("kernel_shape is missing")?,
    };
    let (strides, dilations) = (pair("strides")?.unwrap_or([1, 1]), pair("dilations")?.unwrap_or([1, 1]));
    let size = |[height, width]: [usize; 2]| Size { height, width };
    let mut window = Window {
        kernel: size(kernel),
        stride: size(strides),
        dilation: size(dilations),
        padding: Padding::default(),
    };
    window.padding = match node.text("auto_pad").unwrap_or("NOTSET") {
        "NOTSET" => match node.ints("pads") {
            None => Padding::default(),
            Some(&[top, left, bottom, right])
                if [top, left, bottom, right].iter().all(|pad| (0..=MAX_EXTENT).contains(pad)) =>
            {
                let [top, left, bottom, right] = [top, left, bottom, right].map(|pad| pad as usize);
                Padding { top, bottom, left, right }
            }
            Some(pads) => return Err(format!("pads {pads:?}; expected four numbers from 0 to {MAX_EXTENT}")),
        },
        "VALID" => Padding::default(),
        same @ ("SAME_UPPER" | "SAME_LOWER") => {
            let along = |input: usize, kernel: usize, stride: usize, dilation: usize| {
                let reach = dilation * (kernel - 1) + 1;
                let all = ((input.div_ceil(stride) - 1) * stride + reach).saturating_sub(input);
                let small = all / 2;
                if same == "SAME_UPPER" { (small, all - small) } else { (all - small, small) }
            };
            let (top, bottom) = along(input.height, kernel[0], strides[0], dilations[0]);
            let (left, right) = along(input.width, kernel[1], strides[1], dilations[1]);
            Padding { top, bottom, left, right }
        }
        other => return Err(format!("auto_pad `{other}`; expected NOTSET, VALID, SAME_UPPER or SAME_LOWER")),
    };
    Ok(window)
}

/// The output of a window, at least one position.
pub(super) fn windowed(window: &Window, input: FeatureMap, channels: usize) -> Result<FeatureMap, String> {
    let Size { height, width } = window.output(input).ok_or_else(|| {
        format!(
            "a {}×{} kernel does not fit its padded {}×{} input",
            window.kernel.height, window.kernel.width, input.height, input.width
        )
    })?;
    Ok(FeatureMap { height, width, channels })
}

/// Windows × taps of a pool, those in the padding included: in the largest batch, some 2^58 operations.
const MAX_POOL_TAPS: u128 = 1 << 40;

/// How a pool's windows lie.
pub(super) struct Pool {
    /// Padded below and to the right as far as its last windows reach.
    pub(super) window: Window,
    /// Of its output.
    pub(super) shape: FeatureMap,
    /// Whether some window reaches beyond the padding that the node states.
    pub(super) beyond: bool,
}

/// Refuses pools with a window that has no tap inside the image, and what only other pools have.
pub(super) fn pool(node: &Node, input: FeatureMap) -> Result<Pool, String> {
    if node.int("storage_order", 0) != 0 || node.outputs.len() > 1 {
        return Err(
            "storage_order and a second output are not supported; expected 0 and one output".to_owned()
        );
    }
    let mut window = window(node, input, None)?;
    let Window { kernel, stride, dilation, padding } = window;
    if padding.top.max(padding.bottom) >= kernel.height || padding.left.max(padding.right) >= kernel.width {
        return Err(format!(
            "its padding reaches its {}×{} kernel; expected padding less than the kernel",
            kernel.height, kernel.width
        ));
    }
    if node.int("ceil_mode", 0) != 0 {
        let Padding { top, bottom, left, right } = padding;
        window.padding.bottom +=
            beyond(input.height, [top, bottom], kernel.height, stride.height, dilation.height);
        window.padding.right +=
            beyond(input.width, [left, right], kernel.width, stride.width, dilation.width);
    }
    let shape = windowed(&window, input, input.channels)?;
    let rows =
        has_taps(input.height, padding.top, kernel.height, stride.height, dilation.height, shape.height);
    let columns =
        has_taps(input.width, padding.left, kernel.width, stride.width, dilation.width, shape.width);
    if !(rows && columns) {
        return Err("one of its windows has no tap inside the image; expected padding below the dilation, or a larger image".to_owned());
    }
    let taps = [shape.height, shape.width, shape.channels, kernel.height, kernel.width];
    let taps = taps.iter().try_fold(1u128, |product, &size| product.checked_mul(size as u128));
    if taps.is_none_or(|taps| taps > MAX_POOL_TAPS) {
        return Err(format!(
            "its {}×{} windows have too many taps over all; at most {MAX_POOL_TAPS} are accepted",
            kernel.height, kernel.width
        ));
    }
    Ok(Pool { window, shape, beyond: window.padding != padding })
}

/// What `ceil_mode` adds behind an image: as far as a last window reaches that begins within the image or
/// before it.
fn beyond(input: usize, [before, after]: [usize; 2], kernel: usize, stride: usize, dilation: usize) -> usize {
    let (padded, reach) = (input + before + after, dilation * (kernel - 1) + 1);
    let Some(rest) = padded.checked_sub(reach) else { return 0 };
    let last = rest.div_ceil(stride) * stride;
    let last = if last >= input + before { last - stride } else { last };
    (last + reach).saturating_sub(padded)
}

/// Whether every window has a tap inside the image along one axis; those that begin inside have.
fn has_taps(
    input: usize,
    before: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    windows: usize,
) -> bool {
    (0..windows).map(|index| index * stride).take_while(|&start| start < before).all(|start| {
        let tap = (before - start).div_ceil(dilation);
        tap < kernel && start + tap * dilation - before < input
    })
}
