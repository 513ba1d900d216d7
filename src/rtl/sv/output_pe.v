// PE of an output-stationary array: adds one step of k per cycle to `sum`; `used` says which of its lanes have an
// output. After the last step the sum is in `out`, which moves down when the drain pulse reaches it or it already
// moves. With OVERLAPPED drain `out` is a second register; else it is `sum` itself.
module systolab_output_pe #(
`include "parameters.vh"
) (
    input wire clk,
    input wire [7:0] pair,
    input wire valid_in, input wire begin_in, input wire end_in, input wire [STREAM-1:0] stream_in,
    output reg valid_out, output reg begin_out, output reg end_out, output reg [STREAM-1:0] stream_out,
    input wire [FIELDS-1:0] used_in, input wire [HELD-1:0] held_in,
    output reg [FIELDS-1:0] used_out, output reg [HELD-1:0] held_out,
    input wire pulse,
    input wire [FIELDS-1:0] moved_in, input wire [FIELD*FIELDS-1:0] out_in,
    output wire [FIELDS-1:0] moved_out, output wire [FIELD*FIELDS-1:0] out_out
);
    reg [FIELD*FIELDS-1:0] sum;
    reg [FIELDS-1:0] full;
    reg moving;
    initial begin
        valid_out = 0; begin_out = 0; end_out = 0; stream_out = 0; used_out = 0; held_out = 0;
        sum = 0; full = 0; moving = 0;
    end
    wire step = valid_in & (used_in != 0);
    wire done = step & end_in;
    assign moved_out = moving | pulse ? full : 0;
    wire [FIELD*FIELDS-1:0] added;
    systolab_macs macs (pair, stream_in, held_in, begin_in ? {FIELD*FIELDS{1'b0}} : sum, added);
    always @(posedge clk) begin
        valid_out <= valid_in;
        begin_out <= begin_in;
        end_out <= end_in;
        stream_out <= stream_in;
        used_out <= used_in;
        held_out <= held_in;
        if (done) full <= used_in;
        else if (moved_in != 0) full <= moved_in;
        else if (moved_out != 0) full <= 0;
        moving <= ~done & (moved_in != 0);
    end
    generate
        if (OVERLAPPED != 0) begin : second
            reg [FIELD*FIELDS-1:0] out;
            initial out = 0;
            assign out_out = out;
            always @(posedge clk) begin
                if (step) sum <= added;
                if (done) out <= added;
                else if (moved_in != 0) out <= out_in;
            end
        end else begin : shared
            assign out_out = sum;
            always @(posedge clk)
                if (step) sum <= added;
                else if (moved_in != 0) sum <= out_in;
        end
    endgenerate
endmodule
