// An exact sum in a register of BITS bits: its low bits, or with SATURATE the nearest value that fits.
/* verilator lint_off WIDTH */ // Operands of operators are meant to be extended.
module systolab_clip #(parameter BITS = 24, parameter SATURATE = 0) (
    input wire signed [39:0] exact,
    output wire signed [39:0] held
);
    wire signed [BITS-1:0] wrapped = exact[BITS-1:0];
    wire signed [39:0] kept = wrapped;
    wire signed [39:0] nearest = exact[39] ? -(40'sd1 <<< (BITS-1)) : (40'sd1 <<< (BITS-1)) - 40'sd1;
    assign held = SATURATE != 0 && kept != exact ? nearest : kept;
endmodule
