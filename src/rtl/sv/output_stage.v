// Behind the accumulators: de-skew registers, so that all columns show the same vector in the same cycle, and
// requantization of every column and lane. Each has a memory with the bias, multiplier and shift of its channels: one
// entry of one port is written per cycle, and all ports use the entry `block` in the cycle after it was given.
module systolab_output_stage #(
`include "parameters.vh"
) (
    input wire clk,
    input wire [2:0] mode, input wire signed [9:0] zero_point, input wire signed [9:0] low, input wire signed [9:0] high,
    input wire write, input wire [15:0] port, input wire [ADDRESS-1:0] entry,
    input wire signed [31:0] bias, input wire [30:0] q31, input wire signed [6:0] shift,
    input wire [ADDRESS-1:0] block,
    input wire [FIELDS*COLS-1:0] readable, input wire [32*FIELDS*COLS-1:0] value,
    output wire [FIELDS*COLS-1:0] aligned, output wire [10*FIELDS*COLS-1:0] stored
);
    genvar c, l;
    generate
        for (c = 0; c < COLS; c = c + 1) begin : column
            for (l = 0; l < FIELDS; l = l + 1) begin : lane
                wire [31:0] sum;
                systolab_delay #(33, COLS-1-c) deskew (clk,
                    {readable[FIELDS*c + l], value[32*(FIELDS*c + l) +: 32]}, {aligned[FIELDS*c + l], sum});
                reg [69:0] channels [0:(1<<ADDRESS)-1];
                reg [69:0] channel;
                always @(posedge clk) begin
                    if (write && port == FIELDS*c + l) channels[entry] <= {bias, q31, shift};
                    channel <= channels[block];
                end
                systolab_requantize requantize (sum, channel[69:38], mode, channel[6:0], channel[37:7],
                    zero_point, low, high, stored[10*(FIELDS*c + l) +: 10]);
            end
        end
    endgenerate
endmodule
