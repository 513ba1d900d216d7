// COLS columns of ROWS PEs. A vector and a row of stationary operands enter unskewed, in one cycle; row r and column c
// get theirs r and c cycles later. Partial sums leave the bottom row ROWS + c cycles after their vector entered,
// together with their accumulator's address, which travels beside the array.
module systolab_stationary_array #(
`include "parameters.vh"
) (
    input wire clk,
    input wire [7:0] pair,
    input wire load, input wire [HELD*COLS-1:0] held,
    input wire [ROWS-1:0] rows_used, input wire swap, input wire [STREAM*ROWS-1:0] stream,
    input wire [FIELDS*COLS-1:0] outputs_used, input wire first, input wire [ADDRESS-1:0] address,
    output wire [FIELDS*COLS-1:0] leaving, output wire [COLS-1:0] starting,
    output wire [ADDRESS*COLS-1:0] place, output wire [FIELD*FIELDS*COLS-1:0] bottom
);
    wire [ROWS*(COLS+1)-1:0] valid, swaps;
    wire [STREAM*ROWS*(COLS+1)-1:0] streams;
    genvar r, c;
    generate
        for (r = 0; r < ROWS; r = r + 1) begin : row
            systolab_delay #(2+STREAM, r) skew (clk, {rows_used[r], swap, stream[STREAM*r +: STREAM]},
                {valid[r], swaps[r], streams[STREAM*r +: STREAM]});
        end
        for (c = 0; c < COLS; c = c + 1) begin : columns
            wire skewed_load;
            wire [HELD-1:0] skewed_held;
            systolab_delay #(1+HELD, c) skew (clk, {load, held[HELD*c +: HELD]}, {skewed_load, skewed_held});
            systolab_stationary_column #(.HEIGHT(ROWS)) column (clk, pair, skewed_load, skewed_held,
                valid[ROWS*c +: ROWS], swaps[ROWS*c +: ROWS], streams[STREAM*ROWS*c +: STREAM*ROWS],
                valid[ROWS*(c+1) +: ROWS], swaps[ROWS*(c+1) +: ROWS], streams[STREAM*ROWS*(c+1) +: STREAM*ROWS],
                bottom[FIELD*FIELDS*c +: FIELD*FIELDS]);
            systolab_delay #(FIELDS+1+ADDRESS, ROWS+c) beside (clk,
                {outputs_used[FIELDS*c +: FIELDS], first, address},
                {leaving[FIELDS*c +: FIELDS], starting[c], place[ADDRESS*c +: ADDRESS]});
        end
    endgenerate
endmodule
