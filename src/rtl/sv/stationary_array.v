// R × C PEs. A vector and a row of stationary operands enter unskewed, in one cycle; row r and column c get
// theirs r and c cycles later. Partial sums leave the bottom row R + c cycles after their vector entered,
// together with their accumulator's address, which travels beside the array.
module systolab_stationary_array #(
    parameter ROWS = 4, parameter COLS = 4, parameter LATENCY = 1, parameter ADDRESS = 10,
    parameter PAIRS = 1,
    parameter [8*PAIRS-1:0] A_BITS = 8, parameter [8*PAIRS-1:0] A_SIGNED = 1,
    parameter [8*PAIRS-1:0] W_BITS = 8, parameter [8*PAIRS-1:0] W_SIGNED = 1,
    parameter [8*PAIRS-1:0] LANES_K = 1, parameter [8*PAIRS-1:0] LANES_N = 1,
    parameter [8*PAIRS-1:0] SUM_BITS = 24, parameter [8*PAIRS-1:0] ACCUMULATOR_BITS = 32,
    parameter STREAM = 8, parameter HELD = 8, parameter FIELD = 24, parameter FIELDS = 1
) (
    input wire clk,
    input wire [7:0] pair,
    input wire load, input wire [HELD*COLS-1:0] held,
    input wire [ROWS-1:0] rows_used, input wire swap, input wire [STREAM*ROWS-1:0] stream,
    input wire [FIELDS*COLS-1:0] outputs_used, input wire first, input wire [ADDRESS-1:0] address,
    output wire [FIELDS*COLS-1:0] readable, output wire [32*FIELDS*COLS-1:0] value
);
    localparam SUM = FIELD*FIELDS;
    wire [ROWS*(COLS+1)-1:0] valid, swaps;
    wire [STREAM*ROWS*(COLS+1)-1:0] streams;
    wire [(ROWS+1)*COLS-1:0] loads;
    wire [HELD*(ROWS+1)*COLS-1:0] helds;
    wire [SUM*(ROWS+1)*COLS-1:0] sums;
    genvar r, c, l;
    generate
        for (r = 0; r < ROWS; r = r + 1) begin : skew_row
            systolab_delay #(2+STREAM, r) skew (clk, {rows_used[r], swap, stream[STREAM*r +: STREAM]},
                {valid[r*(COLS+1)], swaps[r*(COLS+1)], streams[STREAM*r*(COLS+1) +: STREAM]});
        end
        for (c = 0; c < COLS; c = c + 1) begin : column
            systolab_delay #(1+HELD, c) skew (clk, {load, held[HELD*c +: HELD]},
                {loads[c], helds[HELD*c +: HELD]});
            assign sums[SUM*c +: SUM] = 0;
            for (r = 0; r < ROWS; r = r + 1) begin : row
                systolab_stationary_pe #(PAIRS, A_BITS, A_SIGNED, W_BITS, W_SIGNED, LANES_K, LANES_N, SUM_BITS,
                    STREAM, HELD, FIELD, FIELDS) pe (clk, pair,
                    loads[r*COLS + c], helds[HELD*(r*COLS + c) +: HELD],
                    loads[(r+1)*COLS + c], helds[HELD*((r+1)*COLS + c) +: HELD],
                    valid[r*(COLS+1) + c], swaps[r*(COLS+1) + c], streams[STREAM*(r*(COLS+1) + c) +: STREAM],
                    valid[r*(COLS+1) + c+1], swaps[r*(COLS+1) + c+1], streams[STREAM*(r*(COLS+1) + c+1) +: STREAM],
                    sums[SUM*(r*COLS + c) +: SUM], sums[SUM*((r+1)*COLS + c) +: SUM]);
            end
            wire [FIELDS-1:0] leaving;
            wire starts;
            wire [ADDRESS-1:0] place;
            systolab_delay #(FIELDS+1+ADDRESS, ROWS+c) beside (clk,
                {outputs_used[FIELDS*c +: FIELDS], first, address}, {leaving, starts, place});
            for (l = 0; l < FIELDS; l = l + 1) begin : lane
                systolab_accumulator #(FIELD, LATENCY, ADDRESS) accumulator (clk,
                    ACCUMULATOR_BITS[8*pair +: 8], leaving[l], starts, place,
                    sums[SUM*(ROWS*COLS + c) + FIELD*l +: FIELD],
                    readable[FIELDS*c + l], value[32*(FIELDS*c + l) +: 32]);
            end
        end
    endgenerate
endmodule
