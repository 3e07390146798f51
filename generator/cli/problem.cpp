#include "generator/cli/problem.h"

#include "generator/reference/expressions.h"
#include "generator/reference/half.h"
#include "generator/reference/rope.h"

namespace attune::cli {

Bytes encode(const std::vector<double> &values, DType dtype) {
    Bytes bytes(values.size() * dtype_bytes(dtype));
    for (size_t i = 0; i < values.size(); i++) {
        const float x = static_cast<float>(values[i]);
        if (dtype == DType::f32)
            bytes.as<float>()[i] = x;
        else
            bytes.as<uint16_t>()[i] = dtype == DType::f16 ? float_to_f16(x) : float_to_bf16(x);
    }
    return bytes;
}

std::vector<double> decode(const Bytes &bytes, DType dtype) {
    std::vector<double> values(bytes.size() / dtype_bytes(dtype));
    for (size_t i = 0; i < values.size(); i++)
        values[i] = dtype == DType::f32   ? bytes.as<float>()[i]
                    : dtype == DType::f16 ? f16_to_float(bytes.as<uint16_t>()[i])
                                          : bf16_to_float(bytes.as<uint16_t>()[i]);
    return values;
}

Problem::Problem(const AttentionSpec &spec, const Shape &s, InputKind kind, uint64_t seed, CallParams given, int64_t ring_slots)
    : shape(s), params(std::move(given)) {
    reference.batch = s.batch;
    reference.num_heads = s.num_heads;
    reference.num_kv_heads = s.num_kv_heads;
    reference.seq_len_q = s.seq_len_q;
    reference.seq_len_kv = s.seq_len_kv;
    reference.head_dim = spec.head_dim;
    reference.head_dim_v = spec.head_dim_v;
    set_expressions(reference, spec, params.values());
    apply_block_lists(reference, params.lists());
    fill_inputs(reference, kind, spec.dtype, seed);
    query = encode(reference.query, spec.dtype);
    rotate_query(reference, spec.rope);
    if (spec.cache != KvCacheSpec{}) {
        const CacheExtents extents = {
            .batch = s.batch, .num_kv_heads = s.num_kv_heads, .seq_len_kv = s.seq_len_kv, .ring_slots = ring_slots};
        const auto image = std::make_shared<CacheImage>(spec, extents, std::move(reference.key), std::move(reference.value), seed);
        image->apply_to(reference);
        cache = image;
        return;
    }
    key = encode(reference.key, spec.dtype);
    value = encode(reference.value, spec.dtype);
}

}  // namespace attune::cli
