// a + b in f32's range, rounded once to nearest even: to 24 significant bits, or to the 8 of bfloat16 in an f32.
// FLUSH makes a sum below the normal range zero, before it is rounded. NaN is the canonical one.
/* verilator lint_off WIDTH */ // Operands of operators are meant to be extended.
module systolab_float_add #(parameter SIGNIFICANT = 24, parameter FLUSH = 0) (
    input wire [31:0] a,
    input wire [31:0] b,
    output wire [31:0] sum
);
    localparam DROPPED = 27 - SIGNIFICANT;
    wire swap = b[30:0] > a[30:0];
    wire [31:0] greater = swap ? b : a;
    wire [31:0] lesser = swap ? a : b;
    wire [7:0] greater_exponent = greater[30:23] == 0 ? 8'd1 : greater[30:23];
    wire [7:0] lesser_exponent = lesser[30:23] == 0 ? 8'd1 : lesser[30:23];
    wire subtract = greater[31] ^ lesser[31];

    // Three more bits: guard, round, and whether anything is below.
    wire [7:0] distance = greater_exponent - lesser_exponent;
    wire [4:0] shift = distance > 27 ? 5'd27 : distance[4:0];
    wire [53:0] shifted = {lesser[30:23] != 0, lesser[22:0], 30'b0} >> shift;
    wire [27:0] addend = {1'b0, shifted[53:28], shifted[27:0] != 0};
    wire [27:0] augend = {1'b0, greater[30:23] != 0, greater[22:0], 3'b0};
    wire [27:0] total = subtract ? augend - addend : augend + addend;

    // The leading one to bit 26, but no exponent below 1.
    reg [26:0] normal;
    reg [8:0] exponent;
    reg [4:0] zeros;
    integer i;
    always @* begin
        zeros = 0;
        for (i = 0; i < 27; i = i + 1) if (total[i]) zeros = 26 - i;
        if (total[27]) begin
            normal = {total[27:2], total[1] | total[0]};
            exponent = greater_exponent + 9'd1;
        end else begin
            if (zeros >= greater_exponent) zeros = greater_exponent - 8'd1;
            normal = total[26:0] << zeros;
            exponent = greater_exponent - zeros;
        end
    end
    wire tiny = ~normal[26];
    wire half = normal[DROPPED-1];
    wire rest = (normal & ((27'd1 << (DROPPED-1)) - 27'd1)) != 0;
    wire up = half & (rest | normal[DROPPED]);
    // A carry out of the significand enters the exponent, and makes infinity of the largest.
    wire [SIGNIFICANT+7:0] encoded = {tiny ? 9'd0 : exponent, normal[25:DROPPED]} + up;
    wire [30:0] rounded = {encoded, {(24-SIGNIFICANT){1'b0}}};

    wire nan = greater[30:0] > 31'h7f800000 || (lesser[30:23] == 8'hff && subtract);
    assign sum = nan ? 32'h7fc00000
        : greater[30:23] == 8'hff ? greater
        : total == 0 ? {a[31] & b[31], 31'b0}
        : FLUSH != 0 && tiny ? {greater[31], 31'b0}
        : exponent > 254 ? {greater[31], 31'h7f800000}
        : {greater[31], rounded};
endmodule
