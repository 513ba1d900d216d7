// R × C output-stationary PEs. A step's activations and weights enter unskewed, in one cycle; row r and column c
// get theirs r and c cycles later. The drain pulse reaches all rows of a column at once, with OVERLAPPED drain c
// cycles later in column c. Sums leave through a register below the bottom row.
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
    wire [FIELDS*(ROWS+1)*COLS-1:0] used, moved;
    wire [HELD*(ROWS+1)*COLS-1:0] helds;
    wire [SUM*(ROWS+1)*COLS-1:0] outs;
    wire [COLS-1:0] pulses;
    assign moved[FIELDS*COLS-1:0] = 0;
    assign outs[SUM*COLS-1:0] = 0;
    genvar r, c;
    generate
        for (r = 0; r < ROWS; r = r + 1) begin : skew_row
            systolab_delay #(3+STREAM, r) skew (clk,
                {rows_used[r], first_step, last_step, stream[STREAM*r +: STREAM]},
                {valid[r*(COLS+1)], begins[r*(COLS+1)], ends[r*(COLS+1)], streams[STREAM*r*(COLS+1) +: STREAM]});
        end
        for (c = 0; c < COLS; c = c + 1) begin : column
            systolab_delay #(FIELDS+HELD, c) skew (clk, {outputs_used[FIELDS*c +: FIELDS], held[HELD*c +: HELD]},
                {used[FIELDS*c +: FIELDS], helds[HELD*c +: HELD]});
            systolab_delay #(1, OVERLAPPED != 0 ? c : 0) skew_pulse (clk, pulse, pulses[c]);
            for (r = 0; r < ROWS; r = r + 1) begin : row
                systolab_output_pe pe (clk, pair,
                    valid[r*(COLS+1) + c], begins[r*(COLS+1) + c], ends[r*(COLS+1) + c],
                    streams[STREAM*(r*(COLS+1) + c) +: STREAM],
                    valid[r*(COLS+1) + c+1], begins[r*(COLS+1) + c+1], ends[r*(COLS+1) + c+1],
                    streams[STREAM*(r*(COLS+1) + c+1) +: STREAM],
                    used[FIELDS*(r*COLS + c) +: FIELDS], helds[HELD*(r*COLS + c) +: HELD],
                    used[FIELDS*((r+1)*COLS + c) +: FIELDS], helds[HELD*((r+1)*COLS + c) +: HELD],
                    pulses[c],
                    moved[FIELDS*(r*COLS + c) +: FIELDS], outs[SUM*(r*COLS + c) +: SUM],
                    moved[FIELDS*((r+1)*COLS + c) +: FIELDS], outs[SUM*((r+1)*COLS + c) +: SUM]);
            end
        end
    endgenerate
    systolab_delay #((FIELDS+SUM)*COLS, 1) below (clk,
        {moved[FIELDS*ROWS*COLS +: FIELDS*COLS], outs[SUM*ROWS*COLS +: SUM*COLS]}, {leaving, bottom});
endmodule
