//! Bit-exact values: executes a network's layers in the order its plans state.
//!
//! Knows plans, parameters and tensors. Must not know an accelerator or a cycle.
