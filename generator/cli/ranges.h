#pragma once
#include "generator/cli/flags.h"

#include <cstdint>
#include <string>
#include <vector>

namespace attune::cli {

/// first … end - 1
struct Range {
    int64_t first = 0, end = 0;
    int64_t size() const { return end - first; }
};
/// "4:12", ":12", "4:" of 0 … extent - 1; all of them where the flag is absent. what: "rows of query". Throws Error(usage).
Range read_range(const Flags &flags, const std::string &flag, int64_t extent, const std::string &what);
/// "0,3" of 0 … extent - 1, each once, in this order; all of them where the flag is absent. Throws Error(usage).
std::vector<int64_t> read_indices(const Flags &flags, const std::string &flag, int64_t extent, const std::string &what);
/// One of them; `otherwise` where the flag is absent.
int64_t read_index(const Flags &flags, const std::string &flag, int64_t extent, const std::string &what, int64_t otherwise);

}  // namespace attune::cli
