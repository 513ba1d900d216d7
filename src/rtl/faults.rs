//! Seeded faults: a check that finds none of them proves nothing.

use crate::mapping::Dataflow;

/// A change of one module that must be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong then.
    pub name: &'static str,
    /// The array that has it.
    pub dataflow: Dataflow,
    /// The file.
    pub file: &'static str,
    /// What stands there.
    pub text: &'static str,
    /// What replaces it.
    pub replacement: &'static str,
}

const fn stationary(
    name: &'static str,
    file: &'static str,
    text: &'static str,
    replacement: &'static str,
) -> Fault {
    Fault { name, dataflow: Dataflow::Ws, file, text, replacement }
}

const fn output(
    name: &'static str,
    file: &'static str,
    text: &'static str,
    replacement: &'static str,
) -> Fault {
    Fault { name, dataflow: Dataflow::Os, file, text, replacement }
}

/// All of them; each occurs once in its file.
pub const FAULTS: [Fault; 34] = [
    stationary("swap one cycle late", "stationary_pe.v", "swap_in ? shadow : active;", "active;"),
    stationary("swap without a shadow", "stationary_pe.v", "active <= shadow;", "active <= active;"),
    stationary("no link register", "stationary_pe.v", "assign held_out = link;", "assign held_out = shadow;"),
    stationary("unused rows add", "stationary_pe.v", "valid_in ? sum : sum_in;", "sum;"),
    stationary(
        "partial sum one bit narrow",
        "integer_mac.v",
        "systolab_clip #(SUM_BITS, SATURATE)",
        "systolab_clip #(SUM_BITS-1, SATURATE)",
    ),
    stationary(
        "lanes along k reversed",
        "integer_mac.v",
        "activation[A_BITS*k +: A_BITS]",
        "activation[A_BITS*(LANES_K-1-k) +: A_BITS]",
    ),
    stationary(
        "lanes along n reversed",
        "integer_mac.v",
        "weight[W_BITS*(n*LANES_K + k) +: W_BITS]",
        "weight[W_BITS*((LANES_N-1-n)*LANES_K + k) +: W_BITS]",
    ),
    stationary("sign of the weight ignored", "product.v", "[W_BITS-(W_SIGNED != 0):0] y", "[W_BITS:0] y"),
    stationary(
        "activations not skewed",
        "stationary_array.v",
        "systolab_delay #(2+STREAM, r)",
        "systolab_delay #(2+STREAM, 0)",
    ),
    stationary(
        "weights not skewed",
        "stationary_array.v",
        "systolab_delay #(1+HELD, c)",
        "systolab_delay #(1+HELD, 0)",
    ),
    stationary("address one cycle early", "stationary_array.v", "ROWS+c) beside", "ROWS+c-1) beside"),
    stationary(
        "accumulator not restarted",
        "accumulator.v",
        "first ? 32'd0 : entries[address]",
        "entries[address]",
    ),
    stationary(
        "accumulator one cycle late",
        "accumulator.v",
        "33+ADDRESS, LATENCY-1)",
        "33+ADDRESS, LATENCY)",
    ),
    stationary("another pair's accumulator", "accumulator.v", "joined[32*pair +: 32]", "joined[31:0]"),
    stationary("another pair's MAC", "macs.v", "sums[FIELD*FIELDS*q +:", "sums[0 +:"),
    stationary(
        "columns not aligned",
        "output_stage.v",
        "systolab_delay #(33, COLS-1-c)",
        "systolab_delay #(33, 0)",
    ),
    stationary("bias left out", "requantize.v", "= sum + bias;", "= sum;"),
    stationary("another lane's multiplier", "output_stage.v", "port == FIELDS*c + l)", "port == FIELDS*c)"),
    stationary("the first channels' multipliers", "output_stage.v", "<= channels[block];", "<= channels[0];"),
    stationary(
        "channels' parameters one cycle late",
        "output_stage.v",
        "<= channels[block];",
        "<= #2 channels[block];",
    ),
    stationary(
        "halves away from zero rounded up",
        "requantize.v",
        "rest == half && ~operand[63]",
        "rest == half",
    ),
    stationary("halves to even rounded up", "requantize.v", "rest == half && floor[0]", "rest == half"),
    stationary("no nudge below zero", "requantize.v", "64'sd1 - (64'sd1 <<< 30)", "64'sd1 <<< 30"),
    stationary(
        "clamped before the zero point",
        "requantize.v",
        "shifted > high ? high",
        "shifted > high ? low",
    ),
    stationary("bf16 tie rounded away", "float_add.v", "half & (rest | normal[DROPPED])", "half"),
    stationary("bf16 sticky bit lost", "float_add.v", "shifted[27:0] != 0};", "1'b0};"),
    stationary("bf16 tiny product cut", "bf16_product.v", "shifted[53:30] + (half", "shifted[53:30] + (1'b0"),
    stationary("bf16 infinity times zero", "bf16_product.v", " || exact == 0;", ";"),
    output("sum not restarted", "output_pe.v", "begin_in ? {FIELD*FIELDS{1'b0}} : sum", "sum"),
    output("no second register", "output_pe.v", "assign out_out = out;", "assign out_out = sum;"),
    output("drained before it is full", "output_pe.v", "moving | pulse ? full", "1'b1 ? full"),
    output("drain pulse not skewed", "output_array.v", "OVERLAPPED != 0 ? c : 0)", "0)"),
    output(
        "weights not skewed (os)",
        "output_array.v",
        "systolab_delay #(FIELDS+HELD, c)",
        "systolab_delay #(FIELDS+HELD, 0)",
    ),
    output("no register below the bottom row", "output_array.v", "*COLS, 1) below", "*COLS, 0) below"),
];
