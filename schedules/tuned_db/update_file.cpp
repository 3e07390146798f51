#include "schedules/tuned_db/database.h"
#include "schedules/tuned_db/file_text.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace attune {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void cannot_write(const std::string &path, const char *step) {
    throw Error({.code = ErrorCode::input,
                 .argument = "tuned database",
                 .value = path + " (" + step + ": " + errno_text(errno) + ")",
                 .expected = "a file that can be written",
                 .cure = "check the folder's permissions and free space"});
}

/// An open file, closed at the end.
class Descriptor {
public:
    explicit Descriptor(int number) : number_(number) {}
    ~Descriptor() {
        if (number_ >= 0)
            close(number_);
    }
    Descriptor(const Descriptor &) = delete;
    Descriptor &operator=(const Descriptor &) = delete;
    operator int() const { return number_; }

private:
    int number_;
};

/// Holds <path>.lock from here to the end. The file stays: removing it would let two writers lock two files.
class WriteLock {
public:
    explicit WriteLock(const std::string &path) : file_(open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
        if (file_ < 0)
            cannot_write(path, "open the lock");
        while (flock(file_, LOCK_EX) != 0)
            if (errno != EINTR)
                cannot_write(path, "lock");
    }

private:
    Descriptor file_;
};

/// Under the lock nobody else writes <path>.tmp; one that a killed writer left is overwritten.
void replace_file(const std::string &path, const std::string &text) {
    const std::string temporary = path + ".tmp";
    struct stat present;
    const bool exists = stat(path.c_str(), &present) == 0;
    const auto fail = [&](const char *step) {
        const int reason = errno;
        unlink(temporary.c_str());
        errno = reason;
        cannot_write(path, step);
    };
    {
        const Descriptor file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666));
        if (file < 0)
            fail("create");
        for (size_t written = 0; written < text.size();) {
            const ssize_t count = write(file, text.data() + written, text.size() - written);
            if (count < 0 && errno == EINTR)
                continue;
            if (count < 0)
                fail("write");
            written += static_cast<size_t>(count);
        }
        if (exists && fchmod(file, present.st_mode & 07777) != 0)
            fail("chmod");
        if (fsync(file) != 0)
            fail("fsync");
    }
    if (rename(temporary.c_str(), path.c_str()) != 0)
        fail("rename");
    // The new name, too, has to survive a power failure. Where the file system cannot say, there is nothing to undo.
    const fs::path parent = fs::path(path).parent_path();
    const Descriptor folder(open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder >= 0)
        fsync(folder);
}

}  // namespace

std::vector<TunedProblem> update_tuned_file(const std::string &given, const std::function<void(TunedDatabase &)> &change) {
    std::error_code failure;
    if (fs::is_directory(given, failure)) {
        errno = EISDIR;
        cannot_write(given, "open");
    }
    // Through a symbolic link: what it points to is replaced, not the link.
    const fs::path real = fs::is_symlink(given, failure) ? fs::weakly_canonical(given, failure) : fs::path(given);
    const std::string path = failure || real.empty() ? given : real.string();
    const WriteLock lock(path);
    const bool exists = fs::exists(path, failure);
    const std::string before = exists ? tuned_file_text(path) : "";
    TunedReading reading = read_tuned_text(before, path);
    change(reading.database);
    const std::string after = reading.database.text();
    if (!exists || after != before)
        replace_file(path, after);
    return std::move(reading.problems);
}

void append_tuned(const std::string &path, TunedRecord record) {
    // A command line may hold line ends, a mask of several lines say: no reason to lose what was measured.
    for (std::string *text : {&record.provenance.cpu, &record.provenance.command})
        for (char &c : *text)
            if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
                c = ' ';
    std::string &command = record.provenance.command;
    if (command.size() > longest_tuned_command) {
        size_t end = longest_tuned_command - 4;
        while (end > 0 && (command[end] & 0xc0) == 0x80)  // not inside a character
            end--;
        command = command.substr(0, end) + " …";
    }
    check_record(record);
    update_tuned_file(path, [&](TunedDatabase &database) { database.add({record, path, 0}); });
}

}  // namespace attune
