// PE of an array whose one operand stays (ws: the weight; is: the activation). `shadow` takes a value from
// above, `link` keeps the shadow's previous one for the PE below, `active` is multiplied with. The swap of
// shadow to active travels with a fold's first vector; a row without a valid vector passes its sum on.
// Each operand pair has a datapath of its own; `pair` selects one at run time.
module systolab_stationary_pe #(
    parameter PAIRS = 1,
    parameter [8*PAIRS-1:0] A_BITS = 8, parameter [8*PAIRS-1:0] A_SIGNED = 1,
    parameter [8*PAIRS-1:0] W_BITS = 8, parameter [8*PAIRS-1:0] W_SIGNED = 1,
    parameter [8*PAIRS-1:0] LANES_K = 1, parameter [8*PAIRS-1:0] LANES_N = 1,
    parameter [8*PAIRS-1:0] SUM_BITS = 24,
    parameter STREAM = 8, parameter HELD = 8, parameter FIELD = 24, parameter FIELDS = 1
) (
    input wire clk,
    input wire [7:0] pair,
    input wire load_in, input wire [HELD-1:0] held_in,
    output reg load_out, output reg [HELD-1:0] held_out,
    input wire valid_in, input wire swap_in, input wire [STREAM-1:0] stream_in,
    output reg valid_out, output reg swap_out, output reg [STREAM-1:0] stream_out,
    input wire [FIELD*FIELDS-1:0] sum_in,
    output reg [FIELD*FIELDS-1:0] sum_out
);
    reg [HELD-1:0] shadow, active;
    initial begin
        load_out = 0; held_out = 0; valid_out = 0; swap_out = 0; stream_out = 0; sum_out = 0;
        shadow = 0; active = 0;
    end
    wire [HELD-1:0] multiplied = swap_in ? shadow : active;
    wire [FIELD*FIELDS*PAIRS-1:0] sums;
    genvar p;
    generate
        for (p = 0; p < PAIRS; p = p + 1) begin : datapath
            localparam AB = A_BITS[8*p +: 8];
            localparam WB = W_BITS[8*p +: 8];
            localparam LK = LANES_K[8*p +: 8];
            localparam LN = LANES_N[8*p +: 8];
            wire [FIELD*LN-1:0] sum;
            systolab_integer_mac #(AB, A_SIGNED[8*p +: 8], WB, W_SIGNED[8*p +: 8], LK, LN, SUM_BITS[8*p +: 8],
                FIELD) mac (stream_in[AB*LK-1:0], multiplied[WB*LK*LN-1:0], sum_in[FIELD*LN-1:0], sum);
            assign sums[FIELD*FIELDS*p +: FIELD*LN] = sum;
            if (LN < FIELDS) begin : unused
                assign sums[FIELD*FIELDS*p + FIELD*LN +: FIELD*(FIELDS-LN)] = 0;
            end
        end
    endgenerate
    always @(posedge clk) begin
        load_out <= load_in;
        if (load_in) begin
            shadow <= held_in;
            held_out <= shadow;
        end
        if (valid_in & swap_in) active <= shadow;
        valid_out <= valid_in;
        swap_out <= swap_in;
        stream_out <= stream_in;
        sum_out <= valid_in ? sums[FIELD*FIELDS*pair +: FIELD*FIELDS] : sum_in;
    end
endmodule
