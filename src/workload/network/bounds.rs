//! How large a network may be: what is refused before anything is allocated.
//!
//! Knows sizes; must not know what a layer does.

use super::NetworkError;
use crate::workload::FeatureMap;

/// Elements that all edges, and all weights, may have: bounds memory before anything is allocated.
pub(in super::super) const MAX_ELEMENTS: u64 = 1 << 28;
/// Layers of a network.
pub(in super::super) const MAX_LAYERS: usize = 4096;

/// An output of `layer` with as many elements as are accepted.
pub(super) fn check_shape(layer: &str, shape: FeatureMap) -> Result<(), NetworkError> {
    check_elements(layer, "its output", &[shape.height, shape.width, shape.channels])
}

/// `what` of `layer`, with the product of `sizes` elements, as many as are accepted.
pub(super) fn check_elements(layer: &str, what: &str, sizes: &[usize]) -> Result<(), NetworkError> {
    let elements = sizes.iter().try_fold(1u64, |product, &size| product.checked_mul(size as u64));
    match elements {
        Some(1..=MAX_ELEMENTS) => Ok(()),
        _ => Err(NetworkError {
            layer: layer.to_owned(),
            message: format!("{what} would have {sizes:?} elements; from 1 to {MAX_ELEMENTS} are accepted"),
        }),
    }
}
