//! Numbers without shapes: formats, MAC units, rounding, requantization and quantizers.
//!
//! Everything that decides a bit is decided here once; the engines only arrange these operations.
//! Must not know tensors, layers or hardware.

mod average;
mod fixed_point_add;
mod float_sum;
mod format;
mod mac;
mod quantize_aqt;
mod quantize_linear;
mod quantized_add;
mod requantization;
mod requantize;
mod requantize_f32_rne;
mod requantize_fixed_point;
mod requantize_shift;
mod rounding;

pub use average::{F32Average, ZeroPointAdded};
pub use fixed_point_add::FixedPointAdd;
pub use float_sum::{FloatRounding, PartialSumFormat, Subnormals};
pub use format::{IntegerFormat, OperandFormat, OperandPair, Signedness, StoredFormat, UnknownFormat};
pub use mac::{
    Bf16Mac, Bias, CANONICAL_NAN, IntegerMac, Join, LaneSum, MacSpec, Overflow, RegisterWidth, StaticBound,
};
pub use quantize_aqt::{Grid, QuantizerKind};
pub use quantize_linear::QuantizeLinear;
pub use quantized_add::{F32Add, QuantizedAdd, Scale};
pub use requantization::{OutputGrid, Requantization, RequantizationKind};
pub use requantize::{Activation, Store, post_process, round_bf16};
pub use requantize_f32_rne::F32Rne;
pub use requantize_fixed_point::{FixedPoint, FixedPointMultiplier, FixedPointRounding};
pub use requantize_shift::{PowerOfTwoShift, ShiftRounding, shift_right};
pub use rounding::Rounding;
