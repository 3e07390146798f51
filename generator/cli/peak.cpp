#include "generator/cli/peak.h"

#include "generator/cli/peak_loops.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <latch>
#include <memory>
#include <sched.h>
#include <set>
#include <thread>
#include <unistd.h>

namespace attune::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int slices = 10;  // of a measurement whose best counts: an interrupted slice says nothing about the unit

void pin_thread(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);  // where this is not allowed, the thread stays where it is
}

/// Runs `body(thread)` again and again on each of `threads` threads for about `seconds`; body returns its work. Sum of work per second.
template <class Body>
double rate_on_threads(int threads, double seconds, Body body) {
    const auto loop = [&](int thread) {
        const auto begin = Clock::now();
        double work = 0, elapsed = 0;
        do {
            work += body(thread);
            elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
        } while (elapsed < seconds);
        return work / elapsed;
    };
    if (threads == 1)
        return loop(0);
    const auto cpus = usable_cpus();
    std::vector<double> rates(threads);
    std::vector<std::thread> workers;
    std::latch start(threads);
    for (int i = 0; i < threads; i++)
        workers.emplace_back([&, i] {
            if (threads <= static_cast<int>(cpus.size()))
                pin_thread(cpus[i]);
            start.arrive_and_wait();
            rates[i] = loop(i);
        });
    double sum = 0;
    for (auto &worker : workers)
        worker.join();
    for (double rate : rates)
        sum += rate;
    return sum;
}

double gflops_of(PeakLoop loop, int threads, double seconds) {
    return rate_on_threads(threads, seconds, [&](int) { return loop(); }) * 1e-9;
}

double best_gflops_of(PeakLoop loop, int threads, double seconds) {
    double best = 0;
    for (int i = 0; i < slices; i++)
        best = std::max(best, gflops_of(loop, threads, seconds / slices));
    return best;
}

}  // namespace

std::vector<int> usable_cpus() {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return {0};
    std::vector<int> first, siblings;
    std::set<std::string> cores;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &set))
            continue;
        std::string core;
        std::ifstream(fmt::format("/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", cpu)) >> core;
        (core.empty() || cores.insert(core).second ? first : siblings).push_back(cpu);
    }
    first.insert(first.end(), siblings.begin(), siblings.end());
    return first;
}

bool pin_to_cpus(int threads) {
    auto cpus = usable_cpus();
    if (threads > static_cast<int>(cpus.size()))
        return false;
    // Of several free choices, stay where we run: the system put us there for a reason.
    if (const auto here = std::find(cpus.begin(), cpus.end(), sched_getcpu()); here != cpus.end() && threads == 1)
        std::iter_swap(cpus.begin(), here);
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int i = 0; i < threads; i++)
        CPU_SET(cpus[i], &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

double assumed_peak_gflops(const CpuTarget &target) {
    return target.machine.tiles ? assumed_tile_gflops : assumed_gflops_per_lane * target.vector;
}

double measure_peak_gflops(const CpuTarget &target, int threads, double seconds) {
    return gflops_of(peak_loop(target), threads, seconds);
}

double best_peak_gflops(const CpuTarget &target, int threads, double seconds) {
    return best_gflops_of(peak_loop(target), threads, seconds);
}

double best_vector_gflops(const CpuTarget &target, int threads, double seconds) {
    return best_gflops_of(vector_loop(target), threads, seconds);
}

double measure_read_gbs(int threads, double seconds) {
    const size_t last_level = std::max<long>(sysconf(_SC_LEVEL3_CACHE_SIZE), 0);
    const size_t words = std::clamp<size_t>(4 * last_level, size_t{64} << 20, size_t{256} << 20) / 8, share = words / threads / 16 * 16;
    const std::unique_ptr<uint64_t[]> memory(new uint64_t[words]);
    std::fill_n(memory.get(), words, 1);  // else every page is the same zero page
    std::atomic<uint64_t> keep{0};
    const auto read_share = [&](int thread) {
        keep += sum_by_128(memory.get() + share * thread, 8 * share);
        return 8.0 * share;
    };
    double best = 0;
    for (int i = 0; i < slices; i++)
        best = std::max(best, rate_on_threads(threads, seconds / slices, read_share));
    return best * 1e-9;
}

double measure_cached_read_gbs(size_t bytes, double seconds) {
    const ReadLoop sum = widest_read_loop();
    constexpr size_t step = 512, timed_bytes = 1 << 20;
    const size_t size = std::max(bytes / step, size_t{1}) * step, passes = std::max(timed_bytes / size, size_t{1});
    const std::unique_ptr<void, void (*)(void *)> memory(std::aligned_alloc(step, size), std::free);
    std::memset(memory.get(), 1, size);  // else every page is the same zero page
    std::atomic<uint64_t> keep{0};
    double best = 0;
    for (int i = 0; i < slices; i++)
        best = std::max(best, rate_on_threads(1, seconds / slices, [&](int) {
                            for (size_t pass = 0; pass < passes; pass++)
                                keep += sum(memory.get(), size);
                            return double(passes * size);
                        }));
    return best * 1e-9;
}

}  // namespace attune::cli
