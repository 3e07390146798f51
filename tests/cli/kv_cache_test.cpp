/// CacheImage: what it lays out is read back by the addresses that attune/attention.h gives, and what a kernel must not read is poison.
#include "generator/cli/kv_cache.h"
#include "generator/reference/inputs.h"
#include "tests/support/cached_row.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace attune::cli {
namespace {

struct CacheRow {
    const char *name;
    DType dtype;
    KvDType kv_dtype;
    KvLayout layout;
    bool zero_points = false, values_in_key = false, padded = false;
    int64_t ring_slots = 0;
};
void PrintTo(const CacheRow &row, std::ostream *out) { *out << row.name; }

const CacheRow rows[] = {
    {"f32_contiguous", DType::f32, KvDType::same, KvLayout::contiguous},
    {"f16_padded", DType::f16, KvDType::same, KvLayout::contiguous, false, false, true},
    {"f32_small_ring", DType::f32, KvDType::same, KvLayout::ring, false, false, false, 13},
    {"bf16_full_ring", DType::bf16, KvDType::same, KvLayout::ring, false, false, false, 0},
    {"f32_large_ring", DType::f32, KvDType::same, KvLayout::ring, false, false, true, 70},
    {"bf16_paged", DType::bf16, KvDType::same, KvLayout::paged},
    {"i8_contiguous", DType::f32, KvDType::i8, KvLayout::contiguous},
    {"i8_zero_points_padded", DType::f16, KvDType::i8, KvLayout::contiguous, true, false, true},
    {"i8_ring", DType::f32, KvDType::i8, KvLayout::ring, true, false, false, 7},
    {"i8_paged", DType::f32, KvDType::i8, KvLayout::paged, true},
    {"i4_contiguous", DType::f32, KvDType::i4, KvLayout::contiguous},
    {"i4_paged_padded", DType::f16, KvDType::i4, KvLayout::paged, true, false, true},
    {"mla_f32", DType::f32, KvDType::same, KvLayout::contiguous, false, true},
    {"mla_i8_paged", DType::bf16, KvDType::i8, KvLayout::paged, true, true},
};

constexpr int64_t batch = 3, heads = 2, seq_len_kv = 50;

class CacheImages : public testing::TestWithParam<CacheRow> {
protected:
    void SetUp() override {
        const CacheRow &row = GetParam();
        spec.decode = true;
        spec.dtype = row.dtype;
        spec.head_dim = 64;
        spec.head_dim_v = 32;
        spec.cache.dtype = row.kv_dtype;
        spec.cache.layout = row.layout;
        spec.cache.zero_points = row.zero_points;
        spec.cache.values_in_key = row.values_in_key;
        spec.cache.page_size = row.layout == KvLayout::paged ? 16 : 0;
        NormalGenerator normal(5);
        for (int64_t i = 0; i < batch * heads * seq_len_kv * 64; i++) key.push_back(round_to(spec.dtype, normal()));
        if (!row.values_in_key)
            for (int64_t i = 0; i < batch * heads * seq_len_kv * 32; i++) value.push_back(round_to(spec.dtype, normal()));
    }

    CacheExtents extents(std::vector<int32_t> lengths) const {
        return {.batch = batch, .num_kv_heads = heads, .seq_len_kv = seq_len_kv, .lengths_kv = std::move(lengths), .ring_slots = GetParam().ring_slots,
                .padded = GetParam().padded};
    }

    AttentionSpec spec;
    std::vector<double> key, value;
};

std::vector<double> slice(const std::vector<double> &dense, int64_t row, int64_t dim) {
    return {dense.begin() + row * dim, dense.begin() + (row + 1) * dim};
}

TEST_P(CacheImages, AreReadBack) {
    for (const std::vector<int32_t> &lengths : {std::vector<int32_t>{}, {50, 17, 0}}) {
        const CacheImage image(spec, extents(lengths), key, value, 9);
        attune_attention_args args{};
        image.bind(args);
        const bool needs_cache = spec.cache.dtype != KvDType::same || spec.cache.layout == KvLayout::paged;
        EXPECT_EQ(args.cache != nullptr, needs_cache);
        EXPECT_EQ(args.value == nullptr, spec.cache.values_in_key);
        EXPECT_EQ(args.lengths_kv != nullptr, !lengths.empty() || spec.cache.layout == KvLayout::ring);
        for (int64_t b = 0; b < batch; b++) {
            const int64_t length = args.lengths_kv ? args.lengths_kv[b] : seq_len_kv;
            EXPECT_EQ(length, lengths.empty() ? seq_len_kv : lengths[static_cast<size_t>(b)]);
            const int64_t first = spec.cache.layout == KvLayout::ring ? std::max<int64_t>(length - args.seq_len_kv, 0) : 0;
            for (int64_t h = 0; h < heads; h++)
                for (int64_t kv = first; kv < length; kv++) {
                    const int64_t row = (b * heads + h) * seq_len_kv + kv;
                    EXPECT_EQ(test::cached_row(spec, args, false, b, h, kv), slice(image.key(), row, 64)) << b << ' ' << h << ' ' << kv;
                    EXPECT_EQ(test::cached_row(spec, args, true, b, h, kv), slice(image.value(), row, 32)) << b << ' ' << h << ' ' << kv;
                }
        }
        if (spec.cache.dtype == KvDType::same) {
            EXPECT_EQ(image.key(), key);
        }
        if (spec.cache.values_in_key) {
            EXPECT_EQ(slice(image.value(), 7, 32), (std::vector<double>(image.key().begin() + 7 * 64, image.key().begin() + 7 * 64 + 32)));
        }
    }
}

/// Every array holds as many bytes that are not poison as the keys in it take.
TEST_P(CacheImages, HoldPoisonElsewhere) {
    const CacheImage image(spec, extents({50, 17, 0}), key, value, 9);
    attune_attention_args args{};
    attune_kv_cache cache{};
    const int64_t slots = spec.cache.layout == KvLayout::ring && GetParam().ring_slots > 0 ? GetParam().ring_slots : 50;
    const int64_t kept = std::min<int64_t>(50, slots) + std::min<int64_t>(17, slots);
    int64_t floats = 0;  // that are numbers
    image.bind(args, cache, [&](const Bytes &bytes, int element_bytes) {
        const bool is_table = spec.cache.layout == KvLayout::paged && bytes.size() == batch * 4 * sizeof(int32_t);
        for (size_t i = 0; !is_table && element_bytes == 4 && i < bytes.size() / 4; i++) floats += !std::isnan(bytes.as<float>()[i]);
        return const_cast<char *>(bytes.data());
    });
    int64_t of_a_row = 0;
    for (int dim : {64, spec.cache.values_in_key ? 0 : 32}) {
        if (spec.cache.dtype == KvDType::same && spec.dtype == DType::f32) of_a_row += dim;
        if (dim > 0) of_a_row += cache_scales(spec.cache, dim) * (spec.cache.zero_points ? 2 : 1);
    }
    EXPECT_EQ(floats, of_a_row * kept * heads);
}

TEST_P(CacheImages, HideFromTheReferenceWhatARingHasLost) {
    const CacheImage image(spec, extents({50, 17, 0}), key, value, 9);
    ReferenceProblem p;
    p.visible = [](int64_t, int64_t, int64_t, int64_t kv, int64_t, int64_t) { return kv != 49; };
    image.apply_to(p);
    EXPECT_EQ(p.key, image.key());
    EXPECT_EQ(p.value, image.value());
    attune_attention_args args{};
    image.bind(args);
    const int64_t first = spec.cache.layout == KvLayout::ring ? 50 - args.seq_len_kv : 0;
    for (int64_t kv = 0; kv < 50; kv++) EXPECT_EQ(p.visible(0, 0, 0, kv, 1, 50), kv >= first && kv != 49) << kv;
}

INSTANTIATE_TEST_SUITE_P(All, CacheImages, testing::ValuesIn(rows), [](const auto &info) { return std::string(info.param.name); });

TEST(CachePages, AreApartAndOutOfOrder) {
    AttentionSpec spec;
    spec.decode = true;
    spec.head_dim = spec.head_dim_v = 8;
    spec.cache.layout = KvLayout::paged;
    spec.cache.page_size = 16;
    const std::vector<double> numbers(2 * 200 * 8, 1.0);
    const CacheImage image(spec, {.batch = 2, .num_kv_heads = 1, .seq_len_kv = 200, .lengths_kv = {200, 33}}, numbers, numbers, 1);
    attune_attention_args args{};
    image.bind(args);
    EXPECT_EQ(args.seq_len_kv, 200);
    ASSERT_EQ(args.cache->stride_page_table, 13);
    std::set<int32_t> used;
    bool in_order = true;
    for (int i = 0; i < 26; i++) {
        const int32_t page = args.cache->page_table[i];
        if (i >= 13 + 3) {
            EXPECT_GE(page, args.cache->num_pages);  // after the last key
            continue;
        }
        EXPECT_GE(page, 0);
        EXPECT_LT(page, args.cache->num_pages);
        in_order = in_order && (used.empty() || page > *used.rbegin());
        EXPECT_TRUE(used.insert(page).second);
    }
    EXPECT_FALSE(in_order);
    EXPECT_GT(args.cache->num_pages, static_cast<int64_t>(used.size()));
}

TEST(CachePages, NoKeyAtAll) {
    AttentionSpec spec;
    spec.decode = true;
    for (KvLayout layout : {KvLayout::contiguous, KvLayout::ring, KvLayout::paged}) {
        spec.cache.layout = layout;
        spec.cache.page_size = layout == KvLayout::paged ? 16 : 0;
        const CacheImage image(spec, {.batch = 2, .num_kv_heads = 1, .seq_len_kv = 0}, {}, {}, 1);
        attune_attention_args args{};
        image.bind(args);
        EXPECT_EQ(args.seq_len_kv, layout == KvLayout::ring ? 1 : 0);  // a ring without a slot is refused
    }
    EXPECT_THROW(CacheImage(spec, {.batch = 1, .num_kv_heads = 1, .seq_len_kv = 1}, {}, {}, 1), std::invalid_argument);
}

}  // namespace
}  // namespace attune::cli
