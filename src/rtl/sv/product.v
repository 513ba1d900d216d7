// Exact product of two integers, signed or unsigned each, sign-extended to 32 bits.
/* verilator lint_off WIDTH */ // Operands of operators are meant to be extended.
module systolab_product #(
    parameter A_BITS = 8, parameter A_SIGNED = 1, parameter W_BITS = 8, parameter W_SIGNED = 1
) (
    input wire [A_BITS-1:0] a,
    input wire [W_BITS-1:0] w,
    output wire signed [31:0] product
);
    // An unsigned operand gets a sign bit of 0.
    wire signed [A_BITS-(A_SIGNED != 0):0] x = a;
    wire signed [W_BITS-(W_SIGNED != 0):0] y = w;
    assign product = x * y;
endmodule
