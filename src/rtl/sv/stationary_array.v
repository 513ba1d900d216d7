// R × C PEs. A vector and a row of stationary operands enter unskewed, in one cycle; row r and column c get
// theirs r and c cycles later. Partial sums leave the bottom row R + c cycles after their vector entered,
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
    localparam SUM = FIELD*FIELDS;
    wire [ROWS*(COLS+1)-1:0] valid, swaps;
    wire [STREAM*ROWS*(COLS+1)-1:0] streams;
    wire [(ROWS+1)*COLS-1:0] loads;
    wire [HELD*(ROWS+1)*COLS-1:0] helds;
    wire [SUM*(ROWS+1)*COLS-1:0] sums;
    assign sums[SUM*COLS-1:0] = 0;
    assign bottom = sums[SUM*ROWS*COLS +: SUM*COLS];
    genvar r, c;
    generate
        for (r = 0; r < ROWS; r = r + 1) begin : skew_row
            systolab_delay #(2+STREAM, r) skew (clk, {rows_used[r], swap, stream[STREAM*r +: STREAM]},
                {valid[r*(COLS+1)], swaps[r*(COLS+1)], streams[STREAM*r*(COLS+1) +: STREAM]});
        end
        for (c = 0; c < COLS; c = c + 1) begin : column
            systolab_delay #(1+HELD, c) skew (clk, {load, held[HELD*c +: HELD]},
                {loads[c], helds[HELD*c +: HELD]});
            for (r = 0; r < ROWS; r = r + 1) begin : row
                systolab_stationary_pe pe (clk, pair,
                    loads[r*COLS + c], helds[HELD*(r*COLS + c) +: HELD],
                    loads[(r+1)*COLS + c], helds[HELD*((r+1)*COLS + c) +: HELD],
                    valid[r*(COLS+1) + c], swaps[r*(COLS+1) + c], streams[STREAM*(r*(COLS+1) + c) +: STREAM],
                    valid[r*(COLS+1) + c+1], swaps[r*(COLS+1) + c+1], streams[STREAM*(r*(COLS+1) + c+1) +: STREAM],
                    sums[SUM*(r*COLS + c) +: SUM], sums[SUM*((r+1)*COLS + c) +: SUM]);
            end
            systolab_delay #(FIELDS+1+ADDRESS, ROWS+c) beside (clk,
                {outputs_used[FIELDS*c +: FIELDS], first, address},
                {leaving[FIELDS*c +: FIELDS], starting[c], place[ADDRESS*c +: ADDRESS]});
        end
    endgenerate
endmodule
