#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace attune {

/// An array as NumPy's .npy files hold it (numpy.lib.format, versions 1.0, 2.0 and 3.0): C order, little-endian.
struct NpyArray {
    std::string dtype;                 ///< "<f4", "<f2", "<u2" (bits of bf16), "<i4", "<i8", "|u1" or "|b1"
    std::vector<int64_t> shape;        ///< outermost first; empty: a single number
    std::vector<unsigned char> bytes;  ///< aligned as operator new aligns

    int64_t size() const;  ///< elements
};

/// Bytes of an element, or 0 for a type that is not read.
size_t npy_element_size(const std::string &dtype);
/// "float32" for "<f4": the name that NumPy's users know.
std::string npy_dtype_name(const std::string &dtype);
/// "(1, 8, 512, 64)"
std::string npy_shape_text(const std::vector<int64_t> &shape);

/// Reads a file, or a pipe. argument: the flag that named it ("--query"), for the message.
/// Throws Error(input) for a file that cannot be read, is no .npy file, is cut short or too long, or holds an array in Fortran order
/// (with two dimensions or more), big-endian or of another type.
NpyArray read_npy(const std::string &path, const std::string &argument = "");

/// Reads an .npz archive as numpy.savez writes it, its arrays uncompressed: name ("columns") -> array.
/// Throws Error(input) for a file that cannot be read, is no such archive, is damaged or holds a compressed array.
std::map<std::string, NpyArray> read_npz(const std::string &path, const std::string &argument = "");

/// A file that is written but not there yet: a temporary file in the folder of its path, complete and on the disk. commit() gives it
/// its name; without it the destructor removes it. So several results appear together, or none.
class PendingNpy {
public:
    /// Throws Error(input) where the file cannot be written. A path that is a pipe or a device gets its bytes in commit().
    PendingNpy(const std::string &path, const NpyArray &array, const std::string &argument = "");
    PendingNpy(PendingNpy &&other) noexcept;
    PendingNpy(const PendingNpy &) = delete;
    PendingNpy &operator=(const PendingNpy &) = delete;
    PendingNpy &operator=(PendingNpy &&) = delete;
    ~PendingNpy();

    void commit();

private:
    std::string path_, argument_;
    std::string temporary_;              ///< empty after commit(), and for a pipe or device
    std::vector<unsigned char> stream_;  ///< for a pipe or device
};

/// Writes and commits one array.
void write_npy(const std::string &path, const NpyArray &array, const std::string &argument = "");

}  // namespace attune
