//! Tensors and the files they travel in.
//!
//! Knows shapes, element types, safetensors and numpy's files. Must not know layers, quantizers or what a tensor
//! is for.

mod element;
mod numpy_file;
mod tensor_file;

pub use element::{Data, ElementType, Tensor};
pub use tensor_file::{TensorFile, TensorFileError, safetensors_bytes};
