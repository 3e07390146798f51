/// Decode kernels with a cache format: integers with scales, rings, pages, values that lie in the keys, and queries that the kernel turns.
/// Errors and append are the runtime's; here a kernel reads what append would have left (generator/cli/kv_cache.h), poison around it.
#include "tests/support/cache_formats.h"
#include "tests/support/kernel_case.h"

namespace attune::test {

namespace {

constexpr RopeSpec::Style half = RopeSpec::Style::half, interleaved = RopeSpec::Style::interleaved;

struct CacheCase {
    const char *name;
    DType dtype;
    int head_dim, head_dim_v, group;
    KvCacheSpec cache;
    PairsText pairs = {};
    RopeSpec rope = {};
    friend void PrintTo(const CacheCase &row, std::ostream *out) { *out << row.name; }
};

const CacheCase cases[] = {
    // Integers, where they lie as others do.
    {"i8_f32_d64", DType::f32, 64, 64, 1, i8},
    {"i8_f16_d128_group_4_causal", DType::f16, 128, 128, 4, i8, {.mask = "causal"}},
    {"i8_bf16_d80x48_any_group", DType::bf16, 80, 48, 0, i8, {.mask = "causal"}},
    {"i8_f32_d10x7_group_2", DType::f32, 10, 7, 2, i8, {.mask = "causal"}},  // no multiple of a vector
    {"i8_zeros_f32_d64_group_4", DType::f32, 64, 64, 4, i8_zeros, {.mask = "causal"}},
    {"i8_zeros_f16_d24", DType::f16, 24, 24, 1, i8_zeros},
    {"i4_f32_d64", DType::f32, 64, 64, 1, i4},
    {"i4_f16_d128_group_4_causal", DType::f16, 128, 128, 4, i4, {.mask = "causal"}},
    {"i4_bf16_d32x96_group_2", DType::bf16, 32, 96, 2, i4, {.mask = "causal"}},  // one group of key, three of value
    {"i4_zeros_f32_d64_any_group", DType::f32, 64, 64, 0, i4_zeros, {.mask = "causal"}},
    {"i4_zeros_bf16_d128_group_4", DType::bf16, 128, 128, 4, i4_zeros},
    {"i8_window", DType::f32, 32, 32, 2, i8, {.mask = "causal && window(300)"}},
    {"i8_softcap_sink", DType::f32, 64, 64, 1, i8, {.mask = "causal", .score = "softcap(s, 20)", .params = "sinks: f32[h]", .sink = "sinks"}},
    // Rings.
    {"ring_f32_d64", DType::f32, 64, 64, 1, ring(plain)},
    {"ring_f16_d128_group_4_causal", DType::f16, 128, 128, 4, ring(plain), {.mask = "causal"}},
    {"ring_bf16_window_any_group", DType::bf16, 64, 64, 0, ring(plain), {.mask = "causal && window(200)"}},
    {"ring_i8_causal", DType::f32, 64, 64, 2, ring(i8_zeros), {.mask = "causal"}},
    {"ring_i4_window", DType::f16, 64, 64, 4, ring(i4), {.mask = "causal && window(100)"}},
    {"ring_alibi", DType::f32, 32, 32, 4, ring(plain), {.mask = "causal", .score = "alibi(slopes)", .params = "slopes: f32[h]"}},  // positions, not slots
    // Pages.
    {"paged16_f32_d64", DType::f32, 64, 64, 1, paged(plain, 16)},
    {"paged64_f16_d128_group_4_causal", DType::f16, 128, 128, 4, paged(plain, 64), {.mask = "causal"}},
    {"paged16_bf16_d80x48_any_group", DType::bf16, 80, 48, 0, paged(plain, 16), {.mask = "causal && window(300)"}},
    {"paged16_i8_group_2", DType::f32, 64, 64, 2, paged(i8, 16), {.mask = "causal"}},
    {"paged64_i4_zeros_group_4", DType::f16, 64, 64, 4, paged(i4_zeros, 64), {.mask = "causal"}},
    {"paged64_softcap", DType::f32, 32, 32, 1, paged(plain, 64), {.mask = "causal", .score = "softcap(s, 20)"}},
    // Queries that the kernel turns.
    {"rope_half_f32_d64", DType::f32, 64, 64, 1, plain, {.mask = "causal"}, rope(half, 64)},
    {"rope_half_f16_of_d128_group_4", DType::f16, 128, 128, 4, plain, {.mask = "causal"}, rope(half, 64, RopeSpec::Scaling::linear, 4)},
    {"rope_interleaved_bf16_d64_any_group", DType::bf16, 64, 64, 0, plain, {.mask = "causal"}, rope(interleaved, 64)},
    {"rope_interleaved_f32_of_d80_group_2", DType::f32, 80, 80, 2, plain, {}, rope(interleaved, 20)},  // 10 pairs: no multiple of a vector
    {"rope_llama3_i8_paged", DType::bf16, 64, 64, 4, paged(i8, 16), {.mask = "causal"}, rope(half, 64, RopeSpec::Scaling::llama3, 8)},
    {"rope_ring_i4", DType::f32, 64, 64, 1, ring(i4), {.mask = "causal"}, rope(half, 32)},
    // Values that are the first elements of keys: multi-head latent attention.
    {"mla_f32_d96x64_group_16", DType::f32, 96, 64, 16, in_key(plain), {.mask = "causal"}},
    {"mla_f16_d96x64_group_16_paged", DType::f16, 96, 64, 16, in_key(paged(plain, 64)), {.mask = "causal"}},
    {"mla_i8_d96x64_group_16", DType::f32, 96, 64, 16, in_key(i8), {.mask = "causal"}},
    {"mla_i4_d96x64_group_16", DType::bf16, 96, 64, 16, in_key(i4_zeros), {.mask = "causal"}},
    {"mla_bf16_d576x512_group_16", DType::bf16, 576, 512, 16, in_key(plain), {.mask = "causal"}},
};

AttentionSpec spec_of(const CacheCase &row) {
    AttentionSpec spec = make_spec(row.dtype, row.head_dim, row.head_dim_v, row.group, row.pairs);
    spec.decode = true;
    spec.cache = row.cache;
    spec.rope = row.rope;
    spec.name = spec.id();
    return spec;
}

class Cache : public testing::TestWithParam<std::tuple<std::string, CacheCase>> {
protected:
    void SetUp() override {
        const auto &[name, row] = GetParam();
        const bool emulate = must_emulate(name);
        if (!emulate && !available_target(name)) GTEST_SKIP() << "this CPU does not run " << name;
        spec = spec_of(row);
        kernel = &kernel_for(spec, cpu_target(name), {.overrides = {}, .emulate = emulate});
        heads = 2 * (spec.group == 0 ? 3 : spec.group);
    }

    void check(const ShapeCase &shape, InputKind kind, uint64_t seed) const {
        SCOPED_TRACE(shape.name);
        check_shape(*kernel, shape, kind, seed, {.threads = 3, .params = make_params(spec, shape, seed), .page_order = seed});
    }

    AttentionSpec spec;
    const LoadedKernel *kernel = nullptr;
    int64_t heads = 2;
};

TEST_P(Cache, AgreesWithTheReference) {
    std::vector<ShapeCase> shapes = {
        {"one_pair", 1, heads, 2, 1, 1},
        {"one_row", 1, heads, 2, 1, 700},
        {"a_chunk", 1, heads, 2, 1, 512},
        {"one_over_a_chunk", 2, heads, 2, 1, 513},
        {"two_rows", 1, heads, 2, 2, 1300},
        {"three_rows", 1, heads, 2, 3, 77},
        {"sixteen_rows", 1, heads, 2, 16, 1025},
        {"more_rows_than_keys", 1, heads, 2, 9, 4},  // and positions below 0
        {"no_key", 1, heads, 2, 2, 0},
        {"lengths", 3, heads, 2, 2, 600, {}, {600, 0, 33}},  // slots and pages that nothing may read
        {"a_page", 2, heads, 2, 1, 64, {}, {64, 16}},
        {"padded", 3, heads, 2, 5, 1100, {5, 1, 0}, {1100, 600, 3}, false, Layout::padded},
    };
    if (spec.cache.layout == KvLayout::contiguous) shapes.push_back({"packed", 3, heads, 2, 20, 1500, {16, 1, 3}, {900, 513, 87}, true});
    if (spec.cache.layout == KvLayout::ring) {
        const std::vector<ShapeCase> wrapped = {
            {.name = "wrapped", .batch = 1, .num_heads = heads, .num_kv_heads = 2, .seq_len_q = 1, .seq_len_kv = 700, .ring_slots = 300},
            {.name = "wrapped_often", .batch = 1, .num_heads = heads, .num_kv_heads = 2, .seq_len_q = 3, .seq_len_kv = 1000, .ring_slots = 7},
            {.name = "one_slot", .batch = 1, .num_heads = heads, .num_kv_heads = 2, .seq_len_q = 2, .seq_len_kv = 9, .ring_slots = 1},  // causal: the first row sees nothing
            {.name = "wrapped_once_to_the_end", .batch = 1, .num_heads = heads, .num_kv_heads = 2, .seq_len_q = 2, .seq_len_kv = 1024, .ring_slots = 512},
            {.name = "wrapped_here_only", .batch = 3, .num_heads = heads, .num_kv_heads = 2, .seq_len_q = 5, .seq_len_kv = 1500, .lengths_q = {5, 5, 1},
             .lengths_kv = {1500, 20, 650}, .layout = Layout::padded, .ring_slots = 600},
            {.name = "not_full", .batch = 2, .num_heads = heads, .num_kv_heads = 2, .seq_len_q = 2, .seq_len_kv = 200, .ring_slots = 900},
        };
        shapes.insert(shapes.end(), wrapped.begin(), wrapped.end());
    }
    uint64_t seed = 1;
    for (const ShapeCase &shape : shapes) {
        check(shape, InputKind::normal, seed);
        check(shape, seed % 2 ? InputKind::spike : InputKind::wide_8, seed);
        seed++;
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, Cache, testing::Combine(testing::Values("sse41", "avx2", "avx512"), testing::ValuesIn(cases)),
                         [](const auto &info) { return std::get<0>(info.param) + "_" + std::get<1>(info.param).name; });

/// The numbers decide, not where they lie.
class CacheBits : public testing::TestWithParam<CacheCase> {
protected:
    static KernelResult run(const KvCacheSpec &cache, const ReferenceProblem &problem, const ShapeCase &shape, uint64_t page_order = 1) {
        CacheCase row = GetParam();
        row.cache = cache;
        return run_kernel(kernel_for(spec_of(row), *available_targets().front()), problem, shape, {.threads = 2, .page_order = page_order});
    }
    static ReferenceProblem problem_of(const ShapeCase &shape) { return make_problem(spec_of(GetParam()), shape, InputKind::normal, 5); }

    const int64_t heads = 2 * GetParam().group;
    const ShapeCase rows{"rows", 2, heads, 2, 3, 1300, {}, {1300, 555}}, padded{"padded", 2, heads, 2, 3, 1300, {}, {1300, 555}, false, Layout::padded};
};

TEST_P(CacheBits, PagedAsContiguous) {
    const ReferenceProblem p = problem_of(rows);
    const KernelResult contiguous = run(GetParam().cache, p, rows);
    expect_same_bits(p, run(GetParam().cache, p, padded), contiguous, "padded");
    for (int page_size : {16, 64, 256}) expect_same_bits(p, run(paged(GetParam().cache, page_size), p, rows), contiguous, std::to_string(page_size) + " keys a page");
    for (uint64_t order : {2, 3}) expect_same_bits(p, run(paged(GetParam().cache, 16), p, rows, order), contiguous, "pages in another order");
}

TEST_P(CacheBits, RingThatIsNotFullAsContiguous) {
    const ReferenceProblem p = problem_of(rows);
    const KernelResult contiguous = run(GetParam().cache, p, rows);
    for (int64_t slots : {1300, 1301, 2048}) {
        ShapeCase shape = rows;
        shape.ring_slots = slots;
        expect_same_bits(p, run(ring(GetParam().cache), p, shape), contiguous, std::to_string(slots) + " slots");
    }
}

const CacheCase bit_cases[] = {
    {"f32", DType::f32, 64, 64, 1, plain, {.mask = "causal"}},
    {"f16_group_4_rope", DType::f16, 64, 64, 4, plain, {.mask = "causal"}, rope(half, 32)},
    {"i8_group_2", DType::f32, 64, 64, 2, i8_zeros, {.mask = "causal && window(700)"}},
    {"i4_group_4", DType::bf16, 64, 64, 4, i4, {.mask = "causal"}},
    {"mla_group_16", DType::bf16, 96, 64, 16, in_key(plain), {.mask = "causal"}},
};
INSTANTIATE_TEST_SUITE_P(Cpu, CacheBits, testing::ValuesIn(bit_cases), [](const auto &info) { return std::string(info.param.name); });

}  // namespace
}  // namespace attune::test
