// What build_kernel leaves in a folder: archive, header, metadata.
#include "tests/backend/elf_archive.h"
#include "tests/support/kernel_case.h"
#include "tests/support/temporary_folder.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

namespace attune::test {
namespace {

/// One build of every target, which all tests read.
class BuiltKernel : public testing::Test {
protected:
    static void SetUpTestSuite() {
        folder = new TemporaryFolder;
        spec = make_spec(DType::f32, 64, 64, "causal", Algorithm::automatic, 2);
        spec.name = "test_attention";
        paths = build_kernel(spec, folder->path.string());
    }
    static void TearDownTestSuite() {
        delete folder;
        folder = nullptr;
    }
    static std::string text(const std::string &path) {
        std::ifstream file(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    }

    static inline TemporaryFolder *folder = nullptr;
    static inline AttentionSpec spec;
    static inline std::vector<std::string> paths;
};

TEST_F(BuiltKernel, IsThreeFilesOfItsName) {
    std::vector<std::string> names;
    for (const auto &entry : std::filesystem::directory_iterator(folder->path))
        names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    EXPECT_EQ(names, (std::vector<std::string>{"test_attention.a", "test_attention.h", "test_attention.json"}));
    ASSERT_EQ(paths.size(), 3u);
    for (const std::string &path : paths)
        EXPECT_TRUE(std::filesystem::exists(path)) << path;
}

TEST_F(BuiltKernel, HoldsADescriptorAndSixFunctionsATarget) {
    std::set<std::string> members;
    for (const ArchiveMember &member : read_archive(paths[0]))
        members.insert(member.name);
    std::set<std::string> expected = {"test_attention.o"};
    for (const CpuTarget &target : cpu_targets()) {
        if (!target.serves(spec.dtype) || !target.is_x86())
            continue;
        for (const char *function : {"key_norms", "key_ranges", "block_states", "row_reference", "fixed", "exact"})
            expected.insert("test_attention__" + std::string(target.name) + "_" + function + ".o");
    }
    EXPECT_EQ(members, expected);
}

TEST_F(BuiltKernel, NeedsTheRuntimeAndMemsetOnly) {
    std::set<std::string> defined, undefined;
    for (const ArchiveMember &member : read_archive(paths[0])) {
        defined.insert(member.defined.begin(), member.defined.end());
        undefined.insert(member.undefined.begin(), member.undefined.end());
    }
    const std::set<std::string> allowed = {
        "attune_malloc", "attune_free", "attune_ask_ahead", "attune_kernel_run", "attune_kernel_workspace_size", "attune_register_kernel", "memset", "memcpy"};
    for (const std::string &name : undefined)
        EXPECT_TRUE(defined.count(name) || allowed.count(name)) << name << " is undefined";
    for (const char *name : {"test_attention", "test_attention_workspace_size", "test_attention_info", "test_attention_kernel"}) {
        EXPECT_TRUE(defined.count(name)) << name << " is missing";
    }
    for (const std::string &name : defined) {
        EXPECT_EQ(name.rfind("test_attention", 0), 0u) << name << " may collide with another kernel's or the application's";
    }
    for (const std::set<std::string> *names : {&defined, &undefined}) {
        for (const std::string &name : *names)
            EXPECT_EQ(name.find("halide"), std::string::npos) << name;
    }
}

TEST_F(BuiltKernel, IsAtMost40KilobytesATarget) {
    for (const CpuTarget &target : cpu_targets()) {
        if (!target.serves(spec.dtype) || !target.is_x86())
            continue;
        int64_t bytes = 0;
        for (const ArchiveMember &member : read_archive(paths[0])) {
            if (member.name.find(std::string("__") + target.name + "_") != std::string::npos)
                bytes += member.code_bytes;
        }
        EXPECT_GT(bytes, 1000) << target.name;
        EXPECT_LE(bytes, 40 << 10) << target.name;
    }
}

TEST_F(BuiltKernel, IsNotTouchedByAnEqualBuild) {
    std::vector<std::filesystem::file_time_type> before;
    std::vector<std::string> contents;
    for (const std::string &path : paths) {
        std::filesystem::last_write_time(path, std::filesystem::last_write_time(path) - std::chrono::hours(1));
        before.push_back(std::filesystem::last_write_time(path));
        contents.push_back(text(path));
    }
    EXPECT_EQ(build_kernel(spec, folder->path.string()), paths);
    for (size_t i = 0; i < paths.size(); i++) {
        EXPECT_EQ(text(paths[i]), contents[i]) << paths[i] << ": equal specifications give equal bytes";
        EXPECT_EQ(std::filesystem::last_write_time(paths[i]), before[i]) << paths[i];
    }
}

TEST_F(BuiltKernel, DescribesItselfInJson) {
    const nlohmann::json json = nlohmann::json::parse(text(paths[2]));
    EXPECT_EQ(json.at("name"), "test_attention");
    EXPECT_EQ(json.at("id"), spec.id());
    EXPECT_EQ(json.at("spec").at("dtype"), "f32");
    EXPECT_EQ(json.at("spec").at("head_dim"), 64);
    EXPECT_EQ(json.at("spec").at("group"), 2);
    EXPECT_EQ(json.at("spec").at("mask"), "causal");
    ASSERT_EQ(json.at("variants").size(), 3u);  // avx512_bf16 serves bf16 only
    for (const nlohmann::json &variant : json.at("variants")) {
        EXPECT_EQ(variant.at("schedule"), "cpu_query_lanes");
        for (const char *parameter : {"block_q", "block_kv", "tile_q", "tile_kv", "tile_d", "unroll"})
            EXPECT_GT(variant.at("parameters").at(parameter), 0);
        EXPECT_GT(variant.at("footprint_bytes"), 0);
        EXPECT_GT(variant.at("workspace").at("per_thread_bytes"), 0);
        EXPECT_FALSE(variant.at("reason").get<std::string>().empty());
    }
    for (const char *key : {"flops", "bytes", "attune", "halide", "llvm"})
        EXPECT_TRUE(json.contains(key)) << key;
    EXPECT_EQ(json.at("halide"), halide_version());
    EXPECT_EQ(json.at("llvm"), llvm_version());
}

TEST_F(BuiltKernel, HasAHeaderForCAndCxx) {
    const std::string c = folder->path / "use.c", log = folder->path / "log.txt";
    std::ofstream(c) << "#include \"test_attention.h\"\n#include \"test_attention.h\"\n"
                        "attune_status use(const attune_attention_args *a) { return test_attention_workspace_size(a) ? test_attention(a) : "
                        "ATTUNE_OK; }\n"
                        "int dim(void) { return test_attention_info()->head_dim; }\n"
                        "attune_kernel *kernel(void) { return &test_attention_kernel; }\n";
    for (const char *compiler : {ATTUNE_TEST_CC " -std=c11 -Wpedantic -x c", ATTUNE_TEST_CXX " -std=c++20 -x c++"}) {
        const std::string command = std::string(compiler) + " -Wall -Wextra -Werror -fsyntax-only -I" ATTUNE_TEST_INCLUDE " -I" +
                                    folder->path.string() + " " + c + " > " + log + " 2>&1";
        EXPECT_EQ(std::system(command.c_str()), 0) << command << "\n" << text(log);
    }
    std::filesystem::remove(c);
    std::filesystem::remove(log);
}

TEST(ObjectSize, IsAtMost40KilobytesForEveryTypeAndMaskAnd60OfTheWidestUnits) {
    const auto with_products = [](ComputeDType compute, AttentionSpec spec) {
        spec.compute_dtype = compute;
        spec.name = spec.id();
        return spec;
    };
    const auto decode = [](AttentionSpec spec) {
        spec.decode = true;
        spec.name = spec.id();
        return spec;
    };
    struct Kernel {
        const char *target;
        AttentionSpec spec;
        int64_t kilobytes = 40;
    };
    const Kernel kernels[] = {{"avx512", make_spec(DType::f32, 64)},
                              {"avx512", make_spec(DType::f32, 128)},
                              {"avx512", make_spec(DType::f16, 64, 64, "causal")},
                              {"avx512", make_spec(DType::bf16, 128, 128, "causal")},
                              {"avx512", make_spec(DType::f32, 77, 77, "causal_top_left")},
                              {"avx512_bf16", make_spec(DType::bf16, 64)},
                              {"avx512_bf16", make_spec(DType::bf16, 128, 128, "causal")},
                              {"amx", make_spec(DType::bf16, 128, 128, "causal"), 60},
                              {"avx512", decode(make_spec(DType::f32, 64, 64, "causal"))},
                              {"avx512", decode(make_spec(DType::bf16, 128, 128, "causal", Algorithm::automatic, 4))},
                              {"avx512_fp16", with_products(ComputeDType::f16, make_spec(DType::f16, 128, 128, "causal")), 60},
                              {"avx512_vnni", with_products(ComputeDType::i8, make_spec(DType::f16, 128, 128, "causal")), 60}};
    for (const auto &[target, spec, kilobytes] : kernels) {
        TemporaryFolder folder;
        AttentionSpec one = spec;
        one.targets = {target};
        int64_t bytes = 0;
        for (const ArchiveMember &member : read_archive(build_kernel(one, folder.path.string())[0])) {
            if (member.name != one.name + ".o")
                bytes += member.code_bytes;
        }
        EXPECT_LE(bytes, kilobytes << 10) << target << ' ' << one.canonical();
    }
}

}  // namespace
}  // namespace attune::test
