// Masks and scores of the language on devices: what is skipped by the block plan, what is hidden, what reads params.
#include "tests/gpu/device_kernels.h"

#include <map>
#include <tuple>

namespace attune::test {
namespace {

struct DeviceExpression {
    const char *name;
    int group;
    PairsText text;
    std::map<std::string, double> scalars = {};
    friend void PrintTo(const DeviceExpression &row, std::ostream *out) { *out << row.name; }
};

const DeviceExpression expressions[] = {
    {"window_causal", 1, {.mask = "causal && window(20)"}},
    {"window_params", 0, {.mask = "window(l, r)", .params = "l: i32; r: i32"}, {{"l", 3}, {"r", 70}}},
    {"prefix_or_causal", 4, {.mask = "prefix(n) || causal", .params = "n: i32"}, {{"n", 19}}},
    {"documents_causal", 4, {.mask = "document(ids) && causal", .params = "ids: i32[b, kv] nondecreasing"}},
    {"dilated", 0, {.mask = "dilated(3) && window(40)"}},
    {"sinks_and_window", 1, {.mask = "causal && (window(25) || kv < 4)"}},
    {"each_head_its_own", 4, {.mask = "select(h % 4 < 2, causal && window(10), select(h % 4 == 2, causal, kv % 2 == 0))"}},
    {"bool_tensor", 1, {.mask = "bits", .params = "bits: bool[b, 1, q, kv]"}},
    {"alibi", 4, {.mask = "causal", .score = "alibi(m)", .params = "m: f32[h]"}},
    {"softcap", 1, {.mask = "causal && window(50)", .score = "softcap(s, 5)"}},
    {"bias", 0, {.score = "s + bias", .params = "bias: f32[1, h, q, kv]"}},
    {"bias_f16", 1, {.mask = "causal", .score = "s + bias", .params = "bias: f16[b, 1, q, kv]"}},
    {"sink", 4, {.mask = "causal && window(30)", .params = "logit: f32[h]", .sink = "logit"}},
    {"softmax_plus_one", 1, {.mask = "causal", .normalizer = "softmax_plus_one"}},
    {"patterns", 1, {.mask = "bigbird(64, 8, 3, 1, 1, 7) || bigbird(16, 32, 1, 0, 2, 3) && causal"}},  // two tables
    {"sigmoid", 1, {.mask = "causal && window(60)", .score = "s - 2", .normalizer = "sigmoid", .outputs = "out"}},
    {"relu", 4, {.mask = "causal && window(60)", .score = "s / float(seq_len_kv)", .normalizer = "relu", .outputs = "out"}},
    {"sigmoid_group", 4, {.normalizer = "sigmoid", .outputs = "out"}},
    {"lists", 1, {.block_size = "64,32"}},
    {"lists_causal_group", 4, {.mask = "causal", .block_size = "32,64"}},
    {"lists_documents_sink", 0, {.mask = "document(ids)", .params = "ids: i32[b, kv] nondecreasing; logit: f32[h]", .sink = "logit", .block_size = "16,48"}},
};

class DeviceExpressions : public testing::TestWithParam<std::tuple<const char *, DeviceExpression>> {};

TEST_P(DeviceExpressions, AgreeWithTheReference) {
    const auto &[name, row] = GetParam();
    ATTUNE_REQUIRE_DEVICE(target, name);
    const LoadedKernel &kernel = device_kernel_for(make_spec(DType::f32, 32, 32, row.group, row.text), target);
    const int64_t group = row.group == 0 ? 3 : row.group;
    const ShapeCase shapes[] = {
        {"tails", 2, 2 * group, 2, 61, 93},
        {"one_query", 2, group, 1, 1, 77},
        {"no_key", 2, group, 1, 5, 0},
        {"more_queries_than_keys", 1, 2 * group, 2, 70, 40},
        {"several_blocks", 1, group, 1, 150, 233},
        {"lengths", 4, group, 1, 90, 140, {49, 31, 0, 90}, {69, 5, 140, 0}},
        {"padded", 2, 2 * group, 2, 50, 140, {49, 31}, {69, 128}, false, Layout::padded},
        {"packed", 4, group, 1, 70, 90, {70, 0, 33, 1}, {90, 7, 0, 65}, true},
    };
    for (const ShapeCase &shape : shapes) {
        SCOPED_TRACE(shape.name);
        check_shape(kernel, shape, InputKind::normal, 63, {.params = make_params(kernel.plan().spec, shape, 63, row.scalars)});
    }
}

INSTANTIATE_TEST_SUITE_P(Device, DeviceExpressions, testing::Combine(testing::ValuesIn(executed_targets), testing::ValuesIn(expressions)),
                         [](const auto &info) { return std::string(std::get<0>(info.param)) + "_" + std::get<1>(info.param).name; });

}  // namespace
}  // namespace attune::test
