//! Accelerator designs: TOML with positions (raw), then one validated type.
//!
//! Knows what a design is made of. Must not know networks, schedules or costs.
