// Decode on devices: few rows against many keys, which are split into parts that a second kernel combines.
#include "tests/gpu/device_kernels.h"

#include <tuple>

namespace attune::test {
namespace {

struct DecodeCase {
    const char *name;
    DType dtype;
    int head_dim, head_dim_v, group;
    const char *mask, *score, *params, *sink;
    friend void PrintTo(const DecodeCase &row, std::ostream *out) { *out << row.name; }
};

const DecodeCase decode_cases[] = {
    {"f32_causal_group4", DType::f32, 64, 64, 4, "causal", "s", "", ""},
    {"f32_none_odd_dims", DType::f32, 20, 13, 1, "none", "s", "", ""},  // parts whose values end inside a vector
    {"f16_causal_group7", DType::f16, 128, 128, 7, "causal", "s", "", ""},  // blocks of 14 rows
    {"bf16_window_sink", DType::bf16, 64, 64, 8, "causal && window(130)", "s", "logit: f32[h]", "logit"},  // parts that see nothing
    {"f32_any_group_alibi", DType::f32, 32, 48, 0, "causal", "alibi(m)", "m: f32[h]", ""},
};

class DeviceDecode : public testing::TestWithParam<std::tuple<const char *, DecodeCase>> {};

AttentionSpec decode_spec(const DecodeCase &row) {
    AttentionSpec spec = make_spec(row.dtype, row.head_dim, row.head_dim_v, row.group, {.mask = row.mask, .score = row.score, .params = row.params, .sink = row.sink});
    spec.decode = true;
    spec.name = spec.id();
    return spec;
}

TEST_P(DeviceDecode, AgreesWithTheReference) {
    const auto &[name, row] = GetParam();
    ATTUNE_REQUIRE_DEVICE(target, name);
    // Small parts, so that a cache that a simulator can walk has several.
    const std::unique_ptr<LoadedKernel> kernel = load_device_kernel(decode_spec(row), target, {{"split_keys", 128}});
    const int64_t group = row.group == 0 ? 3 : row.group;
    const ShapeCase shapes[] = {
        {"one_row", 2, 2 * group, 2, 1, 700},        // the last part is short
        {"one_key", 1, group, 1, 1, 1},
        {"no_key", 2, group, 1, 3, 0},               // one part without keys: output 0, lse -inf
        {"one_part", 1, group, 1, 2, 128},           // exactly
        {"speculative", 1, 2 * group, 2, 5, 400},    // several rows; more than a block of them with a group
        {"sixteen_rows", 1, group, 1, 16, 300},
        {"lengths", 4, group, 1, 4, 390, {4, 1, 0, 3}, {390, 129, 17, 0}},
        {"padded", 2, 2 * group, 2, 3, 300, {3, 2}, {300, 100}, false, Layout::padded},
        {"bshd", 2, 2 * group, 2, 2, 260, {}, {}, false, Layout::bshd},
    };
    for (const ShapeCase &shape : shapes) {
        SCOPED_TRACE(shape.name);
        check_shape(*kernel, shape, InputKind::normal, 17, {.params = make_params(kernel->plan().spec, shape, 17)});
    }
}

INSTANTIATE_TEST_SUITE_P(Device, DeviceDecode, testing::Combine(testing::ValuesIn(executed_targets), testing::ValuesIn(decode_cases)),
                         [](const auto &info) { return std::string(std::get<0>(info.param)) + "_" + std::get<1>(info.param).name; });

}  // namespace
}  // namespace attune::test
