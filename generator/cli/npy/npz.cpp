/// .npz is a ZIP archive (PKWARE APPNOTE 6.3.10) of .npy files. numpy.savez stores them as they are, so that each is a part of the file.
#include "generator/cli/npy/npy.h"
#include "generator/cli/npy/part.h"
#include "generator/spec/error.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <ios>

namespace attune {
namespace {

constexpr uint32_t end_mark = 0x06054b50, entry_mark = 0x02014b50, local_mark = 0x04034b50;
constexpr size_t end_bytes = 22, entry_bytes = 46, local_bytes = 30, longest_comment = 0xffff;
constexpr uint32_t in_zip64 = 0xffffffff;  // the number stands in an extension, for 4 GiB and more
constexpr uint16_t encrypted = 1, stored = 0;

class Archive {
public:
    Archive(const std::string &path, const std::string &argument) : path_(path), argument_(argument), file_(path, std::ios::binary) {
        if (!file_) fail("not readable: " + errno_text(errno), "check the path and its permissions");
        file_.seekg(0, std::ios::end);
        const std::streamoff size = file_.tellg();
        if (size < 0) fail("no regular file", "give a file");
        size_ = static_cast<uint64_t>(size);
    }

    std::map<std::string, NpyArray> read() {
        std::map<std::string, NpyArray> arrays;
        const std::string tail = bytes(size_ - std::min<uint64_t>(size_, end_bytes + longest_comment), std::min<uint64_t>(size_, end_bytes + longest_comment));
        size_t end = tail.size() < end_bytes ? std::string::npos : tail.size() - end_bytes;
        while (end != std::string::npos && number32(tail, end) != end_mark) end = end == 0 ? std::string::npos : end - 1;
        if (end == std::string::npos) fail(tail.starts_with("\x93NUMPY") ? "an .npy file" : "no .npz archive", "write it with numpy.savez");
        const uint64_t entries = number16(tail, end + 10), directory_bytes = number32(tail, end + 12), directory = number32(tail, end + 16);
        if (directory == in_zip64) fail("an archive of 4 GiB or more", "save fewer arrays in one file");

        const std::string listed = bytes(directory, directory_bytes);
        size_t at = 0;
        for (uint64_t i = 0; i < entries; i++) {
            if (listed.size() - at < entry_bytes || number32(listed, at) != entry_mark) damaged();
            const size_t name_bytes = number16(listed, at + 28);
            const size_t next = at + entry_bytes + name_bytes + number16(listed, at + 30) + number16(listed, at + 32);
            if (next > listed.size()) damaged();
            std::string name = listed.substr(at + entry_bytes, name_bytes);
            if (name.ends_with(".npy")) name.resize(name.size() - 4);
            if (number16(listed, at + 8) & encrypted) fail("an archive whose " + name + " is encrypted", "write it with numpy.savez");
            if (number16(listed, at + 10) != stored) fail("an archive whose " + name + " is compressed", "save with numpy.savez, not savez_compressed");
            const FilePart part = {data_of(number32(listed, at + 42)), number32(listed, at + 24)};
            if (part.offset + part.size > size_) damaged();
            if (!arrays.emplace(name, read_npy_part(path_, argument_.empty() ? name : argument_ + " " + name, part)).second)
                fail("an archive that holds " + name + " twice", "write it with numpy.savez");
            at = next;
        }
        return arrays;
    }

private:
    /// Where the bytes of the member begin whose own header is there.
    uint64_t data_of(uint64_t header) {
        const std::string local = bytes(header, local_bytes);
        if (number32(local, 0) != local_mark) damaged();
        return header + local_bytes + number16(local, 26) + number16(local, 28);
    }

    std::string bytes(uint64_t offset, uint64_t count) {
        if (offset > size_ || count > size_ - offset) damaged();
        std::string out(count, '\0');
        file_.clear();
        file_.seekg(static_cast<std::streamoff>(offset));
        if (!file_.read(out.data(), static_cast<std::streamsize>(count))) damaged();
        return out;
    }

    static uint32_t byte(const std::string &text, size_t at) { return static_cast<unsigned char>(text[at]); }
    static uint32_t number16(const std::string &text, size_t at) { return byte(text, at) | byte(text, at + 1) << 8; }
    static uint32_t number32(const std::string &text, size_t at) { return number16(text, at) | number16(text, at + 2) << 16; }

    [[noreturn]] void damaged() const { fail("a damaged .npz archive", "write it again"); }
    [[noreturn]] void fail(const std::string &found, const std::string &cure) const {
        throw Error({.code = ErrorCode::input,
                     .argument = argument_.empty() ? path_ : argument_,
                     .value = found,
                     .expected = "an .npz archive of uncompressed arrays",
                     .cure = cure,
                     .file = path_,
                     .problem = (argument_.empty() ? "the file" : argument_) + " is " + found});
    }

    std::string path_, argument_;
    std::ifstream file_;
    uint64_t size_ = 0;
};

}  // namespace

std::map<std::string, NpyArray> read_npz(const std::string &path, const std::string &argument) {
    errno = 0;
    return Archive(path, argument).read();
}

}  // namespace attune
