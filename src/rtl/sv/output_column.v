// A column of HEIGHT output-stationary PEs: weights and leaving sums go down, activations pass to the next column. The
// drain pulse reaches all of them at once.
module systolab_output_column #(
`include "parameters.vh"
    , parameter HEIGHT = 0
) (
    input wire clk,
    input wire [7:0] pair,
    input wire [HEIGHT-1:0] valid_in, input wire [HEIGHT-1:0] begin_in, input wire [HEIGHT-1:0] end_in,
    input wire [STREAM*HEIGHT-1:0] stream_in,
    output wire [HEIGHT-1:0] valid_out, output wire [HEIGHT-1:0] begin_out, output wire [HEIGHT-1:0] end_out,
    output wire [STREAM*HEIGHT-1:0] stream_out,
    input wire [FIELDS-1:0] used, input wire [HELD-1:0] held,
    input wire pulse,
    output wire [FIELDS-1:0] leaving, output wire [FIELD*FIELDS-1:0] bottom
);
    // Compiled once for all columns with --hierarchical: Verilator 5.006 knows it by a HEIGHT other than the default,
    // which therefore is none that an array has.
    /* verilator hier_block */
    localparam SUM = FIELD*FIELDS;
    wire [FIELDS*(HEIGHT+1)-1:0] useds, moved;
    wire [HELD*(HEIGHT+1)-1:0] helds;
    wire [SUM*(HEIGHT+1)-1:0] outs;
    assign useds[FIELDS-1:0] = used;
    assign helds[HELD-1:0] = held;
    assign moved[FIELDS-1:0] = 0;
    assign outs[SUM-1:0] = 0;
    assign leaving = moved[FIELDS*HEIGHT +: FIELDS];
    assign bottom = outs[SUM*HEIGHT +: SUM];
    genvar r;
    generate
        for (r = 0; r < HEIGHT; r = r + 1) begin : row
            systolab_output_pe pe (clk, pair,
                valid_in[r], begin_in[r], end_in[r], stream_in[STREAM*r +: STREAM],
                valid_out[r], begin_out[r], end_out[r], stream_out[STREAM*r +: STREAM],
                useds[FIELDS*r +: FIELDS], helds[HELD*r +: HELD],
                useds[FIELDS*(r+1) +: FIELDS], helds[HELD*(r+1) +: HELD],
                pulse,
                moved[FIELDS*r +: FIELDS], outs[SUM*r +: SUM],
                moved[FIELDS*(r+1) +: FIELDS], outs[SUM*(r+1) +: SUM]);
        end
    endgenerate
endmodule
