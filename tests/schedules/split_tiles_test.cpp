/// Decode in matrix tiles: on a CPU that has them, and everywhere with emulated instructions and with the tiles' twins.
#include "tests/schedules/product_shapes.h"
#include "tests/support/cache_formats.h"

#include <cmath>

namespace attune::test {

namespace {

struct TilesCase {
    const char *name;
    int head_dim, head_dim_v, group;
    PairsText pairs = {};
    KvCacheSpec cache = plain;
    RopeSpec rope = {};
    DType dtype = DType::bf16;
    friend void PrintTo(const TilesCase &row, std::ostream *out) { *out << row.name; }
};

const TilesCase cases[] = {
    {"d128_group_4_causal", 128, 128, 4, {.mask = "causal"}},
    {"d64_group_8", 64, 64, 8},
    {"d80x48_group_5_window", 80, 48, 5, {.mask = "causal && window(700)"}},  // strips across positions
    {"d33x7_group_4", 33, 7, 4, {.mask = "causal"}},                           // no whole pairs, no whole tiles
    {"d64_alibi", 64, 64, 4, {.mask = "causal", .score = "alibi(slopes)", .params = "slopes: f32[h]"}},
    {"d64_softcap_sink", 64, 64, 4, {.mask = "causal", .score = "softcap(s, 20)", .params = "sinks: f32[h]", .sink = "sinks"}},
    {"d64_tree", 64, 64, 4, {.mask = "tree(ancestors, seq_len_q)", .params = "ancestors: i32[b, q]"}},
    {"d64_ring", 64, 64, 4, {.mask = "causal"}, ring(plain)},
    {"d64_paged_16", 64, 64, 4, {.mask = "causal"}, paged(plain, 16)},
    {"d64_rope_paged_64", 64, 64, 4, {.mask = "causal"}, paged(plain, 64), rope(RopeSpec::Style::half, 64)},
    {"d80_rope_of_20", 80, 80, 6, {.mask = "causal"}, plain, rope(RopeSpec::Style::interleaved, 20)},
    {"mla_d96x64", 96, 64, 16, {.mask = "causal"}, in_key(plain)},
    // Caches of integers.
    {"i8_f16_d128_group_4", 128, 128, 4, {.mask = "causal"}, i8, {}, DType::f16},
    {"i8_d64_group_5_window", 64, 64, 5, {.mask = "causal && window(700)"}, i8},  // tiles across positions
    {"i8_f32_d64x128_group_8_sink", 64, 128, 8, {.mask = "causal", .score = "softcap(s, 20)", .params = "sinks: f32[h]", .sink = "sinks"}, i8, {}, DType::f32},
    {"i8_d256x64_alibi", 256, 64, 4, {.mask = "causal", .score = "alibi(slopes)", .params = "slopes: f32[h]"}, i8},
    {"i8_ring", 64, 64, 4, {.mask = "causal"}, ring(i8)},
    {"i8_paged_16_rope", 128, 128, 4, {.mask = "causal"}, paged(i8, 16), rope(RopeSpec::Style::half, 64)},
    {"i4_f16_d128_group_4", 128, 128, 4, {.mask = "causal"}, i4, {}, DType::f16},
    {"i4_d64_group_6_window", 64, 64, 6, {.mask = "causal && window(700)"}, i4},
    {"i4_f32_d256x64_group_4", 256, 64, 4, {}, i4, {}, DType::f32},
    {"i4_d64x256_tree", 64, 256, 4, {.mask = "tree(ancestors, seq_len_q)", .params = "ancestors: i32[b, q]"}, i4},  // more sums than tiles
    {"i4_ring", 64, 64, 4, {.mask = "causal"}, ring(i4)},
    {"i4_paged_64", 128, 64, 8, {.mask = "causal"}, paged(i4, 64)},
};

struct Way {
    const char *name;
    bool twins, emulate;
    friend void PrintTo(const Way &way, std::ostream *out) { *out << way.name; }
};
const Way ways[] = {{"tiles", false, false}, {"emulated", false, true}, {"twins", true, true}};

AttentionSpec spec_of(const TilesCase &row) {
    AttentionSpec spec = make_spec(row.dtype, row.head_dim, row.head_dim_v, row.group, row.pairs);
    spec.decode = true;
    spec.cache = row.cache;
    spec.rope = row.rope;
    spec.name = spec.id();
    return spec;
}

class SplitTiles : public testing::TestWithParam<std::tuple<Way, TilesCase>> {
protected:
    void SetUp() override {
        const auto &[way, row] = GetParam();
        const char *needed = way.emulate ? "avx2" : "amx";
        if (!available_target(needed)) GTEST_SKIP() << "this CPU does not run " << needed;
        spec = spec_of(row);
        kernel = &kernel_for(spec, cpu_target("amx"), {.overrides = {}, .twins = way.twins, .emulate = way.emulate});
        ASSERT_NE(kernel->plan().reason.find("in matrix tiles"), std::string::npos);
        heads = 2 * spec.group;
    }

    AttentionSpec spec;
    const LoadedKernel *kernel = nullptr;
    int64_t heads = 0;
};

TEST_P(SplitTiles, AgreesWithTheReference) {
    std::vector<ShapeCase> shapes = {
        {"one_pair", 1, heads, 2, 1, 1},
        {"one_row", 1, heads, 2, 1, 700},
        {"a_chunk", 1, heads, 2, 1, 512},
        {"one_over_a_chunk", 2, heads, 2, 1, 513},
        {"three_rows", 1, heads, 2, 3, 77},
        {"sixteen_rows", 1, heads, 2, 16, 600},
        {"more_rows_than_keys", 1, heads, 2, 9, 4},
        {"no_key", 1, heads, 2, 2, 0},
        {"padded", 3, heads, 2, 5, 700, {5, 1, 0}, {700, 600, 3}, false, Layout::padded},
    };
    if (spec.cache.layout == KvLayout::contiguous) shapes.push_back({"packed", 3, heads, 2, 20, 1500, {16, 1, 3}, {900, 513, 87}, true});
    uint64_t seed = 1;
    for (const ShapeCase &shape : shapes) {
        SCOPED_TRACE(shape.name);
        for (const InputKind kind : {InputKind::normal, seed % 2 ? InputKind::spike : InputKind::wide_8})
            check_shape(*kernel, shape, kind, seed, {.threads = 3, .params = make_params(spec, shape, seed), .page_order = seed});
        EXPECT_TRUE(attune_emulate_is_released());
        seed++;
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, SplitTiles, testing::Combine(testing::ValuesIn(ways), testing::ValuesIn(cases)),
                         [](const auto &info) { return std::string(std::get<0>(info.param).name) + "_" + std::get<1>(info.param).name; });

class SplitTileBits : public testing::TestWithParam<TilesCase> {
protected:
    void SetUp() override {
        if (!available_target("avx2")) GTEST_SKIP() << "this CPU does not run avx2";
        spec = spec_of(GetParam());
        kernel = &kernel_for(spec, cpu_target("amx"), {.overrides = {}, .emulate = true});
    }
    AttentionSpec spec;
    const LoadedKernel *kernel = nullptr;
};

/// Other rows make chunks partial that a row sees whole.
TEST_P(SplitTileBits, AreThoseOfTheRowAlone) {
    const int64_t heads = 8, dim = spec.head_dim;
    const ShapeCase several{"several", 1, heads, 2, 5, 1026}, one{"one", 1, heads, 2, 1, 1026};
    const ReferenceProblem p = make_problem(spec, several);
    ReferenceProblem last = make_problem(spec, one);
    last.key = p.key;
    last.value = p.value;
    for (int64_t h = 0; h < heads; h++) std::copy_n(p.query.begin() + (h * 5 + 4) * dim, dim, last.query.begin() + h * dim);
    const KernelResult of_several = run_kernel(*kernel, p, several), of_one = run_kernel(*kernel, last, one);
    for (int64_t h = 0; h < heads; h++)
        for (int64_t d = 0; d < dim; d++)
            ASSERT_EQ(of_one.output_bits[static_cast<size_t>(h * dim + d)], of_several.output_bits[static_cast<size_t>((h * 5 + 4) * dim + d)]) << h << " " << d;
    for (const int threads : {2, 7}) expect_same_bits(p, run_kernel(*kernel, p, several, {.threads = threads}), of_several, std::to_string(threads) + " threads");
}

INSTANTIATE_TEST_SUITE_P(Cpu, SplitTileBits,
                         testing::Values(cases[0], TilesCase{"i8", 128, 128, 4, {.mask = "causal"}, i8}, TilesCase{"i4", 128, 128, 4, {.mask = "causal"}, i4}),
                         [](const auto &info) { return std::string(info.param.name); });

class SplitTileBitsOfValues : public SplitTileBits {};
INSTANTIATE_TEST_SUITE_P(Cpu, SplitTileBitsOfValues, testing::Values(cases[0]), [](const auto &info) { return std::string(info.param.name); });

/// An infinity or a NaN of one head dim of a value: it reaches that head dim of the rows that see its key, all else keeps its bits.
TEST_P(SplitTileBitsOfValues, AreKeptWhereAValueIsNotFinite) {
    const ShapeCase shape{"rows", 1, 8, 2, 6, 530};
    const ReferenceProblem p = make_problem(spec, shape);
    const KernelResult expected = run_kernel(*kernel, p, shape);
    for (const int64_t kv : {3, 300, 524, 526, 529})
        for (const double poison : {static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
            ReferenceProblem poisoned = p;
            const int64_t d = kv % spec.head_dim_v;
            poisoned.value[static_cast<size_t>(kv * spec.head_dim_v + d)] = poison;
            const KernelResult got = run_kernel(*kernel, poisoned, shape);
            const auto sees = [&](int64_t row) { return row / 6 < 4 && kv <= 524 + row % 6; };
            expect_same_bits(p, got, expected, "others", [&](int64_t row) { return !sees(row); });
            for (int64_t row = 0; row < 48; row++)
                if (sees(row)) {
                    const double hit = got.output[static_cast<size_t>(row * spec.head_dim_v + d)];
                    EXPECT_TRUE(std::isnan(poison) ? std::isnan(hit) : !std::isfinite(hit)) << row << " " << kv << " " << hit;
                    for (int64_t other = 0; other < spec.head_dim_v; other++) {
                        const auto at = static_cast<size_t>(row * spec.head_dim_v + other);
                        EXPECT_TRUE(other == d || got.output[at] == expected.output[at]) << row << " " << kv << " " << other;
                    }
                }
        }
}

}  // namespace
}  // namespace attune::test
