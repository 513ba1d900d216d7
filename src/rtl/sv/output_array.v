// COLS columns of ROWS output-stationary PEs. A step's activations and weights enter unskewed, in one cycle; row r
// and column c get theirs r and c cycles later. The drain pulse reaches all rows of a column at once, with OVERLAPPED
// drain c cycles later in column c. Sums leave through a register below the bottom row.
module systolab_output_array #(
`include "parameters.vh"
) (
    input wire clk,
    input wire [7:0] pair,
    input wire pulse, input wire [HELD*COLS-1:0] held,
    input wire [ROWS-1:0] rows_used, input wire first_step, input wire [STREAM*ROWS-1:0] stream,
    input wire [FIELDS*COLS-1:0] outputs_used, input wire last_step,
    output wire [FIELDS*COLS-1:0] leaving, output wire [FIELD*FIELDS*COLS-1:0] bottom
);
    localparam SUM = FIELD*FIELDS;
    wire [ROWS*(COLS+1)-1:0] valid, begins, ends;
    wire [STREAM*ROWS*(COLS+1)-1:0] streams;
    wire [FIELDS*COLS-1:0] moved;
    wire [SUM*COLS-1:0] outs;
    genvar r, c;
    generate
        for (r = 0; r < ROWS; r = r + 1) begin : row
            systolab_delay #(3+STREAM, r) skew (clk,
                {rows_used[r], first_step, last_step, stream[STREAM*r +: STREAM]},
                {valid[r], begins[r], ends[r], streams[STREAM*r +: STREAM]});
        end
        for (c = 0; c < COLS; c = c + 1) begin : columns
            wire [FIELDS-1:0] skewed_used;
            wire [HELD-1:0] skewed_held;
            wire skewed_pulse;
            systolab_delay #(FIELDS+HELD, c) skew (clk, {outputs_used[FIELDS*c +: FIELDS], held[HELD*c +: HELD]},
                {skewed_used, skewed_held});
            systolab_delay #(1, OVERLAPPED != 0 ? c : 0) skew_pulse (clk, pulse, skewed_pulse);
            systolab_output_column #(.HEIGHT(ROWS)) column (clk, pair,
                valid[ROWS*c +: ROWS], begins[ROWS*c +: ROWS], ends[ROWS*c +: ROWS],
                streams[STREAM*ROWS*c +: STREAM*ROWS],
                valid[ROWS*(c+1) +: ROWS], begins[ROWS*(c+1) +: ROWS], ends[ROWS*(c+1) +: ROWS],
                streams[STREAM*ROWS*(c+1) +: STREAM*ROWS],
                skewed_used, skewed_held, skewed_pulse,
                moved[FIELDS*c +: FIELDS], outs[SUM*c +: SUM]);
        end
    endgenerate
    systolab_delay #((FIELDS+SUM)*COLS, 1) below (clk, {moved, outs}, {leaving, bottom});
endmodule
