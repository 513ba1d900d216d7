// Exact product of two integers, signed or unsigned each, sign-extended to 32 bits.
module systolab_product #(
    parameter A_BITS = 8, parameter A_SIGNED = 1, parameter W_BITS = 8, parameter W_SIGNED = 1
) (
    input wire [A_BITS-1:0] a,
    input wire [W_BITS-1:0] w,
    output wire signed [31:0] product
);
    wire signed [A_BITS:0] x = {(A_SIGNED != 0) & a[A_BITS-1], a};
    wire signed [W_BITS:0] y = {(W_SIGNED != 0) & w[W_BITS-1], w};
    assign product = x * y;
endmodule
