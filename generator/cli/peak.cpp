#include "generator/cli/peak.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <immintrin.h>
#include <latch>
#include <memory>
#include <sched.h>
#include <set>
#include <thread>
#include <unistd.h>

namespace attune::cli {
namespace {

using Clock = std::chrono::steady_clock;

// Factor and term are read through volatile, so that nothing folds; 1 and 0 keep the values normal for ever.
volatile float peak_factor = 1, peak_term = 0;
constexpr int peak_rounds = 20000;
constexpr int slices = 10;  // of a measurement whose best counts: an interrupted slice says nothing about the unit

/// A function that returns the FLOPs it did, `flops` a lane and step. Independent chains hide the latency: 4 cycles x 2 units = 8 chains are
/// enough on today's cores; registers hold more. `a` and `b` are the factor and the term, `x` a chain.
#define ATTUNE_PEAK_LOOP(name, features, chains, Register, Factor, broadcast, step, flops)                                                 \
    __attribute__((target(features), noinline)) double name() {                                                                            \
        const Factor a = broadcast(peak_factor), b = broadcast(peak_term);                                                                 \
        Register acc[chains] = {};                                                                                                         \
        for (int round = 0; round < peak_rounds; round++) {                                                                                \
            _Pragma("GCC unroll 32") for (Register & x : acc) {                                                                            \
                x = step;                                                                                                                  \
                asm volatile("" : "+v"(x));                                                                                                \
            }                                                                                                                              \
        }                                                                                                                                  \
        return double(flops) * chains * peak_rounds;                                                                                       \
    }

// 24 of 32 registers; 14 of 16, where factor and term take the others.
ATTUNE_PEAK_LOOP(fma_512, "avx512f", 24, __m512, __m512, _mm512_set1_ps, _mm512_fmadd_ps(x, a, b), 2 * 16)
ATTUNE_PEAK_LOOP(fma_256, "avx2,fma", 14, __m256, __m256, _mm256_set1_ps, _mm256_fmadd_ps(x, a, b), 2 * 8)
/// No fused operation: a multiplication, then an addition. Zen 5: 71.7 GFLOP/s, separate chains for the two reach 62.
ATTUNE_PEAK_LOOP(multiply_add_128, "sse4.1", 14, __m128, __m128, _mm_set1_ps, _mm_add_ps(_mm_mul_ps(x, a), b), 2 * 4)

#define ATTUNE_BF16_PAIRS(value) _mm512_cvtne2ps_pbh(_mm512_set1_ps(value), _mm512_set1_ps(value))
ATTUNE_PEAK_LOOP(dot_bf16_512, "avx512f,avx512bf16", 24, __m512, __m512bh, ATTUNE_BF16_PAIRS, _mm512_dpbf16_ps(x, a, b), 2 * 32)
#define ATTUNE_HALVES(value) _mm512_castps_ph(_mm512_castsi512_ps(_mm512_set1_epi16(value == 0 ? 0 : 0x3c00)))
ATTUNE_PEAK_LOOP(fma_f16_512, "avx512fp16", 24, __m512h, __m512h, ATTUNE_HALVES, _mm512_fmadd_ph(x, a, b), 2 * 32)

/// The sum of `bytes` at `memory`, a multiple of 512 aligned to 64, by loads of one width.
#define ATTUNE_READ_LOOP(name, features, width)                                                                                            \
    __attribute__((target(features), noinline)) uint64_t name(const void *memory, size_t bytes) {                                          \
        using Register = uint64_t __attribute__((vector_size(width)));                                                                     \
        const auto *p = static_cast<const Register *>(memory);                                                                             \
        Register sums[8] = {};                                                                                                             \
        for (size_t i = 0; i < bytes / width; i += 8) {                                                                                    \
            _Pragma("GCC unroll 8") for (int j = 0; j < 8; j++) sums[j] += p[i + j];                                                       \
        }                                                                                                                                  \
        for (int j = 1; j < 8; j++)                                                                                                        \
            sums[0] += sums[j];                                                                                                            \
        return sums[0][0] + sums[0][1];                                                                                                    \
    }
ATTUNE_READ_LOOP(sum_by_128, "sse4.1", 16)
ATTUNE_READ_LOOP(sum_by_256, "avx2", 32)
ATTUNE_READ_LOOP(sum_by_512, "avx512f", 64)

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

double measure_peak_gflops(const CpuTarget &target, int threads, double seconds) {
    // Kernels with 8-bit query · key have weight · value of f32 or bf16, the slower unit.
    const auto body = target.machine.dot_bf16  ? dot_bf16_512
                      : target.machine.fma_f16 ? fma_f16_512
                      : target.vector == 16    ? fma_512
                      : target.vector == 8     ? fma_256
                                               : multiply_add_128;
    return rate_on_threads(threads, seconds, [&](int) { return body(); }) * 1e-9;
}

double best_peak_gflops(const CpuTarget &target, int threads, double seconds) {
    double best = 0;
    for (int i = 0; i < slices; i++)
        best = std::max(best, measure_peak_gflops(target, threads, seconds / slices));
    return best;
}

double measure_read_gbs(int threads, double seconds) {
    const size_t last_level = std::max<long>(sysconf(_SC_LEVEL3_CACHE_SIZE), 0);
    const size_t words = std::clamp<size_t>(4 * last_level, size_t{64} << 20, size_t{256} << 20) / 8, share = words / threads / 16 * 16;
    const std::unique_ptr<uint64_t[]> memory(new uint64_t[words]);
    std::fill_n(memory.get(), words, 1);  // else every page is the same zero page
    std::atomic<uint64_t> keep{0};
    const auto read_share = [&](int thread) {
        const auto *p = reinterpret_cast<const __m128i *>(memory.get() + share * thread);
        __m128i sums[8] = {};
        for (size_t i = 0; i < share / 2; i += 8)
            for (int j = 0; j < 8; j++)
                sums[j] = _mm_add_epi64(sums[j], _mm_loadu_si128(p + i + j));
        for (auto &sum : sums)
            keep += _mm_cvtsi128_si64(sum);
        return 8.0 * share;
    };
    double best = 0;
    for (int i = 0; i < slices; i++)
        best = std::max(best, rate_on_threads(threads, seconds / slices, read_share));
    return best * 1e-9;
}

double measure_cached_read_gbs(size_t bytes, double seconds) {
    const auto sum = __builtin_cpu_supports("avx512f") ? sum_by_512 : __builtin_cpu_supports("avx2") ? sum_by_256 : sum_by_128;
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
