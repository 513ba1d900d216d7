// PE of an array whose one operand stays (ws: the weight; is: the activation). `shadow` takes a value from
// above, `link` keeps the shadow's previous one for the PE below, `active` is multiplied with. The swap of
// shadow to active travels with a fold's first vector; a row without a valid vector passes its sum on.
// Without DOUBLE_BUFFER there is no `active`: the shadow itself is multiplied with.
module systolab_stationary_pe #(
`include "parameters.vh"
) (
    input wire clk,
    input wire [7:0] pair,
    input wire load_in, input wire [HELD-1:0] held_in,
    output reg load_out, output wire [HELD-1:0] held_out,
    input wire valid_in, input wire swap_in, input wire [STREAM-1:0] stream_in,
    output reg valid_out, output reg swap_out, output reg [STREAM-1:0] stream_out,
    input wire [FIELD*FIELDS-1:0] sum_in,
    output reg [FIELD*FIELDS-1:0] sum_out
);
    reg [HELD-1:0] shadow, link;
    assign held_out = link;
    initial begin
        load_out = 0; valid_out = 0; swap_out = 0; stream_out = 0; sum_out = 0; shadow = 0; link = 0;
    end
    always @(posedge clk) begin
        load_out <= load_in;
        if (load_in) begin
            shadow <= held_in;
            link <= shadow;
        end
        valid_out <= valid_in;
        swap_out <= swap_in;
        stream_out <= stream_in;
    end
    wire [HELD-1:0] multiplied;
    generate
        if (DOUBLE_BUFFER != 0) begin : buffered
            reg [HELD-1:0] active;
            initial active = 0;
            assign multiplied = swap_in ? shadow : active;
            always @(posedge clk) if (valid_in & swap_in) active <= shadow;
        end else begin : single
            assign multiplied = shadow;
        end
    endgenerate
    wire [FIELD*FIELDS-1:0] sum;
    systolab_macs macs (pair, stream_in, multiplied, sum_in, sum);
    always @(posedge clk) sum_out <= valid_in ? sum : sum_in;
endmodule
