//! The closed form with one wrong term at a time: its totals must differ from the Verilog's.

use crate::hardware::Array;
use crate::mapping::{Schedule, View};
use crate::timing::{Cycles, Terms, array_cycles_with};

/// Cycles of a layer.
type Formula = fn(&Schedule, &Array) -> Cycles;

/// What is wrong, and the closed form with it.
pub(super) const WRONG: [(&str, Formula); 5] = [
    ("formula: edge folds load all rows", array_cycles_with::<EdgeLoadsAllRows>),
    ("formula: loading is free", array_cycles_with::<LoadingIsFree>),
    ("formula: no wait for the accumulator", array_cycles_with::<NoWait>),
    ("formula: edge folds leave through all columns", array_cycles_with::<EdgeUsesAllColumns>),
    ("formula: one cycle short", array_cycles_with::<OneCycleShort>),
];

struct EdgeLoadsAllRows;

impl Terms for EdgeLoadsAllRows {
    fn rows(_: View, array: &Array) -> u64 {
        array.rows()
    }
}

struct LoadingIsFree;

impl Terms for LoadingIsFree {
    fn least_gap(_: View, _: &Array) -> u64 {
        0
    }
}

struct NoWait;

impl Terms for NoWait {
    fn wait(_: &Array) -> u64 {
        0
    }
}

struct EdgeUsesAllColumns;

impl Terms for EdgeUsesAllColumns {
    fn columns(_: View, array: &Array) -> u64 {
        array.cols()
    }
}

struct OneCycleShort;

impl Terms for OneCycleShort {
    fn corners() -> u64 {
        3
    }
}
