//! Tensors and the files they travel in.
//!
//! Knows shapes, element types and safetensors. Must not know layers, quantizers or what a tensor
//! is for.

mod element;
mod safetensors_file;

pub use element::{Data, ElementType, Tensor};
pub use safetensors_file::{TensorFile, TensorFileError};
