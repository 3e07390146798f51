// Head dimensions from 1 to 512 on every target; types and masks rotate through the table, each dimension runs all algorithms.
#include "tests/support/kernel_case.h"

#include <tuple>

namespace attune::test {
namespace {

struct HeadDims {
    int head_dim, head_dim_v;
};

const HeadDims dims[] = {
    {1, 1},      // a product without a sum
    {2, 2},      // less than a transposed tile
    {3, 3},      // odd and less than a vector
    {7, 7},      // a prime below every vector
    {16, 16},    // exactly a vector of AVX-512
    {17, 17},    // one above
    {32, 32},    // MiniLM
    {40, 40},    // a multiple of 8, not of 16
    {64, 64},    // the common one
    {77, 77},    // 7 * 11: no multiple of anything
    {96, 96},    // Phi-3
    {128, 128},  // Llama
    {160, 160},  // Stable Diffusion
    {256, 256},  // Gemma
    {192, 128},  // DeepSeek's prefill: value narrower than key
    {64, 1},     // one value column
    {1, 64},     // one key column
    {32, 80},    // value wider than key
    {512, 512},  // the largest
    {511, 511},  // the largest tail
};

class HeadDimensions : public testing::TestWithParam<std::tuple<std::string, size_t>> {};

TEST_P(HeadDimensions, AgreeWithTheReference) {
    const auto &[name, index] = GetParam();
    ATTUNE_REQUIRE_TARGET(target, name);
    const size_t t = static_cast<size_t>(target - &cpu_targets().front());
    const auto &[head_dim, head_dim_v] = dims[index];
    constexpr DType dtypes[] = {DType::f32, DType::f16, DType::bf16};
    constexpr const char *masks[] = {"none", "causal", "causal_top_left"};
    // The fixed reference on every target; online and full row, which differ less, on one of them each.
    std::vector<Algorithm> algorithms = {Algorithm::automatic};
    if (index % 3 == t) algorithms.push_back(Algorithm::online);
    if ((index + 1) % 3 == t) algorithms.push_back(Algorithm::full_row);
    for (Algorithm algorithm : algorithms) {
        const size_t a = static_cast<size_t>(algorithm);
        const AttentionSpec spec = make_spec(dtypes[(index + t + a) % 3], head_dim, head_dim_v, masks[(index + 2 * t + a / 2) % 3], algorithm);
        const LoadedKernel &kernel = kernel_for(spec, *target);
        check_shape(kernel, {"tails", 2, 2, 1, 53, 77});
        check_shape(kernel, {"padded", 1, 2, 2, 9, 131, {9}, {129}, false, Layout::padded}, InputKind::normal, 2);
        check_shape(kernel, {"wide", 1, 2, 1, 53, 77}, InputKind::wide_8, 3);
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, HeadDimensions, testing::Combine(testing::ValuesIn(target_names()), testing::Range(size_t{0}, std::size(dims))),
                         [](const auto &info) {
                             const HeadDims &d = dims[std::get<1>(info.param)];
                             return std::get<0>(info.param) + "_" + std::to_string(d.head_dim) + "x" + std::to_string(d.head_dim_v);
                         });

}  // namespace
}  // namespace attune::test
