//! Why a network cannot be executed.

/// Why a network cannot be executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecutionError {
    /// A value that goes onto an integer grid is not a number.
    #[error("layer `{layer}`: element {index} of `{edge}` is NaN and cannot be quantized")]
    NotANumber {
        /// The layer that quantizes; `image` for the network's input.
        layer: String,
        /// The edge whose element it is.
        edge: String,
        /// Its position in the edge, row-major [height, width, channels].
        index: usize,
    },
    /// The list of plans does not have one entry per layer.
    #[error("{found} plans for {expected} layers; expected one per layer, `None` for pools")]
    PlanCount {
        /// Layers of the network.
        expected: usize,
        /// Plans given.
        found: usize,
    },
    /// A layer's plan is missing or cannot execute it.
    #[error("layer `{layer}`: {message}")]
    Plan {
        /// The layer.
        layer: String,
        /// What is wrong.
        message: &'static str,
    },
    /// Parameters that were read for another network.
    #[error("layer `{layer}`: its parameters belong to another network")]
    Params {
        /// The layer.
        layer: String,
    },
    /// A layer reads an edge that is stored on a grid that is not its own.
    #[error("layer `{layer}`: reads `{edge}`, which is stored on another reader's grid")]
    Unreadable {
        /// The layer.
        layer: String,
        /// The edge.
        edge: String,
    },
    /// An image or its normalization does not have the shape that the network takes.
    #[error("{what}: {found} elements; the network takes {expected}")]
    InputShape {
        /// Image, mean or standard deviation.
        what: &'static str,
        /// Elements expected.
        expected: usize,
        /// Elements given.
        found: usize,
    },
    /// No logit of an image is a number.
    #[error("all logits are NaN; an image without a largest logit has no class")]
    NoClass,
    /// More classes than a label can name.
    #[error("{0} outputs; a classification has at most 65,536 classes")]
    Classes(usize),
    /// One image of a set failed.
    #[error("image {index}: {source}")]
    Image {
        /// Position in the evaluation set.
        index: usize,
        /// Why.
        source: Box<ExecutionError>,
    },
}
