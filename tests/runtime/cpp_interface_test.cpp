/// attune/attention.hpp.
#include "attune/attention.hpp"
#include "problem.h"

#include <gtest/gtest.h>

namespace {

using attune::Shape;

struct Cpp : testing::Test {
    FakeKernel fake;
    Problem p;
    attune::Kernel kernel{&fake.kernel};
    attune::Workspace workspace;
    Cpp() { p.build(); }
    Shape q{.batch = 2, .heads = 4, .seq_len = 6, .head_dim = 4}, kv{.batch = 2, .heads = 2, .seq_len = 7, .head_dim = 4};
    Shape v{.batch = 2, .heads = 2, .seq_len = 7, .head_dim = 3}, out{.batch = 2, .heads = 4, .seq_len = 6, .head_dim = 3};
    attune::AttentionArgs args() {
        return {.query = attune::bhsd(p.query.data(), q),
                .key = attune::bhsd(p.key.data(), kv),
                .value = attune::bhsd(p.value.data(), v),
                .output = attune::bhsd(p.output.data(), out),
                .lse = attune::bhs(p.lse.data(), q),
                .num_threads = 2};
    }
};

TEST_F(Cpp, ACallReadsAsASentence) {
    const float *query = p.query.data(), *key = p.key.data(), *value = p.value.data();
    const attune::Status status = kernel({.query = attune::bhsd(query, q),
                                          .key = attune::bhsd(key, kv),
                                          .value = attune::bhsd(value, v),
                                          .output = attune::bhsd(p.output.data(), out)},
                                         workspace);
    ASSERT_TRUE(status) << status.message();
    EXPECT_EQ(status.message(), "success");
    p.expect_right(false);
    EXPECT_GT(workspace.size(), 0u);
}

TEST_F(Cpp, WritesLseAndHonoursLengths) {
    p.lengths_kv = {3, 7};
    auto a = args();
    a.lengths_kv = p.lengths_kv;
    ASSERT_TRUE(kernel(a, workspace));
    p.expect_right();
    EXPECT_EQ(kernel.workspace_size(a), workspace.size());
}

TEST_F(Cpp, RunsPackedSequences) {
    p.batch = 3, p.rows = 9, p.keys = 8, p.cu_q = {0, 2, 2, 9}, p.cu_kv = {0, 4, 5, 8};
    p.build();
    q.batch = kv.batch = v.batch = out.batch = 1;
    q.seq_len = out.seq_len = 9, kv.seq_len = v.seq_len = 8;
    auto a = args();
    a.cu_seqlens_q = p.cu_q;
    a.cu_seqlens_kv = p.cu_kv;
    const attune::Status status = kernel(a, workspace);
    ASSERT_TRUE(status) << status.message();
    p.expect_right();
}

TEST_F(Cpp, WritesPairs) {
    FakeKernel with_pairs({.has_pairs = true});
    kernel = attune::Kernel(&with_pairs.kernel);
    p.ask_pairs();
    auto a = args();
    a.pairs = attune::bhsd(p.pairs.data(), Shape{.batch = 2, .heads = 4, .seq_len = 6, .head_dim = 7});
    const attune::Status status = kernel(a, workspace);
    ASSERT_TRUE(status) << status.message();
    p.expect_right();
}

TEST_F(Cpp, HandsOverParams) {
    struct {
        int32_t window;
    } params{12};
    attune_param window{};
    window.name = "window", window.declaration = "i32", window.type_bits = 32;
    fake.params = {window};
    fake.kernel.params_size = sizeof params;
    fake.refresh();
    int32_t seen = 0;
    script->see_params = [&](void **arguments) { seen = *static_cast<int32_t *>(arguments[0]); };
    auto a = args();
    a.num_threads = 1;
    EXPECT_EQ(kernel(a, workspace).message(), "attune: params is null but kernel fake needs its fake_params (4 bytes)");
    a.params = &params;
    ASSERT_TRUE(kernel(a, workspace));
    EXPECT_EQ(seen, 12);
    p.expect_right();
}

TEST_F(Cpp, LayoutsHaveTheirStrides) {
    float x[200];
    const auto a = attune::bshd(x, Shape{.batch = 2, .heads = 3, .seq_len = 5, .head_dim = 7});
    EXPECT_EQ(std::tuple(a.stride_batch, a.stride_head, a.stride_seq), std::tuple(105, 7, 21));
    const auto [query, key, value] = attune::packed_qkv(x, Shape{.batch = 2, .heads = 6, .seq_len = 5, .head_dim = 4}, 2);
    EXPECT_EQ(std::tuple(query.data - x, key.data - x, value.data - x), std::tuple(0, 24, 32));
    EXPECT_EQ(std::tuple(key.stride_batch, key.stride_head, key.stride_seq), std::tuple(200, 4, 40));
    EXPECT_EQ(std::tuple(query.shape.heads, key.shape.heads, value.shape.heads), std::tuple(6, 2, 2));
}

TEST_F(Cpp, ShapesThatTheKernelDoesNotHaveAreNamed) {
    kv.head_dim = 96;
    const attune::Status status = kernel(args(), workspace);
    EXPECT_FALSE(status);
    EXPECT_EQ(status.code(), ATTUNE_SHAPE_MISMATCH);
    EXPECT_EQ(status.message(), "attune: key has head_dim 96, but kernel fake was generated for 4; generate one with HEAD_DIM 96");
    p.expect_untouched();
}

TEST_F(Cpp, OtherMistakesAreNamed) {
    const auto message = [&](attune::AttentionArgs a) { return std::string(kernel(a, workspace).message()); };
    auto a = args();
    a.key = {};
    EXPECT_EQ(message(a), "attune: key is not given; pass a view such as attune::bhsd(data, shape)");
    a = args();
    uint16_t half[1];
    a.query = attune::bhsd(half, q);
    EXPECT_EQ(message(a),
              "attune: query has elements of 2 bytes, but kernel fake was generated for f32; generate one with DTYPE f16 or bf16");
    a = args();
    a.value.shape.seq_len = 6;
    EXPECT_EQ(message(a), "attune: value has seq_len 6 but must have that of key, which is 7");
    a = args();
    a.output.shape.heads = 2;
    EXPECT_EQ(message(a), "attune: output has heads 2 but must have that of query, which is 4");
    a = args();
    const int32_t three[] = {1, 2, 3};
    a.pairs = attune::bhsd(p.output.data(), Shape{.batch = 2, .heads = 4, .seq_len = 6, .head_dim = 6});
    EXPECT_EQ(message(a), "attune: pairs has head_dim 6 but must have the seq_len of key, which is 7");
    a.pairs.shape.seq_len = 5;
    EXPECT_EQ(message(a), "attune: pairs has seq_len 5 but must have that of query, which is 6");
    a.pairs = attune::bhsd(half, Shape{.batch = 2, .heads = 4, .seq_len = 6, .head_dim = 7});
    EXPECT_EQ(message(a), "attune: pairs has elements of 2 bytes, but kernel fake writes them as f32");
    a = args();
    a.lengths_q = three;
    EXPECT_EQ(message(a), "attune: lengths_q has 3 entries but must have 2");
    a = args();
    a.cu_seqlens_q = three;
    EXPECT_EQ(message(a), "attune: query has batch 2 but must have 1 where cu_seqlens_q divides it into sequences");
    a = args();
    a.key.shape.heads = a.value.shape.heads = 3;  // found by the C function
    EXPECT_EQ(message(a), "attune: num_heads is 4 but must be a multiple of num_kv_heads, which is 3");
    EXPECT_EQ(attune::Kernel()(args(), workspace).code(), ATTUNE_NULL_POINTER);
}

TEST_F(Cpp, HalfKernelsTakeAnyTwoByteType) {
    fake.kernel.info.dtype = "bf16";
    fake.kernel.type_bits = fake.kernel.cache.type_bits = 16, fake.kernel.type_code = fake.kernel.cache.type_code = 4;
    fake.variants[0].exact = [](void **) { return 0; };
    fake.refresh();
    struct Half {
        uint16_t bits;
    };
    std::vector<Half> x(200);
    std::vector<short> y(200);
    EXPECT_TRUE(kernel({.query = attune::bhsd(x.data(), q),
                        .key = attune::bhsd(x.data(), kv),
                        .value = attune::bhsd(x.data(), v),
                        .output = attune::bhsd(y.data(), out)},
                       workspace));
}

TEST_F(Cpp, WorkspacesGrowAndMove) {
    attune::Workspace a(100);
    EXPECT_EQ(a.size(), 128u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(a.data()) % 64, 0u);
    attune::Workspace b = std::move(a);
    EXPECT_EQ(b.size(), 128u);
    EXPECT_TRUE(b.grow(64));
    EXPECT_EQ(b.size(), 128u);
    EXPECT_FALSE(b.grow(SIZE_MAX));
    EXPECT_EQ(b.size(), 128u);
}

/// A kernel with a cache: what its task functions are told is in the runtime's other tests, here what the C struct gets.
struct CppCache : Cpp {
    std::vector<int8_t> keys = std::vector<int8_t>(400), values = std::vector<int8_t>(400);
    std::vector<float> key_scale = std::vector<float>(100), value_scale = key_scale, key_zero = key_scale, value_zero = key_scale;
    std::vector<float> new_key = std::vector<float>(100), new_value = new_key;
    std::vector<int32_t> pages{3, 1, 0, 2};
    Shape rows{.batch = 2, .heads = 2, .seq_len = 7, .head_dim = 4}, values_rows = rows, scales = rows;
    Shape fresh{.batch = 2, .heads = 2, .seq_len = 3, .head_dim = 4}, fresh_values{.batch = 2, .heads = 2, .seq_len = 3, .head_dim = 3};

    CppCache() { fake.variants[0].append = no_append; }
    static int no_append(void **) { return 0; }
    void keep_i8(bool zero_points = false) {
        attune_cache_format &f = fake.kernel.cache;
        f.type_code = 0, f.type_bits = 8, f.key_scales = f.value_scales = 1, f.has_zero_points = zero_points;
        values_rows.head_dim = 3, scales.head_dim = 1;
        fake.refresh();
    }
    void keep_pages() {
        attune_cache_format &f = fake.kernel.cache;
        f.layout = ATTUNE_LAYOUT_PAGED, f.page_size = 4;
        rows.batch = values_rows.batch = scales.batch = 4;  // the pool
        rows.seq_len = values_rows.seq_len = scales.seq_len = 4;
    }
    attune::CacheView cache() {
        return {.key_scale = attune::bhsd(key_scale.data(), scales), .value_scale = attune::bhsd(value_scale.data(), scales)};
    }
    attune::AppendArgs append_args() {
        return {.new_key = attune::bhsd(new_key.data(), fresh),
                .new_value = attune::bhsd(new_value.data(), fresh_values),
                .key = attune::bhsd(keys.data(), rows),
                .value = attune::bhsd(values.data(), values_rows),
                .cache = cache()};
    }
    std::string append(const attune::AppendArgs &a) { return std::string(kernel.append(a).message()); }
};

TEST_F(CppCache, IsDescribed) {
    EXPECT_STREQ(kernel.cache().dtype, "f32");
    EXPECT_STREQ(kernel.cache().layout, "contiguous");
    EXPECT_EQ(kernel.cache().key_elements, 4);
    EXPECT_EQ(kernel.cache().has_rope, 0);
    keep_i8();
    EXPECT_STREQ(kernel.cache().dtype, "i8");
    fake.kernel.cache.type_code = 1;
    EXPECT_STREQ(kernel.cache().dtype, "i4");
    keep_pages();
    EXPECT_STREQ(kernel.cache().layout, "paged");
    EXPECT_STREQ(attune::Kernel().cache().dtype, "");
}

/// The arguments of append functions: scratch, new_key, new_value, key, value, key_scale, value_scale, key_zero, value_zero.
std::vector<attune_buffer> buffers_of_append;
std::vector<std::vector<int32_t>> strides_of_append;
template <int count>
int note_append(void **arguments) {
    for (int i = 1; i <= count; i++) {
        const auto &b = *static_cast<attune_buffer *>(arguments[i]);
        buffers_of_append.push_back(b);
        strides_of_append.emplace_back();
        for (int d = 0; d < b.dimensions; d++)
            strides_of_append.back().push_back(b.dim[d].stride);
    }
    return 0;
}

TEST_F(CppCache, AppendReachesTheKernelWithItsStrides) {
    keep_i8(true);
    fake.variants[0].append = note_append<8>;
    buffers_of_append.clear(), strides_of_append.clear();
    const int32_t before[] = {2, 4};
    attune::AppendArgs a = append_args();
    a.cache.key_zero = attune::bhsd(key_zero.data(), scales), a.cache.value_zero = attune::bhsd(value_zero.data(), scales);
    a.lengths_kv = before;
    a.num_threads = 1;
    ASSERT_EQ(append(a), "success");
    ASSERT_EQ(buffers_of_append.size(), 4u * 8);  // sequences and heads, in this order
    const attune_buffer *last = &buffers_of_append[3 * 8];
    const auto at = [](const auto &array, int64_t i) { return (void *)(array.data() + i); };
    EXPECT_EQ(last[0].host, at(new_key, (1 * 2 + 1) * 3 * 4));
    EXPECT_EQ(last[1].host, at(new_value, (1 * 2 + 1) * 3 * 3));
    EXPECT_EQ(last[2].host, at(keys, ((1 * 2 + 1) * 7 + 4) * 4));
    EXPECT_EQ(last[3].host, at(values, ((1 * 2 + 1) * 7 + 4) * 3));
    EXPECT_EQ(last[4].host, at(key_scale, (1 * 2 + 1) * 7 + 4));
    EXPECT_EQ(last[5].host, at(value_scale, (1 * 2 + 1) * 7 + 4));
    EXPECT_EQ(last[6].host, at(key_zero, (1 * 2 + 1) * 7 + 4));
    EXPECT_EQ(last[7].host, at(value_zero, (1 * 2 + 1) * 7 + 4));
    EXPECT_EQ(strides_of_append[3 * 8 + 2], (std::vector<int32_t>{1, 4}));
    EXPECT_EQ(strides_of_append[3 * 8 + 3], (std::vector<int32_t>{1, 3}));
}

TEST_F(CppCache, PagesAreFoundInThePool) {
    keep_i8();
    keep_pages();
    fake.variants[0].append = note_append<6>;
    buffers_of_append.clear(), strides_of_append.clear();
    const int32_t before[] = {1, 4};
    attune::AppendArgs a = append_args();
    a.cache.page_table = pages;
    a.lengths_kv = before;
    a.num_threads = 1;
    ASSERT_EQ(append(a), "success");
    // Sequence 0: keys 1 .. 3, in page 3. Sequence 1: keys 4 .. 6, in its second page, 2.
    ASSERT_EQ(buffers_of_append.size(), 4u * 6);
    EXPECT_EQ(buffers_of_append[2].host, (uint8_t *)keys.data() + ((3 * 2 + 0) * 4 + 1) * 4);
    EXPECT_EQ(buffers_of_append[3 * 6 + 2].host, (uint8_t *)keys.data() + ((2 * 2 + 1) * 4 + 0) * 4);
    EXPECT_EQ((float *)buffers_of_append[3 * 6 + 5].host, value_scale.data() + (2 * 2 + 1) * 4);
    pages[3] = 4;
    EXPECT_EQ(append(a), "attune: cache.page_table[1] of sequence 1 is 4 but must be within 0 .. 3, the pool's pages; allocate it first");
    pages.resize(3);
    a.cache.page_table = pages;
    EXPECT_EQ(append(a), "attune: cache.page_table has 3 entries but must have as many for each of the 2 sequences");
    a.cache.page_table = {};  // no page at all: no room
    EXPECT_EQ(append(a), "attune: sequence 0 has 1 keys and 3 new ones but its cache holds 0, which is seq_len_kv; use a longer cache");
    a.key.shape.seq_len = a.value.shape.seq_len = a.cache.key_scale.shape.seq_len = a.cache.value_scale.shape.seq_len = 8;
    EXPECT_EQ(append(a), "attune: key has seq_len 8, but kernel fake was generated for pages of 4; generate one with PAGE_SIZE 8");
}

TEST_F(CppCache, PositionsAreThoseOfAllSequencesOrOfEach) {
    static const double frequencies[] = {1, 0.1};
    fake.kernel.rope = {.frequencies = frequencies, .pairs = 2, .interleaved = 1};
    fake.variants[0].append = note_append<3>;
    rows.head_dim = 4;
    std::vector<float> keys(200), values(200);
    attune::AppendArgs a = append_args();
    a.key = attune::bhsd(keys.data(), rows),
    a.value = attune::bhsd(values.data(), Shape{.batch = 2, .heads = 2, .seq_len = 7, .head_dim = 3});
    a.cache = {};
    a.num_threads = 1;
    EXPECT_EQ(kernel.cache().has_rope, 1);
    const int32_t three[] = {5, 6, 7}, six[] = {5, 6, 7, 0, 1, 2};
    a.positions = three;
    EXPECT_EQ(append(a), "success");
    a.positions = six;
    EXPECT_EQ(append(a), "success");
    a.cache = cache();
    EXPECT_EQ(append(a), "attune: cache is given but kernel fake has neither pages nor scales; leave it out");
    a.cache = {};
    a.positions = std::span(six).first(4);
    EXPECT_EQ(append(a), "attune: positions has 4 entries but must have 3 for all sequences, or as many for each of the 2");
    fake.kernel.rope = {};
    a.positions = three;
    EXPECT_EQ(append(a), "attune: positions is given but kernel fake has no rope; pass null");
}

TEST_F(CppCache, MistakesOfAppendAreNamed) {
    attune::AppendArgs a = append_args();
    EXPECT_EQ(append(a), "attune: key has elements of 1 byte, but kernel fake was generated for f32; generate one with KV_DTYPE i8 or i4");
    keep_i8();
    a = append_args();
    a.new_key = {};
    EXPECT_EQ(append(a), "attune: new_key is not given; pass a view such as attune::bhsd(data, shape)");
    a = append_args();
    a.new_value.shape.seq_len = 2;
    EXPECT_EQ(append(a), "attune: new_value has seq_len 2 but must have that of new_key, which is 3");
    a = append_args();
    a.key = attune::bhsd(new_key.data(), rows);
    EXPECT_EQ(append(a), "attune: key has rows of 4 elements of 4 bytes, but kernel fake keeps 4 of i8 in 4 bytes; pass a view of bytes");
    a = append_args();
    a.cache.value_scale = {};
    EXPECT_EQ(append(a), "attune: cache.value_scale is not given; pass a view such as attune::bhsd(data, shape)");
    a = append_args();
    a.cache.key_scale.shape.head_dim = 4;
    EXPECT_EQ(append(a), "attune: cache.key_scale has head_dim 4 but must have 1, the scales of a row of i8");
    a = append_args();
    a.cache.key_scale.shape.seq_len = 6;
    EXPECT_EQ(append(a), "attune: cache.key_scale has seq_len 6 but must have that of key, which is 7");
    a = append_args();
    a.key.shape.heads = a.value.shape.heads = a.cache.key_scale.shape.heads = a.cache.value_scale.shape.heads = 1;
    EXPECT_EQ(append(a), "attune: key has heads 1 but must have that of new_key, which is 2");
    a = append_args();
    const int32_t three[] = {1, 2, 3};
    a.lengths_new = three;
    EXPECT_EQ(append(a), "attune: lengths_new has 3 entries but must have 2");
    a = append_args();
    const int32_t five[] = {5, 0};
    a.lengths_kv = five;  // found by the C function
    EXPECT_EQ(append(a), "attune: sequence 0 has 5 keys and 3 new ones but its cache holds 7, which is seq_len_kv; use a longer cache");
    keep_i8(true);
    a = append_args();
    EXPECT_EQ(append(a), "attune: cache.key_zero is not given; pass a view such as attune::bhsd(data, shape)");
    a.cache.key_zero = a.cache.key_scale;
    a.cache.key_zero.stride_head = 8;
    EXPECT_EQ(append(a), "attune: cache.key_zero has other strides than cache.key_scale");
    fake.kernel.cache.value_elements = 0;
    a.cache.key_zero = attune::bhsd(key_zero.data(), scales);
    EXPECT_EQ(append(a), "attune: new_value is given but kernel fake has values in key; leave it out");
    a.new_value = {}, a.value = {};
    EXPECT_EQ(append(a), "success");
    fake.variants[0].append = nullptr;
    EXPECT_EQ(append(a), "attune: kernel fake has no cache; generate one with phases decode");
    EXPECT_EQ(attune::Kernel().append(a).code(), ATTUNE_NULL_POINTER);
}

TEST_F(CppCache, CallsTakeTheSameViews) {
    keep_i8();
    fake.variants[0].exact = [](void **) { return 0; };
    auto a = args();
    a.key = attune::bhsd(keys.data(), rows), a.value = attune::bhsd(values.data(), values_rows);
    EXPECT_EQ(kernel(a, workspace).message(), "attune: cache.key_scale is not given; pass a view such as attune::bhsd(data, shape)");
    a.cache = cache();
    EXPECT_EQ(kernel(a, workspace).message(), "success");
    a.positions = p.lengths_kv = {0, 1, 2, 3};
    EXPECT_EQ(kernel(a, workspace).message(),
              "attune: positions has 4 entries but must have 6 for all sequences, or as many for each of the 2");
}

TEST(CppRegistry, FindsKernelsBySpecification) {
    static FakeKernel any_group, quantised, group4, causal, capped, unsupported;  // registered for good
    script = nullptr;
    const auto enroll = [](FakeKernel &k, const char *name, int group, const char *mask) {
        k.kernel.info.name = k.kernel.info.id = name;
        k.kernel.info.dtype = "f16";
        k.kernel.info.group = group;
        k.kernel.info.mask = mask;
        k.kernel.info.has_lse = group == 4;
        attune_register_kernel(&k.kernel);
    };
    unsupported.variants[0].features = 1u << 30;
    enroll(unsupported, "spec_unsupported", 4, "true");
    enroll(any_group, "spec_any", 0, "true");
    enroll(group4, "spec_g4", 4, "true");
    enroll(causal, "spec_causal", 0, "causal");
    capped.kernel.info.score = "softcap(s, 50)";
    enroll(capped, "spec_capped", 0, "true");
    quantised.kernel.cache.key_scales = 1;
    quantised.kernel.cache.type_code = 0;
    enroll(quantised, "spec_i8", 4, "true");

    EXPECT_EQ(attune::find("spec_g4").get(), &group4.kernel);
    EXPECT_FALSE(attune::find("spec_none"));
    const auto find = [](attune::KernelSpec spec) {
        spec.dtype = "f16", spec.head_dim = 4, spec.head_dim_v = 3;
        const attune::Kernel kernel = attune::find(spec);
        return kernel ? std::string(kernel.name()) : "";
    };
    EXPECT_EQ(find({}), "spec_any");
    EXPECT_EQ(find({.group = 4}), "spec_g4");
    EXPECT_EQ(find({.group = 2}), "spec_any");
    EXPECT_EQ(find({.group = 4, .kv_dtype = "i8"}), "spec_i8");
    EXPECT_EQ(find({.kv_layout = "paged"}), "");
    EXPECT_EQ(find({.rope = true}), "");
    EXPECT_EQ(find({.values_in_key = true}), "");
    EXPECT_EQ(find({.mask = "causal"}), "spec_causal");
    EXPECT_EQ(find({.mask = "window(3)"}), "");
    EXPECT_EQ(find({.score = "softcap(s, 50)"}), "spec_capped");
    EXPECT_EQ(find({.mask = "true", .score = "s"}), "spec_any");
    EXPECT_EQ(find({.mask = "causal", .score = "softcap(s, 50)"}), "");
    EXPECT_EQ(find({.group = 2, .lse = true}), "");
    EXPECT_FALSE(attune::find({.dtype = "f16", .head_dim = 4}));

    const attune::Kernel kernel = attune::find("spec_any");
    EXPECT_EQ(kernel.target(), "sse41");
    EXPECT_TRUE(kernel.supported());
    EXPECT_FALSE(attune::find("spec_unsupported").supported());
    EXPECT_EQ(kernel.description(), "{}");
    EXPECT_EQ(kernel.info().head_dim_v, 3);
    bool listed = false;
    for (const attune::Kernel &k : attune::kernels())
        listed = listed || k == kernel;
    EXPECT_TRUE(listed);
}

}  // namespace
