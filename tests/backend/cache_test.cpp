// The cache of compiled kernels: found again, never trusted, shared by processes.
#include "generator/backend/cache.h"
#include "tests/support/kernel_case.h"
#include "tests/support/temporary_folder.h"

#include <cmath>
#include <fstream>

namespace attune::test {
namespace {

class Cache : public testing::Test {
protected:
    const TemporaryFolder folder;
    const ScopedVariable variable{"ATTUNE_CACHE_DIR", (folder.path / "new" / "cache").string()};
    const AttentionSpec spec = make_spec(DType::f32, 4, 4, "none", Algorithm::online);  // one function: quick
    const CpuTarget &target = *available_targets().front();

    std::filesystem::path entry() const {
        std::filesystem::path found;
        int count = 0;
        for (const auto &file : std::filesystem::directory_iterator(cache_directory()))
            found = file.path(), count++;
        EXPECT_EQ(count, 1) << "one entry, no temporary files";
        return found;
    }
    std::string content() const {
        std::ifstream file(entry(), std::ios::binary);
        return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    }
    void replace(const std::string &bytes) const { std::ofstream(entry(), std::ios::binary | std::ios::trunc) << bytes; }

    void expect_works(const LoadedKernel &kernel) const { check_shape(kernel, {"tails", 2, 2, 1, 21, 43}); }
};

TEST_F(Cache, GivesTheSameKernelWithoutCompiling) {
    const auto first = load_kernel(spec, target), second = load_kernel(spec, target);
    EXPECT_GT(first->compile_seconds(), 0);
    EXPECT_EQ(second->compile_seconds(), 0);
    ASSERT_EQ(first->objects().size(), second->objects().size());
    for (size_t i = 0; i < first->objects().size(); i++) {
        EXPECT_EQ(first->objects()[i].name, second->objects()[i].name);
        EXPECT_TRUE(first->objects()[i].bytes == second->objects()[i].bytes);
    }
    expect_works(*first);
    expect_works(*second);
    entry();
}

TEST_F(Cache, TellsSpecificationsAndOptionsApart) {
    const auto first = load_kernel(spec, target);
    EXPECT_GT(load_kernel(spec, target, {.overrides = {{"unroll", 1}}})->compile_seconds(), 0);
    AttentionSpec other = spec;
    other.name = "other_name";  // the symbols' names
    const auto renamed = load_kernel(other, target);
    EXPECT_GT(renamed->compile_seconds(), 0);
    EXPECT_STREQ(renamed->kernel()->info.name, "other_name");
    other = make_spec(DType::f32, 4, 4, "causal", Algorithm::online);
    EXPECT_GT(load_kernel(other, target)->compile_seconds(), 0);
    for (const CpuTarget *another : available_targets()) {
        if (another == &target)
            continue;
        EXPECT_GT(load_kernel(spec, *another)->compile_seconds(), 0) << another->name;
    }
}

/// Damage of every kind: the entry is made again, and the kernel is right.
TEST_F(Cache, DamagedEntriesAreCompiledAgain) {
    load_kernel(spec, target);
    const std::string whole = content();
    const size_t line = whole.find('\n');
    ASSERT_NE(line, std::string::npos);
    std::vector<std::pair<std::string, std::string>> damaged = {
        {"empty", ""},
        {"cut in the header", whole.substr(0, line / 2)},
        {"header only", whole.substr(0, line + 1)},
        {"cut in the object", whole.substr(0, whole.size() - 100)},
        {"bytes after the end", whole + "x"},
        {"no JSON", "hello\n" + whole.substr(line + 1)},
        {"a list", "[1, 2]\n" + whole.substr(line + 1)},
        {"other JSON", "{\"key\": 3}\n" + whole.substr(line + 1)},
        {"binary", std::string(5000, '\0')},
    };
    std::string magic = whole;
    magic[line + 2] ^= 0x40;
    damaged.emplace_back("the object's first bytes", magic);
    std::string middle = whole;
    middle[line + (whole.size() - line) / 2] ^= 0x10;
    damaged.emplace_back("a bit of the object", middle);
    for (const auto &[what, bytes] : damaged) {
        SCOPED_TRACE(what);
        replace(bytes);
        std::unique_ptr<LoadedKernel> kernel;
        ASSERT_NO_THROW(kernel = load_kernel(spec, target));
        EXPECT_GT(kernel->compile_seconds(), 0);
        if (kernel->compile_seconds() > 0)
            expect_works(*kernel);  // a damaged kernel may do anything
        EXPECT_TRUE(content() == whole) << "the entry is mended";
    }
}

TEST_F(Cache, ThatCannotBeWrittenIsNoError) {
    const ScopedVariable nowhere("ATTUNE_CACHE_DIR", "/proc/no/such/folder");
    const auto kernel = load_kernel(spec, target);
    EXPECT_GT(kernel->compile_seconds(), 0);
    expect_works(*kernel);
}

TEST_F(Cache, FolderComesFromTheEnvironment) {
    EXPECT_EQ(cache_directory(), (folder.path / "new" / "cache").string());
    const ScopedVariable empty("ATTUNE_CACHE_DIR", ""), xdg("XDG_CACHE_HOME", "/somewhere");
    EXPECT_EQ(cache_directory(), "/somewhere/attune");
    const ScopedVariable no_xdg("XDG_CACHE_HOME", ""), home("HOME", "/home/me");
    EXPECT_EQ(cache_directory(), "/home/me/.cache/attune");
}

/// What SeveralProcessesMayShareIt starts; on its own it checks one kernel.
TEST(CacheChild, Works) {
    const AttentionSpec spec = make_spec(DType::f32, 4, 4, "none", Algorithm::online);
    check_shape(*load_kernel(spec, *available_targets().front()), {"tails", 2, 2, 1, 21, 43});
}

TEST_F(Cache, SeveralProcessesMayShareIt) {
    const std::string self = std::filesystem::read_symlink("/proc/self/exe");
    const std::string child = "'" + self + "' --gtest_brief=1 --gtest_filter=CacheChild.Works > /dev/null 2>&1";
    const std::string command = child + " & a=$!; " + child + " & b=$!; " + child + " & c=$!; wait $a && wait $b && wait $c";
    for (int round = 0; round < 2; round++)
        EXPECT_EQ(std::system(command.c_str()), 0) << "round " << round;
    EXPECT_EQ(load_kernel(spec, target)->compile_seconds(), 0);
    entry();
}

}  // namespace
}  // namespace attune::test
