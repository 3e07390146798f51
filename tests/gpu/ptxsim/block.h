// A block of threads: its warps, its shared memory, what it sees of the device. launch.h runs blocks.
#pragma once
#include <memory>
#include <mutex>
#include <random>
#include <vector>

#include "device_memory.h"
#include "shared_memory.h"
#include "warp.h"

namespace ptxsim {

struct Launch {
    const Kernel *kernel = nullptr;
    uint32_t grid[3] = {1, 1, 1}, threads[3] = {1, 1, 1};
    uint32_t dynamic_shared_bytes = 0;
    std::vector<uint8_t> parameters;
    std::vector<MemoryRange> memory;  // by address
    uint64_t seed = 1;
    bool finds_races = true;
    uint64_t most_instructions = 0;  // of one warp; more is an endless loop
    std::mutex *atomics = nullptr;
};

struct Block {
    explicit Block(const Launch &launch);
    // Runs the block at a position of the grid. Throws std::runtime_error, which names kernel, block, thread and line.
    void run(const uint32_t (&position)[3]);

    const Launch &launch;
    uint32_t position[3] = {0, 0, 0};
    SharedMemory shared;
    uint64_t executed = 0;  // instructions of lanes

    // The bytes of global memory at an address. Throws Fault where they are not all in one allocation.
    uint8_t *global(uint64_t address, uint32_t bytes, const char *verb) {
        const uint64_t at = address - last_.address;
        if (at <= last_.bytes && bytes <= last_.bytes - at) [[likely]]
            return last_.data + at;
        return find_global(address, bytes, verb);
    }

private:
    uint8_t *find_global(uint64_t address, uint32_t bytes, const char *verb);
    void pass_barrier();
    [[noreturn]] void fail(const Warp &warp, int lane, uint32_t pc, const std::string &what) const;

    MemoryRange last_;
    std::mt19937_64 random_;
    std::vector<Warp> warps_;
    std::unique_ptr<std::byte[]> registers_, local_;
};

}  // namespace ptxsim
