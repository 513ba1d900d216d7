// Accumulator of one column and one lane along n: a fold's sum starts an entry or is added to it, wraps at
// `bits`, and is readable LATENCY cycles after it left the bottom register.
module systolab_accumulator #(parameter FIELD = 24, parameter LATENCY = 1, parameter ADDRESS = 10) (
    input wire clk,
    input wire [7:0] bits,
    input wire valid, input wire first, input wire [ADDRESS-1:0] address,
    input wire signed [FIELD-1:0] sum,
    output reg readable, output reg [31:0] value
);
    reg signed [31:0] entries [0:(1<<ADDRESS)-1];
    wire signed [31:0] extended = sum;
    wire signed [31:0] added = (first ? 32'd0 : entries[address]) + extended;
    wire [7:0] unused = 8'd32 - bits;
    wire signed [31:0] wrapped = $signed(added << unused) >>> unused;
    wire write;
    wire [ADDRESS-1:0] written;
    wire [31:0] joined;
    systolab_delay #(33+ADDRESS, LATENCY-1) pipeline (clk, {valid, address, wrapped}, {write, written, joined});
    initial begin readable = 0; value = 0; end
    always @(posedge clk) begin
        readable <= write;
        value <= joined;
        if (write) entries[written] <= joined;
    end
endmodule
