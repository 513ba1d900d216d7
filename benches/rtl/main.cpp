// Plays a stimulus file on the verilated array: once comparing nothing but printing what it saw, then REPEATS times,
// of which it prints the CPU seconds. Reading the file is not part of them.
#include "Vsystolab_top.h"
#include "verilated.h"
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

using Words = std::vector<uint32_t>;

static Words words(const std::string& hex) {
    Words result;
    for (size_t end = hex.size(); end > 0; end = end > 8 ? end - 8 : 0) {
        size_t start = end > 8 ? end - 8 : 0;
        result.push_back(static_cast<uint32_t>(std::stoul(hex.substr(start, end - start), nullptr, 16)));
    }
    return result;
}

template <std::size_t N> static void set(VlWide<N>& port, const Words& value) {
    for (size_t at = 0; at < N && at < value.size(); at++) port[at] = value[at];
}
template <typename T> static void set(T& port, const Words& value) {
    uint64_t bits = value[0];
    if (value.size() > 1) bits |= static_cast<uint64_t>(value[1]) << 32;
    port = static_cast<T>(bits);
}
template <std::size_t N> static bool bit(const VlWide<N>& port, int at) { return port[at / 32] >> (at % 32) & 1; }
template <typename T> static bool bit(const T& port, int at) { return port >> at & 1; }
template <std::size_t N> static bool any(const VlWide<N>& port) {
    for (size_t at = 0; at < N; at++) if (port[at]) return true;
    return false;
}
template <typename T> static bool any(const T& port) { return port != 0; }

struct Cycle { bool load, swap, first; Words held, rows_used, stream, outputs_used; uint32_t address; };

int main(int, char** arguments) {
    std::ifstream file(arguments[1]);
    const long repeats = std::atol(arguments[2]);
    const int columns = std::atoi(arguments[3]);
    std::string line;
    // The requantization, which is not part of this array: its last number says how many lines follow.
    std::getline(file, line);
    for (int lines = std::atoi(line.substr(line.rfind(' ')).c_str()); lines > 0; lines--) std::getline(file, line);
    std::vector<Cycle> cycles;
    while (std::getline(file, line)) {
        std::istringstream fields(line);
        std::string pair, load, held, rows, swap, stream, outputs, first, address;
        fields >> pair >> load >> held >> rows >> swap >> stream >> outputs >> first >> address;
        cycles.push_back({load == "1", swap == "1", first == "1", words(held), words(rows), words(stream),
            words(outputs), words(address)[0]});
    }
    const Cycle quiet = {false, false, false, {0}, {0}, {0}, {0}, 0};
    Vsystolab_top array;
    array.pair = 0;
    long last = 0;
    uint32_t sum = 0, outputs = 0;
    // Cycles until `end`; without one, until nothing comes any more, adding up what becomes readable.
    auto play = [&](long end) {
        const long tail = 4 * columns + 256;
        const long length = end > 0 ? end : static_cast<long>(cycles.size()) + tail;
        for (long cycle = 0; cycle < length; cycle++) {
            // Registers hold the values of this cycle.
            if (any(array.readable)) {
                last = cycle;
                if (end == 0)
                    for (int port = 0; port < columns; port++)
                        if (bit(array.readable, port)) { sum += array.value[port]; outputs++; }
            }
            const Cycle& now = cycle < static_cast<long>(cycles.size()) ? cycles[cycle] : quiet;
            array.load = now.load; array.swap = now.swap; array.first = now.first; array.address = now.address;
            set(array.rows_used, now.rows_used); set(array.outputs_used, now.outputs_used);
            if (now.load) set(array.held, now.held);
            set(array.stream, now.stream);
            array.clk = 0; array.eval();
            array.clk = 1; array.eval();
        }
    };
    play(0);
    const long counted = last;
    const std::clock_t before = std::clock();
    for (long repeat = 0; repeat < repeats; repeat++) play(counted + 1);
    const double seconds = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
    std::printf("%ld %u %u %.9f\n", counted, outputs, sum, seconds);
    return last == counted ? 0 : 1;
}
