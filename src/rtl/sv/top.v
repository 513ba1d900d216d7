// The array, its accumulators and what makes stored integers of their sums. Ports of an output-stationary array:
// `load` is the drain pulse, `swap` a fold's first step and `first` its last one.
module systolab_top #(
`include "parameters.vh"
) (
    input wire clk,
    input wire [7:0] pair,
    input wire load, input wire [HELD*COLS-1:0] held,
    input wire [ROWS-1:0] rows_used, input wire swap, input wire [STREAM*ROWS-1:0] stream,
    input wire [FIELDS*COLS-1:0] outputs_used, input wire first, input wire [ADDRESS-1:0] address,
    output wire [FIELDS*COLS-1:0] readable, output wire [32*FIELDS*COLS-1:0] value,
    input wire [2:0] mode, input wire signed [9:0] zero_point, input wire signed [9:0] low, input wire signed [9:0] high,
    input wire write, input wire [15:0] port, input wire [ADDRESS-1:0] entry,
    input wire signed [31:0] bias, input wire [30:0] q31, input wire signed [6:0] shift, input wire [ADDRESS-1:0] block,
    output wire [FIELDS*COLS-1:0] aligned, output wire [10*FIELDS*COLS-1:0] stored
);
    wire [FIELDS*COLS-1:0] leaving;
    wire [COLS-1:0] starting;
    wire [ADDRESS*COLS-1:0] place;
    wire [FIELD*FIELDS*COLS-1:0] bottom;
    genvar c, l;
    generate
        if (OUTPUT_STATIONARY != 0) begin : output_stationary
            systolab_output_array array (clk, pair, load, held, rows_used, swap, stream, outputs_used, first,
                leaving, bottom);
            assign starting = {COLS{1'b1}};
            assign place = 0;
        end else begin : stationary
            systolab_stationary_array array (clk, pair, load, held, rows_used, swap, stream, outputs_used, first,
                address, leaving, starting, place, bottom);
        end
        for (c = 0; c < COLS; c = c + 1) begin : column
            for (l = 0; l < FIELDS; l = l + 1) begin : lane
                systolab_accumulator accumulator (clk, pair, leaving[FIELDS*c + l], starting[c],
                    place[ADDRESS*c +: ADDRESS], bottom[FIELD*(FIELDS*c + l) +: FIELD],
                    readable[FIELDS*c + l], value[32*(FIELDS*c + l) +: 32]);
            end
        end
    endgenerate
    systolab_output_stage stage (clk, mode, zero_point, low, high, write, port, entry, bias, q31, shift, block,
        readable, value, aligned, stored);
endmodule
