#pragma once
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace attune::autotune {

/// Numbers from a seed, the same with every standard library: the engine's are fixed by the standard, those of its distributions are not.
class Random {
public:
    explicit Random(uint64_t seed) : engine_(seed) {}
    /// 0 to n - 1; n > 0. Off the exact odds by less than n / 2^32.
    size_t below(size_t n) { return static_cast<size_t>((engine_() >> 32) * n >> 32); }
    /// In [0, 1).
    double unit() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
    template <class T>
    void shuffle(std::vector<T> &list) {
        for (size_t i = list.size(); i > 1; i--)
            std::swap(list[i - 1], list[below(i)]);
    }

private:
    std::mt19937_64 engine_;
};

}  // namespace attune::autotune
