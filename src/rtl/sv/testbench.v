// Plays +stimulus=FILE (stimulus.txt): a line with the requantization, one line per channel of each port with its parameters, which are
// written first, then one line per cycle. Compares every readable sum and the
// cycle in which it appears with +sums=FILE (sums.txt), every requantized and aligned one with +stored=FILE (stored.txt),
// both lines of cycle, port and value, in the order of cycles and ports. Counts cycles itself, and says PASS or FAIL.
module systolab_testbench #(
`include "parameters.vh"
);
    reg clk;
    reg load, swap, first;
    reg [7:0] pair;
    reg [HELD*COLS-1:0] held;
    reg [ROWS-1:0] rows_used;
    reg [STREAM*ROWS-1:0] stream;
    reg [FIELDS*COLS-1:0] outputs_used;
    reg [ADDRESS-1:0] address;
    reg [2:0] mode;
    reg write;
    reg [15:0] channel_port;
    reg [ADDRESS-1:0] entry, block;
    reg signed [31:0] bias;
    reg signed [6:0] shift;
    reg [30:0] q31;
    reg signed [9:0] zero_point, low, high;
    wire [FIELDS*COLS-1:0] readable, aligned;
    wire [32*FIELDS*COLS-1:0] value;
    wire [10*FIELDS*COLS-1:0] stored;
    systolab_top top (clk, pair, load, held, rows_used, swap, stream, outputs_used, first, address, readable, value,
        mode, zero_point, low, high, write, channel_port, entry, bias, q31, shift, block, aligned, stored);
    reg [8*1024-1:0] name;
    integer stimulus, sums, requantized, read, port, cycle, last, outputs, differences, quiet, channels, exponent;
    integer stored_outputs, stored_differences, expected_cycle, expected_port;
    reg [31:0] expected;
    initial clk = 0;
    always #1 clk = ~clk;
    initial begin
        load = 0; swap = 0; first = 0; pair = 0; held = 0; rows_used = 0; stream = 0; outputs_used = 0; address = 0;
        write = 0; channel_port = 0; entry = 0; block = 0; bias = 0; q31 = 0; shift = 0;
        cycle = 0; last = 0; quiet = 0;
        outputs = 0; differences = 0; stored_outputs = 0; stored_differences = 0;
        if ($value$plusargs("stimulus=%s", name) == 0) name = "stimulus.txt";
        stimulus = $fopen(name, "r");
        if ($value$plusargs("sums=%s", name) == 0) name = "sums.txt";
        sums = $fopen(name, "r");
        if ($value$plusargs("stored=%s", name) == 0) name = "stored.txt";
        requantized = $fopen(name, "r");
        if (stimulus == 0 || sums == 0 || requantized == 0) begin
            $display("cannot open stimulus.txt, sums.txt or stored.txt, or what +stimulus=, +sums= and +stored= name");
            $display("FAIL");
            $finish;
        end
        read = $fscanf(stimulus, "%d %d %d %d %d\n", mode, zero_point, low, high, channels);
        for (port = 0; port < channels; port = port + 1) begin
            @(negedge clk);
            read = $fscanf(stimulus, "%d %d %d %d %d\n", channel_port, entry, bias, q31, exponent);
            // $fscanf of Verilator 5.006 writes the sign beyond a register's bits.
            shift = exponent[6:0];
            write = 1;
        end
        @(negedge clk);
        write = 0;
        while (quiet < ROWS + 2*COLS + LATENCY + 4) begin
            // Registers hold the values of this cycle; what is driven now is used at its end.
            @(negedge clk);
            read = $fscanf(stimulus, "%h %h %h %h %h %h %h %h %h %h\n",
                pair, load, held, rows_used, swap, stream, outputs_used, first, address, block);
            if (read != 10) begin
                load = 0; rows_used = 0; swap = 0; outputs_used = 0; first = 0;
                quiet = quiet + 1;
            end
            for (port = 0; port < FIELDS*COLS; port = port + 1) begin
                if (readable[port]) begin
                    read = $fscanf(sums, "%d %d %h\n", expected_cycle, expected_port, expected);
                    if (read != 3 || expected_cycle !== cycle || expected_port !== port
                        || expected !== value[32*port +: 32]) differences = differences + 1;
                    outputs = outputs + 1;
                    last = cycle;
                end
                if (aligned[port] && pair != BF16) begin
                    read = $fscanf(requantized, "%d %d %h\n", expected_cycle, expected_port, expected);
                    if (read != 3 || expected_cycle !== cycle || expected_port !== port
                        || expected[9:0] !== stored[10*port +: 10]) stored_differences = stored_differences + 1;
                    stored_outputs = stored_outputs + 1;
                end
            end
            cycle = cycle + 1;
        end
        // What is left was expected and did not come, or cannot be read.
        read = 3;
        while (read == 3) begin
            read = $fscanf(sums, "%d %d %h\n", expected_cycle, expected_port, expected);
            if (read == 3 || !$feof(sums)) differences = differences + 1;
        end
        read = 3;
        while (read == 3) begin
            read = $fscanf(requantized, "%d %d %h\n", expected_cycle, expected_port, expected);
            if (read == 3 || !$feof(requantized)) stored_differences = stored_differences + 1;
        end
        $display("outputs %0d differences %0d stored %0d stored_differences %0d cycles %0d",
            outputs, differences, stored_outputs, stored_differences, last);
        if (outputs != 0 && differences == 0 && stored_differences == 0) $display("PASS");
        else $display("FAIL");
        $finish;
    end
endmodule
