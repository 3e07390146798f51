#include "generator/cli/kv_cache.h"

#include "generator/reference/half.h"
#include "generator/reference/inputs.h"
#include "generator/reference/quantise.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>
#include <stdexcept>
#include <utility>

namespace attune::cli {
namespace {

constexpr int32_t no_page = std::numeric_limits<int32_t>::max();
constexpr uint32_t f32_nan = 0x7fc01234;
constexpr uint16_t f16_nan = 0x7e12, bf16_nan = 0x7fc5;

void encode_row(char *to, const double *from, int dim, DType dtype) {
    for (int d = 0; d < dim; d++) {
        const float x = static_cast<float>(from[d]);
        if (dtype == DType::f32) {
            std::memcpy(to + 4 * d, &x, 4);
            continue;
        }
        const uint16_t bits = dtype == DType::f16 ? float_to_f16(x) : float_to_bf16(x);
        std::memcpy(to + 2 * d, &bits, 2);
    }
}

}  // namespace

CacheImage::CacheImage(const AttentionSpec &spec, CacheExtents extents, std::vector<double> key, std::vector<double> value, uint64_t seed)
    : head_dim_(spec.head_dim), head_dim_v_(spec.head_dim_v), dtype_(spec.dtype), format_(spec.cache), extents_(std::move(extents)),
      key_(std::move(key)) {
    const int64_t rows = extents_.batch * extents_.num_kv_heads * extents_.seq_len_kv;
    if (static_cast<int64_t>(key_.size()) != rows * head_dim_)
        throw std::invalid_argument("CacheImage: key has another size than its extents");
    if (!format_.values_in_key && static_cast<int64_t>(value.size()) != rows * head_dim_v_)
        throw std::invalid_argument("CacheImage: value has another size than its extents");
    if (!extents_.lengths_kv.empty() && static_cast<int64_t>(extents_.lengths_kv.size()) != extents_.batch)
        throw std::invalid_argument("CacheImage: lengths_kv needs one length a sequence");
    for (const int32_t length : extents_.lengths_kv)
        if (length < 0 || length > extents_.seq_len_kv)
            throw std::invalid_argument("CacheImage: a length outside 0 .. seq_len_kv");

    slots_ = extents_.seq_len_kv;
    blocks_ = extents_.batch;
    if (format_.layout == KvLayout::ring) {
        slots_ = extents_.ring_slots > 0 ? extents_.ring_slots : std::max<int64_t>(slots_, 1);
        for (int64_t b = 0; b < extents_.batch; b++)
            ring_lengths_.push_back(static_cast<int32_t>(length(b)));
    }
    if (format_.layout == KvLayout::paged) {
        slots_ = format_.page_size;
        number_pages(seed);
    }

    const bool integers = format_.dtype != KvDType::same;
    const auto make = [&](std::vector<double> &dense, int dim, Tensor &tensor, Tensor &scales, Tensor &zeros) {
        tensor = poisoned(format_.dtype == KvDType::i4 ? dim / 2 : dim, integers ? 1 : dtype_bytes(dtype_), integers);
        if (integers)
            scales = poisoned(cache_scales(format_, dim), 4, false);
        if (format_.zero_points)
            zeros = poisoned(cache_scales(format_, dim), 4, false);
        store(dense, dim, tensor, scales, zeros);
    };
    make(key_, head_dim_, keys_, key_scales_, key_zeros_);
    if (format_.values_in_key) {
        value_.resize(rows * head_dim_v_);
        for (int64_t row = 0; row < rows; row++)
            std::copy_n(key_.begin() + row * head_dim_, head_dim_v_, value_.begin() + row * head_dim_v_);
    } else {
        value_ = std::move(value);
        make(value_, head_dim_v_, values_, value_scales_, value_zeros_);
    }

    attune_attention_args unused{};
    bind(unused, cache_, [](const Bytes &bytes, int) { return const_cast<char *>(bytes.data()); });
}

CacheImage::Tensor CacheImage::poisoned(int64_t row, int unit, bool integers) const {
    Tensor t;
    t.unit = unit;
    t.base = extents_.padded ? 1 : 0;
    t.stride[2] = row + (extents_.padded ? 5 : 0);
    t.stride[1] = slots_ * t.stride[2] + (extents_.padded ? 7 : 0);
    t.stride[0] = extents_.num_kv_heads * t.stride[1] + (extents_.padded ? 11 : 0);
    const int64_t elements = t.base + blocks_ * t.stride[0];
    t.bytes = Bytes(elements * unit);
    for (int64_t i = 0; i < elements; i++) {
        if (integers)
            t.bytes.as<uint8_t>()[i] = i % 2 ? 0x7f : 0x80;
        else if (unit == 4)
            t.bytes.as<uint32_t>()[i] = f32_nan;
        else
            t.bytes.as<uint16_t>()[i] = dtype_ == DType::f16 ? f16_nan : bf16_nan;
    }
    return t;
}

void CacheImage::number_pages(uint64_t seed) {
    const int64_t page = format_.page_size;
    const auto pages_of = [&](int64_t keys) { return (keys + page - 1) / page; };
    pages_per_sequence_ = pages_of(extents_.seq_len_kv);
    int64_t used = 0;
    for (int64_t b = 0; b < extents_.batch; b++)
        used += pages_of(length(b));
    blocks_ = used + used / 4 + 2;

    std::mt19937_64 bits(seed);
    std::vector<int32_t> order(blocks_);
    for (int64_t i = 0; i < blocks_; i++) {  // as std::shuffle, whose numbers differ between libraries
        const int64_t j = static_cast<int64_t>(bits() % static_cast<uint64_t>(i + 1));
        order[i] = order[j];
        order[j] = static_cast<int32_t>(i);
    }
    page_table_ = Bytes(extents_.batch * pages_per_sequence_ * sizeof(int32_t));
    std::fill_n(page_table_.as<int32_t>(), extents_.batch * pages_per_sequence_, no_page);
    int64_t next = 0;
    for (int64_t b = 0; b < extents_.batch; b++)
        for (int64_t i = 0; i < pages_of(length(b)); i++)
            page_table_.as<int32_t>()[b * pages_per_sequence_ + i] = order[next++];
}

int64_t CacheImage::length(int64_t b) const {
    return extents_.lengths_kv.empty() ? extents_.seq_len_kv : extents_.lengths_kv[b];
}

CacheImage::Slot CacheImage::slot_of(int64_t b, int64_t kv) const {
    switch (format_.layout) {
    case KvLayout::contiguous:
        break;
    case KvLayout::ring:
        return {b, kv % slots_};
    case KvLayout::paged:
        return {page_table_.as<int32_t>()[b * pages_per_sequence_ + kv / slots_], kv % slots_};
    }
    return {b, kv};
}

void CacheImage::store(std::vector<double> &dense, int dim, Tensor &rows, Tensor &scales, Tensor &zeros) const {
    double *row = dense.data();
    for (int64_t b = 0; b < extents_.batch; b++) {
        const int64_t end = length(b), begin = format_.layout == KvLayout::ring ? std::max<int64_t>(end - slots_, 0) : 0;
        for (int64_t h = 0; h < extents_.num_kv_heads; h++)
            for (int64_t kv = 0; kv < extents_.seq_len_kv; kv++, row += dim) {
                const bool kept = kv >= begin && kv < end;
                const Slot at = kept ? slot_of(b, kv) : Slot{};
                if (format_.dtype == KvDType::same) {
                    for (int d = 0; d < dim; d++)
                        row[d] = round_to(dtype_, row[d]);
                    if (kept)
                        encode_row(rows.row(at.block, h, at.slot), row, dim, dtype_);
                    continue;
                }
                const QuantisedRow quantised = quantise_row(row, dim, format_);
                std::copy(quantised.values.begin(), quantised.values.end(), row);
                if (!kept)
                    continue;
                std::memcpy(rows.row(at.block, h, at.slot), quantised.bytes.data(), quantised.bytes.size());
                std::memcpy(scales.row(at.block, h, at.slot), quantised.scales.data(), quantised.scales.size() * sizeof(float));
                if (format_.zero_points)
                    std::memcpy(zeros.row(at.block, h, at.slot), quantised.zeros.data(), quantised.zeros.size() * sizeof(float));
            }
    }
}

void CacheImage::bind(attune_attention_args &args) const {
    attune_kv_cache same;
    bind(args, same, [](const Bytes &bytes, int) { return const_cast<char *>(bytes.data()); });
    if (args.cache)
        args.cache = &cache_;
}

void CacheImage::bind(attune_attention_args &args, attune_kv_cache &cache, const Place &place) const {
    const auto first = [&](const Tensor &t) { return static_cast<char *>(place(t.bytes, t.unit)) + t.base * t.unit; };
    args.key = first(keys_);
    std::copy_n(keys_.stride, 3, args.stride_key);
    args.value = nullptr;
    std::fill_n(args.stride_value, 3, 0);
    if (!format_.values_in_key) {
        args.value = first(values_);
        std::copy_n(values_.stride, 3, args.stride_value);
    }
    args.seq_len_kv = format_.layout == KvLayout::ring ? slots_ : extents_.seq_len_kv;
    if (!extents_.lengths_kv.empty())
        args.lengths_kv = extents_.lengths_kv.data();
    else if (!ring_lengths_.empty())
        args.lengths_kv = ring_lengths_.data();

    args.cache = nullptr;
    if (format_.dtype == KvDType::same && format_.layout != KvLayout::paged)
        return;
    cache = {};
    cache.size = sizeof cache;
    if (format_.layout == KvLayout::paged) {
        cache.page_table = static_cast<const int32_t *>(place(page_table_, 4));
        cache.stride_page_table = pages_per_sequence_;
        cache.num_pages = blocks_;
    }
    const auto floats = [&](const Tensor &t) { return t.unit == 0 ? nullptr : reinterpret_cast<float *>(first(t)); };
    cache.key_scale = floats(key_scales_);
    cache.value_scale = floats(value_scales_);
    cache.key_zero = floats(key_zeros_);
    cache.value_zero = floats(value_zeros_);
    std::copy_n(key_scales_.stride, 3, cache.stride_key_scale);
    std::copy_n(value_scales_.stride, 3, cache.stride_value_scale);
    args.cache = &cache;
}

void CacheImage::apply_to(ReferenceProblem &problem) const {
    problem.key = key_;
    problem.value = value_;
    if (format_.layout != KvLayout::ring)
        return;
    problem.visible = [slots = slots_, visible = std::move(problem.visible)](int64_t b, int64_t h, int64_t q, int64_t kv, int64_t seq_len_q,
                                                                             int64_t seq_len_kv) {
        return kv >= seq_len_kv - slots && (!visible || visible(b, h, q, kv, seq_len_q, seq_len_kv));
    };
}

}  // namespace attune::cli
