#pragma once
#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

/// Runs body(begin, end) over an even split of 0 .. count - 1 on at most `threads` threads. The body must not throw.
template <class Body>
void parallel_ranges(int threads, int64_t count, const Body &body) {
    const int64_t parts = std::clamp<int64_t>(count, 1, threads);
    std::vector<std::jthread> workers;
    for (int64_t part = 1; part < parts; ++part)
        workers.emplace_back([&, part] { body(count * part / parts, count * (part + 1) / parts); });
    body(0, count / parts);
}
