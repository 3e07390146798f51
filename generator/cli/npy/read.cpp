#include "generator/cli/npy/header.h"
#include "generator/cli/npy/npy.h"
#include "generator/cli/npy/part.h"
#include "generator/spec/error.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <new>
#include <optional>
#include <stdexcept>

namespace attune {
namespace {

constexpr size_t largest_header = 1 << 16;  // NumPy itself refuses more than 10000 bytes unless asked
const char *const types = "float32, float16, uint16 (bits of bf16), int32, int64, uint8 or bool";

/// An open file or a part of one, and how to fail about it.
class File {
public:
    File(const std::string &path, const std::string &argument, const FilePart *part) : path_(path), argument_(argument) {
        fd_ = path.find('\0') == std::string::npos ? open(path.c_str(), O_RDONLY | O_CLOEXEC) : (errno = ENOENT, -1);
        if (fd_ < 0) fail_unreadable();
        struct stat status {};
        if (fstat(fd_, &status) == 0 && S_ISREG(status.st_mode)) size_ = static_cast<uint64_t>(status.st_size);
        if (part) {
            if (lseek(fd_, static_cast<off_t>(part->offset), SEEK_SET) < 0) fail_unreadable();
            size_ = part->size;
            ends_ = part->size;
        }
    }
    File(const File &) = delete;
    File &operator=(const File &) = delete;
    ~File() {
        if (fd_ >= 0) close(fd_);
    }

    /// Up to n bytes: fewer at the end of the file only.
    size_t read(unsigned char *to, size_t n) {
        size_t done = 0;
        n = std::min<uint64_t>(n, ends_ - position_);
        while (done < n) {
            const ssize_t got = ::read(fd_, to + done, std::min<size_t>(n - done, 1u << 30));
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) fail_unreadable();
            if (got == 0) break;
            done += static_cast<size_t>(got);
        }
        position_ += done;
        return done;
    }

    std::optional<uint64_t> size() const { return size_; }  ///< of a regular file, or of the part
    uint64_t position() const { return position_; }

    [[noreturn]] void fail(const std::string &found, const std::string &expected, const std::string &cure) const {
        throw Error({.code = ErrorCode::input,
                     .argument = argument_.empty() ? path_ : argument_,
                     .value = found,
                     .expected = expected,
                     .cure = cure,
                     .file = path_,
                     .problem = argument_.empty() ? "the array is " + found : argument_ + " is " + found});
    }

private:
    [[noreturn]] void fail_unreadable() {
        const std::string why = errno_text(errno);
        if (fd_ >= 0) close(fd_), fd_ = -1;
        fail("not readable: " + why, "an .npy file", "check the path and its permissions");
    }

    std::string path_, argument_;
    int fd_ = -1;
    std::optional<uint64_t> size_;
    uint64_t position_ = 0, ends_ = std::numeric_limits<uint64_t>::max();  ///< of the part
};

std::string read_header(File &file) {
    const auto garbage = [&](const std::string &found) {
        file.fail(found, "an .npy file of version 1, 2 or 3", "write it with numpy.save");
    };
    unsigned char head[8] = {};
    if (file.read(head, sizeof head) < sizeof head || std::memcmp(head, "\x93NUMPY", 6) != 0)
        garbage(std::memcmp(head, "PK\x03\x04", 4) == 0 ? "an .npz archive" : "no .npy file");
    if (head[6] < 1 || head[6] > 3 || head[7] != 0)
        garbage("an .npy file of version " + std::to_string(head[6]) + "." + std::to_string(head[7]));
    unsigned char length[4] = {};
    const size_t length_bytes = head[6] == 1 ? 2 : 4;
    if (file.read(length, length_bytes) < length_bytes) garbage("cut short in its header");
    const size_t n = length[0] | length[1] << 8 | length[2] << 16 | static_cast<size_t>(length[3]) << 24;
    if (n > largest_header) garbage("an .npy file with a header of " + std::to_string(n) + " bytes");
    std::string text(n, '\0');
    if (file.read(reinterpret_cast<unsigned char *>(text.data()), n) < n) garbage("cut short in its header");
    return text;
}

void check_type(const File &file, const NpyHeader &header) {
    const std::string &descr = header.descr;
    if (npy_element_size(descr) > 0 && !header.is_record) return;
    const std::string kind = descr.size() > 1 && std::strchr("<>=|", descr[0]) ? descr.substr(1) : descr;
    if (header.is_record) file.fail("an array of records", types, "save one of its fields, as in a[\"name\"]");
    if (!descr.empty() && descr[0] == '>' && (kind == "f8" || npy_element_size("<" + kind) > 0))
        file.fail("big-endian (" + descr + ")", "little-endian", "convert it with a.astype(\"<" + (kind == "f8" ? "f4" : kind) + "\")");
    if (kind.starts_with('O')) file.fail("an array of Python objects", types, "convert it with np.array(a.tolist(), np.float32)");
    if (kind == "f8") file.fail("float64", types, "convert it with a.astype(np.float32)");
    file.fail("of type '" + descr + "'", types, "convert it with astype, as in a.astype(np.float32)");
}

/// Bytes of the data, or nothing where they overflow. Sizes beside a 0 must multiply without overflow too, as strides come from them.
std::optional<uint64_t> data_bytes(const std::vector<int64_t> &shape, size_t element) {
    uint64_t product = element;
    bool is_empty = false;
    for (const int64_t n : shape) {
        is_empty |= n == 0;
        if (n > 0 && product > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / static_cast<uint64_t>(n)) return std::nullopt;
        if (n > 0) product *= static_cast<uint64_t>(n);
    }
    return is_empty ? 0 : product;
}

NpyArray read_array(File &file) {
    NpyHeader header;
    if (const std::string wrong = parse_npy_header(read_header(file), header); !wrong.empty())
        file.fail("an .npy file whose header has " + wrong, "a header as NumPy writes it", "write it with numpy.save");
    check_type(file, header);
    const auto large_sizes = std::count_if(header.shape.begin(), header.shape.end(), [](int64_t n) { return n != 1; });
    if (header.fortran_order && large_sizes > 1) file.fail("in Fortran order", "C order", "convert it with np.ascontiguousarray(a)");

    const std::string shape = npy_shape_text(header.shape);
    const auto bytes = data_bytes(header.shape, npy_element_size(header.descr));
    if (!bytes) file.fail("of shape " + shape, "at most 2^63 - 1 bytes", "check the header");
    const auto fail_length = [&](uint64_t found, bool more) {
        file.fail((more ? "too long: " : "cut short: ") + std::to_string(found) + (more ? " bytes or more" : " bytes") + " of data",
                  std::to_string(*bytes) + " bytes for shape " + shape + " of " + npy_dtype_name(header.descr), "write it again");
    };
    if (file.size() && *file.size() < file.position() + *bytes) fail_length(*file.size() - std::min(*file.size(), file.position()), false);
    if (file.size() && *file.size() > file.position() + *bytes) fail_length(*file.size() - file.position(), true);

    NpyArray array{header.descr, header.shape, {}};
    try {
        // A pipe tells no size, so its bytes are taken as they come: a header alone cannot make us allocate much.
        for (size_t step = file.size() ? *bytes : 1 << 20; array.bytes.size() < *bytes; step *= 2) {
            const size_t begin = array.bytes.size(), n = std::min<uint64_t>(step, *bytes - begin);
            array.bytes.resize(begin + n);
            const size_t got = file.read(array.bytes.data() + begin, n);
            if (got < n) fail_length(begin + got, false);
        }
    } catch (const std::bad_alloc &) {
        file.fail("of " + std::to_string(*bytes) + " bytes", "an array that fits in memory", "use a smaller array");
    } catch (const std::length_error &) {
        file.fail("of " + std::to_string(*bytes) + " bytes", "an array that fits in memory", "use a smaller array");
    }
    unsigned char extra = 0;
    if (file.read(&extra, 1) > 0) fail_length(*bytes + 1, true);
    return array;
}

}  // namespace

NpyArray read_npy(const std::string &path, const std::string &argument) {
    File file(path, argument, nullptr);
    return read_array(file);
}

NpyArray read_npy_part(const std::string &path, const std::string &argument, const FilePart &part) {
    File file(path, argument, &part);
    return read_array(file);
}

}  // namespace attune
