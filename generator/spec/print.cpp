#include "generator/spec/spec.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace attune {

std::string spec_to_toml(const AttentionSpec &spec) {
    const auto line = [](const char *key, const std::string &value) { return fmt::format("{:<10} = {}\n", key, value); };
    const auto quoted = [](const std::string &text) { return fmt::format("\"{}\"", text); };
    std::string out = "[kernel]\n";
    if (spec.name != spec.id()) out += line("name", quoted(spec.name));  // the id changes with the other keys, and so would the default
    out += line("dtype", quoted(dtype_name(spec.dtype)));
    out += line("head_dim", std::to_string(spec.head_dim));
    if (spec.head_dim_v != spec.head_dim) out += line("head_dim_v", std::to_string(spec.head_dim_v));
    out += line("group", spec.group == 0 ? quoted("any") : std::to_string(spec.group));
    out += line("scale", spec.scale == "rsqrt(head_dim)" ? quoted(spec.scale) : fmt::format("{}", spec.softmax_scale));
    out += line("mask", quoted(mask_name(spec.mask)));
    out += line("outputs", spec.lse ? "[\"out\", \"lse\"]" : "[\"out\"]");
    out += line("phases", "[\"prefill\"]");
    out += line("algorithm", quoted(algorithm_name(spec.algorithm)));
    out += fmt::format("\n[targets]\ncpu = [\"{}\"]\n", fmt::join(spec.targets, "\", \""));
    return out;
}

}  // namespace attune
