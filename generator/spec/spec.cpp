#include "generator/spec/spec.h"

#include <fmt/format.h>

namespace attune {
namespace {

/// FNV-1a, 64 bits (Fowler, Noll, Vo; draft-eastlake-fnv): the same on every machine, which std::hash does not promise.
uint64_t hash_text(const std::string &text) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return hash;
}

}  // namespace

const char *dtype_name(DType dtype) { return dtype == DType::f32 ? "f32" : dtype == DType::f16 ? "f16" : "bf16"; }
int dtype_bytes(DType dtype) { return dtype == DType::f32 ? 4 : 2; }
const char *mask_name(Mask mask) { return mask == Mask::none ? "none" : mask == Mask::causal ? "causal" : "causal_top_left"; }

const char *algorithm_name(Algorithm algorithm) {
    switch (algorithm) {
    case Algorithm::automatic: return "auto";
    case Algorithm::fixed_reference: return "fixed_reference";
    case Algorithm::online: return "online";
    case Algorithm::full_row: return "full_row";
    }
    return "auto";
}

std::string AttentionSpec::canonical() const {
    // The scale by its value: 0.125 and rsqrt(head_dim) of 64 are one kernel.
    return fmt::format("attention 1 prefill dtype={} head_dim={} head_dim_v={} group={} scale={} mask={} outputs={} algorithm={}",
                       dtype_name(dtype), head_dim, head_dim_v, group == 0 ? "any" : std::to_string(group), softmax_scale,
                       mask_name(mask), lse ? "out,lse" : "out", algorithm_name(algorithm));
}

std::string AttentionSpec::id() const {
    return fmt::format("attune_prefill_{}_d{}{}_g{}_{:08x}", dtype_name(dtype), head_dim,
                       head_dim_v == head_dim ? "" : fmt::format("x{}", head_dim_v), group == 0 ? "any" : std::to_string(group),
                       hash_text(canonical()) >> 32);
}

}  // namespace attune
