// Products of halves on tensor cores (cuda_mma): the shapes whose rows begin on 16 bytes, masks and scores, within the bound of rounded weights.
#include "tests/gpu/device_kernels.h"
#include "tests/schedules/shapes.h"

namespace attune::test {
namespace {

struct TensorCase {
    const char *name;
    DType dtype;
    int head_dim, head_dim_v, group;
    PairsText text;
    std::map<std::string, double> scalars = {};
    friend void PrintTo(const TensorCase &row, std::ostream *out) { *out << row.name; }
};

const TensorCase tensor_cases[] = {
    {"f16_causal_d64", DType::f16, 64, 64, 0, {.mask = "causal"}},
    {"bf16_none_d128", DType::bf16, 128, 128, 0, {}},
    {"bf16_causal_group", DType::bf16, 64, 64, 4, {.mask = "causal"}},
    {"f16_window_odd_dims", DType::f16, 80, 96, 1, {.mask = "causal && window(w)", .params = "w: i32"}, {{"w", 21}}},
    {"f16_documents", DType::f16, 64, 64, 1, {.mask = "document(ids) && causal", .params = "ids: i32[b, kv] nondecreasing"}},
    {"f16_alibi", DType::f16, 64, 64, 4, {.mask = "causal", .score = "alibi(m)", .params = "m: f32[h]"}},
    {"f16_bias", DType::f16, 64, 64, 1, {.score = "s + bias", .params = "bias: f16[b, 1, q, kv]"}},
    {"bf16_sink", DType::bf16, 64, 64, 4, {.mask = "causal && window(30)", .params = "logit: f32[h]", .sink = "logit"}},
};

class DeviceTensorCores : public testing::TestWithParam<TensorCase> {};

TEST_P(DeviceTensorCores, AgreeWithTheReference) {
    const TensorCase &row = GetParam();
    ATTUNE_REQUIRE_DEVICE(target, "cuda_mma");
    const LoadedKernel &kernel = device_kernel_for(make_spec(row.dtype, row.head_dim, row.head_dim_v, row.group, row.text), target);
    EXPECT_TRUE(kernel.plan().rounds_weights);
    for (const ShapeCase &shape : all_shapes()) {
        const bool of_group = row.group == 0 || shape.num_heads == shape.num_kv_heads * row.group;
        if (shape.layout == Layout::padded || !of_group) continue;  // padded: rows off 16 bytes
        SCOPED_TRACE(shape.name);
        check_shape(kernel, shape, InputKind::normal, 3, {.params = make_params(kernel.plan().spec, shape, 3, row.scalars)});
    }
    const int64_t group = row.group == 0 ? 3 : row.group;
    for (const ShapeCase &shape : {ShapeCase{"tails", 2, 2 * group, 2, 61, 93}, ShapeCase{"one_query", 2, group, 1, 1, 77}, ShapeCase{"no_key", 2, group, 1, 5, 0},
                                   ShapeCase{"several_blocks", 1, group, 1, 150, 233}, ShapeCase{"lengths", 4, group, 1, 90, 140, {49, 31, 0, 90}, {69, 5, 140, 0}}}) {
        SCOPED_TRACE(shape.name);
        check_shape(kernel, shape, InputKind::normal, 5, {.params = make_params(kernel.plan().spec, shape, 5, row.scalars)});
    }
}

INSTANTIATE_TEST_SUITE_P(Device, DeviceTensorCores, testing::ValuesIn(tensor_cases), [](const auto &info) { return std::string(info.param.name); });

TEST(DeviceErrors, WhatTensorCoresDoNotDo) {
    const auto message = [](const AttentionSpec &spec, const char *target) -> std::string {
        try {
            load_device_kernel(spec, device_target(target));
        } catch (const std::exception &error) {
            return error.what();
        }
        return "nothing was refused";
    };
    EXPECT_NE(message(make_spec(DType::f32, 64), "cuda_mma").find("dtype is f32, expected f16 or bf16"), std::string::npos) << message(make_spec(DType::f32, 64), "cuda_mma");
    EXPECT_NE(message(make_spec(DType::f16, 20), "cuda_mma").find("head_dim is 20, expected a multiple of 16"), std::string::npos) << message(make_spec(DType::f16, 20), "cuda_mma");
    EXPECT_NE(message(make_spec(DType::f16, 64, 64, 1, {.normalizer = "sigmoid", .outputs = "out"}), "cuda_mma").find("normalizer is sigmoid, expected softmax; generate for cuda"),
              std::string::npos)
        << message(make_spec(DType::f16, 64, 64, 1, {.normalizer = "sigmoid", .outputs = "out"}), "cuda_mma");
    EXPECT_NE(message(make_spec(DType::f16, 64, 64, 1, {.block_size = "64,32"}), "cuda_mma").find("block_mask is csr"), std::string::npos);
    EXPECT_NE(message(make_spec(DType::f32, 64, 64, 1, {.outputs = "out,weights"}), "cuda").find("outputs is weights"), std::string::npos)
        << message(make_spec(DType::f32, 64, 64, 1, {.outputs = "out,weights"}), "cuda");
    EXPECT_NE(message(make_spec(DType::f32, 64), "metal").find("target is metal"), std::string::npos) << message(make_spec(DType::f32, 64), "metal");
}

}  // namespace
}  // namespace attune::test
