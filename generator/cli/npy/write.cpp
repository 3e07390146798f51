#include "generator/cli/npy/header.h"
#include "generator/cli/npy/npy.h"
#include "generator/spec/error.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace attune {
namespace {

[[noreturn]] void fail_write(const std::string &path, const std::string &argument, int error) {
    throw Error({.code = ErrorCode::input,
                 .argument = argument.empty() ? path : argument,
                 .value = path.empty() ? "\"\"" : path,
                 .expected = "a path that can be written",
                 .cure = error == ENOENT ? "create its folder first" : error == ENOSPC ? "free some space" : "check the path and its permissions",
                 .file = path,
                 .problem = "the array cannot be written: " + errno_text(error)});
}

/// What comes before the data: version 1.0.
std::vector<unsigned char> file_front(const NpyArray &array) {
    const size_t element = npy_element_size(array.dtype);
    if (element == 0 || array.bytes.size() != static_cast<size_t>(array.size()) * element)
        throw std::invalid_argument("write_npy: dtype, shape and bytes do not agree");
    const std::string dictionary = npy_header_text(array.dtype, array.shape);
    const std::string front("\x93NUMPY\1\0", 8);
    const size_t padding = 63 - (front.size() + 2 + dictionary.size()) % 64;  // with the line feed, the data starts at a multiple of 64
    const size_t length = dictionary.size() + padding + 1;
    const std::string text = front + static_cast<char>(length & 255) + static_cast<char>(length >> 8) + dictionary + std::string(padding, ' ') + '\n';
    return {text.begin(), text.end()};
}

/// Returns 0 or errno.
int write_all(int fd, const std::vector<unsigned char> &bytes) {
    for (size_t done = 0; done < bytes.size();) {
        const ssize_t n = ::write(fd, bytes.data() + done, std::min<size_t>(bytes.size() - done, 1u << 30));
        if (n < 0 && errno != EINTR) return errno;
        if (n > 0) done += static_cast<size_t>(n);
    }
    return 0;
}

/// Where a symbolic link leads, so that the link stays and its file is replaced.
std::string resolved(const std::string &path) {
    char *real = realpath(path.c_str(), nullptr);
    const std::string out = real ? real : path;
    std::free(real);
    return out;
}

}  // namespace

PendingNpy::PendingNpy(const std::string &path, const NpyArray &array, const std::string &argument) : path_(path), argument_(argument) {
    const std::vector<unsigned char> header = file_front(array);
    if (path.empty() || path.find('\0') != std::string::npos) fail_write(path, argument, ENOENT);
    struct stat status {};
    const bool exists = stat(path.c_str(), &status) == 0;
    if (exists && S_ISDIR(status.st_mode)) fail_write(path, argument, EISDIR);
    if (exists && !S_ISREG(status.st_mode)) {  // /dev/null or a pipe: must not be replaced by a file
        stream_ = header;
        stream_.insert(stream_.end(), array.bytes.begin(), array.bytes.end());
        return;
    }
    if (exists && access(path.c_str(), W_OK) != 0) fail_write(path, argument, errno);  // a rename would replace a read-only file
    path_ = resolved(path);

    // In the same folder: a rename is atomic within a file system only.
    const size_t slash = path_.rfind('/') == std::string::npos ? 0 : path_.rfind('/') + 1;
    int fd = -1;
    for (int attempt = 0; fd < 0 && attempt < 1000; attempt++) {
        temporary_ = path_.substr(0, slash) + ".attune-" + std::to_string(getpid()) + "-" + std::to_string(attempt) + ".tmp";
        fd = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, exists ? status.st_mode & 0777 : 0666);
        if (fd < 0 && errno != EEXIST) break;
    }
    if (fd < 0) {
        const int error = errno;
        temporary_.clear();
        fail_write(path, argument, error);
    }
    int error = write_all(fd, header);
    if (error == 0) error = write_all(fd, array.bytes);
    if (error == 0 && fsync(fd) != 0) error = errno;
    if (close(fd) != 0 && error == 0) error = errno;
    if (error != 0) {
        unlink(temporary_.c_str());
        temporary_.clear();
        fail_write(path, argument, error);
    }
}

PendingNpy::PendingNpy(PendingNpy &&other) noexcept
    : path_(std::move(other.path_)),
      argument_(std::move(other.argument_)),
      temporary_(std::exchange(other.temporary_, {})),
      stream_(std::exchange(other.stream_, {})) {}

PendingNpy::~PendingNpy() {
    if (!temporary_.empty()) unlink(temporary_.c_str());
}

void PendingNpy::commit() {
    int error = 0;
    if (!stream_.empty()) {
        const int fd = open(path_.c_str(), O_WRONLY | O_CLOEXEC);
        if (fd < 0) fail_write(path_, argument_, errno);
        error = write_all(fd, stream_);
        if (close(fd) != 0 && error == 0) error = errno;
        stream_.clear();
    } else if (!temporary_.empty()) {
        if (std::rename(temporary_.c_str(), path_.c_str()) != 0) error = errno;
        if (error == 0) temporary_.clear();
    }
    if (error != 0) fail_write(path_, argument_, error);
}

void write_npy(const std::string &path, const NpyArray &array, const std::string &argument) { PendingNpy(path, array, argument).commit(); }

}  // namespace attune
