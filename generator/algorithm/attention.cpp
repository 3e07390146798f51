#include "generator/algorithm/attention.h"

#include <cmath>

namespace attune {

using namespace Halide;

Type halide_type(DType dtype) {
    switch (dtype) {
    case DType::f16:
        return Float(16);
    case DType::bf16:
        return BFloat(16);
    case DType::f32:
        break;
    }
    return Float(32);
}

AttentionArguments::AttentionArguments(const AttentionSpec &spec)
    : batch("batch"), head("head"), kv_head("kv_head"), q_begin("q_begin"), seq_len_q("seq_len_q"), seq_len_kv("seq_len_kv"),
      query(halide_type(spec.dtype), 2, "query"), key(halide_type(spec.dtype), 2, "key"), value(halide_type(spec.dtype), 2, "value"),
      key_bound(Float(32), 1, "key_bound"), reference(Float(32), 1, "reference"), row_class(Int(32), 1, "row_class") {
    query.dim(0).set_bounds(0, spec.head_dim);
    key.dim(0).set_bounds(0, spec.head_dim);
    value.dim(0).set_bounds(0, spec.head_dim_v);
    for (ImageParam *tensor : {&query, &key, &value})
        tensor->dim(1).set_min(0);
    for (ImageParam *row : {&key_bound, &reference, &row_class})
        row->dim(0).set_min(0);
}

std::vector<Argument> AttentionArguments::of_rows_function() const {
    return {batch, head, kv_head, q_begin, seq_len_q, seq_len_kv, query, key, value, reference, row_class};
}

std::vector<Argument> AttentionArguments::of_reference_function() const {
    return {batch, head, kv_head, q_begin, seq_len_q, seq_len_kv, query, key, key_bound};
}

AttentionTask::AttentionTask(const AttentionSpec &spec, const BlockShape &shape) : spec(spec), shape(shape), args(spec) {}

Expr AttentionTask::visible_keys(const Expr &row) const {
    const Expr q = args.q_begin + row;
    switch (spec.mask) {
    case Mask::causal:
        return min(args.seq_len_kv, q + args.seq_len_kv - args.seq_len_q + 1);
    case Mask::causal_top_left:
        return min(args.seq_len_kv, q + 1);
    case Mask::none:
        break;
    }
    return args.seq_len_kv;
}

Expr AttentionTask::full_chunks(const Expr &strip) const {
    return max(visible_keys(strip * shape.strip), 0) / shape.block_kv;
}

Expr AttentionTask::visited_chunks(const Expr &strip) const {
    return (max(visible_keys(strip * shape.strip + shape.strip - 1), 0) + shape.block_kv - 1) / shape.block_kv;
}

Expr AttentionTask::chunks() const {
    return (args.seq_len_kv + shape.block_kv - 1) / shape.block_kv;
}

Expr AttentionTask::query(const Expr &d, const Expr &row) const {
    return cast<float>(args.query(d, min(row, args.rows() - 1))) * scale_log2();
}

Expr AttentionTask::key(const Expr &d, const Expr &kv) const {
    return cast<float>(args.key(d, kv));
}

Expr AttentionTask::value(const Expr &d, const Expr &kv) const {
    const bool padded = spec.head_dim_v % shape.tile_d != 0;
    return cast<float>(args.value(padded ? min(d, spec.head_dim_v - 1) : d, kv));
}

Expr AttentionTask::existing_key(const Expr &kv, bool clamped) const {
    const Expr last = args.seq_len_kv - 1;
    return clamped ? min(kv, last) : unsafe_promise_clamped(kv, 0, last);
}

float AttentionTask::scale_log2() const {
    return static_cast<float>(spec.softmax_scale * M_LOG2E);
}

Type AttentionTask::type() const {
    return halide_type(spec.dtype);
}

}  // namespace attune
