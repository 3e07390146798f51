#include "generator/cli/ranges.h"

#include "generator/spec/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>

namespace attune::cli {
namespace {

bool read_number(const std::string &text, int64_t &number) {
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
    return status == std::errc() && end == text.data() + text.size() && number >= 0;
}

}  // namespace

Range read_range(const Flags &flags, const std::string &flag, int64_t extent, const std::string &what) {
    if (!flags.has(flag))
        return {0, extent};
    const std::string text = flags.text(flag);
    const size_t colon = text.find(':');
    const std::string first = text.substr(0, colon), end = colon == std::string::npos ? "" : text.substr(colon + 1);
    Range range{0, extent};
    const bool is_range =
        colon != std::string::npos && (first.empty() || read_number(first, range.first)) && (end.empty() || read_number(end, range.end));
    if (!is_range || range.first >= range.end || range.end > extent)
        throw Error({.argument = flag,
                     .value = text,
                     .expected = fmt::format("FIRST:END with 0 <= FIRST < END <= {}, the {}", extent, what),
                     .cure = "write for example 0:16, which ends before 16"});
    return range;
}

int64_t read_index(const Flags &flags, const std::string &flag, int64_t extent, const std::string &what, int64_t otherwise) {
    const std::string text = flags.text(flag);
    int64_t index = otherwise;
    if (flags.has(flag) && (!read_number(text, index) || index >= extent))
        throw Error({.argument = flag,
                     .value = text,
                     .expected = extent > 0 ? fmt::format("an integer from 0 to {}, of the {} {}", extent - 1, extent, what)
                                            : "none, as there are no " + what,
                     .cure = "count from 0"});
    return index;
}

std::vector<int64_t> read_indices(const Flags &flags, const std::string &flag, int64_t extent, const std::string &what) {
    std::vector<int64_t> indices;
    if (!flags.has(flag)) {
        indices.resize(extent);
        std::iota(indices.begin(), indices.end(), 0);
        return indices;
    }
    const std::string text = flags.text(flag);
    for (size_t begin = 0; begin <= text.size();) {
        const size_t end = std::min(text.find(',', begin), text.size());
        const std::string item = text.substr(begin, end - begin);
        begin = end + 1;
        int64_t index = 0;
        const bool is_index = read_number(item, index) && index < extent;
        if (!is_index || std::find(indices.begin(), indices.end(), index) != indices.end())
            throw Error({.argument = fmt::format("{}[{}]", flag, indices.size()),
                         .value = item.empty() ? "empty" : item,
                         .expected = fmt::format("an integer from 0 to {}, of the {} {}, each once", extent - 1, extent, what),
                         .cure = "write for example 0,3"});
        indices.push_back(index);
    }
    return indices;
}

}  // namespace attune::cli
