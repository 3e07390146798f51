/// Formats of caches, and rope, as the tables of tests name them.
#pragma once
#include "generator/spec/spec.h"

namespace attune::test {

constexpr KvCacheSpec plain, i8{KvDType::i8}, i8_zeros{KvDType::i8, true}, i4{KvDType::i4}, i4_zeros{KvDType::i4, true};

constexpr KvCacheSpec ring(KvCacheSpec cache) {
    cache.layout = KvLayout::ring;
    return cache;
}
constexpr KvCacheSpec paged(KvCacheSpec cache, int page_size) {
    cache.layout = KvLayout::paged;
    cache.page_size = page_size;
    return cache;
}
constexpr KvCacheSpec in_key(KvCacheSpec cache) {
    cache.values_in_key = true;
    return cache;
}

inline RopeSpec rope(RopeSpec::Style style, int dims, RopeSpec::Scaling scaling = RopeSpec::Scaling::none, double factor = 1) {
    RopeSpec out;
    out.style = style;
    out.dims = dims;
    out.scaling = scaling;
    out.factor = factor;
    return out;
}

}  // namespace attune::test
