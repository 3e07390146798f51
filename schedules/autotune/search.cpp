#include "schedules/autotune/search.h"
#include "generator/spec/error.h"
#include "schedules/autotune/evolution.h"
#include "schedules/autotune/external.h"
#include "schedules/autotune/listed.h"

namespace attune::autotune {

std::unique_ptr<Search> make_search(const Space &space, const SearchOptions &options) {
    if (options.kind == "exhaustive")
        return make_exhaustive(space);
    if (options.kind == "random")
        return make_random(space, options.seed);
    if (options.kind == "evolution")
        return make_evolution(space, options.seed);
    if (options.kind == "external")
        return make_external(space, options);
    throw Error({.code = ErrorCode::usage,
                 .argument = "search",
                 .value = options.kind,
                 .expected = "random, exhaustive, evolution or external",
                 .cure = "take evolution, unless you compare searches"});
}

}  // namespace attune::autotune
