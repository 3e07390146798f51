#include "generator/reference/quantise.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace attune {
namespace {

/// The integers of a type.
struct Range {
    int low, high;
    int middle;   ///< the zero point of a cache without any
    int largest;  ///< what the largest magnitude becomes, from `middle`
};
constexpr Range i8_range = {-128, 127, 0, 127}, i4_range = {0, 15, 8, 7};

struct Grid {
    float scale, zero;
};

Grid grid_of(const double *x, int count, const Range &range, bool zero_points) {
    double low = 0, high = 0;
    bool finite = true;
    for (int i = 0; i < count; i++) {
        low = std::min(low, x[i]);
        high = std::max(high, x[i]);
        finite = finite && std::isfinite(x[i]);
    }
    const float middle = static_cast<float>(range.middle);
    if (!finite) return {std::numeric_limits<float>::quiet_NaN(), middle};
    const float lo = static_cast<float>(low), hi = static_cast<float>(high);
    const float scale = zero_points ? (hi - lo) / static_cast<float>(range.high - range.low) : std::max(hi, -lo) / static_cast<float>(range.largest);
    if (scale < std::numeric_limits<float>::min()) return {0, middle};
    return {scale, zero_points ? static_cast<float>(range.low) - lo / scale : middle};
}

int round_on(const Grid &grid, double x, const Range &range) {
    if (!(grid.scale > 0)) return range.middle;  // 0 or NaN
    return static_cast<int>(std::clamp<double>(std::nearbyint(x / grid.scale + grid.zero), range.low, range.high));
}

}  // namespace

QuantisedRow quantise_row(const double *row, int head_dim, const KvCacheSpec &cache) {
    const bool is_i4 = cache.dtype == KvDType::i4;
    const Range &range = is_i4 ? i4_range : i8_range;
    const int groups = cache_scales(cache, head_dim), count = is_i4 ? i4_group : head_dim;
    QuantisedRow out;
    out.bytes.assign(static_cast<size_t>(is_i4 ? head_dim / 2 : head_dim), 0);
    for (int group = 0; group < groups; group++) {
        const Grid grid = grid_of(row + group * count, count, range, cache.zero_points);
        out.scales.push_back(grid.scale);
        if (cache.zero_points) out.zeros.push_back(grid.zero);
        for (int i = 0; i < count; i++) {
            const int n = round_on(grid, row[group * count + i], range);
            out.values.push_back(static_cast<double>(grid.scale) * (n - static_cast<double>(grid.zero)));
            if (is_i4) {
                const int half = i4_group / 2, j = i % half;
                out.bytes[static_cast<size_t>(group * half + j)] |= static_cast<uint8_t>(i < half ? n : n << 4);
            } else {
                out.bytes[static_cast<size_t>(i)] = static_cast<uint8_t>(n);
            }
        }
    }
    return out;
}

}  // namespace attune
