#pragma once
#include "schedules/autotune/search.h"

namespace attune::autotune {

/// A program that proposes points, by JSON lines through its standard input and output; README.md has the protocol. ask() and tell() throw
/// Error(input) where it dies, is late, or writes what is no answer.
std::unique_ptr<Search> make_external(const Space &space, const SearchOptions &options);

}  // namespace attune::autotune
