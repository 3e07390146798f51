#pragma once
#include "schedules/autotune/space.h"

#include <cstdint>
#include <memory>
#include <optional>

namespace attune::autotune {

/// Ask and tell. What is asked depends on the space, the seed and what was told, and on nothing else (not on how many are asked for at once): a
/// journal told again leads to the same place.
class Search {
public:
    virtual ~Search() = default;
    /// The next points to try, each legal and not asked before: at most `most`, fewer at the end of a generation, none when
    /// there is nothing left to try.
    virtual std::vector<Point> ask(size_t most) = 0;
    /// score: relative to the default, smaller is better; nothing: the point failed. Points that were not asked for may be told too, the default
    /// and those of an earlier run: they are not asked for any more.
    virtual void tell(const Point &point, std::optional<double> score) = 0;
};

struct SearchOptions {
    std::string kind = "evolution";  ///< random, exhaustive, evolution, external
    uint64_t seed = 1;
    int64_t trials = 100;               ///< how many will be asked for; an external program is told
    std::string external_command = {};  ///< of external: a program that speaks JSON lines (README.md), for /bin/sh
    double external_patience_s = 300;   ///< within which it has to answer
};
/// Throws Error(usage) for an unknown kind.
std::unique_ptr<Search> make_search(const Space &space, const SearchOptions &options);

}  // namespace attune::autotune
