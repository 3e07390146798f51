// One test a message of the generator below the command line: schedule parameters, targets, stages, folders. The specification's own are
// in tests/spec, the command line's in tests/cli, the runtime's in tests/runtime.
#include "generator/spec/error.h"
#include "tests/support/kernel_case.h"
#include "tests/support/temporary_folder.h"

#include <fstream>

namespace attune::test {
namespace {

/// Runs `action`, which must throw an Error of this code; returns its sentence.
template <typename Action>
std::string error_of(ErrorCode code, Action action) {
    try {
        action();
    } catch (const Error &error) {
        EXPECT_EQ(error_code_name(error.details().code), std::string(error_code_name(code))) << error.what();
        const std::string text = error.what();
        EXPECT_EQ(text.find('\n'), std::string::npos) << "one line: " << text;
        EXPECT_FALSE(text.empty() || text.back() == '.') << "no full stop: " << text;
        return text;
    }
    ADD_FAILURE() << "no error";
    return "";
}

struct IllegalParameter {
    const char *name;
    ScheduleParameters overrides;
    const char *target;
    std::string expected;  ///< found in the sentence, from its start where the parameter's name is
    friend void PrintTo(const IllegalParameter &row, std::ostream *out) { *out << row.name; }
};

const IllegalParameter illegal[] = {
    {"tile_q_0", {{"tile_q", 0}}, "avx512", "tile_q is 0, expected 1 to 6"},
    {"tile_q_7", {{"tile_q", 7}}, "avx512", "tile_q is 7, expected 1 to 6"},
    {"tile_kv_0", {{"tile_kv", 0}}, "avx512", "tile_kv is 0, expected 1 to 32"},
    {"tile_kv_33", {{"tile_kv", 33}}, "avx512", "tile_kv is 33, expected 1 to 32"},
    {"tile_d_1", {{"tile_d", 1}}, "avx512", "tile_d is 1, expected 2 to 32"},
    {"tile_d_33", {{"tile_d", 33}}, "avx512", "tile_d is 33, expected 2 to 32"},
    {"block_kv_0", {{"block_kv", 0}}, "avx512", "block_kv is 0, expected 4 to 1024"},
    {"block_kv_2048", {{"block_kv", 2048}}, "avx512", "block_kv is 2048, expected 4 to 1024"},
    {"block_q_negative", {{"block_q", -16}}, "avx512", "block_q is -16, expected 4 to 4096"},
    {"block_q_8192", {{"block_q", 8192}}, "avx2", "block_q is 8192, expected 4 to 4096"},
    {"unroll_0", {{"unroll", 0}}, "avx512", "unroll is 0, expected 1 to 8"},
    {"unroll_9", {{"unroll", 9}}, "avx512", "unroll is 9, expected 1 to 8"},
    {"block_kv_of_tile_kv", {{"block_kv", 60}, {"tile_kv", 8}}, "avx512", "block_kv is 60, expected a multiple of tile_kv, which is 8"},
    {"block_kv_of_4", {{"block_kv", 30}, {"tile_kv", 5}, {"tile_q", 1}, {"block_q", 64}}, "avx512", "block_kv is 30, expected a multiple of 4"},
    {"block_q_of_strip", {{"block_q", 50}, {"tile_q", 3}}, "avx512", "block_q is 50, expected a multiple of tile_q * vector, which is 48"},
    {"registers_of_tile_kv", {{"tile_kv", 16}, {"tile_q", 3}}, "avx512",
     "tile_kv is 16, expected at most 9: 32 vector registers hold tile_q * tile_kv accumulators, tile_q queries and a key"},
    {"halves_of_tile_q", {{"tile_q", 3}}, "avx512_fp16", "tile_q is 3, expected a multiple of 2 with products of halves"},
    {"halves_of_block_kv", {{"block_kv", 128}}, "avx512_fp16", "block_kv is 128, expected at most 64 with products of halves"},
    {"registers_of_tile_d", {{"tile_d", 8}, {"tile_q", 3}}, "avx2",
     "tile_d is 8, expected at most 4: 16 vector registers hold tile_q * tile_d accumulators, tile_q queries and a key"},
};

/// f32, or what the target is for.
AttentionSpec spec_for(const char *target) {
    if (cpu_target(target).serves(DType::f32)) return make_spec(DType::f32, 64);
    AttentionSpec spec = make_spec(DType::f16, 64);
    spec.compute_dtype = ComputeDType::f16;
    return spec;
}

class ScheduleParameterErrors : public testing::TestWithParam<IllegalParameter> {};

TEST_P(ScheduleParameterErrors, NameTheParameterAndItsRule) {
    const IllegalParameter &c = GetParam();
    const std::string text = error_of(ErrorCode::usage, [&] { plan_kernel(spec_for(c.target), cpu_target(c.target), c.overrides); });
    EXPECT_EQ(text, c.expected + "; see attune list");
}

TEST(DecodeParameterErrors, NameTheParameterAndItsRule) {
    const IllegalParameter rows[] = {
        {"split_kv_odd", {{"split_kv", 100}}, "avx2", "split_kv is 100, expected a multiple of 64 up to 8192"},
        {"split_kv_0", {{"split_kv", 0}}, "avx2", "split_kv is 0, expected 64 to 8192"},
        {"accumulators_16", {{"accumulators", 16}}, "avx2", "accumulators is 16, expected fewer than the 16 vector registers"},
        {"accumulators_0", {{"accumulators", 0}}, "avx512", "accumulators is 0, expected 1 to 32"},
        {"unroll_values_3", {{"unroll_values", 3}}, "avx2", "unroll_values is 3, expected a power of 2 up to 8"},
        {"unroll_9", {{"unroll", 9}}, "avx2", "unroll is 9, expected 1 to 8"},
    };
    AttentionSpec spec = make_spec(DType::f32, 64);
    spec.decode = true;
    for (const IllegalParameter &c : rows) EXPECT_EQ(error_of(ErrorCode::usage, [&] { plan_kernel(spec, cpu_target(c.target), c.overrides); }), c.expected + "; see attune list");
    const std::string unknown = error_of(ErrorCode::usage, [&] { plan_kernel(spec, cpu_target("avx2"), {{"block_q", 64}}); });
    EXPECT_NE(unknown.find("one of split_kv, accumulators, unroll, unroll_values"), std::string::npos) << unknown;
}

INSTANTIATE_TEST_SUITE_P(Cpu, ScheduleParameterErrors, testing::ValuesIn(illegal), [](const auto &info) { return std::string(info.param.name); });

TEST(GeneratorErrors, UnknownScheduleParameter) {
    const std::string text = error_of(ErrorCode::usage, [] { plan_kernel(make_spec(DType::f32, 64), cpu_target("avx2"), {{"block_k", 64}}); });
    EXPECT_EQ(text.find("block_k"), text.find_first_not_of("unknown schedule parameter ")) << text;
    for (const char *name : {"block_q", "block_kv", "tile_q", "tile_kv", "tile_d", "unroll"}) EXPECT_NE(text.find(name), std::string::npos) << text;
}

TEST(GeneratorErrors, ThrownBeforeAnythingIsCompiled) {
    error_of(ErrorCode::usage, [] { load_kernel(make_spec(DType::f32, 64), *available_targets().front(), {.overrides = {{"unroll", 0}}}); });
}

TEST(GeneratorErrors, UnknownTarget) {
    EXPECT_EQ(error_of(ErrorCode::usage, [] { cpu_target("avx1024"); }),
              "target is avx1024, expected one of amx, avx512_fp16, avx512_bf16, avx512_vnni, avx512, avx2, sse41, neon; use auto for the best one");
}

TEST(GeneratorErrors, DeviceInPlaceOfACpu) {
    const std::string expected = ", expected one of amx, avx512_fp16, avx512_bf16, avx512_vnni, avx512, avx2, sse41, neon; ";
    for (const char *name : {"opencl", "cuda", "cuda_sm75", "cuda_sm86", "cuda_mma", "vulkan", "metal", "d3d12", "webgpu"})
        EXPECT_EQ(error_of(ErrorCode::target, [&] { cpu_target(name); }),
                  std::string("target is ") + name + expected + "a device is a target of build, run and check; use auto for the best CPU target");
}

TEST(GeneratorErrors, NoTargetOfTheSpecificationRunsHere) {
    EXPECT_EQ(error_of(ErrorCode::target, [] { runnable_target("auto", {"neon"}); }),
              "target is auto, expected a target that this CPU runs among neon; add sse41 to targets.cpu");
}

TEST(GeneratorErrors, TargetThatThisCpuLacks) {
    for (const CpuTarget &target : cpu_targets()) {
        if (available_target(target.name)) continue;
        const std::string text = error_of(ErrorCode::target, [&] { machine_target(target.name); });
        EXPECT_EQ(text.rfind(std::string("target is ") + target.name + ", expected a CPU with " + target.needs, 0), 0u) << text;
        return;
    }
    GTEST_SKIP() << "this CPU runs every target";
}

TEST(GeneratorErrors, UnknownStage) {
    const std::string text = error_of(ErrorCode::usage, [] { kernel_stage_text(plan_kernel(make_spec(DType::f32, 4), cpu_target("sse41")), "ptx"); });
    EXPECT_EQ(text, "--stage is ptx, expected plan, algorithm, schedule, llvm or asm; see attune explain --help");
}

TEST(GeneratorErrors, OutputFolderThatIsAFile) {
    const TemporaryFolder folder;
    const std::string file = folder.path / "file";
    std::ofstream(file) << "here";
    const std::string text = error_of(ErrorCode::input, [&] { build_kernel(make_spec(DType::f32, 4), file + "/folder"); });
    EXPECT_EQ(text.rfind("output directory is " + file + "/folder, expected a folder that can be created (", 0), 0u) << text;
    EXPECT_TRUE(text.ends_with("; give another with -o")) << text;
}

TEST(GeneratorErrors, OutputFileThatCannotBeWritten) {
    const TemporaryFolder folder;
    AttentionSpec spec = make_spec(DType::f32, 4, 4, "none", Algorithm::online);
    spec.targets = {"sse41"};
    std::filesystem::create_directories(folder.path / (spec.name + ".h") / "in_the_way");
    const std::string text = error_of(ErrorCode::input, [&] { build_kernel(spec, folder.path.string()); });
    EXPECT_EQ(text.rfind("output file is " + (folder.path / spec.name).string() + ".h, expected a file that can be written (", 0), 0u) << text;
    for (const auto &entry : std::filesystem::directory_iterator(folder.path)) {
        EXPECT_EQ(entry.path().filename().string(), spec.name + ".h") << "nothing half written is left";
    }
}

TEST(GeneratorErrors, TemporaryFolderThatCannotBeWritten) {
    const ScopedVariable temporary("TMPDIR", "/proc/no/such/folder");
    const std::string text =
        error_of(ErrorCode::input, [] { compile_variant(plan_kernel(make_spec(DType::f32, 4, 4, "none", Algorithm::online), cpu_target("sse41"))); });
    EXPECT_EQ(text.rfind("TMPDIR is /proc/no/such/folder", 0), 0u) << text;
    EXPECT_TRUE(text.ends_with("expected a folder that can be written; set TMPDIR to one")) << text;
}

}  // namespace
}  // namespace attune::test
