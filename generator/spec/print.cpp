#include "generator/spec/spec.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace attune {

std::string spec_to_toml(const AttentionSpec &spec) {
    const auto line = [](const char *key, const std::string &value) { return fmt::format("{:<10} = {}\n", key, value); };
    // An expression may hold a file's name in quotes; a file's name has no backslash's escape to lose.
    const auto quoted = [](const std::string &text) {
        std::string out = "\"";
        for (const char c : text) out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
        return out + "\"";
    };
    std::string out = "[kernel]\n";
    if (spec.name != spec.id()) out += line("name", quoted(spec.name));  // the id changes with the other keys, and so would the default
    out += line("dtype", quoted(dtype_name(spec.dtype)));
    if (spec.compute_dtype != ComputeDType::f32) out += fmt::format("compute_dtype = \"{}\"\n", compute_dtype_name(spec.compute_dtype));
    out += line("head_dim", std::to_string(spec.head_dim));
    if (spec.head_dim_v != spec.head_dim) out += line("head_dim_v", std::to_string(spec.head_dim_v));
    out += line("group", spec.group == 0 ? quoted("any") : std::to_string(spec.group));
    out += line("scale", spec.scale.find("head_dim") != std::string::npos ? quoted(spec.scale) : fmt::format("{}", spec.softmax_scale));
    out += line("mask", quoted(spec.mask_text()));
    if (spec.score) out += line("score", quoted(spec.score.text));
    if (spec.normalizer != Normalizer::softmax) out += line("normalizer", quoted(normalizer_name(spec.normalizer)));
    if (!spec.sink.empty()) out += line("sink", quoted(spec.sink));
    if (is_linear(spec)) out += line("feature_map", quoted(feature_map_name(spec.feature_map)));
    if (!spec.decay.empty()) out += line("decay", quoted(spec.decay));
    if (!spec.beta.empty()) out += line("beta", quoted(spec.beta));
    out += line("outputs", fmt::format("[\"{}\"]", outputs_text(spec, "\", \"")));
    if (spec.block_mask)
        out += line("block_mask", quoted("csr")) + line("block_size", fmt::format("[{}, {}]", spec.block_size_q, spec.block_size_kv));
    out += line("phases", fmt::format("[\"{}\"]", spec.phase()));
    out += line("algorithm", quoted(algorithm_name(spec.algorithm)));
    if (spec.cache.dtype != KvDType::same) out += line("kv_dtype", quoted(kv_dtype_name(spec.cache.dtype)));
    if (spec.cache.zero_points) out += "kv_quantization = \"asymmetric\"\n";
    if (spec.cache.layout != KvLayout::contiguous) out += line("kv_layout", quoted(kv_layout_name(spec.cache.layout)));
    if (spec.cache.layout == KvLayout::paged) out += line("page_size", std::to_string(spec.cache.page_size));
    if (spec.cache.values_in_key) out += line("value", quoted(fmt::format("key[0:{}]", spec.head_dim_v)));
    if (spec.rope.style != RopeSpec::Style::none) out += line("rope", fmt::format("{{{}}}", rope_text(spec.rope, "\"")));
    if (!spec.params.empty()) out += "\n[params]\n";
    for (const ParamDeclaration &p : spec.params) out += line(p.name.c_str(), quoted(p.text()));
    out += fmt::format("\n[targets]\ncpu = [\"{}\"]\n", fmt::join(spec.targets, "\", \""));
    if (!spec.device_targets.empty()) out += fmt::format("gpu = [\"{}\"]\n", fmt::join(spec.device_targets, "\", \""));
    return out;
}

}  // namespace attune
