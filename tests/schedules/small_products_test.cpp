/// Kernels whose products are of smaller types than their arrays (compute_dtype), over shapes, masks and scores: with the machine's own
/// operations, with emulated instructions and with twins, which every CPU with AVX2 runs.
#include "generator/backend/code_generator.h"
#include "tests/schedules/product_shapes.h"

namespace attune::test {

namespace {

struct ProductsCase {
    const char *name;
    DType dtype;
    ComputeDType compute;
    int head_dim, head_dim_v;
    const char *mask;
    int group = 1;
    Algorithm algorithm = Algorithm::automatic;
    const char *score = "";
    friend void PrintTo(const ProductsCase &row, std::ostream *out) { *out << row.name; }
};

const ProductsCase halves[] = {
    {"d64", DType::f16, ComputeDType::f16, 64, 64, "none"},
    {"d128_causal", DType::f16, ComputeDType::f16, 128, 128, "causal"},
    {"d128_window_group_4", DType::f16, ComputeDType::f16, 128, 128, "causal && window(70)", 4},
    {"d80x48_causal", DType::f16, ComputeDType::f16, 80, 48, "causal"},
    {"d10x7_top_left", DType::f16, ComputeDType::f16, 10, 7, "causal_top_left"},
    {"d1x1", DType::f16, ComputeDType::f16, 1, 1, "none"},
    {"d64_softcap", DType::f16, ComputeDType::f16, 64, 64, "causal", 1, Algorithm::automatic, "softcap(s, 20)"},
    {"d64_online_is_f32", DType::f16, ComputeDType::f16, 64, 64, "causal", 1, Algorithm::online},
};

const ProductsCase quads[] = {
    {"f32_d64", DType::f32, ComputeDType::i8, 64, 64, "none"},
    {"f32_d128_causal", DType::f32, ComputeDType::i8, 128, 128, "causal"},
    {"f16_d128_window_group_4", DType::f16, ComputeDType::i8, 128, 128, "causal && window(70)", 4},
    {"f16_d80x48_causal", DType::f16, ComputeDType::i8, 80, 48, "causal"},
    {"bf16_d64_causal", DType::bf16, ComputeDType::i8, 64, 64, "causal"},
    {"bf16_d10x7_top_left", DType::bf16, ComputeDType::i8, 10, 7, "causal_top_left"},
    {"f32_d3x1", DType::f32, ComputeDType::i8, 3, 1, "none"},
    {"f32_d64_softcap", DType::f32, ComputeDType::i8, 64, 64, "causal", 1, Algorithm::automatic, "softcap(s, 20)"},
    {"f32_d64_full_row_is_f32", DType::f32, ComputeDType::i8, 64, 64, "causal", 1, Algorithm::full_row},
};

AttentionSpec spec_of(const ProductsCase &row) {
    AttentionSpec spec = make_spec(row.dtype, row.head_dim, row.head_dim_v, row.group, PairsText{.mask = row.mask, .score = row.score});
    spec.compute_dtype = row.compute;
    spec.algorithm = row.algorithm;
    spec.name = spec.id();
    return spec;
}

struct Way {
    const char *name;
    bool twins, emulate;
    friend void PrintTo(const Way &way, std::ostream *out) { *out << way.name; }
};
const Way ways[] = {{"native", false, false}, {"emulated", false, true}, {"twins", true, true}};

using Parameters = std::tuple<std::string, Way, ProductsCase>;

class SmallProducts : public testing::TestWithParam<Parameters> {
protected:
    void SetUp() override {
        const auto &[name, way, row] = GetParam();
        target = &cpu_target(name);
        if (!target->serves(spec_of(row).types())) GTEST_SKIP() << name << " is not for these types";
        const std::string needed = way.emulate ? "avx2" : name;
        if (!available_target(needed)) GTEST_SKIP() << "this CPU does not run " << needed;
        kernel = &kernel_for(spec_of(row), *target, {.overrides = {}, .twins = way.twins, .emulate = way.emulate});
    }
    const CpuTarget *target = nullptr;
    const LoadedKernel *kernel = nullptr;
};

TEST_P(SmallProducts, AgreeWithTheReference) {
    check_product_shapes(*kernel, 2 * std::get<2>(GetParam()).group);
}

/// Keys with offsets of channels, as trained models have: without a mean taken off, those of eight bits would be 30 / 127 apart.
TEST(SmallProductsOfOffsetKeys, KeepTheirBits) {
    if (!available_target("avx2") || !has_llvm_backend()) GTEST_SKIP() << "no back end, or a CPU without AVX2";
    const ProductsCase row{"offset", DType::f32, ComputeDType::i8, 64, 64, "none"};
    const CpuTarget &target = cpu_target("avx512_vnni");
    const LoadedKernel &kernel = kernel_for(spec_of(row), target, {.overrides = {}, .emulate = !available_target(target.name)});
    const ShapeCase shape{"offset", 1, 1, 1, 192, 256};
    ReferenceProblem p = make_problem(spec_of(row), shape);
    for (size_t i = 0; i < p.key.size(); i += 8) p.key[i] += 30;
    const ErrorShare share = expect_right(kernel, p, shape, run_kernel(kernel, p, shape));
    EXPECT_LT(share.relative_rms, 0.02);
}

std::string name_of(const testing::TestParamInfo<Parameters> &info) {
    return std::get<0>(info.param) + "_" + std::get<1>(info.param).name + "_" + std::get<2>(info.param).name;
}

INSTANTIATE_TEST_SUITE_P(Halves, SmallProducts,
                         testing::Combine(testing::Values("avx512_fp16"), testing::ValuesIn(ways), testing::ValuesIn(halves)), name_of);
INSTANTIATE_TEST_SUITE_P(Quads, SmallProducts,
                         testing::Combine(testing::Values("avx512_vnni", "avx512_bf16", "amx"), testing::ValuesIn(ways), testing::ValuesIn(quads)),
                         name_of);

}  // namespace
}  // namespace attune::test
