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
    fake.kernel.type_bits = 16, fake.kernel.type_code = 4;
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

TEST(CppRegistry, FindsKernelsBySpecification) {
    static FakeKernel any_group, group4, causal, capped, unsupported;  // registered for good
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
