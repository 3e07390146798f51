#include "generator/cli/awkward_shapes.h"
#include "generator/cli/problem.h"
#include "generator/cli/run_inputs.h"
#include "generator/reference/rope.h"
#include "generator/spec/error.h"
#include "tests/support/cached_row.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace attune::cli {
namespace {

RunInputs inputs_of(const char *npy, int64_t heads, int64_t kv_heads, int64_t dim, int64_t dim_v) {
    RunInputs in;
    in.query = {npy, {1, heads, 3, dim}, {}};
    in.key = {npy, {1, kv_heads, 4, dim}, {}};
    in.value = {npy, {1, kv_heads, 4, dim_v}, {}};
    in.shape = {1, heads, kv_heads, 3, 4};
    in.head_dim = dim;
    in.head_dim_v = dim_v;
    return in;
}

TEST(SpecForInputs, DefaultsToTheArrays) {
    const AttentionSpec spec = spec_for_inputs({}, inputs_of("<f2", 6, 2, 40, 24));
    EXPECT_EQ(spec.dtype, DType::f16);
    EXPECT_EQ(spec.head_dim, 40);
    EXPECT_EQ(spec.head_dim_v, 24);
    EXPECT_EQ(spec.group, 3);
}

TEST(SpecForInputs, ARatioThatNoKernelFixesIsAnyRatio) {
    EXPECT_EQ(spec_for_inputs({}, inputs_of("<f4", 2000, 1, 8, 8)).group, 0);
}

TEST(SpecForInputs, Bfloat16TakesFloat32Arrays) {
    RawSpec raw;
    set_spec_flag(raw, "kernel.dtype", "bf16", "--dtype");
    EXPECT_EQ(spec_for_inputs(raw, inputs_of("<f4", 1, 1, 8, 8)).dtype, DType::bf16);
    EXPECT_EQ(spec_for_inputs(raw, inputs_of("<u2", 1, 1, 8, 8)).dtype, DType::bf16);
    EXPECT_THROW(spec_for_inputs(raw, inputs_of("<f2", 1, 1, 8, 8)), Error);
}

TEST(SpecForInputs, ContradictionsNameBothValues) {
    const struct {
        const char *key, *text, *flag, *found, *expected;
    } rows[] = {{"kernel.dtype", "f16", "--dtype", "f32", "f16 as --dtype says"},
                {"kernel.head_dim", "32", "--head-dim", "40", "32 as --head-dim says"},
                {"kernel.head_dim_v", "40", "--head-dim-v", "24", "40 as --head-dim-v says"},
                {"kernel.group", "2", "--group", "3", "2 as --group says"}};
    for (const auto &row : rows) {
        RawSpec raw;
        set_spec_flag(raw, row.key, row.text, row.flag);
        try {
            spec_for_inputs(raw, inputs_of("<f4", 6, 2, 40, 24));
            ADD_FAILURE() << row.key << " accepted";
        } catch (const Error &error) {
            EXPECT_EQ(error.details().code, ErrorCode::input);
            EXPECT_EQ(error.details().value, row.found);
            EXPECT_EQ(error.details().expected, row.expected);
        }
    }
}

TEST(SpecForInputs, ValuesInKeyHaveNoArray) {
    const RawSpec raw = read_spec_text("[kernel]\nphases = [\"decode\"]\nhead_dim = 96\nvalue = \"key[0:64]\"\n", "mla.toml");
    const AttentionSpec spec = spec_for_inputs(raw, inputs_of("<f4", 6, 2, 96, 64));
    EXPECT_TRUE(spec.cache.values_in_key);
    EXPECT_EQ(spec.head_dim_v, 64);
    EXPECT_EQ(spec.group, 3);
}

TEST(EncodeArray, RoundsFloat32ToBfloat16AndBack) {
    const float numbers[] = {1.0f, 1.00390625f /* half way, to even */, 1.01171875f /* half way, to even above */, -0.0f, 3.4e38f, INFINITY,
                             NAN};
    const float expected[] = {1.0f, 1.0f, 1.015625f, -0.0f, INFINITY, INFINITY, NAN};
    NpyArray array{"<f4", {7}, std::vector<unsigned char>(sizeof numbers)};
    std::memcpy(array.bytes.data(), numbers, sizeof numbers);
    const NpyArray back = decode_array(encode_array(array, DType::bf16), DType::bf16, "<f4", {7});
    for (size_t i = 0; i < 7; i++) {
        float x = 0;
        std::memcpy(&x, &back.bytes[4 * i], 4);
        if (std::isnan(expected[i]))
            EXPECT_TRUE(std::isnan(x)) << i;
        else
            EXPECT_EQ(std::memcmp(&x, &expected[i], 4), 0) << i << ": " << x;
    }
}

TEST(Problem, HoldsTheSameNumbersTwice) {
    for (DType dtype : {DType::f32, DType::f16, DType::bf16}) {
        AttentionSpec spec;
        spec.dtype = dtype;
        const Problem problem(spec, {2, 2, 1, 3, 5}, InputKind::wide_20, 7);
        EXPECT_EQ(decode(problem.query, dtype), problem.reference.query);
        EXPECT_EQ(decode(problem.key, dtype), problem.reference.key);
        EXPECT_EQ(decode(problem.value, dtype), problem.reference.value);
    }
}

TEST(Problem, OfACacheIsWhatTheCacheHolds) {
    AttentionSpec spec;
    spec.decode = true;
    spec.cache.dtype = KvDType::i8;
    spec.cache.layout = KvLayout::ring;
    spec.rope.style = RopeSpec::Style::half;
    spec.rope.dims = 64;
    const Problem problem(spec, {2, 2, 1, 3, 50}, InputKind::normal, 7, {}, 20);
    attune_attention_args args{};
    ASSERT_TRUE(problem.call().cache);
    problem.call().cache->bind(args);
    EXPECT_EQ(args.seq_len_kv, 20);
    for (int64_t b = 0; b < 2; b++) {
        EXPECT_EQ(args.lengths_kv[b], 50);
        for (int64_t kv = 0; kv < 50; kv++) {
            EXPECT_EQ(problem.reference.visible(b, 0, 0, kv, 3, 50), kv >= 30);
            const auto dense = problem.reference.key.begin() + (b * 50 + kv) * 64;
            if (kv >= 30) {
                EXPECT_EQ(test::cached_row(spec, args, false, b, 0, kv), std::vector<double>(dense, dense + 64)) << kv;
            }
        }
    }
    // The kernel's queries are not yet turned, the reference's are: row 0 of three is at position 47.
    std::vector<double> row = decode(problem.query, spec.dtype);
    row.resize(64);
    Rotation(spec.rope).turn(row.data(), 47);
    EXPECT_EQ(row, std::vector<double>(problem.reference.query.begin(), problem.reference.query.begin() + 64));
    EXPECT_EQ(problem.reference.query_terms.size(), problem.reference.query.size());
}

TEST(AwkwardShapes, FitTheGroup) {
    for (int group : {0, 1, 3}) {
        KernelPlan plan;
        plan.spec.group = group;
        plan.target = &cpu_targets()[0];
        for (const auto &[shape, reason] : awkward_shapes(plan)) {
            EXPECT_EQ(parse_shape(shape_text(shape), group), shape) << reason;
            EXPECT_FALSE(reason.empty());
        }
    }
}

TEST(Bytes, AreAlignedZeroAndNeverNull) {
    for (size_t size : {0, 1, 64, 65}) {
        Bytes bytes(size);
        EXPECT_EQ(bytes.size(), size);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data()) % 64, 0u);
        for (size_t i = 0; i < size; i++)
            EXPECT_EQ(bytes.data()[i], 0);
    }
}

}  // namespace
}  // namespace attune::cli
