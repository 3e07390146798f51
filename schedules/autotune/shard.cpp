#include "schedules/autotune/shard.h"
#include "generator/spec/error.h"

#include <charconv>

namespace attune::autotune {

Shard parse_shard(const std::string &text) {
    Shard shard;
    const char *const end = text.data() + text.size();
    const auto [slash, bad_index] = std::from_chars(text.data(), end, shard.index);
    if (bad_index == std::errc() && slash != end && *slash == '/') {
        const auto [rest, bad_count] = std::from_chars(slash + 1, end, shard.count);
        if (bad_count == std::errc() && rest == end && shard.index >= 1 && shard.index <= shard.count)
            return shard;
    }
    throw Error({.code = ErrorCode::usage,
                 .argument = "shard",
                 .value = text,
                 .expected = "i/n, part i of n, with 1 <= i <= n",
                 .cure = "give 1/4, 2/4, 3/4 and 4/4 to four machines"});
}

}  // namespace attune::autotune
