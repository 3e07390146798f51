#pragma once
#include "schedules/autotune/search.h"

namespace attune::autotune {

/// All legal points in their order.
std::unique_ptr<Search> make_exhaustive(const Space &space);
/// All legal points in a random order.
std::unique_ptr<Search> make_random(const Space &space, uint64_t seed);

}  // namespace attune::autotune
