// Several writers of one file, and one that dies.
#include "tests/tuned_db/samples.h"

#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace attune {
namespace {

using test::Folder;

/// Runs work() in a child and ends it without the parent's destructors.
template <class Work> pid_t in_child(Work work) {
    const pid_t child = fork();
    if (child == 0) {
        int code = 0;
        try {
            work();
        } catch (...) {
            code = 1;
        }
        _exit(code);
    }
    return child;
}

TEST(Writers, EightAtATimeLoseNothing) {
    constexpr int processes = 8, records = 100;
    const Folder folder;
    const std::string file = folder.file("tuned.jsonl");
    std::vector<pid_t> children;
    for (int p = 0; p < processes; p++)
        children.push_back(in_child([&] {
            for (int i = 0; i < records; i++)
                append_tuned(file, test::sample_record(p * records + i));
        }));
    // A reader beside them sees whole files only, and never fewer records than before.
    size_t seen = 0;
    for (const pid_t child : children) {
        int status = 0;
        while (waitpid(child, &status, WNOHANG) == 0) {
            if (std::filesystem::exists(file)) {
                const TunedReading reading = read_tuned({file});
                EXPECT_TRUE(reading.problems.empty());
                EXPECT_GE(reading.database.rows.size(), seen);
                seen = reading.database.rows.size();
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(200));
        }
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    const TunedReading reading = read_tuned({file});
    EXPECT_TRUE(reading.problems.empty());
    EXPECT_EQ(reading.database.rows.size(), size_t{processes * records});
    for (int i = 0; i < processes * records; i++)
        EXPECT_TRUE(reading.database.rows.contains(record_text(test::sample_record(i)))) << i;
}

TEST(Writers, OneThatIsKilledLeavesTheOldFileOrTheNewOne) {
    constexpr int records = 400, kills = 40;
    const Folder folder;
    const std::string file = folder.file("tuned.jsonl");
    TunedDatabase first, second;
    for (int i = 0; i < records; i++)
        first.add({test::sample_record(i), "", 0});
    second = first;
    second.add({test::sample_record(records), "", 0});
    const auto write = [&](const TunedDatabase &wanted) { update_tuned_file(file, [&](TunedDatabase &database) { database = wanted; }); };
    write(first);
    for (int i = 0; i < kills; i++) {
        const pid_t child = in_child([&] {
            for (;;) {
                write(second);
                write(first);
            }
        });
        std::this_thread::sleep_for(std::chrono::microseconds(2000 + 1700 * i));
        kill(child, SIGKILL);
        int status = 0;
        waitpid(child, &status, 0);
        ASSERT_TRUE(WIFSIGNALED(status));
        const TunedReading reading = read_tuned({file});
        ASSERT_TRUE(reading.problems.empty());
        ASSERT_TRUE(reading.database == first || reading.database == second);
    }
    write(first);  // one of these two changes the file: what is the same already is not written
    write(second);  // the lock and the temporary file of the dead are in nobody's way
    EXPECT_TRUE(read_tuned({file}).database == second);
    EXPECT_FALSE(std::filesystem::exists(file + ".tmp"));
}

TEST(Writers, AFailedWriteLeavesTheOldFile) {
    const Folder folder;
    const std::string file = folder.file("tuned.jsonl");
    append_tuned(file, test::sample_record(1));
    const std::string before = test::read_text(file);
    std::filesystem::create_directory(file + ".tmp");  // stands for every failure of the new file
    EXPECT_THROW(append_tuned(file, test::sample_record(2)), Error);
    EXPECT_EQ(test::read_text(file), before);
}

}  // namespace
}  // namespace attune
