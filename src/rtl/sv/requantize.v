// An integer accumulator becomes a stored integer of up to 9 bits: times a power of two or a 31-bit fixed-point
// multiplier, rounded, + zero point, then clamped. Combinational.
// mode 0 to 4: value / 2^shift with halves to even, halves up, halves away from zero, toward -inf, toward zero.
// mode 5 and 6: value * q31 * 2^(shift - 31), rounded twice (gemmlowp) or once (TensorFlow Lite).
/* verilator lint_off WIDTH */ // Operands of operators are meant to be extended.
module systolab_requantize (
    input wire signed [31:0] sum, input wire signed [31:0] bias,
    input wire [2:0] mode, input wire signed [6:0] shift, input wire [30:0] q31,
    input wire signed [9:0] zero_point, input wire signed [9:0] low, input wire signed [9:0] high,
    output wire signed [9:0] stored
);
    wire signed [31:0] value = sum + bias;
    localparam HALF_EVEN = 0, HALF_UP = 1, HALF_AWAY = 2, TOWARD_ZERO = 4, TWICE = 5, ONCE = 6;
    wire [5:0] left = shift > 0 ? shift[5:0] : 6'd0;
    wire signed [31:0] moved = mode == TWICE ? value <<< left : value;
    wire signed [63:0] product = moved * $signed({33'd0, q31});
    // The high half of the doubled product, rounded toward zero after the nudge.
    wire signed [63:0] nudged = product + (product < 0 ? 64'sd1 - (64'sd1 <<< 30) : 64'sd1 <<< 30);
    wire signed [63:0] high_half = (nudged + (nudged < 0 ? (64'sd1 <<< 31) - 64'sd1 : 64'sd0)) >>> 31;

    wire signed [63:0] operand = mode == TWICE ? high_half : mode == ONCE ? product : value;
    wire [6:0] right = mode == TWICE ? (shift < 0 ? -shift : 7'sd0) : mode == ONCE ? 7'sd31 - shift : shift;
    wire [2:0] rounding = mode == TWICE ? HALF_AWAY : mode == ONCE ? HALF_UP : mode;
    wire signed [63:0] floor = operand >>> right;
    wire [63:0] rest = operand & ((64'd1 << right) - 64'd1);
    wire [63:0] half = (64'd1 << right) >> 1;
    wire up = rest != 0 && (rounding == HALF_EVEN ? rest > half || (rest == half && floor[0])
        : rounding == HALF_UP ? rest >= half
        : rounding == HALF_AWAY ? rest > half || (rest == half && ~operand[63])
        : rounding == TOWARD_ZERO && operand[63]);
    wire signed [63:0] shifted = floor + $signed({63'd0, up}) + zero_point;
    assign stored = shifted < low ? low : shifted > high ? high : shifted[9:0];
endmodule
