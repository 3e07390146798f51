// A kernel loaded into the process: what it says of itself, and that the workspace it asks for is enough and not less.
#include "tests/support/kernel_case.h"

namespace attune::test {
namespace {

TEST(LoadedKernels, DescribeThemselves) {
    const AttentionSpec spec = make_spec(DType::f16, 16, 8, "causal", Algorithm::automatic, 3);
    for (const CpuTarget *target : available_targets()) {
        const LoadedKernel &kernel = kernel_for(spec, *target);
        const attune_kernel_info *info = attune_kernel_describe(kernel.kernel());
        ASSERT_TRUE(info);
        EXPECT_EQ(info->name, spec.name);
        EXPECT_EQ(info->id, spec.id());
        EXPECT_STREQ(info->dtype, "f16");
        EXPECT_STREQ(info->mask, "causal");
        EXPECT_EQ(info->head_dim, 16);
        EXPECT_EQ(info->head_dim_v, 8);
        EXPECT_EQ(info->group, 3);
        EXPECT_EQ(info->has_lse, 1);
        EXPECT_EQ(info->softmax_scale, 0.25);
        EXPECT_STREQ(attune_kernel_target(kernel.kernel()), target->name);
        EXPECT_EQ(kernel.plan().variant_name(), spec.id() + "__" + target->name);
    }
}

/// Kernels with Halide's own instrumentation: every load and store is checked against the process's shadow memory.
TEST(SanitizedKernels, TouchOnlyWhatIsTheirs) {
#ifdef __SANITIZE_ADDRESS__
    for (const CpuTarget *target : available_targets()) {
        for (Algorithm algorithm : {Algorithm::automatic, Algorithm::online, Algorithm::full_row}) {
            const LoadedKernel &kernel =
                kernel_for(make_spec(DType::f16, 20, 12, "causal", algorithm), *target, {.overrides = {}, .asan = true});
            check_shape(kernel, {"tails", 2, 2, 1, 61, 93});
            check_shape(kernel, {"long_rows", 1, 1, 1, 9, 700}, InputKind::wide_8);
        }
    }
#else
    GTEST_SKIP() << "needs the address sanitizer: ATTUNE_CMAKE_ARGS=-DATTUNE_SANITIZE=ON ./dev test";
#endif
}

/// run_kernel gives exactly the workspace that is asked for, between guards; here the shapes and kernels that need most of it.
TEST(Workspace, IsEnoughAndNotExceeded) {
    const ShapeCase shapes[] = {
        {"long_rows", 1, 1, 1, 9, 5000},  {"long_both", 1, 1, 1, 700, 900},
        {"many_heads", 2, 6, 3, 70, 130}, {"packed", 3, 2, 1, 200, 400, {200, 1, 30}, {400, 7, 0}, true},
        {"one_pair", 1, 1, 1, 1, 1},
    };
    for (const CpuTarget *target : available_targets()) {
        for (const AttentionSpec &spec :
             {make_spec(DType::f32, 16, 0, "causal", Algorithm::full_row),
              make_spec(DType::f16, 16, 0, "none", Algorithm::full_row), make_spec(DType::bf16, 136, 0, "causal"),
              make_spec(DType::f16, 128, 72, "none", Algorithm::online)}) {
            const LoadedKernel &kernel = kernel_for(spec, *target);
            for (const ShapeCase &shape : shapes) {
                SCOPED_TRACE(shape.name);
                check_shape(kernel, shape);
                check_shape(kernel, shape, InputKind::wide_8, 1, {3, true, true});
            }
        }
    }
}

TEST(Workspace, OneByteLessIsRefusedAndNothingIsWritten) {
    const LoadedKernel &kernel = kernel_for(make_spec(DType::f32, 16, 0, "causal"), *available_targets().front());
    std::vector<float> input(40 * 16, 0.5f), output(40 * 16, -7);
    attune_attention_args args{};
    args.size = sizeof(args);
    args.version = ATTUNE_ATTENTION_ARGS_VERSION;
    args.query = args.key = args.value = input.data();
    args.output = output.data();
    args.batch = args.num_heads = args.num_kv_heads = 1;
    args.seq_len_q = args.seq_len_kv = 40;
    for (int64_t *stride : {args.stride_query, args.stride_key, args.stride_value, args.stride_output})
        stride[0] = stride[1] = 40 * 16, stride[2] = 16;
    const size_t size = attune_kernel_workspace_size(kernel.kernel(), &args);
    std::vector<char> memory(size + 64);
    args.workspace = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
    args.workspace_size = size - 1;
    EXPECT_EQ(attune_kernel_run(kernel.kernel(), &args), ATTUNE_WORKSPACE_TOO_SMALL);
    for (float x : output)
        ASSERT_EQ(x, -7);
    args.workspace_size = size;
    EXPECT_EQ(attune_kernel_run(kernel.kernel(), &args), ATTUNE_OK);
    for (float x : output)
        ASSERT_NEAR(x, 0.5, 1e-6);
}

}  // namespace
}  // namespace attune::test
