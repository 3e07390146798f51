#include "generator/spec/spec.h"

#include "generator/spec/hash_text.h"
#include "generator/spec/patterns.h"

#include <fmt/format.h>

namespace attune {

std::string outputs_text(const AttentionSpec &spec, const char *separator) {
    std::string out = "out";
    if (spec.lse) out.append(separator).append("lse");
    if (spec.pairs_output != PairsOutput::none) out.append(separator).append(pairs_output_name(spec.pairs_output));
    return out;
}

const char *dtype_name(DType dtype) { return dtype == DType::f32 ? "f32" : dtype == DType::f16 ? "f16" : "bf16"; }
const char *compute_dtype_name(ComputeDType compute) {
    return compute == ComputeDType::f32 ? "f32" : compute == ComputeDType::f16 ? "f16" : "i8";
}
const char *kv_dtype_name(KvDType dtype) { return dtype == KvDType::i8 ? "i8" : dtype == KvDType::i4 ? "i4" : "same"; }
const char *kv_layout_name(KvLayout layout) {
    return layout == KvLayout::ring ? "ring" : layout == KvLayout::paged ? "paged" : "contiguous";
}

bool has_integer_products(const AttentionSpec &spec) {
    // Whole steps of 16 elements, two to a lane. A zero point that is no integer would make large sums that cancel.
    return spec.cache.dtype != KvDType::same && !spec.cache.zero_points && spec.head_dim % 32 == 0;
}

bool fills_integer_tiles(const AttentionSpec &spec) {
    const auto fills = [](int head_dim) { return head_dim % 64 == 0 && head_dim <= 256; };
    return spec.decode && has_integer_products(spec) && spec.group >= 4 && !spec.cache.values_in_key && fills(spec.head_dim) && fills(spec.head_dim_v);
}

KernelTypes AttentionSpec::types() const { return {dtype, compute_dtype, fills_integer_tiles(*this)}; }

int cache_scales(const KvCacheSpec &cache, int head_dim) {
    return cache.dtype == KvDType::i8 ? 1 : cache.dtype == KvDType::i4 ? head_dim / i4_group : 0;
}

int64_t cache_row_bytes(const AttentionSpec &spec, int head_dim) {
    const int64_t scale_bytes = int64_t{4} * cache_scales(spec.cache, head_dim) * (spec.cache.zero_points ? 2 : 1);
    switch (spec.cache.dtype) {
    case KvDType::i8: return head_dim + scale_bytes;
    case KvDType::i4: return head_dim / 2 + scale_bytes;
    case KvDType::same: break;
    }
    return int64_t{head_dim} * dtype_bytes(spec.dtype);
}

int dtype_bytes(DType dtype) { return dtype == DType::f32 ? 4 : 2; }

const char *normalizer_name(Normalizer normalizer) {
    switch (normalizer) {
    case Normalizer::softmax: return "softmax";
    case Normalizer::softmax_plus_one: return "softmax_plus_one";
    case Normalizer::sigmoid: return "sigmoid";
    case Normalizer::relu: return "relu";
    case Normalizer::linear: return "linear";
    }
    return "softmax";
}

const char *feature_map_name(FeatureMap map) {
    return map == FeatureMap::elu_plus_one ? "elu_plus_one" : map == FeatureMap::relu ? "relu" : "identity";
}

const char *pairs_output_name(PairsOutput output) {
    switch (output) {
    case PairsOutput::none: return "";
    case PairsOutput::logits_raw: return "logits_raw";
    case PairsOutput::logits_biased: return "logits_biased";
    case PairsOutput::logits: return "logits";
    case PairsOutput::weights: return "weights";
    }
    return "";
}

const char *algorithm_name(Algorithm algorithm) {
    switch (algorithm) {
    case Algorithm::automatic: return "auto";
    case Algorithm::fixed_reference: return "fixed_reference";
    case Algorithm::online: return "online";
    case Algorithm::full_row: return "full_row";
    }
    return "auto";
}

const ParamDeclaration *AttentionSpec::find_param(const std::string &param) const {
    for (const ParamDeclaration &p : params)
        if (p.name == param) return &p;
    return nullptr;
}

std::string AttentionSpec::canonical() const {
    // The scale by its value: 0.125 and rsqrt(head_dim) of 64 are one kernel.
    std::string out = fmt::format(
        "attention 1 {} dtype={} head_dim={} head_dim_v={} group={} scale={} mask={} outputs={} algorithm={}", phase(), dtype_name(dtype),
        head_dim, head_dim_v, group == 0 ? "any" : std::to_string(group), softmax_scale, mask_text(), outputs_text(*this, ","),
        algorithm_name(algorithm));
    // What most kernels do not have.
    if (compute_dtype != ComputeDType::f32) out += fmt::format(" compute_dtype={}", compute_dtype_name(compute_dtype));
    if (score) out += fmt::format(" score={}", score.text);
    if (normalizer != Normalizer::softmax) out += fmt::format(" normalizer={}", normalizer_name(normalizer));
    if (!sink.empty()) out += fmt::format(" sink={}", sink);
    if (normalizer == Normalizer::linear) out += fmt::format(" feature_map={}", feature_map_name(feature_map));
    if (!decay.empty()) out += fmt::format(" decay={}", decay);
    if (!beta.empty()) out += fmt::format(" beta={}", beta);
    if (block_mask) out += fmt::format(" block_mask=csr:{}x{}", block_size_q, block_size_kv);
    if (cache != KvCacheSpec{})
        out += fmt::format(" cache={}{}:{}{}{}", kv_dtype_name(cache.dtype), cache.zero_points ? "z" : "", kv_layout_name(cache.layout),
                           cache.page_size, cache.values_in_key ? ":values_in_key" : "");
    if (rope.style != RopeSpec::Style::none) out += fmt::format(" rope={{{}}}", rope_text(rope, ""));
    for (const ParamDeclaration &p : params) out += fmt::format(" {}:{}", p.name, p.text());
    for (const Expression *e : {&mask, &score})
        for (const Pattern *pattern : patterns_of(*e)) out += fmt::format(" pattern={:016x}", pattern->hash);  // a file's name does not say what it holds
    return out;
}

std::string AttentionSpec::id() const {
    return fmt::format("attune_{}_{}_d{}{}_g{}_{:08x}", phase(), dtype_name(dtype), head_dim,
                       head_dim_v == head_dim ? "" : fmt::format("x{}", head_dim_v), group == 0 ? "any" : std::to_string(group),
                       hash_text(canonical()) >> 32);
}

}  // namespace attune
