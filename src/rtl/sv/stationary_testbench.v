// Plays +stimulus=FILE, one line per cycle, and compares every readable sum and the cycle in which it
// appears with +expected=FILE (cycle, output port, value), in the order of cycles and ports. Counts cycles itself.
module systolab_testbench;
`include "parameters.vh"
    reg clk;
    reg load, swap, first;
    reg [7:0] pair;
    reg [HELD*COLS-1:0] held;
    reg [ROWS-1:0] rows_used;
    reg [STREAM*ROWS-1:0] stream;
    reg [FIELDS*COLS-1:0] outputs_used;
    reg [ADDRESS-1:0] address;
    wire [FIELDS*COLS-1:0] readable;
    wire [32*FIELDS*COLS-1:0] value;
    systolab_top top (clk, pair, load, held, rows_used, swap, stream, outputs_used, first, address,
        readable, value);
    reg [8*1024-1:0] stimulus_name, expected_name;
    integer stimulus, expected, read, port, cycle, last, outputs, differences, quiet;
    integer expected_cycle, expected_port;
    reg [31:0] expected_value;
    initial clk = 0;
    always #1 clk = ~clk;
    initial begin
        load = 0; swap = 0; first = 0; pair = 0; held = 0; rows_used = 0; stream = 0; outputs_used = 0; address = 0;
        if (!$value$plusargs("stimulus=%s", stimulus_name) || !$value$plusargs("expected=%s", expected_name)) begin
            $display("needs +stimulus=FILE and +expected=FILE");
            $finish;
        end
        stimulus = $fopen(stimulus_name, "r");
        expected = $fopen(expected_name, "r");
        cycle = 0; last = 0; outputs = 0; differences = 0; quiet = 0;
        while (quiet < ROWS + COLS + LATENCY + 4) begin
            // Registers hold the values of this cycle; what is driven now is used at its end.
            @(negedge clk);
            read = $fscanf(stimulus, "%h %h %h %h %h %h %h %h %h\n",
                pair, load, held, rows_used, swap, stream, outputs_used, first, address);
            if (read != 9) begin
                load = 0; rows_used = 0; swap = 0; outputs_used = 0;
                quiet = quiet + 1;
            end
            for (port = 0; port < FIELDS*COLS; port = port + 1)
                if (readable[port]) begin
                    read = $fscanf(expected, "%d %d %h\n", expected_cycle, expected_port, expected_value);
                    if (read != 3 || expected_cycle !== cycle || expected_port !== port
                        || expected_value !== value[32*port +: 32]) differences = differences + 1;
                    outputs = outputs + 1;
                    last = cycle;
                end
            cycle = cycle + 1;
        end
        while ($fscanf(expected, "%d %d %h\n", expected_cycle, expected_port, expected_value) == 3)
            differences = differences + 1;
        $display("outputs %0d differences %0d cycles %0d", outputs, differences, last);
        $finish;
    end
endmodule
