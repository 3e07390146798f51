#pragma once
#include "schedules/autotune/search.h"

namespace attune::autotune {

/// A small evolution. The first generation is what the cost model likes best, where there is one, and a random spread; later ones are mutations
/// and crossovers of the best so far, moved to the nearest legal point that was not asked for yet.
std::unique_ptr<Search> make_evolution(const Space &space, uint64_t seed);

}  // namespace attune::autotune
