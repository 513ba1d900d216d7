// The MACs of one PE for bfloat16. LANES_K products are added one after the other to each of LANES_N partial sums,
// which are the upper SUM_BITS bits of an f32, in fields of FIELD bits. Combinational: no clock claim.
module systolab_bf16_mac #(
    parameter LANES_K = 1, parameter LANES_N = 1, parameter SUM_BITS = 32, parameter FLUSH = 0, parameter FIELD = 32
) (
    input wire [16*LANES_K-1:0] activation,
    input wire [16*LANES_K*LANES_N-1:0] weight,
    input wire [FIELD*LANES_N-1:0] sum_in,
    output wire [FIELD*LANES_N-1:0] sum_out
);
    genvar n, k;
    generate
        for (n = 0; n < LANES_N; n = n + 1) begin : channel
            wire [32*(LANES_K+1)-1:0] chain;
            wire [31:0] extended = sum_in[FIELD*n +: SUM_BITS];
            assign chain[31:0] = extended << (32 - SUM_BITS);
            for (k = 0; k < LANES_K; k = k + 1) begin : lane
                wire [31:0] product;
                systolab_bf16_product #(FLUSH) multiplier (
                    activation[16*k +: 16], weight[16*(n*LANES_K + k) +: 16], product);
                systolab_float_add #(SUM_BITS - 8, FLUSH) adder (
                    chain[32*k +: 32], product, chain[32*(k+1) +: 32]);
            end
            wire [31:0] last = chain[32*LANES_K +: 32];
            wire [FIELD-1:0] field = last >> (32 - SUM_BITS);
            assign sum_out[FIELD*n +: FIELD] = field;
        end
    endgenerate
endmodule
