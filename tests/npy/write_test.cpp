#include "tests/npy/npy_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <thread>

namespace attune {
namespace {

class NpyWrite : public test::NpyFolder {
protected:
    const NpyArray array{"<f4", {2, 3}, std::vector<unsigned char>(24, 7)};
};

TEST_F(NpyWrite, ComesBack) {
    for (const NpyArray &a : {array, NpyArray{"<f2", {}, {1, 2}}, NpyArray{"|b1", {3}, {0, 1, 1}}, NpyArray{"<i8", {4, 0}, {}},
                              NpyArray{"<u2", std::vector<int64_t>(60, 1), {1, 2}}}) {
        write_npy(path(), a);
        const NpyArray back = read_npy(path());
        EXPECT_EQ(back.dtype, a.dtype);
        EXPECT_EQ(back.shape, a.shape);
        EXPECT_EQ(back.bytes, a.bytes);
        EXPECT_EQ(read_text().find('\n') % 64, 63u);  // the data is aligned as NumPy aligns it
    }
    EXPECT_EQ(files(), 1u);
}

TEST_F(NpyWrite, AppearsAtCommit) {
    {
        PendingNpy pending(path(), array);
        EXPECT_FALSE(std::filesystem::exists(path()));
        pending.commit();
        EXPECT_TRUE(std::filesystem::exists(path()));
    }
    EXPECT_EQ(files(), 1u);
}

TEST_F(NpyWrite, WithoutCommitTheOldFileStays) {
    write_text("old");
    {
        PendingNpy pending(path(), array), moved(std::move(pending));
        EXPECT_EQ(files(), 2u);
    }
    EXPECT_EQ(read_text(), "old");
    EXPECT_EQ(files(), 1u);
}

TEST_F(NpyWrite, KeepsTheModeOfTheFileAndTheLinkToIt) {
    write_text("old");
    chmod(path().c_str(), 0640);
    ASSERT_EQ(symlink("a.npy", path("link.npy").c_str()), 0);
    write_npy(path("link.npy"), array);
    EXPECT_TRUE(std::filesystem::is_symlink(path("link.npy")));
    EXPECT_EQ(read_npy(path()).bytes, array.bytes);
    struct stat status {};
    ASSERT_EQ(stat(path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST_F(NpyWrite, DevicesAndPipesAreWrittenNotReplaced) {
    write_npy("/dev/null", array);
    struct stat status {};
    ASSERT_EQ(stat("/dev/null", &status), 0);
    EXPECT_TRUE(S_ISCHR(status.st_mode));

    ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
    std::thread writer([&] { write_npy(path("pipe"), array); });
    EXPECT_EQ(read_npy(path("pipe")).bytes, array.bytes);
    writer.join();
}

TEST_F(NpyWrite, Messages) {
    const auto what = [&](const std::string &to) -> std::string {
        try {
            write_npy(to, array, "--out");
        } catch (const Error &error) {
            EXPECT_EQ(error.details().code, ErrorCode::input);
            EXPECT_EQ(error.details().argument, "--out");
            return error.what();
        }
        return "";
    };
    EXPECT_EQ(what("/nowhere/o.npy"), "/nowhere/o.npy: the array cannot be written: no such file or directory, expected a path that can be written; create its folder first");
    EXPECT_EQ(what("/tmp"), "/tmp: the array cannot be written: is a directory, expected a path that can be written; check the path and its permissions");
    EXPECT_EQ(what("/dev/full"), "/dev/full: the array cannot be written: no space left on device, expected a path that can be written; free some space");
    EXPECT_NE(what(""), "");
    EXPECT_NE(what(path(std::string(300, 'x'))), "");
    EXPECT_EQ(files(), 0u);
}

TEST_F(NpyWrite, RefusesAnArrayThatDoesNotAgreeWithItself) {
    EXPECT_THROW(write_npy(path(), {"<f4", {3}, std::vector<unsigned char>(11)}), std::invalid_argument);
    EXPECT_THROW(write_npy(path(), {"<f8", {1}, std::vector<unsigned char>(8)}), std::invalid_argument);
    EXPECT_EQ(files(), 0u);
}

}  // namespace
}  // namespace attune
