#include "launch.h"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <thread>

namespace ptxsim {

LaunchResult run_blocks(const Launch &launch, unsigned host_threads) {
    const uint64_t blocks = static_cast<uint64_t>(launch.grid[0]) * launch.grid[1] * launch.grid[2];
    // Blocks in an order that no kernel should count on: a stride that is coprime to their number, from a start that the seed chooses.
    uint64_t stride = blocks > 2 ? launch.seed % (blocks - 1) + 1 : 1;
    while (std::gcd(stride, blocks) != 1) stride++;
    std::atomic<uint64_t> next = 0;
    std::mutex mutex;
    LaunchResult result;
    const auto work = [&] {
        try {
            Block block(launch);
            for (uint64_t n; (n = next++) < blocks;) {
                const uint64_t b = (n * stride + launch.seed) % blocks;
                const uint32_t at[3] = {static_cast<uint32_t>(b % launch.grid[0]), static_cast<uint32_t>(b / launch.grid[0] % launch.grid[1]),
                                        static_cast<uint32_t>(b / launch.grid[0] / launch.grid[1])};
                block.run(at);
            }
            const std::lock_guard lock(mutex);
            result.executed += block.executed;
        } catch (const std::exception &e) {
            next = blocks;
            const std::lock_guard lock(mutex);
            if (result.error.empty()) result.error = e.what();
        }
    };
    const unsigned workers = static_cast<unsigned>(std::clamp<uint64_t>(blocks, 1, std::max(host_threads, 1u)));
    std::vector<std::thread> threads;
    for (unsigned i = 1; i < workers; i++) threads.emplace_back(work);
    work();
    for (std::thread &t : threads) t.join();
    return result;
}

}  // namespace ptxsim
