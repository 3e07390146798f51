#include "generator/algorithm/attention.h"

namespace attune {

using namespace Halide;

CacheRows::CacheRows(const AttentionTask &task, bool values) : task_(task), cache_(task.spec.cache) {
    const AttentionArguments &args = task.args;
    const bool own = values && !cache_.values_in_key;
    elements_ = own ? args.value : args.key;
    starts_ = own ? args.value_rows : args.key_rows;
    scales_ = own ? args.value_scale : args.key_scale;
    zeros_ = own ? args.value_zero : args.key_zero;
    last_ = (values ? task.spec.head_dim_v : task.spec.head_dim) - 1;
}

Expr CacheRows::row(const Expr &k) const {
    return starts_.defined() ? unsafe_promise_clamped(starts_(k), 0, elements_.dim(1).extent() - 1)
                             : unsafe_promise_clamped(task_.args.first_key + task_.existing_of_chunk(k), 0, task_.args.seq_len_kv - 1);
}

Expr CacheRows::stored(const Expr &d, const Expr &k) const {
    if (cache_.dtype == KvDType::i4) {
        const int half = i4_group / 2;
        const Expr high = d % i4_group / half;
        return elements_(d / i4_group * half + d % half, row(k)) >> cast<uint8_t>(4 * high) & cast<uint8_t>(15);
    }
    return elements_(min(d, last_), row(k));
}

Expr CacheRows::element(const Expr &d, const Expr &k) const {
    const Expr number = cast<float>(stored(d, k)), existing = task_.existing_of_chunk(k);
    if (cache_.dtype == KvDType::i4)
        return number - (zeros_.defined() ? zeros_(d / i4_group, existing) : Expr(8.0f));
    return zeros_.defined() ? number - zeros_(existing) : number;
}

Expr CacheRows::number(const Expr &d, const Expr &k) const {
    return cast<int16_t>(stored(d, k));
}

Expr CacheRows::byte(const Expr &d, const Expr &k) const {
    return elements_(d, row(k));
}

Expr CacheRows::half_byte(const Expr &byte, const Expr &upper, const Expr &k) const {
    return cast<int16_t>(elements_(byte, row(k)) >> cast<uint8_t>(4 * upper) & cast<uint8_t>(15)) - cast<int16_t>(8);
}

Expr CacheRows::scale(const Expr &group, const Expr &k) const {
    const Expr existing = task_.existing_of_chunk(k);
    return cache_.dtype == KvDType::i4 ? scales_(group, existing) : scales_(existing);
}

}  // namespace attune
