/// Every error: its code, that its line names argument, value and cure, and that the output stays as it was.
#include "problem.h"

#include <gtest/gtest.h>
#include <thread>

namespace {

struct ErrorCase {
    const char *name;
    attune_status status;
    std::vector<const char *> pieces;  ///< of the message
    std::function<void(Problem &, FakeKernel &)> spoil;
};

class Errors : public testing::TestWithParam<ErrorCase> {};

TEST_P(Errors, NamesArgumentValueAndCure) {
    const ErrorCase &c = GetParam();
    FakeKernel fake(true);
    Problem p;
    p.build();
    p.give_workspace(&fake.kernel);
    c.spoil(p, fake);
    EXPECT_EQ(attune_kernel_run(&fake.kernel, &p.args), c.status);
    const std::string message = attune_last_error();
    EXPECT_EQ(message.rfind("attune: ", 0), 0u) << message;
    for (const char *piece : c.pieces)
        EXPECT_NE(message.find(piece), std::string::npos) << message << "\n  lacks: " << piece;
    EXPECT_EQ(script->blocks.size(), 0u);
    p.expect_untouched();
}

static const int32_t bad_length[] = {3, 9}, negative_length[] = {-1, 3}, good_q[] = {0, 2, 6}, good_kv[] = {0, 3, 7}, late_cu[] = {1, 2, 3},
                     falling_cu[] = {0, 4, 3}, long_cu[] = {0, 4, 99};

#define SPOIL(...)                                                                                                                         \
    [](Problem &p, FakeKernel &fake) {                                                                                                     \
        (void)p, (void)fake;                                                                                                               \
        __VA_ARGS__;                                                                                                                       \
    }
const int64_t big = int64_t{1} << 31;

// clang-format off: a table
INSTANTIATE_TEST_SUITE_P(
    Runtime, Errors,
    testing::Values(
        ErrorCase{"args_size", ATTUNE_STRUCT_SIZE, {"args.size is 8", "must be sizeof(attune_attention_args)"}, SPOIL(p.args.size = 8)},
        ErrorCase{"args_version", ATTUNE_STRUCT_SIZE, {"args.version is 9", "here 1"}, SPOIL(p.args.version = 9)},
        ErrorCase{"exec_size", ATTUNE_STRUCT_SIZE, {"exec.size is 0", "sizeof(attune_exec)"}, SPOIL(p.exec.size = 0)},
        ErrorCase{"exec_threads", ATTUNE_INVALID_ARGUMENT, {"exec.num_threads is -2", "at least 0"}, SPOIL(p.exec.num_threads = -2)},
        ErrorCase{"kernel_abi", ATTUNE_STRUCT_SIZE, {"kernel abi is 77", "has 9", "generate"}, SPOIL(fake.kernel.abi = 77)},
        ErrorCase{"kernel_without_variants", ATTUNE_INTERNAL, {"kernel fake", "damaged"}, SPOIL(fake.kernel.num_variants = 0)},
        ErrorCase{"variant_without_exact",
                  ATTUNE_INTERNAL,
                  {"kernel fake", "sse41"},
                  SPOIL(fake.variants[0].exact = nullptr, fake.kernel.chosen = nullptr)},
        ErrorCase{"tiles_do_not_divide", ATTUNE_INTERNAL, {"damaged table"}, SPOIL(fake.variants[0].tile_kv = 3, fake.refresh())},
        ErrorCase{"strips_too_few", ATTUNE_INTERNAL, {"damaged table"}, SPOIL(fake.variants[0].strip_rows = 3, fake.refresh())},
        ErrorCase{"fold_is_no_group",
                  ATTUNE_INTERNAL,
                  {"damaged table"},
                  SPOIL(fake.variants[0].fold = 2, fake.variants[0].strips = 2, fake.refresh())},
        ErrorCase{"fixed_without_norms", ATTUNE_INTERNAL, {"damaged table"}, SPOIL(fake.variants[0].key_norms = nullptr, fake.refresh())},
        ErrorCase{"ranges_too_many",
                  ATTUNE_INTERNAL,
                  {"damaged table"},
                  SPOIL(fake.variants[0].key_ranges = fake.variants[0].exact, fake.variants[0].num_ranges = 9, fake.refresh())},
        ErrorCase{"batch", ATTUNE_INVALID_ARGUMENT, {"batch is -1", "at least 0"}, SPOIL(p.args.batch = -1)},
        ErrorCase{"heads_zero", ATTUNE_INVALID_ARGUMENT, {"num_heads is 0", "at least 1"}, SPOIL(p.args.num_heads = 0)},
        ErrorCase{"kv_heads_zero", ATTUNE_INVALID_ARGUMENT, {"num_kv_heads is 0", "at least 1"}, SPOIL(p.args.num_kv_heads = 0)},
        ErrorCase{"rows_negative", ATTUNE_INVALID_ARGUMENT, {"seq_len_q is -3"}, SPOIL(p.args.seq_len_q = -3)},
        ErrorCase{"keys_negative", ATTUNE_INVALID_ARGUMENT, {"seq_len_kv is -4"}, SPOIL(p.args.seq_len_kv = -4)},
        ErrorCase{"heads_not_a_multiple",
                  ATTUNE_INVALID_ARGUMENT,
                  {"attune: num_heads is 30 but must be a multiple of num_kv_heads, which is 8"},
                  SPOIL(p.args.num_heads = 30, p.args.num_kv_heads = 8)},
        ErrorCase{"group",
                  ATTUNE_SHAPE_MISMATCH,
                  {"num_heads is 4", "kernel fake was generated for group 4", "so 8 with num_kv_heads 2", "GROUP 2"},
                  SPOIL(fake.kernel.info.group = 4)},
        ErrorCase{
            "no_lse", ATTUNE_INVALID_ARGUMENT, {"lse is given", "kernel fake writes none", "OUTPUTS"}, SPOIL(fake.kernel.info.has_lse = 0)},
        ErrorCase{
            "params_missing", ATTUNE_INVALID_ARGUMENT, {"params is null", "fake_params", "16 bytes"}, SPOIL(fake.kernel.params_size = 16)},
        ErrorCase{"params_unwanted", ATTUNE_INVALID_ARGUMENT, {"params is given", "pass null"}, SPOIL(p.args.params = &p)},
        ErrorCase{"query_stride",
                  ATTUNE_INVALID_ARGUMENT,
                  {"stride_query[1] (head) is -8", "not be negative"},
                  SPOIL(p.args.stride_query[1] = -8)},
        ErrorCase{"key_stride", ATTUNE_INVALID_ARGUMENT, {"stride_key[2] (sequence) is -1"}, SPOIL(p.args.stride_key[2] = -1)},
        ErrorCase{"value_stride", ATTUNE_INVALID_ARGUMENT, {"stride_value[0] (batch) is -1"}, SPOIL(p.args.stride_value[0] = -1)},
        ErrorCase{"output_stride", ATTUNE_INVALID_ARGUMENT, {"stride_output[0] (batch) is -1"}, SPOIL(p.args.stride_output[0] = -1)},
        ErrorCase{"lse_stride", ATTUNE_INVALID_ARGUMENT, {"stride_lse[2] (sequence) is -1"}, SPOIL(p.args.stride_lse[2] = -1)},
        ErrorCase{"output_broadcast",
                  ATTUNE_INVALID_ARGUMENT,
                  {"stride_output[1] (head) is 0", "rows of output overlap"},
                  SPOIL(p.args.stride_output[1] = 0)},
        ErrorCase{"output_rows_overlap",
                  ATTUNE_INVALID_ARGUMENT,
                  {"stride_output[2] (sequence) is 2 but must be at least 3"},
                  SPOIL(p.args.stride_output[2] = 2)},
        ErrorCase{"lse_broadcast",
                  ATTUNE_INVALID_ARGUMENT,
                  {"stride_lse[2] (sequence) is 0 but must be at least 1"},
                  SPOIL(p.args.stride_lse[2] = 0)},
        ErrorCase{"lengths_q", ATTUNE_INVALID_ARGUMENT, {"lengths_q[1] is 9", "0 .. 6", "seq_len_q"}, SPOIL(p.args.lengths_q = bad_length)},
        ErrorCase{"lengths_kv",
                  ATTUNE_INVALID_ARGUMENT,
                  {"lengths_kv[0] is -1", "0 .. 7", "seq_len_kv"},
                  SPOIL(p.args.lengths_kv = negative_length)},
        ErrorCase{
            "cu_q_alone", ATTUNE_INVALID_ARGUMENT, {"cu_seqlens_q is given without cu_seqlens_kv"}, SPOIL(p.args.cu_seqlens_q = good_q)},
        ErrorCase{
            "cu_kv_alone", ATTUNE_INVALID_ARGUMENT, {"cu_seqlens_kv is given without cu_seqlens_q"}, SPOIL(p.args.cu_seqlens_kv = good_kv)},
        ErrorCase{"cu_with_lengths",
                  ATTUNE_INVALID_ARGUMENT,
                  {"lengths_q is given together with cu_seqlens"},
                  SPOIL(p.args.cu_seqlens_q = good_q, p.args.cu_seqlens_kv = good_kv, p.args.lengths_q = good_q)},
        ErrorCase{"cu_late",
                  ATTUNE_INVALID_ARGUMENT,
                  {"cu_seqlens_q[0] is 1 but must be 0"},
                  SPOIL(p.args.cu_seqlens_q = late_cu, p.args.cu_seqlens_kv = good_kv)},
        ErrorCase{"cu_falling",
                  ATTUNE_INVALID_ARGUMENT,
                  {"cu_seqlens_kv[2] is 3", "which is 4"},
                  SPOIL(p.args.cu_seqlens_q = good_q, p.args.cu_seqlens_kv = falling_cu)},
        ErrorCase{"cu_long",
                  ATTUNE_INVALID_ARGUMENT,
                  {"cu_seqlens_kv[2] is 99", "at most seq_len_kv, which is 7"},
                  SPOIL(p.args.cu_seqlens_q = good_q, p.args.cu_seqlens_kv = long_cu)},
        ErrorCase{"query_null", ATTUNE_NULL_POINTER, {"query is null"}, SPOIL(p.args.query = nullptr)},
        ErrorCase{"key_null", ATTUNE_NULL_POINTER, {"key is null"}, SPOIL(p.args.key = nullptr)},
        ErrorCase{"value_null", ATTUNE_NULL_POINTER, {"value is null"}, SPOIL(p.args.value = nullptr)},
        ErrorCase{"output_null", ATTUNE_NULL_POINTER, {"output is null"}, SPOIL(p.args.output = nullptr)},
        ErrorCase{"query_misaligned", ATTUNE_MISALIGNED, {"query is at", "4 bytes"}, SPOIL(p.args.query = (const char *)p.args.query + 2)},
        ErrorCase{"output_misaligned", ATTUNE_MISALIGNED, {"output is at"}, SPOIL(p.args.output = (char *)p.args.output + 1)},
        ErrorCase{"lse_misaligned", ATTUNE_MISALIGNED, {"lse is at"}, SPOIL(p.args.lse = (float *)((char *)p.args.lse + 2))},
        ErrorCase{"workspace_misaligned",
                  ATTUNE_MISALIGNED,
                  {"workspace is at", "64 bytes", "aligned_alloc"},
                  SPOIL(p.args.workspace = (char *)p.args.workspace + 32)},
        ErrorCase{"workspace_null",
                  ATTUNE_WORKSPACE_TOO_SMALL,
                  {"workspace is null", "workspace_size returns"},
                  SPOIL(p.args.workspace = nullptr)},
        ErrorCase{"workspace_small", ATTUNE_WORKSPACE_TOO_SMALL, {"workspace_size is 17", "needs"}, SPOIL(p.args.workspace_size = 17)},
        ErrorCase{"output_is_query",
                  ATTUNE_INVALID_ARGUMENT,
                  {"output overlaps query", "memory of its own"},
                  SPOIL(p.args.query = p.args.output)},
        ErrorCase{"output_in_value", ATTUNE_INVALID_ARGUMENT, {"output overlaps value"}, SPOIL(p.args.value = (float *)p.args.output + 20)},
        ErrorCase{"lse_in_output", ATTUNE_INVALID_ARGUMENT, {"lse overlaps output"}, SPOIL(p.args.lse = (float *)p.args.output + 5)},
        ErrorCase{"lse_in_key", ATTUNE_INVALID_ARGUMENT, {"lse overlaps key"}, SPOIL(p.args.key = p.args.lse)},
        ErrorCase{"workspace_is_output", ATTUNE_INVALID_ARGUMENT, {"workspace overlaps output"}, SPOIL(p.args.output = p.args.workspace)},
        ErrorCase{"batch_range", ATTUNE_INDEX_RANGE, {"batch is 2147483648", "2147483647", "split"}, SPOIL(p.args.batch = big)},
        ErrorCase{"rows_range", ATTUNE_INDEX_RANGE, {"seq_len_q is 2147483648"}, SPOIL(p.args.seq_len_q = big)},
        ErrorCase{"keys_range",
                  ATTUNE_INDEX_RANGE,
                  {"seq_len_kv is 268435457", "268435456", "kernel fake", "split"},
                  SPOIL(p.args.seq_len_kv = (1 << 28) + 1)},
        ErrorCase{"batch_range_of_masks",
                  ATTUNE_INDEX_RANGE,
                  {"batch is 1048577", "at most 1048576 for kernel fake"},
                  SPOIL(p.args.batch = (1 << 20) + 1, fake.variants[0].block_states = fake.variants[0].exact)},
        ErrorCase{"heads_range_of_scores",
                  ATTUNE_INDEX_RANGE,
                  {"num_heads is 1048578", "at most 1048576"},
                  SPOIL(p.args.num_heads = (1 << 20) + 2, fake.kernel.info.score = "softcap(s, 50)")},
        ErrorCase{"batch_heads_range",
                  ATTUNE_INDEX_RANGE,
                  {"batch * num_heads is 4294967296"},
                  SPOIL(p.args.batch = 1 << 16, p.args.num_heads = 1 << 16)},
        ErrorCase{"key_span",
                  ATTUNE_INDEX_RANGE,
                  {"key spans 2147483", "elements but must span at most 2147483647"},
                  SPOIL(p.args.stride_key[0] = big - 4)},
        ErrorCase{
            "query_span_huge", ATTUNE_INDEX_RANGE, {"query spans 9223372036854775807 or more"}, SPOIL(p.args.stride_query[2] = INT64_MAX)},
        ErrorCase{"lse_span", ATTUNE_INDEX_RANGE, {"lse spans"}, SPOIL(p.args.stride_lse[1] = big)},
        ErrorCase{"cpu",
                  ATTUNE_UNSUPPORTED_CPU,
                  {"kernel fake has sse41", "this CPU lacks", "TARGETS sse41"},
                  SPOIL(fake.variants[0].features = 1u << 30, fake.kernel.chosen = nullptr)},
        ErrorCase{
            "workspace_beyond_memory", ATTUNE_INDEX_RANGE, {"workspace would exceed"}, SPOIL(fake.variants[0].scratch_bytes = INT64_MAX)}),
    [](const auto &info) { return info.param.name; });
// clang-format on

TEST(ErrorsWithoutOutput, NullArgsAndNullKernel) {
    FakeKernel fake;
    Problem p;
    p.build();
    EXPECT_EQ(attune_kernel_run(&fake.kernel, nullptr), ATTUNE_NULL_POINTER);
    EXPECT_STREQ(attune_last_error(), "attune: args is null; pass an attune_attention_args");
    EXPECT_EQ(attune_kernel_run(nullptr, &p.args), ATTUNE_NULL_POINTER);
    EXPECT_NE(std::string(attune_last_error()).find("kernel is null"), std::string::npos);
    EXPECT_EQ(attune_kernel_workspace_size(nullptr, &p.args), 0u);
    EXPECT_EQ(attune_kernel_workspace_size(&fake.kernel, nullptr), 0u);
}

TEST(ErrorsWithoutOutput, FailingTaskFunctionsAreNamed) {
    for (const char *function : {"key_norms", "key_ranges", "block_states", "row_reference", "fixed", "exact", "pairs"}) {
        FakeKernel fake({.has_fixed = true, .has_mask = true, .num_ranges = 1, .has_pairs = true});
        script->row_class = [](int, int, int q) { return q % 2; };
        script->fail[function] = -11;
        Problem p;
        p.build();
        p.ask_pairs();
        p.exec.num_threads = 3;
        EXPECT_EQ(p.run(&fake.kernel), ATTUNE_INTERNAL);
        const std::string want =
            std::string("attune: kernel fake (sse41) failed in its ") + function + " function with code -11; please report it";
        EXPECT_EQ(attune_last_error(), want);
    }
}

TEST(ErrorsWithoutOutput, AFailureStopsTheCall) {
    FakeKernel fake;
    int entered = 0;
    script->in_exact = [&] { entered++; };
    script->fail["exact"] = 1;
    Problem p;
    p.rows = 400;
    p.build();
    EXPECT_EQ(p.run(&fake.kernel), ATTUNE_INTERNAL);
    EXPECT_EQ(entered, 1);
}

TEST(Status, EveryCodeHasASentence) {
    for (int code = ATTUNE_OK; code <= ATTUNE_INTERNAL; code++) {
        const std::string sentence = attune_status_string(code);
        EXPECT_GT(sentence.size(), 5u);
        EXPECT_TRUE(sentence.back() != '.' && !isupper(sentence[0])) << sentence;
    }
    EXPECT_STREQ(attune_status_string(-1), "unknown status");
    EXPECT_STREQ(attune_status_string(12), "unknown status");
    EXPECT_STREQ(attune_status_string(INT32_MAX), "unknown status");
}

TEST(Status, LastErrorBelongsToItsThread) {
    EXPECT_EQ(attune_kernel_run(nullptr, nullptr), ATTUNE_NULL_POINTER);
    std::string elsewhere = "?";
    std::thread([&] { elsewhere = attune_last_error(); }).join();
    EXPECT_EQ(elsewhere, "");
    EXPECT_NE(std::string(attune_last_error()), "");
}

TEST(Status, LongMessagesAreCut) {
    FakeKernel fake;
    const std::string name(9000, 'n');
    fake.kernel.info.name = name.c_str();
    fake.kernel.info.has_lse = 0;
    Problem p;
    p.build();
    EXPECT_EQ(attune_kernel_run(&fake.kernel, &p.args), ATTUNE_INVALID_ARGUMENT);
    EXPECT_LT(std::string(attune_last_error()).size(), 4096u);
}

}  // namespace
