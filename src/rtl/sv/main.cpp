// Runs the verilated testbench to its $finish. Verilator 5.006 would give a main to every column's library, too.
#include <memory>
#include "Vsystolab_testbench.h"
#include "verilated.h"

int main(int argc, char** argv) {
    const auto context = std::make_unique<VerilatedContext>();
    context->commandArgs(argc, argv);
    const auto testbench = std::make_unique<Vsystolab_testbench>(context.get());
    while (!context->gotFinish()) {
        testbench->eval();
        if (!testbench->eventsPending()) break;
        context->time(testbench->nextTimeSlot());
    }
    testbench->final();
}
