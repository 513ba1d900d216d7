// Product of two bfloat16 numbers in f32: exact in f32's range, else rounded once to nearest even. FLUSH makes
// subnormal operands and results zero. NaN is the canonical one.
/* verilator lint_off WIDTH */ // Operands of operators are meant to be extended.
module systolab_bf16_product #(parameter FLUSH = 0) (
    input wire [15:0] a,
    input wire [15:0] w,
    output wire [31:0] product
);
    wire sign = a[15] ^ w[15];
    wire [7:0] a_significand = a[14:7] != 0 ? {1'b1, a[6:0]} : FLUSH != 0 ? 8'd0 : {1'b0, a[6:0]};
    wire [7:0] w_significand = w[14:7] != 0 ? {1'b1, w[6:0]} : FLUSH != 0 ? 8'd0 : {1'b0, w[6:0]};
    wire [15:0] exact = a_significand * w_significand;
    wire special = a[14:7] == 8'hff || w[14:7] == 8'hff;
    wire nan = (a[14:7] == 8'hff && a[6:0] != 0) || (w[14:7] == 8'hff && w[6:0] != 0) || exact == 0;

    // The leading one to the top.
    reg [15:0] top;
    reg [3:0] zeros;
    integer i;
    always @* begin
        zeros = 0;
        for (i = 0; i < 16; i = i + 1) if (exact[i]) zeros = 15 - i;
        top = exact << zeros;
    end
    wire signed [10:0] exponent = $signed({3'b0, a[14:7] == 0 ? 8'd1 : a[14:7]})
        + $signed({3'b0, w[14:7] == 0 ? 8'd1 : w[14:7]}) - 11'sd126 - $signed({7'b0, zeros});

    // Below the normal range: fewer bits, one rounding. Bit 26 weighs what the leading bit of a normal would.
    wire tiny = exponent < 1;
    wire [10:0] excess = 11'sd1 - exponent;
    wire [4:0] shift = excess > 27 ? 5'd27 : excess[4:0];
    wire [53:0] shifted = {top, 38'b0} >> shift;
    wire half = shifted[29];
    wire rest = shifted[28:0] != 0;
    wire [23:0] subnormal = shifted[53:30] + (half & (rest | shifted[30]));

    assign product = special ? (nan ? 32'h7fc00000 : {sign, 31'h7f800000})
        : exact == 0 || (FLUSH != 0 && tiny) ? {sign, 31'b0}
        : exponent > 254 ? {sign, 31'h7f800000}
        : tiny ? {sign, 7'b0, subnormal}
        : {sign, exponent[7:0], top[14:0], 8'b0};
endmodule
