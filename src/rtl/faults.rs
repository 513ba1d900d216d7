//! Seeded faults: a check that finds none of them proves nothing.

/// A change of one module that must be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong then.
    pub name: &'static str,
    /// The file.
    pub file: &'static str,
    /// What stands there.
    pub text: &'static str,
    /// What replaces it.
    pub replacement: &'static str,
}

const fn fault(
    name: &'static str,
    file: &'static str,
    text: &'static str,
    replacement: &'static str,
) -> Fault {
    Fault { name, file, text, replacement }
}

/// All of them; each occurs once in its file.
pub const FAULTS: [Fault; 12] = [
    fault("swap one cycle late", "stationary_pe.v", "swap_in ? shadow : active;", "active;"),
    fault("swap without a shadow", "stationary_pe.v", "active <= shadow;", "active <= active;"),
    fault("no link register", "stationary_pe.v", "held_out <= shadow;", "held_out <= held_in;"),
    fault(
        "partial sum one bit narrow",
        "integer_mac.v",
        "wire signed [SUM_BITS-1:0] wrapped",
        "wire signed [SUM_BITS-2:0] wrapped",
    ),
    fault(
        "lanes along k reversed",
        "integer_mac.v",
        "activation[A_BITS*k +: A_BITS]",
        "activation[A_BITS*(LANES_K-1-k) +: A_BITS]",
    ),
    fault(
        "activations not skewed",
        "stationary_array.v",
        "systolab_delay #(2+STREAM, r)",
        "systolab_delay #(2+STREAM, 0)",
    ),
    fault(
        "weights not skewed",
        "stationary_array.v",
        "systolab_delay #(1+HELD, c)",
        "systolab_delay #(1+HELD, 0)",
    ),
    fault("address one cycle early", "stationary_array.v", "ROWS+c) beside", "ROWS+c-1) beside"),
    fault("unused rows add", "stationary_pe.v", "valid_in ? sums[", "1'b1 ? sums["),
    fault(
        "accumulator not restarted",
        "accumulator.v",
        "(first ? 32'd0 : entries[address])",
        "entries[address]",
    ),
    fault("accumulator one cycle late", "accumulator.v", "33+ADDRESS, LATENCY-1)", "33+ADDRESS, LATENCY)"),
    fault("sign of the weight ignored", "product.v", "(W_SIGNED != 0) & w[W_BITS-1]", "1'b0"),
];
