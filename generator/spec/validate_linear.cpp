#include "generator/spec/validate_linear.h"

#include "generator/spec/check_keys.h"
#include "generator/spec/check_value.h"
#include "generator/spec/validate_params.h"

#include <fmt/format.h>

namespace attune {

void check_linear(const RawSpec &raw, AttentionSpec &spec) {
    for (const char *key : {"kernel.feature_map", "kernel.decay", "kernel.beta"})
        if (const auto field = find_field(raw, key); field && !is_linear(spec))
            field->fail(shown(field->value), "write normalizer = \"linear\", or leave it out",
                        fmt::format("{} is given with normalizer {}", field->argument(), normalizer_name(spec.normalizer)), "it beside normalizer linear");
    if (!is_linear(spec)) return;

    const auto refuse = [&](const char *key, const std::string &expected, const char *cure) {
        if (const auto field = find_field(raw, key))
            field->fail(shown(field->value), cure, fmt::format("{} is {} with normalizer linear", field->argument(), shown(field->value)), expected);
    };
    if (spec.mask && spec.mask.text != "causal")
        refuse("kernel.mask", "none or causal: a running state is the sum of all keys so far, and forgets which they were", "use one of these, or softmax");
    if (spec.score) refuse("kernel.score", "no score, as no pair has a logit of its own", "leave it out, or use softmax");
    refuse("kernel.block_mask", "no block mask: a running state is the sum of all keys so far", "leave it out, or use softmax");
    if (spec.compute_dtype != ComputeDType::f32) refuse("kernel.compute_dtype", "f32", "leave it out");
    if (const auto field = find_field(raw, "kernel.algorithm"); field && field->value.text != "auto")
        refuse("kernel.algorithm", "no algorithm, as there is no softmax", "leave it out");

    if (const auto field = find_field(raw, "kernel.feature_map")) {
        const std::string name = check_word(*field);
        for (const FeatureMap map : {FeatureMap::elu_plus_one, FeatureMap::relu, FeatureMap::identity})
            if (name == feature_map_name(map)) spec.feature_map = map;
    }
    if (const auto field = find_field(raw, "kernel.decay"))
        spec.decay = check_named_param(*field, spec, {"f32[b, kv, hkv]", fmt::format("f32[b, kv, hkv, {}]", spec.head_dim)});
    if (const auto field = find_field(raw, "kernel.beta")) spec.beta = check_named_param(*field, spec, {"f32[b, kv, hkv]"});
    for (const char *key : {"kernel.decay", "kernel.beta"})
        if (const auto field = find_field(raw, key); field && !spec.mask)
            field->fail(shown(field->value), "write mask = \"causal\"", fmt::format("{} is given without a mask", field->argument()),
                        "mask causal, as what a key leaves of the state depends on what was before it");
}

}  // namespace attune
