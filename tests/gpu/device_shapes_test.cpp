// The table of shapes of the CPU tests on devices, over types and masks, within the same bound of the error.
#include "tests/gpu/device_kernels.h"
#include "tests/schedules/shapes.h"

#include <tuple>

namespace attune::test {
namespace {

struct DeviceChoice {
    const char *name;
    DType dtype;
    const char *mask;
    int head_dim, head_dim_v, group;
    friend void PrintTo(const DeviceChoice &row, std::ostream *out) { *out << row.name; }
};

const DeviceChoice choices[] = {
    {"f32_none", DType::f32, "none", 20, 12, 0},  // head dims that are no multiple of a vector or of the threads
    {"f32_causal", DType::f32, "causal", 20, 12, 0},
    {"f32_top_left", DType::f32, "causal_top_left", 64, 64, 0},  // rows on 16 bytes: the variant of vector loads, where strides allow it
    {"f16_causal", DType::f16, "causal", 20, 12, 0},
    {"bf16_none", DType::bf16, "none", 64, 64, 0},
};

class DeviceShapes : public testing::TestWithParam<std::tuple<const char *, DeviceChoice>> {};

TEST_P(DeviceShapes, AgreeWithTheReference) {
    const auto &[name, choice] = GetParam();
    ATTUNE_REQUIRE_DEVICE(target, name);
    const LoadedKernel &kernel =
        device_kernel_for(make_spec(choice.dtype, choice.head_dim, choice.head_dim_v, choice.mask, Algorithm::automatic, choice.group), target);
    for (const ShapeCase &shape : all_shapes()) {
        SCOPED_TRACE(shape.name);
        check_shape(kernel, shape);
    }
}

TEST_P(DeviceShapes, AgreeOnWideInputs) {
    const auto &[name, choice] = GetParam();
    ATTUNE_REQUIRE_DEVICE(target, name);
    const LoadedKernel &kernel =
        device_kernel_for(make_spec(choice.dtype, choice.head_dim, choice.head_dim_v, choice.mask, Algorithm::automatic, choice.group), target);
    for (InputKind kind : {InputKind::wide_8, InputKind::wide_20, InputKind::spike}) {
        SCOPED_TRACE(input_kind_name(kind));
        check_shape(kernel, {"lengths", 2, 2, 1, 50, 140, {49, 31}, {69, 5}}, kind, 5);
    }
}

TEST_P(DeviceShapes, RunWithoutLse) {
    const auto &[name, choice] = GetParam();
    ATTUNE_REQUIRE_DEVICE(target, name);
    const LoadedKernel &kernel =
        device_kernel_for(make_spec(choice.dtype, choice.head_dim, choice.head_dim_v, choice.mask, Algorithm::automatic, choice.group), target);
    check_shape(kernel, {"odd_both", 2, 3, 1, 61, 93}, InputKind::normal, 2, {1, false, true});
}

INSTANTIATE_TEST_SUITE_P(Device, DeviceShapes, testing::Combine(testing::ValuesIn(executed_targets), testing::ValuesIn(choices)),
                         [](const auto &info) { return std::string(std::get<0>(info.param)) + "_" + std::get<1>(info.param).name; });

/// Small and large head dims: other tiles, down to what fits into shared memory.
class DeviceHeadDims : public testing::TestWithParam<std::tuple<const char *, int>> {};

TEST_P(DeviceHeadDims, AgreeWithTheReference) {
    const auto &[name, head_dim] = GetParam();
    ATTUNE_REQUIRE_DEVICE(target, name);
    const LoadedKernel &kernel = device_kernel_for(make_spec(DType::f32, head_dim, head_dim, "causal"), target);
    check_shape(kernel, {"tails", 1, 2, 1, 75, 93});
    check_shape(kernel, {"lengths", 2, 2, 1, 70, 60, {70, 3}, {60, 33}});
}

INSTANTIATE_TEST_SUITE_P(Device, DeviceHeadDims, testing::Combine(testing::ValuesIn(executed_targets), testing::Values(1, 5, 80, 128, 256)),
                         [](const auto &info) { return std::string(std::get<0>(info.param)) + "_" + std::to_string(std::get<1>(info.param)); });

/// Heads of a group whose rows share a block, and bit for bit the same result in any batch.
class DeviceGroups : public testing::TestWithParam<const char *> {};

TEST_P(DeviceGroups, FoldTheirRows) {
    ATTUNE_REQUIRE_DEVICE(target, GetParam());
    const LoadedKernel &kernel = device_kernel_for(make_spec(DType::f32, 64, 64, "causal", Algorithm::automatic, 4), target);
    EXPECT_EQ(kernel.kernel()->device_variants[0].fold, 4);
    for (const ShapeCase &shape : {ShapeCase{"tails", 2, 8, 2, 61, 93}, ShapeCase{"one_query", 1, 4, 1, 1, 77}, ShapeCase{"several_blocks", 1, 4, 1, 90, 90},
                                   ShapeCase{"lengths_bshd", 2, 8, 2, 50, 70, {49, 31}, {69, 5}, false, Layout::bshd}}) {
        SCOPED_TRACE(shape.name);
        check_shape(kernel, shape);
    }
}

INSTANTIATE_TEST_SUITE_P(Device, DeviceGroups, testing::ValuesIn(executed_targets));

}  // namespace
}  // namespace attune::test
