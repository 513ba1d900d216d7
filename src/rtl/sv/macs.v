// The MACs of one PE: a datapath per operand pair, of which `pair` selects one at run time.
/* verilator lint_off WIDTH */ // Operands of operators are meant to be extended.
module systolab_macs #(
`include "parameters.vh"
) (
    input wire [7:0] pair,
    input wire [STREAM-1:0] stream, input wire [HELD-1:0] held,
    input wire [FIELD*FIELDS-1:0] sum_in,
    output reg [FIELD*FIELDS-1:0] sum_out
);
    wire [FIELD*FIELDS*PAIRS-1:0] sums;
    genvar p;
    generate
        for (p = 0; p < PAIRS; p = p + 1) begin : datapath
            localparam AB = A_BITS[8*p +: 8];
            localparam WB = W_BITS[8*p +: 8];
            localparam LK = LANES_K[8*p +: 8];
            localparam LN = LANES_N[8*p +: 8];
            wire [FIELD*LN-1:0] sum;
            if (p == BF16) begin : floats
                systolab_bf16_mac #(LK, LN, SUM_BITS[8*p +: 8], FLUSH, FIELD) mac (
                    stream[AB*LK-1:0], held[WB*LK*LN-1:0], sum_in[FIELD*LN-1:0], sum);
            end else begin : integers
                systolab_integer_mac #(AB, A_SIGNED[8*p +: 8], WB, W_SIGNED[8*p +: 8], LK, LN, SUM_BITS[8*p +: 8],
                    SATURATE[8*p +: 8], BLOCK[8*p +: 8], FIELD) mac (
                    stream[AB*LK-1:0], held[WB*LK*LN-1:0], sum_in[FIELD*LN-1:0], sum);
            end
            assign sums[FIELD*FIELDS*p +: FIELD*LN] = sum;
            if (LN < FIELDS) begin : unused
                assign sums[FIELD*FIELDS*p + FIELD*LN +: FIELD*(FIELDS-LN)] = 0;
            end
        end
    endgenerate
    // No shift by a product: with one pair this is a wire.
    integer q;
    always @* begin
        sum_out = sums[0 +: FIELD*FIELDS];
        for (q = 1; q < PAIRS; q = q + 1)
            if (pair == q) sum_out = sums[FIELD*FIELDS*q +: FIELD*FIELDS];
    end
endmodule
