#pragma once
#include "generator/spec/field.h"

namespace attune {

/// The keys kv_dtype, kv_quantization, kv_layout, page_size, value and rope into spec.cache and spec.rope, and what they ask of the other keys, which
/// are checked already. Throws Error(usage).
void check_cache(const RawSpec &raw, AttentionSpec &spec);

}  // namespace attune
