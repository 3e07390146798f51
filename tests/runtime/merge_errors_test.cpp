/// Every error of attune_merge: its code, that its line names argument, value and cure, and that the results stay as they were.
#include "attune/attention.h"

#include <algorithm>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace {

/// Two parts of 2 sequences, 3 heads, 4 rows of 5; f32.
struct Call {
    static constexpr float untouched = -7777;
    std::vector<float> outputs = std::vector<float>(2 * 120, 1), lses = std::vector<float>(2 * 24, 1);
    std::vector<float> output = std::vector<float>(120, untouched), lse = std::vector<float>(24, untouched);
    const void *part_output[2] = {outputs.data(), outputs.data() + 120};
    const float *part_lse[2] = {lses.data(), lses.data() + 24};
    attune_merge_args args{};

    Call() {
        args.size = sizeof args;
        args.version = ATTUNE_MERGE_ARGS_VERSION;
        args.dtype = "f32";
        args.num_parts = 2;
        args.part_output = part_output;
        args.part_lse = part_lse;
        args.output = output.data();
        args.lse = lse.data();
        args.batch = 2, args.num_heads = 3, args.seq_len_q = 4, args.head_dim_v = 5;
        for (int64_t *stride : {args.stride_part_output, args.stride_output})
            stride[0] = 60, stride[1] = 20, stride[2] = 5;
        for (int64_t *stride : {args.stride_part_lse, args.stride_lse})
            stride[0] = 12, stride[1] = 4, stride[2] = 1;
    }
    Call(const Call &) = delete;
};

struct ErrorCase {
    const char *name;
    attune_status status;
    std::vector<const char *> pieces;  ///< of the message
    std::function<void(Call &)> spoil;
};
class MergeErrors : public testing::TestWithParam<ErrorCase> {};

TEST_P(MergeErrors, NamesArgumentValueAndCure) {
    const ErrorCase &c = GetParam();
    Call call;
    c.spoil(call);
    const std::vector<float> outputs = call.outputs, lses = call.lses;
    EXPECT_EQ(attune_merge(&call.args), c.status);
    const std::string message = attune_last_error();
    EXPECT_EQ(message.rfind("attune: ", 0), 0u) << message;
    for (const char *piece : c.pieces)
        EXPECT_NE(message.find(piece), std::string::npos) << message << "\n  lacks: " << piece;
    EXPECT_EQ(call.output, std::vector<float>(120, Call::untouched));
    EXPECT_EQ(call.lse, std::vector<float>(24, Call::untouched));
    EXPECT_EQ(call.outputs, outputs);
    EXPECT_EQ(call.lses, lses);
}

#define SPOIL(...) [](Call &c) { __VA_ARGS__; }
const int64_t big = int64_t{1} << 31;

// clang-format off: a table
INSTANTIATE_TEST_SUITE_P(
    Runtime, MergeErrors,
    testing::Values(
        ErrorCase{"size", ATTUNE_STRUCT_SIZE, {"args.size is 8", "must be sizeof(attune_merge_args)", "header"}, SPOIL(c.args.size = 8)},
        ErrorCase{"version", ATTUNE_STRUCT_SIZE, {"args.version is 9", "ATTUNE_MERGE_ARGS_VERSION, here 1"}, SPOIL(c.args.version = 9)},
        ErrorCase{"dtype_null", ATTUNE_NULL_POINTER, {"dtype is null", "\"bf16\""}, SPOIL(c.args.dtype = nullptr)},
        ErrorCase{"dtype", ATTUNE_INVALID_ARGUMENT, {"dtype is \"f64\"", "\"f32\", \"f16\" or \"bf16\""}, SPOIL(c.args.dtype = "f64")},
        ErrorCase{"parts_negative", ATTUNE_INVALID_ARGUMENT, {"num_parts is -1", "at least 0"}, SPOIL(c.args.num_parts = -1)},
        ErrorCase{"parts_range", ATTUNE_INDEX_RANGE, {"num_parts is 2147483648", "split"}, SPOIL(c.args.num_parts = big)},
        ErrorCase{"batch", ATTUNE_INVALID_ARGUMENT, {"batch is -1", "at least 0"}, SPOIL(c.args.batch = -1)},
        ErrorCase{"heads", ATTUNE_INVALID_ARGUMENT, {"num_heads is 0", "at least 1"}, SPOIL(c.args.num_heads = 0)},
        ErrorCase{"rows", ATTUNE_INVALID_ARGUMENT, {"seq_len_q is -4"}, SPOIL(c.args.seq_len_q = -4)},
        ErrorCase{"columns", ATTUNE_INVALID_ARGUMENT, {"head_dim_v is 0", "at least 1"}, SPOIL(c.args.head_dim_v = 0)},
        ErrorCase{"batch_range", ATTUNE_INDEX_RANGE, {"batch is 2147483648", "2147483647", "split"}, SPOIL(c.args.batch = big)},
        ErrorCase{"rows_range", ATTUNE_INDEX_RANGE, {"seq_len_q is 268435457", "268435456"}, SPOIL(c.args.seq_len_q = (1 << 28) + 1)},
        ErrorCase{"no_outputs", ATTUNE_NULL_POINTER, {"part_output is null but num_parts is 2"}, SPOIL(c.args.part_output = nullptr)},
        ErrorCase{"no_lses", ATTUNE_NULL_POINTER, {"part_lse is null but num_parts is 2"}, SPOIL(c.args.part_lse = nullptr)},
        ErrorCase{"part_stride", ATTUNE_INVALID_ARGUMENT, {"stride_part_output[1] (head) is -20", "not be negative"}, SPOIL(c.args.stride_part_output[1] = -20)},
        ErrorCase{"part_lse_stride", ATTUNE_INVALID_ARGUMENT, {"stride_part_lse[2] (sequence) is -1"}, SPOIL(c.args.stride_part_lse[2] = -1)},
        ErrorCase{"output_stride", ATTUNE_INVALID_ARGUMENT, {"stride_output[0] (batch) is -60"}, SPOIL(c.args.stride_output[0] = -60)},
        ErrorCase{"lse_stride", ATTUNE_INVALID_ARGUMENT, {"stride_lse[0] (batch) is -12"}, SPOIL(c.args.stride_lse[0] = -12)},
        ErrorCase{"output_rows_overlap", ATTUNE_INVALID_ARGUMENT, {"stride_output[2] (sequence) is 4 but must be at least 5"}, SPOIL(c.args.stride_output[2] = 4)},
        ErrorCase{"lse_broadcast", ATTUNE_INVALID_ARGUMENT, {"stride_lse[1] (head) is 0", "rows of lse overlap"}, SPOIL(c.args.stride_lse[1] = 0)},
        ErrorCase{"part_span", ATTUNE_INDEX_RANGE, {"part_output spans 2147483", "split"}, SPOIL(c.args.stride_part_output[0] = big)},
        ErrorCase{"output_span", ATTUNE_INDEX_RANGE, {"output spans 9223372036854775807 or more"}, SPOIL(c.args.stride_output[2] = INT64_MAX)},
        ErrorCase{"output_null", ATTUNE_NULL_POINTER, {"output is null"}, SPOIL(c.args.output = nullptr)},
        ErrorCase{"part_null", ATTUNE_NULL_POINTER, {"part_output[1] is null"}, SPOIL(c.part_output[1] = nullptr)},
        ErrorCase{"part_lse_null", ATTUNE_NULL_POINTER, {"part_lse[0] is null"}, SPOIL(c.part_lse[0] = nullptr)},
        ErrorCase{"output_misaligned", ATTUNE_MISALIGNED, {"output is at", "4 bytes"}, SPOIL(c.args.output = (char *)c.args.output + 2)},
        ErrorCase{"part_misaligned", ATTUNE_MISALIGNED, {"part_output[1] is at", "4 bytes"}, SPOIL(c.part_output[1] = c.outputs.data() + 1, c.part_output[1] = (const char *)c.part_output[1] + 1)},
        ErrorCase{"lse_misaligned", ATTUNE_MISALIGNED, {"lse is at"}, SPOIL(c.args.lse = (float *)((char *)c.args.lse + 2))},
        ErrorCase{"lse_in_output", ATTUNE_INVALID_ARGUMENT, {"lse overlaps output", "memory of its own"}, SPOIL(c.args.lse = (float *)c.args.output + 3)},
        ErrorCase{"part_in_output", ATTUNE_INVALID_ARGUMENT, {"output overlaps part_output[1]", "480 bytes", "its address and strides"}, SPOIL(c.part_output[1] = c.output.data(), c.args.stride_part_output[2] = 15, c.args.stride_part_output[1] = 5)},
        ErrorCase{"part_ahead_of_output", ATTUNE_INVALID_ARGUMENT, {"output overlaps part_output[0]"}, SPOIL(c.args.output = c.outputs.data() + 5)},
        ErrorCase{"part_lse_in_output", ATTUNE_INVALID_ARGUMENT, {"output overlaps part_lse[0]", "apart from it; give"}, SPOIL(c.part_lse[0] = c.output.data())},
        ErrorCase{"part_lse_as_output", ATTUNE_INVALID_ARGUMENT, {"output overlaps part_lse[0]", "apart from it; give"}, SPOIL(c.part_lse[0] = c.output.data(), c.args.head_dim_v = 1, std::copy_n(c.args.stride_lse, 3, c.args.stride_output))},
        ErrorCase{"part_in_lse", ATTUNE_INVALID_ARGUMENT, {"lse overlaps part_output[0]"}, SPOIL(c.args.lse = c.outputs.data())},
        ErrorCase{"part_lse_ahead_of_lse", ATTUNE_INVALID_ARGUMENT, {"lse overlaps part_lse[1]"}, SPOIL(c.args.lse = c.lses.data() + 25)}),
    [](const auto &info) { return info.param.name; });
// clang-format on

TEST(MergeErrorsWithoutOutput, NullArgs) {
    EXPECT_EQ(attune_merge(nullptr), ATTUNE_NULL_POINTER);
    EXPECT_STREQ(attune_last_error(), "attune: args is null; pass an attune_merge_args");
}

TEST(MergeErrorsWithoutOutput, InPlaceTheStrideOfAnExtentOfOneMayDiffer) {
    Call call;
    call.args.batch = 1, call.args.output = call.outputs.data(), call.args.stride_output[0] = 0;
    EXPECT_EQ(attune_merge(&call.args), ATTUNE_OK) << attune_last_error();
    call.args.batch = 2;
    EXPECT_EQ(attune_merge(&call.args), ATTUNE_INVALID_ARGUMENT);
}

TEST(MergeErrorsWithoutOutput, PointersOfACallWithoutRowsAreNotLookedAt) {
    Call call;
    call.args.output = nullptr, call.part_output[0] = nullptr, call.args.batch = 0;
    EXPECT_EQ(attune_merge(&call.args), ATTUNE_OK);
    call.args.batch = 2, call.args.seq_len_q = 0;
    EXPECT_EQ(attune_merge(&call.args), ATTUNE_OK);
}

}  // namespace
