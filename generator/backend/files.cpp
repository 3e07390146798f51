#include "generator/backend/files.h"
#include "generator/spec/error.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

namespace attune {

bool read_file(const std::string &path, std::vector<char> &bytes) {
    std::error_code ignored;
    std::ifstream file(path, std::ios::binary);
    if (!file || std::filesystem::is_directory(path, ignored))
        return false;
    bytes.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    return !file.bad();
}

void write_file(const std::string &path, const std::vector<char> &bytes) {
    std::string temporary = path + ".XXXXXX";
    const int file = mkstemp(temporary.data());
    auto fail = [&](const char *step) {
        const std::string reason = std::strerror(errno);
        if (file >= 0) {
            close(file);
            unlink(temporary.c_str());
        }
        throw Error({ErrorCode::input, "output file", path, std::string("a file that can be written (") + step + ": " + reason + ")",
                     "check the folder's permissions and free space", "", 0, 0});
    };
    if (file < 0)
        fail("create");
    for (size_t written = 0; written < bytes.size();) {
        const ssize_t count = write(file, bytes.data() + written, bytes.size() - written);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            fail("write");
        written += static_cast<size_t>(count);
    }
    if (fchmod(file, 0644) != 0)
        fail("chmod");
    if (fsync(file) != 0)
        fail("fsync");
    if (rename(temporary.c_str(), path.c_str()) != 0)
        fail("rename");
    close(file);
}

void write_file_if_changed(const std::string &path, const std::vector<char> &bytes) {
    std::vector<char> present;
    if (read_file(path, present) && present == bytes)
        return;
    write_file(path, bytes);
}

TemporaryFolder::TemporaryFolder() {
    const char *folder = std::getenv("TMPDIR");
    path = std::string(folder && *folder ? folder : "/tmp") + "/attune-XXXXXX";
    if (!mkdtemp(path.data()))
        throw Error({ErrorCode::input, "TMPDIR", path, "a folder that can be written", "set TMPDIR to one", "", 0, 0});
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
}

}  // namespace attune
