#include "generator/gpu/occupancy.h"

#include <algorithm>
#include <iterator>

namespace attune {
namespace {

/// CUDA C++ Programming Guide, "Technical Specifications per Compute Capability": of a multiprocessor.
struct Limits {
    int compute_capability, warps, blocks, shared_bytes, reserved_bytes;  ///< reserved: of a block's shared memory, by the system
};
constexpr Limits table[] = {
    {75, 32, 16, 64 << 10, 0},     {80, 64, 32, 164 << 10, 1024}, {86, 48, 16, 100 << 10, 1024},  {87, 48, 16, 164 << 10, 1024},
    {89, 48, 24, 100 << 10, 1024}, {90, 64, 32, 228 << 10, 1024}, {100, 64, 32, 228 << 10, 1024}, {120, 48, 24, 100 << 10, 1024},
};
// Registers are given out to warps in units of 256, from four parts of 16384.
constexpr int registers_of_part = 16384, parts = 4, register_unit = 256;

}  // namespace

bool estimate_occupancy(int compute_capability, int registers, int64_t shared_bytes, int threads, Occupancy &occupancy) {
    const auto card =
        std::find_if(std::begin(table), std::end(table), [&](const Limits &row) { return row.compute_capability == compute_capability; });
    if (card == std::end(table) || threads <= 0)
        return false;
    const int warps = (threads + 31) / 32, of_warp = (std::max(registers, 1) * 32 + register_unit - 1) / register_unit * register_unit;
    const struct {
        const char *name;
        int64_t blocks;
    } limits[] = {{"blocks", card->blocks},
                  {"warps", card->warps / warps},
                  {"registers", int64_t(registers_of_part / of_warp) * parts / warps},
                  {"shared memory", card->shared_bytes / std::max<int64_t>(shared_bytes + card->reserved_bytes, 1)}};
    const auto *least =
        std::min_element(std::begin(limits), std::end(limits), [](const auto &a, const auto &b) { return a.blocks < b.blocks; });
    occupancy = {static_cast<int>(least->blocks), static_cast<int>(least->blocks) * warps, card->warps, least->name};
    return true;
}

}  // namespace attune
