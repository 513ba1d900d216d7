// Accumulator of one column and one lane along n: a fold's sum starts an entry or is added to it, and is readable
// LATENCY cycles after it left the bottom register.
/* verilator lint_off WIDTH */ // Operands of operators are meant to be extended.
module systolab_accumulator #(
`include "parameters.vh"
) (
    input wire clk,
    input wire [7:0] pair,
    input wire valid, input wire first, input wire [ADDRESS-1:0] address,
    input wire signed [FIELD-1:0] sum,
    output reg readable, output reg [31:0] value
);
    reg [31:0] entries [0:(1<<ADDRESS)-1];
    wire [31:0] entry = first ? 32'd0 : entries[address];
    wire [32*PAIRS-1:0] joined;
    genvar p;
    generate
        for (p = 0; p < PAIRS; p = p + 1) begin : datapath
            if (p == BF16) begin : floats
                wire [31:0] fold = sum[SUM_BITS[8*p +: 8]-1:0];
                systolab_float_add #(24, FLUSH) adder (entry, fold << (32 - SUM_BITS[8*p +: 8]), joined[32*p +: 32]);
            end else begin : integers
                wire signed [31:0] signed_entry = entry;
                wire signed [39:0] exact = signed_entry + 40'sd0 + sum;
                wire [39:0] held;
                systolab_clip #(ACCUMULATOR_BITS[8*p +: 8], SATURATE[8*p +: 8]) clip (exact, held);
                assign joined[32*p +: 32] = held[31:0];
            end
        end
    endgenerate
    wire write;
    wire [ADDRESS-1:0] written;
    wire [31:0] word;
    systolab_delay #(33+ADDRESS, LATENCY-1) pipeline (clk, {valid, address, joined[32*pair +: 32]},
        {write, written, word});
    initial begin readable = 0; value = 0; end
    always @(posedge clk) begin
        readable <= write;
        value <= word;
        if (write) entries[written] <= word;
    end
endmodule
