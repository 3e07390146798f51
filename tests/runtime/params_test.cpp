/// Parameters of a mask or a score: what task functions get of them, and what is refused.
#include "problem.h"

#include <cstddef>
#include <gtest/gtest.h>

namespace {

/// A generated <name>_params.
struct Params {
    attune_tensor bias;
    float slope;
    int32_t window;
    attune_tensor ids, flags, table, buckets;
};

attune_param tensor(const char *name, const char *declaration, size_t offset, int type_code, int type_bits, std::vector<int> dims,
                    int extent = 0) {
    attune_param p{name, declaration, uint32_t(offset), uint8_t(type_code), uint8_t(type_bits), uint8_t(dims.size()), 0, {}, {}};
    for (size_t d = 0; d < dims.size(); d++) {
        p.dim[d] = uint8_t(dims[d]);
        p.extent[d] = dims[d] == ATTUNE_DIM_EXTENT ? extent : 0;
    }
    return p;
}

/// 2 sequences, 4 heads, 2 key/value heads, 6 rows, 7 keys; all params right.
struct ParamsCall {
    FakeKernel fake{{.has_mask = true}};
    Problem p;
    std::vector<float> bias = std::vector<float>(4 * 6 * 7), table = std::vector<float>(8 * 3);
    std::vector<int32_t> ids = {0, 0, 1, 1, 1, 2, 2, 0, 1, 1, 1, 1, 1, 1};
    std::vector<uint8_t> flags = std::vector<uint8_t>(4 * 2);
    std::vector<uint16_t> buckets = std::vector<uint16_t>(6);
    Params params{};

    ParamsCall() {
        attune_param ids_param = tensor("ids", "i32[b, kv] nondecreasing", offsetof(Params, ids), 0, 32, {ATTUNE_DIM_B, ATTUNE_DIM_KV});
        ids_param.nondecreasing = 1;
        fake.params = {
            tensor("bias", "f32[1, h, q, kv]", offsetof(Params, bias), 2, 32, {ATTUNE_DIM_ONE, ATTUNE_DIM_H, ATTUNE_DIM_Q, ATTUNE_DIM_KV}),
            tensor("slope", "f32", offsetof(Params, slope), 2, 32, {}),
            tensor("window", "i32", offsetof(Params, window), 0, 32, {}),
            ids_param,
            tensor("flags", "bool[h, hkv]", offsetof(Params, flags), 1, 8, {ATTUNE_DIM_H, ATTUNE_DIM_HKV}),
            tensor("table", "f32[8, n]", offsetof(Params, table), 2, 32, {ATTUNE_DIM_EXTENT, ATTUNE_DIM_FREE}, 8),
            tensor("buckets", "bf16[q]", offsetof(Params, buckets), 4, 16, {ATTUNE_DIM_Q})};
        fake.kernel.params_size = sizeof(Params);
        fake.refresh();
        params.bias = {bias.data(), {-99 /* declared 1: not looked at */, 4, 6, 7}, {-99}};
        params.slope = 0.5f, params.window = 3;
        params.ids = {ids.data(), {2, 7}, {7, 1}};
        params.flags = {flags.data(), {4, 2}, {}};
        params.table = {table.data(), {8, 3}, {1, 8}};
        params.buckets = {buckets.data(), {6}, {}};
        p.build();
        p.args.params = &params;
    }
};

struct Dim {
    int extent, stride;
    bool operator==(const Dim &) const = default;
};
std::ostream &operator<<(std::ostream &out, const Dim &d) {
    return out << d.extent << '/' << d.stride;
}
/// Innermost first.
std::vector<Dim> dims_of(const void *argument) {
    const auto *b = static_cast<const attune_buffer *>(argument);
    std::vector<Dim> dims;
    for (int d = 0; d < b->dimensions; d++) {
        EXPECT_EQ(b->dim[d].min, 0);
        dims.push_back({b->dim[d].extent, b->dim[d].stride});
    }
    return dims;
}

class ParamsTest : public testing::Test {
protected:
    ParamsCall call;
    /// Runs `see` on the arguments of each block.
    void run(const std::function<void(void **)> &see) {
        int seen = 0;
        script->see_params = [&](void **arguments) {
            see(arguments);
            seen++;
        };
        ASSERT_EQ(call.p.run(&call.fake.kernel), ATTUNE_OK) << attune_last_error();
        EXPECT_EQ(seen, script->exact_calls);
        EXPECT_GT(seen, 0);
        call.p.expect_right();  // the arguments after the params are where they belong
    }
};

TEST_F(ParamsTest, ArriveInTheirOrder) {
    run([&](void **a) {
        EXPECT_EQ(*static_cast<float *>(a[1]), 0.5f);
        EXPECT_EQ(*static_cast<int32_t *>(a[2]), 3);
        const void *hosts[] = {call.bias.data(),   nullptr, nullptr, call.ids.data(), call.flags.data(), call.table.data(),
                               call.buckets.data()};
        const int codes[] = {2, 0, 0, 0, 1, 2, 4}, bits[] = {32, 0, 0, 32, 8, 32, 16};
        for (int i : {0, 3, 4, 5, 6}) {
            const auto *b = static_cast<const attune_buffer *>(a[i]);
            EXPECT_EQ(b->host, hosts[i]);
            EXPECT_EQ(b->type_code, codes[i]);
            EXPECT_EQ(b->type_bits, bits[i]);
            EXPECT_EQ(b->type_lanes, 1);
        }
        EXPECT_EQ(dims_of(a[0]), (std::vector<Dim>{{7, 1}, {6, 7}, {4, 42}, {1, 0}}));  // dense, C order
        EXPECT_EQ(dims_of(a[3]), (std::vector<Dim>{{7, 1}, {2, 7}}));
        EXPECT_EQ(dims_of(a[4]), (std::vector<Dim>{{2, 1}, {4, 2}}));
        EXPECT_EQ(dims_of(a[5]), (std::vector<Dim>{{3, 8}, {8, 1}}));  // as given
        EXPECT_EQ(dims_of(a[6]), (std::vector<Dim>{{6, 1}}));
    });
}

TEST_F(ParamsTest, OfExtentOneServeEveryIndex) {
    call.params.bias.extent[1] = call.params.bias.extent[2] = 1;
    call.params.ids.extent[0] = 1, call.params.ids.stride[0] = 12345;
    call.params.buckets = {call.buckets.data(), {1}, {7}};
    run([&](void **a) {
        EXPECT_EQ(dims_of(a[0]), (std::vector<Dim>{{7, 1}, {1, 0}, {1, 0}, {1, 0}}));
        EXPECT_EQ(dims_of(a[3]), (std::vector<Dim>{{7, 1}, {1, 0}}));
        EXPECT_EQ(dims_of(a[6]), (std::vector<Dim>{{1, 0}}));
    });
}

TEST_F(ParamsTest, MayBroadcastByStrideAndBeLonger) {
    call.params.bias.stride[3] = 1;  // 0 for heads and rows
    call.params.ids.extent[1] = 7;
    std::vector<uint16_t> longer(100);
    call.params.buckets = {longer.data(), {100}, {}};
    run([&](void **a) {
        EXPECT_EQ(dims_of(a[0]), (std::vector<Dim>{{7, 1}, {6, 0}, {4, 0}, {1, 0}}));
        EXPECT_EQ(dims_of(a[6]), (std::vector<Dim>{{100, 1}}));
    });
}

TEST_F(ParamsTest, OfPackedSequencesMayBeShorterThanAllTogether) {
    call.p.batch = 2, call.p.cu_q = {0, 4, 6}, call.p.cu_kv = {0, 5, 7};
    call.p.build();
    call.p.args.params = &call.params;
    call.params.bias.extent[2] = 4, call.params.bias.extent[3] = 5;
    call.params.ids = {call.ids.data(), {2, 5}, {5, 1}};
    call.ids = {0, 0, 1, 1, 1, 2, 2, 2, 2, 2};
    call.params.ids.data = call.ids.data();
    run([](void **a) { EXPECT_EQ(dims_of(a[3]), (std::vector<Dim>{{5, 1}, {2, 5}})); });
}

TEST_F(ParamsTest, AreNotLookedAtWithoutKeysOrRows) {
    for (bool no_keys : {false, true}) {
        (no_keys ? call.p.keys : call.p.rows) = 0;
        call.p.build();
        const Params nothing{};
        call.p.args.params = &nothing;
        EXPECT_EQ(call.p.run(&call.fake.kernel), ATTUNE_OK) << attune_last_error();
        call.p.expect_right();
        call.p.rows = 6;
    }
}

// ---- errors

struct ParamsError {
    const char *name;
    attune_status status;
    std::vector<const char *> pieces;
    std::function<void(ParamsCall &)> spoil;
};
class ParamsErrors : public testing::TestWithParam<ParamsError> {};

TEST_P(ParamsErrors, NameArgumentValueAndCure) {
    const ParamsError &c = GetParam();
    ParamsCall call;
    call.p.give_workspace(&call.fake.kernel);
    c.spoil(call);
    EXPECT_EQ(attune_kernel_run(&call.fake.kernel, &call.p.args), c.status);
    for (const char *piece : c.pieces)
        EXPECT_NE(std::string(attune_last_error()).find(piece), std::string::npos) << attune_last_error() << "\n  lacks: " << piece;
    EXPECT_EQ(script->blocks.size(), 0u);
    call.p.expect_untouched();
}

const int64_t big = int64_t{1} << 31;
#define SPOIL(...)                                                                                                                         \
    [](ParamsCall &c) {                                                                                                                    \
        Params &p = c.params;                                                                                                              \
        (void)p;                                                                                                                           \
        __VA_ARGS__;                                                                                                                       \
    }
// clang-format off: a table
INSTANTIATE_TEST_SUITE_P(
    Runtime, ParamsErrors,
    testing::Values(
        ParamsError{"null", ATTUNE_INVALID_ARGUMENT, {"params is null", "fake_params"}, SPOIL(c.p.args.params = nullptr)},
        ParamsError{"null_data", ATTUNE_NULL_POINTER, {"params.ids.data is null", "i32[b, kv] nondecreasing"}, SPOIL(p.ids.data = nullptr)},
        ParamsError{
            "misaligned", ATTUNE_MISALIGNED, {"params.bias.data is at", "4 bytes"}, SPOIL(p.bias.data = (const char *)p.bias.data + 2)},
        ParamsError{"misaligned_half",
                    ATTUNE_MISALIGNED,
                    {"params.buckets.data", "2 bytes"},
                    SPOIL(p.buckets.data = (const char *)p.buckets.data + 1)},
        ParamsError{"no_extent",
                    ATTUNE_SHAPE_MISMATCH,
                    {"params.ids.extent[1] is 0 but must be at least 1", "i32[b, kv]"},
                    SPOIL(p.ids.extent[1] = 0)},
        ParamsError{"negative_extent", ATTUNE_SHAPE_MISMATCH, {"params.table.extent[1] is -4"}, SPOIL(p.table.extent[1] = -4)},
        ParamsError{"huge_extent",
                    ATTUNE_INDEX_RANGE,
                    {"params.table.extent[1] is 2147483648", "at most 2147483647"},
                    SPOIL(p.table.extent[1] = big)},
        ParamsError{"batch",
                    ATTUNE_SHAPE_MISMATCH,
                    {"params.ids.extent[0] is 3 but must be 4, which is batch, or 1"},
                    SPOIL(c.p.args.batch = 4, p.ids.extent[0] = 3)},
        ParamsError{"heads",
                    ATTUNE_SHAPE_MISMATCH,
                    {"params.bias.extent[1] is 3 but must be 4, which is num_heads, or 1", "f32[1, h, q, kv]"},
                    SPOIL(p.bias.extent[1] = 3)},
        ParamsError{"kv_heads",
                    ATTUNE_SHAPE_MISMATCH,
                    {"params.flags.extent[1] is 3 but must be 4, which is num_kv_heads"},
                    SPOIL(c.p.args.num_kv_heads = 4, p.flags.extent[1] = 3)},
        ParamsError{"rows",
                    ATTUNE_SHAPE_MISMATCH,
                    {"params.buckets.extent[0] is 5 but must be 6, which is seq_len_q"},
                    SPOIL(p.buckets.extent[0] = 5)},
        ParamsError{
            "keys", ATTUNE_SHAPE_MISMATCH, {"params.bias.extent[3] is 6 but must be 7, which is seq_len_kv"}, SPOIL(p.bias.extent[3] = 6)},
        ParamsError{
            "declared_extent",
            ATTUNE_SHAPE_MISMATCH,
            {"params.table.extent[0] is 9 but must be 8, which is its declared extent, as the kernel was generated for", "f32[8, n]"},
            SPOIL(p.table.extent[0] = 9)},
        ParamsError{"declared_extent_is_no_broadcast",
                    ATTUNE_SHAPE_MISMATCH,
                    {"params.table.extent[0] is 1 but must be 8"},
                    SPOIL(p.table.extent[0] = 1)},
        ParamsError{"negative_stride",
                    ATTUNE_INVALID_ARGUMENT,
                    {"params.ids.stride[1] is -1 but must not be negative"},
                    SPOIL(p.ids.stride[1] = -1)},
        ParamsError{"span", ATTUNE_INDEX_RANGE, {"params.ids spans more than 2147483647 elements"}, SPOIL(p.ids.stride[0] = big)},
        ParamsError{"span_beyond_64_bits", ATTUNE_INDEX_RANGE, {"params.ids spans"}, SPOIL(p.ids.stride[0] = p.ids.stride[1] = INT64_MAX)},
        ParamsError{"in_output", ATTUNE_INVALID_ARGUMENT, {"output overlaps bias"}, SPOIL(p.bias.data = c.p.args.output)},
        ParamsError{"in_workspace", ATTUNE_INVALID_ARGUMENT, {"workspace overlaps table"}, SPOIL(p.table.data = c.p.args.workspace)},
        ParamsError{"too_many", ATTUNE_INTERNAL, {"damaged table"}, SPOIL(c.fake.params.resize(17, c.fake.params[1]), c.fake.refresh())},
        ParamsError{"too_deep", ATTUNE_INTERNAL, {"damaged table"}, SPOIL(c.fake.params[0].dimensions = 5, c.fake.refresh())},
        ParamsError{"outside", ATTUNE_INTERNAL, {"damaged table"}, SPOIL(c.fake.params[1].offset = sizeof(Params), c.fake.refresh())}),
    [](const auto &info) { return info.param.name; });
// clang-format on

TEST_F(ParamsTest, ThatPromiseToBeSortedAreCheckedInDebugBuilds) {
#ifdef NDEBUG
    GTEST_SKIP() << "a release build trusts the promise";
#endif
    call.ids[12] = 0;  // the sixth key of the second sequence
    EXPECT_EQ(call.p.run(&call.fake.kernel), ATTUNE_INVALID_ARGUMENT);
    EXPECT_STREQ(attune_last_error(),
                 "attune: params.ids decreases at [5] of row 1 but is declared i32[b, kv] nondecreasing; sort it, or drop the promise");
    call.p.expect_untouched();
    call.params.ids.extent[0] = 1;  // only the first row is in use now
    EXPECT_EQ(call.p.run(&call.fake.kernel), ATTUNE_OK) << attune_last_error();
}

TEST_F(ParamsTest, WorkspaceNeedsTheirSizesOnly) {
    call.params.bias.data = call.params.ids.data = call.params.flags.data = call.params.table.data = call.params.buckets.data = nullptr;
    EXPECT_GT(attune_kernel_workspace_size(&call.fake.kernel, &call.p.args), 0u);
    call.p.args.params = nullptr;
    EXPECT_EQ(attune_kernel_workspace_size(&call.fake.kernel, &call.p.args), 0u);
}

}  // namespace
