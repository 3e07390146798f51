#pragma once
#include "schedules/autotune/replay.h"

#include <cmath>

namespace attune::test {

/// A space in the shape of cpu_query_lanes, with its rules for 16 lanes and 32 registers, and made-up times: a valley in the logarithms of
/// the parameters, which interact (blocks have to fit a cache, tiles have to keep units busy), and a little that no model explains.
/// Times depend on the seed, which moves the valley.
inline autotune::Space synthetic_space(bool large = false) {
    autotune::Space space;
    space.family = "cpu_query_lanes";
    space.parameters = {{"block_q", {48, 96, 192, 384, 768}}, {"block_kv", {32, 64, 128, 256}}, {"tile_q", {1, 2, 3, 4}},
                        {"tile_kv", {2, 4, 8, 16}},           {"tile_d", {4, 8}},               {"unroll", {1, 2, 4}}};
    if (large) {
        space.parameters[0].values = {16, 32, 48, 64, 96, 128, 144, 192, 256, 288, 384, 512, 576, 768};
        space.parameters[4].values = {2, 4, 6, 8, 12, 16};
    }
    space.fallback = {192, 64, 3, 8, 8, 2};
    space.error = [](const autotune::Point &p) -> std::string {
        const int most = 31 / p[2] - 1;
        if (p[0] % (p[2] * 16) != 0) return "block_q is no multiple of tile_q vectors";
        if (p[3] > most || p[4] > most) return "more accumulators than registers";
        return p[1] % p[3] != 0 ? "block_kv is no multiple of tile_kv" : "";
    };
    return space;
}

/// A number from 0 to 999 for each point.
inline int chance(const autotune::Point &point, uint64_t seed) {
    uint64_t x = seed;
    for (const int value : point) {
        x = (x + static_cast<uint64_t>(value)) * 0x9e3779b97f4a7c15;
        x ^= x >> 29;
    }
    return static_cast<int>((x >> 20) % 1000);
}

inline double synthetic_ms(const autotune::Point &p, uint64_t seed) {
    int parts = 0;
    const auto centre = [&](double x, double width) { return x + width * (chance({parts++}, seed) / 500.0 - 1); };
    const auto away = [](double value, double where) { return (std::log2(value) - where) * (std::log2(value) - where); };
    const double accumulators = p[2] * std::min(p[3], p[4]);
    double ms = 10;
    ms += 0.4 * away(p[0], centre(7.5, 1)) + 0.5 * away(p[1], centre(6.5, 1)) + 0.3 * away(p[5], centre(1, 1));
    ms += 0.6 * away(accumulators, centre(4.2, 0.5)) + 0.4 * away(p[2], centre(1.3, 0.7)) + 0.2 * away(p[3], centre(3, 1));
    ms += 0.25 * (std::log2(p[0]) - 7.5) * (std::log2(p[1]) - 6.5);  // both take the same cache
    return ms * (1 + 0.00001 * chance(p, seed));
}

/// All of the space, recorded. One point in 13 fails.
inline autotune::Sweep synthetic_sweep(uint64_t seed, bool large = false, int shapes = 1) {
    const autotune::Space space = synthetic_space(large);
    autotune::Sweep sweep{"prefill f32 d64", "made up", space.family, space.parameters, space.fallback, {}, {}};
    for (int i = 0; i < shapes; i++) sweep.shapes.push_back("sq=" + std::to_string(1024 << i));
    for (const autotune::Point &point : space.legal_points()) {
        autotune::Sweep::Row row{point, autotune::Outcome::ok, {}};
        if (point != space.fallback && chance(point, ~seed) < 77)
            row.outcome = autotune::Outcome::wrong;
        else
            for (int i = 0; i < shapes; i++) row.median_ms.push_back((i + 1) * synthetic_ms(point, seed + 1000 * static_cast<uint64_t>(i)));
        sweep.rows.push_back(row);
    }
    return sweep;
}

}  // namespace attune::test
