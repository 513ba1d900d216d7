// STAGES registers in a row; none when STAGES is 0.
module systolab_delay #(parameter WIDTH = 1, parameter STAGES = 0) (
    input wire clk,
    input wire [WIDTH-1:0] in,
    output wire [WIDTH-1:0] out
);
    generate
        if (STAGES == 0) begin : wires
            assign out = in;
        end else begin : registers
            reg [WIDTH*STAGES-1:0] stages;
            initial stages = 0;
            if (STAGES == 1) begin : one
                always @(posedge clk) stages <= in;
            end else begin : many
                always @(posedge clk) stages <= {stages[WIDTH*(STAGES-1)-1:0], in};
            end
            assign out = stages[WIDTH*STAGES-1 -: WIDTH];
        end
    endgenerate
endmodule
