// The MACs of one PE for one pair of integers. LANES_K products are added to each of LANES_N partial sums of
// SUM_BITS bits, which stand sign-extended in fields of FIELD bits: one after the other, or with BLOCK at once.
/* verilator lint_off WIDTH */ // Operands of operators are meant to be extended.
/* verilator lint_off UNOPTFLAT */ // Slices of a chain depend on those below them only.
module systolab_integer_mac #(
    parameter A_BITS = 8, parameter A_SIGNED = 1, parameter W_BITS = 8, parameter W_SIGNED = 1,
    parameter LANES_K = 1, parameter LANES_N = 1,
    parameter SUM_BITS = 24, parameter SATURATE = 0, parameter BLOCK = 0, parameter FIELD = 24
) (
    input wire [A_BITS*LANES_K-1:0] activation,
    input wire [W_BITS*LANES_K*LANES_N-1:0] weight,
    input wire [FIELD*LANES_N-1:0] sum_in,
    output wire [FIELD*LANES_N-1:0] sum_out
);
    genvar n, k;
    generate
        for (n = 0; n < LANES_N; n = n + 1) begin : channel
            wire [40*(LANES_K+1)-1:0] chain;
            wire signed [FIELD-1:0] sum_before = sum_in[FIELD*n +: FIELD];
            wire signed [39:0] extended = sum_before;
            assign chain[39:0] = extended;
            for (k = 0; k < LANES_K; k = k + 1) begin : lane
                wire signed [31:0] product;
                systolab_product #(A_BITS, A_SIGNED, W_BITS, W_SIGNED) multiplier (
                    activation[A_BITS*k +: A_BITS], weight[W_BITS*(n*LANES_K + k) +: W_BITS], product);
                wire signed [39:0] entering = chain[40*k +: 40];
                wire signed [39:0] exact = entering + product;
                if (BLOCK != 0 && k + 1 < LANES_K) begin : later
                    assign chain[40*(k+1) +: 40] = exact;
                end else begin : now
                    systolab_clip #(SUM_BITS, SATURATE) clip (exact, chain[40*(k+1) +: 40]);
                end
            end
            assign sum_out[FIELD*n +: FIELD] = chain[40*LANES_K +: FIELD];
        end
    endgenerate
endmodule
