// A column of HEIGHT PEs whose one operand stays: it and partial sums go down, streamed words pass to the next column.
module systolab_stationary_column #(
`include "parameters.vh"
    , parameter HEIGHT = 0
) (
    input wire clk,
    input wire [7:0] pair,
    input wire load, input wire [HELD-1:0] held,
    input wire [HEIGHT-1:0] valid_in, input wire [HEIGHT-1:0] swap_in, input wire [STREAM*HEIGHT-1:0] stream_in,
    output wire [HEIGHT-1:0] valid_out, output wire [HEIGHT-1:0] swap_out, output wire [STREAM*HEIGHT-1:0] stream_out,
    output wire [FIELD*FIELDS-1:0] bottom
);
    // Compiled once for all columns with --hierarchical: Verilator 5.006 knows it by a HEIGHT other than the default,
    // which therefore is none that an array has.
    /* verilator hier_block */
    localparam SUM = FIELD*FIELDS;
    wire [HEIGHT:0] loads;
    wire [HELD*(HEIGHT+1)-1:0] helds;
    wire [SUM*(HEIGHT+1)-1:0] sums;
    assign loads[0] = load;
    assign helds[HELD-1:0] = held;
    assign sums[SUM-1:0] = 0;
    assign bottom = sums[SUM*HEIGHT +: SUM];
    genvar r;
    generate
        for (r = 0; r < HEIGHT; r = r + 1) begin : row
            systolab_stationary_pe pe (clk, pair,
                loads[r], helds[HELD*r +: HELD], loads[r+1], helds[HELD*(r+1) +: HELD],
                valid_in[r], swap_in[r], stream_in[STREAM*r +: STREAM],
                valid_out[r], swap_out[r], stream_out[STREAM*r +: STREAM],
                sums[SUM*r +: SUM], sums[SUM*(r+1) +: SUM]);
        end
    endgenerate
endmodule
