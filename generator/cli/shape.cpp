#include "generator/cli/shape.h"

#include "generator/spec/error.h"
#include "generator/spec/nearest.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <vector>

namespace attune::cli {
namespace {

/// Above this, counts of pairs and FLOPs leave 64 bits.
constexpr double max_pairs = 1e15;

std::string trim(const std::string &text) {
    const size_t begin = text.find_first_not_of(' ');
    return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

[[noreturn]] void refuse(const std::string &key, const std::string &value, const std::string &expected, const std::string &cure = "") {
    throw Error({.argument = "--shape " + key,
                 .value = value,
                 .expected = expected,
                 .cure = cure.empty() ? "write for example b=1,h=8,hkv=2,sq=2048,skv=2048" : cure});
}

}  // namespace

Shape parse_shape(const std::string &text, int group) {
    const std::vector<std::string> keys = {"b", "h", "hkv", "sq", "skv"};
    std::map<std::string, int64_t> given;
    for (size_t begin = 0; begin <= text.size();) {
        const size_t end = std::min(text.find(',', begin), text.size());
        const std::string item = trim(text.substr(begin, end - begin));
        begin = end + 1;
        const size_t equals = item.find('=');
        const std::string key = trim(item.substr(0, equals));
        if (equals == std::string::npos)
            throw Error({.argument = "--shape",
                         .value = "\"" + item + "\"",
                         .expected = "KEY=NUMBER, separated by commas",
                         .cure = "write for example b=1,h=8,hkv=2,sq=2048,skv=2048"});
        if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
            const std::string guess = nearest(key, keys);
            refuse("\"" + key + "\"", "unknown", "one of b, h, hkv, sq, skv", guess.empty() ? "" : "did you mean " + guess);
        }
        const std::string digits = trim(item.substr(equals + 1));
        const int64_t low = key == "h" || key == "hkv" ? 1 : 0, high = (int64_t{1} << 31) - 1;
        int64_t number = 0;
        const auto [stop, status] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
        if (status != std::errc() || stop != digits.data() + digits.size() || number < low || number > high)
            refuse(key, digits.empty() ? "empty" : digits, fmt::format("an integer from {} to {}", low, high));
        if (!given.emplace(key, number).second)
            refuse(key, fmt::format("{} and {}", given[key], number), "one value", "give it once");
    }

    const auto value = [&](const char *key, int64_t otherwise) { return given.contains(key) ? given[key] : otherwise; };
    const int64_t ratio = group > 0 ? group : 1;
    Shape shape;
    shape.batch = value("b", 1);
    shape.num_heads = value("h", value("hkv", 1) * ratio);
    if (group > 0 && shape.num_heads % ratio != 0)
        refuse("h", fmt::to_string(shape.num_heads), fmt::format("a multiple of the specification's group, which is {}", group));
    shape.num_kv_heads = value("hkv", shape.num_heads / ratio);
    if (shape.num_heads % shape.num_kv_heads != 0)
        refuse("h", fmt::to_string(shape.num_heads), fmt::format("a multiple of hkv, which is {}", shape.num_kv_heads));
    if (group > 0 && shape.num_heads / shape.num_kv_heads != group)
        refuse("hkv", fmt::to_string(shape.num_kv_heads),
               fmt::format("{}, which is h={} divided by the specification's group {}", shape.num_heads / group, shape.num_heads, group),
               "change h or hkv, or give --group any");
    shape.seq_len_q = value("sq", 512);
    shape.seq_len_kv = value("skv", 512);
    if (double(shape.batch) * double(shape.num_heads) * double(shape.seq_len_q) * double(shape.seq_len_kv) > max_pairs)
        refuse("b*h*sq*skv", "over 1e15", "at most 1e15 pairs of query and key", "use a smaller shape");
    return shape;
}

std::string shape_text(const Shape &shape) {
    return fmt::format("b={},h={},hkv={},sq={},skv={}", shape.batch, shape.num_heads, shape.num_kv_heads, shape.seq_len_q,
                       shape.seq_len_kv);
}

}  // namespace attune::cli
